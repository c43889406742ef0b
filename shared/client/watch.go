package client

import (
	"context"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/watchroute/watchroute/events"
)

// eventsKept is how many events wait for the consumer, besides changes in order.
const eventsKept = 64

// Event is one step of a watch.
type Event struct {
	// Cursor is where the watch stands now: keep it, and a later watch goes on from
	// it with [WatchOptions].After. It is zero while a snapshot is not complete.
	Cursor events.Cursor
	// Change is what happened to one item.
	Change *events.Change
	// Page is a part of the topic's items.
	Page *Page
	// An event with neither is the first of a watch that does not begin with a
	// snapshot: from Cursor on it sees everything.
}

// Page is a part of a topic's items, in the order of their ids.
type Page struct {
	// First says to forget what was known of the topic: its items follow.
	First bool
	// Last says that the items are complete.
	Last bool
	// Reason, on a first page that was not asked for, is why the watch had to start
	// over; empty if the service's word for it was lost on the way.
	Reason events.ResetReason
	Items  []events.Item
}

// WatchOptions say where a watch begins. The zero value means from now on.
type WatchOptions struct {
	// After goes on from a cursor: the changes after it come first. If they cannot be
	// told any more, the topic's items come instead.
	After *events.Cursor
	// Snapshot begins with the topic's items. It is ignored with After.
	Snapshot bool
}

