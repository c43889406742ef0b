package dynamo_test

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
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// laneWorld is fan-out, the queue of pushes, and the watchers.
type laneWorld struct {
	rapid.TB
	ctx context.Context
	*dynamo.Store
	fanout   watch.Fanout
	pusher   watch.LanePusher
	topic    events.Topic
	ids      int
	position int
	pending  [][]watch.Write // batches that have to come again
	latest   []watch.Write   // a batch that went through, and may come again
	again    bool            // it comes while the next one is numbered
	queue    []watch.Work
	done     []watch.Work // that may come once more
	refuses  bool         // the queue takes nothing

	mu     sync.Mutex
	heard  map[watch.ConnectionID]events.Cursor // the changes that each has without a hole
	holes  []string
	frames map[watch.ConnectionID]int // that each was posted
	told   map[watch.ConnectionID]int // the changes in them that were not skipped
	posts  int                        // until the function is killed; negative for never
	cancel context.CancelFunc
}

func (w *laneWorld) Send(_ context.Context, works []watch.Work) error {
	if w.refuses {
		return errors.New("the queue takes nothing")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, works...)
	return nil
}

// Post notes what a connection hears, and whether it misses anything before.
func (w *laneWorld) Post(ctx context.Context, id watch.ConnectionID, frame watch.Frame) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.posts == 0 {
		w.cancel()
	}
	if w.posts--; ctx.Err() != nil {
		return ctx.Err()
	}
	decoded, err := events.Decode(frame.Body)
	if err != nil {
		return err
	}
	w.frames[id]++
	for _, c := range decoded.(*events.Changes).Changes {
		if c.Op != events.Skipped {
			w.told[id]++
		}
		at := w.heard[id]
		if c.Seq > at.Seq+1 {
			w.holes = append(w.holes, fmt.Sprintf("%s has %s, and hears of %d", id, at, c.Seq))
		}
		if c.Cursor().Seq > at.Seq { // which may be amid what is skipped
			w.heard[id] = c.Cursor()
		}
	}
	return nil
}

func (w *laneWorld) Close(context.Context, watch.ConnectionID) error { return nil }

// join adds a subscriber to the topic, or to the pattern that it is one of. Every second one asks for
// the latest.
func (w *laneWorld) join() {
	w.ids++
	c := connection(watch.ConnectionID(fmt.Sprint(w.topic, w.ids)), time.Now())
	if err := w.Store.Connect(w.ctx, c); err != nil {
		w.Fatal(err)
	}
	sub := subscription(c, w.topic)
	if w.ids%3 == 0 {
		base, _, _ := strings.Cut(string(w.topic), "/")
		sub.Topic = events.Topic(base + "/*")
	}
	sub.Latest = w.latestOnly(c.ID)
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.Store.Subscribe(w.ctx, sub); err != nil {
		w.Fatal(err)
	}
	head, err := w.Store.Head(w.ctx, w.topic)
	if err != nil {
		w.Fatal(err)
	}
	w.heard[c.ID] = head.Cursor
}

// latestOnly says which subscribers ask for the latest: those with an even last digit.
func (w *laneWorld) latestOnly(id watch.ConnectionID) bool { return id[len(id)-1]%2 == 0 }

// write makes a batch of changes.
func (w *laneWorld) write(changes int) {
	var writes []watch.Write
	for range changes {
		w.position++
		writes = append(writes, watch.Write{Topic: w.topic, ID: "i", Op: events.Added, Position: watch.Position(fmt.Sprintf("%08d", w.position)), Data: []byte("{}")})
	}
	w.pending = append(w.pending, writes)
}

// deliver gives fan-out the first batch, which comes again if it fails.
func (w *laneWorld) deliver() {
	if len(w.pending) == 0 {
		return
	}
	if outcome := w.fanout.Deliver(w.ctx, stream, w.pending[0]); len(outcome.Failed) == 0 {
		w.latest, w.pending = w.pending[0], w.pending[1:]
	}
}

// Append makes the latest batch be pushed and come again before a later one is in the log, as if
// its function had been taken for dead.
func (w *laneWorld) Append(ctx context.Context, topic events.Topic, from, to watch.Head, entries []watch.Entry) error {
	if w.again && w.latest != nil {
		w.again = false
		w.drain()
		w.fanout.Deliver(w.ctx, stream, w.latest)
		w.drain()
	}
	return w.Store.Append(ctx, topic, from, to, entries)
}

