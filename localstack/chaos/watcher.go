package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/watchroute/watchroute/shared/client"
)

// habit is how a watcher lives.
type habit int

const (
	steady   habit = iota
	slow           // takes a while for each event, with a small buffer
	sleeper        // leaves every now and then, and comes back with its cursors as a new client
	late           // comes when much has been written, and begins with a snapshot
	restless       // leaves each topic every now and then, and watches it again at once with the same client
	narrow         // sees the items by a filter that they all match, and a part of each
	habits
	wandering = habits // takes another way after every few changes, see wanderer
)

// The view of narrow watchers: a filter that all items match, and one member of each item.
const (
	narrowFilter = `{"v":[{"exists":true}]}`
	narrowField  = "v"
)

// watcher watches a few topics and holds each watch to the promise.
type watcher struct {
	url    string
	rest   string // the URL before the paths of the REST API
	told   *told  // shared by all watchers with the same view
	narrow bool   // of a wanderer: it sees what narrow watchers see
	wallet *wallet
	habit  habit
	random *rand.Rand // its own goroutine's
	driver *driver    // runs its clients in another language; nil for those in Go

	mu       sync.Mutex
	checkers []*checker
	stats    client.Stats // of the clients that it had
	journey  journey
	err      error // the first broken promise
}

func (w *watcher) name() string { return w.wallet.subject }

// options are impatient: a run is short.
func (w *watcher) options() client.Options {
	o := client.Options{Token: w.wallet.token, PingInterval: 4 * time.Second, MaxPingInterval: 8 * time.Second, HoleTime: 300 * time.Millisecond, AnswerTime: 6 * time.Second, MaxBackoff: 2 * time.Second}
	if w.habit == slow {
		o.Buffer = 20
	}
	return o
}

// run watches until ctx ends or a promise is broken. written is closed when all is.
func (w *watcher) run(ctx context.Context, written <-chan struct{}) {
	if w.habit == late {
		pause(ctx, w.random, 4*time.Second)
	}
	for ctx.Err() == nil && w.broken() == nil {
		day, cancel := context.WithCancel(ctx)
		if w.habit == sleeper {
			time.AfterFunc(time.Second+upTo(w.random, 4*time.Second), func() {
				select {
				case <-written: // it stays to see the end
				default:
					cancel()
				}
			})
		}
		w.live(day, written)
		cancel()
		if w.habit == sleeper {
			pause(ctx, w.random, 2*time.Second)
		}
	}
}

// live is the life of one client.
func (w *watcher) live(ctx context.Context, written <-chan struct{}) {
	if w.habit == wandering {
		newWanderer(w).wander(ctx)
		return
	}
	c, err := w.dial(ctx)
	if err != nil {
		w.fail(ctx, err)
		return
	}
	var watching sync.WaitGroup
	for _, k := range w.checkers {
		random := rand.New(rand.NewPCG(w.random.Uint64(), 0))
		watching.Go(func() {
			if w.habit == restless {
				w.fail(ctx, w.hop(ctx, c, k, random, written))
			}
			w.fail(ctx, w.watch(ctx, c, k, nil))
		})
	}
	watching.Wait()
	c.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats = sum(w.stats, c.Stats())
}

// dial makes a client.
func (w *watcher) dial(ctx context.Context) (watchClient, error) {
	if w.driver != nil {
		return w.driver.dial(ctx, w.url, w.rest, w.options())
	}
	return client.Dial(ctx, w.url, w.options())
}

// hop watches a topic for one short time after another, until all is written.
func (w *watcher) hop(ctx context.Context, c watchClient, k *checker, random *rand.Rand, written <-chan struct{}) error {
	for {
		select {
		case <-written:
			return nil
		case <-ctx.Done():
			return nil
		default:
		}
		if begun := func() bool { return w.from(k).After != nil }; !begun() { // it has to some time
			if err := w.watch(ctx, c, k, begun); err != nil {
				return err
			}
		}
		stay := []time.Duration{longest, briefest}[random.IntN(2)]
		spell, leave := context.WithTimeout(ctx, upTo(random, stay))
		err := w.watch(spell, c, k, nil)
		ended := spell.Err() != nil
		leave()
		if !ended {
			return err
		}
	}
}

