package dynamodb

import (
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/expression"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// maxItemBytes is the most an item may weigh, attribute names included.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const maxItemBytes = 400 << 10

// mutation is one write of one item, made ready without any lock: put, update,
// delete, or a check that changes nothing.
type mutation struct {
	subject
	condition *expression.Condition // nil holds always
	showItem  bool                  // show the item if the condition fails
	// next makes the item that replaces old; nil makes none. It may be called
	// more than once and changes nothing.
	next func(old item.Item) (item.Item, error)
	// update marks an update, whose errors about the item it makes differ.
	update bool
	// hint is the size of an image the request brought itself, which counts even
	// if the condition fails.
	hint int
	// sent is how many bytes of items, keys and values the request brought.
	sent int
	// check marks a ConditionCheck, after which the item stays as it is.
	check bool
}

// outcome is what a mutation comes to.
type outcome struct {
	old, next *row
	changes   []indexChange
	used      capacity
	// collection is what the item's collection weighs after the write; nil without local
	// indexes.
	collection *collectionMetrics
}

// image is a row's item; nil for no row.
func image(r *row) item.Item {
	if r == nil {
		return nil
	}
	return r.item
}

func sizeOf(r *row) int {
	if r == nil {
		return 0
	}
	return r.size
}

// run carries the mutation out on its own. What it consumed is in the outcome
// even if it failed, because a failed condition costs what the write would have.
func (m *mutation) run() (outcome, error) {
	var out outcome
	err := m.table.writing(func() (err error) {
		if out, err = m.evaluate(); err == nil {
			m.commit(&out)
		}
		return err
	})
	return out, err
}

// evaluate works out what the mutation comes to and changes nothing. The caller
// holds the table's lock, and commits before letting go of it.
func (m *mutation) evaluate() (outcome, error) {
	old := m.table.rows.get(m.location)
	out := outcome{old: old, used: capacity{table: writeUnits(max(sizeOf(old), m.hint))}}
	if err := m.holds(image(old)); err != nil {
		return out, err
	}
	if m.check {
		out.next = old
		return out, nil
	}
	next, err := m.next(image(old))
	switch {
	case err != nil:
		return out, err
	case next == nil:
		return m.removed(out), nil
	}
	out.next = &row{location: m.location, item: next, size: next.Size()}
	if err := m.fits(out.next); err != nil {
		return out, err
	}
	return m.weighed(out)
}

// fits refuses an item that is too large, or that an index cannot hold.
func (m *mutation) fits(next *row) error {
	if next.size > maxItemBytes && m.update {
		return errUpdateTooBig
	}
	if next.size > maxItemBytes {
		return errItemTooLarge
	}
	return m.table.admits(next.item, m.update)
}

// removed completes an outcome that leaves no item.
func (m *mutation) removed(out outcome) outcome {
	for _, x := range m.table.indexes {
		out.add(x.change(out.old, nil))
	}
	return out
}

// weighed completes an outcome that leaves an item, if its collection has room.
func (m *mutation) weighed(out outcome) (outcome, error) {
	out.used.table = writeUnits(max(sizeOf(out.old), out.next.size))
	for _, x := range m.table.indexes {
		out.add(x.change(out.old, out.next))
	}
	if !m.table.hasLocal() {
		return out, nil
	}
	hash, delta := collectionChange(out.old, out.next, out.changes)
	if delta > 0 && m.table.collections[hash]+delta > m.table.maxCollection {
		return out, errCollection
	}
	return out, nil
}

func (o *outcome) add(c indexChange) {
	o.changes = append(o.changes, c)
	if c.units > 0 {
		o.used.index(c.index, c.units)
	}
}

// holds says why the write may not be done to the item, if so.
func (m *mutation) holds(old item.Item) error {
	switch {
	case m.condition == nil || m.condition.Match(old):
		return nil
	case m.showItem:
		return conditionalCheckFailed(old)
	default:
		return conditionalCheckFailed(nil)
	}
}

// commit stores what evaluate worked out, under the same lock.
func (m *mutation) commit(out *outcome) {
	if m.check {
		return
	}
	m.table.store(out.old, out.next, out.changes, false)
	if m.table.hasLocal() {
		out.collection = m.table.metrics(m.location.hash, m.given)
	}
}
