package dynamodb

import (
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// index is a secondary index. Only rows changes after it was made, except for a
// global index's throughput.
type index struct {
	name       string
	local      bool
	key        key
	projection projection
	kept       map[string]bool // projected attributes, keys included; nil for all
	throughput throughput
	rows       *rows
}

func newIndex(d indexDefinition, local bool, table, own key) *index {
	x := &index{name: d.IndexName, local: local, key: own, projection: *d.Projection,
		throughput: throughputOf(d.ProvisionedThroughput), rows: newRows()}
	if x.projection.ProjectionType == projectAll {
		return x
	}
	x.kept = map[string]bool{}
	for _, k := range []key{table, own} {
		for _, a := range k.attributes() {
			x.kept[a.name] = true
		}
	}
	for _, name := range x.projection.NonKeyAttributes {
		x.kept[name] = true
	}
	return x
}

// keeps reports whether a top-level attribute is projected into the index.
func (x *index) keeps(name string) bool { return x.kept == nil || x.kept[name] }

// entry is the index's row for an item; nil if the item is nil or lacks a key
// attribute of the index, which is what makes an index sparse.
func (x *index) entry(of *row) *row {
	if of == nil {
		return nil
	}
	for _, a := range x.key.attributes() {
		if v, ok := of.item[a.name]; !ok || v.Kind != a.kind {
			return nil
		}
	}
	entry := &row{location: x.key.location(of.item), item: of.item, size: of.size, base: of}
	entry.location.base = of.id()
	if x.kept != nil {
		entry.item = x.project(of.item)
		entry.size = entry.item.Size()
	}
	return entry
}

func (x *index) project(it item.Item) item.Item {
	projected := make(item.Item, len(x.kept))
	for name := range x.kept {
		if v, ok := it[name]; ok {
			projected[name] = v
		}
	}
	return projected
}

// check refuses an item whose attributes cannot be keys of the index. Attributes
// that are not there are fine.
func (x *index) check(it item.Item, update bool) error {
	for _, a := range x.key.attributes() {
		v, ok := it[a.name]
		if !ok {
			continue
		}
		if err := x.checkKey(a, v, update); err != nil {
			return err
		}
	}
	return nil
}

func (x *index) checkKey(a keyAttribute, v item.Value, update bool) error {
	if v.Kind != a.kind {
		return invalidParameter("Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s",
			a.name, a.kind, v.Kind, x.name)
	}
	kind, empty := emptyKey(v)
	if empty && update {
		return requestFault{invalid("One or more parameter values are not valid. The update expression attempted to update a secondary index key "+
			"to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty %s value.", kind)}
	}
	if empty {
		return requestFault{invalid("One or more parameter values are not valid. A value specified for a secondary index key is not supported. "+
			"The AttributeValue for a key attribute cannot contain an empty %s value. IndexName: %s, IndexKey: %s", kind, x.name, a.name)}
	}
	if size, most := keySize(v), x.mostBytes(a); size > most {
		return invalidParameter("Size of attribute %s has exceeded the maximum size limit of %d bytes for a key of index %s", a.name, most, x.name)
	}
	return nil
}

func (x *index) mostBytes(a keyAttribute) int {
	if a.name == x.key.hash.name {
		return maxHashBytes
	}
	return maxSortBytes
}

// indexChange is what a write does to one index: a row goes, a row comes, or a
// row is replaced.
type indexChange struct {
	index       *index
	remove, put *row
	units       float64
}

// change works out what becomes of an index when an item changes. A row that
// stays as it is costs nothing, a changed one costs one write, and one that moves
// costs two, one to delete and one to put.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes
func (x *index) change(old, next *row) indexChange {
	c := indexChange{index: x, remove: x.entry(old), put: x.entry(next)}
	switch {
	case c.remove == nil && c.put == nil:
	case c.remove == nil:
		c.units = writeUnits(c.put.size)
	case c.put == nil:
		c.units = writeUnits(c.remove.size)
	case c.remove.location != c.put.location:
		c.units = writeUnits(c.remove.size) + writeUnits(c.put.size)
	case !same(c.remove.item, c.put.item):
		c.units = writeUnits(max(c.remove.size, c.put.size))
	}
	return c
}

func (c indexChange) apply() {
	if c.remove != nil && (c.put == nil || c.remove.location != c.put.location) {
		c.index.rows.remove(c.remove.location)
	}
	if c.put != nil {
		c.index.rows.put(c.put)
	}
}

// growth is by how many bytes the index grows.
func (c indexChange) growth() int64 {
	var delta int64
	if c.remove != nil {
		delta -= int64(c.remove.size)
	}
	if c.put != nil {
		delta += int64(c.put.size)
	}
	return delta
}