// How long a restless watcher watches a topic, at most: one time out of two for long.
const (
	longest  = 4 * time.Second
	briefest = 50 * time.Millisecond
)

// watch follows one topic, until it is enough after an event. Its error is that of the watch,
// or a broken promise.
func (w *watcher) watch(ctx context.Context, c watchClient, k *checker, enough func() bool) error {
	o := w.from(k)
	o.Latest = k.latest
	if w.habit == narrow {
		o.Filter, o.Fields = json.RawMessage(narrowFilter), []string{narrowField}
	}
	for event, err := range c.Watch(ctx, k.topic, o) {
		if err == nil {
			err = w.check(k, event)
		}
		if err != nil {
			return err
		}
		if enough != nil && enough() {
			return nil
		}
		if w.habit == slow {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// from is where a watch begins: where its checker stands. One that left amid a
// snapshot has nothing to go on from, and begins again.
func (w *watcher) from(k *checker) client.WatchOptions {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !k.begun || k.inPages {
		return client.WatchOptions{Snapshot: w.habit == late || k.inPages}
	}
	cursor := k.cursor
	return client.WatchOptions{After: &cursor}
}

func (w *watcher) check(k *checker, e client.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return k.see(e)
}

// fail notes an error, unless the watcher was told to leave.
func (w *watcher) fail(ctx context.Context, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && ctx.Err() == nil && w.err == nil {
		w.err = err
	}
}

func (w *watcher) broken() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// progress grows with what the watcher sees.
func (w *watcher) progress() (sum int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.checkers {
		sum += k.events
	}
	return sum
}

// begun reports whether every watch has begun; a late watcher does when it likes.
func (w *watcher) begun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.checkers {
		if !k.begun && w.habit != late {
			return false
		}
	}
	return true
}

// complete reports whether every watch has come to the end of what was written.
func (w *watcher) complete(l *ledger) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.checkers {
		if !k.complete(l) {
			return false
		}
	}
	return true
}

// verdict is the first broken promise, nil if all were kept.
func (w *watcher) verdict(l *ledger) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	for _, k := range w.checkers {
		if err := k.settle(l); err != nil {
			return err
		}
	}
	return nil
}

// tally adds up what the watcher saw. Its clients must have ended.
func (w *watcher) tally(t *tally) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.checkers {
		t.deliveries += k.changes
		t.skipped += k.skipped
		if w.habit != wandering { // wanderers start over at will
			t.resets += k.resets
		}
	}
	t.stats = sum(t.stats, w.stats)
	t.expired += w.wallet.gave()
	t.journey.add(w.journey)
}

// tally is what the watchers of a run saw.
type tally struct {
	deliveries int64
	skipped    int64 // for watches of the latest
	resets     int
	expired    int64 // tokens that were about to lapse
	stats      client.Stats
	journey    journey
	post       post // of receivers
}

func (t tally) String() string {
	return fmt.Sprintf("%d connections, %d repeats dropped, %d holes healed, %d let go for slow consumers, %d skipped for the latest, %d tokens about to lapse, %d resets",
		t.stats.Connections, t.stats.Repeated, t.stats.Holes, t.stats.Dropped, t.skipped, t.expired, t.resets)
}

func sum(a, b client.Stats) client.Stats {
	return client.Stats{
		Connections: a.Connections + b.Connections, Repeated: a.Repeated + b.Repeated, Holes: a.Holes + b.Holes,
		Resets: a.Resets + b.Resets, Dropped: a.Dropped + b.Dropped,
	}
}

// upTo is a random time.
func upTo(random *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(d)))
}

// pause waits a random time up to d, or until ctx ends.
func pause(ctx context.Context, random *rand.Rand, d time.Duration) {
	select {
	case <-time.After(upTo(random, d)):
	case <-ctx.Done():
	}
}
