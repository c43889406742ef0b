package watch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// subscribe writes the subscription before it reads the head, so that every change
// after the cursor it answers with finds the subscription. All that can fail is done
// before the first frame.
func (a Answerer) subscribe(ctx context.Context, c Connection, topic events.Topic, r events.Request, out *outbox) error {
	after, err := parseAfter(r)
	if err != nil {
		return err
	}
	sub, err := c.subscription(topic, Options{Filter: r.Filter, Fields: r.Fields, Delta: r.Delta})
	if err != nil {
		return err
	}
	readable := c.readable(topic)
	if r.Snapshot && !readable {
		return errForbidden
	}
	sub.Quota = a.Limits.quota(c, time.Now())
	already, err := a.Subscriptions.Subscribe(ctx, sub)
	if err != nil {
		return err
	}
	head, gap, err := a.resume(ctx, topic, after)
	if after != nil && r.View != "" && r.View != cmp.Or(sub.mark(), events.WholeView) {
		gap.reset = events.ResetView
	}
	if err == nil && gap.reset != "" && !readable {
		err = errUnrecoverable
	}
	if err != nil {
		a.undo(ctx, sub, already)
		return err
	}
	out.send(&events.Subscribed{ID: r.ID, Topic: topic, Cursor: head, Recovered: after != nil && gap.reset == "", View: sub.mark()})
	if gap.reset != "" {
		out.send(&events.Reset{ID: r.ID, Topic: topic, Reason: gap.reset})
	}
	if gap.reset != "" || r.Snapshot && after == nil {
		return a.snapshotPage(ctx, sub.View, topic, r.ID, events.Bookmark{Cursor: head}, out)
	}
	return out.sendEntries(sub, gap.entries)
}

// subscription is what the connection's token makes of a request for a topic.
func (c Connection) subscription(topic events.Topic, o Options) (Subscription, error) {
	view, allowed := c.subscribable(topic)
	if !allowed {
		return Subscription{}, errForbidden
	}
	view, err := view.Narrow(o.Filter, o.Fields)
	if err != nil {
		return Subscription{}, &events.Error{Code: events.CodeBadRequest, Message: err.Error()}
	}
	return Subscription{Key: c.Key, Topic: topic, Options: o, View: view, Until: c.until()}, nil
}

// readable reports whether a topic's items may be read as its changes are seen. Who sees
// them otherwise by another rule cannot put the two together.
func (c Connection) readable(topic events.Topic) bool {
	changes, _ := c.Grant.Allows(grant.Subscribe, topic)
	items, allowed := c.Grant.Allows(grant.Read, topic)
	return allowed && items.String() == changes.String()
}

// mark is the same for subscriptions that show the same of a topic, and empty for those
// that show all of it.
func (s Subscription) mark() string {
	if s.View.IsZero() {
		return ""
	}
	sum := sha256.Sum256([]byte(s.View.String()))
	return hex.EncodeToString(sum[:4])
}

// subscribable tells what may be seen of a topic, or of all topics of a pattern.
func (c Connection) subscribable(topic events.Topic) (grant.View, bool) {
	if isPattern(topic) {
		return c.Grant.Covers(grant.Subscribe, grant.Pattern(topic))
	}
	return c.Grant.Allows(grant.Subscribe, topic)
}

// parseAfter reads the cursor that a subscribe goes on from; nil if it has none.
func parseAfter(r events.Request) (*events.Cursor, error) {
	if r.After == "" {
		return nil, nil
	}
	after, err := events.ParseCursor(r.After)
	if err != nil {
		return nil, &events.Error{Code: events.CodeBadCursor, Message: "after: " + err.Error()}
	}
	return &after, nil
}

// resume reads where the topic stands and, for a client with a cursor, what it
// missed.
func (a Answerer) resume(ctx context.Context, topic events.Topic, after *events.Cursor) (events.Cursor, gap, error) {
	head, err := a.History.Head(ctx, topic)
	if err != nil || after == nil {
		return head.Cursor, gap{}, err
	}
	budget := fullBudget()
	missed, err := a.gap(ctx, topic, *after, head, &budget)
	return head.Cursor, missed, err
}

// undo takes back a subscription that the client is told has failed.
func (a Answerer) undo(ctx context.Context, sub Subscription, already bool) {
	if already {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := a.Subscriptions.Unsubscribe(ctx, sub.Key, sub.Topic); err != nil {
		a.Logger.Error("subscription left behind", "connection", sub.ID, "topic", sub.Topic, "err", err)
	}
}

func (a Answerer) unsubscribe(ctx context.Context, c Connection, topic events.Topic, r events.Request, out *outbox) error {
	if err := a.Subscriptions.Unsubscribe(ctx, c.Key, topic); err != nil {
		return err
	}
	out.send(&events.Unsubscribed{ID: r.ID, Topic: topic})
	return nil
}
