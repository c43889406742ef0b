package client

import (
	"context"
	"sync/atomic"
)

const (
	// eventsKept is how many events wait for the consumer, besides changes in order.
	eventsKept = 128
	// changesKept is how many there may be for one more change to be added. The rest is room
	// for first events and pages: else the changes of a busy topic could keep those of
	// other topics out for ever.
	changesKept = eventsKept / 2
)

// eventQueue has the events of a watch that its consumer has not taken yet. The engine writes to it.
type eventQueue struct {
	out   chan Event
	waits atomic.Bool   // the engine waits for the consumer to take all of out
	ended chan struct{} // closed when nothing follows what is in out
	err   error         // why; valid after ended
}

func newEventQueue() *eventQueue {
	return &eventQueue{out: make(chan Event, eventsKept), ended: make(chan struct{})}
}

// receive waits for the next event. What was given before the end comes before it.
func (q *eventQueue) receive(ctx context.Context) (Event, error) {
	if err := ctx.Err(); err != nil {
		return Event{}, err
	}
	select {
	case event := <-q.out:
		return event, nil
	case <-ctx.Done():
		return Event{}, ctx.Err()
	case <-q.ended:
	}
	select {
	case event := <-q.out:
		return event, nil
	default:
		return Event{}, q.err
	}
}

// push gives the consumer an event, if less than kept wait for it.
func (q *eventQueue) push(event Event, kept int) bool {
	for len(q.out) >= kept {
		if !q.drained() {
			return false
		}
	}
	q.out <- event // which does not wait, as nobody else pushes
	return true
}

// hasRoomForPages reports whether there is room for what a page is asked with. If not, it has
// the engine pump when there is.
func (q *eventQueue) hasRoomForPages() bool { return len(q.out) <= changesKept || q.drained() }

// drained reports whether the consumer has taken all. If not, it has the engine pump
// when it has.
func (q *eventQueue) drained() bool {
	if len(q.out) == 0 {
		return true
	}
	q.waits.Store(true)
	return len(q.out) == 0 && q.waits.CompareAndSwap(true, false)
}

func (q *eventQueue) fail(err error) {
	q.err = err
	close(q.ended)
}
