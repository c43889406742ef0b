package watch

import (
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
	"golang.org/x/sync/errgroup"
)

// postsAtOnce bounds the posts under way. API Gateway answers one in a few
// milliseconds, so that this reaches its account limit of 10,000 a second.
const postsAtOnce = 128

// readsAtOnce bounds the topics of a batch that are worked on at a time.
const readsAtOnce = 16

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
	// Post sends one frame, retrying what may pass. ErrGone means that the
	// connection does not exist any more.
	Post(context.Context, ConnectionID, Frame) error
	// Close closes a connection. One that does not exist any more is no error.
	Close(context.Context, ConnectionID) error
}

// Subscribers knows who watches a topic.
type Subscribers interface {
	// Subscribers reads who is subscribed at this moment to a topic, and to a pattern of
	// the topics below it, or to the latter alone. Those whose time is over are among them.
	Subscribers(ctx context.Context, topic events.Topic, belowAlone bool) ([]Subscription, error)
	// Forget removes a connection with all its subscriptions, and its
	// subscriptions to topics even if the connection is not known.
	Forget(context.Context, Key, []events.Topic) error
}

// Numbered is what a batch brought to one topic.
type Numbered struct {
	Topic   events.Topic
	Entries []Entry
}

// Pushed counts what became of a batch's frames.
type Pushed struct {
	Frames int // frames taken by API Gateway
	Gone   int // connections found gone, and forgotten
	Lapsed int // connections closed, as their token had expired
	Lost   int // connections that missed frames; they see it from the gap in seq
}

// Pusher tells watchers of numbered changes.
type Pusher struct {
	Subscribers Subscribers
	Poster      Poster
}

// Push posts the topics' changes to everyone subscribed to them, each connection's
// frames in order and as few as fit. A watcher that cannot be reached never fails
// the others: it is counted in Pushed, and err, if not nil, joins what went wrong.
// Only topics whose subscribers could not be read are returned as unread; nothing
// of them was pushed.
func (p Pusher) Push(ctx context.Context, numbered []Numbered) (pushed Pushed, unread []events.Topic, err error) {
	watchers, unread, err := p.watchers(ctx, numbered)
	groups, groupErr := group(numbered, watchers)
	pushed, postErr := p.post(ctx, groups)
	return pushed, unread, errors.Join(err, groupErr, postErr)
}

// watched is a topic of the batch, as an index into numbered, with how it is watched.
type watched struct {
	index int
	sub   Subscription
}

// watchers reads who watches each topic, itself or by a pattern.
func (p Pusher) watchers(ctx context.Context, numbered []Numbered) (map[Key][]watched, []events.Topic, error) {
	found, failed, err := p.readLevels(ctx, numbered)
	watchers := map[Key][]watched{}
	var unread []events.Topic
	for i, n := range numbered {
		levels := levels(n.Topic)
		if slices.ContainsFunc(levels, func(level events.Topic) bool { return failed[level] }) {
			unread = append(unread, n.Topic)
			continue
		}
		for key, sub := range counting(n.Topic, levels, found) {
			watchers[key] = append(watchers[key], watched{i, sub})
		}
	}
	return watchers, unread, err
}

// readLevels reads the subscriptions at the topics and at all topics above them, each once
// for the whole batch.
func (p Pusher) readLevels(ctx context.Context, numbered []Numbered) (found map[events.Topic][]Subscription, failed map[events.Topic]bool, err error) {
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
	var tasks errgroup.Group
	tasks.SetLimit(readsAtOnce)
	for level, alone := range belowAlone {
		tasks.Go(func() error {
			subs, err := p.Subscribers.Subscribers(ctx, level, alone)
			mu.Lock()
			defer mu.Unlock()
			found[level] = subs
			if err != nil {
				failed[level] = true
				errs = append(errs, err)
			}
			return nil
		})
	}
	_ = tasks.Wait() // the tasks keep their errors in errs
	return found, failed, errors.Join(errs...)
}

// counting gives the subscription of each connection that counts for a topic: the one that
// names it most closely.
func counting(topic events.Topic, levels []events.Topic, found map[events.Topic][]Subscription) map[Key]Subscription {
	counts := map[Key]Subscription{}
	for _, level := range levels {
		for _, sub := range found[level] {
			other, ok := counts[sub.Key]
			if sub.Topic.Matches(topic) && (!ok || closer(sub.Topic, other.Topic)) {
				counts[sub.Key] = sub
			}
		}
	}
	return counts
}

// view is what a set of connections watches of a batch: they get the same frames,
// which are encoded and hashed once.
type view struct {
	topics      []events.Topic
	frames      []Frame
	connections []Key
	lapsed      bool // their time is over: the frame says so, and is the last
}

