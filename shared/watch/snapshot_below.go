package watch

import (
	"context"
	"errors"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// What one answer may read of the topics of a pattern to show their items.
const (
	// maxSnapshotTopics is how many topics it shows. Each takes a read and a frame at least.
	maxSnapshotTopics = 100
	// maxPatternReads is how many read units it may have consumed when it begins to read the
	// items of another topic.
	maxPatternReads = 1_500
)

// snapshotBelow sends the items of a pattern's topics, from the first or from where the
// request goes on.
func (a *answer) snapshotBelow(ctx context.Context, pattern events.Topic) error {
	view, err := a.c.view(grant.Read, Query{Topic: pattern, Options: optionsOf(a.r)})
	if err != nil {
		return err
	}
	var after events.Topic
	if a.r.Next != "" {
		if after, err = a.openBelow(ctx, pattern, view, a.r.Next); err != nil {
			return err
		}
	}
	return a.sendItemsBelow(ctx, pattern, view, after, nil)
}

// sendItemsBelow sends a snapshot of each topic of a pattern, after one of them: its first
// page, as it is sent for the topic alone. The last frame is of the pattern itself, and says
// where the topics go on that the answer has no room for. known are heads that were read
// before.
func (a *answer) sendItemsBelow(ctx context.Context, pattern events.Topic, view grant.View, after events.Topic, known map[events.Topic]Head) error {
	next, err := a.itemsBelow(ctx, below{pattern, view, after, known}, func(p page) error { return a.snapshotPage(ctx, p) })
	if err != nil {
		return err
	}
	a.out.send(&events.Snapshot{ID: a.r.ID, Topic: pattern, From: a.r.Next, Items: []events.Item{}, Next: next})
	return a.out.err
}

// PageBelow is a page of the items of a pattern's topics.
type PageBelow struct {
	ViewID string // the id of the view, as in [events.Subscribed]
	Topics []TopicPage
	Next   string // where more topics begin; empty if there are none
}

// TopicPage is the first page of a topic's items. Its Next is good for the topic's own name.
type TopicPage struct {
	Topic events.Topic
	Page
}

// SnapshotBelow reads the first page of items of each topic of a pattern, beginning with the first
// topic or at next. The error reports what is wrong for the client, see [WireError].
func (t Topics) SnapshotBelow(ctx context.Context, v Viewer, q Query, next string) (PageBelow, error) {
	return carry(ctx, t, v.Key, func(ctx context.Context, w *work) (shown PageBelow, err error) {
		from := below{pattern: q.Topic}
		if from.view, err = v.view(grant.Read, q); err != nil {
			return shown, err
		}
		if next != "" {
			if from.after, err = w.openBelow(ctx, q.Topic, from.view, next); err != nil {
				return shown, err
			}
		}
		shown.ViewID = viewID(from.view, false)
		shown.Next, err = w.itemsBelow(ctx, from, func(p page) error {
			first, _, err := w.read(ctx, p)
			shown.Topics = append(shown.Topics, TopicPage{p.topic, first})
			return err
		})
		return shown, err
	})
}

// below selects the items of a pattern's topics to show.
type below struct {
	pattern events.Topic
	view    grant.View
	after   events.Topic          // the topic before the first one shown; empty for the beginning
	known   map[events.Topic]Head // heads that were read before
}

// itemsBelow shows the topics one after the other, as far as the answer allows, and gives the
// bookmark where the rest begins.
func (w *work) itemsBelow(ctx context.Context, b below, show func(page) error) (next string, err error) {
	topics, more, err := w.topics.Store.Below(ctx, b.pattern, b.after, maxSnapshotTopics)
	if err != nil {
		return "", err
	}
	heads, err := w.headsBut(ctx, topics, b.known)
	if err != nil {
		return "", err
	}
	for i, topic := range topics {
		if i > 0 {
			room, err := w.pageFits(ctx)
			if err != nil {
				return "", err
			}
			if !room {
				topics, more = topics[:i], true
				break
			}
		}
		if heads[topic].Epoch == "" { // its first change is on its way
			continue
		}
		if err := show(page{topic: topic, view: b.view, cursor: heads[topic].Cursor}); err != nil {
			return "", err
		}
	}
	if !more || len(topics) == 0 {
		return "", nil
	}
	return w.bookmarkBelow(ctx, b.pattern, b.view, topics[len(topics)-1])
}

// headsBut reads the heads of topics, but for those that are known.
func (w *work) headsBut(ctx context.Context, topics []events.Topic, known map[events.Topic]Head) (map[events.Topic]Head, error) {
	var unknown []events.Topic
	for _, topic := range topics {
		if _, ok := known[topic]; !ok {
			unknown = append(unknown, topic)
		}
	}
	heads, err := w.heads(ctx, unknown)
	for topic, head := range known {
		heads[topic] = head
	}
	return heads, err
}

// pageFits reports whether the answer may begin with the items of another topic. A subject
// that has spent its allowance is told so when it asks on.
func (w *work) pageFits(ctx context.Context) (bool, error) {
	if w.pages.rows >= w.topics.Limits.snapshotItems(0) || w.pages.bytes > maxSnapshotBytes || w.steps.Left() == 0 {
		return false, nil
	}
	affordable, err := w.afford(ctx, maxPatternReads)
	if errors.Is(err, ErrTooManyRequests) {
		return false, nil
	}
	return affordable, err
}
