package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/webhook"
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
	post
}

// message is one that came.
type message struct {
	body  [sha256.Size]byte
	taken bool
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

// ServeHTTP takes a message, and answers as the receiver does.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the function was killed
	}
	a := r.receive(request, body)
	if a.before != nil {
		a.before()
	}
	if a.wait > 0 {
		select {
		case <-time.After(a.wait):
		case <-request.Context().Done():
		}
	}
	if a.status == 0 {
		panic(http.ErrAbortHandler) // which closes the connection
	}
	if a.retryAfter != "" {
		w.Header().Set("Retry-After", a.retryAfter)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body) // who has left does not read it
}

// answer is what a receiver does with a message.
type answer struct {
	name       string
	status     int // 0 for none
	wait       time.Duration
	retryAfter string
	body       string
	before     func()
}

// takes reports whether the sender may think that the message was taken.
func (a answer) takes() bool { return a.status/100 == 2 }

// failures are the ways to fail. Some come after a part of the time that a receiver has, and the last
// two are no answers.
var failures = []answer{
	{name: "500", status: 500}, {name: "503", status: 503, retryAfter: "1"}, {name: "429", status: 429, retryAfter: "1"},
	{name: "502", status: 502}, {name: "504", status: 504, wait: 300 * time.Millisecond}, {name: "302", status: 302},
	{name: "closed"}, {name: "none", wait: time.Minute},
}

// receive looks at a message, and gives the answer.
func (r *receiver) receive(request *http.Request, body []byte) answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if attempt := request.URL.Path[strings.LastIndexByte(request.URL.Path, '/'):]; attempt != r.path {
		if r.path == "" {
			return answer{status: 503} // nobody knows yet whether this is the destination
		}
		return answer{status: 410} // it is one whose registration seemed to fail
	}
	a := r.decide()
	var challenge struct{ Type, Challenge string }
	if json.Unmarshal(body, &challenge) == nil && challenge.Type == "challenge" {
		r.challenges++
		a.body = challenge.Challenge
		if !r.signed(request.Header, body) && r.err == nil {
			r.err = errors.New("a challenge has no valid signature")
		}
	} else {
		r.received++
		r.answers[a.name]++
		err := r.message(request.Header, body, a.takes())
		r.remember(request.Header, body, a)
		if err != nil && r.err == nil {
			r.err = fmt.Errorf("message %s: %w; after %s", request.Header.Get("webhook-id"), err, strings.Join(r.history, ", "))
		}
		if act := r.armed; act != nil && err == nil {
			p, _ := parcelOf(request.Header.Get("Content-Type"), body) // it was read before
			r.armed = nil
			a.before = func() { act(p.topic) }
		}
	}
	return a
}

// remembered is how many messages are told of with a broken promise.
const remembered = 8

// remember notes a message for whoever looks into a broken promise.
func (r *receiver) remember(header http.Header, body []byte, a answer) {
	p, _ := parcelOf(header.Get("Content-Type"), body) // what cannot be read brings nothing
	what := "items"
	switch {
	case p.reset:
		what = "reset"
	case len(p.changes) > 0:
		what = fmt.Sprintf("%d to %d", p.changes[0].Seq, p.changes[len(p.changes)-1].Seq)
	}
	id := header.Get("webhook-id")
	r.history = append(r.history, fmt.Sprintf("%s %s… of %s: %s, answered %s", time.Now().Format("05.000"), id[:min(len(id), 8)], p.topic, what, a.name))
	r.history = r.history[max(0, len(r.history)-remembered):]
}

// decide draws an answer.
func (r *receiver) decide() answer {
	if r.first.IsZero() {
		r.first = time.Now()
	}
	since := time.Since(r.first)
	switch {
	case r.manner == gone && r.received >= goneAt && !r.saidGone:
		r.saidGone = true
		return answer{name: "410", status: 410}
	case r.manner == down && since > downAfter && since < downAfter+downFor:
		return failures[6*r.dice.IntN(2)]
	case r.manner == punctual || r.dice.Float64() >= failing:
		return answer{name: "200", status: 200}
	case r.manner == hanging && r.dice.IntN(3) > 0:
		return answer{name: "late", status: 200, wait: time.Duration(r.dice.Int64N(int64(lateAnswer)))}
	case r.manner == hanging:
		return failures[len(failures)-1]
	}
	return failures[r.dice.IntN(len(failures))]
}

// message holds a message to the promise.
func (r *receiver) message(header http.Header, body []byte, taken bool) error {
	if !r.signed(header, body) {
		return errors.New("its signature is not valid")
	}
	id, sum := header.Get("webhook-id"), sha256.Sum256(body)
	before, again := r.messages[id]
	if again && before.body != sum {
		return fmt.Errorf("it comes again with another body: %.300s", body)
	}
	if again {
		r.repeated++
	}
	r.messages[id] = message{sum, before.taken || taken}
	p, err := parcelOf(header.Get("Content-Type"), body)
	if err != nil {
		return err
	}
	box := r.boxes[p.topic]
	if box == nil {
		return fmt.Errorf("it is of %s", p.topic)
	}
	return box.attempt(p, before.taken, taken)
}

// signed reports whether the destination's key has signed a message.
func (r *receiver) signed(header http.Header, body []byte) bool {
	return webhook.Verify([][]byte{r.key}, header, body)
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

// post is what receivers got and answered.
type post struct {
	received, repeated int64
	challenges         int
	answers            map[string]int
}

func (p *post) add(o post) {
	p.received += o.received
	p.repeated += o.repeated
	p.challenges += o.challenges
	if p.answers == nil {
		p.answers = map[string]int{}
	}
	for name, n := range o.answers {
		p.answers[name] += n
	}
}

func (p post) String() string {
	return fmt.Sprintf("%d messages, %d of them again; %d challenges; answered %s", p.received, p.repeated, p.challenges, ranked(p.answers))
}
