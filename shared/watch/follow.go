package watch

import (
	"context"
	"errors"
	"time"

	"github.com/watchroute/watchroute/events"
)

// Follow is a topic that a client without a connection follows: how, and from where.
type Follow struct {
	Query
	After events.Cursor
	// View is what the client has seen up to After, as [Topics.Changes] has it.
	View string
}

// Pauses between two looks at where topics stand.
const (
	// busyPause is the first pause after a change: others often come soon.
	busyPause = 250 * time.Millisecond
	// quietPause is the longest pause, and the first one of who waits for a change.
	quietPause = time.Second
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
}

// Follower waits for changes of topics on behalf of one client that nobody can post to. It is
// not safe for concurrent use.
type Follower struct {
	feed    Feed
	viewer  Viewer
	follows []Follow
	pause   time.Duration
}

// Follow begins to follow topics.
func (f Feed) Follow(v Viewer, follows ...Follow) *Follower {
	return &Follower{feed: f, viewer: v, follows: follows, pause: quietPause}
}

// Next gives what the topics have after the cursors that the client has come to, and waits until
// there is something. It gives nothing once the context ends, and goes on from what it gives.
//
// A wait reads the topics' heads, with eventual consistency: half a read unit for each topic a
// second, and more often after a change. It reads the revocations of the client before it gives
// what has come meanwhile. What is wrong for the client is in the error, see [WireError].
func (f *Follower) Next(ctx context.Context) ([]Missed, error) {
	news, err := f.read(ctx, f.follows)
	for err == nil && len(news) == 0 && f.rest(ctx) {
		var moved []Follow
		if moved, err = f.moved(ctx); err != nil || len(moved) == 0 {
			continue
		}
		if err = f.Check(ctx); err == nil {
			news, err = f.read(ctx, moved)
		}
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil, nil
	}
	if len(news) > 0 {
		f.pause = busyPause
	}
	return news, err
}

// Check gives ErrRevoked or ErrTokenExpired if the client may not see any more what it follows.
func (f *Follower) Check(ctx context.Context) error {
	if expires := f.viewer.Expires; !expires.IsZero() && !time.Now().Before(expires) {
		return ErrTokenExpired
	}
	if f.viewer.Subject == Anonymous {
		return nil
	}
	return CheckRevoked(ctx, f.feed.Revocations, f.viewer.Subject, f.viewer.Access)
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

// moved looks which of the topics may have changed. A look may be older than what the client
// has: then the topic is read once, consistently, which tells.
func (f *Follower) moved(ctx context.Context) ([]Follow, error) {
	topics := make([]events.Topic, len(f.follows))
	for i, follow := range f.follows {
		topics[i] = follow.Topic
	}
	stands, err := carry(ctx, f.feed.Topics, f.viewer.Key, func(ctx context.Context, _ *work) (map[events.Topic]events.Cursor, error) {
		return f.feed.Stands.Glance(ctx, topics)
	})
	if err != nil {
		return nil, err
	}
	var moved []Follow
	for _, follow := range f.follows {
		if stands[follow.Topic] != follow.After {
			moved = append(moved, follow)
		}
	}
	return moved, nil
}

// read gives what is new of topics, and notes where the client stands with it.
func (f *Follower) read(ctx context.Context, follows []Follow) (news []Missed, err error) {
	for _, follow := range follows {
		missed, err := f.feed.Changes(ctx, f.viewer, follow.Query, follow.After, follow.View)
		if err != nil {
			return news, err
		}
		f.note(missed)
		if len(missed.Changes) > 0 || missed.Reset != "" {
			news = append(news, missed)
		}
	}
	return news, nil
}

// note keeps where the client stands in a topic.
func (f *Follower) note(missed Missed) {
	for i, follow := range f.follows {
		if follow.Topic == missed.Topic {
			f.follows[i].After, f.follows[i].View = missed.Cursor, viewName(missed.View)
		}
	}
}
