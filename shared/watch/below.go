package watch

import (
	"context"
	"slices"

	"github.com/watchroute/watchroute/events"
)

// subscribeBelow watches all topics of a pattern, those that are yet to come among them.
// As with one topic, the subscription is written before the heads are read. The client asks
// for what it missed by ping, topic by topic.
func (a *answer) subscribeBelow(ctx context.Context, pattern events.Topic) error {
	if a.r.After != "" {
		return &events.Error{Code: events.CodeBadRequest, Message: "after is of one topic, not of a pattern"}
	}
	options, err := subscribeOptions(a.r)
	if err != nil {
		return err
	}
	if _, err := a.c.subscription(pattern, options); err != nil {
		return err
	}
	if a.r.Snapshot && !a.c.readable(pattern) {
		return errForbidden
	}
	sub, already, err := a.keep(ctx, pattern, options)
	if err != nil {
		return err
	}
	below, heads, err := a.stand(ctx, nil, []events.Topic{pattern})
	if err != nil {
		a.undo(ctx, sub, already)
		return err
	}
	delete(below.Cursors, pattern)
	a.out.send(&events.Subscribed{ID: a.r.ID, Topic: pattern, View: sub.viewID(), Below: below})
	if a.r.Snapshot {
		return a.sendItemsBelow(ctx, pattern, sub.View, "", heads)
	}
	return nil
}

// stand tells where topics stand, and all topics of patterns. A pattern itself stands at ":0".
// Each head is read once. More says that the answer could not read or tell all.
func (w *work) stand(ctx context.Context, topics, patterns []events.Topic) (events.Below, map[events.Topic]Head, error) {
	all, more, err := w.below(ctx, topics, patterns)
	if err != nil {
		return events.Below{}, nil, err
	}
	heads, err := w.heads(ctx, all)
	if err != nil {
		return events.Below{}, nil, err
	}
	told := told{Below: events.Below{More: more}}
	for _, topic := range topics {
		told.add(topic, heads[topic])
	}
	for _, pattern := range patterns {
		told.add(pattern, Head{}) // which says that it is subscribed
	}
	for _, topic := range all[len(topics):] {
		if heads[topic].Epoch != "" { // or its first change is on its way
			told.add(topic, heads[topic])
		}
	}
	return told.Below, heads, nil
}

// below adds to topics those of the patterns, each once, up to events.MaxCursors in all.
func (w *work) below(ctx context.Context, topics, patterns []events.Topic) (all []events.Topic, more bool, err error) {
	all = slices.Clone(topics)
	has := map[events.Topic]bool{}
	for _, topic := range topics {
		has[topic] = true
	}
	for _, pattern := range patterns {
		affordable, err := w.afford(ctx, maxListReads)
		if err != nil {
			return nil, false, err
		}
		if !affordable {
			return all, true, nil
		}
		found, unread, err := w.topics.Store.Below(ctx, pattern, "", events.MaxCursors)
		if err != nil {
			return nil, false, err
		}
		more = more || unread
		for _, topic := range found {
			switch {
			case has[topic]:
			case len(all) >= events.MaxCursors:
				more = true
			default:
				has[topic] = true
				all = append(all, topic)
			}
		}
	}
	return all, more, nil
}

// maxCursorBytes bounds the cursors of one frame, so that it is no larger than API Gateway
// takes.
const maxCursorBytes = events.MaxFrameBytes - 16<<10

// told is where topics stand, as far as it fits into a frame.
type told struct {
	events.Below
	bytes int
}

func (t *told) add(topic events.Topic, head Head) {
	if _, there := t.Cursors[topic]; there {
		return
	}
	cursor := head.Cursor.String()
	if t.bytes += len(topic) + len(cursor) + len(`"":"",`); t.bytes > maxCursorBytes {
		t.More = true
		return
	}
	if t.Cursors == nil {
		t.Cursors = map[events.Topic]string{}
	}
	t.Cursors[topic] = cursor
}

// best gives the subscription that counts for a topic among those of one connection: its
// own, or that of the pattern which names the topic most closely.
func best(topic events.Topic, subs []Subscription) (found Subscription, ok bool) {
	for _, sub := range subs {
		if sub.Topic.Matches(topic) && (!ok || closer(sub.Topic, found.Topic)) {
			found, ok = sub, true
		}
	}
	return found, ok
}

// closer reports whether a names a topic more closely than b, which both name: the topic
// itself does, then the longer base, then * rather than **.
func closer(a, b events.Topic) bool {
	baseA, wildcardA := a.Split()
	baseB, wildcardB := b.Split()
	if wildcardA == "" || wildcardB == "" {
		return wildcardA == ""
	}
	if baseA != baseB {
		return len(baseA) > len(baseB)
	}
	return wildcardA == events.AnySegment
}

// levels are the topics at which subscriptions to a topic may lie: itself and all above it.
func levels(topic events.Topic) []events.Topic {
	all := []events.Topic{topic}
	for i := len(topic) - 1; i > 0; i-- {
		if topic[i] == '/' {
			all = append(all, topic[:i])
		}
	}
	return all
}
