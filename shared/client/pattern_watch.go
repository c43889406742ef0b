package client

import (
	"cmp"
	"time"

	"github.com/watchroute/watchroute/events"
)

// patternWatch is the watch of a pattern: a watch of each of its topics, which come in as the
// service names them or a change of theirs arrives. It subscribes for them all.
type patternWatch struct {
	pattern events.Topic
	o       WatchOptions
	*eventQueue

	topics  map[events.Topic]*watch
	all     []*watch // the same, in the order in which they came in
	first   int      // whose turn it is to hand out before the others
	known   bool     // the service has said where the topics stand
	more    bool     // it has not named them all
	older   bool     // it had not named them all when the watch began
	joined  bool     // subscribed on the connection in use
	viewID  string   // what the topics are seen in; empty before that is known
	attempt attempt  // to subscribe
	probe   probe    // for topics that are new

	setbacks setbacks
}

func newPatternWatch(pattern events.Topic, o WatchOptions) *patternWatch {
	return &patternWatch{pattern: pattern, o: o, eventQueue: newEventQueue(), topics: map[events.Topic]*watch{}}
}

func (f *patternWatch) queue() *eventQueue { return f.eventQueue }
func (f *patternWatch) members() []*watch  { return f.all }

// pump hands out what is due of all topics: first events, then changes. The topic that has
// taken the last room comes last the next time, and one that has found none comes first.
func (f *patternWatch) pump() bool {
	for _, w := range f.all {
		if !w.greet() {
			return false
		}
	}
	for range f.all {
		w := f.all[f.first%len(f.all)]
		before := w.order.cursor
		done := w.pump()
		if done || w.order.cursor != before {
			f.first++
		}
		if !done {
			return false
		}
	}
	return true
}

// begin adds the pattern watch, unless a topic of it may be watched in another view.
func (f *patternWatch) begin(e *engine) {
	if e.seesOtherwise(f.pattern, f.o) {
		f.fail(ErrOtherView)
		return
	}
	e.patterns = append(e.patterns, f)
}

// about adds to a request what the pattern watch is to see.
func (f *patternWatch) about(r events.Request) *events.Request {
	r.Topic = string(f.pattern)
	return f.o.about(r)
}

// adopt takes a topic in that the pattern watch does not have yet.
func (f *patternWatch) adopt(e *engine, topic events.Topic) *watch {
	o := f.o
	o.After, o.Cursors = nil, nil
	w := &watch{topic: topic, o: o, pattern: f, eventQueue: f.eventQueue, joined: f.joined}
	f.topics[topic], f.all = w, append(f.all, w)
	e.add(w)
	return w
}

// meet takes in the topic of a change. One that the service has not named, though it has
// named all, has come into being since, and is watched from its first change on. What
// comes before the topics are named waits for that.
func (f *patternWatch) meet(e *engine, c events.Change) {
	if f.topics[c.Topic] != nil || !f.pattern.Matches(c.Topic) {
		return
	}
	w := f.adopt(e, c.Topic)
	switch {
	case !f.known:
	case f.more:
		w.start(events.Cursor{Epoch: c.Epoch, Seq: c.Seq - 1})
	default:
		w.start(events.Cursor{Epoch: c.Epoch})
	}
}

// start has a topic of a pattern watch be watched after a cursor.
func (w *watch) start(at events.Cursor) {
	w.order.begin(at)
	w.pump()
}

// subscribed takes in where the topics stand.
func (f *patternWatch) subscribed(e *engine, s *events.Subscribed) {
	view := cmp.Or(s.View, events.WholeView)
	changed := f.viewID != "" && f.viewID != view
	f.older = f.older || !f.known && s.More
	f.joined, f.viewID, f.more = true, view, s.More
	for _, w := range f.all {
		w.joined = true
	}
	if !f.known {
		f.startGiven(e)
	}
	f.learnHeads(e, s.Cursors)
	f.known = true
	for _, w := range f.all {
		switch {
		case changed:
			w.startOver(events.ResetView)
		case !w.order.started && !w.restarting:
			w.start(f.origin(w))
		}
	}
	f.pump()
}

// startGiven begins the topics whose cursors the consumer has given. A ping asks for
// them, as the service may not name them all.
func (f *patternWatch) startGiven(e *engine) {
	for topic, cursor := range f.o.Cursors {
		if topic == f.pattern || !f.pattern.Matches(topic) {
			continue
		}
		w := f.topics[topic]
		if w == nil {
			w = f.adopt(e, topic)
		}
		w.start(cursor)
		w.probe.due = time.Now()
	}
}

// origin is where a topic begins that the service has not named but of which a change has
// come: before its first, or before that change if not all topics were named.
func (f *patternWatch) origin(w *watch) events.Cursor {
	at := events.Cursor{Epoch: w.order.epoch}
	if _, earliest, ok := w.order.early.Min(); f.more && ok {
		at.Seq = earliest.Seq - 1
	}
	return at
}

// learnHeads notes where topics stand: known ones learn it, new ones begin.
func (f *patternWatch) learnHeads(e *engine, cursors map[events.Topic]string) {
	for topic, text := range cursors {
		head, err := events.ParseCursor(text)
		if err != nil || topic == f.pattern || !f.pattern.Matches(topic) {
			continue
		}
		w := f.topics[topic]
		if w == nil {
			w = f.adopt(e, topic)
		}
		if !w.order.started {
			f.startNamed(w, head)
		}
		w.order.learn(head)
		w.probe.due = time.Time{}
	}
}

// startNamed starts a topic that the service has named: with its items if the consumer wants them;
// from now on if it may have been there when the watch began; and if it is new since then, or
// to the consumer, with its first change.
func (f *patternWatch) startNamed(w *watch, head events.Cursor) {
	switch {
	case f.o.Snapshot:
		w.startOver("")
	case f.o.Cursors == nil && (!f.known || f.older):
		w.start(head)
	default:
		w.start(events.Cursor{Epoch: head.Epoch})
	}
}

// learn takes in the answer to a ping: topics that are new, and whether the pattern is
// subscribed still. It is true if there was nothing to learn.
func (f *patternWatch) learn(e *engine, pong *events.Pong) bool {
	_, named := pong.Cursors[f.pattern]
	switch f.probe.untold = false; {
	case !named && pong.More:
		f.probe.untold = true
		return true
	case !named:
		e.lostPattern(f, time.Now())
		return false
	}
	before := len(f.all)
	f.probe.failures, f.more = 0, pong.More
	f.learnHeads(e, pong.Cursors)
	return len(f.all) == before
}
