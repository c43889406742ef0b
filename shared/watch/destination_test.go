package watch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// alarm is a Waker that notes whom it wakes, as "destination topic after". Those in deaf it cannot wake.
type alarm struct {
	mu    sync.Mutex
	woken []string
	deaf  map[string]bool
}

var errAsleep = errors.New("queue is throttled")

func (a *alarm) Wake(_ context.Context, destination string, topic events.Topic, after events.Cursor) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.deaf[destination] {
		return errAsleep
	}
	a.woken = append(a.woken, fmt.Sprintf("%s %s %d", destination, topic, after.Seq))
	return nil
}

// all has who was woken, in order of the names.
func (a *alarm) all() string {
	slices.Sort(a.woken)
	return strings.Join(a.woken, ", ")
}

// watching is a subscription of a destination.
func watching(destination string, topic events.Topic, left time.Duration) watch.Subscription {
	return watch.Subscription{Key: watch.Key{Subject: "alice", ID: watch.DestinationID(destination)}, Topic: topic, Until: time.Now().Add(left)}
}

// fanoutTo makes one with a topic a/b and a topic x/y.
func fanoutTo(m *memoryWatchers, a *alarm) watch.Fanout {
	return watch.Fanout{
		Numberer: watch.Numberer{Log: topicLogs{"a/b": newLog(), "x/y": newLog()}},
		Pusher:   watch.Pusher{Subscribers: m, Poster: m, Waker: a}, PushTime: time.Second,
	}
}

// twoTopics are two writes to a/b and one to x/y, whose position is 5000.
func twoTopics() []watch.Write {
	other := writes(1)[0]
	other.Topic, other.Position = "x/y", "5000"
	return append(writes(2), other)
}

// TestADestinationIsWokenOnceForEachTopic, however it watches and however many changes there are. It
// is not posted to, and one whose time is over is not woken.
func TestADestinationIsWokenOnceForEachTopic(t *testing.T) {
	m, a := &memoryWatchers{topics: map[events.Topic][]watch.ConnectionID{"a/b": {"1"}}}, &alarm{}
	m.subs = []watch.Subscription{
		watching("named", "a/b", time.Hour), watching("both", "a/b", time.Hour), watching("both", "a/*", time.Hour), watching("both", "a/**", time.Hour),
		watching("pattern", "a/**", time.Hour), watching("pattern", "x/*", time.Hour), watching("ended", "a/b", -time.Second), watching("other", "z", time.Hour),
	}
	outcome := fanoutTo(m, a).Deliver(t.Context(), stream1, twoTopics())
	if len(outcome.Failed) != 0 || outcome.Err != nil || outcome.Pushed != (watch.Pushed{Frames: 1}) {
		t.Errorf("outcome is %+v", outcome)
	}
	if got, want := a.all(), "both a/b 0, named a/b 0, pattern a/b 0, pattern x/y 0"; got != want {
		t.Errorf("woken are %s, want %s", got, want)
	}
	if len(m.posts) != 1 || received(t, m, "1") != "a/b=1 a/b=2" || len(m.forgotten)+len(m.closed) != 0 {
		t.Errorf("posts are %v, forgotten %v, closed %v", m.posts, m.forgotten, m.closed)
	}
}

// TestAWakeThatFailsBringsItsTopicAgain, and no other. The connections have what they watch.
func TestAWakeThatFailsBringsItsTopicAgain(t *testing.T) {
	m, a := &memoryWatchers{topics: map[events.Topic][]watch.ConnectionID{"a/b": {"1"}, "x/y": {"1"}}}, &alarm{deaf: map[string]bool{"deaf": true}}
	m.subs = []watch.Subscription{watching("deaf", "x/y", time.Hour), watching("deaf", "x/**", time.Hour), watching("well", "a/*", time.Hour), watching("well", "x/*", time.Hour)}
	fanout := fanoutTo(m, a)
	outcome := fanout.Deliver(t.Context(), stream1, twoTopics())
	if len(outcome.Failed) != 1 || outcome.Failed[0].Position != "5000" || !errors.Is(outcome.Err, errAsleep) {
		t.Errorf("failed are %+v, %v", outcome.Failed, outcome.Err)
	}
	if got := received(t, m, "1"); got != "a/b=1 a/b=2 x/y=1" {
		t.Errorf("the connection received %s", got)
	}
	a.deaf, a.woken = nil, nil
	if outcome := fanout.Deliver(t.Context(), stream1, outcome.Failed); len(outcome.Failed) != 0 || outcome.Err != nil {
		t.Errorf("again, the outcome is %+v", outcome)
	}
	if got := a.all(); got != "deaf x/y 0, well x/y 0" {
		t.Errorf("when it comes again, woken are %s", got)
	}
}

