package targets_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/awsquery"
	buses "github.com/watchroute/watchroute/localstack/aws/eventbridge"
	streams "github.com/watchroute/watchroute/localstack/aws/kinesis"
	topics "github.com/watchroute/watchroute/localstack/aws/sns"
	queues "github.com/watchroute/watchroute/localstack/aws/sqs"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/targets"
)

// world has embedded services, which refuse what AWS refuses, the SDK's clients for them, and the client
// that is tested.
type world struct {
	*targets.Client
	t           *testing.T
	sqs         *sqs.Client
	sns         *sns.Client
	eventbridge *eventbridge.Client
	kinesis     *kinesis.Client
	answer      http.HandlerFunc // in place of the services, if it is set
	asked       []string         // bodies of the requests
}

const (
	source = "arn:aws:dynamodb:us-east-1:000000000000:table/Events"
	arns   = ":us-east-1:000000000000:"
)

func newWorld(t *testing.T) *world {
	w := &world{t: t}
	waiting := queues.New(queues.Options{})
	quiet := slog.New(slog.DiscardHandler)
	bus := buses.New(buses.Options{Queues: waiting, Logger: quiet})
	t.Cleanup(bus.Close)
	apis := []*awsjson.Service{waiting.Service(), bus.Service(), streams.New(streams.Options{}).Service()}
	query := topics.Handler(topics.New(topics.Options{Queues: waiting, Logger: quiet}).Service())
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.asked = append(w.asked, string(body))
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if w.answer != nil {
			w.answer(rw, r)
			return
		}
		if i := slices.IndexFunc(apis, func(s *awsjson.Service) bool { return s.Serves(r) }); i >= 0 {
			apis[i].ServeHTTP(rw, r)
		} else if awsquery.Serves(r) {
			query.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(server.Close)
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: dynamo.HTTPClient(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}
	w.Client = targets.Open(cfg, source)
	w.sqs, w.sns, w.eventbridge, w.kinesis = sqs.NewFromConfig(cfg), sns.NewFromConfig(cfg), eventbridge.NewFromConfig(cfg), kinesis.NewFromConfig(cfg)
	return w
}

func must[Out any](out Out, err error) func(testing.TB) Out {
	return func(t testing.TB) Out {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// queue makes a queue.
func (w *world) queue(name string) (url string) {
	w.t.Helper()
	in := &sqs.CreateQueueInput{QueueName: &name}
	if strings.HasSuffix(name, ".fifo") {
		in.Attributes = map[string]string{"FifoQueue": "true"}
	}
	return *must(w.sqs.CreateQueue(w.t.Context(), in))(w.t).QueueUrl
}

// topic makes an SNS topic and a queue of the same type that gets its raw messages.
func (w *world) topic(name string) (arn, url string) {
	w.t.Helper()
	in := &sns.CreateTopicInput{Name: &name}
	if strings.HasSuffix(name, ".fifo") {
		in.Attributes = map[string]string{"FifoTopic": "true"}
	}
	arn, url = *must(w.sns.CreateTopic(w.t.Context(), in))(w.t).TopicArn, w.queue("of-"+name)
	must(w.sns.Subscribe(w.t.Context(), &sns.SubscribeInput{TopicArn: &arn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs" + arns + "of-" + name),
		Attributes: map[string]string{"RawMessageDelivery": "true"}}))(w.t)
	return arn, url
}

// bus makes a bus and a queue that gets the events which a pattern matches.
func (w *world) bus(pattern string) (arn, url string) {
	w.t.Helper()
	arn = *must(w.eventbridge.CreateEventBus(w.t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String("shop")}))(w.t).EventBusArn
	must(w.eventbridge.PutRule(w.t.Context(), &eventbridge.PutRuleInput{Name: aws.String("r"), EventBusName: &arn, EventPattern: &pattern}))(w.t)
	url = w.queue("of-shop")
	must(w.eventbridge.PutTargets(w.t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("r"), EventBusName: &arn,
		Targets: []ebtypes.Target{{Id: aws.String("q"), Arn: aws.String("arn:aws:sqs" + arns + "of-shop")}}}))(w.t)
	return arn, url
}

// received is a message that came out.
type received struct {
	Body, group, id string
	attributes      map[string]string
}

// in takes all that is in a queue, in order.
func (w *world) in(url string) (all []received) {
	w.t.Helper()
	for {
		out := must(w.sqs.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10,
			MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"}}))(w.t)
		if len(out.Messages) == 0 {
			return all
		}
		for _, m := range out.Messages {
			r := received{Body: *m.Body, group: m.Attributes["MessageGroupId"], id: m.Attributes["MessageDeduplicationId"], attributes: map[string]string{}}
			for name, a := range m.MessageAttributes {
				r.attributes[name] = *a.StringValue
			}
			all = append(all, r)
			must(w.sqs.DeleteMessage(w.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}))(w.t)
		}
	}
}

// message is one of a topic, with its number as its id.
func message(topic events.Topic, n int, body string) targets.Message {
	return targets.Message{ID: fmt.Sprint("msg_", n), Topic: topic, Cursor: events.Cursor{Epoch: "e", Seq: int64(n)}, Type: "changes", ContentType: "application/json", Body: []byte(body)}
}

func (w *world) send(kind delivery.Kind, target string, m targets.Message) {
	w.t.Helper()
	if err := w.Send(w.t.Context(), delivery.Destination{Kind: kind, Target: target}, m); err != nil {
		w.t.Fatal(err)
	}
}

// TestQueuesAndTopicsGetMessages in order where they are FIFO, each topic in a group of its own, with
// attributes that say what came. Text that SQS takes in no body is escaped.
func TestQueuesAndTopicsGetMessages(t *testing.T) {
	long := events.Topic(strings.Repeat("a/", 7) + strings.Repeat("x", 200))
	for name, to := range map[string]func(w *world) (kind delivery.Kind, target, url string){
		"SQS": func(w *world) (delivery.Kind, string, string) { url := w.queue("q"); return delivery.SQS, url, url },
		"SQS FIFO": func(w *world) (delivery.Kind, string, string) {
			url := w.queue("q.fifo")
			return delivery.SQS, url, url
		},
		"SNS": func(w *world) (delivery.Kind, string, string) {
			arn, url := w.topic("t")
			return delivery.SNS, arn, url
		},
		"SNS FIFO": func(w *world) (delivery.Kind, string, string) {
			arn, url := w.topic("t.fifo")
			return delivery.SNS, arn, url
		},
	} {
		w := newWorld(t)
		kind, target, url := to(w)
		fifo := strings.HasSuffix(target, ".fifo")
		for n := range 5 {
			for _, topic := range []events.Topic{"orders/1", long} {
				m := message(topic, n, "{\"x\":\"\ufffe\uffff é \U0001ffff\"}")
				m.ID += string(topic[:1])
				w.send(kind, target, m)
				if fifo {
					w.send(kind, target, m) // a retry, whose first attempt was taken
				}
			}
		}
		numbers, groups := map[string][]string{}, map[string]string{}
		for _, m := range w.in(url) {
			topic := m.attributes["topic"]
			numbers[topic] = append(numbers[topic], m.attributes["cursor"])
			groups[topic] = m.group
			if m.Body != `{"x":"\ufffe\uffff é `+"\U0001ffff"+`"}` || m.attributes["content-type"] != "application/json" || !strings.HasPrefix(m.attributes["message-id"], "msg_") || len(m.attributes) != 4 {
				t.Errorf("%s: got %+v", name, m)
			}
			if fifo != (m.id == m.attributes["message-id"]) {
				t.Errorf("%s: the message %s has the deduplication id %q", name, m.attributes["message-id"], m.id)
			}
		}
		for _, topic := range []string{"orders/1", string(long)} {
			if want := []string{"e:0", "e:1", "e:2", "e:3", "e:4"}; !slices.Equal(numbers[topic], want) {
				t.Errorf("%s: of %s came %q", name, topic, numbers[topic])
			}
		}
		if fifo && (groups["orders/1"] != "orders/1" || len(groups[string(long)]) != 64) || !fifo && groups["orders/1"] != "" {
			t.Errorf("%s: the groups are %q", name, groups)
		}
	}
}

// TestABusGetsAnEventForEachMessage, whose detail has what rules match beside the frame.
func TestABusGetsAnEventForEachMessage(t *testing.T) {
	w := newWorld(t)
	arn, url := w.bus(`{"source":["watchroute"],"resources":["` + source + `"],"detail":{"$or":[{"topic":[{"prefix":"orders/"}]},{"message":["msg_8"]},{"changes":{"data":{"status":["paid"]}}},{"specversion":["1.0"]}]}}`)
	w.send(delivery.EventBridge, arn, message("orders/1", 7, `{"type":"changes","changes":[]}`))
	w.send(delivery.EventBridge, arn, message("other", 7, `{"type":"changes","changes":[]}`))
	w.send(delivery.EventBridge, arn, message("other", 9, `{"type":"changes","changes":[{"data":{"status":"new"}},{"data":{"status":"paid"}}]}`))
	reset := message("orders/1", 8, `{"type":"reset","topic":"orders/1"}`)
	reset.Type = "reset"
	w.send(delivery.EventBridge, arn, reset)
	single := message("orders/1", 9, `{"specversion":"1.0","id":"orders/1@e:9"}`)
	single.Type = "cloudevent"
	w.send(delivery.EventBridge, arn, single)
	var got []string
	for _, m := range w.in(url) {
		var event struct {
			DetailType string `json:"detail-type"`
			Detail     json.RawMessage
		}
		if err := json.Unmarshal([]byte(m.Body), &event); err != nil {
			t.Fatal(err)
		}
		got = append(got, event.DetailType+" "+string(event.Detail))
	}
	want := []string{
		`watchroute.changes {"message":"msg_7","topic":"orders/1","cursor":"e:7","type":"changes","changes":[]}`,
		`watchroute.changes {"message":"msg_9","topic":"other","cursor":"e:9","type":"changes","changes":[{"data":{"status":"new"}},{"data":{"status":"paid"}}]}`,
		`watchroute.reset {"message":"msg_8","type":"reset","topic":"orders/1"}`,
		`watchroute.cloudevent {"specversion":"1.0","id":"orders/1@e:9"}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestAnEventThatIsRefusedIsAFailure, although the answer is HTTP 200. So is one that is no object.
func TestAnEventThatIsRefusedIsAFailure(t *testing.T) {
	w := newWorld(t)
	arn, _ := w.bus(`{"source":["watchroute"]}`)
	to := delivery.Destination{Kind: delivery.EventBridge, Target: arn}
	for body, want := range map[string]string{`{"a":1`: "MalformedDetail", `[]`: "object", ``: "object"} {
		failure := (*delivery.Failure)(nil)
		if err := w.Send(t.Context(), to, message("a", 1, body)); !errors.As(err, &failure) || !strings.Contains(failure.Detail, want) {
			t.Errorf("%s gives %v, want %s", body, err, want)
		}
	}
	for answer, status := range map[string]int{
		`{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException","ErrorMessage":"Rate exceeded"}]}`: 429,
		`{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure"}]}`:                                    0,
		`{"FailedEntryCount":1,"Entries":[{}]}`:                                                                 0,
		`{"FailedEntryCount":0,"Entries":[]}`:                                                                   0,
	} {
		w.answer = func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, answer) }
		failure := (*delivery.Failure)(nil)
		if err := w.Send(t.Context(), to, message("a", 1, `{}`)); !errors.As(err, &failure) || failure.Status != status {
			t.Errorf("%s gives %v", answer, err)
		}
	}
}

// TestAStreamGetsRecordsInOrder: each says after which one it comes, as far as this process knows. A number
// that the stream does not know, such as that of another with the same name, is used once.
func TestAStreamGetsRecordsInOrder(t *testing.T) {
	w := newWorld(t)
	must(w.kinesis.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}))(t)
	arn := "arn:aws:kinesis" + arns + "stream/s"
	long := events.Topic(strings.Repeat("a/", 7) + strings.Repeat("x", events.MaxTopicBytes-14))
	for n := range 3 {
		w.send(delivery.Kinesis, arn, message("orders/1", n, fmt.Sprintf(`{"n":%d}`, n)))
	}
	w.send(delivery.Kinesis, arn, message(long, 3, `{"n":3}`))
	iterator := must(w.kinesis.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamARN: &arn, ShardId: aws.String("shardId-000000000000"), ShardIteratorType: kinesistypes.ShardIteratorTypeTrimHorizon}))(t)
	got := must(w.kinesis.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator.ShardIterator}))(t)
	var data []string
	for _, r := range got.Records {
		data = append(data, fmt.Sprintf("%.8s %s", *r.PartitionKey, r.Data))
	}
	if want := []string{`orders/1 {"n":0}`, `orders/1 {"n":1}`, `orders/1 {"n":2}`, `a/a/a/a/ {"n":3}`}; !slices.Equal(data, want) {
		t.Errorf("the stream has %q", data)
	}
	for n, first := range []bool{true, false, false} {
		if ordered := strings.Contains(w.asked[n+1], "SequenceNumberForOrdering"); ordered == first {
			t.Errorf("record %d is asked for by %s", n, w.asked[n+1])
		}
	}
	w.answer = func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("X-Amzn-ErrorType", "InvalidArgumentException")
		rw.WriteHeader(http.StatusBadRequest)
	}
	if err := w.Send(t.Context(), delivery.Destination{Kind: delivery.Kinesis, Target: arn}, message("orders/1", 4, `{}`)); err == nil {
		t.Error("it was not refused")
	}
	w.answer = nil
	w.send(delivery.Kinesis, arn, message("orders/1", 5, `{}`))
	if last := w.asked[len(w.asked)-1]; strings.Contains(last, "SequenceNumberForOrdering") {
		t.Errorf("after a refusal it asks %s", last)
	}
}

