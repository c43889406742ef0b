package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
)

// A destination, such as a webhook, watches a topic or a pattern by a subscription like that of a
// connection. Nothing is posted to it. It is woken, and then reads the log by itself, see package
// delivery. Its subscription has no connection: its [ConnectionID] names the destination.

// destinationPrefix begins the ConnectionID of a destination. The ids of API Gateway have no colon.
const destinationPrefix = "destination:"

// DestinationID gives the ConnectionID by which a destination watches.
func DestinationID(destination string) ConnectionID {
	return ConnectionID(destinationPrefix + destination)
}

// Destination gives the destination that the id names; ok is false for a connection.
func (id ConnectionID) Destination() (destination string, ok bool) {
	return strings.CutPrefix(string(id), destinationPrefix)
}

// Waker wakes destinations.
type Waker interface {
	// Wake tells a destination that a topic has changes after a cursor. The cursor is where a
	// destination begins that has had nothing of the topic. Waking one that has been woken and has
	// not begun changes nothing. After an error the destination may sleep on.
	Wake(ctx context.Context, destination string, topic events.Topic, after events.Cursor) error
}

// wakesAtOnce bounds the destinations that are woken at once.
const wakesAtOnce = 32

// wake wakes each destination once for each of its topics. It gives the topics of which one could
// not be woken. They have to come again, because nobody else would wake it.
func (p Pusher) wake(ctx context.Context, destinations map[Key][]watched, numbered []Numbered, now time.Time) (asleep failedTopics) {
	if p.Waker == nil {
		return asleep
	}
	var errs []error
	var mu sync.Mutex
	tasks := newWorkers(wakesAtOnce)
	for key, topics := range destinations {
		destination, _ := key.ID.Destination()
		for _, w := range topics {
			n := numbered[w.index]
			if len(n.Entries) == 0 || !w.sub.Until.After(now) {
				continue
			}
			tasks.do(func() {
				if err := p.Waker.Wake(ctx, destination, n.Topic, n.before()); err != nil {
					mu.Lock()
					defer mu.Unlock()
					asleep.topics = append(asleep.topics, n.Topic)
					errs = append(errs, fmt.Errorf("wake destination %s of %s: %w", destination, n.Topic, err))
				}
			})
		}
	}
	tasks.wait()
	slices.Sort(asleep.topics)
	asleep.topics = slices.Compact(asleep.topics)
	asleep.err = errors.Join(errs[:min(len(errs), errorsKept)]...)
	return asleep
}

// Below gives the query for a topic that is seen through the pattern of q. For the topic of q
// itself it gives q.
func (q Query) Below(topic events.Topic) Query {
	if q.Topic.IsPattern() {
		q.Topic, q.through = topic, q.Topic
	}
	return q
}
