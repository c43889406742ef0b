package watch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// entries makes numbered changes of a topic.
func entries(topic events.Topic, seqs ...int64) watch.Numbered {
	n := watch.Numbered{Topic: topic}
	for _, seq := range seqs {
		n.Entries = append(n.Entries, watch.Entry{Change: events.Change{
			Topic: topic, Epoch: "e", Seq: seq, Op: events.Added, ID: "i", Time: events.Time(time.Unix(0, 0)), Data: []byte(`{}`),
		}})
	}
	return n
}

// received gives the changes that a connection was posted, as topic=seq.
func received(t *testing.T, m *memoryWatchers, id watch.ConnectionID) string {
	t.Helper()
	var got []string
	for _, post := range m.posts[id] {
		frame, err := events.Decode([]byte(post))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range frame.(*events.Changes).Changes {
			got = append(got, fmt.Sprintf("%s=%d", c.Topic, c.Seq))
		}
	}
	return strings.Join(got, " ")
}

func TestPushGivesEachConnectionItsTopicsInOneFrame(t *testing.T) {
	m := &memoryWatchers{topics: map[events.Topic][]watch.ConnectionID{"a": {"1", "2"}, "b": {"2", "3"}}}
	pushed, unread, err := watch.Pusher{Subscribers: m, Poster: m}.Push(t.Context(),
		[]watch.Numbered{entries("a", 7, 8), entries("b", 1), entries("c", 1)})
	if err != nil || unread != nil || pushed != (watch.Pushed{Frames: 3}) {
		t.Errorf("pushed %+v, unread %v, %v", pushed, unread, err)
	}
	for id, want := range map[watch.ConnectionID]string{"1": "a=7 a=8", "2": "a=7 a=8 b=1", "3": "b=1"} {
		if got := received(t, m, id); got != want {
			t.Errorf("%s received %s, want %s", id, got, want)
		}
	}
}

func TestPushForgetsGoneAndCountsLost(t *testing.T) {
	m := &memoryWatchers{
		topics:  map[events.Topic][]watch.ConnectionID{"a": {"gone", "lost", "well"}},
		answers: map[watch.ConnectionID]error{"gone": watch.ErrGone, "lost": errors.New("throttled")},
	}
	pushed, unread, err := watch.Pusher{Subscribers: m, Poster: m}.Push(t.Context(), []watch.Numbered{entries("a", 1)})
	if pushed != (watch.Pushed{Frames: 1, Gone: 1, Lost: 1}) || unread != nil {
		t.Errorf("pushed %+v, unread %v", pushed, unread)
	}
	if err == nil || !strings.Contains(err.Error(), "throttled") || errors.Is(err, watch.ErrGone) {
		t.Errorf("err = %v, want the lost post and not the gone connection", err)
	}
	if got := sortedIDs(m.forgotten); !slices.Equal(got, []watch.ConnectionID{"gone"}) {
		t.Errorf("forgotten: %v", got)
	}
	if got := received(t, m, "well"); got != "a=1" {
		t.Errorf("the other watcher received %q", got)
	}
}

func TestDeliverFailsOnlyTheTopicThatFailed(t *testing.T) {
	log := newLog()
	m := &memoryWatchers{topics: map[events.Topic][]watch.ConnectionID{"a/b": {"1"}}, unread: "x/y"}
	deliverer := watch.Fanout{Numberer: watch.Numberer{Log: topicLogs{"a/b": log, "x/y": newLog()}},
		Pusher: watch.Pusher{Subscribers: m, Poster: m}, PushTime: time.Second}
	batch := writes(2)
	other := writes(1)[0]
	other.Topic, other.Position = "x/y", "5000"
	outcome := deliverer.Deliver(t.Context(), stream1, append(batch, other))
	if len(outcome.Failed) != 1 || outcome.Failed[0].Position != "5000" || !errors.Is(outcome.Err, errRead) {
		t.Errorf("failed %+v, err %v", outcome.Failed, outcome.Err)
	}
	if got := received(t, m, "1"); got != "a/b=1 a/b=2" {
		t.Errorf("the other topic's watcher received %q", got)
	}
}

