package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/sqs/sqstest"
	"github.com/watchroute/watchroute/shared/failure"
	"github.com/watchroute/watchroute/shared/intake"
	"github.com/watchroute/watchroute/shared/watch"
)

const (
	queueARN  = "arn:aws:sqs:us-east-1:000000000000:orders.fifo"
	looseARN  = "arn:aws:sqs:us-east-1:000000000000:loose"
	streamARN = "arn:aws:kinesis:us-east-1:000000000000:stream/orders"
	mskARN    = "arn:aws:kafka:us-east-1:000000000000:cluster/c/1"
)

// sources are all kinds of sources.
func sources() []intake.Source {
	return []intake.Source{
		{Name: "Queue", From: queueARN}, {Name: "Loose", From: looseARN}, {Name: "Stream", From: streamARN},
		{Name: "Kafka", From: "b-1:9092,b-2:9092", KafkaTopic: "orders"}, {Name: "MSK", From: mskARN, KafkaTopic: "orders"},
	}
}

// desk is a handler whose writes and refusals are noted.
type desk struct {
	handler
	mu      sync.Mutex
	applied []string
	refused []refusal
	stale   []string                    // ids that are not newer
	broken  map[string]error            // what applying to an item answers, by its id
	full    func(message refusal) error // what the failure queue answers
	stuck   bool                        // the failure queue does not answer
	wait    chan struct{}               // applying waits for it, if it is not nil
	running map[events.Topic]int
	most    int // topics that were applied to at once
}

func newDesk() *desk {
	d := &desk{broken: map[string]error{}, running: map[events.Topic]int{}, full: func(refusal) error { return nil }}
	d.handler = handler{sources: sources(), store: d, failures: d, now: time.Now, logger: slog.New(slog.DiscardHandler)}
	return d
}

func (d *desk) Apply(ctx context.Context, item intake.Item) (bool, error) {
	d.mu.Lock()
	d.running[item.Topic]++
	d.most = max(d.most, len(d.running))
	if d.running[item.Topic] > 1 {
		panic("two writes to one topic at once")
	}
	d.mu.Unlock()
	if d.wait != nil {
		<-d.wait
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.running, item.Topic)
	if err := errors.Join(ctx.Err(), d.broken[item.ID]); err != nil {
		return false, err
	}
	d.applied = append(d.applied, fmt.Sprintf("%s/%s from %s at %s/%s", item.Topic, item.ID, item.Source, item.Position.Lane, item.Position.At))
	return !slices.Contains(d.stale, item.ID), nil
}

func (d *desk) Send(ctx context.Context, message any) error {
	if d.stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.full(message.(refusal)); err != nil {
		return err
	}
	d.refused = append(d.refused, message.(refusal))
	return nil
}

