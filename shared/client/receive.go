package client

import (
	"encoding/json"
	"time"

	"github.com/watchroute/watchroute/events"
)

// receive takes in what came over a link. Changes count whichever link they came
// over; the end of one that is not in use does not.
func (e *engine) receive(in incoming) {
	if in.err != nil {
		if in.link == e.link {
			e.lose(in.err)
		}
		return
	}
	if in.link == e.link {
		e.heard = time.Now()
	}
	frame, err := events.Decode(in.data)
	if err != nil {
		e.unknown(in.data)
		return
	}
	switch f := frame.(type) {
	case *events.Changes:
		e.changes(f.Changes)
	case *events.Subscribed:
		e.subscribed(f)
	case *events.Snapshot:
		e.snapshot(f)
	case *events.Reset:
		e.reset(f)
	case *events.Pong:
		e.pong(f)
	case *events.Published:
		e.published(f)
	case *events.Reconnect:
		if in.link == e.link && e.moveAt.IsZero() {
			e.moveAt = time.Now().Add(time.Duration(f.DelayMs) * time.Millisecond)
		}
	case *events.Error:
		e.failed(f)
	}
	e.proven = e.proven || in.link == e.link
}

// unknown looks for API Gateway's own error frames, which have no type. Other frames
// are of a later service, and ignored.
func (e *engine) unknown(data []byte) {
	var failure struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	if json.Unmarshal(data, &failure) == nil && failure.Type == "" && failure.Message != "" {
		e.o.Logger.Warn("API Gateway reports an error", "message", failure.Message)
		e.hasten(time.Now())
	}
}

func (e *engine) changes(changes []events.Change) {
	for _, c := range changes {
		for _, w := range e.watches {
			if w.topic == c.Topic {
				e.count(w.order.offer(c))
			}
		}
	}
	for _, w := range e.watches {
		w.pump()
	}
}

func (e *engine) count(v verdict) {
	switch v {
	case repeated:
		e.client.stats.count(func(s *Stats) { s.Repeated++ })
	case dropped:
		e.client.stats.count(func(s *Stats) { s.Dropped++ })
	}
}

// failed takes in the service's word that a request was not carried out.
func (e *engine) failed(f *events.Error) {
	r := e.requests[f.ID]
	if r == nil {
		return
	}
	delete(e.requests, f.ID)
	remedy := f.Code.Remedy()
	switch {
	case f.Code == events.CodeNotConnected:
		e.lose(f)
	case remedy == events.RetryLater || r.watch == nil && r.publication == nil:
		e.again(r, time.Now())
	case r.frame.Action == events.ActionSnapshot: // it cannot go on from there
		r.watch.startOver()
	case r.watch != nil:
		e.remove(r.watch)
		r.watch.fail(f)
	default:
		e.conclude(r.publication, f)
	}
}
