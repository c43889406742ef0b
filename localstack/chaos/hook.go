package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/watchroute/watchroute/shared/webhook"
)

// message is one that came.
type message struct {
	body  [sha256.Size]byte
	taken bool
}

// ServeHTTP takes a message, and answers as the receiver does.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the function was killed
	}
	r.wire.note(r.wire.Delivery(request.Header.Get("Content-Type"), body))
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
	p.answers = added(p.answers, o.answers)
}

func (p post) String() string {
	return fmt.Sprintf("%d messages, %d of them again; %d challenges; answered %s", p.received, p.repeated, p.challenges, ranked(p.answers))
}
