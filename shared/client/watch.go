package client

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
)

// Event is one step of a watch. An event without Change and Page says only where the watch
// stands. It is the first event of a watch without a snapshot, and of each topic of a pattern:
// the watch misses nothing after Cursor. A later one says that the watch does not show the
// changes up to Cursor.
type Event struct {
	// Topic is what the event is of.
	Topic events.Topic
	// Cursor is where the watch stands now: keep it, and a later watch goes on from
	// it with [WatchOptions].After. It is zero while a snapshot is not complete.
	Cursor events.Cursor
	// Change is what happened to one item; never one that is Skipped.
	Change *events.Change
	// Page is a part of the topic's items.
	Page *Page
	// Costly is set in an event that only moves the cursor. The service did not look at one
	// or more of the changes up to Cursor: Filter and Fields would have cost too much on
	// them. Something may have changed that this watch would show. A new watch with
	// Snapshot tells, as far as the items are cheap enough to look at, see [Page].
	Costly bool
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
	// Costly is how many items at this place of the topic the service did not look at, because
	// Filter and Fields would have cost too much on them. Items that match may be among them.
	Costly int
	// ETag is set on a first page of [Read] and [ReadUnless]. It identifies the state of the items.
	// Give it to ReadUnless to read the items again only if they have changed.
	ETag string
}

