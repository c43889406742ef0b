package watch

import (
	"cmp"
	"context"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/seal"
)

// Topics carries out what clients ask of topics, in whichever way they ask.
type Topics struct {
	Store     TopicStore
	Sealer    *seal.Sealer // seals bookmarks and versions of pages, and makes marks
	Limits    Limits
	Allowance *Allowance // of each subject; nil for no bound
}

// Viewer is a client that asks: whose it is, and what its token allows. An anonymous one that
// has no connection is told from others by an ID of its own.
type Viewer struct {
	Key
	Access
}

// Query is what a client asks to see of a topic.
type Query struct {
	Topic events.Topic
	Options
	through events.Topic // the pattern by which it sees the topic; empty if by the topic's name
}

// asked is the topic or pattern that the client has named. It decides what the client may see.
func (q Query) asked() events.Topic { return cmp.Or(q.through, q.Topic) }

// work is what one request does: what that has cost so far, and what it may still bring.
type work struct {
	*bill
	topics Topics
	room   room // for missed changes
	pages  pageRoom
	steps  *grant.Budget
}

// begin gives the work of one request, and the context whose calls it counts.
func (t Topics) begin(ctx context.Context, who Key) (context.Context, work) {
	ctx, bill := newBill(ctx, t.Allowance, who)
	return ctx, work{bill: bill, topics: t, room: fullRoom(), steps: grant.NewBudget(maxAnswerSteps)}
}

// carry does the work of a request without a connection, and charges for it.
func carry[Result any](ctx context.Context, t Topics, who Key, do func(context.Context, *work) (Result, error)) (Result, error) {
	var none Result
	if err := t.Allowance.check(who); err != nil {
		return none, err
	}
	ctx, w := t.begin(ctx, who)
	result, err := do(ctx, &w)
	_ = w.settleNow(ctx) // what is not charged is owed, and the next request is refused if it is too much
	return result, err
}

// Charge does work for a client that is not asked of a topic, and charges for what it costs.
func (t Topics) Charge(ctx context.Context, who Key, do func(context.Context) error) error {
	_, err := carry(ctx, t, who, func(ctx context.Context, _ *work) (any, error) { return nil, do(ctx) })
	return err
}

// PageQuery asks for a page of a topic's items.
type PageQuery struct {
	Query
	Next  string   // the Next of the page before; empty for the first page
	Limit int      // of items that are read; 0 for as many as the service gives
	Known []string // Versions of the page that the client has
}

// Page is a part of a topic's items, as a view shows them.
type Page struct {
	Cursor    events.Cursor // at which the items are true, once the last page is read
	ViewID    string        // of what is seen, as in [events.Subscribed]
	Items     []events.Item // in the order of their ids
	Costly    int           // items that were not looked at, because the view costs too much on them
	Next      string        // where the next page begins; empty for the last
	Version   string        // the same for pages that show the same
	Unchanged bool          // the client has this Version, so no items were read
}

// Snapshot reads a page of a topic's items: one read of the topic's head, and none more if the
// client has the page. What is wrong for the client is in the error, see [WireError].
func (t Topics) Snapshot(ctx context.Context, v Viewer, q PageQuery) (Page, error) {
	return carry(ctx, t, v.Key, func(ctx context.Context, w *work) (Page, error) { return w.snapshot(ctx, v.Access, q) })
}

func (w *work) snapshot(ctx context.Context, a Access, q PageQuery) (Page, error) {
	view, err := a.view(grant.Read, q.Query)
	if err != nil {
		return Page{}, err
	}
	head, err := w.topics.Store.Head(ctx, q.Topic)
	if err != nil {
		return Page{}, err
	}
	at := page{topic: q.Topic, view: view, cursor: head.Cursor, limit: q.Limit}
	if q.Next != "" {
		if at, err = w.open(ctx, q.Topic, view, q.Next); err != nil {
			return Page{}, err
		}
		at.limit = q.Limit
	}
	version := version{page: at, next: q.Next, head: head.Cursor}
	if known, err := w.known(ctx, version, q.Known); err != nil || known != "" {
		return Page{Cursor: at.cursor, ViewID: viewID(view, false), Version: known, Unchanged: true}, err
	}
	shown, until, err := w.read(ctx, at)
	if err != nil {
		return Page{}, err
	}
	shown.Version, err = w.version(ctx, version, until)
	return shown, err
}

