package watch

import "hash/fnv"

// Part is a part of an audience: the connections whose slot among Of is Index. All subscriptions
// of a connection are in the same part, so whoever pushes to the part finds which of them counts
// for a topic. The zero Part has none; see [Whole].
type Part struct {
	Index int
	Of    int // a power of two
}

// Whole is the part that has all connections.
var Whole = Part{Index: 0, Of: 1}

// Has reports whether a connection is in the part.
func (p Part) Has(id ConnectionID) bool { return p.Of == 1 || id.Slot(p.Of) == p.Index }

// Slot gives the connection one of as many slots, which must be a power of two. Of twice as many
// slots it gives the same one, or that one with of added. So a part splits into two.
func (id ConnectionID) Slot(of int) int {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id)) // which cannot fail
	sum := hash.Sum64()
	return int((sum^sum>>32)&0x7fffffff) & (of - 1)
}
