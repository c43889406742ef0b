package pushes_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/sqs/sqstest"
	"github.com/watchroute/watchroute/shared/pushes"
	"github.com/watchroute/watchroute/shared/watch"
)

// world is a FIFO queue on the embedded SQS, which refuses what AWS refuses.
type world struct {
	pushes.Queue
	t      *testing.T
	client *sqs.Client
	url    *string
}

func newWorld(t *testing.T) world {
	t.Helper()
	q := sqstest.Start(t, "pushes.fifo")
	return world{pushes.Open(q.Config, *q.URL), t, q.Client, q.URL}
}

// all takes what is in the queue, with the group of each.
func (w world) all() (works []watch.Work, groups []string) {
	w.t.Helper()
	for {
		out, err := w.client.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: w.url, MaxNumberOfMessages: 10, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"MessageGroupId"},
		})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return works, groups
		}
		for _, m := range out.Messages {
			work, err := pushes.Read(*m.Body)
			if err != nil {
				w.t.Fatal(err)
			}
			works, groups = append(works, work), append(groups, m.Attributes["MessageGroupId"])
			if _, err := w.client.DeleteMessage(w.t.Context(), &sqs.DeleteMessageInput{QueueUrl: w.url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

func work(topic events.Topic, lane int, until int64) watch.Work {
	return watch.Work{Topic: topic, Lane: lane, From: events.Cursor{Epoch: "e", Seq: until - 1}, Until: events.Cursor{Epoch: "e", Seq: until}}
}

// TestWorkOfALaneComesInOrder, each lane in a group of its own, more of it than one request takes.
func TestWorkOfALaneComesInOrder(t *testing.T) {
	w := newWorld(t)
	long := events.Topic(strings.Repeat("a", events.MaxTopicBytes)) // too long for a group's name
	for until := range int64(3) {
		var works []watch.Work
		for lane := range 16 {
			works = append(works, work(long, lane, until+1))
		}
		if err := w.Send(t.Context(), works); err != nil {
			t.Fatal(err)
		}
	}
	works, groups := w.all()
	seen, lanes := map[int][]int64{}, map[string]int{}
	for i, work := range works {
		seen[work.Lane] = append(seen[work.Lane], work.Until.Seq)
		if lane, ok := lanes[groups[i]]; ok && lane != work.Lane || work.Topic != long || work.From.Seq != work.Until.Seq-1 {
			t.Errorf("work %+v is in group %s of lane %d", work, groups[i], lane)
		}
		lanes[groups[i]] = work.Lane
	}
	for lane := range 16 {
		if !slices.Equal(seen[lane], []int64{1, 2, 3}) {
			t.Errorf("lane %d has work up to %d", lane, seen[lane])
		}
	}
}

// TestTheSameWorkIsTakenOnce: and its continuation is other work.
func TestTheSameWorkIsTakenOnce(t *testing.T) {
	w := newWorld(t)
	rest := work("a", 0, 1)
	rest.Continuation = "e:0 1 x"
	other := work("a", 0, 1)
	other.Until.Epoch = "f"
	for _, work := range []watch.Work{work("a", 0, 1), work("a", 0, 1), rest, work("b", 0, 1), work("a", 1, 1), other, work("a", 0, 1)} {
		if err := w.Send(t.Context(), []watch.Work{work}); err != nil {
			t.Fatal(err)
		}
	}
	if works, _ := w.all(); len(works) != 5 {
		t.Errorf("the queue took %+v", works)
	}
}

func TestWorkThatIsNone(t *testing.T) {
	for _, body := range []string{"", "1", "{}", `{"topic":"a//b"}`, `{"topic":"a","lane":-1}`, `{"topic":"a","lane":64}`} {
		if w, err := pushes.Read(body); err == nil {
			t.Errorf("%s is read as %+v", body, w)
		}
	}
}

func TestAQueueThatIsNotThere(t *testing.T) {
	w := newWorld(t)
	if _, err := w.client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: w.url}); err != nil {
		t.Fatal(err)
	}
	if err := w.Send(t.Context(), []watch.Work{work("a", 0, 1)}); err == nil {
		t.Error("nothing says so")
	}
}
