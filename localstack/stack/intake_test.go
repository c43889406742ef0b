package stack_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/cloudevents"
)

// flows is a stack with a source of each kind, whose messages come twice now and then.
type flows struct {
	*running
	orders string // the URL of the queue
	stream *kinesis.Client
	bus    *eventbridge.Client
	kafka  *kgo.Client
}

// withSources is the template with a source of each kind, and with what users have: the queue, the
// stream and the bus. change, if not nil, changes it.
func withSources(t *testing.T, broker string, change func(resources object)) string {
	t.Helper()
	added, err := os.ReadFile(filepath.Join(root, "infra/testdata/sources.resources.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sources object
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(added), "127.0.0.1:9092", broker)), &sources); err != nil {
		t.Fatal(err)
	}
	return edited(t, func(resources object) {
		maps.Copy(resources, sources)
		resources["Orders"] = object{"Type": "AWS::SQS::Queue", "Properties": object{"QueueName": "orders.fifo", "FifoQueue": true, "ContentBasedDeduplication": true}}
		resources["Trades"] = object{"Type": "AWS::Kinesis::Stream", "Properties": object{"Name": "trades", "ShardCount": 2}}
		resources["Shop"] = object{"Type": "AWS::Events::EventBus", "Properties": object{"Name": "shop"}}
		properties(resources, "IntakeFromShopRule")["EventBusName"] = object{"Ref": "Shop"}
		if change != nil {
			change(resources)
		}
	})
}

func newFlows(t *testing.T, faults fault.Plan) flows {
	if testing.Short() {
		t.Skip("runs a stack")
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "sensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	broker := cluster.ListenAddrs()[0]
	s := start(t, func(o *stack.Options) {
		o.Template = withSources(t, broker, nil)
		o.Faults = fault.New(faults, 1)
		if *messages > 0 {
			o.Log = io.Discard // thousands of lines
		}
	})
	cfg := aws.Config{Region: stack.Region, BaseEndpoint: aws.String(s.URL()), Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}
	kafka, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic("sensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	return flows{s, s.URL() + "/" + stack.Account + "/orders.fifo", kinesis.NewFromConfig(cfg), eventbridge.NewFromConfig(cfg), kafka}
}

// order sends to the FIFO queue.
func (f flows) order(t *testing.T, body string) {
	t.Helper()
	if _, err := f.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &f.orders, MessageBody: &body, MessageGroupId: aws.String("g")}); err != nil {
		t.Fatal(err)
	}
}

// trade puts on the stream.
func (f flows) trade(t *testing.T, body string) {
	t.Helper()
	if _, err := f.stream.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("trades"), PartitionKey: aws.String("AAPL"), Data: []byte(body)}); err != nil {
		t.Fatal(err)
	}
}

// shop puts an event on the bus.
func (f flows) shop(t *testing.T, kind, detail string) {
	t.Helper()
	out, err := f.bus.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []eventtypes.PutEventsRequestEntry{{
		EventBusName: aws.String("shop"), Source: aws.String("shop"), DetailType: &kind, Detail: &detail,
	}}})
	if err != nil || out.FailedEntryCount > 0 {
		t.Fatal(out, err)
	}
}