// answer gives what Lambda gets for an event, as JSON.
func (d *desk) answer(t *testing.T, payload string) string {
	t.Helper()
	out, err := d.handle(t.Context(), json.RawMessage(payload))
	if err != nil {
		return "error: " + err.Error()
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func form(topic, id string) string {
	return fmt.Sprintf(`{"topic":%q,"id":%q,"data":{}}`, topic, id)
}

// fifo is an event of a FIFO queue. The messages' ids are m0, m1 and so on.
func fifo(bodies ...string) string {
	var records []string
	for i, body := range bodies {
		records = append(records, fmt.Sprintf(`{"messageId":"m%d","body":%q,"attributes":{"MessageGroupId":"g","SequenceNumber":"1887%d"},"messageAttributes":{},"eventSource":"aws:sqs","eventSourceARN":%q}`, i, body, i, queueARN))
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}

func kinesis(bodies ...string) string {
	var records []string
	for i, body := range bodies {
		records = append(records, fmt.Sprintf(`{"kinesis":{"partitionKey":"k","sequenceNumber":"4959%d","data":%q,"approximateArrivalTimestamp":1.5},"eventSource":"aws:kinesis","eventID":"shardId-0:4959%d","eventSourceARN":%q}`,
			i, base64.StdEncoding.EncodeToString([]byte(body)), i, streamARN))
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}

func kafka(bodies ...string) string {
	var records []string
	for i, body := range bodies {
		value := fmt.Sprintf("%q", base64.StdEncoding.EncodeToString([]byte(body)))
		if body == "none" {
			value = "null"
		}
		records = append(records, fmt.Sprintf(`{"topic":"orders","partition":3,"offset":%d,"timestamp":1,"timestampType":"CREATE_TIME","key":"aw==","value":%s,"headers":[{"Other":[45,-1]}]}`, i+7, value))
	}
	return `{"eventSource":"SelfManagedKafka","bootstrapServers":"b-2:9092,b-1:9092","records":{"orders-3":[` + strings.Join(records, ",") + `]}}`
}

// TestEachSourceHasItsPositions, and messages of one topic are applied in order.
func TestEachSourceHasItsPositions(t *testing.T) {
	for payload, want := range map[string][]string{
		fifo(form("a", "1"), form("a", "2")):    {"a/1 from Queue at location g/005 18870", "a/2 from Queue at location g/005 18871"},
		kinesis(form("a", "1"), form("a", "2")): {"a/1 from Stream at location /005 49590", "a/2 from Stream at location /005 49591"},
		kafka(form("a", "1"), form("a", "2")):   {"a/1 from Kafka at location 3/001 7", "a/2 from Kafka at location 3/001 8"},
	} {
		d := newDesk()
		if got := d.answer(t, payload); strings.Contains(got, "itemIdentifier") || strings.Contains(got, "error") {
			t.Errorf("the answer is %s", got)
		}
		if !slices.Equal(d.applied, want) || len(d.refused) != 0 {
			t.Errorf("applied are %q, want %q; refused %+v", d.applied, want, d.refused)
		}
	}
}

// TestAnMSKClusterIsKnownByItsARN.
func TestAnMSKClusterIsKnownByItsARN(t *testing.T) {
	d := newDesk()
	payload := strings.Replace(kafka(form("a", "1")), `"eventSource":"SelfManagedKafka"`, `"eventSource":"aws:kafka","eventSourceArn":"`+mskARN+`"`, 1)
	if d.answer(t, payload); !slices.Equal(d.applied, []string{"a/1 from MSK at location 3/001 7"}) {
		t.Errorf("applied are %q", d.applied)
	}
}

// TestAStandardQueueHasNoOrder, though its messages may have a group, which is a tenant there.
func TestAStandardQueueHasNoOrder(t *testing.T) {
	d := newDesk()
	payload := fifo(form("a", "1"), `{"topic":"a","id":"2","version":4}`)
	payload = strings.NewReplacer(queueARN, looseARN, `,"SequenceNumber":"18870"`, ``, `,"SequenceNumber":"18871"`, ``).Replace(payload)
	if got := d.answer(t, payload); got != `{"batchItemFailures":null}` {
		t.Errorf("the answer is %s", got)
	}
	if !slices.Equal(d.applied, []string{"a/2 from Loose at version/001 4"}) || len(d.refused) != 1 || d.refused[0].Reason != "no_position" {
		t.Errorf("applied are %q, refused %+v", d.applied, d.refused)
	}
}

// TestAttributesOfAMessageAreHeaders: in SQS they can make it a CloudEvent in the binary mode.
func TestAttributesOfAMessageAreHeaders(t *testing.T) {
	d := newDesk()
	attributes := `"ce_binary":{"binaryValue":"AA==","dataType":"Binary"}`
	for name, value := range map[string]string{"CE_specversion": "1.0", "ce_id": "1", "ce_source": "/s", "ce_type": "t", "ce_topic": "a", "ce-subject": "i", "Content-Type": "application/json"} {
		attributes += fmt.Sprintf(`,%q:{"stringValue":%q,"dataType":"String"}`, name, value)
	}
	d.answer(t, strings.Replace(fifo(`{"x":1}`), `"messageAttributes":{}`, `"messageAttributes":{`+attributes+`}`, 1))
	if !slices.Equal(d.applied, []string{"a/i from Queue at location g/005 18870"}) {
		t.Errorf("applied are %q, refused %+v", d.applied, d.refused)
	}
}

// TestAFailureStopsItsTopicAlone: what follows in the topic is not tried, and comes again.
func TestAFailureStopsItsTopicAlone(t *testing.T) {
	bodies := []string{form("a", "1"), form("a", "bad"), form("b", "2"), form("a", "3"), form("b", "4")}
	for payload, want := range map[string]string{
		fifo(bodies...):    `{"batchItemFailures":[{"itemIdentifier":"m1"},{"itemIdentifier":"m3"}]}`,
		kinesis(bodies...): `{"batchItemFailures":[{"itemIdentifier":"49591"}]}`,
		kafka(bodies...):   `error: 2 records are not done, the first is orders-3:8`,
	} {
		d := newDesk()
		d.broken["bad"] = fmt.Errorf("put: %w", watch.ErrUnavailable)
		if got := d.answer(t, payload); got != want {
			t.Errorf("the answer is %s, want %s", got, want)
		}
		slices.Sort(d.applied)
		if len(d.applied) != 3 || !strings.HasPrefix(d.applied[0], "a/1") || !strings.HasPrefix(d.applied[1], "b/2") || !strings.HasPrefix(d.applied[2], "b/4") || len(d.refused) != 0 {
			t.Errorf("applied are %q, refused %+v", d.applied, d.refused)
		}
	}
}

// TestPoisonGoesToTheFailureQueue with its reason and all of it, and its neighbours go through.
func TestPoisonGoesToTheFailureQueue(t *testing.T) {
	d := newDesk()
	d.broken["refused"] = fmt.Errorf("%w: too large", watch.ErrBadItem)
	if got := d.answer(t, kafka(form("a", "1"), `{`, form("@a", "2"), form("a", "refused"), "none", "\xff", form("a", "3"))); got != "null" {
		t.Errorf("the answer is %s", got)
	}
	if len(d.applied) != 2 {
		t.Errorf("applied are %q", d.applied)
	}
	slices.SortFunc(d.refused, func(a, b refusal) int { return strings.Compare(a.Location, b.Location) })
	var got []string
	for _, r := range d.refused {
		got = append(got, fmt.Sprintf("%s %s %s %s%x", r.Location, r.Reason, r.Key, r.Body, r.Base64))
		if r.From != "b-2:9092,b-1:9092" || r.Message == "" || r.Headers["other"] != "-\xff" {
			t.Errorf("refused is %+v", r)
		}
	}
	want := []string{
		`orders-3:10 bad_item k ` + form("a", "refused"), `orders-3:11 bad_message k `, `orders-3:12 bad_message k ff`,
		`orders-3:8 bad_message k {`, `orders-3:9 bad_topic k ` + form("@a", "2"),
	}
	if !slices.Equal(got, want) {
		t.Errorf("refused are %q\nwant %q", got, want)
	}
}

// TestPoisonThatDoesNotReachTheFailureQueueComesAgain, unless the queue never takes it.
func TestPoisonThatDoesNotReachTheFailureQueueComesAgain(t *testing.T) {
	for name, c := range map[string]struct {
		full func(refusal) error
		want string
	}{
		"the queue is down": {func(refusal) error { return errors.New("down") }, `{"batchItemFailures":[{"itemIdentifier":"m0"}]}`},
		"there is no queue": {func(refusal) error { return failure.ErrRejected }, `{"batchItemFailures":null}`},
		"the message is too large": {func(r refusal) error {
			if !r.Truncated {
				return failure.ErrTooLarge
			}
			if r.Body != "" || r.Headers != nil || r.Gzip != nil {
				return errors.New("body is there")
			}
			return nil
		}, `{"batchItemFailures":null}`},
	} {
		d := newDesk()
		var log bytes.Buffer
		d.full, d.logger = c.full, slog.New(slog.NewTextHandler(&log, nil))
		if got := d.answer(t, fifo(`{"planted":1}`, form("a", "1"))); got != c.want || len(d.applied) != 1 {
			t.Errorf("%s: the answer is %s, want %s; applied are %q", name, got, c.want, d.applied)
		}
		if text := log.String(); !strings.Contains(text, "location=m0 reason=bad_message") || strings.Contains(text, "planted") {
			t.Errorf("%s: the log must name the message, and have nothing of what is in it: %s", name, text)
		}
	}
}

// TestPoisonOfAQueueIsKeptWhole: a message of the most that SQS takes has more as JSON in JSON, and nobody
// could read it in its queue any more.
func TestPoisonOfAQueueIsKeptWhole(t *testing.T) {
	q := sqstest.Start(t, "failures")
	d := newDesk()
	d.failures = failure.Open(q.Config, *q.URL)
	body := `{"topic":"@a","id":"1","data":{"x":[` + strings.Repeat(`"\"",`, failure.MaxBytes/7) + `""]}}`
	if got := d.answer(t, fifo(body)); got != `{"batchItemFailures":null}` {
		t.Fatalf("the answer is %s", got)
	}
	out, err := q.Client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.URL})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("received %+v, %v", out, err)
	}
	var r refusal
	if err := json.Unmarshal([]byte(*out.Messages[0].Body), &r); err != nil || r.Truncated || r.Reason != "bad_topic" {
		t.Fatalf("refused is %.300s, %v", *out.Messages[0].Body, err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(r.Gzip))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(unzipped); err != nil || string(got) != body {
		t.Errorf("the body is %.300s, %v", got, err)
	}
}

// TestABadItemThatDoesNotReachTheFailureQueueComesAgain, as other poison does, and holds no other topic up.
func TestABadItemThatDoesNotReachTheFailureQueueComesAgain(t *testing.T) {
	d := newDesk()
	d.broken["bad"] = fmt.Errorf("%w: too large", watch.ErrBadItem)
	d.full = func(refusal) error { return errors.New("down") }
	if got := d.answer(t, fifo(form("a", "bad"), form("b", "1"))); got != `{"batchItemFailures":[{"itemIdentifier":"m0"}]}` || len(d.applied) != 1 {
		t.Errorf("the answer is %s, applied are %q", got, d.applied)
	}
}

// TestAFailureQueueThatDoesNotAnswerHoldsNoItemUp, and what is not done is reported before the function's
// time is over.
func TestAFailureQueueThatDoesNotAnswerHoldsNoItemUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.stuck = true
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		began := time.Now()
		out, err := d.handle(ctx, json.RawMessage(fifo(`{`, form("a", "1"), `{`, form("b", "2"))))
		if took := time.Since(began); took != 30*time.Second-deadlineMargin {
			t.Errorf("it took %s", took)
		}
		if text, _ := json.Marshal(out); err != nil || string(text) != `{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m2"}]}` {
			t.Errorf("the answer is %s, %v", text, err)
		}
		if len(d.applied) != 2 {
			t.Errorf("applied are %q", d.applied)
		}
	})
}

