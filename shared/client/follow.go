package client

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
)

// follow is the state of a topic that the exchange follows.
type follow struct {
	topic  events.Topic
	asked  events.Request // the engine's subscribe
	seen   string         // the id of the view that the client may see
	cursor events.Cursor  // the changes up to it were handed on

	of   *pattern      // the pattern that the topic belongs to; nil if it is followed by itself
	head events.Cursor // for a pattern's topic: its last cursor that the service has named
	lost bool          // for a pattern's topic: the changes after the cursor are not available

	stream *stream   // the stream that shall bring it; nil if there is none
	since  time.Time // since when it has had no stream

	polling bool      // a poll is under way
	pollAt  time.Time // when to poll
	vain    int       // polls in a row that came back at once and empty
}

// request asks for the changes after the cursor.
func (f *follow) request() events.Request {
	r := f.asked
	r.After, r.View = f.cursor.String(), f.seen
	return r
}

// streamKey gives the same text for topics that can share a stream.
func (f *follow) streamKey() string {
	query, _ := viewQuery(f.asked) // viewQuery has accepted it before
	return query.Encode()
}

// brought reports whether a stream brings the topic.
func (f *follow) brought() bool { return f.stream != nil && f.stream.begun }

// leave removes a topic from its stream. The topic is polled if it gets no other stream soon.
func (f *follow) leave(now time.Time) {
	f.stream, f.since, f.pollAt = nil, now, now.Add(coverPause)
}

// follow begins to follow a topic from a cursor. A topic that is followed already in the same way
// keeps its cursor.
func (x *exchange) follow(r events.Request, at events.Cursor, viewID string) *follow {
	now := time.Now()
	f := &follow{topic: events.Topic(r.Topic), asked: r, seen: cmp.Or(viewID, events.WholeView), cursor: at, since: now, pollAt: now}
	old := x.follows[f.topic]
	if old != nil && old.streamKey() == f.streamKey() && old.seen == f.seen && old.cursor.Epoch == at.Epoch && old.cursor.Seq >= at.Seq {
		return old
	}
	if x.streaming(now) {
		f.pollAt = now.Add(coverPause)
	}
	x.follows[f.topic] = f
	return f
}

// lapse makes the engine subscribe to a topic again, because it cannot be followed in this way. A
// pattern's topic is instead followed from its current cursor, and the engine asks for what it
// misses.
func (x *exchange) lapse(f *follow) {
	if f.of != nil {
		f.lost = true
		return
	}
	if x.follows[f.topic] == f {
		delete(x.follows, f.topic)
		x.give(incoming{lapsed: f.topic})
	}
}

// bring hands changes of a topic to the engine.
func (x *exchange) bring(f *follow, changes []events.Change) {
	if len(changes) == 0 {
		return
	}
	if x.answer(&events.Changes{Changes: changes}); f.lost {
		return
	}
	for _, c := range changes {
		to := c.Cursor()
		switch {
		case f.cursor == (events.Cursor{}) || to.Epoch == f.cursor.Epoch && to.Seq > f.cursor.Seq:
			f.cursor = to
		case to.Epoch != f.cursor.Epoch:
			x.lapse(f)
			return
		}
	}
}

// arrange opens streams and polls that are due, and gives the time of its next call.
func (x *exchange) arrange(now time.Time) time.Time {
	x.setMode(now)
	x.leaveStreams()
	next := sooner(x.openPolls(now), x.openLooks(now))
	if x.streaming(now) {
		next = sooner(next, sooner(x.openStreams(now), x.openPatterns(now)))
	} else if x.streams.blocked.After(now) {
		next = sooner(next, x.streams.blocked)
	}
	return next
}

// setMode records which transport the exchange uses.
func (x *exchange) setMode(now time.Time) {
	mode := LongPoll
	if x.streaming(now) {
		mode = ServerSentEvents
	}
	x.mode.Store(mode)
}

func sooner(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pausing gives the function that computes the pause after failures in a row; err is the last of
// them. The pause is a random part of a time that doubles with each failure, and at least what the
// service asks for.
func (x *exchange) pausing(err error) func(failures int) time.Duration {
	return func(failures int) time.Duration {
		return max(pauseOf(err), rand.N(min(firstBackoff<<min(failures, 16), x.o.MaxBackoff))+time.Millisecond)
	}
}

// inOrder sorts topics by a time, and then by their names.
func inOrder(follows []*follow, at func(*follow) time.Time) []*follow {
	slices.SortFunc(follows, func(a, b *follow) int {
		return cmp.Or(at(a).Compare(at(b)), strings.Compare(string(a.topic), string(b.topic)))
	})
	return follows
}
