package dynamodb

import (
	"time"

	"github.com/watchroute/watchroute/shared/ttl"
)

// sweepBatch is how many rows are deleted before others get the table's lock.
const sweepBatch = 100

// sweepEvery deletes expired items and lets old stream records go at an interval,
// until the engine is closed.
func (e *Engine) sweepEvery(interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-ticker.C:
			e.sweep()
			e.streams.Expire()
		}
	}
}

// sweep deletes what has expired by now in every table.
func (e *Engine) sweep() {
	oldest, latest := ttl.Window(e.now())
	for _, t := range e.all() {
		for t.deleteExpired(oldest, latest) == sweepBatch {
		}
	}
}

// deleteExpired deletes a batch of rows that expired between two times, found by
// the index of expiries, and tells how many.
func (t *table) deleteExpired(oldest, latest int64) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone || t.ttl.attribute == "" {
		return 0
	}
	expired := t.ttl.expired(oldest, latest)
	for _, r := range expired {
		var changes []indexChange
		for _, x := range t.indexes {
			changes = append(changes, x.change(r, nil))
		}
		t.store(r, nil, changes, true)
	}
	return len(expired)
}

// expired lists a batch of the rows that expired from oldest to latest, in order.
func (l *timeToLive) expired(oldest, latest int64) []*row {
	var batch []*row
	l.expiries.Ascend(expiry{at: oldest}, func(x expiry) bool {
		if x.at > latest {
			return false
		}
		batch = append(batch, x.row)
		return len(batch) < sweepBatch
	})
	return batch
}
