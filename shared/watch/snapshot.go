package watch

import (
	"context"
	"errors"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// snapshot sends a page of a topic's items: the first, or the one that the request
// goes on with.
func (a *answer) snapshot(ctx context.Context, topic events.Topic) error {
	view, err := a.c.view(grant.Read, Query{Topic: topic, Options: optionsOf(a.r)})
	if err != nil {
		return err
	}
	p, err := a.pageAt(ctx, topic, view, a.r.Next)
	if err != nil {
		return err
	}
	return a.snapshotPage(ctx, p)
}

// pageAt is where a page of a snapshot begins: at next, or at the first item.
func (w *work) pageAt(ctx context.Context, topic events.Topic, view grant.View, next string) (page, error) {
	if next != "" {
		return w.open(ctx, topic, view, next)
	}
	head, err := w.topics.Store.Head(ctx, topic)
	return page{topic: topic, view: view, cursor: head.Cursor}, err
}

// page is a part of a snapshot: of what, and where it begins.
type page struct {
	topic  events.Topic
	view   grant.View
	cursor events.Cursor
	limit  int    // of items that are read; 0 for as many as the service gives
	from   string // the bookmark that the client goes on with; empty for the first
	after  string // the item that it means
}

// maxSnapshotBytes is how many bytes of items an answer may show when it goes on to another
// item. JSON may take six times as much as what it was read from.
const maxSnapshotBytes = 2 << 20

// pageRoom is what the pages of one answer have taken.
type pageRoom struct{ rows, bytes int }

// shownPage is what a page shows, and the id of the item that the next one begins after.
type shownPage struct {
	items  []events.Item
	costly int
	next   string
	until  time.Time // when the first of the items expires; zero if none does
}

// page reads what one read of the table gives, which is up to 1 MB or less, so that
// one answer stays within a function's time however large the topic is. It ends earlier when
// the view has cost what an answer may, or shows more than maxSnapshotBytes. The items are
// read after the head, so they hold all changes up to its cursor.
func (w *work) page(ctx context.Context, p page) (shownPage, error) {
	rows, next, err := w.topics.Store.Page(ctx, p.topic, p.after, w.topics.Limits.snapshotItems(p.limit)-w.pages.rows)
	if err != nil {
		return shownPage{}, err
	}
	shown, seen := w.shown(p.view, rows)
	w.pages.rows += seen
	if shown.next = next; seen < len(rows) {
		shown.next = rows[seen-1].ID
	}
	return shown, nil
}

// snapshotPage sends a page in as few frames as hold it.
func (a *answer) snapshotPage(ctx context.Context, p page) error {
	found, err := a.page(ctx, p)
	if err != nil {
		return err
	}
	snapshot := events.Snapshot{ID: a.r.ID, Topic: p.topic, Cursor: p.cursor, From: p.from, Items: found.items, Costly: found.costly}
	if found.next != "" {
		bookmark, err := a.bookmark(ctx, p, found.next, maxRowIDBytes)
		if err != nil {
			return err
		}
		snapshot.Next = bookmark.String()
	}
	frames, err := events.PackSnapshot(snapshot, func(shown string) (events.Bookmark, error) {
		return a.bookmark(ctx, p, shown, events.MaxItemIDBytes)
	})
	if err != nil {
		return err
	}
	return a.out.sendEncoded(frames...)
}

// shown is what a view shows of the first rows, and how many rows those are. It looks at as many
// as the request has steps and bytes for, and at least at one.
func (w *work) shown(view grant.View, rows []Row) (shown shownPage, seen int) {
	for i, row := range rows {
		if w.pages.bytes > maxSnapshotBytes && i > 0 {
			return shown, i
		}
		s, visible, err := w.show(view, row.Item)
		switch {
		case err != nil && w.steps.Left() == 0 && i > 0:
			return shown, i
		case errors.Is(err, grant.ErrCostly):
			shown.costly++
		case visible && !row.Void:
			shown.add(s, row.Expires)
			w.pages.bytes += len(s.Data) + 2*len(s.ID)
		}
	}
	return shown, len(rows)
}

func (p *shownPage) add(item events.Item, expires time.Time) {
	p.items = append(p.items, item)
	if !expires.IsZero() && (p.until.IsZero() || expires.Before(p.until)) {
		p.until = expires
	}
}

// show is what a view shows of an item. One whose data does not fit into a frame is marked,
// or not there for a view that would have to look into it, as in changesOf.
func (w *work) show(view grant.View, item events.Item) (shown events.Item, visible bool, err error) {
	if len(item.Data) > events.MaxDataBytes {
		return events.Item{ID: item.ID, Large: true}, view.IsZero(), nil
	}
	data, visible, err := view.Item(item.Data, w.steps)
	if len(data) > events.MaxDataBytes { // as a mask may have made it longer
		return events.Item{ID: item.ID, Large: true}, visible, err
	}
	return events.Item{ID: item.ID, Data: data}, visible, err
}
