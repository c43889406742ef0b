package watch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// subscribe writes the subscription before it reads the head, so that every change
// after the cursor it answers with finds the subscription. All that can fail is done
// before the first frame.
func (a *answer) subscribe(ctx context.Context, topic events.Topic) error {
	after, err := parseAfter(a.r)
	if err != nil {
		return err
	}
	options, err := subscribeOptions(a.r)
	if err != nil {
		return err
	}
	if _, err := a.c.subscription(topic, options); err != nil {
		return err
	}
	if a.r.Snapshot && !a.c.readable(topic) {
		return errForbidden
	}
	sub, already, err := a.keep(ctx, topic, options)
	if err != nil {
		return err
	}
	head, err := a.topics.Store.Head(ctx, topic)
	var missed gap
	if err == nil && after != nil {
		if missed, err = a.missed(ctx, topic, *after, head); missed.rest {
			missed = gap{reset: events.ResetLimit}
		}
	}
	if after != nil && otherView(a.r.View, sub.View, sub.Options) {
		missed.reset = events.ResetView
	}
	if err == nil && missed.reset != "" && !a.c.readable(topic) {
		err = errUnrecoverable
	}
	if err == nil {
		err = a.settle(ctx)
	}
	if err != nil {
		a.undo(ctx, sub, already)
		return err
	}
	subscribed := &events.Subscribed{ID: a.r.ID, Topic: topic, Cursor: head.Cursor, Recovered: after != nil && missed.reset == "", View: sub.viewID()}
	if sub.Presence != "" {
		subscribed.Presence = &events.Presence{LeaseMs: events.PresenceLease.Milliseconds()}
	}
	a.out.send(subscribed)
	if missed.reset != "" {
		a.out.send(&events.Reset{ID: a.r.ID, Topic: topic, Reason: missed.reset})
	}
	if missed.reset != "" || a.r.Snapshot && after == nil {
		return a.snapshotPage(ctx, page{topic: topic, view: sub.View, cursor: head.Cursor})
	}
	return a.sendEntries(sub, missed.entries)
}

func optionsOf(r events.Request) Options {
	return Options{Filter: r.Filter, Fields: r.Fields, Delta: r.Delta, Latest: r.Latest}
}

// keepAttempts bounds how often another token may come while a subscribe runs.
const keepAttempts = 3

// keep writes a subscription. If another token has come meanwhile, whose auth cannot have
// seen the subscription, it is written anew by that one. It is taken back if that token does
// not allow it, and if a later request has overtaken it.
func (a *answer) keep(ctx context.Context, topic events.Topic, o Options) (sub Subscription, already bool, err error) {
	if err := a.topics.Limits.quota(a.c, time.Now()).check(a.c, topic); err != nil {
		return sub, false, err
	}
	for attempt := range keepAttempts {
		before := sub
		if sub, err = a.c.subscription(topic, o); err != nil && attempt > 0 {
			err = errors.Join(err, a.store.Withdraw(ctx, a.c.Key, before))
		}
		if err != nil {
			return sub, already, err
		}
		sub.Order, sub.Quota, sub.Lease = a.order, a.topics.Limits.quota(a.c, time.Now()), leaseFrom(time.Now())
		sub.Shard, sub.Again = before.Shard, attempt > 0 || slices.Contains(a.c.watches, topic)
		kept, err := a.store.Subscribe(ctx, sub)
		if err != nil && attempt > 0 {
			a.undo(ctx, sub, already)
		}
		if err != nil {
			return sub, already, err
		}
		sub.Shard = kept.Shard
		already = already || kept.Already && attempt == 0
		if err := a.enter(ctx, sub, kept); err != nil {
			a.undo(ctx, sub, already)
			return sub, already, err
		}
		session, err := a.store.Session(ctx, a.c.Key)
		switch {
		case errors.Is(err, ErrNotConnected) || err == nil && session.Orders[topic] != sub.Order:
			a.undo(ctx, sub, false)
			return sub, already, cmp.Or(err, ErrOvertaken)
		case err != nil:
			a.undo(ctx, sub, already)
			return sub, already, err
		case session.Access == nil || session.Access.same(a.c.Access):
			return sub, already, nil
		}
		a.c.Access = *session.Access
	}
	a.undo(ctx, sub, already)
	return sub, already, ErrUnavailable
}

// subscription is what the connection's token makes of a request for a topic.
func (c Connection) subscription(topic events.Topic, o Options) (Subscription, error) {
	view, err := c.view(grant.Subscribe, Query{Topic: topic, Options: o})
	if err == nil && o.Presence != "" {
		err = c.mayJoin(topic)
	}
	if err != nil {
		return Subscription{}, err
	}
	return Subscription{Key: c.Key, Topic: topic, Options: o, View: view, Auth: c.Access.Order, Until: c.until()}, nil
}

// readable reports whether the items of a topic, or of all topics of a pattern, may be read as
// their changes are seen. Who sees them otherwise by another rule cannot put the two together.
func (a Access) readable(topic events.Topic) bool {
	changes, _ := a.allows(grant.Subscribe, topic)
	items, allowed := a.allows(grant.Read, topic)
	return allowed && items.String() == changes.String()
}

// viewID is the same for subscriptions that show the same of a topic, and empty for those
// that show all of it.
func (s Subscription) viewID() string { return viewID(s.View, s.Latest) }

// viewID gives the id of a view, in which either all changes are told or the latest.
func viewID(view grant.View, latest bool) string {
	text := view.String()
	if latest {
		text = "latest " + text
	}
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}

// otherView reports whether what a client has seen of a topic does not add up with what it sees
// now, as far as it says by which view it has. What was told with Latest adds up with whole states,
// and not with patches.
func otherView(said string, now grant.View, o Options) bool {
	return said != "" && said != viewIDOrWhole(now, o.Latest) && (o.Delta || said != viewIDOrWhole(now, !o.Latest))
}

// viewIDOrWhole is what a client gives as the id of the view that it has seen.
func viewIDOrWhole(view grant.View, latest bool) string {
	return cmp.Or(viewID(view, latest), events.WholeView)
}

// view is what may be seen of a topic, or of all topics of a pattern, and is asked for.
func (a Access) view(action grant.Action, q Query) (grant.View, error) {
	view, allowed := a.allows(action, q.asked())
	if !allowed {
		return grant.View{}, errForbidden
	}
	if err := q.check(); err != nil {
		return grant.View{}, err
	}
	view, err := view.Narrow(q.Filter, q.Fields)
	if err != nil {
		return grant.View{}, &events.Error{Code: events.CodeBadRequest, Message: err.Error()}
	}
	return view, nil
}

// allows tells what an action may show of a topic, or of all topics of a pattern.
func (a Access) allows(action grant.Action, topic events.Topic) (grant.View, bool) {
	if a.Delivers {
		action = grant.Deliver
	}
	if topic.IsPattern() {
		return a.Grant.Covers(action, grant.Pattern(topic))
	}
	return a.Grant.Allows(action, topic)
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

// undo takes back a subscription that the client is told has failed.
func (a *answer) undo(ctx context.Context, sub Subscription, already bool) {
	if already {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := a.store.Withdraw(ctx, sub.Key, sub); err != nil {
		a.logger.Error("subscription left behind", "connection", sub.ID, "topic", sub.Topic, "err", err)
	}
}

func (a *answer) unsubscribe(ctx context.Context, topic events.Topic) error {
	if err := a.store.Unsubscribe(ctx, a.c.Key, topic, a.order); err != nil {
		return err
	}
	a.out.send(&events.Unsubscribed{ID: a.r.ID, Topic: topic})
	return nil
}
