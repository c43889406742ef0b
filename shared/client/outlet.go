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

// push gives the consumer an event, if less than kept wait for it.
func (o *outlet) push(event Event, kept int) bool {
	for len(o.out) >= kept {
		if !o.drained() {
			return false
		}
	}
	o.out <- event // which does not wait, as nobody else pushes
	return true
}

// takesPages reports whether there is room for what a page is asked with. If not, it has
// the engine pump when there is.
func (o *outlet) takesPages() bool { return len(o.out) <= changesKept || o.drained() }

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
