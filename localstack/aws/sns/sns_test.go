package sns_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"

	"github.com/watchroute/watchroute/localstack/aws/recent"
	"github.com/watchroute/watchroute/localstack/aws/sns"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
	"github.com/watchroute/watchroute/shared/dynamo"
)

const arns = "arn:aws:sqs:us-east-1:000000000000:"

// world is a service with a time that the test sets, and the SDK's client for it.
type world struct {
	*client.Client
	t       *testing.T
	service *sns.Service
	queues  *sqs.Service
	now     time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Date(2026, 11, 26, 12, 0, 0, 7_654_321, time.UTC)}
	clock := func() time.Time { return w.now }
	w.queues = sqs.New(sqs.Options{Now: clock})
	w.service = sns.New(sns.Options{Queues: w.queues, Now: clock, Logger: slog.New(slog.DiscardHandler)})
	server := httptest.NewServer(sns.Handler(w.service.Service()))
	t.Cleanup(server.Close)
	w.Client = client.New(client.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1, HTTPClient: dynamo.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	return w
}

// queue makes a queue and gives its ARN.
func (w *world) queue(name string) string {
	w.t.Helper()
	attributes := "{}"
	if strings.HasSuffix(name, ".fifo") {
		attributes = `{"FifoQueue":"true"}`
	}
	if _, err := w.queues.Service().Call(w.t.Context(), "CreateQueue", fmt.Appendf(nil, `{"QueueName":%q,"Attributes":%s}`, name, attributes)); err != nil {
		w.t.Fatal(err)
	}
	return arns + name
}

func (w *world) topic(name string, attributes map[string]string) string {
	w.t.Helper()
	out, err := w.CreateTopic(w.t.Context(), &client.CreateTopicInput{Name: &name, Attributes: attributes})
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.TopicArn
}

// fifo makes a FIFO topic.
func (w *world) fifo(more ...string) string {
	attributes := map[string]string{"FifoTopic": "true"}
	for _, name := range more {
		name, value, _ := strings.Cut(name, "=")
		attributes[name] = value
	}
	return w.topic("t.fifo", attributes)
}

