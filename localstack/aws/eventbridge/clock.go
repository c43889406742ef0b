package eventbridge

import (
	"sync"
	"time"
)

// Clock is what schedules go by.
type Clock interface {
	Now() time.Time
	// After gives a channel that gets a time once d has passed; at once if d is not above 0.
	After(d time.Duration) <-chan time.Time
}

// machine is the machine's clock.
type machine struct{}

func (machine) Now() time.Time                         { return time.Now() }
func (machine) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Hand is a clock that moves only when it is told to, so that tests need not wait for schedules.
// Safe for concurrent use.
type Hand struct {
	mu      sync.Mutex
	now     time.Time
	waiting map[chan time.Time]time.Time // until when
}

// NewHand makes a clock that shows a time.
func NewHand(now time.Time) *Hand {
	return &Hand{now: now, waiting: map[chan time.Time]time.Time{}}
}

// Now is the time that the clock shows.
func (h *Hand) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// After gives a channel that gets the time once the clock was moved on by d.
func (h *Hand) After(d time.Duration) <-chan time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := make(chan time.Time, 1)
	h.waiting[c] = h.now.Add(d)
	h.ringLocked()
	return c
}

// Advance moves the clock on. A schedule that is due several times meanwhile fires as often.
func (h *Hand) Advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
	h.ringLocked()
}

func (h *Hand) ringLocked() {
	for c, until := range h.waiting {
		if !until.After(h.now) {
			c <- h.now // has room
			delete(h.waiting, c)
		}
	}
}
