package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
	emulated "github.com/watchroute/watchroute/localstack/aws/sqs"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/failure"
)

// world is the function between an embedded stream and an embedded failure queue.
type world struct {
	handler
	t        *testing.T
	registry *stream.Registry
	stream   *stream.Stream
	queue    *sqs.Client
	url      *string
	log      bytes.Buffer
	later    atomic.Int64 // how far the stream's clock is ahead
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	w.registry = stream.NewRegistry(stream.Options{Shards: 1, Now: func() time.Time { return time.Now().Add(time.Duration(w.later.Load())) }})
	keys := []stream.KeySchemaElement{{AttributeName: "topic", KeyType: "HASH"}, {AttributeName: "id", KeyType: "RANGE"}}
	w.stream = w.registry.Enable("Events", keys, stream.NewAndOldImages)
	streamServer, queueServer := httptest.NewServer(w.registry.Service()), httptest.NewServer(emulated.New(emulated.Options{}).Service())
	t.Cleanup(streamServer.Close)
	t.Cleanup(queueServer.Close)
	config := func(url string) aws.Config {
		return aws.Config{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
			RetryMaxAttempts: 1, HTTPClient: dynamo.HTTPClient()}
	}
	w.queue = sqs.NewFromConfig(config(queueServer.URL))
	created, err := w.queue.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("failures")})
	if err != nil {
		t.Fatal(err)
	}
	w.url = created.QueueUrl
	w.handler = handler{
		streams:  streams{dynamodbstreams.NewFromConfig(config(streamServer.URL))},
		failures: failure.Open(config(queueServer.URL), *created.QueueUrl),
		logger:   slog.New(slog.NewJSONHandler(&w.log, nil)),
	}
	return w
}

// write appends one change and gives its sequence number.
func (w *world) write(op stream.Op, id string, before, after item.Item, ttl bool) string {
	w.t.Helper()
	key := item.Item{"topic": item.S("a"), "id": item.S(id)}
	w.stream.Append(stream.Change{Op: op, Keys: key, Old: before, New: after, PartitionKey: "a", TTL: ttl})
	return w.latest(1)[0]
}

// insert appends items without data, and gives their sequence numbers.
func (w *world) insert(ids ...string) []string {
	w.t.Helper()
	for _, id := range ids {
		key := item.Item{"topic": item.S("a"), "id": item.S(id)}
		w.stream.Append(stream.Change{Op: stream.Insert, Keys: key, New: key, PartitionKey: "a"})
	}
	return w.latest(len(ids))
}

// latest gives the sequence numbers of the last n records.
func (w *world) latest(n int) (numbers []string) {
	w.t.Helper()
	records, _, err := w.registry.Read(w.t.Context(), w.stream.ARN(), w.shard(), "", 10_000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range records[len(records)-n:] {
		numbers = append(numbers, r.SequenceNumber)
	}
	return numbers
}

func (w *world) shard() string {
	w.t.Helper()
	shards, err := w.registry.Shards(w.stream.ARN())
	if err != nil {
		w.t.Fatal(err)
	}
	return shards[0].ID
}

// pointer is what Lambda sends for the records from the first to the last.
func (w *world) pointer(first, last string) string {
	return fmt.Sprintf(`{"requestContext":{"requestId":"r1","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:Fanout",`+
		`"condition":"RetryAttemptsExhausted","approximateInvokeCount":101},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":null},`+
		`"version":"1.0","timestamp":"2026-11-26T00:00:00.000Z","DDBStreamBatchInfo":{"shardId":%q,"startSequenceNumber":%q,"endSequenceNumber":%q,`+
		`"approximateArrivalOfFirstRecord":"2026-11-25T23:00:00Z","approximateArrivalOfLastRecord":"2026-11-25T23:00:00Z","batchSize":1,"streamArn":%q}}`,
		w.shard(), first, last, w.stream.ARN())
}

// give invokes the function with messages of these bodies and gives the ids of those that
// have to come again. The id of each is its place.
func (w *world) give(bodies ...string) (again []string) {
	w.t.Helper()
	var batch awsevents.SQSEvent
	for i, body := range bodies {
		batch.Records = append(batch.Records, awsevents.SQSMessage{MessageId: fmt.Sprint(i), Body: body})
	}
	answer, err := w.salvage(w.t.Context(), batch)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range answer.BatchItemFailures {
		again = append(again, f.ItemIdentifier)
	}
	return again
}

// received is a message of the failure queue as whoever acts on it reads it.
type received struct {
	lostRecord
	Keys     map[string]map[string]any `json:"keys"`
	NewImage map[string]map[string]any `json:"newImage"`
	OldImage map[string]map[string]any `json:"oldImage"`
	Pointer  *pointer                  `json:"pointer"`
}

// messages takes what is in the failure queue.
func (w *world) messages() (all []received) {
	w.t.Helper()
	for {
		out, err := w.queue.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: w.url, MaxNumberOfMessages: 10})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return all
		}
		for _, m := range out.Messages {
			var r received
			if err := json.Unmarshal([]byte(*m.Body), &r); err != nil {
				w.t.Fatalf("%v: %.200s", err, *m.Body)
			}
			all = append(all, r)
		}
	}
}

