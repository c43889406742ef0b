package watch

import (
	"context"

	"github.com/watchroute/watchroute/events"
)

// isPattern reports whether a client watches all topics below one.
func isPattern(topic events.Topic) bool {
	_, wildcard := topic.Split()
	return wildcard != ""
}

// subscribeBelow watches all topics of a pattern, those that are yet to come among them.
// As with one topic, the subscription is written before the heads are read. What the client
// missed it asks for by ping, topic by topic.
func (a Answerer) subscribeBelow(ctx context.Context, c Connection, pattern events.Topic, r events.Request, out *outbox) error {
	if r.After != "" || r.Snapshot {
		return &events.Error{Code: events.CodeBadRequest, Message: "after and snapshot are of one topic, not of a pattern"}
	}
	if _, err := c.subscription(pattern, optionsOf(r)); err != nil {
		return err
	}
	_, sub, already, err := a.keep(ctx, c, pattern, optionsOf(r))
	if err != nil {
		return err
	}
	var stand stand
	if err := a.addBelow(ctx, pattern, &stand); err != nil {
		a.undo(ctx, sub, already)
		return err
	}
	out.send(&events.Subscribed{ID: r.ID, Topic: pattern, View: sub.mark(), Below: stand.Below})
	return nil
}

// maxCursorBytes bounds the cursors of one frame, so that it is no larger than API Gateway
// takes.
const maxCursorBytes = events.MaxFrameBytes - 16<<10

// stand is where topics stand, as far as it fits into a frame.
type stand struct {
	events.Below
	bytes int
}

func (s *stand) add(topic events.Topic, head Head) {
	if _, there := s.Cursors[topic]; there {
		return
	}
	cursor := head.Cursor.String()
	if s.bytes += len(topic) + len(cursor) + len(`"":"",`); s.bytes > maxCursorBytes {
		s.More = true
		return
	}
	if s.Cursors == nil {
		s.Cursors = map[events.Topic]string{}
	}
	s.Cursors[topic] = cursor
}

// addBelow adds the topics of a pattern.
func (a Answerer) addBelow(ctx context.Context, pattern events.Topic, to *stand) error {
	topics, more, err := a.History.Below(ctx, pattern, events.MaxCursors)
	if err != nil {
		return err
	}
	heads, err := a.heads(ctx, topics)
	if err != nil {
		return err
	}
	to.More = to.More || more
	for i, topic := range topics {
		if heads[i].Epoch != "" { // or its first change is on its way
			to.add(topic, heads[i])
		}
	}
	return nil
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
