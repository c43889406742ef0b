package watch

import (
	"context"
	"slices"

	"github.com/watchroute/watchroute/events"
)

// snapshot sends a page of a topic's items: the first, or the one that the request
// goes on with.
func (a Answerer) snapshot(ctx context.Context, topic events.Topic, r events.Request, out *outbox) error {
	if r.Next != "" {
		place, err := events.ParseBookmark(r.Next)
		if err != nil {
			return &events.Error{Code: events.CodeBadCursor, Message: err.Error()}
		}
		return a.snapshotPage(ctx, topic, r.ID, place, out)
	}
	head, err := a.History.Head(ctx, topic)
	if err != nil {
		return err
	}
	return a.snapshotPage(ctx, topic, r.ID, events.Bookmark{Cursor: head.Cursor}, out)
}

// snapshotPage sends what one read of the table gives, which is up to 1 MB, so that
// one answer stays within a function's time however large the topic is. The items
// are read after the head, so they hold all changes up to its cursor.
func (a Answerer) snapshotPage(ctx context.Context, topic events.Topic, id string, place events.Bookmark, out *outbox) error {
	items, next, err := a.Items.Page(ctx, topic, place.After)
	if err != nil {
		return err
	}
	page := events.Snapshot{ID: id, Topic: topic, Cursor: place.Cursor, Items: withoutLargeData(items)}
	if place.After != "" {
		page.From = place.String()
	}
	if next != "" {
		page.Next = events.Bookmark{Cursor: place.Cursor, After: next}.String()
	}
	frames, err := events.PackSnapshot(page)
	if err != nil {
		return err
	}
	return out.sendEncoded(frames...)
}

// withoutLargeData marks items whose data does not fit into a frame.
func withoutLargeData(items []events.Item) []events.Item {
	items = slices.Clone(items)
	for i, item := range items {
		if len(item.Data) > events.MaxDataBytes {
			items[i] = events.Item{ID: item.ID, Large: true}
		}
	}
	return items
}