// countingLogs counts the reads of heads. Reads of several heads fail if unreadable is among them, as
// does its own.
type countingLogs struct {
	topicLogs
	unreadable      events.Topic
	together, alone atomic.Int64
}

func (l *countingLogs) Head(ctx context.Context, topic events.Topic) (watch.Head, error) {
	l.alone.Add(1)
	if topic == l.unreadable {
		return watch.Head{}, errRead
	}
	return l.topicLogs.Head(ctx, topic)
}

func (l *countingLogs) Heads(ctx context.Context, topics []events.Topic) (map[events.Topic]watch.Head, error) {
	l.together.Add(1)
	if slices.Contains(topics, l.unreadable) {
		return nil, errRead
	}
	return l.topicLogs.Heads(ctx, topics)
}

// TestHeadsOfABatchAreReadTogether, and one by one if that fails, so that a head that cannot be read
// fails only its own topic.
func TestHeadsOfABatchAreReadTogether(t *testing.T) {
	for _, unreadable := range []events.Topic{"", "b"} {
		logs := &countingLogs{topicLogs: topicLogs{"a": newLog(), "b": newLog(), "c": newLog()}, unreadable: unreadable}
		var batch []watch.Write
		for i, topic := range []events.Topic{"a", "b", "c"} {
			batch = append(batch, writes(3)[i])
			batch[i].Topic = topic
		}
		m := &memoryWatchers{topics: map[events.Topic][]watch.ConnectionID{"a": {"1"}, "c": {"1"}}}
		outcome := watch.Fanout{Numberer: watch.Numberer{Log: logs}, Pusher: watch.Pusher{Subscribers: m, Poster: m}, PushTime: time.Second}.
			Deliver(t.Context(), stream1, batch)
		if got := received(t, m, "1"); got != "a=1 c=1" {
			t.Errorf("unreadable %q: received %q", unreadable, got)
		}
		wantAlone, wantFailed := int64(0), 0
		if unreadable != "" {
			wantAlone, wantFailed = 3, 1
		}
		if logs.together.Load() != 1 || logs.alone.Load() != wantAlone || len(outcome.Failed) != wantFailed {
			t.Errorf("unreadable %q: %d reads of all heads and %d of one, failed %+v", unreadable, logs.together.Load(), logs.alone.Load(), outcome.Failed)
		}
	}
}

// TestAHeadThatMovesAfterItWasReadIsReadAgain: another fan-out numbers a change between the read of
// all heads of a batch and the append.
func TestAHeadThatMovesAfterItWasReadIsReadAgain(t *testing.T) {
	logs := &countingLogs{topicLogs: topicLogs{"a": newLog(), "b": newLog()}}
	all := writes(4)
	for i := range all {
		all[i].Topic = "a"
	}
	all[3].Topic = "b"
	mustNumber(t, logs, stream1, all[:1])
	logs.alone.Store(0)
	moved := &movedLogs{logs, func() { mustNumber(t, logs.topicLogs, stream1, all[1:2]) }}
	m := &memoryWatchers{topics: map[events.Topic][]watch.ConnectionID{"a": {"1"}, "b": {"1"}}}
	outcome := watch.Fanout{Numberer: watch.Numberer{Log: moved}, Pusher: watch.Pusher{Subscribers: m, Poster: m}, PushTime: time.Second}.
		Deliver(t.Context(), stream1, all[1:])
	if got := received(t, m, "1"); got != "a=2 a=3 b=1" || outcome.Err != nil || logs.alone.Load() != 1 {
		t.Errorf("received %q, %+v, %d heads read alone", got, outcome, logs.alone.Load())
	}
}

// movedLogs has something happen after the heads were read.
type movedLogs struct {
	*countingLogs
	happens func()
}

func (l *movedLogs) Heads(ctx context.Context, topics []events.Topic) (map[events.Topic]watch.Head, error) {
	heads, err := l.countingLogs.Heads(ctx, topics)
	l.happens()
	return heads, err
}

