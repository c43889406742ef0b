package watch

import (
	"bytes"
	"cmp"
	"encoding/json"
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
	// PublishBytes bounds the data of an item that a client publishes, as watchers are told
	// it: without spaces, and without escapes that JSON does not want.
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
	if l.PublishBytes == 0 || len(item.Data) <= l.PublishBytes { // it is told in no more bytes than it came in
		return nil
	}
	if size := sizeAsTold(item.Data); size > l.PublishBytes {
		return &events.Error{Code: events.CodeBadItem, Message: fmt.Sprintf("item data has %d bytes, at most %d are allowed", size, l.PublishBytes)}
	}
	return nil
}

// sizeAsTold is how long valid JSON is as watchers are told it.
func sizeAsTold(data json.RawMessage) int {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil {
		return len(data)
	}
	told, _ := events.Marshal(value) // what comes from JSON always encodes
	return len(told)
}

// defaultSnapshotItems is about what fits into the 1 MB that one read brings.
const defaultSnapshotItems = 10_000

// snapshotItems is how many items one answer reads, of those that it is asked for; 0 asks for
// as many as there may be.
func (l Limits) snapshotItems(asked int) int {
	most := cmp.Or(l.SnapshotItems, defaultSnapshotItems)
	return min(cmp.Or(asked, most), most)
}
