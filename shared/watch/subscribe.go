package watch

import (
	"context"
	"time"

	"github.com/watchroute/watchroute/events"
)

// subscribe writes the subscription before it reads the head, so that every change
// after the cursor it answers with finds the subscription. All that can fail is done
// before the first frame.
func (a Answerer) subscribe(ctx context.Context, c Connection, topic events.Topic, r events.Request, out *outbox) error {
	after, err := parseAfter(r)
	if err != nil {
		return err
	}
	already, err := a.Subscriptions.Subscribe(ctx, Subscription{Connection: c, Topic: topic})
	if err != nil {
		return err
	}
	head, gap, err := a.resume(ctx, topic, after)
	if err != nil {
		a.undo(ctx, c, topic, already)
		return err
	}
	out.send(&events.Subscribed{ID: r.ID, Topic: topic, Cursor: head, Recovered: after != nil && gap.reset == ""})
	if gap.reset != "" {
		out.send(&events.Reset{ID: r.ID, Topic: topic, Reason: gap.reset})
	}
	if gap.reset != "" || r.Snapshot && after == nil {
		return a.snapshotPage(ctx, topic, r.ID, events.Bookmark{Cursor: head}, out)
	}
	return out.sendChanges(gap.changes)
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
func (a Answerer) undo(ctx context.Context, c Connection, topic events.Topic, already bool) {
	if already {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := a.Subscriptions.Unsubscribe(ctx, c.ID, topic); err != nil {
		a.Logger.Error("subscription left behind", "connection", c.ID, "topic", topic, "err", err)
	}
}

func (a Answerer) unsubscribe(ctx context.Context, c Connection, topic events.Topic, r events.Request, out *outbox) error {
	if err := a.Subscriptions.Unsubscribe(ctx, c.ID, topic); err != nil {
		return err
	}
	out.send(&events.Unsubscribed{ID: r.ID, Topic: topic})
	return nil
}