// TestATargetThatIsNotThereIsAFailure that says so, in AWS's words, and with HTTP's status.
func TestATargetThatIsNotThereIsAFailure(t *testing.T) {
	w := newWorld(t)
	for kind, c := range map[delivery.Kind]struct {
		target, want string
		status       int
	}{
		delivery.SQS:     {w.queue("q") + "x", "NonExistentQueue: The specified queue does not exist", 400},
		delivery.SNS:     {"arn:aws:sns" + arns + "none", "NotFound: Topic does not exist", 404},
		delivery.Kinesis: {"arn:aws:kinesis" + arns + "stream/none", "ResourceNotFoundException", 400},
	} {
		failure := (*delivery.Failure)(nil)
		err := w.Send(t.Context(), delivery.Destination{Kind: kind, Target: c.target}, message("a", 1, `{}`))
		if !errors.As(err, &failure) || failure.Status != c.status || !strings.Contains(failure.Detail, string(kind)+": ") || !strings.Contains(failure.Detail, c.want) || failure.Gone {
			t.Errorf("%s gives %+v", kind, err)
		}
	}
	if err := w.Send(t.Context(), delivery.Destination{Kind: delivery.Webhook}, message("a", 1, `{}`)); err == nil {
		t.Error("a webhook is a target")
	}
}

