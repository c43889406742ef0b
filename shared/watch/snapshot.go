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
		return a.snapshotOn(ctx, c, view, topic, r, out)
	}
	head, err := a.History.Head(ctx, topic)
	if err != nil {
		return err
	}
	return a.snapshotPage(ctx, c, view, page{topic: topic, id: r.ID, cursor: head.Cursor}, out)
}

// snapshotOn goes on where the page before ended.
func (a Answerer) snapshotOn(ctx context.Context, c Connection, view grant.View, topic events.Topic, r events.Request, out *outbox) error {
	place, err := events.ParseBookmark(r.Next)
	if err != nil {
		return &events.Error{Code: events.CodeBadCursor, Message: err.Error()}
	}
	if place.Sealed != "" {
		if place.After, err = c.open(place.Sealed); err != nil {
			return err
		}
	}
	return a.snapshotPage(ctx, c, view, page{topic: topic, id: r.ID, cursor: place.Cursor, from: r.Next, after: place.After}, out)
}

// page is a part of a snapshot: whose, for which request, and where it begins.
type page struct {
	topic  events.Topic
	id     string
	cursor events.Cursor
	from   string // the bookmark that the client goes on with; empty for the first
	after  string // the item that it means
}

// snapshotPage sends what one read of the table gives, which is up to 1 MB or less, so that
// one answer stays within a function's time however large the topic is. The items
// are read after the head, so they hold all changes up to its cursor.
func (a Answerer) snapshotPage(ctx context.Context, c Connection, view grant.View, p page, out *outbox) error {
	items, next, err := a.Items.Page(ctx, p.topic, p.after, a.Limits.snapshotItems())
	if err != nil {
		return err
	}
	snapshot := events.Snapshot{ID: p.id, Topic: p.topic, Cursor: p.cursor, From: p.from, Items: shown(view, items)}
	if next != "" {
		if snapshot.Next, err = c.bookmark(view, p.cursor, next); err != nil {
			return err
		}
	}
	frames, err := events.PackSnapshot(snapshot)
	if err != nil {
		return err
	}
	return out.sendEncoded(frames...)
}

// bookmark says where a page ended. Of an item that the view may not show it says nothing.
func (c Connection) bookmark(view grant.View, at events.Cursor, id string) (string, error) {
	if view.IsZero() {
		return events.Bookmark{Cursor: at, After: id}.String(), nil
	}
	sealed, err := c.seal(id)
	return events.Bookmark{Cursor: at, Sealed: sealed}.String(), err
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
		if data, visible, err := view.Item(item.Data, nil); visible && err == nil {
			seen = append(seen, events.Item{ID: item.ID, Data: data})
		}
	}
	return seen
}
