package client

import (
	"time"

	"github.com/watchroute/watchroute/events"
)

// reset takes in that what a watch misses cannot be told. In the answer to a
// subscribe the snapshot follows; after a ping it has to be subscribed for, with the
// cursor that was refused. After an auth, Authorized says the same.
func (e *engine) reset(f *events.Reset) {
	r := e.requests[f.ID]
	if r == nil {
		return
	}
	if r.watch != nil {
		r.watch.reason, r.watch.bookmark = f.Reason, ""
		return
	}
	now := time.Now()
	for _, w := range e.watches {
		if w.topic != f.Topic || !w.joined || w.order.cursor.String() != r.frame.Cursors[string(f.Topic)] {
			continue
		}
		if w.pattern != nil {
			w.startOver(f.Reason)
		} else {
			w.joined = false
		}
		e.setBack(w, now)
	}
}

// snapshot hands a page on if it is the one that is due. A page that comes after a
// lost one, or for which the consumer has no room, is asked for again.
func (e *engine) snapshot(f *events.Snapshot) {
	r := e.requests[f.ID]
	if r == nil || r.by() == nil {
		return
	}
	r.deadline = time.Now().Add(e.o.AnswerTime)
	w := r.watch
	if r.pattern != nil {
		w = r.pattern.awaits(f.Topic)
	}
	if w != nil && f.From == w.bookmark {
		again := w.greeted || w.o.After != nil
		w.starved = !w.turnPage(f)
		if again && f.From == "" && !w.starved {
			e.client.stats.count(func(s *Stats) { s.Resets++ })
		}
	}
	if !f.More && string(f.Topic) == r.frame.Topic {
		e.answered(f.ID)
		if r.pattern != nil && !r.subscribed { // where its topics stand was lost
			r.pattern.attempt.notBefore = r.pattern.setbacks.next(time.Now(), e)
		}
	}
	if w != nil {
		w.pump()
	}
}

// awaits gives the watch of a topic if its items are due; else nil. The subscribe to a pattern
// brings the first items of many topics. The others are asked for topic by topic after that.
func (f *patternWatch) awaits(topic events.Topic) *watch {
	w := f.topics[topic]
	if w == nil || !w.restarting && !w.order.held {
		return nil
	}
	return w
}

// turnPage gives the consumer a page; false if there is no room.
func (w *watch) turnPage(f *events.Snapshot) bool {
	page := &Page{First: f.From == "", Last: f.Next == "", Items: f.Items, Costly: f.Costly}
	event := Event{Page: page}
	if page.First {
		page.Reason = w.reason
	}
	if page.Last {
		event.Cursor = f.Cursor
	}
	if !w.give(event, eventsKept) {
		return false
	}
	if page.First {
		w.order.begin(f.Cursor)
		w.viewID = w.next
	}
	w.joined, w.greeted, w.restarting, w.order.held, w.bookmark = true, true, false, !page.Last, f.Next
	if page.Last {
		w.reason, w.restarts = "", 0
	}
	return true
}

// beginAgain has a snapshot that cannot go on begin again, later each time.
func (e *engine) beginAgain(w *watch, now time.Time) {
	w.bookmark = ""
	w.attempt = attempt{notBefore: now.Add(e.backoff(w.restarts))}
	w.restarts++
}

// startOver has a watch that does not subscribe for itself ask for the topic's items.
func (w *watch) startOver(reason events.ResetReason) {
	w.restarting, w.reason, w.bookmark = true, reason, ""
}
