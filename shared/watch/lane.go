package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/watchroute/watchroute/events"
	"golang.org/x/sync/errgroup"
)

// If a topic has many watchers, the other topics of its batch would wait for it. Its audience is
// therefore divided into lanes, and each lane is a part of all connections, see [Part]. Fan-out
// puts one [Work] for each lane into a queue. A [LanePusher] pushes to the lane all changes in the
// log above the lane's [Progress], even those after the work. A lane that is behind catches up with
// few posts, and repeated work costs one read.
//
//	inline ──more watchers than fit into a batch──► n lanes ──a lane has too many──► 2n or 4n lanes …
//
// The topic's head has the number of lanes. Numbering has the condition that this number does not
// change. Only fan-out changes it, in one transaction with the progress of the new lanes, and then
// sends work for all lanes. If fan-out ends before that, the batch comes again.
//
// A new lane begins where the batch begins, or at the progress of the lane that it splits. Its
// connections get the changes that were pushed to them meanwhile twice, and miss none.

// MaxLanes bounds the lanes of a topic. So many lanes together can use up the requests that API
// Gateway allows an account in a second.
const MaxLanes = 64

// Progress is how far a lane has come.
type Progress struct {
	events.Cursor // all connections of the lane have got the changes up to it
	// If Until is above the cursor, the connections up to After, in the order of their ids, have
	// got the changes up to Until.
	Until int64
	After ConnectionID
}

// behind reports whether changes up to a cursor are still to be pushed. Progress in another epoch
// is behind.
func (p Progress) behind(c events.Cursor) bool { return p.Epoch != c.Epoch || p.Seq < c.Seq }

// Lanes stores the lanes of topics.
type Lanes interface {
	// Widen gives a topic more lanes than head has, with the progress of the new ones, all or
	// nothing. ErrConflict means that the topic no longer has as many lanes as head says.
	Widen(ctx context.Context, topic events.Topic, head Head, added []Progress) error
	// Want records in the head that a topic with so many lanes wants more. If the topic has another
	// number of lanes by now, nothing happens.
	Want(ctx context.Context, topic events.Topic, lanes, wanted int) error
	// Progress reads the progress of a lane; the zero Progress if it is not known.
	Progress(ctx context.Context, topic events.Topic, lane int) (Progress, error)
	// AllProgress reads the progress of a topic's first lanes.
	AllProgress(ctx context.Context, topic events.Topic, lanes int) ([]Progress, error)
	// Advance moves a lane's progress. ErrConflict means that the progress is not from any more.
	Advance(ctx context.Context, topic events.Topic, lane int, from, to Progress) error
}

// Work orders a push to one lane.
type Work struct {
	Topic events.Topic  `json:"topic"`
	Lane  int           `json:"lane"`
	From  events.Cursor `json:"from"`  // before the first change; the lane begins here if its progress is lost
	Until events.Cursor `json:"until"` // the last change
	// Continuation distinguishes work from the work that it continues.
	Continuation string `json:"turn,omitempty"`
}

// Queue carries work to the lane pushers: the work of one lane in order and at least once.
type Queue interface {
	Send(context.Context, []Work) error
}

// Handover moves large audiences to lanes.
type Handover struct {
	Lanes Lanes
	Queue Queue
	// LaneSize is how many connections a lane should have at most.
	LaneSize int
	// MaxPosts is about how many connections one batch pushes to itself. Topics whose audiences do
	// not fit any more get lanes.
	MaxPosts int
}

// smallest is the divisor of MaxPosts for the smallest audience that gets lanes. A batch pushes to
// smaller audiences itself.
const smallest = 10

// handed is a topic of a batch that is handed over.
type handed struct {
	Numbered
	audience int // the audience that the lanes are made for; 0 if it has lanes
}

// removeLarge removes from watchers the topics whose audiences do not fit into a batch, and gives them.
// They are the topics with the largest audiences. crowds are how large those may be that were not
// read, at a topic or below it.
func (h Handover) removeLarge(watchers map[Key][]watched, numbered []Numbered, crowds map[events.Topic]int) (large []handed) {
	if h.Queue == nil {
		return nil
	}
	audiences := make([]int, len(numbered))
	for _, topics := range watchers {
		for _, w := range topics {
			audiences[w.index]++
		}
	}
	for i, n := range numbered {
		for _, level := range levels(n.Topic) {
			audiences[i] += crowds[level]
		}
	}
	order := make([]int, len(numbered))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(audiences[a], audiences[b]) })
	taken, posts := map[int]bool{}, 0
	for _, i := range order {
		posts += audiences[i]
		if posts > h.MaxPosts && audiences[i] > h.MaxPosts/smallest {
			taken[i] = true
			large = append(large, handed{numbered[i], audiences[i]})
		}
	}
	for key, topics := range watchers {
		left := slices.DeleteFunc(topics, func(w watched) bool { return taken[w.index] })
		watchers[key] = left
		if len(left) == 0 {
			delete(watchers, key)
		}
	}
	return large
}

