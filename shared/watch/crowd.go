package watch

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/watchroute/watchroute/events"
)

// CrowdError says that more subscriptions were found than were to be read.
type CrowdError struct {
	About int // how many there may be at most
}

func (e CrowdError) Error() string { return fmt.Sprintf("there may be %d subscriptions", e.About) }

// crowdBatches is how many times MaxPosts a batch reads of an audience. One that is still larger gets
// lanes without being read: it could take more memory than fan-out has.
const crowdBatches = 32

// counter are Subscribers that read no crowd. They note how large it may be.
type counter struct {
	of     Pusher
	atMost int
	mu     sync.Mutex
	crowds map[events.Topic]int
}

// counting gives Subscribers that read no crowd, unless there are no lanes.
func (h Handover) counting(p Pusher) *counter {
	c := &counter{of: p, crowds: map[events.Topic]int{}}
	if h.Queue != nil {
		c.atMost = crowdBatches * h.MaxPosts
	}
	return c
}

// pusher gives the pusher that reads from c.
func (c *counter) pusher() Pusher {
	p := c.of
	p.Subscribers = c
	return p
}

func (c *counter) Forget(ctx context.Context, key Key, subs []Subscription) error {
	return c.of.Subscribers.Forget(ctx, key, subs)
}

func (c *counter) Subscribers(ctx context.Context, topic events.Topic, belowAlone bool, part Part) ([]Subscription, error) {
	part.AtMost = c.atMost
	subs, err := c.of.Subscribers.Subscribers(ctx, topic, belowAlone, part)
	if crowd := (CrowdError{}); errors.As(err, &crowd) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.crowds[topic] = crowd.About
		return nil, nil
	}
	return subs, err
}
