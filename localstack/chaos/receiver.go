package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
)

// manner is how a receiver lives.
type manner int

const (
	punctual  manner = iota // never fails
	flaky                   // fails three times in ten
	hanging                 // fails so, mostly by no answer, or by a late one
	down                    // fails so, and takes nothing for a while
	picky                   // fails so, and sees the items of some writers, as single CloudEvents
	broad                   // fails so, and watches all topics
	choosy                  // fails so, watches all topics, and sees the items of some writers, as batches of CloudEvents
	replaying               // fails so, and its owner pauses, enables and replays it, by cursors that there are and that there are not
	gone                    // fails so, and once says that it wants nothing more, until its owner enables it
	brief                   // fails so, and sees one member of each item
	manners
)

const (
	failing = 0.3 // of the attempts
	// downAfter is how long after its first message a receiver that is down takes nothing, for downFor.
	downAfter, downFor = time.Second, 2500 * time.Millisecond
	goneAt             = 3 // the attempt that is answered 410
	ownersPause        = 2 * time.Second
	lateAnswer         = 1200 * time.Millisecond // at most; a receiver has a second
)

// receiver is a webhook. It holds what comes to the promise.
type receiver struct {
	owner
	number int
	manner manner
	base   string // its URL without the attempt to register it
	topics []events.Topic
	wanted events.DestinationRequest
	view   view

	mu       sync.Mutex
	dice     *rand.Rand // of the answers
	attempts int        // to register it
	path     string     // of the one that succeeded
	id       string     // of the destination
	key      []byte
	boxes    map[events.Topic]*inbox
	messages map[string]message
	first    time.Time // message
	saidGone bool
	history  []string           // of the latest messages
	armed    func(events.Topic) // does something before the next message is answered
	err      error              // the first broken promise
	wire     *wire
	post
}

// newReceiver makes the n-th receiver of topics. With managed ones, the same change may come in several
// messages.
func newReceiver(n int, o owner, base string, topics []events.Topic) *receiver {
	r := &receiver{
		owner: o, number: n, manner: manner(n % int(manners)), base: base, topics: topics[n%len(topics) : n%len(topics)+1],
		dice: rand.New(rand.NewPCG(o.random.Uint64(), 0)), boxes: map[events.Topic]*inbox{}, messages: map[string]message{}, post: post{answers: map[string]int{}},
	}
	r.wanted.Topic = string(r.topics[0])
	switch r.manner {
	case picky:
		r.wanted.Format, r.view.writers = "cloudevents", []int{0, 1, 2, 3}
	case broad, choosy:
		r.topics, r.wanted.Topic = topics, "chaos/*"
	case brief:
		r.view.fields = []string{"v"}
		r.wanted.Batch = 3
	}
	if r.manner == choosy {
		r.wanted.Format, r.view.writers = "cloudevents-batch", []int{1, 4, 6}
	}
	if len(r.view.writers) > 0 {
		r.wanted.Filter, _ = json.Marshal(map[string][]int{"w": r.view.writers}) // of numbers
	}
	r.wanted.Fields = r.view.fields
	for _, topic := range r.topics {
		r.boxes[topic] = newInbox(topic, r.view, r.managed())
	}
	return r
}

func (r *receiver) name() string { return fmt.Sprint("receiver-", r.number) }

// run registers the receiver, and does what its owner does, until ctx ends. written is closed when all
// is.
func (r *receiver) run(ctx context.Context, written <-chan struct{}) {
	r.fail(ctx, r.register(ctx))
	if !r.managed() {
		return
	}
	for round := 0; ctx.Err() == nil && r.broken() == nil; round++ {
		pause(ctx, r.owner.random, ownersPause)
		select {
		case <-written:
			r.fail(ctx, r.act(ctx, "enable", nil)) // the last act may have been a pause
			if r.manner == replaying || r.is(func() bool { return r.saidGone }) {
				return
			}
			continue
		default:
		}
		switch {
		case r.manner == replaying:
			r.fail(ctx, r.manage(ctx, round))
		case r.is(func() bool { return r.saidGone }):
			r.fail(ctx, r.act(ctx, "enable", nil))
		}
	}
}