func TestDeliverTellsStaleFromFailed(t *testing.T) {
	log := newLog()
	m := &memoryWatchers{}
	deliverer := watch.Fanout{Numberer: watch.Numberer{Log: log}, Pusher: watch.Pusher{Subscribers: m, Poster: m}, PushTime: time.Second}
	mustNumber(t, log, stream2, writes(1))
	if outcome := deliverer.Deliver(t.Context(), stream1, writes(2)); len(outcome.Stale) != 2 || len(outcome.Failed) != 0 {
		t.Errorf("outcome %+v, want both writes stale", outcome)
	}
	log.fail = func(string) error { return errors.New("down") }
	if outcome := deliverer.Deliver(t.Context(), stream2, writes(2)); len(outcome.Failed) != 2 || outcome.Err == nil {
		t.Errorf("outcome %+v, want both writes failed", outcome)
	}
}

func TestDeliverPushesKnownChangesAgain(t *testing.T) {
	log := newLog()
	m := &memoryWatchers{topics: map[events.Topic][]watch.ConnectionID{"a/b": {"1"}}}
	deliverer := watch.Fanout{Numberer: watch.Numberer{Log: log}, Pusher: watch.Pusher{Subscribers: m, Poster: m}, PushTime: time.Second}
	for range 2 {
		if outcome := deliverer.Deliver(t.Context(), stream1, writes(2)); outcome.Err != nil {
			t.Fatal(outcome.Err)
		}
	}
	if got := received(t, m, "1"); got != "a/b=1 a/b=2 a/b=1 a/b=2" {
		t.Errorf("received %q", got)
	}
}

// slowLog makes appends wait until it is told to go on.
type slowLog struct {
	*memoryLog
	proceed chan struct{}
}

func (l slowLog) Append(ctx context.Context, topic events.Topic, from, to watch.Head, entries []watch.Entry) error {
	select {
	case <-l.proceed:
		return l.memoryLog.Append(ctx, topic, from, to, entries)
	case <-time.After(20 * time.Second):
		return errors.New("the others have not been pushed")
	}
}

// announcing is a Poster that tells when it has posted to a connection.
type announcing struct {
	*memoryWatchers
	id     watch.ConnectionID
	posted chan struct{}
}

func (a announcing) Post(ctx context.Context, id watch.ConnectionID, frame watch.Frame) error {
	err := a.memoryWatchers.Post(ctx, id, frame)
	if id == a.id {
		close(a.posted)
	}
	return err
}

// TestLargeItemsKeepOnlyTheirOwnTopicWaiting: the transaction of a large item takes long. The
// watchers of another topic of the batch get their change before it ends.
func TestLargeItemsKeepOnlyTheirOwnTopicWaiting(t *testing.T) {
	posted := make(chan struct{})
	m := announcing{&memoryWatchers{topics: map[events.Topic][]watch.ConnectionID{"small": {"1"}, "large": {"2"}}}, "1", posted}
	logs := topicLogs{"small": newLog(), "large": slowLog{newLog(), posted}}
	large, small := writes(1)[0], writes(1)[0]
	large.Topic, large.Data = "large", []byte(`"`+strings.Repeat("x", 100_000)+`"`)
	small.Topic = "small"
	outcome := watch.Fanout{Numberer: watch.Numberer{Log: logs}, Pusher: watch.Pusher{Subscribers: m, Poster: m}, PushTime: time.Second}.
		Deliver(t.Context(), stream1, []watch.Write{large, small})
	if outcome.Err != nil || len(outcome.Failed) > 0 || outcome.Pushed.Frames != 2 {
		t.Errorf("outcome %+v", outcome)
	}
}

// TestFewWatchersAreNotBehindMany: one topic has more watchers than posts at once. The only watcher
// of another topic is posted to before any of these posts ends.
func TestFewWatchersAreNotBehindMany(t *testing.T) {
	m := waiting{&memoryWatchers{topics: map[events.Topic][]watch.ConnectionID{"few": {"only"}}}, "only", make(chan struct{})}
	for n := range 500 {
		m.topics["many"] = append(m.topics["many"], watch.ConnectionID(fmt.Sprint(n)))
	}
	for range 10 { // or it may come first by chance
		m.came = make(chan struct{})
		pushed, _, err := watch.Pusher{Subscribers: m, Poster: m}.Push(t.Context(), []watch.Numbered{entries("many", 1), entries("few", 1)})
		if err != nil || pushed.Frames != 501 {
			t.Fatalf("pushed %+v, %v", pushed, err)
		}
	}
}
