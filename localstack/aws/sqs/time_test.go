package sqs_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

// bubble is a service called in-process, so that its time is synctest's.
type bubble struct {
	t       *testing.T
	service *sqs.Service
}

func newBubble(t *testing.T, attributes map[string]string) *bubble {
	b := &bubble{t, sqs.New(sqs.Options{})}
	b.call("CreateQueue", map[string]any{"QueueName": "q", "Attributes": attributes}, nil)
	return b
}

func (b *bubble) call(operation string, in map[string]any, out any) {
	b.t.Helper()
	in["QueueUrl"] = "q"
	body, err := json.Marshal(in)
	if err != nil {
		b.t.Fatal(err)
	}
	result, err := b.service.Service().Call(b.t.Context(), operation, body)
	if err != nil {
		b.t.Fatalf("%s: %v", operation, err)
	}
	if body, err = json.Marshal(result); err == nil && out != nil {
		err = json.Unmarshal(body, out)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bubble) receive(in map[string]any) (handles []string) {
	b.t.Helper()
	var out struct {
		Messages []struct{ ReceiptHandle string }
	}
	b.call("ReceiveMessage", in, &out)
	for _, m := range out.Messages {
		handles = append(handles, m.ReceiptHandle)
	}
	return handles
}

func TestVisibility(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, map[string]string{"VisibilityTimeout": "10"})
		b.call("SendMessage", map[string]any{"MessageBody": "x"}, nil)
		first := b.receive(map[string]any{})
		time.Sleep(10*time.Second - time.Nanosecond)
		if got := b.receive(map[string]any{}); len(got) != 0 {
			t.Error("the message was visible too early")
		}
		time.Sleep(time.Nanosecond)
		second := b.receive(map[string]any{})
		if len(second) != 1 || second[0] == first[0] {
			t.Fatalf("received %v after %v", second, first)
		}
		b.call("DeleteMessage", map[string]any{"ReceiptHandle": first[0]}, nil) // stale: to no effect
		b.call("ChangeMessageVisibility", map[string]any{"ReceiptHandle": second[0], "VisibilityTimeout": 0}, nil)
		third := b.receive(map[string]any{"VisibilityTimeout": 100})
		time.Sleep(99 * time.Second)
		if got := b.receive(map[string]any{}); len(third) != 1 || len(got) != 0 {
			t.Errorf("received %v, then %v", third, got)
		}
	})
}

// TestMessageIsHiddenForTwelveHoursFromItsReceiptAtMost, however often it is hidden anew. The
// next receipt begins another twelve.
func TestMessageIsHiddenForTwelveHoursFromItsReceiptAtMost(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		w.fill("a1")
		for range 2 {
			m := w.expect(1, "a1")[0]
			time.Sleep(29 * time.Second)
			w.hide(m, 11*3600)
			time.Sleep(11*time.Hour - time.Second)
			w.hide(m, 3600-28) // 12 h in all
			refused(t, "beyond 12 h", w.try("ChangeMessageVisibility", map[string]any{"ReceiptHandle": m.ReceiptHandle, "VisibilityTimeout": 3600 - 27}, nil),
				"InvalidParameterValue", "Value 3573 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].")
			time.Sleep(time.Hour - 28*time.Second - time.Nanosecond)
			w.expect(1, "")
			time.Sleep(time.Nanosecond)
		}
	})
}

func TestLongPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, map[string]string{"ReceiveMessageWaitTimeSeconds": "20", "VisibilityTimeout": "5"})
		began := time.Now()
		if got := b.receive(map[string]any{}); len(got) != 0 || time.Since(began) != 20*time.Second {
			t.Errorf("received %v after %v", got, time.Since(began))
		}
		began = time.Now()
		time.AfterFunc(3*time.Second, func() { b.call("SendMessage", map[string]any{"MessageBody": "x"}, nil) })
		if got := b.receive(map[string]any{}); len(got) != 1 || time.Since(began) != 3*time.Second {
			t.Errorf("received %v after %v", got, time.Since(began))
		}
		if got := b.receive(map[string]any{}); len(got) != 1 || time.Since(began) != 8*time.Second {
			t.Errorf("received %v again after %v", got, time.Since(began))
		}
		time.AfterFunc(time.Second, func() { b.call("DeleteQueue", map[string]any{}, nil) })
		if got := b.receive(map[string]any{}); len(got) != 0 || time.Since(began) != 9*time.Second {
			t.Errorf("the deleted queue gave %v after %v", got, time.Since(began))
		}
	})
}

func TestLongPollingEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := b.service.Service().Call(ctx, "ReceiveMessage", []byte(`{"QueueUrl":"q","WaitTimeSeconds":20}`)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestDelayAndRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, map[string]string{"DelaySeconds": "5", "MessageRetentionPeriod": "60"})
		b.call("SendMessage", map[string]any{"MessageBody": "delayed by the queue"}, nil)
		b.call("SendMessage", map[string]any{"MessageBody": "delayed by itself", "DelaySeconds": 1}, nil)
		time.Sleep(time.Second)
		if got := b.receive(map[string]any{"MaxNumberOfMessages": 10, "VisibilityTimeout": 0}); len(got) != 1 {
			t.Errorf("after a second there are %d", len(got))
		}
		time.Sleep(59 * time.Second)
		if got := b.receive(map[string]any{"MaxNumberOfMessages": 10, "VisibilityTimeout": 0}); len(got) != 2 {
			t.Errorf("after a minute there are %d", len(got))
		}
		time.Sleep(time.Second)
		if got := b.receive(map[string]any{"MaxNumberOfMessages": 10}); len(got) != 0 {
			t.Errorf("past the retention period there are %d", len(got))
		}
	})
}