// TestTopicsGoSideBySide, each in order, and not too many of them.
func TestTopicsGoSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.wait = make(chan struct{})
		var bodies []string
		for i := range 3 * tasksAtOnce {
			bodies = append(bodies, form(fmt.Sprint("t", i), "1"), form(fmt.Sprint("t", i), "2"))
		}
		go func() { _, _ = d.handle(t.Context(), json.RawMessage(kinesis(bodies...))) }()
		synctest.Wait()
		if len(d.running) != tasksAtOnce {
			t.Errorf("%d topics are written to at once", len(d.running))
		}
		close(d.wait)
		synctest.Wait()
		if len(d.applied) != len(bodies) || d.most != tasksAtOnce {
			t.Errorf("%d applied, %d topics at once", len(d.applied), d.most)
		}
	})
}

// TestMessagesOfAnUnknownSourceComeAgain: the function of another deployment may know it.
func TestMessagesOfAnUnknownSourceComeAgain(t *testing.T) {
	d := newDesk()
	d.sources = nil
	if got := d.answer(t, kinesis(form("a", "1"))); got != `{"batchItemFailures":[{"itemIdentifier":"49590"}]}` || len(d.refused) != 0 {
		t.Errorf("the answer is %s, refused %+v", got, d.refused)
	}
}

// TestEventsOfOtherKindsAreErrors.
func TestEventsOfOtherKindsAreErrors(t *testing.T) {
	for _, payload := range []string{``, `{}`, `null`, `[]`, `{"Records":{}}`, `{"Records":[{"eventSource":"aws:dynamodb"}]}`, `{"records":{},"eventSource":"x"}`, `{"eventSource":"aws:kafka","records":{"a":{}}}`, `{"Records":[{"eventSource":"aws:kinesis","kinesis":1}]}`} {
		if got := newDesk().answer(t, payload); !strings.HasPrefix(got, "error: ") {
			t.Errorf("%s is answered %s", payload, got)
		}
	}
	if got := newDesk().answer(t, `{"Records":[]}`); got != `{"batchItemFailures":null}` {
		t.Errorf("an empty batch is answered %s", got)
	}
}

// FuzzHandle: no event is a panic.
func FuzzHandle(f *testing.F) {
	for _, seed := range []string{fifo(form("a", "1")), kinesis(form("a", "1")), kafka(form("a", "1"), "none")} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, payload string) {
		_, _ = newDesk().handle(context.Background(), json.RawMessage(payload))
	})
}