// sensor produces a record; without a body it has no value.
func (f flows) sensor(t *testing.T, key, body string) {
	t.Helper()
	record := &kgo.Record{Key: []byte(key)}
	if body != "" {
		record.Value = []byte(body)
	}
	if err := f.kafka.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// reader is a watcher that drops what it has seen, because fan-out's batches come twice as well.
type reader struct {
	*client
	last int64
}

// gets reads the next changes of a topic: what happened, the id and the data.
func (c *reader) gets(want ...string) {
	c.t.Helper()
	var got []string
	for len(got) < len(want) {
		for _, change := range c.changes(1) {
			if change.Seq > c.last {
				c.last = change.Seq
				got = append(got, fmt.Sprintf("%d %s %s %s", change.Seq, change.Op, change.ID, change.Data))
			}
		}
	}
	if !slices.Equal(got, want) {
		c.t.Errorf("got\n%q, want\n%q", got, want)
	}
}

// TestWhatFlowsElsewhereIsWatched: messages of a FIFO queue, a stream, a bus and a topic of Kafka become
// numbered changes, once and in order, though batches come twice. Poison is in the failure queue with
// its reason, and the function needs all that its role grants.
func TestWhatFlowsElsewhereIsWatched(t *testing.T) {
	f := newFlows(t, fault.Plan{fault.Redeliver: 0.3, fault.Duplicate: 0.3})
	f.ResetUsage()
	watch := func(topic string) *reader {
		c := f.connect(t)
		c.subscribe(topic)
		return &reader{client: c}
	}
	orders, trades, shop, sensors := watch("orders/17"), watch("trades/AAPL"), watch("shop/anna"), watch("sensors/s1")

	var ordered, traded, sensed []string
	for n := range 12 {
		data := fmt.Sprintf(`{"n":%d}`, n)
		op := "modified"
		if n == 0 {
			op = "added"
		}
		change := fmt.Sprintf("%d %s %%s %s", n+1, op, data)
		ordered, traded, sensed = append(ordered, fmt.Sprintf(change, "status")), append(traded, fmt.Sprintf(change, "last")), append(sensed, fmt.Sprintf(change, "latest"))
		event, err := cloudevents.EncodeOne("https://other.example.com", events.Change{
			Topic: "orders/17", Epoch: "e", Seq: int64(n + 1), Op: events.Op(op), ID: "status", Data: json.RawMessage(data),
		})
		if err != nil {
			t.Fatal(err)
		}
		f.order(t, string(event))
		f.trade(t, fmt.Sprintf(`{"topic":"trades/AAPL","id":"last","data":%s}`, data))
		f.sensor(t, "s1", data)
		if n == 5 {
			f.order(t, "no JSON")
			f.trade(t, `{"topic":"orders/1","id":"i","data":{}}`)
			f.sensor(t, "a/b", `{}`)
			f.shop(t, "Order Placed", `{"customer":"anna","id":1}`)
		}
	}
	orders.gets(ordered...)
	trades.gets(traded...)
	sensors.gets(sensed...)

	// A bus has no order: the later version counts.
	f.shop(t, "Order Placed", `{"customer":"anna","id":1,"version":2,"total":5}`)
	shop.gets(`1 added 1 {"customer":"anna","total":5,"version":2}`)
	f.shop(t, "Order Placed", `{"customer":"anna","id":1,"version":1,"total":4}`)
	f.shop(t, "Order Placed", `{"customer":"anna","id":2,"version":1}`)
	shop.gets(`2 added 2 {"customer":"anna","version":1}`)
	f.shop(t, "Order Deleted", `{"customer":"anna","id":1,"version":3}`)
	shop.gets(`3 removed 1 {"customer":"anna","total":5,"version":2}`)

	f.order(t, `{"topic":"orders/17","id":"status","op":"remove"}`)
	orders.gets(`13 removed status {"n":11}`)
	f.sensor(t, "s1", "")
	sensors.gets(`13 removed latest {"n":11}`)

	f.checkPoison(t)
	want := []string{
		"Intake kinesis:DescribeStream", "Intake kinesis:DescribeStreamSummary", "Intake kinesis:GetRecords", "Intake kinesis:GetShardIterator", "Intake kinesis:ListShards",
		"Intake logs:CreateLogStream", "Intake logs:PutLogEvents", "Intake sqs:DeleteMessage", "Intake sqs:GetQueueAttributes", "Intake sqs:ReceiveMessage",
	}
	u := f.Usage()
	got := unused(u.IAM)
	if got = slices.Compact(slices.DeleteFunc(got, func(g string) bool { return !strings.HasPrefix(g, "Intake ") })); !slices.Equal(got, want) || len(u.IAM.Functions["Intake"].Denied) > 0 {
		t.Errorf("unused grants are %q, want %q; denied %v", got, want, u.IAM.Functions["Intake"].Denied)
	}
	if u.Faults[fault.Redeliver]+u.Faults[fault.Duplicate] == 0 {
		t.Error("no batch came twice")
	}
}

// checkPoison waits for the four poisoned messages. One that came twice may be there twice.
func (f flows) checkPoison(t *testing.T) {
	t.Helper()
	found := map[string]bool{}
	want := []string{
		`bad_message "no JSON"`, `bad_message "{}"`, `bad_message "{\"customer\":\"anna\",\"id\":1}"`, `bad_topic "{\"topic\":\"orders/1\",\"id\":\"i\",\"data\":{}}"`,
	}
	eventually(t, "four messages in the failure queue", func() bool {
		out, err := f.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(f.URL() + "/" + stack.Account + "/FailureQueue"), MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			var failed struct{ Reason, Message, From, Location, Body string }
			if err := json.Unmarshal([]byte(*m.Body), &failed); err != nil || failed.Message == "" || failed.From == "" || failed.Location == "" {
				t.Fatalf("the failure queue has %s", *m.Body)
			}
			var event struct{ Detail json.RawMessage }
			if json.Unmarshal([]byte(failed.Body), &event) == nil && event.Detail != nil {
				failed.Body = string(event.Detail)
			}
			found[fmt.Sprintf("%s %q", failed.Reason, failed.Body)] = true
		}
		return len(found) >= len(want)
	})
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("the failure queue has\n%q, want\n%q", got, want)
	}
}

