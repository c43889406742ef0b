package sqs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

const (
	ordered     = "work.fifo"
	orderedARN  = "arn:aws:sqs:us-east-1:000000000000:work.fifo"
	orderedDead = "arn:aws:sqs:us-east-1:000000000000:dead.fifo"
)

// highThroughput are the attributes of a queue without the limit of 300 calls a second.
var highThroughput = map[string]string{"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}

// fifoWorld is a FIFO queue called in-process, in a synctest bubble.
type fifoWorld struct {
	t       *testing.T
	service *sqs.Service
}

// inFIFO runs a test with a queue that has these attributes and hides messages for 30 s.
func inFIFO(t *testing.T, attributes map[string]string, test func(*testing.T, *fifoWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &fifoWorld{t, sqs.New(sqs.Options{Lookahead: 1000})}
		w.create("dead.fifo", map[string]string{"FifoQueue": "true"})
		all := map[string]string{"FifoQueue": "true"}
		maps.Copy(all, attributes)
		w.create(ordered, all)
		test(t, w)
	})
}

func (w *fifoWorld) create(name string, attributes map[string]string) {
	w.t.Helper()
	if err := w.try("CreateQueue", map[string]any{"QueueName": name, "Attributes": attributes}, nil); err != nil {
		w.t.Fatal(err)
	}
}

// try calls an operation, on the queue "work.fifo" unless in names another.
func (w *fifoWorld) try(operation string, in map[string]any, out any) error {
	w.t.Helper()
	all := map[string]any{"QueueUrl": ordered}
	maps.Copy(all, in)
	body, err := json.Marshal(all)
	if err != nil {
		w.t.Fatal(err)
	}
	result, err := w.service.Service().Call(w.t.Context(), operation, body)
	if err != nil || out == nil {
		return err
	}
	if body, err = json.Marshal(result); err == nil {
		err = json.Unmarshal(body, out)
	}
	return err
}

type sent struct{ MessageId, SequenceNumber, MD5OfMessageBody string }

// send sends one message with the deduplication id, "" for none.
func (w *fifoWorld) send(group, body, deduplication string) (out sent) {
	w.t.Helper()
	in := map[string]any{"MessageGroupId": group, "MessageBody": body}
	if deduplication != "" {
		in["MessageDeduplicationId"] = deduplication
	}
	if err := w.try("SendMessage", in, &out); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// fill sends messages such as "a1": the group, and a number. Each has its body as
// deduplication id.
func (w *fifoWorld) fill(bodies string) {
	w.t.Helper()
	for _, body := range strings.Fields(bodies) {
		w.send(body[:1], body, body)
	}
}

type got struct {
	MessageId, Body, ReceiptHandle string
	Attributes                     map[string]string
}

func (w *fifoWorld) receive(most int, in map[string]any) []got {
	w.t.Helper()
	all := map[string]any{"MaxNumberOfMessages": most, "MessageSystemAttributeNames": []string{"All"}}
	maps.Copy(all, in)
	var out struct{ Messages []got }
	if err := w.try("ReceiveMessage", all, &out); err != nil {
		w.t.Fatal(err)
	}
	return out.Messages
}

// expect receives up to so many messages, which must be these.
func (w *fifoWorld) expect(most int, want string) []got {
	w.t.Helper()
	messages := w.receive(most, nil)
	if text := texts(messages); text != want {
		w.t.Errorf("received %q, want %q", text, want)
	}
	return messages
}

func texts(messages []got) string {
	var bodies []string
	for _, m := range messages {
		bodies = append(bodies, m.Body)
	}
	return strings.Join(bodies, " ")
}

func (w *fifoWorld) delete(messages ...got) {
	w.t.Helper()
	for _, m := range messages {
		if err := w.try("DeleteMessage", map[string]any{"ReceiptHandle": m.ReceiptHandle}, nil); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *fifoWorld) hide(m got, seconds int) {
	w.t.Helper()
	if err := w.try("ChangeMessageVisibility", map[string]any{"ReceiptHandle": m.ReceiptHandle, "VisibilityTimeout": seconds}, nil); err != nil {
		w.t.Error(err)
	}
}

// refused checks the code in the old protocol and the message of an error.
func refused(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	var e *awsjson.Error
	if !errors.As(err, &e) || e.QueryCode != code || e.Message != message {
		t.Errorf("%s: %v, want %s: %s", what, err, code, message)
	}
}

func TestFIFOReceivesAsManyOfAGroupAsPossibleInOrder(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		w.fill("a1 b1 a2 a3")
		w.expect(10, "a1 a2 a3 b1")
	})
}

