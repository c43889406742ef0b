package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// wanderer follows each of its topics by one cursor. It takes another way after every few changes,
// after every fault, and now and then in the middle of an answer. It speaks the wire protocol
// itself, so it tests the service and not the client.
type wanderer struct {
	*watcher
	http *http.Client

	// Guarded by the watcher's mutex.
	places  map[events.Topic]events.Cursor // according to the id of the last stream that had the topic
	ids     map[string]string              // the last id of the streams of each list of topics
	known   map[events.Topic]known
	viewID  string    // the id of the view that it sees; empty if unknown
	holds   time.Time // when requests may be held again
	streams time.Time // when a stream may be opened again
}

// How far a wanderer goes on one way.
const (
	mostTaken    = 20 // changes
	briefestLeg  = 200 * time.Millisecond
	longestLeg   = 3 * time.Second
	longestPause = 2 * time.Second // between two tries after trouble, unless the service asks for more
	// longestTrouble bounds how long a wanderer may meet nothing but trouble.
	longestTrouble = 90 * time.Second
)

// way is one way to follow topics.
type way struct {
	name    string
	held    bool // the service holds its requests
	begin   bool // it can be the first
	one     bool // it follows one topic
	rare    bool // it forgets what was seen, so less can be checked
	advance func(*leg, context.Context, []*checker) error
}

// ways are all ways.
var ways = []way{
	{name: "GET after", begin: true, advance: (*leg).read},
	{name: "long poll", held: true, one: true, advance: (*leg).poll},
	{name: "stream", held: true, begin: true, one: true, advance: (*leg).stream},
	{name: "stream of several", held: true, begin: true, advance: (*leg).stream},
	{name: "WebSocket", begin: true, advance: (*leg).socket},
	{name: "two at once", held: true, advance: (*leg).twice},
	{name: "GET items", begin: true, one: true, rare: true, advance: (*leg).pages},
	{name: "stream with items", held: true, begin: true, one: true, rare: true, advance: (*leg).streamItems},
}

// rarely is the probability that a rare way is taken when it is drawn.
const rarely = 0.2

// leg is the use of one way. Two may be under way at once.
type leg struct {
	*wanderer
	random  *rand.Rand
	left    int // changes that it still takes
	token   string
	expires time.Time // of the token
}

// errEnough ends a leg that has taken enough changes.
var errEnough = errors.New("enough")

// broken is a promise that was not kept. Any other error of a leg is trouble, after which the
// wanderer takes another way.
type broken struct{ error }

func (b broken) Unwrap() error { return b.error }

func broke(format string, args ...any) error { return broken{fmt.Errorf(format, args...)} }

// trouble is a refusal that passes.
type trouble struct {
	error
	after time.Duration // the pause that the service asks for
}

func newWanderer(w *watcher) *wanderer {
	return &wanderer{
		watcher: w, http: &http.Client{Transport: &http.Transport{DisableCompression: true}},
		places: map[events.Topic]events.Cursor{}, ids: map[string]string{}, known: map[events.Topic]known{},
	}
}

// wander takes one way after the other until ctx ends or a promise is broken.
func (w *wanderer) wander(ctx context.Context) {
	defer w.http.CloseIdleConnections()
	pausing, since := 100*time.Millisecond, time.Now()
	for ctx.Err() == nil {
		name, err := w.step(ctx)
		var passes trouble
		switch {
		case errors.As(err, new(broken)):
			w.fail(ctx, fmt.Errorf("%s: %w", name, err))
			return
		case err == nil:
			pausing, since = 100*time.Millisecond, time.Now()
			continue
		case time.Since(since) > longestTrouble:
			w.fail(ctx, fmt.Errorf("%s: nothing but trouble for %v: %w", name, longestTrouble, err))
			return
		case errors.As(err, &passes):
			sleep(ctx, passes.after)
		}
		pause(ctx, w.random, pausing)
		pausing = min(2*pausing, longestPause)
	}
}

// step goes one way for a while.
func (w *wanderer) step(ctx context.Context) (name string, err error) {
	way, topics := w.choose()
	ctx, cancel := context.WithTimeout(ctx, briefestLeg+upTo(w.random, longestLeg-briefestLeg))
	defer cancel()
	err = way.advance(w.newLeg(rand.New(rand.NewPCG(w.random.Uint64(), 0))), ctx, topics)
	if errors.Is(err, errEnough) || err != nil && ctx.Err() != nil && !errors.As(err, new(broken)) {
		err = nil // the leg has ended by itself
	}
	if err == nil {
		w.count("ways", way.name)
	}
	return way.name, err
}

func (w *wanderer) newLeg(random *rand.Rand) *leg {
	return &leg{wanderer: w, random: random, left: 1 + random.IntN(mostTaken)}
}

// choose draws a way that may be taken now, and topics for it.
func (w *wanderer) choose() (way, []*checker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	topics, begin := w.checkers, false
	for _, k := range w.checkers {
		if !k.begun && !begin {
			topics, begin = []*checker{k}, true
		}
	}
	for {
		way := ways[w.random.IntN(len(ways))]
		switch {
		case begin && !way.begin:
		case way.held && time.Now().Before(w.holds):
		case way.rare && w.random.Float64() >= rarely:
		case way.one && !begin:
			n := w.random.IntN(len(topics))
			return way, topics[n : n+1]
		default:
			return way, topics
		}
	}
}