func (w *world) subscribe(topic, queue string, raw bool) string {
	w.t.Helper()
	in := &client.SubscribeInput{TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &queue, ReturnSubscriptionArn: true}
	if raw {
		in.Attributes = map[string]string{"RawMessageDelivery": "true"}
	}
	out, err := w.Subscribe(w.t.Context(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.SubscriptionArn
}

func (w *world) publish(topic string, in client.PublishInput) *client.PublishOutput {
	w.t.Helper()
	in.TopicArn = &topic
	out, err := w.Publish(w.t.Context(), &in)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// received gives what is in a queue.
func (w *world) received(queue string) []sqs.Received {
	w.t.Helper()
	end := sqs.Message{Body: "end"}
	if strings.HasSuffix(queue, ".fifo") {
		end.GroupID, end.DeduplicationID = "end", "end"
	}
	if err := w.queues.Deliver(queue, end); err != nil {
		w.t.Fatal(err)
	}
	got, err := w.queues.Receive(w.t.Context(), queue, 100, time.Minute)
	if err != nil || got[len(got)-1].Body != "end" {
		w.t.Fatal(got, err)
	}
	return got[:len(got)-1]
}

func bodies(list []sqs.Received) (all []string) {
	for _, m := range list {
		all = append(all, m.Body)
	}
	return all
}

// TestMessageArrivesInItsEnvelope compares all bytes.
func TestMessageArrivesInItsEnvelope(t *testing.T) {
	w := newWorld(t)
	topic, queue := w.topic("t", nil), w.queue("q")
	if topic != "arn:aws:sns:us-east-1:000000000000:t" {
		t.Errorf("the topic is %s", topic)
	}
	subscription := w.subscribe(topic, queue, false)
	out := w.publish(topic, client.PublishInput{
		Message: aws.String("<\"é\">\n"), Subject: aws.String("Hello"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"b": {DataType: aws.String("Binary"), BinaryValue: []byte{2, 3, 4}},
			"a": {DataType: aws.String("Number"), StringValue: aws.String("1.5")},
		},
	})
	plain := w.publish(topic, client.PublishInput{Message: aws.String("plain")})
	envelope := func(id, subject, message, attributes string) string {
		return `{
  "Type" : "Notification",
  "MessageId" : "` + id + `",
  "TopicArn" : "arn:aws:sns:us-east-1:000000000000:t",` + subject + `
  "Message" : "` + message + `",
  "Timestamp" : "2026-11-26T12:00:00.007Z",
  "SignatureVersion" : "1",
  "Signature" : "bm90IHNpZ25lZA==",
  "SigningCertURL" : "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-00000000000000000000000000000000.pem",
  "UnsubscribeURL" : "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=` + subscription + `"` + attributes + `
}`
	}
	want := []string{
		envelope(*out.MessageId, "\n  \"Subject\" : \"Hello\",", `<\"é\">\n`, `,
  "MessageAttributes" : {
    "a" : {"Type":"Number","Value":"1.5"},
    "b" : {"Type":"Binary","Value":"AgME"}
  }`),
		envelope(*plain.MessageId, "", "plain", ""),
	}
	got := w.received(queue)
	if !slices.Equal(bodies(got), want) {
		t.Errorf("the queue got\n%s\nwant\n%s", strings.Join(bodies(got), "\n"), strings.Join(want, "\n"))
	}
	if len(got[0].MessageAttributes) != 0 || out.SequenceNumber != nil {
		t.Errorf("the message has the attributes %v, the answer the number %v", got[0].MessageAttributes, out.SequenceNumber)
	}
}

// TestRawMessageArrivesAsItIs, with its attributes. A queue that takes no more than ten attributes
// does not get it, and the publisher does not learn of that.
func TestRawMessageArrivesAsItIs(t *testing.T) {
	w := newWorld(t)
	topic, queue := w.topic("t", nil), w.queue("q")
	w.subscribe(topic, queue, true)
	w.publish(topic, client.PublishInput{
		Message: aws.String("text"), Subject: aws.String("unseen"), MessageGroupId: aws.String("tenant"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"b": {DataType: aws.String("Binary.png"), BinaryValue: []byte{2, 3, 4}},
			"a": {DataType: aws.String("String.Array"), StringValue: aws.String(`["x"]`)},
		},
	})
	eleven := map[string]types.MessageAttributeValue{}
	for i := range 11 {
		eleven[fmt.Sprint("a", i)] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("x")}
	}
	w.publish(topic, client.PublishInput{Message: aws.String("lost"), MessageAttributes: eleven})
	got := w.received(queue)
	if len(got) != 1 || got[0].Body != "text" || got[0].Attributes["MessageGroupId"] != "tenant" {
		t.Fatalf("received %+v", got)
	}
	a := got[0].MessageAttributes
	if len(a) != 2 || *a["a"].StringValue != `["x"]` || a["a"].DataType != "String.Array" || string(a["b"].BinaryValue) != "\x02\x03\x04" {
		t.Errorf("the attributes are %+v", a)
	}
	if u := w.service.Usage(); u.Requests != 2 || u.Topics["t"] != (sns.TopicUsage{Published: 2, Delivered: 1, Failed: 1}) {
		t.Errorf("usage is %+v", u)
	}
	w.service.ResetUsage()
	if u := w.service.Usage(); u.Requests != 0 || u.Topics["t"] != (sns.TopicUsage{}) {
		t.Errorf("usage after the reset is %+v", u)
	}
}

// TestEverySubscriptionGetsAMessage, and a queue that is subscribed twice gets it once.
func TestEverySubscriptionGetsAMessage(t *testing.T) {
	w := newWorld(t)
	topic, first, second := w.topic("t", nil), w.queue("q1"), w.queue("q2")
	w.publish(topic, client.PublishInput{Message: aws.String("early")})
	subscription := w.subscribe(topic, first, true)
	w.subscribe(topic, second, true)
	if again := w.subscribe(topic, first, true); again != subscription || !strings.HasPrefix(again, topic+":") {
		t.Errorf("subscribed as %s, then as %s", subscription, again)
	}
	if again := w.topic("t", nil); again != topic {
		t.Errorf("the topic is made again as %s", again)
	}
	w.publish(topic, client.PublishInput{Message: aws.String("x")})
	byTarget, err := w.Publish(t.Context(), &client.PublishInput{TargetArn: &topic, Message: aws.String("y")})
	if err != nil || byTarget.MessageId == nil {
		t.Errorf("by its target ARN: %v, %v", byTarget, err)
	}
	for _, queue := range []string{first, second} {
		if got := bodies(w.received(queue)); !slices.Equal(got, []string{"x", "y"}) {
			t.Errorf("%s got %q", queue, got)
		}
	}
}

// TestFIFOTopicKeepsOrderAndGroups and hands on its deduplication id. A standard queue gets neither
// group nor id.
func TestFIFOTopicKeepsOrderAndGroups(t *testing.T) {
	w := newWorld(t)
	topic := w.fifo("ContentBasedDeduplication=true")
	lanes, plain := w.queue("q.fifo"), w.queue("q")
	subscription := w.subscribe(topic, lanes, false)
	w.subscribe(topic, plain, true)
	first := w.publish(topic, client.PublishInput{Message: aws.String("Test"), MessageGroupId: aws.String("g")})
	second := w.publish(topic, client.PublishInput{Message: aws.String("Test"), MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String("own")})
	if len(*first.SequenceNumber) != 20 || *first.SequenceNumber >= *second.SequenceNumber {
		t.Errorf("the numbers are %s and %s", *first.SequenceNumber, *second.SequenceNumber)
	}
	got := w.received(lanes)
	want := `{
  "Type" : "Notification",
  "MessageId" : "` + *first.MessageId + `",
  "SequenceNumber" : "` + *first.SequenceNumber + `",
  "TopicArn" : "arn:aws:sns:us-east-1:000000000000:t.fifo",
  "Message" : "Test",
  "Timestamp" : "2026-11-26T12:00:00.007Z",
  "UnsubscribeURL" : "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=` + subscription + `"
}`
	if len(got) != 2 || got[0].Body != want || got[0].Attributes["MessageGroupId"] != "g" {
		t.Fatalf("received %+v", got)
	}
	// The hash of "Test", as recorded on AWS.
	if id := got[0].Attributes["MessageDeduplicationId"]; id != "532eaabd9574880dbf76b9b8cc00832c20a6ec113d682299550d7a6e0f345e25" {
		t.Errorf("the deduplication id is %s", id)
	}
	if id := got[1].Attributes["MessageDeduplicationId"]; id != "own" {
		t.Errorf("the second deduplication id is %s", id)
	}
	for _, m := range w.received(plain) {
		if m.Attributes["MessageGroupId"] != "" || m.Attributes["MessageDeduplicationId"] != "" {
			t.Errorf("the standard queue got %v", m.Attributes)
		}
	}
}

// TestRepeatedMessageIsAcceptedAndNotDelivered for five minutes, in all groups or within one.
func TestRepeatedMessageIsAcceptedAndNotDelivered(t *testing.T) {
	for scope, want := range map[string]int{"Topic": 2, "MessageGroup": 4} {
		w := newWorld(t)
		topic, queue := w.fifo("FifoThroughputScope="+scope), w.queue("q")
		w.subscribe(topic, queue, true)
		publish := func(group string) *client.PublishOutput {
			t.Helper()
			return w.publish(topic, client.PublishInput{Message: aws.String("m"), MessageGroupId: &group, MessageDeduplicationId: aws.String("id")})
		}
		first := publish("a")
		publish("b")
		w.now = w.now.Add(recent.Interval - 1)
		if again := publish("a"); *again.MessageId != *first.MessageId || *again.SequenceNumber != *first.SequenceNumber {
			t.Errorf("%s: published %v, then %v", scope, first, again)
		}
		w.now = w.now.Add(1)
		if later := publish("a"); *later.MessageId == *first.MessageId {
			t.Errorf("%s: after the interval the message was taken for the first", scope)
		}
		publish("b")
		if got := w.received(queue); len(got) != want {
			t.Errorf("%s: received %d messages, want %d", scope, len(got), want)
		}
	}
}

// TestBatch of a FIFO topic, some of it repeated.
func TestBatch(t *testing.T) {
	w := newWorld(t)
	topic, queue := w.fifo("ContentBasedDeduplication=true"), w.queue("q.fifo")
	w.subscribe(topic, queue, true)
	var entries []types.PublishBatchRequestEntry
	for i := range 10 {
		entries = append(entries, types.PublishBatchRequestEntry{
			Id: aws.String(fmt.Sprint(i)), Message: aws.String(fmt.Sprint("m", i%9)), MessageGroupId: aws.String("g"),
			MessageAttributes: map[string]types.MessageAttributeValue{"i": {DataType: aws.String("Number"), StringValue: aws.String(fmt.Sprint(i))}},
		})
	}
	out, err := w.PublishBatch(t.Context(), &client.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: entries})
	if err != nil || len(out.Failed) != 0 || len(out.Successful) != 10 {
		t.Fatalf("published %+v, %v", out, err)
	}
	for i, s := range out.Successful {
		if *s.Id != fmt.Sprint(i) || *s.MessageId == "" || i > 0 && i < 9 && *s.SequenceNumber <= *out.Successful[i-1].SequenceNumber {
			t.Errorf("entry %d is %s, %s, %s", i, *s.Id, *s.MessageId, *s.SequenceNumber)
		}
	}
	if *out.Successful[9].MessageId != *out.Successful[0].MessageId {
		t.Error("the repeated message has an id of its own")
	}
	got := w.received(queue)
	if want := []string{"m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"}; !slices.Equal(bodies(got), want) || *got[8].MessageAttributes["i"].StringValue != "8" {
		t.Errorf("received %q", bodies(got))
	}
}

// TestQueueGetsItsPartOfAStructuredMessage, or else the default.
func TestQueueGetsItsPartOfAStructuredMessage(t *testing.T) {
	w := newWorld(t)
	topic, queue := w.topic("t", nil), w.queue("q")
	w.subscribe(topic, queue, true)
	for _, text := range []string{`{"default":"d","sqs":"s"}`, `{"default":"d","email":"e"}`, `{"default":"d","sqs":7}`} {
		w.publish(topic, client.PublishInput{Message: &text, MessageStructure: aws.String("json")})
	}
	if got := bodies(w.received(queue)); !slices.Equal(got, []string{"s", "d", "d"}) {
		t.Errorf("received %q", got)
	}
}

// TestTopicSaysHowLargeAMessageMayBe: 256 KB unless it says otherwise, with the attributes.
func TestTopicSaysHowLargeAMessageMayBe(t *testing.T) {
	w := newWorld(t)
	for topic, most := range map[string]int{
		w.topic("usual", nil): sns.MaxMessageBytes, w.topic("small", map[string]string{"MaximumMessageSize": "1024"}): 1024,
		w.topic("large", map[string]string{"MaximumMessageSize": "1048576"}): 1 << 20,
	} {
		attributes := map[string]types.MessageAttributeValue{"n": {DataType: aws.String("String"), StringValue: aws.String("v")}}
		text := strings.Repeat("x", most-len("n")-len("String")-len("v"))
		w.publish(topic, client.PublishInput{Message: &text, MessageAttributes: attributes})
		_, err := w.Publish(t.Context(), &client.PublishInput{TopicArn: &topic, Message: aws.String(text + "x"), MessageAttributes: attributes})
		refused(t, topic, err, "InvalidParameter", "Invalid parameter: Message too long")
		_, err = w.PublishBatch(t.Context(), &client.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: []types.PublishBatchRequestEntry{
			{Id: aws.String("a"), Message: aws.String(text[:most/2])}, {Id: aws.String("b"), Message: aws.String(text[:most/2] + "x")},
		}})
		refused(t, topic, err, "BatchRequestTooLong", "The length of all the messages put together is more than the limit.")
	}
}

