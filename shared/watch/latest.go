package watch

import (
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// A watcher with [Options].Latest is told only the latest state of each item when it is behind. This
// is called conflation, and Lightstreamer's MERGE mode does it too. Services such as Ably conflate
// what comes within a fixed time, and so delay everything by it. Here nothing is delayed: a watcher
// that is not behind is told every change. The option says what one gets, as NATS says "last per
// subject", because no two services mean the same by conflation.
//
// Where several changes of a topic come to it at once, the last one that its view shows of an item
// is told. The earlier ones of that item are skipped, as are changes that the view does not show, so
// the numbers stay dense and the client sees no hole. Changes come at once in
//
//   - a batch of fan-out, and a page of the log that is pushed to a lane;
//   - what a subscribe with a cursor or a ping brings of a topic;
//   - one read of a [Follower], and so an event of a stream, a poll and a plain read.
//
// A change that is skipped is always followed by a later one of the same item. That one is told, or
// it is lost with the rest of the answer. In this case the client resumes before it, and is told it
// or one that is later still. So each item ends in the state that other watchers see. In the middle
// of an answer, some items may be older than the client's cursor says. Therefore:
//
//   - A patch may lack the state that it changes. Latest and Delta exclude each other, and a client
//     that goes on from a cursor of Latest with Delta starts over, if it names its view.
//   - Added and modified both bring the whole state of an item, and a client treats them alike. What
//     was added and modified is told as added. A client that resumes in the middle of an answer may
//     still be told modified of an item that it does not hold.
//   - What was added and removed is told as removed. An earlier batch, which this one repeats in
//     part, may have told that it was added.

// check refuses options that exclude each other.
func (o Options) check() error {
	if o.Latest && o.Delta {
		return &events.Error{Code: events.CodeBadRequest, Message: "latest and delta exclude each other: a patch needs the state before it, which latest may skip"}
	}
	return nil
}

// telling gathers what a watcher is told of changes of one topic that come at once.
type telling struct {
	shown []events.Change
	from  int            // index into shown of the first one
	room  *room          // for what is shown; nil for no bound
	last  map[string]int // indices into shown: the last change of each item; nil if all are told
}

// newTelling adds to what is shown of other topics.
func newTelling(shown []events.Change, o Options, room *room) telling {
	t := telling{shown: shown, from: len(shown), room: room}
	if o.Latest {
		t.last = map[string]int{}
	}
	return t
}

// see adds what a view shows of a change.
func (t *telling) see(c change, view grant.View, delta bool, budget *grant.Budget) {
	shown, visible, err := c.seen(view, delta, budget)
	if !visible {
		t.shown = skip(t.shown, c, err != nil)
		return
	}
	if t.last != nil {
		t.supersede(&shown)
	}
	if t.room != nil {
		t.room.fit(&shown)
	}
	t.shown = append(t.shown, shown)
}

// supersede skips the change of the same item that came before.
func (t *telling) supersede(c *events.Change) {
	if i, ok := t.last[c.ID]; ok {
		before := t.shown[i]
		if before.Op == events.Added && c.Op == events.Modified {
			c.Op = events.Added
		}
		if t.room != nil {
			t.room.leave(before)
		}
		t.shown[i] = skipped(before, false)
	}
	t.last[c.ID] = len(t.shown)
}

// told gives what is shown.
func (t *telling) told() []events.Change {
	if t.last == nil {
		return t.shown
	}
	told := t.shown[:t.from]
	for _, c := range t.shown[t.from:] {
		if c.Op == events.Skipped {
			told = skipTo(told, c)
		} else {
			told = append(told, c)
		}
	}
	clear(t.shown[len(told):]) // so that their data is let go
	return told
}
