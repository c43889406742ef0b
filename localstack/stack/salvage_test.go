package stack_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/watchroute/watchroute/localstack/stack"
)

// impatient gives records up after two retries, and has one shard, so that everything is
// each other's neighbour.
func impatient(t *testing.T, change func(resources object)) func(*stack.Options) {
	return func(o *stack.Options) {
		o.Shards = 1
		o.Template = edited(t, func(resources object) {
			for _, mapping := range []string{"EventsToFanout", "RevocationsToRevoke"} {
				properties(resources, mapping)["MaximumRetryAttempts"] = 2
			}
			if change != nil {
				change(resources)
			}
		})
	}
}

// spoil writes a head for a topic that cannot be read, so that nothing of it can be
// numbered.
func (s *running) spoil(t *testing.T, topic string) {
	t.Helper()
	_, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Changes"), Item: map[string]types.AttributeValue{
		"topic": &types.AttributeValueMemberS{Value: topic}, "seq": &types.AttributeValueMemberN{Value: "0"},
		"last": &types.AttributeValueMemberS{Value: "no number"},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// gaveUp awaits messages in the failure queue, which must say so.
func (s *running) gaveUp(t *testing.T) (messages []refused) {
	t.Helper()
	eventually(t, "a message in the failure queue", func() bool {
		messages = s.receive(t)
		return len(messages) > 0
	})
	for _, m := range messages {
		if m.Reason != "gave_up" || m.Condition != "RetryAttemptsExhausted" {
			t.Errorf("message %+v", m)
		}
	}
	return messages
}

// TestItemThatFanoutNeverManagesIsKeptForPeople: its change lands in the failure queue with
// its images, while its neighbours go on. Nobody needs the stream, which forgets it.
func TestItemThatFanoutNeverManagesIsKeptForPeople(t *testing.T) {
	s := start(t, impatient(t, nil))
	c := s.connect(t)
	c.subscribe("good")
	s.spoil(t, "spoilt")
	s.put(t, "good", "1", "1")
	s.put(t, "spoilt", "i", "2")
	s.put(t, "good", "2", "3")
	s.putItem(t, map[string]types.AttributeValue{
		"topic": &types.AttributeValueMemberS{Value: "spoilt"}, "id": &types.AttributeValueMemberS{Value: "i"},
		"text": &types.AttributeValueMemberS{Value: "what SQS refuses: \uffff"},
	})
	s.delete(t, "spoilt", "i")
	s.put(t, "good", "3", "4")
	c.seqs(3)
	const first, second = `{"id":{"S":"i"},"price":{"N":"2"},"topic":{"S":"spoilt"}}`, `{"id":{"S":"i"},"text":{"S":"what SQS refuses: \uffff"},"topic":{"S":"spoilt"}}`
	want := map[string][2]string{"INSERT": {"null", first}, "MODIFY": {first, second}, "REMOVE": {second, "null"}}
	for len(want) > 0 {
		for _, m := range s.gaveUp(t) {
			if encoded(t, m.Keys["topic"]) != `{"S":"spoilt"}` {
				continue // it was done, behind one in the batch that was not
			}
			images, ok := want[m.EventName]
			delete(want, m.EventName)
			if before, after := encoded(t, m.OldImage), encoded(t, m.NewImage); !ok || before != images[0] || after != images[1] {
				t.Errorf("%s from %s to %s, want %s", m.EventName, before, after, images)
			}
			if !strings.Contains(m.EventSourceARN, ":table/Events/stream/") || !strings.HasSuffix(m.FunctionARN, ":function:Fanout") || m.SequenceNumber == "" {
				t.Errorf("message %+v", m)
			}
		}
	}
	eventually(t, "nothing is left in the queue of what was given up", func() bool {
		u := s.Usage().SQS.Queues["GivenUpQueue"]
		return u.Sent > 0 && u.Deleted == u.Sent
	})
}

// encoded writes an image with its members in order.
func encoded(t *testing.T, image any) string {
	t.Helper()
	text, err := json.Marshal(image)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\uffff", `\uffff`)
}

// TestRevocationThatIsNeverManagedIsKeptForPeople, who can then close what it was to close.
func TestRevocationThatIsNeverManagedIsKeptForPeople(t *testing.T) {
	s := start(t, impatient(t, func(resources object) { take(t, resources, "RevokeRole", "dynamodb:Query", "Connections") }))
	s.revoke(t, "alice", "stolen")
	m := s.gaveUp(t)[0]
	if encoded(t, m.Keys) != `{"subject":{"S":"alice"},"tokenId":{"S":"stolen"}}` || m.NewImage == nil || !strings.HasSuffix(m.FunctionARN, ":function:Revoke") {
		t.Errorf("message %+v", m)
	}
}

// TestPointerThatCannotBeFollowedIsKeptForPeople: what salvage fails with goes to the failure
// queue by itself.
func TestPointerThatCannotBeFollowedIsKeptForPeople(t *testing.T) {
	s := start(t, func(o *stack.Options) {
		o.Template = edited(t, func(resources object) {
			queue, function := properties(resources, "GivenUpQueue"), properties(resources, "Salvage")
			queue["VisibilityTimeout"], function["Timeout"] = 1, 1
			queue["RedrivePolicy"].(object)["maxReceiveCount"] = 2
		})
	})
	s.giveUp(t, "no pointer")
	eventually(t, "a message in the failure queue", func() bool {
		out, err := s.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(s.Outputs["FailureQueueUrl"])})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Messages) == 1 && *out.Messages[0].Body == "no pointer"
	})
	if u := s.Usage(); u.SQS.Queues["GivenUpQueue"].Received != 2 || u.Lambda.Functions["Salvage"].Invocations != 2 {
		t.Errorf("usage %+v", u.SQS)
	}
}

// giveUp sends a message as Lambda does for what it gives up.
func (s *running) giveUp(t *testing.T, body string) {
	t.Helper()
	queue, err := s.sqs.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("GivenUpQueue")})
	if err == nil {
		_, err = s.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: &body})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// salvageOne gives up a record of a table though its function did not fail, and awaits it in
// the failure queue. The record's partition key has that value.
func (s *running) salvageOne(t *testing.T, table, key string) {
	t.Helper()
	client := dynamodbstreams.New(dynamodbstreams.Options{Region: stack.Region, BaseEndpoint: aws.String(s.URL()),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
	listed, err := client.ListStreams(t.Context(), &dynamodbstreams.ListStreamsInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	stream := listed.Streams[0].StreamArn
	described, err := client.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: stream})
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range described.StreamDescription.Shards {
		at, err := client.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{
			StreamArn: stream, ShardId: shard.ShardId, ShardIteratorType: streams.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		page, err := client.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: at.ShardIterator})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if !strings.Contains(encoded(t, r.Dynamodb.Keys), `"`+key+`"`) {
				continue
			}
			before := s.Usage().SQS.Queues["FailureQueue"].Sent
			s.giveUp(t, fmt.Sprintf(`{"DDBStreamBatchInfo":{"shardId":%q,"startSequenceNumber":%q,"endSequenceNumber":%q,"batchSize":1,"streamArn":%q}}`,
				*shard.ShardId, *r.Dynamodb.SequenceNumber, *r.Dynamodb.SequenceNumber, *stream))
			eventually(t, "the record in the failure queue", func() bool { return s.Usage().SQS.Queues["FailureQueue"].Sent == before+1 })
			return
		}
	}
	t.Fatalf("no record of %s in the stream of %s", key, table)
}
