package watch

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/watchroute/watchroute/events"
	"golang.org/x/sync/errgroup"
)

// ping answers with where the topics stand whose cursors it is given, and before
// that sends what the client misses of them. A ping without cursors costs nothing.
func (a Answerer) ping(ctx context.Context, c Connection, r events.Request, out *outbox) error {
	pong := &events.Pong{ID: r.ID}
	if len(r.Cursors) > 0 {
		cursors, err := parseCursors(r.Cursors)
		if err != nil {
			return err
		}
		if pong.Below, err = a.catchUp(ctx, c, r.ID, cursors, out); err != nil {
			return err
		}
	}
	out.send(pong)
	return nil
}

// parseCursors reads where a client says it stands.
func parseCursors(of map[string]string) (map[events.Topic]events.Cursor, error) {
	if len(of) > events.MaxCursors {
		return nil, &events.Error{Code: events.CodeBadRequest, Message: fmt.Sprintf("cursors has %d topics, at most %d are allowed", len(of), events.MaxCursors)}
	}
	cursors := map[events.Topic]events.Cursor{}
	for name, text := range of {
		topic, err := events.ParsePattern(name)
		if err != nil {
			return nil, &events.Error{Code: events.CodeBadTopic, Message: "cursors: " + err.Error()}
		}
		if cursors[topic], err = events.ParseCursor(text); err != nil {
			return nil, &events.Error{Code: events.CodeBadCursor, Message: "cursors: " + err.Error()}
		}
	}
	return cursors, nil
}

// catchUp sends what the client misses, and tells where the topics stand that it is
// subscribed to. That it is comes first: what is numbered after the head is read
// then reaches it by itself.
func (a Answerer) catchUp(ctx context.Context, c Connection, id string, cursors map[events.Topic]events.Cursor, out *outbox) (events.Below, error) {
	asked := slices.Sorted(maps.Keys(cursors))
	subs, err := a.Subscriptions.Subscriptions(ctx, c.Key, concerned(c.watches, asked))
	if err != nil {
		return events.Below{}, err
	}
	topics := slices.DeleteFunc(slices.Clone(asked), func(topic events.Topic) bool {
		_, watched := best(topic, subs)
		return isPattern(topic) || !watched
	})
	heads, err := a.heads(ctx, topics)
	if err != nil {
		return events.Below{}, err
	}
	var stand stand
	budget := fullBudget()
	for i, topic := range topics {
		stand.add(topic, heads[i])
		sub, _ := best(topic, subs)
		if err := a.sendMissed(ctx, id, topic, cursors[topic], heads[i], sub, &budget, out); err != nil {
			return events.Below{}, err
		}
	}
	err = a.standBelow(ctx, asked, subs, &stand)
	return stand.Below, err
}

// concerned are what a connection watches that the topics or patterns asked for are, or are
// of.
func concerned(watches, asked []events.Topic) []events.Topic {
	return slices.DeleteFunc(slices.Clone(watches), func(watched events.Topic) bool {
		return !slices.ContainsFunc(asked, func(topic events.Topic) bool { return watched == topic || watched.Matches(topic) })
	})
}

// standBelow tells where the topics of the patterns stand that were asked for.
func (a Answerer) standBelow(ctx context.Context, asked []events.Topic, subs []Subscription, to *stand) error {
	for _, sub := range subs {
		if !isPattern(sub.Topic) || !slices.Contains(asked, sub.Topic) {
			continue
		}
		to.add(sub.Topic, Head{}) // which says that it is subscribed
		if err := a.addBelow(ctx, sub.Topic, to); err != nil {
			return err
		}
	}
	return nil
}

// sendMissed sends what a client misses of a topic, or that it cannot be told.
func (a Answerer) sendMissed(ctx context.Context, id string, topic events.Topic, after events.Cursor, head Head, sub Subscription, left *budget, out *outbox) error {
	gap, err := a.gap(ctx, topic, after, head, left)
	if err != nil {
		return err
	}
	if gap.reset != "" {
		out.send(&events.Reset{ID: id, Topic: topic, Reason: gap.reset})
	}
	return out.sendEntries(sub, gap.entries)
}

// heads reads several heads at a time.
func (a Answerer) heads(ctx context.Context, topics []events.Topic) ([]Head, error) {
	heads := make([]Head, len(topics))
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.SetLimit(readsAtOnce)
	for i, topic := range topics {
		tasks.Go(func() (err error) {
			heads[i], err = a.History.Head(ctx, topic)
			return err
		})
	}
	return heads, tasks.Wait()
}