// twice uses two connections at once, which must tell the same.
func (l *leg) twice(ctx context.Context, topics []*checker) error {
	both := []func(*leg, context.Context, []*checker) error{(*leg).stream, (*leg).stream, (*leg).poll, (*leg).socket}
	l.random.Shuffle(len(both), func(i, j int) { both[i], both[j] = both[j], both[i] })
	var going sync.WaitGroup
	errs := make([]error, 2)
	for i, take := range both[:2] {
		other := l.newLeg(rand.New(rand.NewPCG(l.random.Uint64(), 0)))
		going.Go(func() { errs[i] = take(other, ctx, topics) })
	}
	going.Wait()
	for _, err := range errs {
		if errors.As(err, new(broken)) {
			return err
		}
	}
	return errors.Join(errs...)
}

// from is the cursor from which the wanderer asks for a topic: its own, or the one in the last
// stream's id, which may be earlier. Without one it is the beginning.
func (l *leg) from(k *checker) events.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	if place, ok := l.places[k.topic]; ok && l.random.IntN(4) == 0 {
		return place
	}
	return k.cursor
}

// stands gives the wanderer's cursor of a topic; false if it has not begun.
func (l *leg) stands(k *checker) (events.Cursor, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return k.cursor, k.begun
}

// narrowed adds the filter and fields of the wanderer.
func (l *leg) narrowed(query url.Values) {
	if l.narrow {
		query.Set("filter", narrowFilter)
		query.Set("fields", narrowField)
	}
}

// viewed checks the id of the view that the service gives. It is always the same, and empty for
// all of a topic.
func (l *leg) viewed(k *checker, viewID string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.narrow != (viewID != "") || l.viewID != "" && l.viewID != viewID {
		return broke("%s: seen as %q, and as %q before", k.topic, viewID, l.viewID)
	}
	l.viewID = viewID
	return nil
}

// viewIDSent is the id that the wanderer sends of the view that it has seen; empty if unknown.
func (l *leg) viewIDSent() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.narrow {
		return events.WholeView
	}
	return l.viewID
}

// begins lets a topic begin at a cursor, unless it has begun.
func (l *leg) begins(k *checker, at events.Cursor) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.begun {
		return nil
	}
	return l.see(k, client.Event{Cursor: at})
}

// see passes an event to the checker. The lock is held.
func (l *leg) see(k *checker, e client.Event) error {
	if err := k.see(e); err != nil {
		return broken{err}
	}
	return nil
}

// apply notes a change. If the wanderer has it already, it must be the same as before.
func (l *leg) apply(k *checker, c events.Change) error {
	if err := l.told.same(c); err != nil {
		return broken{err}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Epoch == k.cursor.Epoch && c.Seq <= k.cursor.Seq {
		l.journey.repeats++
		return nil
	}
	if err := l.see(k, client.Event{Cursor: c.Cursor(), Change: &c}); err != nil {
		return err
	}
	if l.left--; l.left <= 0 {
		return errEnough
	}
	return nil
}

// start takes the items of a topic, with their cursor.
func (l *leg) start(k *checker, pages []client.Page, at events.Cursor) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.begun && k.cursor.Epoch != "" && (at.Epoch != k.cursor.Epoch || at.Seq < k.cursor.Seq) {
		return broke("%s: the items are as of %s, which is not after %s", k.topic, at, k.cursor)
	}
	for _, page := range pages {
		if err := l.see(k, client.Event{Cursor: at, Page: &page}); err != nil {
			return err
		}
	}
	return nil
}

// line is what one answer tells of a topic. Each change must be the next after the one before.
type line struct{ at events.Cursor }

func (l *line) next(topic events.Topic, c events.Change) error {
	if c.Topic != topic || c.Seq != l.at.Seq+1 || l.at.Epoch != "" && c.Epoch != l.at.Epoch {
		return broke("%s: change %s of %s follows %s", topic, c.Cursor(), c.Topic, l.at)
	}
	l.at = c.Cursor()
	return nil
}

// told keeps each change as it was told first. All ways must tell all watchers the same.
type told struct {
	mu      sync.Mutex
	changes map[events.Topic]map[events.Cursor]string
}

func (t *told) same(c events.Change) error {
	text, err := events.Marshal(c)
	if err != nil {
		return fmt.Errorf("%s: change %s: %w", c.Topic, c.Cursor(), err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changes == nil {
		t.changes = map[events.Topic]map[events.Cursor]string{}
	}
	if t.changes[c.Topic] == nil {
		t.changes[c.Topic] = map[events.Cursor]string{}
	}
	before, ok := t.changes[c.Topic][c.Cursor()]
	if ok && before != string(text) {
		return fmt.Errorf("%s: change %s is %s, and was %s for another", c.Topic, c.Cursor(), text, before)
	}
	t.changes[c.Topic][c.Cursor()] = string(text)
	return nil
}

// journey counts what wanderers did, and the results.
type journey struct {
	counts  map[string]map[string]int // of ways and of answers
	repeats int
}

func (j *journey) add(o journey) {
	j.repeats += o.repeats
	for of, counts := range o.counts {
		for name, n := range counts {
			j.count(of, name, n)
		}
	}
}

func (j *journey) count(of, name string, n int) {
	if j.counts == nil {
		j.counts = map[string]map[string]int{}
	}
	if j.counts[of] == nil {
		j.counts[of] = map[string]int{}
	}
	j.counts[of][name] += n
}

func (j journey) String() string {
	return fmt.Sprintf("%s; %d repeats, each the same; answered %s", ranked(j.counts["ways"]), j.repeats, ranked(j.counts["answers"]))
}

func (w *wanderer) count(of, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.journey.count(of, name, 1)
}

// sleep waits for a time, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
