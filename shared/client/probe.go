package client

import (
	"time"

	"github.com/watchroute/watchroute/events"
)

// probe is what a watch, or the watch of a pattern, has to ask by ping.
type probe struct {
	due      time.Time     // since when a regular ping is to name it; zero if none is
	at       time.Time     // when to ask for what is missing; zero if nothing is
	from     events.Cursor // where the watch stood when at was set, or it was last asked for
	failures int           // how often that was asked for in vain, in a row
	more     bool          // the last answer brought a part of what is missing
	untold   bool          // the last answer did not say where it stands
	ping     *request      // that is under way
}

// next is when a ping is to ask, given whether something is missing; zero if none is to.
func (p *probe) next(missing bool) time.Time {
	switch {
	case p.ping != nil:
		return time.Time{}
	case !p.due.IsZero():
		return p.due
	case missing || p.untold:
		return p.at
	}
	return time.Time{}
}

// apart reports whether the last answer left it out. Then it is asked for without the others,
// which could use up again what one answer may read.
func (p *probe) apart() bool { return p.untold || p.failures > 0 }

// sent notes that a ping asks.
func (p *probe) sent(ping *request, from events.Cursor) {
	p.ping, p.from, p.due = ping, from, time.Time{}
}

// ended takes in that a ping does not ask any more, and reports whether it was under way.
func (p *probe) ended(ping *request) bool {
	if p.ping != ping {
		return false
	}
	p.ping, p.at = nil, time.Time{}
	return true
}

// postpone has what a ping asked for in vain be asked for again after a pause. It is the same
// for all of it, so that one ping asks for it again.
func (e *engine) postpone(probes []*probe, now time.Time) {
	failures := 0
	for _, p := range probes {
		failures = max(failures, p.failures)
	}
	at := now.Add(e.o.HoleTime + e.backoff(failures))
	for _, p := range probes {
		p.at, p.failures = at, p.failures+1
	}
}

// pingAt is when a ping is to ask for the topic; zero if none is to.
func (w *watch) pingAt() time.Time {
	if !w.following() {
		return time.Time{}
	}
	return w.probe.next(w.order.behind())
}

// pingAt is when a ping is to ask for the topics of the pattern; zero if none is to.
func (f *patternWatch) pingAt() time.Time {
	if !f.joined {
		return time.Time{}
	}
	return f.probe.next(false)
}

// notice takes in whether something is missing, and says when to ask for it: after a while,
// as it may be under way, or at once if it is the rest of what was asked for.
func (w *watch) notice(now time.Time, hole time.Duration) {
	p := &w.probe
	switch {
	case !w.following():
		*p = probe{}
	case p.ping != nil || p.untold && !w.order.behind():
	case !w.order.lacks():
		p.at, p.failures, p.more = time.Time{}, 0, false
	case w.order.behind() && (p.at.IsZero() || p.from != w.order.cursor):
		if p.more {
			hole = 0
		}
		p.at, p.from, p.failures, p.more = now.Add(hole), w.order.cursor, 0, false
	}
}

// told takes in where the service says that the topic stands, after all that the answer
// brought. It is false if that was nothing of what is missing.
func (w *watch) told(head events.Cursor) bool {
	w.probe.untold = false
	w.order.learn(head)
	if w.order.behind() && w.order.cursor == w.probe.from {
		return false
	}
	w.probe.more = w.order.lacks()
	return true
}
