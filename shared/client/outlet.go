package client

import (
	"context"
	"sync/atomic"
)

// eventsKept is how many events wait for the consumer, besides changes in order.
const eventsKept = 64

// outlet is where a consumer takes its events. The engine writes to it.
type outlet struct {
	out   chan Event
	waits atomic.Bool   // the engine waits for the consumer to take all of out
	ended chan struct{} // closed when nothing follows what is in out
	err   error         // why; valid after ended
}

func newOutlet() *outlet {
	return &outlet{out: make(chan Event, eventsKept), ended: make(chan struct{})}
}

// receive waits for the next event. What was given before the end comes before it.
func (o *outlet) receive(ctx context.Context) (Event, error) {
	if err := ctx.Err(); err != nil {
		return Event{}, err
	}
	select {
	case event := <-o.out:
		return event, nil
	case <-ctx.Done():
		return Event{}, ctx.Err()
	case <-o.ended:
	}
	select {
	case event := <-o.out:
		return event, nil
	default:
		return Event{}, o.err
	}
}

// push gives the consumer an event, if there is room.
func (o *outlet) push(event Event) bool {
	for {
		select {
		case o.out <- event:
			return true
		default:
		}
		if !o.drained() {
			return false
		}
	}
}

// drained reports whether the consumer has taken all. If not, it has the engine pump
// when it has.
func (o *outlet) drained() bool {
	if len(o.out) == 0 {
		return true
	}
	o.waits.Store(true)
	return len(o.out) == 0 && o.waits.CompareAndSwap(true, false)
}

func (o *outlet) fail(err error) {
	o.err = err
	close(o.ended)
}
