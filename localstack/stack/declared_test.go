package stack_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/eventbridge"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/watch"
)

// declaring runs the template as infra makes it with destinations, beside their targets. The queue large
// is missing.
func declaring(t *testing.T, hook *hook) (*running, *eventbridge.Hand) {
	t.Helper()
	text, err := os.ReadFile(root + "/infra/testdata/declared.json")
	if err != nil {
		t.Fatal(err)
	}
	parts := object{}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "https://hooks.example.com/orders", hook.URL)), &parts); err != nil {
		t.Fatal(err)
	}
	targets := object{}
	if err := json.Unmarshal([]byte(declaredTargets), &targets); err != nil {
		t.Fatal(err)
	}
	clock := eventbridge.NewHand(time.Now())
	return start(t, func(o *stack.Options) {
		o.Clock = clock
		o.Template = edited(t, func(resources object) { maps.Copy(resources, parts); maps.Copy(resources, targets) })
	}), clock
}

// declaredTargets are the targets of infra's declared.json, and queues behind the topic and the bus.
const declaredTargets = `{
 "LanesQueue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "lanes.fifo", "FifoQueue": true}},
 "News": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "news.fifo", "FifoTopic": true}},
 "NewsQueue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "behind-news.fifo", "FifoQueue": true}},
 "NewsToQueue": {"Type": "AWS::SNS::Subscription", "Properties": {"TopicArn": {"Ref": "News"}, "Protocol": "sqs", "Endpoint": {"Fn::GetAtt": ["NewsQueue", "Arn"]}}},
 "Shop": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "shop"}},
 "ShopQueue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "behind-shop"}},
 "ShopRule": {"Type": "AWS::Events::Rule", "Properties": {
  "EventBusName": {"Ref": "Shop"}, "EventPattern": {"source": ["watchroute"], "detail-type": ["watchroute.changes"], "detail": {"topic": ["orders/1"]}},
  "Targets": [{"Id": "queue", "Arn": {"Fn::GetAtt": ["ShopQueue", "Arn"]}}]
 }},
 "Behind": {"Type": "AWS::SQS::QueuePolicy", "Properties": {
  "Queues": [{"Ref": "NewsQueue"}, {"Ref": "ShopQueue"}],
  "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": ["sns.amazonaws.com", "events.amazonaws.com"]}, "Action": "sqs:SendMessage", "Resource": "*"}]}
 }},
 "Trail": {"Type": "AWS::Kinesis::Stream", "Properties": {"Name": "trail", "ShardCount": 1}}
}`