func refused(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), message) {
		t.Errorf("%s: %v, want %s: %s", what, err, code, message)
	}
}

func TestErrors(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	standard, fifo := w.topic("t", nil), w.fifo()
	w.subscribe(standard, arns+"q", false)
	publish := func(topic string, change func(*client.PublishInput)) error {
		in := client.PublishInput{TopicArn: &topic, Message: aws.String("m")}
		if change != nil {
			change(&in)
		}
		_, err := w.Publish(ctx, &in)
		return err
	}
	attribute := func(name string, a types.MessageAttributeValue) error {
		return publish(standard, func(in *client.PublishInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{name: a}
		})
	}
	batch := func(topic string, entries ...types.PublishBatchRequestEntry) error {
		_, err := w.PublishBatch(ctx, &client.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: append([]types.PublishBatchRequestEntry{}, entries...)})
		return err
	}
	entry := types.PublishBatchRequestEntry{Id: aws.String("a"), Message: aws.String("m")}
	create := func(name string, attributes map[string]string) error {
		_, err := w.CreateTopic(ctx, &client.CreateTopicInput{Name: &name, Attributes: attributes})
		return err
	}
	subscribe := func(topic, protocol, endpoint string, attributes map[string]string) error {
		_, err := w.Subscribe(ctx, &client.SubscribeInput{TopicArn: &topic, Protocol: &protocol, Endpoint: &endpoint, Attributes: attributes})
		return err
	}
	text, number, binary := aws.String("String"), aws.String("Number"), aws.String("Binary")
	_, target := w.Publish(ctx, &client.PublishInput{TargetArn: aws.String(standard + "2:endpoint/x"), Message: aws.String("m")})
	_, phone := w.Publish(ctx, &client.PublishInput{PhoneNumber: aws.String("+1"), Message: aws.String("m")})
	_, unsupported := w.ListTopics(ctx, &client.ListTopicsInput{})
	const parameter, value = "InvalidParameter", "ParameterValueInvalid"
	for name, c := range map[string]struct {
		err           error
		code, message string
	}{
		"unknown topic":        {publish(standard+"2", nil), "NotFound", "Topic does not exist"},
		"batch without topic":  {batch(standard+"2", entry), "NotFound", "Topic does not exist"},
		"subscribe to nothing": {subscribe(standard+"2", "sqs", arns+"q", nil), "NotFound", "Topic does not exist"},
		"no ARN":               {publish("topic:x", nil), parameter, "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 2"},
		"endpoint":             {target, parameter, "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified"},
		"phone":                {phone, parameter, "PhoneNumber is not supported here."},
		"empty message":        {publish(standard, func(in *client.PublishInput) { in.Message = aws.String("") }), parameter, "Invalid parameter: Empty message"},
		"empty subject":        {publish(standard, func(in *client.PublishInput) { in.Subject = aws.String("") }), parameter, "Invalid parameter: Subject"},
		"long subject":         {publish(standard, func(in *client.PublishInput) { in.Subject = aws.String(strings.Repeat("x", 101)) }), parameter, "Invalid parameter: Subject"},
		"subject in two lines": {publish(standard, func(in *client.PublishInput) { in.Subject = aws.String("a\nb") }), parameter, "Invalid parameter: Subject"},
		"structure":            {publish(standard, func(in *client.PublishInput) { in.MessageStructure = aws.String("xml") }), parameter, "xml is not json"},
		"no JSON":              {publish(standard, func(in *client.PublishInput) { in.MessageStructure = aws.String("json") }), parameter, "Invalid parameter: Message Structure - JSON message body failed to parse"},
		"no default": {publish(standard, func(in *client.PublishInput) {
			in.MessageStructure, in.Message = aws.String("json"), aws.String(`{"default":{},"sqs":"s"}`)
		}), parameter, "Invalid parameter: Message Structure - No default entry in JSON message body"},
		"no group":                     {publish(fifo, nil), parameter, "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"},
		"no deduplication":             {publish(fifo, func(in *client.PublishInput) { in.MessageGroupId = aws.String("g") }), parameter, "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"},
		"deduplication of a standard":  {publish(standard, func(in *client.PublishInput) { in.MessageDeduplicationId = aws.String("d") }), parameter, "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type"},
		"group with a space":           {publish(standard, func(in *client.PublishInput) { in.MessageGroupId = aws.String("a b") }), parameter, "MessageGroupId can only include alphanumeric and punctuation characters"},
		"empty attribute":              {attribute("attr1", types.MessageAttributeValue{DataType: text, StringValue: aws.String("")}), value, "The message attribute 'attr1' must contain non-empty message attribute value for message attribute type 'String'."},
		"no value":                     {attribute("attr1", types.MessageAttributeValue{DataType: binary}), value, "The message attribute 'attr1' must contain non-empty message attribute value for message attribute type 'Binary'."},
		"bytes of a number":            {attribute("attr1", types.MessageAttributeValue{DataType: number, BinaryValue: []byte{1}}), value, "The message attribute 'attr1' with type 'Number' must use field 'String'."},
		"text of a binary":             {attribute("attr1", types.MessageAttributeValue{DataType: binary, StringValue: aws.String("x")}), value, "The message attribute 'attr1' with type 'Binary' must use field 'Binary'."},
		"type":                         {attribute("attr1", types.MessageAttributeValue{DataType: aws.String("Text"), StringValue: aws.String("x")}), value, "The message attribute 'attr1' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."},
		"attribute with a long name":   {attribute(strings.Repeat("x", 256), types.MessageAttributeValue{DataType: text, StringValue: aws.String("x")}), value, "Length of message attribute name must be less than 256 bytes."},
		"attribute with a bad name":    {attribute("a..b", types.MessageAttributeValue{DataType: text, StringValue: aws.String("x")}), value, "a..b"},
		"empty batch":                  {batch(standard), "EmptyBatchRequest", "The batch request doesn't contain any entries."},
		"eleven messages":              {batch(standard, slices.Repeat([]types.PublishBatchRequestEntry{entry}, 11)...), "TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible."},
		"repeated id":                  {batch(standard, entry, entry), "BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id."},
		"bad id":                       {batch(standard, types.PublishBatchRequestEntry{Id: aws.String("a b"), Message: aws.String("m")}), "InvalidBatchEntryId", "doesn't abide by the specification"},
		"batch without group":          {batch(fifo, entry), parameter, "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"},
		"name":                         {create("a b", nil), parameter, "Invalid parameter: Topic names must be made up of only"},
		"FIFO without suffix":          {create("a", map[string]string{"FifoTopic": "true"}), parameter, "Invalid parameter: Fifo Topic names must end with .fifo"},
		"suffix without FIFO":          {create("a.fifo", nil), parameter, "Invalid parameter: Topic names must be made up of only"},
		"no boolean":                   {create("a.fifo", map[string]string{"FifoTopic": "yes"}), parameter, "FifoTopic: Invalid value [yes]. Must be true or false."},
		"content of a standard":        {create("a", map[string]string{"ContentBasedDeduplication": "true"}), parameter, "for FIFO topics only"},
		"unknown attribute":            {create("a", map[string]string{"ArchivePolicy": "{}"}), parameter, "ArchivePolicy with the value [{}] is not supported here."},
		"size":                         {create("a", map[string]string{"MaximumMessageSize": "1023"}), parameter, "MaximumMessageSize: Invalid value [1023]"},
		"other attributes":             {create("t", map[string]string{"DisplayName": "T"}), parameter, "Topic already exists with different attributes"},
		"protocol":                     {subscribe(standard, "test-protocol", "x", nil), parameter, "Invalid parameter: Amazon SNS does not support this protocol string: test-protocol"},
		"unsupported protocol":         {subscribe(standard, "https", "https://example.com", nil), parameter, "The protocol https is not supported here"},
		"endpoint by URL":              {subscribe(standard, "sqs", "http://127.0.0.1/0/q", nil), parameter, "Invalid parameter: SQS endpoint ARN"},
		"FIFO queue of a standard":     {subscribe(standard, "sqs", arns+"q.fifo", nil), parameter, "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"},
		"raw":                          {subscribe(standard, "sqs", arns+"q2", map[string]string{"RawMessageDelivery": "wrongvalue"}), parameter, "Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [wrongvalue]. Must be true or false."},
		"filter":                       {subscribe(standard, "sqs", arns+"q2", map[string]string{"FilterPolicy": "{}"}), parameter, "FilterPolicy is not supported here."},
		"subscribed in another manner": {subscribe(standard, "sqs", arns+"q", map[string]string{"RawMessageDelivery": "true"}), parameter, "Subscription already exists with different attributes"},
		"unsupported action":           {unsupported, "InvalidAction", "The action ListTopics is not valid for this web service."},
	} {
		refused(t, name, c.err, c.code, c.message)
	}
	var gone *types.NotFoundException
	if err := publish(standard+"2", nil); !errors.As(err, &gone) {
		t.Errorf("the SDK does not know the type of %v", err)
	}
	var response interface{ HTTPStatusCode() int }
	if err := publish(standard+"2", nil); !errors.As(err, &response) || response.HTTPStatusCode() != http.StatusNotFound {
		t.Errorf("an unknown topic is answered with %v", err)
	}
}

// TestRequestsThatAreNoForms get an error in XML.
func TestRequestsThatAreNoForms(t *testing.T) {
	w := newWorld(t)
	handler := sns.Handler(w.service.Service())
	for body, want := range map[string]string{
		"Action=Publish":     "<Code>InvalidAction</Code>", // no Version
		"Version=2010-03-31": "<Code>MissingAction</Code>",
		"Action=%zz":         "<Code>MalformedQueryString</Code>",
		"Action=Publish&Version=2010-03-31&A=1&A.B=2":      "<Code>MalformedQueryString</Code>",
		"Action=Publish&Version=2010-03-31&Message.x=text": "<Code>SerializationException</Code>",
	} {
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if got := answer.Body.String(); answer.Code != http.StatusBadRequest || !strings.Contains(got, want) ||
			!strings.HasPrefix(got, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>`) {
			t.Errorf("%s gave %d %s, want %s", body, answer.Code, got, want)
		}
	}
}
