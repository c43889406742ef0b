package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/watch"
)

const topic = "stocks/AAPL"

// world is the handler, with watchers and a queue that keeps what it is sent.
type world struct {
	handler
	t     *testing.T
	db    *dynamotest.Database
	store *dynamo.Store
	works []watch.Work
	mu    sync.Mutex
	heard map[watch.ConnectionID][]int64
}

func (w *world) Send(_ context.Context, works []watch.Work) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.works = append(w.works, works...)
	return nil
}

func (w *world) Post(_ context.Context, id watch.ConnectionID, frame watch.Frame) error {
	decoded, err := events.Decode(frame.Body)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range decoded.(*events.Changes).Changes {
		w.heard[id] = append(w.heard[id], c.Seq)
	}
	return nil
}

func (w *world) Close(context.Context, watch.ConnectionID) error { return nil }

// newWorld has six watchers in lanes of about three.
func newWorld(t *testing.T) *world {
	w := &world{t: t, db: dynamotest.Start(t), heard: map[watch.ConnectionID][]int64{}}
	w.store = w.db.Store()
	for n := range 6 {
		c := watch.Connection{Key: watch.Key{Subject: "alice", ID: watch.ConnectionID(fmt.Sprint("c", n))}, Connected: time.Now()}
		if err := w.store.Connect(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if _, err := w.store.Subscribe(t.Context(), watch.Subscription{Key: c.Key, Topic: topic, Until: c.Ends()}); err != nil {
			t.Fatal(err)
		}
	}
	w.handler = handler{
		pusher: watch.LanePusher{Lanes: w.store, Log: w.store, Pusher: watch.Pusher{Subscribers: w.store, Poster: w}, LaneSize: 3, Time: time.Minute},
		queue:  w, logger: slog.New(slog.DiscardHandler),
	}
	return w
}

// change numbers a change and gives the messages that hand it over.
func (w *world) change(n int) (messages []awsevents.SQSMessage) {
	w.t.Helper()
	w.works = nil
	fanout := watch.Fanout{Numberer: watch.Numberer{Log: w.store}, Pusher: w.pusher.Pusher, PushTime: time.Minute,
		Handover: watch.Handover{Lanes: w.store, Queue: w, LaneSize: 3, MaxPosts: 1}}
	outcome := fanout.Deliver(w.t.Context(), "s", []watch.Write{{Topic: topic, ID: "i", Op: events.Added, Position: watch.Position(fmt.Sprint(n)), Data: []byte("{}")}})
	if outcome.Err != nil || outcome.Pushed.Frames > 0 {
		w.t.Fatalf("fan-out: %+v", outcome)
	}
	return w.messages()
}

func (w *world) messages() (messages []awsevents.SQSMessage) {
	for _, work := range w.works {
		body, err := json.Marshal(work)
		if err != nil {
			w.t.Fatal(err)
		}
		messages = append(messages, awsevents.SQSMessage{MessageId: fmt.Sprintf("lane %d until %d", work.Lane, work.Until.Seq), Body: string(body)})
	}
	w.works = nil
	return messages
}

// deliver invokes the handler and gives what has to come again.
func (w *world) deliver(messages ...awsevents.SQSMessage) (failed []string) {
	w.t.Helper()
	answer, err := w.push(w.t.Context(), awsevents.SQSEvent{Records: messages})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range answer.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	slices.Sort(failed)
	return failed
}

func (w *world) wantHeard(want ...int64) {
	w.t.Helper()
	for n := range 6 {
		if got := w.heard[watch.ConnectionID(fmt.Sprint("c", n))]; !slices.Equal(got, want) {
			w.t.Errorf("c%d heard %d, want %d", n, got, want)
		}
	}
}

// TestALaneIsPushedOnceForAllItsMessages: and an invalid message harms no other.
func TestALaneIsPushedOnceForAllItsMessages(t *testing.T) {
	w := newWorld(t)
	var messages []awsevents.SQSMessage
	for n := range 3 {
		messages = append(messages, w.change(n)...)
	}
	if len(messages) != 6 {
		t.Fatalf("%d messages", len(messages))
	}
	failed := w.deliver(append(messages, awsevents.SQSMessage{MessageId: "odd", Body: "{}"})...)
	if !slices.Equal(failed, []string{"odd"}) {
		t.Errorf("to come again: %q", failed)
	}
	w.wantHeard(1, 2, 3)
	w.deliver(messages...)
	w.wantHeard(1, 2, 3) // as all of it was done
}

// TestWhatThereIsNoTimeForGoesOn: another message continues where this one has ended.
func TestWhatThereIsNoTimeForGoesOn(t *testing.T) {
	w := newWorld(t)
	messages := append(w.change(1), w.change(2)...)
	w.pusher.Time, w.pusher.Round = 0, 1 // connections
	rounds := 0
	for ; len(messages) > 0 && rounds < 100; rounds++ {
		if failed := w.deliver(messages...); len(failed) > 0 {
			t.Fatalf("to come again: %q", failed)
		}
		messages = w.messages()
	}
	w.wantHeard(1, 2)
	if rounds < 3 {
		t.Errorf("six watchers were reached in %d rounds of one for each of two lanes", rounds)
	}
}

// blind cannot read subscriptions.
type blind struct{ *dynamo.Store }

func (blind) Subscribers(context.Context, events.Topic, bool, watch.Part) ([]watch.Subscription, error) {
	return nil, errors.New("throttled")
}

// TestALaneThatFailsComesAgain, with all its messages, so that they keep their order.
func TestALaneThatFailsComesAgain(t *testing.T) {
	w := newWorld(t)
	messages := append(w.change(1), w.change(2)...)
	w.pusher.Pusher.Subscribers = blind{w.store}
	want := []string{"lane 0 until 1", "lane 0 until 2", "lane 1 until 1", "lane 1 until 2"}
	if failed := w.deliver(messages...); !slices.Equal(failed, want) {
		t.Errorf("to come again: %q", failed)
	}
	w.pusher.Pusher.Subscribers = w.store
	if failed := w.deliver(messages...); failed != nil {
		t.Errorf("to come again: %q", failed)
	}
	w.wantHeard(1, 2)
}

// counting counts the posts that are under way.
type counting struct {
	*world
	now, most int
}

func (c *counting) Post(context.Context, watch.ConnectionID, watch.Frame) error {
	c.mu.Lock()
	c.now++
	c.most = max(c.most, c.now)
	c.mu.Unlock()
	time.Sleep(time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
	return nil
}

// TestPostsAtOnceAreBounded: the bound holds for any number of lanes. A waiting post ends with its
// time.
func TestPostsAtOnceAreBounded(t *testing.T) {
	c := &counting{world: &world{}}
	poster := newBounded(c)
	var posts sync.WaitGroup
	for range 10 * postsAtOnce {
		posts.Go(func() { _ = poster.Post(t.Context(), "c", watch.Frame{}) })
	}
	posts.Wait()
	if c.most > postsAtOnce {
		t.Errorf("%d posts at once", c.most)
	}
	for range postsAtOnce {
		poster.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := poster.Post(ctx, "c", watch.Frame{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a post that has no more time: %v", err)
	}
}
