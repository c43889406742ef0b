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
	view, err := a.c.view(grant.Read, Query{pattern, optionsOf(a.r)})
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
	topics, more, err := a.History.Below(ctx, pattern, after, maxSnapshotTopics)
	if err != nil {
		return err
	}
	heads, err := a.headsBut(ctx, topics, known)
	if err != nil {
		return err
	}
	for i, topic := range topics {
		if i > 0 {
			room, err := a.pageFits(ctx)
			if err != nil {
				return err
			}
			if !room {
				topics, more = topics[:i], true
				break
			}
		}
		if heads[topic].Epoch == "" { // its first change is on its way
			continue
		}
		if err := a.snapshotPage(ctx, page{topic: topic, view: view, cursor: heads[topic].Cursor}); err != nil {
			return err
		}
	}
	end := &events.Snapshot{ID: a.r.ID, Topic: pattern, From: a.r.Next, Items: []events.Item{}}
	if more && len(topics) > 0 {
		if end.Next, err = a.bookmarkBelow(ctx, pattern, view, topics[len(topics)-1]); err != nil {
			return err
		}
	}
	a.out.send(end)
	return a.out.err
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
