package stream

import (
	"sort"
	"time"
)

// Retention is how long a record can be read, and how long a closed shard or a
// disabled stream is shown, unless [Options] say otherwise.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
const Retention = 24 * time.Hour

// shard is one ordered piece of a stream. Guarded by its stream's lock.
type shard struct {
	id, parent string
	low, high  uint32 // the partition hashes it takes while open, both included
	start      uint64 // a count that no record has, below those of all its records
	end        uint64 // the greatest count a record of it can have; set when closed
	closed     bool
	closedAt   time.Time
	records    []*record     // ascending by count
	trimmed    uint64        // count of the latest record that was trimmed
	wake       chan struct{} // closed on a new record or on close; nil if no one waits
}

func (sh *shard) append(r *record) {
	sh.records = append(sh.records, r)
	sh.signal()
}

func (sh *shard) close(last uint64, now time.Time) {
	if sh.closed {
		return
	}
	sh.closed, sh.closedAt, sh.end = true, now, last
	sh.signal()
}

// signal wakes every reader that waits on the shard.
func (sh *shard) signal() {
	if sh.wake != nil {
		close(sh.wake)
		sh.wake = nil
	}
}

// waiting gives a channel that is closed at the shard's next record or close.
func (sh *shard) waiting() <-chan struct{} {
	if sh.wake == nil {
		sh.wake = make(chan struct{})
	}
	return sh.wake
}

// trim lets go of the records older than the retention.
func (sh *shard) trim(now time.Time, retention time.Duration) {
	n := 0
	for n < len(sh.records) && now.Sub(sh.records[n].appended) >= retention {
		sh.trimmed = sh.records[n].count
		n++
	}
	switch {
	case n == 0:
	case n == len(sh.records):
		sh.records = nil // the array behind the slice too
	default:
		clear(sh.records[:n]) // the array behind the slice lives on until it has to grow
		sh.records = sh.records[n:]
	}
}

// from gives up to limit records with at least that count. The slice is a copy:
// the shard may be trimmed while the caller holds it.
func (sh *shard) from(count uint64, limit int) []*record {
	i := sort.Search(len(sh.records), func(i int) bool { return sh.records[i].count >= count })
	return append([]*record(nil), sh.records[i:min(len(sh.records), i+limit)]...)
}

// drained reports whether a closed shard has nothing at or after count.
func (sh *shard) drained(count uint64) bool {
	return sh.closed && (len(sh.records) == 0 || sh.records[len(sh.records)-1].count < count)
}