// TestATopicFailsOnce, however many of its destinations cannot be woken.
func TestATopicFailsOnce(t *testing.T) {
	m, a := &memoryWatchers{}, &alarm{deaf: map[string]bool{}}
	for n := range 100 {
		name := fmt.Sprint("d", n)
		a.deaf[name] = true
		m.subs = append(m.subs, watching(name, "a/b", time.Hour))
	}
	outcome := fanoutTo(m, a).Deliver(t.Context(), stream1, twoTopics())
	if len(outcome.Failed) != 2 || outcome.Failed[0].Topic != "a/b" || outcome.Failed[1].Topic != "a/b" || len(outcome.Err.Error()) > 10_000 {
		t.Errorf("failed are %+v, %v", outcome.Failed, outcome.Err)
	}
}

// lanes keeps the progress of the lanes of one topic in memory, and is their log.
type lanes struct {
	watch.Lanes
	head     watch.Head
	progress map[int]watch.Progress
	wanted   int
	sent     []watch.Work
}

func (l *lanes) Progress(_ context.Context, _ events.Topic, lane int) (watch.Progress, error) {
	return l.progress[lane], nil
}

func (l *lanes) Advance(_ context.Context, _ events.Topic, lane int, _, to watch.Progress) error {
	l.progress[lane] = to
	return nil
}

func (l *lanes) Want(_ context.Context, _ events.Topic, _, wanted int) error {
	l.wanted = wanted
	return nil
}

func (l *lanes) Head(context.Context, events.Topic) (watch.Head, error) { return l.head, nil }

func (l *lanes) Since(_ context.Context, topic events.Topic, from, to int64) (found []watch.Entry, err error) {
	for seq := from + 1; seq <= to; seq++ {
		found = append(found, entries(topic, seq).Entries...)
	}
	return found, nil
}

func (l *lanes) Send(_ context.Context, works []watch.Work) error {
	l.sent = append(l.sent, works...)
	return nil
}

// lanesOf makes lanes of a/b, whose head is at 3.
func lanesOf(n int) *lanes {
	return &lanes{head: watch.Head{Cursor: events.Cursor{Epoch: "e", Seq: 3}, Lanes: n}, progress: map[int]watch.Progress{}}
}

func (l *lanes) work(lane int) watch.Work {
	return watch.Work{Topic: "a/b", Lane: lane, From: events.Cursor{Epoch: "e"}, Until: l.head.Cursor}
}

func (l *lanes) pusher(m *memoryWatchers, a *alarm) watch.LanePusher {
	return watch.LanePusher{Lanes: l, Log: l, Pusher: watch.Pusher{Subscribers: m, Poster: m, Waker: a}, LaneSize: 10, Time: time.Minute}
}

// TestDestinationsAreNoAudience: they cause no lanes, and do not split one.
func TestDestinationsAreNoAudience(t *testing.T) {
	m, a := &memoryWatchers{topics: map[events.Topic][]watch.ConnectionID{"a/b": {"1", "2"}}}, &alarm{}
	for n := range 100 {
		m.subs = append(m.subs, watching(fmt.Sprint("d", n), "a/b", time.Hour))
	}
	l := lanesOf(0)
	fanout := fanoutTo(m, a)
	fanout.Handover = watch.Handover{Lanes: l, Queue: l, LaneSize: 10, MaxPosts: 20}
	outcome := fanout.Deliver(t.Context(), stream1, twoTopics())
	if len(outcome.Failed) != 0 || outcome.Err != nil || len(l.sent) != 0 || outcome.Pushed.Frames != 2 || len(a.woken) != 100 {
		t.Errorf("outcome is %+v, handed over %v, woken %d", outcome, l.sent, len(a.woken))
	}
	l = lanesOf(1)
	if _, left, err, failed := l.pusher(m, &alarm{}).Push(t.Context(), l.work(0)); left != nil || err != nil || failed != nil || l.wanted != 0 {
		t.Errorf("%v left, %v, %v, and %d lanes are wanted", left, err, failed, l.wanted)
	}
}

