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
		if pong.Cursors, err = a.catchUp(ctx, c, r.ID, cursors, out); err != nil {
			return err
		}
	}
	out.send(pong)
	return nil
}

// parseCursors reads where a client says it stands.
func parseCursors(of map[string]string) (map[events.Topic]events.Cursor, error) {
	if len(of) > events.MaxSubscriptions {
		return nil, &events.Error{Code: events.CodeBadRequest, Message: fmt.Sprintf("cursors has %d topics, at most %d are allowed", len(of), events.MaxSubscriptions)}
	}
	cursors := map[events.Topic]events.Cursor{}
	for name, text := range of {
		topic, err := events.ParseTopic(name)
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
func (a Answerer) catchUp(ctx context.Context, c Connection, id string, cursors map[events.Topic]events.Cursor, out *outbox) (map[events.Topic]string, error) {
	watched, err := a.Subscriptions.Topics(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(cursors, func(topic events.Topic, _ events.Cursor) bool { return !slices.Contains(watched, topic) })
	topics := slices.Sorted(maps.Keys(cursors))
	heads, err := a.heads(ctx, topics)
	if err != nil {
		return nil, err
	}
	stand := map[events.Topic]string{}
	budget := fullBudget()
	for i, topic := range topics {
		stand[topic] = heads[i].Cursor.String()
		gap, err := a.gap(ctx, topic, cursors[topic], heads[i], &budget)
		if err != nil {
			return nil, err
		}
		if gap.reset != "" {
			out.send(&events.Reset{ID: id, Topic: topic, Reason: gap.reset})
		}
		if err := out.sendChanges(gap.changes); err != nil {
			return nil, err
		}
	}
	return stand, nil
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