// ids lists the items of messages; "-" is one about a pointer.
func ids(messages []received) string {
	var all []string
	for _, m := range messages {
		if m.Pointer != nil {
			all = append(all, "-")
			continue
		}
		all = append(all, m.Keys["id"]["S"].(string))
	}
	return strings.Join(all, " ")
}

// decoded makes an item of DynamoDB's JSON.
func decoded(t *testing.T, text string) item.Item {
	t.Helper()
	i, err := item.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestRecordsAreCopiedWithTheirImages: whoever reads the message can write the item again,
// with values of every type, and texts that SQS does not take.
func TestRecordsAreCopiedWithTheirImages(t *testing.T) {
	w := newWorld(t)
	const before = `{"b":{"B":""},"id":{"S":"i"},"n":{"N":"12345678901234567890.5"},"topic":{"S":"a"}}`
	const after = `{"bool":{"BOOL":false},"bs":{"BS":["AQI="]},"id":{"S":"i"},"l":{"L":[{"S":"\uffff\u0001"},{"L":[]},{"NULL":true}]},` +
		`"m":{"M":{"empty":{"M":{}},"é":{"N":"1"}}},"ns":{"NS":["1","2"]},"ss":{"SS":["x"]},"topic":{"S":"a"}}`
	number := w.write(stream.Modify, "i", decoded(t, before), decoded(t, after), false)
	if again := w.give(w.pointer(number, number)); len(again) != 0 {
		t.Fatalf("%q come again: %s", again, w.log.String())
	}
	got := w.messages()
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	m := got[0]
	if m.Reason != "gave_up" || m.Condition != "RetryAttemptsExhausted" || !strings.Contains(m.Message, "101") || !strings.HasSuffix(m.FunctionARN, ":function:Fanout") ||
		m.EventID == "" || m.EventName != "MODIFY" || m.EventSourceARN != w.stream.ARN() || m.SequenceNumber != number || m.Expired || len(m.Truncated) > 0 {
		t.Errorf("message %+v", m)
	}
	if at, err := time.Parse(time.RFC3339, m.Time); err != nil || time.Since(at) > time.Minute {
		t.Errorf("time %s, %v", m.Time, err)
	}
	for want, image := range map[string]map[string]map[string]any{before: m.OldImage, after: m.NewImage, `{"id":{"S":"i"},"topic":{"S":"a"}}`: m.Keys} {
		text, err := json.Marshal(image)
		if err != nil || !bytes.Equal(w.canonical(string(text)), w.canonical(want)) {
			t.Errorf("image %s, want %s", text, want)
		}
	}
}

// canonical writes an item as DynamoDB would, so that two can be compared.
func (w *world) canonical(text string) []byte {
	w.t.Helper()
	return decoded(w.t, text).AppendJSON(nil)
}

// TestRecordsOfAPointerAreCopied: all from the first to the last, in order, over as many
// pages as it takes, and none of the neighbours.
func TestRecordsOfAPointerAreCopied(t *testing.T) {
	w := newWorld(t)
	w.insert("before")
	var names []string
	for i := range 1_200 { // GetRecords gives 1,000
		names = append(names, fmt.Sprint(i))
	}
	numbers := w.insert(names...)
	w.insert("after")
	if again := w.give(w.pointer(numbers[0], numbers[len(numbers)-1])); len(again) != 0 {
		t.Fatalf("%q come again: %s", again, w.log.String())
	}
	if got := ids(w.messages()); got != strings.Join(names, " ") {
		t.Errorf("copied are %.100s…", got)
	}
}

// TestExpiredItemIsMarked: whoever acts on a removal has to know that nobody asked for it.
func TestExpiredItemIsMarked(t *testing.T) {
	w := newWorld(t)
	number := w.write(stream.Remove, "i", decoded(t, `{"id":{"S":"i"},"topic":{"S":"a"}}`), nil, true)
	w.give(w.pointer(number, number))
	if got := w.messages(); len(got) != 1 || !got[0].Expired || got[0].EventName != "REMOVE" || got[0].OldImage == nil || got[0].NewImage != nil {
		t.Errorf("messages %+v", got)
	}
}

// TestImagesThatDoNotFitAreLeftOut: the new one stays as long as there is room for it, and
// the message says what is missing.
func TestImagesThatDoNotFitAreLeftOut(t *testing.T) {
	large := decoded(t, `{"id":{"S":"i"},"topic":{"S":"a"},"text":{"S":"`+strings.Repeat(`\u0001`, 150_000)+`"}}`) // 900 KB as JSON
	huge := decoded(t, `{"id":{"S":"i"},"topic":{"S":"a"},"text":{"S":"`+strings.Repeat(`\u0001`, 200_000)+`"}}`)
	small := decoded(t, `{"id":{"S":"i"},"topic":{"S":"a"}}`)
	for name, c := range map[string]struct {
		before, after item.Item
		truncated     []string
	}{
		"both fit":             {small, large, nil},
		"the old one does not": {large, large, []string{"oldImage"}},
		"neither fits":         {huge, huge, []string{"oldImage", "newImage"}},
		"the new one does not": {small, huge, []string{"oldImage", "newImage"}},
		"removed":              {huge, nil, []string{"oldImage"}},
		"added":                {nil, huge, []string{"newImage"}},
	} {
		w := newWorld(t)
		op := stream.Modify
		if c.after == nil {
			op = stream.Remove
		}
		number := w.write(op, "i", c.before, c.after, false)
		again := w.give(w.pointer(number, number))
		got := w.messages()
		if len(again) > 0 || len(got) != 1 || !slices.Equal(got[0].Truncated, c.truncated) || got[0].Keys["id"]["S"] != "i" {
			t.Errorf("%s: %d messages, %q come again: %s", name, len(got), again, w.log.String())
			continue
		}
		if got[0].OldImage != nil != (c.before != nil && !slices.Contains(c.truncated, "oldImage")) ||
			got[0].NewImage != nil != (c.after != nil && !slices.Contains(c.truncated, "newImage")) {
			t.Errorf("%s: an image is there or is not", name)
		}
	}
}

// TestWhatTheStreamHasForgottenIsNamed: of records that are trimmed the pointer is left, and
// those that are not are copied.
func TestWhatTheStreamHasForgottenIsNamed(t *testing.T) {
	w := newWorld(t)
	old := w.insert("1", "2")
	w.later.Add(int64(23 * time.Hour))
	recent := w.insert("3", "4")
	w.later.Add(int64(2 * time.Hour))
	pointers := []string{w.pointer(old[0], old[1]), w.pointer(old[1], recent[0])}
	if again := w.give(pointers...); len(again) != 0 {
		t.Fatalf("%q come again: %s", again, w.log.String())
	}
	got := w.messages()
	if ids(got) != "- 3 -" {
		t.Fatalf("messages are of %s", ids(got))
	}
	for i, m := range []received{got[0], got[2]} {
		var want pointer
		if err := json.Unmarshal([]byte(pointers[i]), &want); err != nil {
			t.Fatal(err)
		}
		if m.Reason != "gave_up_unread" || m.Condition != "RetryAttemptsExhausted" || m.EventSourceARN != w.stream.ARN() || *m.Pointer != want {
			t.Errorf("message %+v", m)
		}
	}
}

// TestStreamThatIsGoneIsNamed: the table was deleted meanwhile.
func TestStreamThatIsGoneIsNamed(t *testing.T) {
	w := newWorld(t)
	number := w.insert("1")[0]
	for _, body := range []string{
		strings.Replace(w.pointer(number, number), "/stream/", "/stream/1", 1),
		strings.Replace(w.pointer(number, number), "shardId-", "shardId-0", 1),
	} {
		if again := w.give(body); len(again) != 0 {
			t.Errorf("%q come again: %s", again, w.log.String())
		}
		if got := w.messages(); ids(got) != "-" {
			t.Errorf("messages are of %s", ids(got))
		}
	}
}

// TestPointersThatFailComeAgain: alone. What is no pointer at all comes again, too, until
// the redrive policy of its queue ends that.
func TestPointersThatFailComeAgain(t *testing.T) {
	w := newWorld(t)
	numbers := w.insert("1", "2")
	good := w.pointer(numbers[1], numbers[1])
	if again := w.give(`{"hello":1}`, good, "no JSON", strings.Replace(good, "startSequenceNumber", "other", 1)); !slices.Equal(again, []string{"0", "2", "3"}) {
		t.Errorf("%q come again", again)
	}
	if got := ids(w.messages()); got != "2" {
		t.Errorf("copied are %s", got)
	}
	if _, err := w.queue.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: w.url}); err != nil {
		t.Fatal(err)
	}
	if again := w.give(good); !slices.Equal(again, []string{"0"}) {
		t.Errorf("without a failure queue %q come again", again)
	}
}

