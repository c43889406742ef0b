package watch

import (
	"fmt"
	"time"

	"github.com/watchroute/watchroute/events"
)

// Limits bound what one client may ask for. A field that is 0 bounds nothing.
type Limits struct {
	// Subscriptions is how many topics and patterns a connection may watch at a time.
	Subscriptions int
	// Subscribes is how often a second a connection may subscribe, in the long run. It is
	// counted in the write that each subscribe makes, so it holds however many processes
	// answer.
	Subscribes int
	// PublishBytes bounds the data of an item that a client publishes.
	PublishBytes int
	// SnapshotItems bounds the items that one answer reads.
	SnapshotItems int
}

// quota is what a connection may have by now. What a client needs that has just
// connected, it may have at once.
func (l Limits) quota(c Connection, now time.Time) Quota {
	q := Quota{Topics: l.Subscriptions}
	if l.Subscribes > 0 {
		age := max(0, now.Sub(c.Connected)) // by two clocks
		q.Subscribes = events.MaxSubscriptions + int(age.Seconds()*float64(l.Subscribes))
	}
	return q
}

// checkPublished refuses data that is too large to be published.
func (l Limits) checkPublished(item events.Item) error {
	if l.PublishBytes > 0 && len(item.Data) > l.PublishBytes {
		return &events.Error{Code: events.CodeBadItem, Message: fmt.Sprintf("item data has %d bytes, at most %d are allowed", len(item.Data), l.PublishBytes)}
	}
	return nil
}

// defaultSnapshotItems is about what fits into the 1 MB that one read brings.
const defaultSnapshotItems = 10_000

// snapshotItems is how many items one answer reads.
func (l Limits) snapshotItems() int {
	if l.SnapshotItems == 0 {
		return defaultSnapshotItems
	}
	return l.SnapshotItems
}
