package dynamodb

import (
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
)

// maxCollectionBytes is the most that the items of one partition key may weigh in
// a table with local secondary indexes, index rows included.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html
const maxCollectionBytes = 10 << 30

// table is one table. Name, ARN, key and creation never change; everything below
// mu is guarded by it. Whoever locks several tables does so in the order of their
// numbers.
type table struct {
	number  int
	name    string
	arn     string
	id      string
	key     key
	created time.Time

	mu            sync.RWMutex
	gone          bool // deleted, while a request still holds it
	types         map[string]attributeType
	rows          *rows
	indexes       []*index // in the order they were declared, local ones first
	collections   map[string]int64
	maxCollection int64
	stream        *stream.Stream // nil while switched off
	latest        *stream.Stream // the stream, also after it was switched off
	ttl           timeToLive
	billing       billing
	protected     bool
	recovery      *time.Time // since when point-in-time recovery is on
	tags          map[string]string
}

// reading runs f while nobody writes. It fails if the table was deleted meanwhile.
func (t *table) reading(f func()) error {
	return t.sharing(func() error {
		f()
		return nil
	})
}

// sharing is reading for an f that may fail.
func (t *table) sharing(f func() error) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.gone {
		return errTableNotFound
	}
	return f()
}

// writing runs f while nobody else reads or writes. It fails like reading.
func (t *table) writing(f func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return errTableNotFound
	}
	return f()
}

// index finds a secondary index by name; nil if there is none. The index's name,
// key and projection may be read without the lock.
func (t *table) index(name string) *index {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, x := range t.indexes {
		if x.name == name {
			return x
		}
	}
	return nil
}

// hasLocal reports whether item collections are limited. The caller holds the lock.
func (t *table) hasLocal() bool { return len(t.indexes) > 0 && t.indexes[0].local }

// store puts next in the place of old, either of which may be nil, together with
// what changes in the indexes, and tells the stream. The caller holds the lock.
func (t *table) store(old, next *row, changes []indexChange, byTTL bool) {
	if next != nil {
		t.rows.put(next)
	} else if old != nil {
		t.rows.remove(old.location)
	}
	for _, c := range changes {
		c.apply()
	}
	if t.hasLocal() {
		t.weigh(old, next, changes)
	}
	t.ttl.replace(old, next)
	t.publish(old, next, byTTL)
}

// weigh keeps the size of the item collection that a change belongs to.
func (t *table) weigh(old, next *row, changes []indexChange) {
	hash, delta := collectionChange(old, next, changes)
	if t.collections[hash] += delta; t.collections[hash] == 0 {
		delete(t.collections, hash)
	}
}

// collectionChange says which item collection a change belongs to and by how many
// bytes it grows or, below zero, shrinks.
func collectionChange(old, next *row, changes []indexChange) (hash string, delta int64) {
	if old != nil {
		hash, delta = old.hash, -int64(old.size)
	}
	if next != nil {
		hash, delta = next.hash, delta+int64(next.size)
	}
	for _, c := range changes {
		if c.index.local {
			delta += c.growth()
		}
	}
	return hash, delta
}

// publish appends the change to the table's stream, if it has one and the item is
// different now.
func (t *table) publish(old, next *row, byTTL bool) {
	if t.stream == nil {
		return
	}
	change := stream.Change{TTL: byTTL}
	switch {
	case old == nil && next == nil:
		return
	case old == nil:
		change.Op, change.New, change.PartitionKey = stream.Insert, next.item, next.hash
	case next == nil:
		change.Op, change.Old, change.PartitionKey = stream.Remove, old.item, old.hash
	case same(old.item, next.item):
		return
	default:
		change.Op, change.Old, change.New, change.PartitionKey = stream.Modify, old.item, next.item, next.hash
	}
	if change.Keys = t.key.of(change.New); change.New == nil {
		change.Keys = t.key.of(change.Old)
	}
	t.stream.Append(change)
}

// same reports whether two items are equal in every attribute.
func same(a, b item.Item) bool {
	return item.Equal(item.Value{Kind: item.Map, M: a}, item.Value{Kind: item.Map, M: b})
}