// TestPointerThatTakesTooLongComesAgain: the function reports it rather than be cut off.
func TestPointerThatTakesTooLongComesAgain(t *testing.T) {
	w := newWorld(t)
	number := w.insert("1")[0]
	ctx, cancel := context.WithTimeout(t.Context(), deadlineMargin/2)
	defer cancel()
	answer, err := w.salvage(ctx, awsevents.SQSEvent{Records: []awsevents.SQSMessage{{MessageId: "m", Body: w.pointer(number, number)}}})
	if err != nil || len(answer.BatchItemFailures) != 1 || len(w.messages()) != 0 {
		t.Errorf("answer %+v, %v", answer, err)
	}
}

// TestLogNamesRecordsNotTheirContents: images are users' data.
func TestLogNamesRecordsNotTheirContents(t *testing.T) {
	w := newWorld(t)
	number := w.write(stream.Insert, "PLANTED", nil, decoded(t, `{"id":{"S":"PLANTED"},"topic":{"S":"a"},"x":{"S":"PLANTED"}}`), false)
	w.give(w.pointer(number, number), "PLANTED")
	if log := w.log.String(); strings.Contains(log, "PLANTED") || !strings.Contains(log, `"condition":"RetryAttemptsExhausted"`) || !strings.Contains(log, number) ||
		!strings.Contains(log, "records not salvaged") {
		t.Errorf("log is %s", log)
	}
}