// Watch watches a topic for as long as the loop over it runs:
//
//	for event, err := range c.Watch(ctx, "stocks/AAPL", client.WatchOptions{Snapshot: true}) {
//		switch {
//		case err != nil:
//			return err
//		case event.Page != nil:
//			…
//		case event.Change != nil:
//			…
//		}
//	}
//
// Every change comes once, in the order of its seq, with none left out between two
// pages that are First. Leaving the loop ends the watch. It ends by itself with an
// error, which comes last: that of ctx, [ErrClosed] or whatever ended the client, or an
// [*events.Error] that says what the service refuses. Several watches of one topic
// each see all of it.
func (c *Client) Watch(ctx context.Context, topic events.Topic, o WatchOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if _, err := events.ParseTopic(string(topic)); err != nil {
			yield(Event{}, &events.Error{Code: events.CodeBadTopic, Message: err.Error(), Topic: string(topic)})
			return
		}
		w := &watch{topic: topic, o: o, out: make(chan Event, eventsKept), ended: make(chan struct{})}
		if !c.do(func(e *engine) { e.add(w) }) {
			yield(Event{}, c.err)
			return
		}
		defer c.do(func(e *engine) { e.leave(w) })
		for {
			event, err := w.receive(ctx)
			if err == nil && len(w.out) == 0 && w.waits.CompareAndSwap(true, false) {
				c.do(func(*engine) { w.pump() })
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// watch is one watch. It belongs to the engine, but for out, waits, ended and err.
type watch struct {
	topic events.Topic
	o     WatchOptions
	out   chan Event
	waits atomic.Bool   // the engine waits for the consumer to take all of out
	ended chan struct{} // closed when nothing follows what is in out
	err   error         // why; valid after ended

	order  order
	joined bool // subscribed on the connection in use
	turn   turn // to subscribe, or to ask for the rest of a snapshot

	greeted bool               // the first event was given
	reason  events.ResetReason // of the snapshot that is due or under way
	place   string             // where that goes on; empty before its first page
	starved bool               // its next page came, and there was no room for it

	healAt time.Time // when to ask for what is missing; zero if nothing is
	heals  int       // asked for, without success, in a row
}

// receive waits for the next event. What was given before the end comes before it.
func (w *watch) receive(ctx context.Context) (Event, error) {
	if err := ctx.Err(); err != nil {
		return Event{}, err
	}
	select {
	case event := <-w.out:
		return event, nil
	case <-ctx.Done():
		return Event{}, ctx.Err()
	case <-w.ended:
	}
	select {
	case event := <-w.out:
		return event, nil
	default:
		return Event{}, w.err
	}
}

// push gives the consumer an event, if there is room.
func (w *watch) push(event Event) bool {
	for {
		select {
		case w.out <- event:
			return true
		default:
		}
		if !w.drained() {
			return false
		}
	}
}

// drained reports whether the consumer has taken all. If not, it has the engine pump
// when it has.
func (w *watch) drained() bool {
	if len(w.out) == 0 {
		return true
	}
	w.waits.Store(true)
	return len(w.out) == 0 && w.waits.CompareAndSwap(true, false)
}

// pump hands out the changes that are due.
func (w *watch) pump() {
	for {
		c, ok := w.order.next()
		if !ok || !w.push(Event{Cursor: c.Cursor(), Change: &c}) {
			return
		}
		w.order.advance(c)
	}
}

func (w *watch) fail(err error) {
	w.err = err
	close(w.ended)
}

// request is what a watch has to ask for now, nil if nothing.
func (w *watch) request() *events.Request {
	switch {
	case w.starved && !w.drained():
		return nil
	case !w.joined && w.order.started:
		return &events.Request{Action: events.ActionSubscribe, Topic: string(w.topic), After: w.order.cursor.String()}
	case !w.joined:
		return &events.Request{Action: events.ActionSubscribe, Topic: string(w.topic), Snapshot: w.o.Snapshot}
	case w.order.held && w.drained():
		return &events.Request{Action: events.ActionSnapshot, Topic: string(w.topic), Next: w.place}
	}
	return nil
}

// wakeAt is when the watch has something to ask.
func (w *watch) wakeAt() time.Time {
	if !w.turn.asked && w.request() != nil {
		return w.turn.notBefore
	}
	return w.healAt
}

// startOver has a snapshot that cannot go on begin again.
func (w *watch) startOver() {
	w.place = ""
	w.turn = turn{}
}

// add begins a watch.
func (e *engine) add(w *watch) {
	w.order.maxCount, w.order.maxBytes = e.o.Buffer, e.o.BufferBytes
	if w.o.After != nil {
		w.order.begin(*w.o.After)
	}
	e.watches = append(e.watches, w)
}

// leave ends a watch, and the subscription if it was the topic's last watch.
func (e *engine) leave(w *watch) {
	if !slices.Contains(e.watches, w) {
		return
	}
	e.remove(w)
	others := slices.ContainsFunc(e.watches, func(o *watch) bool { return o.topic == w.topic })
	if e.link != nil && !others {
		e.write(events.Request{Action: events.ActionUnsubscribe, Topic: string(w.topic)})
	}
}

// remove forgets a watch with what it has asked for.
func (e *engine) remove(w *watch) {
	e.watches = slices.DeleteFunc(e.watches, func(o *watch) bool { return o == w })
	for id, r := range e.requests {
		if r.watch == w {
			delete(e.requests, id)
		}
	}
}

// ask sends what a watch has to ask for, if it is time.
func (e *engine) ask(w *watch, now time.Time) {
	if !w.turn.due(now) {
		return
	}
	if frame := w.request(); frame != nil {
		e.send(&request{frame: *frame, watch: w}, now)
	}
}

// subscribed takes in that a watch is subscribed. Where a snapshot is due, the first
// page says so, and the request stays outstanding until the last has come.
func (e *engine) subscribed(f *events.Subscribed) {
	r := e.requests[f.ID]
	if r == nil || r.watch == nil {
		return
	}
	w := r.watch
	switch {
	case r.frame.After != "" && f.Recovered:
		if w.order.cursor == (events.Cursor{}) {
			w.order.adopt(f.Epoch)
		}
		w.order.learn(f.Cursor)
	case r.frame.After != "" || r.frame.Snapshot:
		return
	default:
		w.order.begin(f.Cursor)
	}
	w.joined = true
	e.answered(f.ID)
	w.greet()
	w.pump()
}

// greet gives the first event of a watch that does not begin with a snapshot.
func (w *watch) greet() {
	if !w.greeted && !w.order.held {
		w.greeted = w.push(Event{Cursor: w.order.cursor})
	}
}

// reset takes in that what a watch misses cannot be told. In the answer to a
// subscribe the snapshot follows; after a ping it has to be subscribed for, with the
// cursor that was refused.
func (e *engine) reset(f *events.Reset) {
	r := e.requests[f.ID]
	if r == nil {
		return
	}
	if r.watch != nil {
		r.watch.reason, r.watch.place = f.Reason, ""
		return
	}
	for _, w := range e.watches {
		if w.topic == f.Topic && w.joined && w.order.cursor.String() == r.frame.Cursors[string(f.Topic)] {
			w.joined = false
		}
	}
}

// snapshot hands a page on if it is the one that is due. A page that comes after a
// lost one, or for which the consumer has no room, is asked for again.
func (e *engine) snapshot(f *events.Snapshot) {
	r := e.requests[f.ID]
	if r == nil || r.watch == nil {
		return
	}
	r.deadline = time.Now().Add(e.o.AnswerTime)
	if w := r.watch; f.From == w.place {
		again := w.greeted || w.o.After != nil
		w.starved = !w.turnPage(f)
		if again && f.From == "" && !w.starved {
			e.client.stats.count(func(s *Stats) { s.Resets++ })
		}
	}
	if !f.More {
		e.answered(f.ID)
	}
	r.watch.pump()
}

// turnPage gives the consumer a page; false if there is no room.
func (w *watch) turnPage(f *events.Snapshot) bool {
	page := &Page{First: f.From == "", Last: f.Next == "", Items: f.Items}
	event := Event{Page: page}
	if page.First {
		page.Reason = w.reason
	}
	if page.Last {
		event.Cursor = f.Cursor
	}
	if !w.push(event) {
		return false
	}
	if page.First {
		w.order.begin(f.Cursor)
	}
	w.joined, w.greeted, w.order.held, w.place = true, true, !page.Last, f.Next
	if page.Last {
		w.reason = ""
	}
	return true
}