// TestLanesWakeEachDestinationOnce: each lane those of its part.
func TestLanesWakeEachDestinationOnce(t *testing.T) {
	m := &memoryWatchers{topics: map[events.Topic][]watch.ConnectionID{"a/b": {"1", "2", "3", "4", "5"}}}
	var want []string
	for n := range 20 {
		m.subs = append(m.subs, watching(fmt.Sprint("d", n), "a/*", time.Hour))
		want = append(want, fmt.Sprintf("d%d a/b 0", n))
	}
	m.subs = append(m.subs, watching("ended", "a/b", -time.Second))
	slices.Sort(want)
	l, all := lanesOf(4), &alarm{}
	for lane := range 4 {
		a := &alarm{}
		if _, left, err, failed := l.pusher(m, a).Push(t.Context(), l.work(lane)); left != nil || err != nil || failed != nil {
			t.Errorf("lane %d: %v left, %v, %v", lane, left, err, failed)
		}
		if len(a.woken) == 0 || len(a.woken) == len(want) {
			t.Errorf("lane %d wakes %d of %d", lane, len(a.woken), len(want))
		}
		all.woken = append(all.woken, a.woken...)
	}
	if got := all.all(); got != strings.Join(want, ", ") {
		t.Errorf("woken are %s", got)
	}
	for id := range m.posts {
		if _, ok := id.Destination(); ok {
			t.Errorf("%s is posted to", id)
		}
	}
	if len(m.posts) != 5 {
		t.Errorf("%d connections are posted to", len(m.posts))
	}
}

// TestALaneWhoseWakeFailsComesAgain: its progress stays, and that of other lanes moves.
func TestALaneWhoseWakeFailsComesAgain(t *testing.T) {
	m, a := &memoryWatchers{}, &alarm{deaf: map[string]bool{"d0": true}}
	for n := range 20 {
		m.subs = append(m.subs, watching(fmt.Sprint("d", n), "a/b", time.Hour))
	}
	l := lanesOf(4)
	var stays []int
	for lane := range 4 {
		_, _, _, failed := l.pusher(m, a).Push(t.Context(), l.work(lane))
		if failed != nil {
			stays = append(stays, lane)
		}
		if moved := l.progress[lane].Cursor == l.head.Cursor; moved == (failed != nil) || failed != nil && !errors.Is(failed, errAsleep) {
			t.Errorf("lane %d is at %+v after %v", lane, l.progress[lane], failed)
		}
	}
	if len(stays) != 1 {
		t.Fatalf("lanes %v come again", stays)
	}
	a.deaf, a.woken = nil, nil
	if _, _, err, failed := l.pusher(m, a).Push(t.Context(), l.work(stays[0])); err != nil || failed != nil || !strings.Contains(a.all(), "d0 a/b 0") {
		t.Errorf("again: %v, %v, woken %s", err, failed, a.all())
	}
}

// TestIDsOfDestinationsAreNoConnections, and the other way round.
func TestIDsOfDestinationsAreNoConnections(t *testing.T) {
	if got, ok := watch.DestinationID("dst_1").Destination(); !ok || got != "dst_1" {
		t.Errorf("it is %q, %t", got, ok)
	}
	for _, id := range []watch.ConnectionID{"", "L0SM9cOFvHcCIhw=", "destination", "Destination:x"} {
		if got, ok := id.Destination(); ok {
			t.Errorf("%s is that of %q", id, got)
		}
	}
}