// read reads a page, and gives the time at which the first of its items expires.
func (w *work) read(ctx context.Context, p page) (shown Page, until time.Time, err error) {
	found, err := w.page(ctx, p)
	shown = Page{Cursor: p.cursor, ViewID: viewID(p.view, false), Items: found.items, Costly: found.costly}
	if err == nil && found.next != "" {
		var next events.Bookmark
		next, err = w.bookmark(ctx, p, found.next, maxRowIDBytes)
		shown.Next = next.String()
	}
	return shown, found.until, err
}

// Missed is what a client missed of a topic since its cursor.
type Missed struct {
	Topic   events.Topic
	Changes []events.Change
	Cursor  events.Cursor // where the client stands with them
	ViewID  string        // of what is seen, as in [events.Subscribed]
	More    bool          // there is more, to be asked for with Cursor
	// Reset says why it cannot be told. The client starts over from a snapshot.
	Reset events.ResetReason
}

// Changes reads what a topic has after a cursor. viewID is that of the view that the
// client has seen up to there, or [events.WholeView]; empty asks for no check. What is wrong for the
// client is in the error, see [WireError].
func (t Topics) Changes(ctx context.Context, v Viewer, q Query, after events.Cursor, viewID string) (Missed, error) {
	return carry(ctx, t, v.Key, func(ctx context.Context, w *work) (Missed, error) { return w.changes(ctx, v.Access, q, after, viewID) })
}

// Portion reads as Changes does, but at most so many changes. It therefore never resets for the
// number of those that are missed. Who asks again for the same changes gets the same.
func (t Topics) Portion(ctx context.Context, v Viewer, q Query, after events.Cursor, most int64) (Missed, error) {
	return carry(ctx, t, v.Key, func(ctx context.Context, w *work) (Missed, error) {
		head, err := w.topics.Store.Head(ctx, q.Topic)
		if err != nil {
			return Missed{}, err
		}
		if after == (events.Cursor{}) && head.First {
			after.Epoch = head.Epoch // it was there before the first change
		}
		rest := head.Seq - after.Seq
		if head.Epoch == after.Epoch && rest > most {
			head.Seq = after.Seq + most
		}
		missed, err := w.changesUpTo(ctx, v.Access, q, after, head, "")
		missed.More = missed.More || missed.Cursor.Epoch == head.Epoch && rest > most
		return missed, err
	})
}

func (w *work) changes(ctx context.Context, a Access, q Query, after events.Cursor, seenID string) (Missed, error) {
	if _, err := a.view(grant.Subscribe, q); err != nil {
		return Missed{}, err // without a read
	}
	head, err := w.topics.Store.Head(ctx, q.Topic)
	if err != nil {
		return Missed{}, err
	}
	return w.changesUpTo(ctx, a, q, after, head, seenID)
}

func (w *work) changesUpTo(ctx context.Context, a Access, q Query, after events.Cursor, head Head, seenID string) (Missed, error) {
	view, err := a.view(grant.Subscribe, q)
	if err != nil {
		return Missed{}, err
	}
	missed := Missed{Topic: q.Topic, ViewID: viewID(view, q.Latest), Cursor: head.Cursor}
	if otherView(seenID, view, q.Options) {
		missed.Reset = events.ResetView
		if !a.readable(q.asked()) {
			return Missed{}, errUnrecoverable
		}
		return missed, nil
	}
	gap, err := w.missed(ctx, q.Topic, after, head)
	if err == nil && gap.reset != "" && !a.readable(q.asked()) {
		err = errUnrecoverable
	}
	if err != nil {
		return Missed{}, err
	}
	missed.Reset, missed.More = gap.reset, gap.rest
	missed.Changes = w.seen(view, q.Options, gap.entries)
	if n := len(gap.entries); gap.rest && n > 0 {
		missed.Cursor = gap.entries[n-1].Cursor()
	} else if gap.rest {
		missed.Cursor = after
	}
	return missed, nil
}

// seen is what a view shows of entries. Each entry is decoded alone, as all together may take
// more memory than a function has.
func (w *work) seen(view grant.View, o Options, entries []Entry) []events.Change {
	t := newTelling(nil, o, &w.room)
	for i := range entries {
		t.see(changesOf(entries[i : i+1])[0], view, o.Delta, w.steps)
	}
	return t.told()
}