// bodies takes what is in a queue by now.
func (s *running) bodies(t *testing.T, name string) (all []string) {
	t.Helper()
	url := aws.String(s.URL() + "/" + stack.Account + "/" + name)
	for {
		out, err := s.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return all
		}
		for _, m := range out.Messages {
			all = append(all, *m.Body)
			if _, err := s.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// seqsOf gives the numbers of the changes of a topic in frames.
func seqsOf(t *testing.T, topic events.Topic, frames []string) (seqs []int64) {
	t.Helper()
	for _, text := range frames {
		frame, err := events.Decode([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, c := range frame.(*events.Changes).Changes {
			if c.Topic == topic {
				seqs = append(seqs, c.Seq)
			}
		}
	}
	return seqs
}

// TestDeclaredDestinationsGetChangesInOrder, of each kind, with the input and the role that infra makes. A
// target that is missing fails, loses nothing, and has everything once it is there.
func TestDeclaredDestinationsGetChangesInOrder(t *testing.T) {
	t.Parallel()
	hook := newHook(t)
	s, clock := declaring(t, hook)
	store := s.store()
	by := map[string]delivery.Destination{}
	clock.Advance(time.Minute)
	eventually(t, "six destinations", func() bool {
		all, err := store.Destinations(t.Context(), watch.Deployer)
		for _, d := range all {
			by[d.Name] = d
		}
		return err == nil && len(by) == 6
	})
	for n := 1; n <= 3; n++ {
		for _, topic := range []string{"orders/1", "orders/2"} {
			s.putItem(t, map[string]types.AttributeValue{"topic": text(topic), "id": text("i"), "n": number(int64(n)), "hidden": number(1)})
		}
	}
	want := []int64{1, 2, 3}
	frames := map[string][]string{}
	for kind, next := range map[string]func() []string{
		"SQS": func() []string { return s.bodies(t, "lanes.fifo") },
		"SNS": func() (all []string) {
			for _, body := range s.bodies(t, "behind-news.fifo") {
				var envelope struct{ Message string }
				if err := json.Unmarshal([]byte(body), &envelope); err != nil {
					t.Fatal(err)
				}
				all = append(all, envelope.Message)
			}
			return all
		},
		"EventBridge": func() (all []string) {
			for _, body := range s.bodies(t, "behind-shop") {
				var event struct{ Detail json.RawMessage }
				if err := json.Unmarshal([]byte(body), &event); err != nil {
					t.Fatal(err)
				}
				all = append(all, string(event.Detail))
			}
			return all
		},
		"Kinesis": func() []string { frames["Kinesis"] = nil; return s.recordsOf(t, "trail") },
	} {
		eventually(t, "three changes by "+kind, func() bool {
			frames[kind] = append(frames[kind], next()...)
			return slices.Equal(seqsOf(t, "orders/1", frames[kind]), want)
		})
	}
	eventually(t, "all changes by webhook", func() bool {
		return slices.Equal(hook.got("orders/1"), want) && slices.Equal(hook.got("orders/2"), want)
	})
	eventually(t, "six records, of one change each", func() bool { return len(s.recordsOf(t, "trail")) == 6 })
	s.failsThenDelivers(t, store, by["large"], clock)
	u := s.Usage().IAM
	if u.Denied != 0 {
		t.Errorf("%d calls were denied: %+v", u.Denied, u)
	}
	for _, action := range []string{"sqs:SendMessage", "sns:Publish", "events:PutEvents", "kinesis:PutRecord", "dynamodb:PutItem"} {
		if !used(u, "Deliver", action) {
			t.Errorf("deliver does not need each grant of %s", action)
		}
	}
	if status := s.destinations(t, s.token(t, "alice", delivering, nil), "GET", "/"+by["lanes"].ID, nil, nil); status != 404 {
		t.Errorf("what is declared is shown to a client: %d", status)
	}
}

// failsThenDelivers makes the queue that is missing, once an attempt has failed for that.
func (s *running) failsThenDelivers(t *testing.T, store *dynamo.Store, d delivery.Destination, clock *eventbridge.Hand) {
	t.Helper()
	eventually(t, "two failed attempts that say why", func() bool {
		standings, _, err := store.Standings(t.Context(), d.ID, "", 10)
		return err == nil && len(standings) == 2 && !slices.ContainsFunc(standings, func(st delivery.Standing) bool {
			return !strings.HasPrefix(st.Last.Error, "sqs: AWS.SimpleQueueService.NonExistentQueue: ")
		})
	})
	if _, err := s.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("large")}); err != nil {
		t.Fatal(err)
	}
	var got []string
	eventually(t, "the events, which are due after five seconds", func() bool {
		clock.Advance(time.Minute)
		time.Sleep(100 * time.Millisecond)
		for _, body := range s.bodies(t, "large") {
			var e struct {
				SpecVersion, Topic, Sequence string
				Data                         json.RawMessage
			}
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s %s %s", e.Topic, strings.TrimLeft(e.Sequence, "0"), e.Data))
		}
		return len(got) == 4
	})
	slices.Sort(got)
	if want := []string{`orders/1 2 {"n":2}`, `orders/1 3 {"n":3}`, `orders/2 2 {"n":2}`, `orders/2 3 {"n":3}`}; !slices.Equal(got, want) {
		t.Errorf("the queue got %q, want %q", got, want)
	}
}

// recordsOf gives the data of all records of a stream with one shard.
func (s *running) recordsOf(t *testing.T, name string) (all []string) {
	t.Helper()
	streams := kinesis.New(kinesis.Options{
		Region: stack.Region, BaseEndpoint: aws.String(s.URL()), Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	at, err := streams.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: &name, ShardId: aws.String("shardId-000000000000"), ShardIteratorType: kinesistypes.ShardIteratorTypeTrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	out, err := streams.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: at.ShardIterator})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out.Records {
		all = append(all, string(r.Data))
	}
	return all
}
