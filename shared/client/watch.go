package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/watchroute/watchroute/events"
)

// eventsKept is how many events wait for the consumer, besides changes in order.
const eventsKept = 64

// Event is one step of a watch. One without Change and Page says only where the watch
// stands. So begins a watch without a snapshot, which misses nothing after Cursor; later
// it means that changes up to Cursor are not for this watch to see.
type Event struct {
	// Cursor is where the watch stands now: keep it, and a later watch goes on from
	// it with [WatchOptions].After. It is zero while a snapshot is not complete.
	Cursor events.Cursor
	// Change is what happened to one item; never one that is Skipped.
	Change *events.Change
	// Page is a part of the topic's items.
	Page *Page
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
	// After goes on from a cursor, which is of a watch with the same Filter and Fields:
	// the changes after it come first. If they cannot be told any more, the topic's items
	// come instead.
	After *events.Cursor
	// Snapshot begins with the topic's items. It is ignored with After.
	Snapshot bool
	// Filter, an EventBridge event pattern on the items' data, shows only the items that
	// match: one that begins to is added, one that ceases to is removed. Default: all.
	Filter json.RawMessage
	// Fields shows only these members of the items' data. Default: all.
	Fields []string
	// Delta lets a change that modifies an item carry a Patch instead of Data. It is
	// ignored without After and Snapshot, as there is no state to patch then.
	//
	// A patch is on the item's state after its last change or in the last snapshot, as
	// Filter, Fields and token show it. The consumer must keep that, with After from the
	// watch before; as changes come in order, patches add up. A snapshot may be ahead of
	// its cursor, though. Patches that an item already has come again, which is right
	// after the last of them. A patch of an item that is not there, or is Large, is to be
	// passed over: the change that made it so follows. Under a later token that shows
	// other parts of the data, patches do not add up until there is Data again.
	Delta bool
}

// sameView reports whether two watches of a topic can share its subscription.
func (o WatchOptions) sameView(other WatchOptions) bool {
	return bytes.Equal(o.Filter, other.Filter) && slices.Equal(o.Fields, other.Fields) && o.Delta == other.Delta
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
// Every change that Filter, Fields and the token show comes once, in the order of its
// seq, with none left out between two pages that are First. Leaving the loop ends the watch. It ends by itself with an
// error, which comes last: that of ctx, [ErrClosed] or whatever ended the client, or an
// [*events.Error] that says what the service refuses: its code is CodeForbidden if the
// token does not allow the watch, or a later one not any more. Several watches of one
// topic each see all of it; they must have the same Filter, Fields and Delta, as they
// share one subscription, or the later is refused with [ErrOtherView].
func (c *Client) Watch(ctx context.Context, topic events.Topic, o WatchOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w, err := newWatch(topic, o)
		if err == nil && !c.do(func(e *engine) { e.add(w) }) {
			err = c.err
		}
		if err != nil {
			yield(Event{}, err)
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
	joined bool   // subscribed on the connection in use
	view   string // what its cursor was seen in; empty before that is known
	next   string // the same of the snapshot that is due
	turn   turn   // to subscribe, or to ask for the rest of a snapshot

	greeted bool               // the first event was given
	reason  events.ResetReason // of the snapshot that is due or under way
	place   string             // where that goes on; empty before its first page
	starved bool               // its next page came, and there was no room for it

	healAt time.Time // when to ask for what is missing; zero if nothing is
	heals  int       // asked for, without success, in a row
}

// newWatch refuses what the service would not understand.
func newWatch(topic events.Topic, o WatchOptions) (*watch, error) {
	if _, err := events.ParseTopic(string(topic)); err != nil {
		return nil, &events.Error{Code: events.CodeBadTopic, Message: err.Error(), Topic: string(topic)}
	}
	o.Filter, o.Fields = slices.Clone(o.Filter), slices.Clone(o.Fields)
	o.Delta = o.Delta && (o.Snapshot || o.After != nil)
	w := &watch{topic: topic, o: o, out: make(chan Event, eventsKept), ended: make(chan struct{})}
	if o.After != nil {
		w.order.begin(*o.After)
	}
	return w, checkSize(*w.about(events.Request{Action: events.ActionSubscribe}), events.CodeBadRequest)
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
	for c, ok := w.order.next(); ok && w.push(step(c)); c, ok = w.order.next() {
		w.order.advance(c)
	}
}

// step is what a change is to the consumer.
func step(c events.Change) Event {
	if c.Op == events.Skipped {
		return Event{Cursor: c.Cursor()}
	}
	return Event{Cursor: c.Cursor(), Change: &c}
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
		return w.about(events.Request{Action: events.ActionSubscribe, After: w.order.cursor.String(), View: w.view})
	case !w.joined:
		return w.about(events.Request{Action: events.ActionSubscribe, Snapshot: w.o.Snapshot})
	case w.order.held && w.drained():
		return w.about(events.Request{Action: events.ActionSnapshot, Next: w.place})
	}
	return nil
}

// about adds to a request what the watch is to see.
func (w *watch) about(r events.Request) *events.Request {
	r.Topic, r.Filter, r.Fields, r.Delta = string(w.topic), w.o.Filter, w.o.Fields, w.o.Delta
	return &r
}

// wakeAt is when the watch has something to ask.
func (w *watch) wakeAt() time.Time {
	if !w.turn.asked && w.request() != nil {
		return w.turn.notBefore
	}
	return w.healAt
}

// add begins a watch.
func (e *engine) add(w *watch) {
	for _, other := range e.watches {
		if other.topic == w.topic && !other.o.sameView(w.o) {
			w.fail(ErrOtherView)
			return
		}
	}
	w.order.maxCount, w.order.maxBytes = e.o.Buffer, e.o.BufferBytes
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
	w.next = cmp.Or(f.View, events.WholeView)
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
	w.joined, w.view = true, w.next
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

// unsubscribed takes in that a subscription has ended which nobody asked to end.
func (e *engine) unsubscribed(f *events.Unsubscribed) {
	if f.Reason == "" {
		return
	}
	for _, w := range slices.Clone(e.watches) {
		if w.topic == f.Topic {
			e.remove(w)
			w.fail(&events.Error{Code: f.Reason, Message: "the service has ended the subscription", Topic: string(f.Topic)})
		}
	}
}
