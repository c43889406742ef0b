package watch

import (
	"context"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// snapshot sends a page of a topic's items: the first, or the one that the request
// goes on with.
func (a Answerer) snapshot(ctx context.Context, c Connection, topic events.Topic, r events.Request, out *outbox) error {
	view, allowed := c.Grant.Allows(grant.Read, topic)
	if !allowed {
		return errForbidden
	}
	view, err := view.Narrow(r.Filter, r.Fields)
	if err != nil {
		return &events.Error{Code: events.CodeBadRequest, Message: err.Error()}
	}
	if r.Next != "" {
		place, err := events.ParseBookmark(r.Next)
		if err != nil {
			return &events.Error{Code: events.CodeBadCursor, Message: err.Error()}
		}
		return a.snapshotPage(ctx, view, topic, r.ID, place, out)
	}
	head, err := a.History.Head(ctx, topic)
	if err != nil {
		return err
	}
	return a.snapshotPage(ctx, view, topic, r.ID, events.Bookmark{Cursor: head.Cursor}, out)
}

// snapshotPage sends what one read of the table gives, which is up to 1 MB or less, so that
// one answer stays within a function's time however large the topic is. The items
// are read after the head, so they hold all changes up to its cursor.
func (a Answerer) snapshotPage(ctx context.Context, view grant.View, topic events.Topic, id string, place events.Bookmark, out *outbox) error {
	items, next, err := a.Items.Page(ctx, topic, place.After, a.Limits.snapshotItems())
	if err != nil {
		return err
	}
	page := events.Snapshot{ID: id, Topic: topic, Cursor: place.Cursor, Items: shown(view, items)}
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

// shown is what a view shows of items. Those whose data does not fit into a frame are
// marked, or not there for a view that would have to look into it, as in changesOf.
func shown(view grant.View, items []events.Item) []events.Item {
	var seen []events.Item
	for _, item := range items {
		if len(item.Data) > events.MaxDataBytes {
			if view.IsZero() {
				seen = append(seen, events.Item{ID: item.ID, Large: true})
			}
			continue
		}
		if data, visible := view.Item(item.Data); visible {
			seen = append(seen, events.Item{ID: item.ID, Data: data})
		}
	}
	return seen
}
