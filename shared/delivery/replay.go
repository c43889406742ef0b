package delivery

import (
	"context"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// Replay delivers again what comes after a cursor of a topic.
func (r Registrar) Replay(ctx context.Context, d Destination, topic events.Topic, after events.Cursor) error {
	if !d.Query.Topic.Matches(topic) {
		return errNotWatched
	}
	return r.waker().restart(ctx, Ref{d.ID, topic}, &watch.Place{After: after})
}

var errNotWatched = refuse("the destination does not watch this topic")

// disorder bounds how far the time of a change may lie before that of an earlier one, and it is what
// DynamoDB cuts off the times of its streams.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html
const disorder = time.Second

// ReplayFrom delivers again what has changed in a topic at a time or later. It begins up to a second
// earlier, because times are rounded, and those of a topic may be that much out of order. If the log
// does not reach back to the time, it is as with a cursor that is too old: a reset comes, then the items.
//
// It reads the head and at most 63 rows of the log, as many as the topic's number of changes has binary
// digits: a read unit for every 4 KB of each.
func (r Registrar) ReplayFrom(ctx context.Context, d Destination, topic events.Topic, from time.Time) error {
	now := r.now()
	if !d.Query.Topic.Matches(topic) {
		return errNotWatched
	}
	if from.After(now) {
		return refuse("from is in the future")
	}
	head, err := r.Registry.Head(ctx, topic)
	if err != nil {
		return err
	}
	first, before, err := r.firstSince(ctx, topic, head.Seq, from.Add(-disorder))
	if err != nil {
		return err
	}
	after := events.Cursor{Epoch: head.Epoch, Seq: first - 1}
	switch {
	case first == 1:
		after = events.Cursor{} // before the topic's first change, which may be in an earlier epoch
	case !before && now.Sub(from) > watch.MinRetention-disorder:
		after.Seq-- // the log may have begun before: what follows is not kept
	}
	return r.waker().restart(ctx, Ref{d.ID, topic}, &watch.Place{After: after})
}

// firstSince gives the number of the first change that is kept and has the time or a later one; last+1
// if there is none. before reports whether the change before it is kept, too. The log is in the order
// of time, and what is not kept is older, so half of what is left is ruled out by each read.
func (r Registrar) firstSince(ctx context.Context, topic events.Topic, last int64, from time.Time) (first int64, before bool, err error) {
	low := int64(0) // is before the time, or not kept
	first = last + 1
	for first-low > 1 {
		middle := low + (first-low)/2
		at, kept, err := r.Registry.ChangedAt(ctx, topic, middle)
		if err != nil {
			return 0, false, err
		}
		if kept && !at.Before(from) {
			first = middle
		} else {
			low, before = middle, kept
		}
	}
	return first, before, nil
}