// failedTopics are topics that could not be handed over, whose watchers could not be read, or of which a
// destination could not be woken.
type failedTopics struct {
	topics []events.Topic
	err    error
}

// handedAtOnce bounds the topics that are handed over at once.
const handedAtOnce = 8

// all hands topics over.
func (h Handover) all(ctx context.Context, log Log, topics []handed) (failed failedTopics) {
	errs := make([]error, len(topics))
	var tasks errgroup.Group
	tasks.SetLimit(handedAtOnce)
	for i, topic := range topics {
		tasks.Go(func() error {
			errs[i] = h.handOver(ctx, log, topic)
			return nil
		})
	}
	_ = tasks.Wait() // the tasks keep their errors in errs
	for i, topic := range topics {
		if errs[i] != nil {
			failed.topics = append(failed.topics, topic.Topic)
		}
	}
	failed.err = errors.Join(errs...)
	return failed
}

// handOver sends the work for a topic. It first gives the topic lanes if it has none, and as many as
// the head wants.
func (h Handover) handOver(ctx context.Context, log Log, t handed) error {
	for attempt := range numberingAttempts {
		added, err := h.added(ctx, t)
		if err != nil {
			return err
		}
		if len(added) == 0 {
			return h.send(ctx, t.Numbered)
		}
		err = h.Lanes.Widen(ctx, t.Topic, t.Head, added)
		if err == nil {
			t.Head.Lanes += len(added)
			return h.send(ctx, t.Numbered)
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
		head, err := log.Head(ctx, t.Topic)
		if err != nil {
			return err
		}
		t.Head.Lanes, t.Head.Wanted = head.Lanes, head.Wanted
	}
	return fmt.Errorf("give %s lanes: %w", t.Topic, ErrUnavailable)
}

// added gives the progress at which the new lanes of a topic begin.
func (h Handover) added(ctx context.Context, t handed) ([]Progress, error) {
	switch {
	case t.Head.Lanes == 0:
		lanes := 1 << bits.Len(uint((t.audience-1)/max(1, h.LaneSize)))
		return slices.Repeat([]Progress{{Cursor: t.before()}}, min(lanes, MaxLanes)), nil
	case t.Head.Wanted > t.Head.Lanes && t.Head.Lanes < MaxLanes:
		split, err := h.Lanes.AllProgress(ctx, t.Topic, t.Head.Lanes)
		return slices.Repeat(split, t.Head.Wanted/t.Head.Lanes-1), err
	default:
		return nil, nil
	}
}

// send sends the work for each lane of a topic.
func (h Handover) send(ctx context.Context, n Numbered) error {
	var works []Work
	for lane := range n.Head.Lanes {
		works = append(works, Work{Topic: n.Topic, Lane: lane, From: n.before(), Until: n.Entries[len(n.Entries)-1].Cursor()})
	}
	if err := h.Queue.Send(ctx, works); err != nil {
		return fmt.Errorf("hand over %d lanes of %s: %w", len(works), n.Topic, err)
	}
	return nil
}

// before is the cursor before the first entry.
func (n Numbered) before() events.Cursor {
	first := n.Entries[0].Cursor()
	return events.Cursor{Epoch: first.Epoch, Seq: first.Seq - 1}
}

// LaneLog is what a LanePusher reads of the log.
type LaneLog interface {
	// Head reads a topic's head as it is at this moment.
	Head(context.Context, events.Topic) (Head, error)
	// Since reads the entries with from < seq <= to, in order. It leaves out those whose retention
	// has passed, and may stop early while there are more.
	Since(ctx context.Context, topic events.Topic, from, to int64) ([]Entry, error)
}

// LanePusher pushes changes of the log to lanes.
type LanePusher struct {
	Lanes  Lanes
	Log    LaneLog
	Pusher Pusher
	// LaneSize is how many connections a lane should have at most. A larger lane is split with the
	// next batch.
	LaneSize int
	// Time bounds the work on a lane before the rest is handed on. It is checked after every
	// Round connections, 1,000 by default.
	Time  time.Duration
	Round int
}

// laneAttempts bounds how often another pusher may move a lane during a push.
const laneAttempts = 10

// Push pushes to a lane everything up to the head as read at the beginning. It moves the lane's
// progress after each round of posts. If its time ends first, it gives the rest as work that
// continues from there. An unreachable watcher is counted in Pushed and in err, and fails nothing.
// failed is an error after which the work has to come again.
func (l LanePusher) Push(ctx context.Context, w Work) (pushed Pushed, left *Work, err, failed error) {
	progress, failed := l.Lanes.Progress(ctx, w.Topic, w.Lane)
	if failed != nil || !progress.behind(w.Until) {
		return pushed, nil, nil, failed
	}
	head, failed := l.Log.Head(ctx, w.Topic)
	if failed != nil || w.Lane >= head.Lanes {
		return pushed, nil, nil, failed
	}
	began := time.Now()
	conflicts := 0
	for at := l.begin(progress, w, head); at.Seq < head.Seq; {
		r, failed := l.round(ctx, w, &head, at, began)
		pushed, err = pushed.plus(r.pushed), errors.Join(err, r.err)
		if failed != nil {
			return pushed, nil, err, failed
		}
		failed = l.Lanes.Advance(ctx, w.Topic, w.Lane, progress, r.to)
		if errors.Is(failed, ErrConflict) && conflicts < laneAttempts {
			conflicts++
			if r.to, failed = l.Lanes.Progress(ctx, w.Topic, w.Lane); failed == nil && r.to.behind(head.Cursor) {
				at, progress = l.begin(r.to, w, head), r.to
				continue
			}
		}
		if failed != nil {
			return pushed, nil, err, failed
		}
		at, progress = r.to, r.to
		if at.behind(head.Cursor) && time.Since(began) >= l.Time {
			return pushed, &Work{Topic: w.Topic, Lane: w.Lane, From: at.Cursor, Until: head.Cursor, Continuation: continuation(at)}, err, nil
		}
	}
	return pushed, nil, err, nil
}

// continuation is the same for work that begins at the same progress.
func continuation(p Progress) string {
	return p.Cursor.String() + " " + strconv.FormatInt(p.Until, 10) + " " + string(p.After)
}

// begin gives where the lane continues: a new epoch from its start.
func (l LanePusher) begin(p Progress, w Work, head Head) Progress {
	if p == (Progress{}) {
		p.Cursor = w.From
	}
	if p.Epoch != head.Epoch {
		return Progress{Cursor: events.Cursor{Epoch: head.Epoch}}
	}
	return p
}

// round is the result of pushing one page of the log.
type round struct {
	to     Progress
	pushed Pushed
	err    error
}

// round pushes one page of the log to all connections of a lane that do not have it, or to as many
// as there is time for. A destination that cannot be woken fails it when the posts are made.
func (l LanePusher) round(ctx context.Context, w Work, head *Head, at Progress, began time.Time) (r round, failed error) {
	if at.Until <= at.Seq {
		at.Until, at.After = head.Seq, ""
	}
	entries, failed := l.Log.Since(ctx, w.Topic, at.Seq, at.Until)
	if failed != nil {
		return r, failed
	}
	if len(entries) > 0 && entries[len(entries)-1].Seq < at.Until {
		at.Until, at.After = entries[len(entries)-1].Seq, "" // one page, and more follow
	}
	// If the topic has begun a new epoch since the head was read, its rows replace those of the lane's.
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Epoch != at.Epoch })
	numbered := []Numbered{{Topic: w.Topic, Head: *head, Entries: entries}}
	audience, unread, err := l.Pusher.audience(ctx, numbered, Part{Index: w.Lane, Of: head.Lanes})
	if len(unread) > 0 {
		return r, err
	}
	asleep := l.Pusher.wake(ctx, audience.destinations, numbered, time.Now())
	watchers := audience.connections
	l.divide(ctx, w, head, len(watchers))
	evaluator := newEvaluator(numbered)
	waiting := waitingAfter(watchers, at.After)
	for n, some := range slices.Collect(slices.Chunk(waiting, cmp.Or(l.Round, 1_000))) {
		if n > 0 && time.Since(began) >= l.Time {
			r.to = at
			return r, asleep.err
		}
		pushed, err := l.Pusher.post(ctx, inOrder(groupsOf(only(watchers, some), time.Now()), numbered), evaluator)
		r.pushed, r.err = r.pushed.plus(pushed), errors.Join(r.err, err)
		at.After = some[len(some)-1].ID
	}
	r.to = Progress{Cursor: events.Cursor{Epoch: at.Epoch, Seq: at.Until}}
	return r, asleep.err
}