// push gives the pusher a message: the first of the nth lane that has one. It is killed after some
// posts, unless posts is negative.
func (w *laneWorld) push(nth, posts int, leisure time.Duration) {
	if len(w.queue) == 0 {
		return
	}
	lane := w.queue[nth%len(w.queue)].Lane
	at := slices.IndexFunc(w.queue, func(other watch.Work) bool { return other.Lane == lane })
	work := w.queue[at]
	w.pusher.Time = leisure
	left, failed := w.run(work, posts)
	if failed != nil {
		return // and it comes again
	}
	w.queue = slices.Delete(w.queue, at, at+1)
	w.done = append(w.done, work)
	if left != nil {
		w.queue = append(w.queue, *left)
	}
}

func (w *laneWorld) run(work watch.Work, posts int) (*watch.Work, error) {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	w.posts, w.cancel = posts, cancel
	_, left, _, failed := w.pusher.Push(ctx, work)
	w.posts = -1
	return left, failed
}

// drain pushes all that is in the queue.
func (w *laneWorld) drain() {
	for len(w.queue) > 0 {
		w.push(0, -1, time.Minute)
	}
}

// settled checks that all watchers have all changes.
func (w *laneWorld) settled() {
	for len(w.pending) > 0 {
		w.deliver()
	}
	w.drain()
	head, err := w.Store.Head(w.ctx, w.topic)
	if err != nil {
		w.Fatal(err)
	}
	for id, at := range w.heard {
		if at.Seq != head.Seq {
			w.Errorf("%s has %s of %s, in %d lanes", id, at, head.Cursor, head.Lanes)
		}
	}
	if len(w.holes) > 0 {
		w.Errorf("holes: %q", w.holes)
	}
}

// TestLanesLoseNothing: watchers come while changes are made and pushed, and the lanes of the topic
// and the shards of its audience double. Pushes are killed at any post, have no time for all
// connections, and come twice, late and out of order. Sometimes the queue refuses messages. No
// watcher ever misses a change before it hears a later one, and in the end all have all.
func TestLanesLoseNothing(t *testing.T) {
	d := dynamotest.Start(t)
	worlds, widest := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		worlds++
		w := &laneWorld{TB: t, ctx: t.Context(), Store: d.Store(), topic: events.Topic(fmt.Sprint("lanes", worlds, "/t")), heard: map[watch.ConnectionID]events.Cursor{}, frames: map[watch.ConnectionID]int{}, told: map[watch.ConnectionID]int{}, posts: -1}
		w.Store.ShardSize = 3
		pusher := watch.Pusher{Subscribers: w.Store, Poster: w}
		w.fanout = watch.Fanout{Numberer: watch.Numberer{Log: w}, Pusher: pusher, PushTime: time.Minute,
			Handover: watch.Handover{Lanes: w.Store, Queue: w, LaneSize: 3, MaxPosts: 4}}
		w.pusher = watch.LanePusher{Lanes: w.Store, Log: w.Store, Pusher: pusher, LaneSize: 3, Round: 2}
		steps := map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				for range rapid.IntRange(1, 6).Draw(t, "watchers") {
					w.join()
				}
			},
			"write":   func(t *rapid.T) { w.write(rapid.IntRange(1, 3).Draw(t, "changes")) },
			"deliver": func(*rapid.T) { w.deliver() },
			"not handed over": func(*rapid.T) {
				w.refuses = true
				w.deliver()
				w.refuses = false
			},
			"deliver while the latest comes again": func(*rapid.T) {
				w.again = true
				w.deliver()
				w.again = false
				if len(w.pending) == 0 {
					w.settled() // as the next batch would make up for what this one missed
				}
			},
			"push":         func(t *rapid.T) { w.push(rapid.IntRange(0, 9).Draw(t, "lane"), -1, time.Minute) },
			"push in part": func(t *rapid.T) { w.push(rapid.IntRange(0, 9).Draw(t, "lane"), -1, 0) },
			"kill": func(t *rapid.T) {
				w.push(rapid.IntRange(0, 9).Draw(t, "lane"), rapid.IntRange(0, 5).Draw(t, "posts"), time.Minute)
			},
			"twice": func(t *rapid.T) {
				if len(w.done) > 0 {
					_, _ = w.run(rapid.SampledFrom(w.done).Draw(t, "work"), -1)
				}
			},
			"out of order": func(t *rapid.T) {
				if len(w.queue) > 0 {
					_, _ = w.run(rapid.SampledFrom(w.queue).Draw(t, "work"), -1)
				}
			},
		}
		t.Repeat(steps)
		w.settled()
		head, _ := w.Store.Head(t.Context(), w.topic)
		widest = max(widest, head.Lanes)
	})
	if !t.Failed() && widest < 4 {
		t.Errorf("no topic had more than %d lanes", widest)
	}
}