// TestMappingsOfKafkaThatDoNotRunLocally.
func TestMappingsOfKafkaThatDoNotRunLocally(t *testing.T) {
	for want, change := range map[string]func(mapping object){
		"MSK does not run locally":     func(m object) { delete(m, "SelfManagedEventSource") },
		"there are 0 topics in Topics": func(m object) { delete(m, "Topics") },
		"the SourceAccessConfigurations": func(m object) {
			m["SourceAccessConfigurations"] = []any{object{"Type": "VPC_SUBNET", "URI": "subnet:s"}}
		},
		"needs the provisioned mode":                          func(m object) { m["FunctionResponseTypes"] = []any{"ReportBatchItemFailures"} },
		"there are no brokers in KAFKA_BOOTSTRAP_SERVERS":     func(m object) { m["SelfManagedEventSource"] = object{"Endpoints": object{}} },
		`StartingPosition is "", must be TRIM_HORIZON or LAT`: func(m object) { delete(m, "StartingPosition") },
	} {
		file := withSources(t, "127.0.0.1:9", func(resources object) { change(properties(resources, "IntakeFromSensorsMapping")) })
		if err := startErrorOf(t, stack.Options{Root: root, Template: file}); err == nil || !strings.Contains(err.Error(), "IntakeFromSensorsMapping: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("start: %v, want %s", err, want)
		}
	}
}

var messages = flag.Int("messages", 0, "how many messages each source has in TestManyMessagesOfEachSource, which 0 skips")

// TestManyMessagesOfEachSource: with batches that are cut, that come twice and late, and functions that
// are killed, each message of Kafka, SQS FIFO and Kinesis is one numbered change, in order. `make
// intake` runs it.
func TestManyMessagesOfEachSource(t *testing.T) {
	if *messages == 0 {
		t.Skip("no -messages given")
	}
	f := newFlows(t, fault.Plan{
		fault.Kill: 0.002, fault.Abandon: 0.002, // after which a queue hides messages for 30 s
		fault.Duplicate: 0.1, fault.Bisect: 0.1, fault.Partial: 0.1, fault.Reslice: 0.1, fault.Redeliver: 0.1,
	})
	const topics = 7
	began := time.Now()
	var sending errgroup.Group
	sending.Go(func() error { return f.sendOrders(t.Context(), topics) })
	sending.Go(func() error { return f.sendTrades(t.Context(), topics) })
	sending.Go(func() error { return f.sendReadings(t.Context(), topics) })
	if err := sending.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, of := range []string{"orders/", "trades/", "sensors/"} {
		for topic := range topics {
			f.isWhole(t, of+fmt.Sprint(topic), topic, topics)
		}
	}
	t.Logf("%d messages of each of three sources in %s; faults %v", *messages, time.Since(began).Round(time.Second), f.Usage().Faults)
}

func (f flows) sendOrders(ctx context.Context, topics int) error {
	for n := range *messages {
		in := &sqs.SendMessageInput{
			QueueUrl: &f.orders, MessageGroupId: aws.String(fmt.Sprint(n % topics)),
			MessageBody: aws.String(fmt.Sprintf(`{"topic":"orders/%d","id":"i","data":{"n":%d}}`, n%topics, n)),
		}
		if _, err := f.sqs.SendMessage(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

func (f flows) sendTrades(ctx context.Context, topics int) error {
	for n := range *messages {
		in := &kinesis.PutRecordInput{
			StreamName: aws.String("trades"), PartitionKey: aws.String(fmt.Sprint(n % topics)),
			Data: fmt.Appendf(nil, `{"topic":"trades/%d","id":"i","data":{"n":%d}}`, n%topics, n),
		}
		if _, err := f.stream.PutRecord(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

func (f flows) sendReadings(ctx context.Context, topics int) error {
	for n := range *messages {
		f.kafka.Produce(ctx, &kgo.Record{Key: []byte(fmt.Sprint(n % topics)), Value: fmt.Appendf(nil, `{"n":%d}`, n)}, nil)
	}
	return f.kafka.Flush(ctx)
}

// isWhole waits until a topic has had its messages, which are every so many from the first, and holds
// the log to them.
func (f flows) isWhole(t *testing.T, topic string, first, step int) {
	t.Helper()
	want := (*messages - first + step - 1) / step
	changes := func(start map[string]types.AttributeValue) (*dynamodb.QueryOutput, error) {
		return f.db.Query(t.Context(), &dynamodb.QueryInput{
			TableName: aws.String("Changes"), KeyConditionExpression: aws.String("topic = :topic AND seq >= :first"), ExclusiveStartKey: start,
			ExpressionAttributeValues: map[string]types.AttributeValue{":topic": &types.AttributeValueMemberS{Value: topic}, ":first": &types.AttributeValueMemberN{Value: "0"}},
		})
	}
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		out, err := changes(nil)
		if err != nil {
			t.Fatal(err)
		}
		last, _ := out.Items[0]["last"].(*types.AttributeValueMemberN)
		if last != nil && last.Value == fmt.Sprint(want) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has come to %v, want %d", topic, last, want)
		}
	}
	n := first
	for start, more := map[string]types.AttributeValue(nil), true; more; {
		out, err := changes(start)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range out.Items {
			seq := row["seq"].(*types.AttributeValueMemberN).Value
			if seq == "0" {
				continue
			}
			if data := row["data"].(*types.AttributeValueMemberS).Value; data != fmt.Sprintf(`{"n":%d}`, n) || seq != fmt.Sprint(n/step+1) {
				t.Fatalf("change %s of %s has %s, want %d", seq, topic, data, n)
			}
			n += step
		}
		start, more = out.LastEvaluatedKey, len(out.LastEvaluatedKey) > 0
	}
}