// TestWhatAWSRefusesIsAFailure: who may not, who asks too often, and no answer at all.
func TestWhatAWSRefusesIsAFailure(t *testing.T) {
	for code, c := range map[string]struct {
		answered int
		status   int
	}{"AccessDeniedException": {400, 400}, "ThrottlingException": {400, 429}, "InternalError": {503, 503}} {
		w := newWorld(t)
		w.answer = func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("X-Amzn-ErrorType", code)
			rw.WriteHeader(c.answered)
			fmt.Fprintf(rw, `{"__type":"x#%s","message":"because"}`, code)
		}
		failure := (*delivery.Failure)(nil)
		err := w.Send(t.Context(), delivery.Destination{Kind: delivery.SQS, Target: "https://sqs.example/1/q"}, message("a", 1, `{}`))
		if !errors.As(err, &failure) || failure.Status != c.status || failure.Detail != "sqs: "+code+": because" {
			t.Errorf("%s gives %+v", code, err)
		}
	}
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	failure := (*delivery.Failure)(nil)
	if err := w.Send(ctx, delivery.Destination{Kind: delivery.SNS, Target: "arn:aws:sns" + arns + "t"}, message("a", 1, `{}`)); !errors.As(err, &failure) || failure.Status != 0 || failure.Detail == "" {
		t.Errorf("no answer gives %+v", err)
	}
}

// TestTheLargestMessageFits: a change of the largest data, which has to be escaped all over, with the
// longest topic.
func TestTheLargestMessageFits(t *testing.T) {
	w := newWorld(t)
	topic := events.Topic(strings.Repeat("x", events.MaxTopicBytes))
	data := `{"x":"` + strings.Repeat("\uffff", (events.MaxDataBytes-8)/3) + `"}`
	body := must(events.Encode(&events.Changes{Changes: []events.Change{{Topic: topic, Epoch: "e", Seq: 1, Op: events.Added, ID: strings.Repeat("\uffff", events.MaxItemIDBytes/3), Data: json.RawMessage(data)}}}))(t)
	queue := w.queue("q.fifo")
	news, url := w.topic("t.fifo")
	bus, _ := w.bus(`{"source":["watchroute"]}`)
	must(w.kinesis.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("s")}))(t)
	for kind, target := range map[delivery.Kind]string{delivery.SQS: queue, delivery.SNS: news, delivery.EventBridge: bus, delivery.Kinesis: "arn:aws:kinesis" + arns + "stream/s"} {
		w.send(kind, target, message(topic, 1, string(body)))
	}
	if n := len(w.in(url)); n != 1 {
		t.Errorf("behind the topic are %d messages", n)
	}
}