// TestLanesDoubleWhileAChangeIsNumbered: fan-out has read the head of a topic. Then the batch
// before comes again, to an invocation that divides the lanes. The next numbered change must reach
// the new lanes too.
func TestLanesDoubleWhileAChangeIsNumbered(t *testing.T) {
	w := newLanes(t, dynamotest.Start(t), 3)
	lanes := func() int {
		head, err := w.Store.Head(w.ctx, w.topic)
		if err != nil {
			t.Fatal(err)
		}
		return head.Lanes
	}
	change := func() {
		w.write(1)
		w.deliver()
	}
	for range 5 {
		w.join()
	}
	change()
	few := lanes()
	w.settled()
	for range 40 {
		w.join()
	}
	change()
	w.again = true // its pusher finds that the lanes are too full
	change()
	w.settled()
	if many := lanes(); few == 0 || many < 2*few {
		t.Errorf("%d lanes became %d", few, many)
	}
}

// TestLanesCatchUpAtOnce with an audience that has gathered since the latest change: the change after
// the next one has as many lanes as the audience fills.
func TestLanesCatchUpAtOnce(t *testing.T) {
	w := newLanes(t, dynamotest.Start(t), 3)
	change := func() int {
		w.write(1)
		w.deliver()
		w.settled()
		head, err := w.Store.Head(w.ctx, w.topic)
		if err != nil {
			t.Fatal(err)
		}
		return head.Lanes
	}
	for range 5 {
		w.join()
	}
	few := change()
	for range 100 {
		w.join()
	}
	change()
	if many := change(); few != 2 || many < 32 {
		t.Errorf("%d lanes of 3 became %d with 105 watchers", few, many)
	}
}

// TestACrowdGetsLanesWithoutBeingRead: it has gathered at a topic without lanes, and at a pattern
// above it. For all of a large crowd fan-out would need more memory than it has.
func TestACrowdGetsLanesWithoutBeingRead(t *testing.T) {
	const atMost = 32 * 4 // batches of four posts
	w := newLanes(t, dynamotest.Start(t), 10)
	for range 600 {
		w.join()
	}
	for base, size := range map[events.Topic]int{"lanes": 200, "lanes/a": 400} {
		for most, want := range map[int]int{0: size, size: size, size - 1: 0, atMost: 0} {
			subs, err := w.Store.Subscribers(w.ctx, base, base == "lanes", watch.Part{Of: 1, AtMost: most})
			if crowd := (watch.CrowdError{}); len(subs) != want || errors.As(err, &crowd) != (want == 0) || want == 0 && (crowd.About < size || crowd.About > 4*size) {
				t.Errorf("of %d subscriptions at %s %d were read, %v", size, base, len(subs), err)
			}
		}
	}
	watched := &largestRead{store: w.Store}
	w.fanout.Pusher.Subscribers = watched
	w.write(1)
	w.deliver()
	if watched.largest > 0 {
		t.Errorf("fan-out has read %d subscriptions at once", watched.largest)
	}
	w.settled()
	if head, err := w.Store.Head(w.ctx, w.topic); err != nil || head.Lanes != 64 {
		t.Errorf("600 watchers are in %d lanes of 10, %v", head.Lanes, err)
	}
}

// largestRead notes how many subscriptions are read at once.
type largestRead struct {
	store   *dynamo.Store
	mu      sync.Mutex
	largest int
}

func (l *largestRead) Subscribers(ctx context.Context, topic events.Topic, belowAlone bool, part watch.Part) ([]watch.Subscription, error) {
	subs, err := l.store.Subscribers(ctx, topic, belowAlone, part)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.largest = max(l.largest, len(subs))
	return subs, err
}

func (l *largestRead) Forget(ctx context.Context, key watch.Key, subs []watch.Subscription) error {
	return l.store.Forget(ctx, key, subs)
}

// TestWorkThatIsDoneCostsARead, for any earlier pusher.
func TestWorkThatIsDoneCostsARead(t *testing.T) {
	d := dynamotest.Start(t)
	w := newLanes(t, d, 100)
	for range 5 {
		w.join()
	}
	for range 3 {
		w.write(1)
		w.deliver()
	}
	if _, failed := w.run(w.queue[0], -1); failed != nil {
		t.Fatal(failed)
	}
	for _, work := range w.queue {
		if work.Lane != w.queue[0].Lane {
			continue
		}
		d.Engine.ResetUsage()
		if _, failed := w.run(work, -1); failed != nil {
			t.Fatal(failed)
		}
		if reads, writes := d.Units(); reads != 1 || writes != 0 {
			t.Errorf("%v reads and %v writes", reads, writes)
		}
	}
}

