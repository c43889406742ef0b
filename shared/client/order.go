package client

import (
	"github.com/tidwall/btree"
	"github.com/watchroute/watchroute/events"
)

// order puts the changes of one topic in order: each once, none left out. It knows
// no time and no network.
type order struct {
	maxCount, maxBytes int

	started bool          // cursor means something
	held    bool          // a snapshot is under way; changes wait for its end
	cursor  events.Cursor // everything up to it was handed out
	known   int64         // the latest seq of the cursor's epoch that exists for certain
	foreign bool          // a change of another epoch was seen

	epoch string // of early
	early btree.Map[int64, events.Change]
	bytes int // of early's data
}

// begin starts, or starts over, after a cursor. What came early and belongs behind
// the cursor is kept.
func (o *order) begin(at events.Cursor) {
	o.started, o.cursor, o.known, o.foreign = true, at, at.Seq, false
	if _, first := o.early.Get(1); first && at == (events.Cursor{}) {
		o.adopt(o.epoch)
	}
	if o.epoch != o.cursor.Epoch {
		o.foreign = o.early.Len() > 0
		o.clear()
	}
	for seq, c, ok := o.early.Min(); ok && seq <= at.Seq; seq, c, ok = o.early.Min() {
		o.drop(seq, c)
	}
	if latest, _, ok := o.early.Max(); ok {
		o.known = max(o.known, latest)
	}
}

func (o *order) clear() {
	o.early.Clear()
	o.epoch, o.bytes = "", 0
}

func (o *order) drop(seq int64, c events.Change) {
	o.early.Delete(seq)
	o.bytes -= len(c.Data)
}

// verdict is what became of a change that was offered.
type verdict int

const (
	kept     verdict = iota
	repeated         // it had come before
	dropped          // there was no room for it
	foreign          // it is of another epoch
)

// offer takes a change in.
func (o *order) offer(c events.Change) verdict {
	if o.started && c.Epoch != o.cursor.Epoch {
		o.foreign = true
		if o.cursor != (events.Cursor{}) {
			return foreign
		}
	}
	if o.epoch != c.Epoch {
		o.clear()
		o.epoch = c.Epoch
	}
	if _, waits := o.early.Get(c.Seq); waits || o.started && c.Seq <= o.cursor.Seq {
		return repeated
	}
	o.known = max(o.known, c.Seq)
	was := o.keep(c)
	if o.started && o.cursor == (events.Cursor{}) && c.Seq == 1 {
		o.adopt(c.Epoch)
	}
	return was
}

// adopt follows a topic from before its first change into its first epoch.
func (o *order) adopt(epoch string) {
	o.cursor.Epoch, o.foreign = epoch, false
}

// keep lets a change wait. When there is no room the latest goes, as the earliest
// are due first.
func (o *order) keep(c events.Change) verdict {
	o.early.Set(c.Seq, c)
	o.bytes += len(c.Data)
	was := kept
	for o.early.Len() > 1 && (o.early.Len() > o.maxCount || o.bytes > o.maxBytes) {
		seq, latest, _ := o.early.Max()
		o.drop(seq, latest)
		was = dropped
	}
	return was
}

// next gives the change that is due, if it is there.
func (o *order) next() (events.Change, bool) {
	if !o.started || o.held {
		return events.Change{}, false
	}
	return o.early.Get(o.cursor.Seq + 1)
}

// advance says that the change which was due was handed out.
func (o *order) advance(c events.Change) {
	o.cursor = c.Cursor()
	o.drop(c.Seq, c)
}

// learn takes in where the service says that the topic stands.
func (o *order) learn(head events.Cursor) {
	o.foreign = head.Epoch != o.cursor.Epoch
	if !o.foreign {
		o.known = max(o.known, head.Seq)
	}
}

// behind reports whether something is missing that will not be there when the
// consumer has caught up.
func (o *order) behind() bool {
	if !o.started || o.held {
		return false
	}
	_, there := o.early.Get(o.cursor.Seq + 1)
	return o.foreign || o.known > o.cursor.Seq && !there
}
