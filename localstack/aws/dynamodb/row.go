package dynamodb

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"

	"github.com/tidwall/btree"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// location is where a row stands in its tree: partitions in the order of a hash of
// their key, as DynamoDB scans them, and rows by sort key inside.
type location struct {
	token uint64 // hash of the partition key
	hash  string // the partition key's KeyBytes
	sort  string // the sort key's KeyBytes, "" without one
	base  string // in a secondary index: which item it is, as index keys are not unique
	edge  edge
}

// edge turns a location into a bound that no row stands at.
type edge int8

const (
	beforeSort     edge = iota - 1 // ahead of every row with this sort key
	exact                          // no bound, or ahead of every row that an index holds of this sort key
	afterSort                      // past every row with this sort key
	afterPartition                 // past every row of this partition
	afterToken                     // past every row whose partition key has this token
)

func newLocation(hash, sort string) location {
	return location{token: token(hash), hash: hash, sort: sort}
}

// token spreads partition keys evenly over all 64-bit numbers.
func token(hash string) uint64 {
	sum := md5.Sum([]byte(hash))
	return binary.BigEndian.Uint64(sum[:])
}

// segment gives the first and the last token of one of total equal ranges.
func segment(number, total uint64) (first, last uint64) {
	first, _ = bits.Div64(number, 0, total)
	if number+1 == total {
		return first, ^uint64(0)
	}
	next, _ := bits.Div64(number+1, 0, total)
	return first, next - 1
}

// id names the item at a location of the table, unambiguously.
func (p location) id() string { return strconv.Itoa(len(p.hash)) + ":" + p.hash + p.sort }

func (p location) compare(q location) int {
	if p.token != q.token {
		return cmp.Compare(p.token, q.token)
	}
	if p.edge == afterToken || q.edge == afterToken {
		return cmp.Compare(p.edge, q.edge)
	}
	if c := strings.Compare(p.hash, q.hash); c != 0 {
		return c
	}
	if p.edge == afterPartition || q.edge == afterPartition {
		return cmp.Compare(p.edge, q.edge)
	}
	return cmp.Or(strings.Compare(p.sort, q.sort), cmp.Compare(p.edge, q.edge), strings.Compare(p.base, q.base))
}

// row is one item in a tree. It is never changed once it is in.
type row struct {
	location
	item item.Item
	size int
	base *row // in a secondary index: the table's row
}

// rows is an ordered set of rows. Its table's lock guards it.
type rows struct {
	tree  *btree.BTreeG[*row]
	bytes int64
}

func newRows() *rows {
	return &rows{tree: btree.NewBTreeGOptions(
		func(a, b *row) bool { return a.compare(b.location) < 0 },
		btree.Options{NoLocks: true})}
}

func (r *rows) get(p location) *row {
	found, _ := r.tree.Get(&row{location: p})
	return found
}

// put adds a row, or replaces the one at its location.
func (r *rows) put(added *row) {
	old, replaced := r.tree.Set(added)
	if replaced {
		r.bytes -= int64(old.size)
	}
	r.bytes += int64(added.size)
}

func (r *rows) remove(p location) {
	if old, removed := r.tree.Delete(&row{location: p}); removed {
		r.bytes -= int64(old.size)
	}
}

// walk visits rows from a location on, upwards or downwards, until visit is false.
func (r *rows) walk(from location, forward bool, visit func(*row) bool) {
	if forward {
		r.tree.Ascend(&row{location: from}, visit)
	} else {
		r.tree.Descend(&row{location: from}, visit)
	}
}
