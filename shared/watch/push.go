package watch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
)

// postsAtOnce bounds the posts under way. API Gateway answers one in a few
// milliseconds, so that this reaches its account limit of 10,000 a second.
const postsAtOnce = 128

// topicsAtOnce bounds the topics of a batch or a request that are worked on at once.
const topicsAtOnce = 32

// Frame is an encoded frame on its way out. Its hash, which signing a post needs,
// is made once for all who get the frame.
type Frame struct {
	Body   []byte
	SHA256 string // of Body, in lower-case hexadecimal
}

// NewFrame hashes an encoded frame.
func NewFrame(body []byte) Frame {
	sum := sha256.Sum256(body)
	return Frame{Body: body, SHA256: hex.EncodeToString(sum[:])}
}

// Poster sends frames to connections.
type Poster interface {
	// Post sends one frame. It must not keep the others waiting for one connection that
	// takes nothing. ErrGone means that the connection does not exist any more.
	Post(context.Context, ConnectionID, Frame) error
	// Close closes a connection. One that does not exist any more is no error.
	Close(context.Context, ConnectionID) error
}

// Subscribers knows who watches a topic.
type Subscribers interface {
	// Subscribers reads the current subscriptions to a topic and to patterns of the topics below
	// it, or only the latter. It reads those of one part of all connections, and also those whose
	// time is over.
	Subscribers(ctx context.Context, topic events.Topic, belowAlone bool, part Part) ([]Subscription, error)
	// Forget removes a connection with all its subscriptions and presences. It removes the given
	// subscriptions even if the connection is not known.
	Forget(context.Context, Key, []Subscription) error
}

// Numbered is what a batch brought to one topic.
type Numbered struct {
	Topic   events.Topic
	Head    Head // of the topic at that time
	Entries []Entry
}

// Pushed counts what became of a batch's frames.
type Pushed struct {
	Frames int // frames taken by API Gateway
	Gone   int // connections found gone, and forgotten
	Lapsed int // connections closed, as their token had expired
	Lost   int // connections that missed frames; they see it from the gap in seq
}

func (p Pushed) plus(other Pushed) Pushed {
	return Pushed{
		Frames: p.Frames + other.Frames, Gone: p.Gone + other.Gone,
		Lapsed: p.Lapsed + other.Lapsed, Lost: p.Lost + other.Lost,
	}
}

// Pusher tells watchers of numbered changes.
type Pusher struct {
	Subscribers Subscribers
	Poster      Poster
	Waker       Waker // of destinations; nil if there are none
}

// Push posts the topics' changes to all connections subscribed to them, each connection's frames in
// order and as few as fit. Connections that see the same form a group, and changes are evaluated
// and encoded once for it. Groups with cheap filters come first, so that a costly filter delays
// only its own watchers. Among those, small audiences come first.
//
// A watcher that cannot be reached never fails the others. It is counted in Pushed, and err, if not
// nil, joins all such errors. left has only topics whose subscribers could not be read, so nothing of
// them was pushed, and those of which a destination could not be woken.
func (p Pusher) Push(ctx context.Context, numbered []Numbered) (pushed Pushed, left []events.Topic, err error) {
	audience, unread, err := p.audience(ctx, numbered, Whole)
	asleep := p.wake(ctx, audience.destinations, numbered, time.Now())
	pushed, postErr := p.post(ctx, inOrder(groupsOf(audience.connections, time.Now()), numbered), newEvaluator(numbered))
	return pushed, append(unread, asleep.topics...), errors.Join(err, asleep.err, postErr)
}

// watched is a topic of the batch, as an index into numbered, with how it is watched.
type watched struct {
	index int
	sub   Subscription
}

// audience is who watches the topics of a batch, and what of it: connections, which are posted to, and
// destinations, which are woken.
type audience struct{ connections, destinations map[Key][]watched }

// add notes that a subscriber watches a topic of the batch.
func (a audience) add(key Key, w watched) {
	of := a.connections
	if _, ok := key.ID.Destination(); ok {
		of = a.destinations
	}
	of[key] = append(of[key], w)
}

