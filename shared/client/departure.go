package client

import (
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
)

// departure is a topic or pattern that nobody watches any more, on the connection in use. The
// service may carry out requests in any order and late. So the client unsubscribes only when
// no subscribe is under way, and subscribes again only when the service has answered:
//
//	leave ─► subscribes under way ─answered─► unsubscribe due ─► asked ─answered─► gone
//	             │                               │                 │
//	             │ watched again: gone, no need ◄┘                 │
//	             └──────────────── no answer in time ──────────────┴─► doubtful
//
// A request that was not answered may still be carried out. If the topic is wanted again, only
// another connection is certain.
type departure struct {
	topic events.Topic
	attempt
	subscribes int  // that were sent and are not answered
	doubtful   bool // a request was not answered in time
}

// depart begins a departure, with the subscribes of the topic that are not answered.
func (e *engine) depart(topic events.Topic, underWay []*request) {
	d := e.departing(topic)
	if d == nil {
		d = &departure{topic: topic}
		e.departures = append(e.departures, d)
	}
	for _, r := range underWay {
		r.watch, r.pattern, r.departure = nil, nil, d
		e.requests[r.frame.ID] = r
		d.subscribes++
	}
}

// departing gives the departure of a topic or pattern; nil if there is none.
func (e *engine) departing(topic events.Topic) *departure {
	for _, d := range e.departures {
		if d.topic == topic {
			return d
		}
	}
	return nil
}

// wanted reports whether somebody watches a topic or pattern that is to be subscribed to.
func (e *engine) wanted(topic events.Topic) bool {
	return slices.ContainsFunc(e.watches, func(w *watch) bool { return w.topic == topic && w.pattern == nil }) ||
		slices.ContainsFunc(e.patterns, func(f *patternWatch) bool { return f.pattern == topic })
}

// returns drops departures from what is watched again and was not left yet. It gives the
// connection up if it is not certain any more what is subscribed on it.
func (e *engine) returns() {
	doubtful := false
	e.departures = slices.DeleteFunc(e.departures, func(d *departure) bool {
		if !e.wanted(d.topic) {
			return false
		}
		doubtful = doubtful || d.doubtful
		return d.subscribes == 0 && !d.asked
	})
	if doubtful {
		e.lose(errNoAnswer)
	}
}

// ready reports whether the unsubscribe may be sent.
func (d *departure) ready() bool { return d.subscribes == 0 && !d.asked }

// unanswered takes in that a request of a departure was not answered in time. It may still be
// carried out, so the departure does not end on this connection. An unsubscribe is sent all the
// same, once.
func (d *departure) unanswered(r *request) {
	d.doubtful = true
	if r.frame.Action == events.ActionSubscribe {
		d.subscribes--
	}
}

// left takes in how a request of a departure has ended: the service has answered it, with an
// error if that is not nil.
func (e *engine) left(r *request, err *events.Error) {
	switch d := r.departure; {
	case r.frame.Action == events.ActionSubscribe:
		d.subscribes--
	case err != nil && err.Code.Remedy() == events.RetryLater:
		d.retry(time.Now(), e.backoff)
	case d.doubtful:
		d.asked = true // and is not asked again
	default:
		e.departures = slices.DeleteFunc(e.departures, func(o *departure) bool { return o == d })
	}
}

// retry allows another attempt after a pause.
func (a *attempt) retry(now time.Time, backoff func(int) time.Duration) {
	a.asked, a.notBefore = false, now.Add(backoff(a.failures))
	a.failures++
}
