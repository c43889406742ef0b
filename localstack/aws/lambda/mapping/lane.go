package mapping

import (
	"context"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/feed"
)

// envelope is what an event has around its records.
const (
	eventStart = `{"Records":[`
	eventEnd   = `]}`
	envelope   = len(eventStart) + len(eventEnd)
)

// lane delivers records one batch at a time, in order. A shard has as many lanes
// as the mapping's ParallelizationFactor.
type lane struct {
	*Poller
	shardID string
	send    Delivery
	filled  chan struct{} // signals that records came, or the lane was closed
	drained chan struct{} // signals that records were taken

	mu     sync.Mutex
	queue  []feed.Record
	bytes  int // of the queue as part of an event
	closed bool
}

func newLane(p *Poller, shardID string) *lane {
	send := p.send
	if p.o.Wrap != nil {
		send = p.o.Wrap(shardID, send)
	}
	return &lane{Poller: p, shardID: shardID, send: send, filled: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
}

// send invokes the function with an event of the records.
func (p *Poller) send(ctx context.Context, records []feed.Record) (Answer, error) {
	return p.o.Invoke(ctx, event(records))
}

// put adds records, all at once, when there is less than a batch in the queue.
// It is false if ctx ended.
func (l *lane) put(ctx context.Context, records []feed.Record) bool {
	for len(records) > 0 && !l.add(records) {
		select {
		case <-l.drained:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (l *lane) add(records []feed.Record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fullLocked() {
		return false
	}
	l.queue = append(l.queue, records...)
	for _, r := range records {
		l.bytes += len(r.JSON) + 1
	}
	signal(l.filled)
	return true
}

// close says that nothing will follow.
func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	signal(l.filled)
}

// run delivers until the lane is closed and empty, or ctx ends.
func (l *lane) run(ctx context.Context) {
	for {
		batch := l.take(ctx)
		if len(batch) == 0 {
			return
		}
		l.deliver(ctx, batch, 0)
	}
}

// take waits for the next batch: for a record, and from then on until the batch
// is full, the window is over, or nothing can follow. None: the end.
func (l *lane) take(ctx context.Context) []feed.Record {
	var window <-chan time.Time
	elapsed := l.m.Window == 0
	for {
		batch, waiting := l.cut(elapsed)
		if batch != nil || !waiting && l.ended() {
			return batch
		}
		if waiting && window == nil {
			timer := time.NewTimer(l.m.Window)
			defer timer.Stop()
			window = timer.C
		}
		select {
		case <-l.filled:
		case <-window:
			elapsed = true
		case <-ctx.Done():
			return nil
		}
	}
}

// cut takes a batch if there is one to take now; waiting says that there are
// records which may still get company.
func (l *lane) cut(elapsed bool) (batch []feed.Record, waiting bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil, false
	}
	if !elapsed && !l.closed && !l.fullLocked() {
		return nil, true
	}
	n, size := 0, envelope
	for n < min(len(l.queue), l.m.BatchSize) && (n == 0 || size+len(l.queue[n].JSON)+1 <= MaxEvent) {
		size += len(l.queue[n].JSON) + 1
		n++
	}
	batch = append([]feed.Record(nil), l.queue[:n]...)
	l.queue = append(l.queue[:0:0], l.queue[n:]...) // a copy, so that what was delivered can be freed
	l.bytes -= size - envelope
	signal(l.drained)
	return batch, false
}

// fullLocked tells whether the queue holds a whole batch.
func (l *lane) fullLocked() bool {
	return len(l.queue) >= l.m.BatchSize || l.bytes+envelope >= MaxEvent
}

func (l *lane) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed && len(l.queue) == 0
}

// signal wakes the one who waits on a channel of capacity 1, now or when it looks.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// EventSize is how many bytes the event of the records has.
func EventSize(records []feed.Record) int {
	size := envelope + max(0, len(records)-1) // commas
	for _, r := range records {
		size += len(r.JSON)
	}
	return size
}

// event makes the event that the function gets.
func event(records []feed.Record) []byte {
	b := append(make([]byte, 0, EventSize(records)), eventStart...)
	for i, r := range records {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r.JSON...)
	}
	return append(b, eventEnd...)
}
