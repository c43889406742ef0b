package watch

import (
	"context"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// Follow is a topic that a client without a connection follows: how, and from where.
type Follow struct {
	Query
	After events.Cursor
	// View is what the client has seen up to After, as [Topics.Changes] has it.
	View string

	stood bool // After was read this moment
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

// Follower waits for changes of topics on behalf of one client that nobody can post to. It gives
// what is new of a topic until that is taken. It is not safe for concurrent use.
type Follower struct {
	feed    Feed
	viewer  Viewer
	follows []Follow
	due     map[events.Topic]bool // to be read without a wait
	pause   time.Duration
}

// Follow begins to follow topics, of which none may be given twice.
func (f Feed) Follow(v Viewer, follows ...Follow) *Follower {
	follower := &Follower{feed: f, viewer: v, follows: follows, due: map[events.Topic]bool{}, pause: quietPause}
	for _, follow := range follows {
		follower.due[follow.Topic] = !follow.stood
	}
	return follower
}

// Begin tells how a client follows a topic that it has nothing of yet, with its items first or
// without. The error says why it may not: a filter may be wrong, or the token may not allow it.
func (f Feed) Begin(v Viewer, q Query, items bool) (Follow, error) {
	view, err := v.view(grant.Subscribe, q)
	if err == nil && items && !v.readable(q.Topic) {
		err = errForbidden
	}
	return Follow{Query: q, View: viewName(markOf(view))}, err
}

// Stand puts the cursors at which topics stand now into what is followed: one read for each.
// Whoever follows them at once reads them no second time.
func (f Feed) Stand(ctx context.Context, v Viewer, follows []Follow) error {
	topics := make([]events.Topic, len(follows))
	for i, follow := range follows {
		topics[i] = follow.Topic
	}
	heads, err := carry(ctx, f.Topics, v.Key, func(ctx context.Context, w *work) (map[events.Topic]Head, error) { return w.heads(ctx, topics) })
	for i, topic := range topics {
		follows[i].After, follows[i].stood = heads[topic].Cursor, err == nil
	}
	return err
}

// Move has the client stand at a cursor of a topic, as it has the items that are true there.
func (f *Follower) Move(topic events.Topic, to events.Cursor) {
	for i := range f.follows {
		if f.follows[i].Topic == topic {
			f.follows[i].After = to
		}
	}
}

// Now gives what the topics have after the cursors that the client has come to, without a wait:
// for each topic that may have something, its head is read, and the log as far as one answer may.
// What is wrong for the client is in the error, see [WireError].
func (f *Follower) Now(ctx context.Context) (news []Missed, err error) {
	for i := range f.follows {
		follow := &f.follows[i]
		if !f.due[follow.Topic] {
			continue
		}
		missed, err := f.feed.Changes(ctx, f.viewer, follow.Query, follow.After, follow.View)
		if err != nil {
			return news, err
		}
		if len(missed.Changes) > 0 || missed.Reset != "" {
			news = append(news, missed)
			continue
		}
		f.Take(missed)
	}
	return news, nil
}

// Take notes that the client has what is new of a topic.
func (f *Follower) Take(missed Missed) {
	f.due[missed.Topic] = missed.More
	for i := range f.follows {
		if follow := &f.follows[i]; follow.Topic == missed.Topic {
			follow.After, follow.View = missed.Cursor, viewName(missed.View)
		}
	}
}

// Next gives what Now gives, and waits until there is something. It gives nothing once the
// context ends, and later goes on from there.
//
// A wait reads the topics' heads, with eventual consistency: half a read unit for each topic a
// second, and more often after a change. It reads the revocations of the client before it gives
// what has come meanwhile.
func (f *Follower) Next(ctx context.Context) ([]Missed, error) {
	news, err := f.Now(ctx)
	for err == nil && len(news) == 0 && f.rest(ctx) {
		if err = f.look(ctx); err != nil || !f.anyDue() {
			continue
		}
		if err = f.Check(ctx); err == nil {
			news, err = f.Now(ctx)
		}
	}
	if len(news) > 0 {
		f.pause = busyPause
		return news, nil // what is wrong is so the next time, too
	}
	if ctx.Err() != nil {
		return nil, nil
	}
	return nil, err
}

func (f *Follower) anyDue() bool {
	for _, due := range f.due {
		if due {
			return true
		}
	}
	return false
}

// Check gives ErrRevoked or ErrTokenExpired if the client may not see any more what it follows.
func (f *Follower) Check(ctx context.Context) error {
	if expires := f.viewer.Expires; !expires.IsZero() && !time.Now().Before(expires) {
		return ErrTokenExpired
	}
	if f.viewer.Subject == Anonymous {
		return nil
	}
	_, err := carry(ctx, f.feed.Topics, f.viewer.Key, func(ctx context.Context, _ *work) (any, error) {
		return nil, CheckRevoked(ctx, f.feed.Revocations, f.viewer.Subject, f.viewer.Access)
	})
	return err
}

// Follows gives the cursor that the client has come to in each topic, in the order in which it
// follows them, and what it sees of it.
func (f *Follower) Follows() []Follow { return f.follows }

// rest lets a pause pass, which is longer each time. It is false if the context ends first.
func (f *Follower) rest(ctx context.Context) bool {
	timer := time.NewTimer(f.pause)
	defer timer.Stop()
	f.pause = min(f.pause*3/2, quietPause)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// look finds which topics may have something. A look may be older than what the client has: then
// the topic is read once, consistently, which tells.
func (f *Follower) look(ctx context.Context) error {
	topics := make([]events.Topic, len(f.follows))
	for i, follow := range f.follows {
		topics[i] = follow.Topic
	}
	stands, err := carry(ctx, f.feed.Topics, f.viewer.Key, func(ctx context.Context, _ *work) (map[events.Topic]events.Cursor, error) {
		return f.feed.Stands.Glance(ctx, topics)
	})
	if err != nil {
		return err
	}
	for _, follow := range f.follows {
		f.due[follow.Topic] = f.due[follow.Topic] || stands[follow.Topic] != follow.After
	}
	return nil
}