// managed reports whether its owner does something to the destination.
func (r *receiver) managed() bool { return r.manner == replaying || r.manner == gone }

// register registers it at a new path each time that it is tried: one that seems to have failed may
// have left a destination, which must not get anything.
func (r *receiver) register(ctx context.Context) error {
	var registered events.Destination
	var path string
	err := r.call(ctx, http.MethodPost, func() (string, any) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.attempts++
		path = fmt.Sprintf("%s/%d", r.base, r.attempts)
		wanted := r.wanted
		wanted.URL = path
		return "", wanted
	}, &registered)
	if err != nil {
		return err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(registered.Secret, "whsec_"))
	if err != nil {
		return fmt.Errorf("secret %s: %w", registered.Secret, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.path, r.id, r.key = path[strings.LastIndexByte(path, '/'):], registered.ID, key
	return nil
}

// act asks for an action of the destination.
func (r *receiver) act(ctx context.Context, action string, body any) error {
	return r.call(ctx, http.MethodPost, func() (string, any) { return "/" + r.id + "/" + action, body }, nil)
}

// manage pauses and enables the destination, lets it be told again what it had, or refers to a log
// that there is not, so that a reset comes.
func (r *receiver) manage(ctx context.Context, round int) error {
	switch round % 3 {
	case 0:
		if err := r.act(ctx, "pause", nil); err != nil {
			return err
		}
		pause(ctx, r.owner.random, time.Second)
		return r.act(ctx, "enable", nil)
	case 1:
		r.mu.Lock()
		at := r.boxes[r.topics[0]].cursor // of changes that it has
		r.mu.Unlock()
		if at.Seq < 1 {
			return nil
		}
		at.Seq = r.owner.random.Int64N(at.Seq)
		return r.act(ctx, "replay", events.ReplayRequest{Topic: string(r.topics[0]), After: at.String()})
	}
	none, resets := events.Cursor{Epoch: fmt.Sprint("none", round), Seq: 7}, r.resets()
	if err := r.act(ctx, "replay", events.ReplayRequest{Topic: string(r.topics[0]), After: none.String()}); err != nil {
		return err
	}
	for r.resets() <= resets && ctx.Err() == nil && r.broken() == nil { // what its owner asks for before counts for nothing
		pause(ctx, r.owner.random, 100*time.Millisecond)
	}
	return nil
}

// resets counts the resets after which all items have come.
func (r *receiver) resets() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.boxes[r.topics[0]]
	if b.voided || b.inPages {
		return b.checker.resets - 1
	}
	return b.checker.resets
}

// is asks something with the lock held.
func (r *receiver) is(question func() bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return question()
}

func (r *receiver) fail(ctx context.Context, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && ctx.Err() == nil && r.err == nil {
		r.err = err
	}
}

func (r *receiver) broken() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// progress grows with what is taken.
func (r *receiver) progress() (sum int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.boxes {
		sum += b.changes + int64(b.resets)
	}
	return sum
}

// begun reports whether the destination is registered. It gets all that is written from then on.
func (r *receiver) begun() bool { return r.is(func() bool { return r.id != "" }) }

// complete reports whether all that was written has been taken.
func (r *receiver) complete(l *ledger) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.boxes {
		if !b.complete(l) {
			return false
		}
	}
	return true
}

// verdict is the first broken promise, nil if all were kept.
func (r *receiver) verdict(l *ledger) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	for _, b := range r.boxes {
		if err := b.settle(l); err != nil {
			return err
		}
	}
	return nil
}

// tally adds up what the receiver got.
func (r *receiver) tally(t *tally) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.boxes {
		t.deliveries += b.changes
		t.resets += b.resets
	}
	t.post.add(r.post)
}
