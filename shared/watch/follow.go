package watch

import (
	"context"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// Follow is a topic or a pattern that a client without a connection follows: how, and from where.
type Follow struct {
	Query
	// Place is how far the client has come in the topic. Of a pattern it says only whether the
	// topics that Below does not name begin with their items, and whether all is void.
	Place
	// Below is how far the client has come in topics of a pattern. It goes on at the first change
	// of a topic that is not named here.
	Below map[events.Topic]Place
	// View is what the client has seen up to its place, as [Topics.Changes] has it.
	View string

	stood bool // After, or Below, was read this moment
}

// Place is how far a client has come in a topic.
type Place struct {
	After events.Cursor // up to which it has all changes
	Items bool          // it has not all items yet, and has them before any change
	Next  string        // the page of items that it has come to, as [Page] has it; empty for the first
	Void  bool          // what it has is void: it is to be told so, and then has the items
}

// Pauses between two looks at where topics stand.
const (
	// busyPause is the first pause after a change: others often come soon.
	busyPause = 250 * time.Millisecond
	// quietPause is the longest pause, and the first one of who waits for a change. It is a little
	// more than a second, so that a poll of 25 s costs no more than 25 looks, although it begins
	// with a consistent read, which costs as much as two.
	quietPause = 1050 * time.Millisecond
)

// Stands knows where topics stand, as can be told at little cost.
type Stands interface {
	// Glance reads it with eventual consistency: it may miss what was numbered within the
	// last second. A topic that has had no change is left out.
	Glance(context.Context, []events.Topic) (map[events.Topic]events.Cursor, error)
	// GlanceBelow reads what [History].Below does from the first topic on, in the same way.
	GlanceBelow(ctx context.Context, pattern events.Topic, limit int) (topics []events.Topic, more bool, err error)
}

// Feed lets clients follow topics without a connection.
type Feed struct {
	Topics
	Stands      Stands
	Revocations Revocations
	Holds       Holds
	HoldLimits  HoldLimits
}

// Hold takes a hold of a client until then. release ends it; it must be called.
func (f Feed) Hold(ctx context.Context, v Viewer, until time.Time) (release func(context.Context) error, err error) {
	hold, err := carry(ctx, f.Topics, v.Key, func(ctx context.Context, _ *work) (Hold, error) { return f.Holds.Hold(ctx, v.Key, until, f.HoldLimits) })
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { // also of a subject that has spent its allowance
		ctx, w := f.begin(ctx, v.Key)
		err := f.Holds.Release(ctx, hold)
		_ = w.settle(ctx) // what is not charged is owed
		return err
	}, nil
}

// Begin tells how a client follows a topic or a pattern that it has nothing of yet, with the items
// first or without. The error says why it may not: a filter may be wrong, or the token may not
// allow it.
func (f Feed) Begin(v Viewer, q Query, items bool) (Follow, error) {
	view, err := v.view(grant.Subscribe, q)
	if err == nil && items && !v.readable(q.asked()) {
		err = errForbidden
	}
	return Follow{Query: q, Place: Place{Items: items}, View: viewName(markOf(view))}, err
}

// Stand puts the cursors at which topics stand now into what is followed: one read for each. Those
// of a pattern's topics may be a second old, and cost what a look of a [Follower] does. Whoever
// follows them at once reads them no second time.
func (f Feed) Stand(ctx context.Context, v Viewer, follows []Follow) error {
	_, err := carry(ctx, f.Topics, v.Key, func(ctx context.Context, w *work) (any, error) {
		var topics []events.Topic
		for i, follow := range follows {
			if !follow.Topic.IsPattern() {
				topics = append(topics, follow.Topic)
				continue
			}
			below, err := f.standBelow(ctx, follow.Topic)
			if err != nil {
				return nil, err
			}
			follows[i].Below, follows[i].stood = below, true
		}
		heads, err := w.heads(ctx, topics)
		for i := range follows {
			if follow := &follows[i]; err == nil && !follow.Topic.IsPattern() {
				follow.After, follow.stood = heads[follow.Topic].Cursor, true
			}
		}
		return nil, err
	})
	return err
}

// standBelow tells where the topics of a pattern stand.
func (f Feed) standBelow(ctx context.Context, pattern events.Topic) (map[events.Topic]Place, error) {
	topics, more, err := f.Stands.GlanceBelow(ctx, pattern, events.MaxCursors)
	if err == nil && more {
		err = errTooManyTopics
	}
	if err != nil {
		return nil, err
	}
	stands, err := f.Stands.Glance(ctx, topics)
	below := make(map[events.Topic]Place, len(stands))
	for topic, stand := range stands {
		below[topic] = Place{After: stand}
	}
	return below, err
}

// StandBelow tells where the topics of a pattern stand, up to [events.MaxCursors] of them, and what
// of them the client sees, as in [events.Subscribed]. They may be a second old, and cost half a read
// unit each, and half a unit for every 4 KB of their list. What is wrong for the client is in the
// error, see [WireError].
func (f Feed) StandBelow(ctx context.Context, v Viewer, q Query) (view string, stand events.Below, err error) {
	seen, err := v.view(grant.Subscribe, q)
	if err != nil {
		return "", events.Below{}, err
	}
	stand, err = carry(ctx, f.Topics, v.Key, func(ctx context.Context, _ *work) (events.Below, error) {
		topics, more, err := f.Stands.GlanceBelow(ctx, q.Topic, events.MaxCursors)
		if err != nil {
			return events.Below{}, err
		}
		stands, err := f.Stands.Glance(ctx, topics)
		told := told{Below: events.Below{More: more || len(topics) > events.MaxCursors}}
		for _, topic := range topics[:min(len(topics), events.MaxCursors)] {
			if stand, numbered := stands[topic]; numbered { // or its first change is on its way
				told.add(topic, Head{Cursor: stand})
			}
		}
		return told.Below, err
	})
	return markOf(seen), stand, err
}

// errTooManyTopics refuses to follow patterns of more topics than one client can keep cursors of.
var errTooManyTopics = &events.Error{Code: events.CodeTooManyTopics, Message: "the pattern has more topics than can be followed in this way, follow narrower ones, or over a WebSocket"}