// divide asks for more lanes if this one has too many connections: for as many as these fill. They
// may have come while nobody wrote.
func (l LanePusher) divide(ctx context.Context, w Work, head *Head, connections int) {
	if connections <= l.LaneSize || head.Wanted > head.Lanes || head.Lanes >= MaxLanes {
		return
	}
	wanted := min(MaxLanes, head.Lanes<<bits.Len(uint((connections-1)/max(1, l.LaneSize))))
	if l.Lanes.Want(ctx, w.Topic, head.Lanes, wanted) == nil { // if it fails, the next round asks
		head.Wanted = wanted
	}
}

// waitingAfter gives the connections with ids above after, in the order of their ids.
func waitingAfter(watchers map[Key][]watched, after ConnectionID) []Key {
	keys := slices.SortedFunc(maps.Keys(watchers), func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Subject, b.Subject))
	})
	at, _ := slices.BinarySearchFunc(keys, after, func(k Key, id ConnectionID) int {
		if k.ID > id {
			return 1
		}
		return -1
	})
	return keys[at:]
}

// only gives some of the watchers.
func only(watchers map[Key][]watched, some []Key) map[Key][]watched {
	if len(watchers) == len(some) {
		return watchers
	}
	chosen := make(map[Key][]watched, len(some))
	for _, key := range some {
		chosen[key] = watchers[key]
	}
	return chosen
}