func TestFIFOGroupIsBlockedWhileAMessageOfItIsInFlight(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		w.fill("a1 a2 a3 b1")
		first := w.expect(2, "a1 a2")
		w.expect(10, "b1")
		w.delete(first[0])
		w.expect(10, "") // a2 is still in flight
		w.delete(first[1])
		w.expect(10, "a3")
	})
}

func TestFIFOKeepsOrderAfterTheVisibilityTimeout(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		w.fill("a1 a2 a3")
		w.expect(1, "a1")
		time.Sleep(30*time.Second - time.Nanosecond)
		w.expect(10, "")
		time.Sleep(time.Nanosecond)
		w.expect(10, "a1 a2 a3")
	})
}

func TestFIFOGroupsTakeTurns(t *testing.T) {
	inFIFO(t, map[string]string{"VisibilityTimeout": "0"}, func(t *testing.T, w *fifoWorld) {
		w.fill("a1 b1 b2 c1 a2")
		w.expect(3, "a1 a2 b1")
		w.expect(10, "c1 a1 a2 b1 b2")
	})
}

// TestFIFOHiddenMessageHoldsBackThoseAfterItOnly: changing one message's visibility shows or
// hides no other, but a group is delivered up to the first that is hidden.
func TestFIFOHiddenMessageHoldsBackThoseAfterItOnly(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		w.fill("a1 a2 a3 b1")
		first := w.expect(3, "a1 a2 a3")
		w.hide(first[0], 0)
		w.expect(10, "b1 a1") // a2 is in flight for 30 s
	})
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		w.fill("a1 a2 a3")
		w.hide(w.expect(3, "a1 a2 a3")[1], 100)
		time.Sleep(30 * time.Second)
		w.delete(w.expect(10, "a1")...)
		w.expect(10, "")
		time.Sleep(70 * time.Second)
		w.expect(10, "a2 a3")
	})
}

func TestFIFOWaitingReceiveIsWokenWhenAGroupIsFree(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		w.fill("a1 a2")
		first := w.expect(1, "a1")
		began := time.Now()
		time.AfterFunc(3*time.Second, func() { w.delete(first...) })
		if got := texts(w.receive(1, map[string]any{"WaitTimeSeconds": 20})); got != "a2" || time.Since(began) != 3*time.Second {
			t.Errorf("received %q after %v", got, time.Since(began))
		}
		if got := texts(w.receive(1, map[string]any{"WaitTimeSeconds": 20})); got != "" {
			t.Errorf("received %q", got)
		}
		if got := texts(w.receive(1, map[string]any{"WaitTimeSeconds": 20})); got != "a2" || time.Since(began) != 33*time.Second {
			t.Errorf("received %q after %v", got, time.Since(began))
		}
	})
}

func TestFIFOQueueDelaysItsMessages(t *testing.T) {
	inFIFO(t, map[string]string{"DelaySeconds": "2"}, func(t *testing.T, w *fifoWorld) {
		in := map[string]any{"MessageBody": "x", "MessageGroupId": "a", "MessageDeduplicationId": "1", "DelaySeconds": 0} // allowed, and to no effect
		if err := w.try("SendMessage", in, nil); err != nil {
			t.Fatal(err)
		}
		w.expect(10, "")
		time.Sleep(2 * time.Second)
		w.expect(10, "x")
	})
}

// TestFIFOAcceptsADuplicateAndDropsIt for five minutes, even if the first is deleted. The answer is
// that of the first, except the checksum of the sent body.
func TestFIFOAcceptsADuplicateAndDropsIt(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		first := w.send("a", "one", "id")
		w.delete(w.expect(10, "one")...)
		time.Sleep(5*time.Minute - time.Nanosecond)
		second := w.send("a", "two", "id")
		if second.MessageId != first.MessageId || second.SequenceNumber != first.SequenceNumber || second.MD5OfMessageBody == first.MD5OfMessageBody {
			t.Errorf("first %+v, second %+v", first, second)
		}
		w.expect(10, "")
		time.Sleep(time.Nanosecond)
		if third := w.send("a", "three", "id"); third.MessageId == first.MessageId || third.SequenceNumber <= first.SequenceNumber {
			t.Errorf("first %+v, third %+v", first, third)
		}
		w.expect(10, "three")
		if u := w.service.Usage().Queues[ordered]; u.Sent != 2 || u.Requests != 7 {
			t.Errorf("usage %+v", u)
		}
	})
}