// audience reads who of a part watches each topic, by its name or by a pattern.
func (p Pusher) audience(ctx context.Context, numbered []Numbered, part Part) (audience, []events.Topic, error) {
	found, failed, err := p.readLevels(ctx, numbered, part)
	all := audience{map[Key][]watched{}, map[Key][]watched{}}
	var unread []events.Topic
	for i, n := range numbered {
		levels := levels(n.Topic)
		if slices.ContainsFunc(levels, func(level events.Topic) bool { return failed[level] }) {
			unread = append(unread, n.Topic)
			continue
		}
		for key, sub := range counting(n.Topic, levels, found) {
			all.add(key, watched{i, sub})
		}
	}
	return all, unread, err
}

// readLevels reads the subscriptions at the topics and at all topics above them, each once
// for the whole batch.
func (p Pusher) readLevels(ctx context.Context, numbered []Numbered, part Part) (found map[events.Topic][]Subscription, failed map[events.Topic]bool, err error) {
	belowAlone := map[events.Topic]bool{}
	for _, n := range numbered {
		for _, level := range levels(n.Topic)[1:] {
			belowAlone[level] = true
		}
	}
	for _, n := range numbered {
		belowAlone[n.Topic] = false
	}
	found, failed = map[events.Topic][]Subscription{}, map[events.Topic]bool{}
	var mu sync.Mutex
	var errs []error
	tasks := newWorkers(topicsAtOnce)
	for level, alone := range belowAlone {
		tasks.do(func() {
			subs, err := p.Subscribers.Subscribers(ctx, level, alone, part)
			mu.Lock()
			defer mu.Unlock()
			found[level] = subs
			if err != nil {
				failed[level] = true
				errs = append(errs, err)
			}
		})
	}
	tasks.wait()
	return found, failed, errors.Join(errs...)
}

// counting gives the subscription of each connection that counts for a topic: the one that
// names it most closely.
func counting(topic events.Topic, levels []events.Topic, found map[events.Topic][]Subscription) map[Key]Subscription {
	counts := map[Key]Subscription{}
	for _, level := range levels {
		for _, sub := range found[level] {
			other, ok := counts[sub.Key]
			if sub.Topic.Matches(topic) && (!ok || countsBefore(sub, other)) {
				counts[sub.Key] = sub
			}
		}
	}
	return counts
}

// countsBefore reports whether a counts rather than b of the same connection, because it names the
// topic more closely. A connection may have two of the same topic if a request that was overtaken
// was cut off before it could withdraw its own.
func countsBefore(a, b Subscription) bool {
	if a.Topic == b.Topic {
		return a.Order > b.Order
	}
	return closer(a.Topic, b.Topic)
}

// group is a set of connections that see the same of a batch.
type group struct {
	watched     []watched // by each of them
	connections []watcher
	lapsed      bool // their time is over: they are told so, and no more
}

// watcher is a connection with what it watches of a batch.
type watcher struct {
	Key
	watched []watched
}

// subscriptions gives the subscriptions by which the connection is a watcher.
func (w watcher) subscriptions() []Subscription {
	var subs []Subscription
	for _, of := range w.watched {
		subs = append(subs, of.sub)
	}
	return subs
}

// groupsOf puts connections together that see the same.
func groupsOf(watchers map[Key][]watched, now time.Time) []*group {
	groups := map[string]*group{}
	var all []*group
	for key, topics := range watchers {
		connection := watcher{key, topics}
		lapsed := hasEnded(topics, now)
		sees := groupKey(topics, lapsed)
		g, ok := groups[sees]
		if !ok {
			g = &group{watched: topics, lapsed: lapsed}
			groups[sees] = g
			all = append(all, g)
		}
		g.connections = append(g.connections, connection)
	}
	return all
}

// hasEnded reports whether the time of one of a connection's subscriptions is over, and so
// that of all.
func hasEnded(topics []watched, now time.Time) bool {
	return slices.ContainsFunc(topics, func(w watched) bool { return !w.sub.Until.After(now) })
}

