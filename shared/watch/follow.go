package watch

import (
	"context"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// Follow describes how a client without a connection follows a topic or a pattern, and from where.
type Follow struct {
	Query
	// Place is how far the client has come in the topic. For a pattern it says only two things:
	// whether topics missing in Below begin with their items, and whether all of it is void.
	Place
	// Below is how far the client has come in topics of a pattern. A topic that is missing here
	// begins with its first change.
	Below map[events.Topic]Place
	// ViewID is the id of the view that the client has seen up to its place, as in [Topics.Changes].
	ViewID string

	stood bool // After, or Below, has just been read
}

// Place is how far a client has come in a topic.
type Place struct {
	After events.Cursor // it has all changes up to here
	Items bool          // it does not have all items yet, and gets them before any change
	Next  string        // the next page of items, as in [Page]; empty for the first
	Void  bool          // what it has is void: it is told so, and then gets the items
}

// Pauses between two looks at where topics stand.
const (
	// busyPause is the first pause after a change: others often come soon.
	busyPause = 250 * time.Millisecond
	// quietPause is the longest pause, and the first one of a client that waits for a change. It is
	// a little more than a second. A poll of 25 s then costs no more than 25 looks, although it
	// begins with a consistent read, which costs as much as two looks.
	quietPause = 1050 * time.Millisecond
)

// Stands knows where topics stand, as can be told at little cost.
type Stands interface {
	// Glance reads it with eventual consistency: it may miss what was numbered within the
	// last second. A topic that has had no change is left out.
	Glance(context.Context, []events.Topic) (map[events.Topic]events.Cursor, error)
	// GlanceBelow reads the first topics of what [History].Below reads, with the same consistency.
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
	return func(ctx context.Context) error { // also for a subject that has spent its allowance
		ctx, w := f.begin(ctx, v.Key)
		err := f.Holds.Release(ctx, hold)
		_ = w.settle(ctx) // costs that cannot be charged now are owed
		return err
	}, nil
}

// Begin describes how a client follows a topic or a pattern of which it has nothing yet, with the
// items first or without. The error says why the client may not follow it: the filter may be wrong,
// or the token may forbid it.
func (f Feed) Begin(v Viewer, q Query, items bool) (Follow, error) {
	view, err := v.view(grant.Subscribe, q)
	if err == nil && items && !v.readable(q.asked()) {
		err = errForbidden
	}
	return Follow{Query: q, Place: Place{Items: items}, ViewID: viewIDOrWhole(view, q.Latest)}, err
}

// Stand puts the current cursors of topics into follows, with one read for each. The cursors of a
// pattern's topics may be a second old, and cost as much as a look of a [Follower]. A Follower that
// starts at once does not read them again.
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

// standBelow gives where the topics of a pattern stand.
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

// StandBelow gives where the topics of a pattern stand, up to [events.MaxCursors] of them, and the
// id of the view, as in [events.Subscribed]. The cursors may be a second old. They
// cost half a read unit each, and half a unit for every 4 KB of their list. The error reports what
// is wrong for the client, see [WireError].
func (f Feed) StandBelow(ctx context.Context, v Viewer, q Query) (id string, stand events.Below, err error) {
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
			if stand, numbered := stands[topic]; numbered { // its first change may be on its way
				told.add(topic, Head{Cursor: stand})
			}
		}
		return told.Below, err
	})
	return viewID(seen, q.Latest), stand, err
}

// errTooManyTopics refuses patterns with more topics than one client can keep cursors for.
var errTooManyTopics = &events.Error{Code: events.CodeTooManyTopics, Message: "the pattern has too many topics to be followed over HTTP: follow narrower ones, or use a WebSocket"}
