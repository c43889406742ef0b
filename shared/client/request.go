package client

import (
	"errors"
	"slices"
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
	watch       *watch        // of a subscribe and a snapshot
	pattern     *patternWatch // of a subscribe to a pattern
	subscribed  bool          // a subscribe was carried out, and a snapshot follows
	departure   *departure    // of an unsubscribe, and of a subscribe that nobody waits for any more
	publication *publication  // of a publish
	renewal     *attempt      // of an auth
	inquiry     *inquiry      // of a ping
}

// attempt is when something may be asked for next: not while a request is outstanding, and after a
// pause if earlier ones failed.
type attempt struct {
	asked     bool      // a request is outstanding
	notBefore time.Time // a pause after failures
	failures  int       // in a row
}

func (a *attempt) due(now time.Time) bool { return !a.asked && !now.Before(a.notBefore) }

// question is a request that is due, and since when; zero if it has not been asked before.
type question struct {
	since time.Time
	*request
}

// ask sends what is due, as far as the pace allows it: what has waited longest comes first.
func (e *engine) ask(now time.Time) {
	if !e.pace.allows(now) {
		return
	}
	e.beginRound(now)
	due := e.due(now)
	slices.SortStableFunc(due, func(a, b question) int { return a.since.Compare(b.since) })
	for _, q := range due {
		if !e.pace.allows(now) {
			return
		}
		e.send(q.request, now)
	}
}

// due gives what is due.
func (e *engine) due(now time.Time) (all []question) {
	for _, d := range e.departures {
		if d.ready() && d.due(now) {
			frame := events.Request{Action: events.ActionUnsubscribe, Topic: string(d.topic)}
			all = append(all, question{d.notBefore, &request{frame: frame, departure: d}})
		}
	}
	busy := e.busy()
	for _, f := range e.patterns {
		if !f.joined && f.attempt.due(now) && busy.claim(f.pattern) {
			frame := f.about(events.Request{Action: events.ActionSubscribe, Snapshot: f.o.Snapshot && !f.known})
			all = append(all, question{f.attempt.notBefore, &request{frame: *frame, pattern: f}})
		}
	}
	free := e.pagesFree()
	for _, w := range e.watches {
		if !w.attempt.due(now) || !free.has(w) {
			continue
		}
		if frame := w.request(); frame != nil && (frame.Action != events.ActionSubscribe || busy.claim(w.topic)) {
			free.take(w)
			all = append(all, question{w.attempt.notBefore, &request{frame: *frame, watch: w}})
		}
	}
	for _, p := range e.sendable() {
		if p.due(now) {
			all = append(all, question{p.notBefore, &request{frame: p.frame, publication: p}})
		}
	}
	return append(all, e.pings(now)...)
}

// busy are topics and patterns about which a request is under way that the next one must not
// overtake.
type busy map[events.Topic]bool

func (e *engine) busy() busy {
	b := busy{}
	for _, d := range e.departures {
		b[d.topic] = true
	}
	for _, r := range e.requests {
		if r.frame.Action == events.ActionSubscribe && !r.subscribed {
			b[events.Topic(r.frame.Topic)] = true
		}
	}
	return b
}

// claim has a topic be busy, unless it is.
func (b busy) claim(topic events.Topic) bool {
	taken := !b[topic]
	b[topic] = true
	return taken
}

// holds reports whether a request has to wait.
func (b busy) holds(r *events.Request) bool {
	return r.Action == events.ActionSubscribe && b[events.Topic(r.Topic)]
}

// askAt is when something is due that may be sent then.
func (e *engine) askAt(now time.Time) time.Time {
	at := e.pingAt
	if !e.pingDue.IsZero() {
		at = e.pingDue
	}
	sooner := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	for _, d := range e.departures {
		if d.ready() {
			sooner(d.notBefore)
		}
	}
	busy := e.busy()
	for _, f := range e.patterns {
		if !f.joined && !f.attempt.asked && !busy[f.pattern] {
			sooner(f.attempt.notBefore)
		}
		if ping := f.pingAt(); !ping.IsZero() {
			sooner(ping)
		}
	}
	free := e.pagesFree()
	for _, w := range e.watches {
		if !w.attempt.asked && free.has(w) {
			if frame := w.request(); frame != nil && !busy.holds(frame) {
				sooner(w.attempt.notBefore)
			}
		}
		if ping := w.pingAt(); !ping.IsZero() {
			sooner(ping)
		}
	}
	for _, p := range e.sendable() {
		if !p.asked {
			sooner(p.notBefore)
		}
	}
	for _, t := range []time.Time{e.pace.open, now} {
		if at.Before(t) {
			at = t
		}
	}
	return at
}

// pagesAtOnce is of how many topics of a pattern the items are asked for at once: the
// consumer's events have no room for those of all.
const pagesAtOnce = 8

// pagesFree is of how many more topics of a pattern the items may be asked for.
type pagesFree map[*patternWatch]int

func (e *engine) pagesFree() pagesFree {
	free := pagesFree{}
	for _, f := range e.patterns {
		free[f] = pagesAtOnce
	}
	for _, r := range e.requests {
		if r.watch != nil {
			free.take(r.watch)
		}
	}
	return free
}

func (p pagesFree) has(w *watch) bool { return w.pattern == nil || p[w.pattern] > 0 }

func (p pagesFree) take(w *watch) {
	if w.pattern != nil {
		p[w.pattern]--
	}
}

// send writes a request and notes that it is outstanding.
func (e *engine) send(r *request, now time.Time) {
	e.lastID++
	r.frame.ID = strconv.Itoa(e.lastID)
	if r.publication == nil {
		r.frame.Order = int64(e.lastID)
	}
	r.sentAt, r.deadline = now, now.Add(e.o.AnswerTime)
	if t := r.attempt(); t != nil {
		t.asked = true
	}
	if r.inquiry != nil {
		e.pinged(r, now)
	}
	e.pace.spend(now)
	e.requests[r.frame.ID] = r
	e.write(r.frame)
}

func (e *engine) write(frame events.Request) {
	if err := e.link.write(frame); err != nil {
		e.o.Logger.Warn("request not sent", "action", frame.Action, "err", err) // its deadline passes
	}
}

// answered takes a request off the outstanding ones; nil if it is not among them,
// such as one that was asked on a connection before.
func (e *engine) answered(id string) *request {
	r := e.requests[id]
	delete(e.requests, id)
	if r == nil {
		return nil
	}
	e.pace.ease(r.sentAt)
	if t := r.attempt(); t != nil {
		*t = attempt{}
	}
	return r
}

// attempt is that of what was asked for; nil for a ping, and if nobody waits for the answer any more.
func (r *request) attempt() *attempt {
	switch {
	case r.watch != nil:
		return &r.watch.attempt
	case r.pattern != nil:
		return &r.pattern.attempt
	case r.publication != nil:
		return &r.publication.attempt
	case r.departure != nil && r.frame.Action == events.ActionUnsubscribe:
		return &r.departure.attempt
	}
	return r.renewal
}

// by is whose watch a request is of; nil for other requests.
func (r *request) by() watched {
	switch {
	case r.pattern != nil:
		return r.pattern
	case r.watch == nil:
		return nil
	case r.watch.pattern != nil:
		return r.watch.pattern
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
		if r.departure != nil {
			r.departure.unanswered(r)
			continue
		}
		e.again(r, now)
	}
}

// again has a request that failed be asked once more, after a pause.
func (e *engine) again(r *request, now time.Time) {
	if r.inquiry != nil {
		e.unanswered(r, now)
		return
	}
	r.attempt().retry(now, e.backoff)
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