// newLanes has lanes of a size, for topics with more than four watchers.
func newLanes(t testing.TB, d *dynamotest.Database, size int) *laneWorld {
	w := &laneWorld{TB: t, ctx: t.Context(), Store: d.Store(), topic: "lanes/a", heard: map[watch.ConnectionID]events.Cursor{}, frames: map[watch.ConnectionID]int{}, told: map[watch.ConnectionID]int{}, posts: -1}
	w.Store.ShardSize = size
	pusher := watch.Pusher{Subscribers: w.Store, Poster: w}
	w.fanout = watch.Fanout{Numberer: watch.Numberer{Log: w}, Pusher: pusher, PushTime: time.Minute,
		Handover: watch.Handover{Lanes: w.Store, Queue: w, LaneSize: size, MaxPosts: 4}}
	w.pusher = watch.LanePusher{Lanes: w.Store, Log: w.Store, Pusher: pusher, LaneSize: size}
	return w
}

// TestCostOfLanes: fan-out reads no watchers of a topic with lanes. A change costs a message and a
// write for each lane. A lane reads its progress, the head, the log, and the shards that its
// connections may be in.
func TestCostOfLanes(t *testing.T) {
	const watchers, size = 500, 100
	d := dynamotest.Start(t)
	w := newLanes(t, d, size)
	lanes := 0
	for n := range watchers { // one after another, as people come
		w.join()
		if n%50 == 49 {
			w.write(1)
			w.deliver()
			w.settled()
		}
	}
	for range 3 {
		w.write(1)
		w.deliver()
		w.settled()
	}
	head, err := w.Store.Head(w.ctx, w.topic)
	if err != nil {
		t.Fatal(err)
	}
	lanes = head.Lanes
	w.write(1)
	d.Engine.ResetUsage()
	w.deliver()
	if reads, writes := d.Units(); reads != 1 || writes != 2 {
		t.Errorf("fan-out: %v reads and %v writes", reads, writes)
	}
	if len(w.queue) != lanes {
		t.Errorf("%d messages for %d lanes", len(w.queue), lanes)
	}
	w.drain()
	reads, writes := d.Units()
	t.Logf("a change to %d watchers in %d lanes: %v reads, %v writes", watchers, lanes, reads, writes)
	if most := float64(1 + lanes*(4+4*size/35)); writes != float64(2+lanes) || reads > most {
		t.Errorf("want at most %v reads, and %d writes", most, 2+lanes)
	}
}

// TestCostOfALaneThatIsBehind: 1,000 changes of ten items wait for it. A watcher of the latest costs
// one post, with one change of each item. Others get all changes, in several posts.
func TestCostOfALaneThatIsBehind(t *testing.T) {
	const changes, items, batch = 1_000, 10, 50
	w := newLanes(t, dynamotest.Start(t), 100)
	for range 20 {
		w.join()
	}
	w.write(1)
	w.deliver()
	w.settled()
	clear(w.frames)
	clear(w.told)
	data := []byte(`{"text":"` + strings.Repeat("x", 200) + `"}`)
	for n := range changes {
		if n%batch == 0 {
			w.pending = append(w.pending, nil)
		}
		w.position++
		w.pending[len(w.pending)-1] = append(w.pending[len(w.pending)-1], watch.Write{
			Topic: w.topic, ID: fmt.Sprint("item", n%items), Op: events.Modified, Before: data, Data: data, Position: watch.Position(fmt.Sprintf("%08d", w.position)),
		})
	}
	for len(w.pending) > 0 {
		w.deliver()
	}
	w.settled()
	most := 0
	for id := range w.heard {
		frames, told := w.frames[id], w.told[id]
		switch {
		case w.latestOnly(id) && (frames != 1 || told != items):
			t.Errorf("%s asks for the latest, and gets %d changes in %d posts", id, told, frames)
		case !w.latestOnly(id) && told != changes:
			t.Errorf("%s gets %d changes", id, told)
		}
		most = max(most, frames)
	}
	t.Logf("%d changes of %d items: 1 post to a watcher of the latest, %d to others", changes, items, most)
}
