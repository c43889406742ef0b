package watch

import "hash/fnv"

// Part is a part of all connections: those whose slot among Of slots is Index. All subscriptions of
// a connection are in the same part, so the pusher of a part finds the one that counts for a topic.
// The zero Part has no connections; see [Whole].
type Part struct {
	Index int
	Of    int // a power of two
	// AtMost is how many subscriptions may be read. If there are more, they are not given, but a
	// [CrowdError]. 0 reads all.
	AtMost int
}

// Whole is the part that has all connections.
var Whole = Part{Index: 0, Of: 1}

// Has reports whether a connection is in the part.
func (p Part) Has(id ConnectionID) bool { return p.Of == 1 || id.Slot(p.Of) == p.Index }

// Slot gives the connection's slot among of slots; of must be a power of two. Among twice as many
// slots it gives the same slot, or that slot plus of. A part therefore splits into two.
func (id ConnectionID) Slot(of int) int {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id)) // Write of a hash never fails
	sum := hash.Sum64()
	return int((sum^sum>>32)&0x7fffffff) & (of - 1)
}
