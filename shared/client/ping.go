package client

import (
	"math/rand/v2"
	"time"

	"github.com/watchroute/watchroute/events"
)

// beginRound has every topic named by a ping, if it is time for a regular one. The next
// follows later than this one did, if the last has found nothing missing.
func (e *engine) beginRound(now time.Time) {
	if now.Before(e.pingAt) {
		return
	}
	if e.calm {
		e.pingEvery = min(e.pingEvery+e.pingEvery/2, e.o.MaxPingInterval)
	}
	e.calm, e.pingDue, e.pingAt = true, now, now.Add(e.interval())
	for _, f := range e.patterns {
		if f.joined && f.probe.ping == nil {
			f.probe.due = now
		}
	}
	for _, w := range e.watches {
		if w.following() && w.probe.ping == nil {
			w.probe.due = now
		}
	}
}

// interval is the time to the next regular ping, a little different each time. There are three in the
// lease of each presence, which is renewed from its half on: so one ping may be lost.
func (e *engine) interval() time.Duration {
	every := e.pingEvery
	for _, w := range e.watches {
		if w.lease > 0 {
			every = min(every, w.lease*3/10)
		}
	}
	return every - rand.N(every/10)
}

// alert brings the interval of regular pings back, because something was missing.
func (e *engine) alert(now time.Time) {
	e.calm = false
	if e.pingEvery == e.o.PingInterval {
		return
	}
	e.pingEvery = e.o.PingInterval
	if soon := now.Add(e.interval()); soon.Before(e.pingAt) {
		e.pingAt = soon
	}
}

// pings gives the pings that are due. One that is to keep the connection alive asks for
// nothing if there is nothing to ask for.
func (e *engine) pings(now time.Time) (all []question) {
	var together, apart inquiries
	into := func(p *probe) *inquiries {
		if p.apart() {
			return &apart
		}
		return &together
	}
	for _, f := range e.patterns {
		if at := f.pingAt(); isDue(at, now) {
			into(&f.probe).addPattern(f, at)
		}
	}
	for _, w := range e.watches {
		if at := w.pingAt(); isDue(at, now) {
			into(&w.probe).addTopic(w, at)
		}
	}
	together = append(together, apart...)
	if len(together) == 0 && !e.pingDue.IsZero() {
		together = inquiries{{since: e.pingDue}}
	}
	for _, q := range together {
		all = append(all, question{q.since, &request{frame: events.Request{Action: events.ActionPing, Cursors: q.cursors}, inquiry: q}})
	}
	return all
}

func isDue(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// pinged notes that a ping is sent.
func (e *engine) pinged(r *request, now time.Time) {
	e.pingDue = time.Time{}
	for _, f := range r.inquiry.patterns {
		f.probe.sent(r, events.Cursor{})
	}
	for _, w := range r.inquiry.watches {
		if w.order.behind() {
			e.client.stats.count(func(s *Stats) { s.Holes++ })
			e.alert(now)
		}
		w.probe.sent(r, w.order.cursor)
	}
}

// pong takes in where the topics stand. What it leaves out is not subscribed any more, or
// had no room in it. What it left out for want of room is asked for again, unless it told
// nothing at all: the same question would get the same answer.
func (e *engine) pong(f *events.Pong) {
	r := e.answered(f.ID)
	if r == nil || r.inquiry == nil {
		return
	}
	now := time.Now()
	missing, untold := e.pongTopics(r, f, now)
	untold = append(untold, e.pongPatterns(r, f, now)...)
	if len(untold) < len(r.inquiry.watches)+len(r.inquiry.patterns) {
		missing = append(missing, untold...)
	}
	e.postpone(missing, now)
}

// pongTopics takes in where topics stand, and gives those of which something is missing
// still, and those that were left out for want of room.
func (e *engine) pongTopics(r *request, f *events.Pong, now time.Time) (missing, untold []*probe) {
	for _, w := range r.inquiry.watches {
		if !w.probe.ended(r) || !w.following() {
			continue
		}
		head, err := events.ParseCursor(f.Cursors[w.topic])
		if err != nil || head.String() != r.frame.Cursors[string(w.topic)] {
			e.alert(now)
		}
		switch {
		case err != nil && !f.More:
			e.lost(w, now)
		case err == nil && w.told(head):
		case w.order.behind():
			missing = append(missing, &w.probe)
		default:
			w.probe.untold = true
			untold = append(untold, &w.probe)
		}
	}
	return missing, untold
}

// pongPatterns takes in which topics patterns have, and gives those that were left out for
// want of room.
func (e *engine) pongPatterns(r *request, f *events.Pong, now time.Time) (untold []*probe) {
	for _, p := range r.inquiry.patterns {
		if !p.probe.ended(r) || !p.joined {
			continue
		}
		if !p.learn(e, f) {
			e.alert(now)
		}
		if p.probe.untold {
			untold = append(untold, &p.probe)
		}
	}
	return untold
}

// unanswered takes in that a ping has failed. It is not repeated before the next regular one,
// but for what is missing.
func (e *engine) unanswered(r *request, now time.Time) {
	e.calm = false
	var missing []*probe
	for _, w := range r.inquiry.watches {
		if w.probe.ended(r) && w.order.behind() {
			missing = append(missing, &w.probe)
		}
	}
	for _, f := range r.inquiry.patterns {
		f.probe.ended(r)
	}
	e.postpone(missing, now)
}
