package watch

import (
	"hash/fnv"
	"time"

	"github.com/watchroute/watchroute/events"
)

// Order is a request's place among those of its connection, which may be carried out in any
// order, and at the same time. Of two requests about the same the one with the higher Order
// counts. Two with the same Order are one request that is carried out twice.
//
// A request that the client has numbered has that number. Others lie below zero, by the time
// at which API Gateway took them. So every two requests of a connection can be compared, and
// no three contradict each other, also if a client numbers only some of them.
type Order int64

// Unordered is the Order of what was written before there were orders. It is below all others.
const Unordered Order = -1 << 63

// Message is what a client has sent.
type Message struct {
	Body []byte
	ID   string    // API Gateway's name for it
	Time time.Time // when API Gateway took it
}

// The bits of an Order by time, from the lowest: some of the message's id, so that another
// message of the same millisecond is told from a repetition; whether it subscribes; and the
// milliseconds, which have room until the year 2248.
const (
	idBits       = 9
	subscribeBit = 1 << idBits
	timeBits     = 53
)

// orderOf gives the request's place. Within a millisecond a subscribe comes after an
// unsubscribe: if that is wrong, the client hears what it does not need, and is told so.
func orderOf(r events.Request, m Message) Order {
	if r.Order > 0 {
		return Order(r.Order)
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(m.ID)) // which cannot fail
	at := m.Time.UnixMilli()*(2*subscribeBit) + int64(hash.Sum32()%subscribeBit)
	if r.Action == events.ActionSubscribe {
		at += subscribeBit
	}
	return Order(at - 1<<timeBits)
}
