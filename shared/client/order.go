package client

import (
	"github.com/tidwall/btree"
	"github.com/watchroute/watchroute/events"
)

// order puts the changes of one topic in order: each once, none left out. It knows
// no time and no network.
type order struct {
	maxCount, maxBytes int
	latest             bool // of the changes of an item that wait, only the last one is handed out

	started bool          // cursor means something
	held    bool          // a snapshot is under way; changes wait for its end
	cursor  events.Cursor // everything up to it was handed out
	known   int64         // the latest seq of the cursor's epoch that exists for certain
	foreign bool          // a change of another epoch was seen

	epoch string                          // of early
	early btree.Map[int64, events.Change] // by their Seq; no two share a seq
	bytes int                             // of early's data
	seqs  int64                           // of early, those of skipped runs among them
	items map[string]int64                // with latest: the Seq of the change of each item that waits
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
		o.drop(c)
		o.skip(at.Seq+1, c.Cursor().Seq, c.Costly)
	}
	if _, latest, ok := o.early.Max(); ok {
		o.known = max(o.known, latest.Cursor().Seq)
	}
}

func (o *order) clear() {
	o.early.Clear()
	clear(o.items)
	o.epoch, o.bytes, o.seqs = "", 0, 0
}

// put has a change wait, in place of one with the same Seq.
func (o *order) put(c events.Change) {
	o.weigh(c, 1)
	if before, replaced := o.early.Set(c.Seq, c); replaced {
		o.weigh(before, -1)
	}
}

func (o *order) drop(c events.Change) {
	if before, ok := o.early.Delete(c.Seq); ok {
		o.weigh(before, -1)
		if o.items[before.ID] == before.Seq {
			delete(o.items, before.ID)
		}
	}
}

// weigh adds what a change takes, times a sign.
func (o *order) weigh(c events.Change, sign int) {
	o.bytes += sign * (len(c.Data) + len(c.Patch))
	o.seqs += int64(sign) * (c.Cursor().Seq - c.Seq + 1)
}

// skip notes that from to to are skipped; nothing if there is none between them.
func (o *order) skip(from, to int64, costly bool) {
	if from <= to {
		o.put(events.Change{Epoch: o.epoch, Seq: from, To: to, Op: events.Skipped, Costly: costly})
	}
}

// covering gives the change, or the skipped ones, that a seq is of.
func (o *order) covering(seq int64) (c events.Change, ok bool) {
	o.early.Descend(seq, func(_ int64, last events.Change) bool {
		c, ok = last, last.Cursor().Seq >= seq
		return false
	})
	return c, ok
}

// verdict is what became of a change that was offered.
type verdict int

const (
	kept     verdict = iota
	repeated         // it had come before
	dropped          // there was no room for it
	foreign          // it is of another epoch
)

// offer takes a change in. Where one frame has it and another one skips it, as the
// watch sees more or less by another token, it counts unless the cursor is past it.
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
	if !o.accept(c) {
		return repeated
	}
	o.known = max(o.known, c.Cursor().Seq)
	was := o.trim()
	if o.started && o.cursor == (events.Cursor{}) && c.Seq == 1 {
		o.adopt(c.Epoch)
	}
	return was
}

// accept reports whether there is anything new in a change, and has that wait.
func (o *order) accept(c events.Change) bool {
	if c.Op == events.Skipped {
		return o.pass(c.Seq, c.Cursor().Seq, c.Costly)
	}
	if o.latest && o.items[c.ID] > c.Seq {
		return o.pass(c.Seq, c.Seq, false)
	}
	other, waits := o.covering(c.Seq)
	if waits && other.Op != events.Skipped || o.started && c.Seq <= o.cursor.Seq {
		return false
	}
	if waits {
		o.drop(other)
		o.skip(other.Seq, c.Seq-1, other.Costly)
		o.skip(c.Seq+1, other.Cursor().Seq, other.Costly)
	}
	if o.latest {
		o.supersede(&c)
	}
	o.put(c)
	return true
}

// supersede skips the change of the same item that waits. The new one comes after it.
func (o *order) supersede(c *events.Change) {
	if seq, waits := o.items[c.ID]; waits {
		before, _ := o.early.Get(seq)
		if before.Op == events.Added && c.Op == events.Modified {
			c.Op = events.Added
		}
		o.drop(before)
		o.pass(seq, seq, false)
	}
	if o.items == nil {
		o.items = map[string]int64{}
	}
	o.items[c.ID] = c.Seq
}

// pass has what is not taken of from to to be skipped. It joins what is skipped just
// before, so that long runs take no room. Such a run is costly if any part of it is.
func (o *order) pass(from, to int64, costly bool) (fresh bool) {
	if o.started {
		from = max(from, o.cursor.Seq+1)
	}
	for from <= to {
		if other, taken := o.covering(from); taken {
			from = other.Cursor().Seq + 1
			continue
		}
		end := to
		o.early.Ascend(from, func(seq int64, _ events.Change) bool {
			end = min(end, seq-1)
			return false
		})
		run := costly
		if before, ok := o.covering(from - 1); ok && before.Op == events.Skipped {
			from, run = before.Seq, costly || before.Costly
		}
		o.skip(from, end, run)
		fresh, from = true, end+1
	}
	return fresh
}

// adopt follows a topic from before its first change into its first epoch.
func (o *order) adopt(epoch string) {
	o.cursor.Epoch, o.foreign = epoch, false
}

// trim lets the latest go when there is no room, as the earliest are due first.
func (o *order) trim() verdict {
	was := kept
	for o.early.Len() > 1 && (o.early.Len() > o.maxCount || o.bytes > o.maxBytes) {
		_, latest, _ := o.early.Max()
		o.drop(latest)
		was = dropped
	}
	return was
}

// next gives the change that is due, or those that are skipped from there on, if they
// are there.
func (o *order) next() (events.Change, bool) {
	if !o.started || o.held {
		return events.Change{}, false
	}
	return o.early.Get(o.cursor.Seq + 1)
}

// advance says that what was due was handed out.
func (o *order) advance(c events.Change) {
	o.cursor = c.Cursor()
	o.drop(c)
}

// learn takes in where the service says that the topic stands.
func (o *order) learn(head events.Cursor) {
	o.foreign = head.Epoch != o.cursor.Epoch
	if !o.foreign {
		o.known = max(o.known, head.Seq)
	}
}

// lacks reports whether something is missing: between the changes that wait, or after
// them.
func (o *order) lacks() bool {
	return o.started && (o.foreign || o.known-o.cursor.Seq > o.seqs)
}

// behind reports whether something is missing that will not be there when the
// consumer has caught up.
func (o *order) behind() bool {
	if !o.started || o.held {
		return false
	}
	_, there := o.next()
	return o.foreign || o.known > o.cursor.Seq && !there
}