// lapsedView tells that a token has expired. Each connection's topics are forgotten
// with it.
func lapsedView(topics []events.Topic) (*view, error) {
	frame, _ := wireError(ErrTokenExpired)
	body, err := events.Encode(frame)
	return &view{topics: topics, frames: []Frame{NewFrame(body)}, lapsed: true}, err
}

// group puts connections that see the same of the batch together.
func group(numbered []Numbered, watchers map[Key][]watched) ([]*view, error) {
	now := time.Now()
	prepared := make([][]change, len(numbered))
	for i, n := range numbered {
		prepared[i] = changesOf(n.Entries)
	}
	views := map[string]*view{}
	var all []*view
	var errs []error
	for connection, topics := range watchers {
		key := viewKey(topics, now)
		v, ok := views[key]
		if !ok {
			var err error
			if v, err = newView(prepared, topics, now); err != nil {
				errs = append(errs, err)
			}
			views[key] = v
			all = append(all, v)
		}
		v.connections = append(v.connections, connection)
	}
	return all, errors.Join(errs...)
}

// over reports whether the time of one of a connection's subscriptions is over, and so
// that of all.
func over(topics []watched, now time.Time) bool {
	return slices.ContainsFunc(topics, func(w watched) bool { return !w.sub.Until.After(now) })
}

// viewKey is the same for connections that see the same.
func viewKey(topics []watched, now time.Time) string {
	var key []byte
	if over(topics, now) {
		key = append(key, "lapsed "...)
	}
	for _, w := range topics {
		key = append(strconv.AppendInt(key, int64(w.index), 36), ' ')
		key = append(strconv.AppendBool(key, w.sub.Delta), ' ')
		key = append(strconv.AppendQuote(key, w.sub.View.String()), ' ')
	}
	return string(key)
}

func newView(prepared [][]change, topics []watched, now time.Time) (*view, error) {
	v := &view{}
	var changes []events.Change
	for _, w := range topics {
		v.topics = append(v.topics, w.sub.Topic)
	}
	if over(topics, now) {
		return lapsedView(v.topics)
	}
	for _, w := range topics {
		changes = append(changes, seen(w.sub.View, w.sub.Delta, prepared[w.index])...)
	}
	bodies, err := events.PackChanges(changes)
	if err != nil {
		return v, fmt.Errorf("push %d changes: %w", len(changes), err)
	}
	for _, body := range bodies {
		v.frames = append(v.frames, NewFrame(body))
	}
	return v, nil
}

// errorsKept bounds the errors of one batch that are reported one by one.
const errorsKept = 5

// post sends each view to its connections, several at a time.
func (p Pusher) post(ctx context.Context, views []*view) (Pushed, error) {
	var tasks errgroup.Group
	tasks.SetLimit(postsAtOnce)
	var t tally
	for _, v := range views {
		for _, connection := range v.connections {
			tasks.Go(func() error {
				t.count(p.deliver(ctx, connection, v))
				return nil
			})
		}
	}
	_ = tasks.Wait() // the tally keeps the errors
	return t.pushed, errors.Join(t.errs...)
}

// deliver sends a view to one connection, and forgets it if it is gone or its time is
// over.
func (p Pusher) deliver(ctx context.Context, connection Key, v *view) (Pushed, error) {
	sent, err := p.postAll(ctx, connection.ID, v)
	outcome := Pushed{Frames: sent}
	switch {
	case errors.Is(err, ErrGone):
		outcome.Gone = 1
		err = p.Subscribers.Forget(ctx, connection, v.topics)
	case v.lapsed: // that it could not be told does not keep it
		if err = p.Poster.Close(ctx, connection.ID); err == nil {
			outcome.Lapsed = 1
			err = p.Subscribers.Forget(ctx, connection, v.topics)
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
	t.pushed.Frames += p.Frames
	t.pushed.Gone += p.Gone
	t.pushed.Lapsed += p.Lapsed
	t.pushed.Lost += p.Lost
	if err != nil && len(t.errs) < errorsKept {
		t.errs = append(t.errs, err)
	}
}

// postAll sends a view's frames to one connection, and stops at the first failure:
// what follows a lost frame would only show the gap earlier to be missed again.
func (p Pusher) postAll(ctx context.Context, id ConnectionID, v *view) (sent int, err error) {
	for _, frame := range v.frames {
		if err := p.Poster.Post(ctx, id, frame); err != nil {
			return sent, fmt.Errorf("post to %s: %w", id, err)
		}
		sent++
	}
	return sent, nil
}
