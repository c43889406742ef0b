package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/delivery"
)

// calls is a handler whose deliveries are noted. Those of the topics in fails fail.
type calls struct {
	handler
	delivered []delivery.Ref
	fails     []events.Topic
	swept     int
	sweepErr  error
	declared  [][]delivery.Declared // in each call
	declErr   error
}

func newCalls() *calls {
	c := &calls{}
	c.handler = handler{
		deliver: func(_ context.Context, ref delivery.Ref) error {
			c.delivered = append(c.delivered, ref)
			if slices.Contains(c.fails, ref.Topic) {
				return errors.New("no table")
			}
			return nil
		},
		reconcile: func(_ context.Context, all []delivery.Declared) error {
			c.declared = append(c.declared, all)
			return c.declErr
		},
		sweep:  func(context.Context) (int, error) { c.swept++; return 3, c.sweepErr },
		logger: slog.New(slog.DiscardHandler),
	}
	return c
}

// batchOf is an event as Lambda makes it of messages. Their ids are 0, 1 and so on.
func batchOf(t *testing.T, bodies ...string) json.RawMessage {
	t.Helper()
	var batch awsevents.SQSEvent
	for i, body := range bodies {
		batch.Records = append(batch.Records, awsevents.SQSMessage{MessageId: fmt.Sprint(i), Body: body, EventSource: "aws:sqs"})
	}
	text, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func message(topic events.Topic) string {
	return fmt.Sprintf(`{"destination":"dst_1","topic":%q}`, topic)
}

// failed has the ids of the messages that come again.
func (c *calls) failed(t *testing.T, payload json.RawMessage) (ids []string) {
	t.Helper()
	answer, err := c.handle(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	var response awsevents.SQSEventResponse
	if err := json.Unmarshal(text, &response); err != nil {
		t.Fatal(err)
	}
	for _, failure := range response.BatchItemFailures {
		ids = append(ids, failure.ItemIdentifier)
	}
	return ids
}

// TestEachMessageIsDeliveredInOrder.
func TestEachMessageIsDeliveredInOrder(t *testing.T) {
	c := newCalls()
	if failed := c.failed(t, batchOf(t, message("a"), message("b/**"), message("a"))); len(failed) != 0 {
		t.Errorf("%q failed", failed)
	}
	want := []delivery.Ref{{Destination: "dst_1", Topic: "a"}, {Destination: "dst_1", Topic: "b/**"}, {Destination: "dst_1", Topic: "a"}}
	if !slices.Equal(c.delivered, want) || c.swept != 0 {
		t.Errorf("delivered are %v, and it has swept %d times", c.delivered, c.swept)
	}
}

// TestAFailureHoldsBackWhatFollows, as the order of a FIFO queue needs it. What came before is done.
func TestAFailureHoldsBackWhatFollows(t *testing.T) {
	for name, second := range map[string]string{
		"a delivery that fails": message("bad"), "no JSON": `{`, "a topic that is none": message("a//b"), "no destination": `{"topic":"a"}`, "empty": ``,
	} {
		c := newCalls()
		c.fails = []events.Topic{"bad"}
		if failed := c.failed(t, batchOf(t, message("a"), second, message("c"))); !slices.Equal(failed, []string{"1", "2"}) {
			t.Errorf("%s: %q failed", name, failed)
		}
		if slices.Contains(c.delivered, delivery.Ref{Destination: "dst_1", Topic: "c"}) || len(c.delivered) == 0 {
			t.Errorf("%s: delivered are %v", name, c.delivered)
		}
	}
}

// TestTheScheduleSweeps: one that fails is Lambda's to try again.
func TestTheScheduleSweeps(t *testing.T) {
	const event = `{"version":"0","id":"53dc4d37","detail-type":"Scheduled Event","source":"aws.events","account":"123456789012","time":"2015-10-08T16:53:06Z","region":"us-east-1","resources":[],"detail":{}}`
	c := newCalls()
	if _, err := c.handle(t.Context(), json.RawMessage(event)); err != nil || c.swept != 1 || len(c.delivered) != 0 {
		t.Errorf("it has swept %d times and delivered %v, %v", c.swept, c.delivered, err)
	}
	c.sweepErr = errors.New("throttled")
	if _, err := c.handle(t.Context(), json.RawMessage(event)); !errors.Is(err, c.sweepErr) || !strings.Contains(err.Error(), "woken 3") {
		t.Errorf("a sweep that fails gives %v", err)
	}
}

// TestTheScheduleSaysWhatIsDeclared. Without a list nothing is. A list that cannot be carried out, or takes
// all the time, does not keep the sweep from what is due.
func TestTheScheduleSaysWhatIsDeclared(t *testing.T) {
	c := newCalls()
	for _, event := range []string{
		`{"detail-type":"Scheduled Event","detail":{}}`,
		`{"detail-type":"Scheduled Event","destinations":[{"name":"q","topic":"a/**","filter":{"n":[1]},"kind":"sqs","target":"https://sqs.example/1/q"}]}`,
	} {
		if _, err := c.handle(t.Context(), json.RawMessage(event)); err != nil {
			t.Fatal(err)
		}
	}
	want := [][]delivery.Declared{nil, {{Name: "q", Topic: "a/**", Filter: json.RawMessage(`{"n":[1]}`), Kind: delivery.SQS, Target: "https://sqs.example/1/q"}}}
	if !reflect.DeepEqual(c.declared, want) || c.swept != 2 {
		t.Errorf("declared is %+v, swept %d times", c.declared, c.swept)
	}
	c.declErr = errors.New("no table")
	if _, err := c.handle(t.Context(), json.RawMessage(`{"detail-type":"Scheduled Event"}`)); !errors.Is(err, c.declErr) || c.swept != 3 {
		t.Errorf("it gives %v, swept %d times", err, c.swept)
	}
}

// TestAnEventOfAnotherKindIsAnError, and an empty batch is none.
func TestAnEventOfAnotherKindIsAnError(t *testing.T) {
	for _, payload := range []string{``, `{}`, `null`, `[]`, `1`, `{"Records":null}`, `{"Records":{}}`, `{"detail-type":"Other"}`, `{"detail-type":1}`} {
		c := newCalls()
		if answer, err := c.handle(t.Context(), json.RawMessage(payload)); err == nil || c.swept+len(c.delivered) != 0 {
			t.Errorf("%s is answered %v", payload, answer)
		}
	}
	if failed := newCalls().failed(t, json.RawMessage(`{"Records":[]}`)); len(failed) != 0 {
		t.Errorf("%q failed", failed)
	}
}