// Watch watches a topic, or all topics of a pattern, for as long as the loop over it runs:
//
//	for event, err := range c.Watch(ctx, "stocks/AAPL", client.WatchOptions{Snapshot: true}) {
//		switch {
//		case err != nil:
//			return err
//		case event.Page != nil:
//			…
//		case event.Change != nil:
//			…
//		case event.Costly:
//			… // something may have changed that the watch cannot show
//		}
//	}
//
// Every change that Filter, Fields and the token show comes once, in the order of its
// seq, with none left out between two pages that are First. A watch starts over with such
// a page also when a later token shows other things of the topic.
//
// Leaving the loop ends the watch. It ends by itself with an error, which comes last:
// that of ctx, [ErrClosed] or whatever ended the client, or an [*events.Error] that says
// what the service refuses: its code is CodeForbidden if the token does not allow the
// watch, or a later one not any more. Several watches of one topic each see all of it;
// they must have the same Filter, Fields, Delta, Latest and Presence, as they share one subscription, or
// the later is refused with [ErrOtherView].
//
// A pattern, as events.ParsePattern has it, is watched topic by topic: each has its own
// cursor, and comes in with its first event. Topics that come into being are given from
// their first change on, also if that was made while the client was away. A slow consumer
// is given first events when there is room for them; one that leaves before has no cursor
// of those topics. Patterns of more than events.MaxCursors topics can be watched, but of
// topics that neither the service nor Cursors name only what comes live is given.
func (c *Client) Watch(ctx context.Context, topic events.Topic, o WatchOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w, err := newWatched(topic, o)
		if err == nil && !c.do(func(e *engine) { w.begin(e) }) {
			err = c.err
		}
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer c.do(func(e *engine) { e.leave(w) })
		for out := w.queue(); ; {
			event, err := out.receive(ctx)
			if err == nil && len(out.out) == 0 && out.waits.CompareAndSwap(true, false) {
				c.do(func(*engine) { w.pump() })
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// watched is what a consumer watches: a topic or the topics of a pattern.
type watched interface {
	begin(*engine)
	pump() bool
	queue() *eventQueue
	about(events.Request) *events.Request
	members() []*watch
}

// newWatched refuses what the service would not understand.
func newWatched(topic events.Topic, o WatchOptions) (w watched, err error) {
	if _, err := events.ParsePattern(string(topic)); err != nil {
		return nil, &events.Error{Code: events.CodeBadTopic, Message: err.Error(), Topic: string(topic)}
	}
	if err := o.checkCursors(); err != nil {
		return nil, &events.Error{Code: events.CodeBadCursor, Message: err.Error(), Topic: string(topic)}
	}
	if o.Delta && o.Latest {
		return nil, &events.Error{Code: events.CodeBadRequest, Message: "Latest and Delta exclude each other", Topic: string(topic)}
	}
	if o.Presence != nil {
		err := events.CheckMemberName(o.Presence.Name)
		if topic.IsPattern() {
			err = errors.New("presence is of one topic, not of a pattern")
		}
		if err != nil {
			return nil, &events.Error{Code: events.CodeBadRequest, Message: err.Error(), Topic: string(topic)}
		}
		own := *o.Presence
		o.Presence = &own
	}
	o.Filter, o.Fields, o.Cursors = slices.Clone(o.Filter), slices.Clone(o.Fields), maps.Clone(o.Cursors)
	o.Delta = o.Delta && (o.Snapshot || o.After != nil || o.Cursors != nil)
	w = newWatch(topic, o)
	if topic.IsPattern() {
		w = newPatternWatch(topic, o)
	}
	return w, checkFrame(*w.about(events.Request{Action: events.ActionSubscribe}), events.CodeBadRequest)
}

// watch is one watch, or that of one topic of a pattern watch. It belongs to the engine, but for
// its event queue.
type watch struct {
	topic   events.Topic
	o       WatchOptions
	pattern *patternWatch // nil if it stands alone
	*eventQueue

	order   order
	joined  bool          // subscribed on the connection in use
	viewID  string        // what its cursor was seen in; empty before that is known
	next    string        // the same of the snapshot that is due
	attempt attempt       // to subscribe, or to ask for the rest of a snapshot
	lease   time.Duration // of the presence; 0 without one

	greeted  bool               // the first event was given
	reason   events.ResetReason // of the snapshot that is due or under way
	bookmark string             // where that goes on; empty before its first page
	starved  bool               // its next page came, and there was no room for it

	restarting bool  // it must start over with a snapshot, which it asks for by itself
	restarts   int   // of a snapshot that could not go on, in a row
	probe      probe // for what is missing
	setbacks   setbacks
}

func newWatch(topic events.Topic, o WatchOptions) *watch {
	w := &watch{topic: topic, o: o, eventQueue: newEventQueue()}
	if o.After != nil {
		w.order.begin(*o.After)
	}
	return w
}

func (w *watch) queue() *eventQueue { return w.eventQueue }
func (w *watch) members() []*watch  { return []*watch{w} }

// give gives the consumer an event, if less than kept wait for it.
func (w *watch) give(event Event, kept int) bool {
	event.Topic = w.topic
	return w.push(event, kept)
}

// pump hands out what is due: the first event, then changes. It is false if there was no
// room for all of it; then it is called again when the consumer has taken what waits.
func (w *watch) pump() bool {
	if !w.greet() {
		return false
	}
	for c, ok := w.order.next(); ok && w.greeted; c, ok = w.order.next() {
		if !w.give(step(c), changesKept) {
			return false
		}
		w.order.advance(c)
	}
	return true
}

// greet gives the first event of a watch that does not begin with a snapshot, as soon as it
// has begun. It is false if there was no room.
func (w *watch) greet() bool {
	if w.greeted || !w.following() {
		return true
	}
	w.greeted = w.give(Event{Cursor: w.order.cursor}, eventsKept)
	return w.greeted
}

// following reports whether a watch is subscribed and neither busy with a snapshot nor about
// to ask for one.
func (w *watch) following() bool {
	return w.joined && w.order.started && !w.order.held && !w.restarting
}

// step is what a change is to the consumer.
func step(c events.Change) Event {
	if c.Op == events.Skipped {
		return Event{Cursor: c.Cursor(), Costly: c.Costly}
	}
	return Event{Cursor: c.Cursor(), Change: &c}
}

// request is what a watch has to ask for, nil if nothing.
func (w *watch) request() *events.Request {
	switch {
	case w.pattern != nil && w.pattern.attempt.asked: // its items may be on their way
		return nil
	case (w.starved || w.restarting || w.order.held) && !w.hasRoomForPages():
		return nil
	case w.restarting:
		return w.about(events.Request{Action: events.ActionSnapshot})
	case !w.joined && w.pattern != nil:
		return nil // it is joined with the pattern watch
	case !w.joined && w.order.started:
		return w.about(events.Request{Action: events.ActionSubscribe, After: w.order.cursor.String(), View: w.viewID})
	case !w.joined:
		return w.about(events.Request{Action: events.ActionSubscribe, Snapshot: w.o.Snapshot})
	case w.order.held:
		return w.about(events.Request{Action: events.ActionSnapshot, Next: w.bookmark})
	}
	return nil
}

// about adds to a request what the watch is to see.
func (w *watch) about(r events.Request) *events.Request {
	r.Topic = string(w.topic)
	return w.o.about(r)
}

// begin adds the watch, unless another of its topic shows something else.
func (w *watch) begin(e *engine) {
	if e.seesOtherwise(w.topic, w.o) {
		w.fail(ErrOtherView)
		return
	}
	e.add(w)
}

// seesOtherwise reports whether a topic, or one of a pattern, is watched in another view
// already. Of those that lie within each other it is taken for granted that they share a
// topic.
func (e *engine) seesOtherwise(topic events.Topic, o WatchOptions) bool {
	for _, w := range e.watches {
		if (w.topic.Matches(topic) || topic.Matches(w.topic)) && !w.o.sameView(o) {
			return true
		}
		if w.topic == topic && w.pattern == nil && !w.o.samePresence(o) {
			return true
		}
	}
	for _, f := range e.patterns {
		if near(f.pattern, topic) && !f.o.sameView(o) {
			return true
		}
	}
	return false
}

// near reports whether one of two patterns or topics lies within the other's base.
func near(a, b events.Topic) bool {
	baseA, _ := a.Split()
	baseB, _ := b.Split()
	return strings.HasPrefix(string(baseA)+"/", string(baseB)+"/") || strings.HasPrefix(string(baseB)+"/", string(baseA)+"/")
}

func (e *engine) add(w *watch) {
	w.order.maxCount, w.order.maxBytes, w.order.latest = e.o.Buffer, e.o.BufferBytes, w.o.Latest
	e.watches = append(e.watches, w)
}

// leave ends what was watched, and the subscription if nothing else needs it.
func (e *engine) leave(w watched) {
	var subscribes []*request
	for _, r := range e.requests {
		if r.by() == w && r.frame.Action == events.ActionSubscribe && !r.subscribed {
			subscribes = append(subscribes, r)
		}
	}
	if !e.remove(w) {
		return
	}
	topic := events.Topic(w.about(events.Request{}).Topic)
	if e.link != nil && !e.wanted(topic) {
		e.depart(topic, subscribes)
	}
}

// remove forgets what was watched with all that it has asked for; false if it was
// forgotten before.
func (e *engine) remove(w watched) bool {
	before := len(e.watches) + len(e.patterns)
	e.patterns = slices.DeleteFunc(e.patterns, func(f *patternWatch) bool { return f == w })
	for _, member := range w.members() {
		e.watches = slices.DeleteFunc(e.watches, func(o *watch) bool { return o == member })
	}
	for id, r := range e.requests {
		if r.by() == w {
			delete(e.requests, id)
		}
	}
	return len(e.watches)+len(e.patterns) < before
}

// subscribed takes in that a watch is subscribed. Where a snapshot is due, the first
// page says so, and the request stays outstanding until the last has come.
func (e *engine) subscribed(f *events.Subscribed) {
	r := e.requests[f.ID]
	if r != nil && r.pattern != nil {
		if r.subscribed = true; !r.frame.Snapshot { // or the items follow
			e.answered(f.ID)
		}
		r.pattern.subscribed(e, f)
		return
	}
	if r != nil && r.departure != nil {
		e.left(e.answered(f.ID), nil)
	}
	if r == nil || r.watch == nil {
		return
	}
	w := r.watch
	r.subscribed = true
	e.present(w, f)
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
	w.joined, w.viewID = true, w.next
	e.answered(f.ID)
	w.pump()
}

// present takes in how long a presence lasts that nobody renews. A ping comes in time.
func (e *engine) present(w *watch, f *events.Subscribed) {
	if w.lease = 0; f.Presence == nil {
		return
	}
	w.lease = time.Duration(f.Presence.LeaseMs) * time.Millisecond
	if soon := time.Now().Add(e.interval()); soon.Before(e.pingAt) {
		e.pingAt = soon
	}
}

// unsubscribed takes in that a subscription has ended, which somebody asked for if there is
// no reason.
func (e *engine) unsubscribed(f *events.Unsubscribed) {
	if f.Reason == "" {
		if r := e.answered(f.ID); r != nil && r.departure != nil {
			e.left(r, nil)
		}
		return
	}
	ended := &events.Error{Code: f.Reason, Message: "the service has ended the subscription", Topic: string(f.Topic)}
	for _, w := range slices.Clone(e.watches) {
		if w.topic == f.Topic && w.pattern == nil {
			e.remove(w)
			w.fail(ended)
		}
	}
	for _, p := range slices.Clone(e.patterns) {
		if p.pattern == f.Topic {
			e.remove(p)
			p.fail(ended)
		}
	}
}