// TestFIFODeduplicationScope: an id counts in the whole queue, or in its group if the queue
// says so.
func TestFIFODeduplicationScope(t *testing.T) {
	for scope, want := range map[string]string{"queue": "a1", "messageGroup": "a1 b1"} {
		inFIFO(t, map[string]string{"DeduplicationScope": scope}, func(t *testing.T, w *fifoWorld) {
			w.send("a", "a1", "id")
			w.send("b", "b1", "id")
			w.send("a", "a2", "id")
			w.expect(10, want)
		})
	}
}

// TestFIFOContentBasedDeduplication goes by the SHA-256 of the body, unless the message has
// an id.
func TestFIFOContentBasedDeduplication(t *testing.T) {
	inFIFO(t, map[string]string{"ContentBasedDeduplication": "true"}, func(t *testing.T, w *fifoWorld) {
		const sum = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" // of "x"
		w.send("a", "x", "")
		w.send("a", "x", "")
		w.send("a", "x", "own")
		w.send("a", "other", sum)
		messages := w.expect(10, "x x")
		if id := messages[0].Attributes["MessageDeduplicationId"]; id != sum {
			t.Errorf("deduplication id %s", id)
		}
	})
}

func TestFIFOMessagesCarryGroupDeduplicationIDAndSequenceNumber(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		first, second := w.send("a", "a1", "1"), w.send("a", "a2", "2")
		messages := w.expect(10, "a1 a2")
		for i, s := range []sent{first, second} {
			a := messages[i].Attributes
			if a["MessageGroupId"] != "a" || a["MessageDeduplicationId"] != fmt.Sprint(i+1) || a["SequenceNumber"] != s.SequenceNumber || len(s.SequenceNumber) != 20 {
				t.Errorf("message %d: %v, sent %+v", i, a, s)
			}
		}
		if first.SequenceNumber >= second.SequenceNumber {
			t.Errorf("%s is not below %s", first.SequenceNumber, second.SequenceNumber)
		}
	})
}

func TestFIFOExpiredReceiptHandleFails(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		w.fill("a1")
		first := w.expect(1, "a1")[0]
		expired := func(what string) {
			message := "Value " + first.ReceiptHandle + " for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
			refused(t, what, w.try("DeleteMessage", map[string]any{"ReceiptHandle": first.ReceiptHandle}, nil), "InvalidParameterValue", message)
			refused(t, what, w.try("ChangeMessageVisibility", map[string]any{"ReceiptHandle": first.ReceiptHandle, "VisibilityTimeout": 1}, nil), "InvalidParameterValue", message)
		}
		time.Sleep(30 * time.Second)
		expired("shown again")
		second := w.expect(1, "a1")
		expired("received again")
		w.delete(second...)
		w.delete(second...) // gone: no error
		w.delete(first)
	})
}

// TestFIFOTakes300CallsASecondOfAnAction, each with ten messages if it is a batch. Another
// action has its own 300, and a queue of high throughput has no such limit.
func TestFIFOTakes300CallsASecondOfAnAction(t *testing.T) {
	var entries []any
	for i := range 10 {
		entries = append(entries, map[string]string{"Id": fmt.Sprint(i), "MessageBody": "x", "MessageGroupId": "a", "MessageDeduplicationId": "a"})
	}
	batch := map[string]any{"Entries": entries}
	for _, attributes := range []map[string]string{nil, highThroughput} {
		inFIFO(t, attributes, func(t *testing.T, w *fifoWorld) {
			for range 2 {
				for range 300 {
					if err := w.try("SendMessageBatch", batch, nil); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.try("SendMessageBatch", batch, nil); attributes == nil {
					refused(t, "call 301", err, "ThrottlingException", "Rate exceeded")
				} else if err != nil {
					t.Error(err)
				}
				w.send("a", "x", "b")
				time.Sleep(time.Second)
			}
		})
	}
}

// TestFIFOBatchEntriesFailAlone, except for parameters that a FIFO queue requires: without them the
// whole batch fails.
func TestFIFOBatchEntriesFailAlone(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		entry := func(id, group, deduplication string) map[string]any {
			return map[string]any{"Id": id, "MessageBody": id, "MessageGroupId": group, "MessageDeduplicationId": deduplication}
		}
		var out struct {
			Successful []struct{ Id, SequenceNumber string }
			Failed     []struct{ Id, Code string }
		}
		delayed := entry("late", "a", "4")
		delayed["DelaySeconds"] = 1
		err := w.try("SendMessageBatch", map[string]any{"Entries": []any{entry("a1", "a", "1"), entry("bad", "a b", "2"), entry("again", "a", "1"), delayed, entry("a2", "a", "3")}}, &out)
		if err != nil || len(out.Successful) != 3 || out.Successful[0].SequenceNumber != out.Successful[1].SequenceNumber ||
			len(out.Failed) != 2 || out.Failed[0].Id != "bad" || out.Failed[1].Id != "late" || out.Failed[1].Code != "InvalidParameterValue" {
			t.Errorf("batch %+v, %v", out, err)
		}
		refused(t, "no group", w.try("SendMessageBatch", map[string]any{"Entries": []any{entry("a3", "a", "5"), entry("none", "", "6")}}, nil),
			"MissingParameter", "The request must contain the parameter MessageGroupId.")
		w.expect(10, "a1 a2")
	})
}