// groupKey is the same for connections that see the same.
func groupKey(topics []watched, lapsed bool) string {
	var key []byte
	if lapsed {
		key = append(key, "lapsed "...)
	}
	for _, w := range topics {
		key = append(strconv.AppendInt(key, int64(w.index), 36), ' ')
		key = append(strconv.AppendBool(key, w.sub.Delta), ' ')
		key = append(strconv.AppendBool(key, w.sub.Latest), ' ')
		key = append(strconv.AppendQuote(key, w.sub.View.String()), ' ')
	}
	return string(key)
}

// inOrder sorts groups by the cost of their clients' filters and fields, and then by the size of
// their audience. A few watchers do not wait for many.
func inOrder(groups []*group, numbered []Numbered) []*group {
	bytes, watchers := make([]int, len(numbered)), make([]int, len(numbered))
	for i, n := range numbered {
		bytes[i] = dataBytesOf(n.Entries)
	}
	for _, g := range groups {
		for _, w := range g.watched {
			watchers[w.index] += len(g.connections)
		}
	}
	costs, sizes := make(map[*group]int, len(groups)), make(map[*group]int, len(groups))
	for _, g := range groups {
		for _, w := range g.watched {
			costs[g] += w.sub.View.Weight() * bytes[w.index]
			sizes[g] = max(sizes[g], watchers[w.index])
		}
	}
	slices.SortStableFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(costs[a], costs[b]), cmp.Compare(sizes[a], sizes[b]))
	})
	return groups
}

// dataBytesOf gives the size of the entries' data.
func dataBytesOf(entries []Entry) (bytes int) {
	for _, e := range entries {
		bytes += len(e.Data) + len(e.Before)
	}
	return bytes
}

// errorsKept bounds the errors of one batch that are reported one by one.
const errorsKept = 5

// post sends each group what it sees, to several connections at a time. Groups for which
// there is no time left are lost.
func (p Pusher) post(ctx context.Context, groups []*group, evaluator *evaluator) (Pushed, error) {
	posting := newWorkers(postsAtOnce)
	var t tally
	for _, g := range groups {
		frames, err := evaluator.frames(ctx, g)
		if err != nil {
			t.count(Pushed{Lost: len(g.connections)}, err)
			continue
		}
		for _, connection := range g.connections {
			posting.do(func() { t.count(p.deliver(ctx, connection, frames, g.lapsed)) })
		}
	}
	posting.wait()
	return t.pushed, errors.Join(t.errs...)
}

// deliver sends frames to one connection, and stops at the first failure: what follows a lost frame
// would only show the gap earlier to be missed again. If the connection is gone or its time is
// over, deliver forgets it together with its subscriptions in this batch.
func (p Pusher) deliver(ctx context.Context, connection watcher, frames []Frame, lapsed bool) (outcome Pushed, err error) {
	for _, frame := range frames {
		if err = p.Poster.Post(ctx, connection.ID, frame); err != nil {
			err = fmt.Errorf("post to %s: %w", connection.ID, err)
			break
		}
		outcome.Frames++
	}
	switch {
	case errors.Is(err, ErrGone):
		outcome.Gone = 1
		err = p.Subscribers.Forget(ctx, connection.Key, connection.subscriptions())
	case lapsed: // that it could not be told does not keep it
		if err = p.Poster.Close(ctx, connection.ID); err == nil {
			outcome.Lapsed = 1
			err = p.Subscribers.Forget(ctx, connection.Key, connection.subscriptions())
		}
	case err != nil:
		outcome.Lost = 1
	}
	return outcome, err
}

// tally adds up what became of connections.
type tally struct {
	mu     sync.Mutex
	pushed Pushed
	errs   []error // the first few
}

func (t *tally) count(p Pushed, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pushed = t.pushed.plus(p)
	if err != nil && len(t.errs) < errorsKept {
		t.errs = append(t.errs, err)
	}
}
