package client

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
)

// follow is a topic that is followed.
type follow struct {
	topic  events.Topic
	asked  events.Request // what the engine has subscribed with
	seen   string         // the mark of what is seen
	cursor events.Cursor  // the changes up to it were handed on

	of   *pattern      // that the topic is of; nil if it is followed by itself
	head events.Cursor // of a pattern's topic: where the service says that it stands
	lost bool          // of a pattern's topic: the changes after the cursor cannot be told

	stream *stream   // that is to bring it; nil if there is none
	since  time.Time // when it was left without one

	polling bool      // a poll is under way
	pollAt  time.Time // when to poll
	vain    int       // polls in a row that have brought nothing, and at once
}

// request asks for what comes after the cursor.
func (f *follow) request() events.Request {
	r := f.asked
	r.After, r.View = f.cursor.String(), f.seen
	return r
}

// view is the same for topics that can share a stream.
func (f *follow) view() string {
	query, _ := viewQuery(f.asked) // which the service has understood
	return query.Encode()
}

// brought reports whether a stream brings the topic.
func (f *follow) brought() bool { return f.stream != nil && f.stream.begun }

// leave has a topic be without a stream. It is polled if there is none again soon.
func (f *follow) leave(now time.Time) {
	f.stream, f.since, f.pollAt = nil, now, now.Add(coverPause)
}

// follow has a topic be followed from a cursor. One that is followed already in the same way goes
// on from where it is.
func (x *exchange) follow(r events.Request, at events.Cursor, mark string) *follow {
	now := time.Now()
	f := &follow{topic: events.Topic(r.Topic), asked: r, seen: cmp.Or(mark, events.WholeView), cursor: at, since: now, pollAt: now}
	old := x.follows[f.topic]
	if old != nil && old.view() == f.view() && old.seen == f.seen && old.cursor.Epoch == at.Epoch && old.cursor.Seq >= at.Seq {
		return old
	}
	if x.streaming(now) {
		f.pollAt = now.Add(coverPause)
	}
	x.follows[f.topic] = f
	return f
}

// lapse has the engine subscribe to a topic again, as it cannot be followed as it is. One of a
// pattern is followed from where it stands, and the engine asks for what it misses.
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

// bring hands changes of a topic on.
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

// arrange opens streams and polls as they are due, and gives when it is to be called again.
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

// setMode says what the exchange uses.
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

// pausing gives the pause after some failures in a row, of which an error is the last: a random
// part of a time that doubles with each, but not less than the service wants.
func (x *exchange) pausing(err error) func(failures int) time.Duration {
	return func(failures int) time.Duration {
		return max(pauseOf(err), rand.N(min(firstBackoff<<min(failures, 16), x.o.MaxBackoff))+time.Millisecond)
	}
}

// inOrder gives topics by a time, and then by their names.
func inOrder(follows []*follow, at func(*follow) time.Time) []*follow {
	slices.SortFunc(follows, func(a, b *follow) int {
		return cmp.Or(at(a).Compare(at(b)), strings.Compare(string(a.topic), string(b.topic)))
	})
	return follows
}