func TestFIFOPurgeForgetsMessagesAndDuplicates(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		w.fill("a1 a2")
		w.expect(1, "a1")
		if err := w.try("PurgeQueue", nil, nil); err != nil {
			t.Fatal(err)
		}
		w.expect(10, "")
		w.fill("a1")
		w.expect(10, "a1")
	})
}

// TestFIFOSearchesItsFirstMessagesOnly, and gives nothing rather than an error. No more messages
// than these are in flight, and a group with a long backlog hides others.
func TestFIFOSearchesItsFirstMessagesOnly(t *testing.T) {
	inFIFO(t, highThroughput, func(t *testing.T, w *fifoWorld) {
		for i := range 1000 {
			w.send("a", "a", fmt.Sprint(i))
		}
		w.fill("b1")
		first := w.expect(1, "a")
		w.expect(10, "")
		w.delete(first...)
		w.expect(1, "b1") // its turn is before that of a group that was served
		w.expect(1, "a")
	})
}

// TestFIFOSearchEndsWithinAGroup: a batch has only those messages of a group that are among the
// first of the queue.
func TestFIFOSearchEndsWithinAGroup(t *testing.T) {
	inFIFO(t, highThroughput, func(t *testing.T, w *fifoWorld) {
		for i := range 998 {
			w.send("b", "b", fmt.Sprint(i))
		}
		w.fill("a1 a2 a3 a4")
		w.expect(10, "b b b b b b b b b b")
		first := w.expect(10, "a1 a2")
		w.delete(first...)
		w.expect(10, "a3 a4")
	})
}

func TestFIFOAttributesAreShown(t *testing.T) {
	inFIFO(t, map[string]string{"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}, func(t *testing.T, w *fifoWorld) {
		shown := func(queue string) string {
			var out struct{ Attributes map[string]string }
			if err := w.try("GetQueueAttributes", map[string]any{"QueueUrl": queue, "AttributeNames": []string{"All"}}, &out); err != nil {
				t.Fatal(err)
			}
			a := out.Attributes
			return strings.Join([]string{a["FifoQueue"], a["ContentBasedDeduplication"], a["DeduplicationScope"], a["FifoThroughputLimit"]}, " ")
		}
		if got := []string{shown("dead.fifo"), shown(ordered)}; !slices.Equal(got, []string{"true false queue perQueue", "true false messageGroup perMessageGroupId"}) {
			t.Errorf("attributes %q", got)
		}
		set := func(name, value string) error {
			return w.try("SetQueueAttributes", map[string]any{"Attributes": map[string]string{name: value}}, nil)
		}
		if err := errors.Join(set("FifoQueue", "true"), set("ContentBasedDeduplication", "true")); err != nil {
			t.Error(err)
		}
		if got := shown(ordered); got != "true true messageGroup perMessageGroupId" {
			t.Errorf("then attributes %q", got)
		}
	})
}

// TestStandardQueueTakesAGroupForATenant: it is shown, and orders nothing.
func TestStandardQueueTakesAGroupForATenant(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		w.create("plain", nil)
		for _, body := range []string{"1", "2"} {
			if err := w.try("SendMessage", map[string]any{"QueueUrl": "plain", "MessageBody": body, "MessageGroupId": "t"}, nil); err != nil {
				t.Fatal(err)
			}
		}
		first, second := w.receive(1, map[string]any{"QueueUrl": "plain"}), w.receive(1, map[string]any{"QueueUrl": "plain"})
		if texts(first)+texts(second) != "12" || first[0].Attributes["MessageGroupId"] != "t" || first[0].Attributes["SequenceNumber"] != "" {
			t.Errorf("received %+v, %+v", first, second)
		}
	})
}
