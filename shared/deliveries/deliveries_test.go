package deliveries_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/sqs/sqstest"
	"github.com/watchroute/watchroute/shared/deliveries"
	"github.com/watchroute/watchroute/shared/delivery"
)

// world is a FIFO queue on the embedded SQS, which refuses what AWS refuses.
type world struct {
	deliveries.Queue
	t      *testing.T
	client *sqs.Client
	url    *string
}

func newWorld(t *testing.T) world {
	t.Helper()
	q := sqstest.Start(t, "deliveries.fifo")
	return world{deliveries.Open(q.Config, *q.URL), t, q.Client, q.URL}
}

// message is what the queue has.
type message struct {
	ref       delivery.Ref
	group, id string
}

// receive takes up to ten messages, and deletes them unless they are to stay in flight.
func (w world) receive(inFlight bool) (all []message) {
	w.t.Helper()
	out, err := w.client.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: w.url, MaxNumberOfMessages: 10,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"MessageGroupId", "MessageDeduplicationId"}})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range out.Messages {
		ref, err := deliveries.Read(*m.Body)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, message{ref, m.Attributes["MessageGroupId"], m.Attributes["MessageDeduplicationId"]})
		if inFlight {
			continue
		}
		if _, err := w.client.DeleteMessage(w.t.Context(), &sqs.DeleteMessageInput{QueueUrl: w.url, ReceiptHandle: m.ReceiptHandle}); err != nil {
			w.t.Fatal(err)
		}
	}
	return all
}

// all takes what is in the queue.
func (w world) all() (all []message) {
	w.t.Helper()
	for {
		some := w.receive(false)
		if len(some) == 0 {
			return all
		}
		all = append(all, some...)
	}
}

func (w world) send(ref delivery.Ref, id string) {
	w.t.Helper()
	if err := w.Send(w.t.Context(), ref, id); err != nil {
		w.t.Fatal(err)
	}
}

// TestWakesOfAStandingComeInOrder, no two destinations in one group, also with the longest topic.
func TestWakesOfAStandingComeInOrder(t *testing.T) {
	w := newWorld(t)
	long := events.Topic(strings.Repeat("a", events.MaxTopicBytes-3) + "/**") // too long for a group's name
	refs := []delivery.Ref{{Destination: "dst_1", Topic: long}, {Destination: "dst_2", Topic: long}, {Destination: "dst_1", Topic: "a"}, {Destination: "dst_1", Topic: "a/*"}}
	for n := range 5 {
		for i, ref := range refs {
			w.send(ref, fmt.Sprintf("%d/%d", n, i))
		}
	}
	ids, groups := map[delivery.Ref][]string{}, map[string]delivery.Ref{}
	for _, m := range w.all() {
		ids[m.ref] = append(ids[m.ref], m.id)
		if ref, ok := groups[m.group]; ok && ref.Destination != m.ref.Destination {
			t.Errorf("%+v and %+v share a group", ref, m.ref)
		}
		groups[m.group] = m.ref
	}
	for i, ref := range refs {
		if want := []string{fmt.Sprintf("0/%d", i), fmt.Sprintf("1/%d", i), fmt.Sprintf("2/%d", i), fmt.Sprintf("3/%d", i), fmt.Sprintf("4/%d", i)}; !slices.Equal(ids[ref], want) {
			t.Errorf("%+v has %q", ref, ids[ref])
		}
	}
}

// TestADestinationHasFourMessagesWorkedOnAtMost, whatever the number of its topics: one that is dead
// must not keep all executions busy.
func TestADestinationHasFourMessagesWorkedOnAtMost(t *testing.T) {
	w := newWorld(t)
	for n := range 60 {
		w.send(delivery.Ref{Destination: "dst_dead", Topic: events.Topic(fmt.Sprint("a/", n))}, fmt.Sprint(n))
	}
	w.send(delivery.Ref{Destination: "dst_live", Topic: "a/1"}, "1")
	counts := map[string]int{}
	for some := w.receive(true); len(some) > 0; some = w.receive(true) {
		for _, m := range some {
			counts[m.group]++
		}
	}
	if len(counts) != 5 {
		t.Errorf("messages of %d groups are worked on at once, want 4 of the dead destination and that of the other", len(counts))
	}
}

// TestAStandingIsDeliveredByOneAtATime: while a message is being worked on, those of its standing
// wait, and those of other lanes do not.
func TestAStandingIsDeliveredByOneAtATime(t *testing.T) {
	w := newWorld(t)
	w.send(delivery.Ref{Destination: "dst_1", Topic: "a"}, "1")
	if got := w.receive(true); len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	w.send(delivery.Ref{Destination: "dst_1", Topic: "a"}, "2")
	w.send(delivery.Ref{Destination: "dst_1", Topic: "d"}, "3")
	if got := w.receive(true); len(got) != 1 || got[0].ref.Topic != "d" {
		t.Errorf("got %+v", got)
	}
}

// TestAWakeIsTakenOnce by its id. The ids of one destination mean nothing to another.
func TestAWakeIsTakenOnce(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		destination, id string
	}{{"dst_1", "1"}, {"dst_1", "1"}, {"dst_1", "2"}, {"dst_2", "1"}, {"dst_1", "1"}} {
		w.send(delivery.Ref{Destination: c.destination, Topic: "a"}, c.id)
	}
	if all := w.all(); len(all) != 3 {
		t.Errorf("the queue took %+v", all)
	}
	w.send(delivery.Ref{Destination: "dst_1", Topic: "a"}, "1")
	if all := w.all(); len(all) != 0 {
		t.Errorf("within five minutes the queue took %+v again", all)
	}
}

// TestAMessageThatWakesNothing is an error that says why.
func TestAMessageThatWakesNothing(t *testing.T) {
	for body, want := range map[string]string{
		"": "JSON", "1": "number", "{": "JSON", "null": "destination", "{}": "destination", `{"topic":"a"}`: "destination",
		`{"destination":"dst_1","topic":"a//b"}`: "empty segment", `{"destination":"dst_1","topic":"*"}`: "character", `{"destination":"","topic":"a"}`: "destination",
	} {
		ref, err := deliveries.Read(body)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s is read as %+v, %v, want %q", body, ref, err, want)
		}
	}
}

func TestAQueueThatIsNotThere(t *testing.T) {
	w := newWorld(t)
	if _, err := w.client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: w.url}); err != nil {
		t.Fatal(err)
	}
	if err := w.Send(t.Context(), delivery.Ref{Destination: "dst_1", Topic: "a"}, "1"); err == nil {
		t.Error("nothing says so")
	}
}
