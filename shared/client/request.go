package client

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/watchroute/watchroute/events"
)

// errNoAnswer is a request that the service did not answer in time.
var errNoAnswer = errors.New("no answer in time")

// request is a frame that was sent and is to be answered.
type request struct {
	frame       events.Request
	sentAt      time.Time
	deadline    time.Time
	watch       *watch       // of a subscribe and a snapshot
	family      *family      // of a subscribe to a pattern
	publication *publication // of a publish
	renewal     *turn        // of an auth
}

// turn is whether it is somebody's turn to ask.
type turn struct {
	asked     bool      // a request is outstanding
	notBefore time.Time // a pause after failures
	failures  int       // in a row
}

func (t *turn) due(now time.Time) bool { return !t.asked && !now.Before(t.notBefore) }

// send writes a request and notes that it is outstanding.
func (e *engine) send(r *request, now time.Time) {
	e.lastID++
	r.frame.ID = strconv.Itoa(e.lastID)
	r.sentAt, r.deadline = now, now.Add(e.o.AnswerTime)
	if t := r.turn(); t != nil {
		t.asked = true
	}
	e.requests[r.frame.ID] = r
	e.write(r.frame)
}

func (e *engine) write(frame events.Request) {
	message, err := json.Marshal(frame)
	if err == nil {
		err = e.link.write(e.life, message)
	}
	if err != nil {
		e.o.Logger.Warn("request not sent", "action", frame.Action, "err", err) // the reader sees the end, or the deadline passes
	}
}

// answered takes a request off the outstanding ones; nil if it is not among them,
// such as one that was asked on a connection before.
func (e *engine) answered(id string) *request {
	r := e.requests[id]
	delete(e.requests, id)
	if r != nil {
		if t := r.turn(); t != nil {
			*t = turn{}
		}
	}
	return r
}

// turn is that of whoever asked; nil for a ping, which asks by the clock.
func (r *request) turn() *turn {
	switch {
	case r.watch != nil:
		return &r.watch.turn
	case r.family != nil:
		return &r.family.turn
	case r.publication != nil:
		return &r.publication.turn
	}
	return r.renewal
}

// by is whose watch a request is of; nil for other requests.
func (r *request) by() watched {
	switch {
	case r.family != nil:
		return r.family
	case r.watch == nil:
		return nil
	case r.watch.family != nil:
		return r.watch.family
	}
	return r.watch
}

// expire gives up on requests whose time has passed. If nothing at all was heard
// since one of them was sent, the connection is dead.
func (e *engine) expire(now time.Time) {
	for id, r := range e.requests {
		if now.Before(r.deadline) {
			continue
		}
		if !e.heard.After(r.sentAt) {
			e.lose(errNoAnswer)
			return
		}
		delete(e.requests, id)
		e.again(r, now)
	}
}

// again has a request that failed be asked once more, after a pause.
func (e *engine) again(r *request, now time.Time) {
	t := r.turn()
	if t == nil {
		e.pingAt = now.Add(e.backoff(e.pingFailures))
		e.pingFailures++
		return
	}
	t.asked, t.notBefore = false, now.Add(e.backoff(t.failures))
	t.failures++
}

// hasten gives outstanding requests little time: one of them has failed, and API
// Gateway does not say which.
func (e *engine) hasten(now time.Time) {
	for _, r := range e.requests {
		if soon := now.Add(e.backoff(1)); soon.Before(r.deadline) {
			r.deadline = soon
		}
	}
}
