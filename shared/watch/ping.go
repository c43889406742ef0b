package watch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/watchroute/watchroute/events"
	"golang.org/x/sync/errgroup"
)

// ping answers with where the topics stand whose cursors it is given, and before
// that sends what the client misses of them. It renews the client's presence in them. A ping without
// cursors costs nothing.
func (a *answer) ping(ctx context.Context) error {
	pong := &events.Pong{ID: a.r.ID}
	if len(a.r.Cursors) > 0 {
		cursors, err := parseCursors(a.r.Cursors)
		if err != nil {
			return err
		}
		if pong.Below, err = a.catchUp(ctx, cursors); err != nil {
			return err
		}
	}
	a.out.send(pong)
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
// subscribed to. That it is comes first: what is numbered after the head is read then
// reaches it by itself. A topic that the answer has no room for, or not for all of it, still
// stands further than the client, who asks on.
func (a *answer) catchUp(ctx context.Context, cursors map[events.Topic]events.Cursor) (events.Below, error) {
	asked := slices.Sorted(maps.Keys(cursors))
	subs, err := a.store.Subscriptions(ctx, a.c.Key, concerned(a.c.watches, asked), a.c.shards)
	if err != nil {
		return events.Below{}, err
	}
	if err := a.prolong(ctx, subs, cursors); err != nil {
		return events.Below{}, err
	}
	var patterns, topics []events.Topic
	for _, topic := range asked {
		_, watched := best(topic, subs)
		switch {
		case topic.IsPattern() && slices.ContainsFunc(subs, func(s Subscription) bool { return s.Topic == topic }):
			patterns = append(patterns, topic)
		case !topic.IsPattern() && watched:
			topics = append(topics, topic)
		}
	}
	stand, heads, err := a.stand(ctx, topics, patterns)
	if err != nil {
		return events.Below{}, err
	}
	slices.SortStableFunc(topics, func(t, u events.Topic) int { // so that a long gap does not keep the short ones waiting
		return cmp.Compare(heads[t].Seq-cursors[t].Seq, heads[u].Seq-cursors[u].Seq)
	})
	for _, topic := range topics {
		sub, _ := best(topic, subs)
		if err := a.sendMissed(ctx, topic, cursors[topic], heads[topic], sub); err != nil {
			return events.Below{}, err
		}
	}
	return stand, nil
}

// concerned are what a connection watches that the topics or patterns asked for are, or are
// of.
func concerned(watches, asked []events.Topic) []events.Topic {
	return slices.DeleteFunc(slices.Clone(watches), func(watched events.Topic) bool {
		return !slices.ContainsFunc(asked, func(topic events.Topic) bool { return watched == topic || watched.Matches(topic) })
	})
}

// sendMissed sends what a client misses of a topic, as far as the answer may, or that it
// cannot be told.
func (a *answer) sendMissed(ctx context.Context, topic events.Topic, after events.Cursor, head Head, sub Subscription) error {
	gap, err := a.missed(ctx, topic, after, head)
	if err != nil {
		return err
	}
	if gap.reset != "" {
		a.out.send(&events.Reset{ID: a.r.ID, Topic: topic, Reason: gap.reset})
	}
	return a.sendEntries(sub, gap.entries)
}

// sendEntries sends what a subscription shows of entries, in as few frames as hold it.
func (a *answer) sendEntries(sub Subscription, entries []Entry) error {
	for _, change := range a.seen(sub.View, sub.Options, entries) {
		a.out.add(change)
	}
	return a.out.err
}

// heads reads several heads at a time.
func (w *work) heads(ctx context.Context, topics []events.Topic) (map[events.Topic]Head, error) {
	heads := make([]Head, len(topics))
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.SetLimit(topicsAtOnce)
	for i, topic := range topics {
		tasks.Go(func() (err error) {
			heads[i], err = w.topics.Store.Head(ctx, topic)
			return err
		})
	}
	err := tasks.Wait()
	byTopic := make(map[events.Topic]Head, len(topics))
	for i, topic := range topics {
		byTopic[topic] = heads[i]
	}
	return byTopic, err
}
