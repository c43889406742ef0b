package watch

import (
	"context"

	"github.com/watchroute/watchroute/events"
)

// gap is what a client missed of a topic: all of it, or why it must start over.
type gap struct {
	entries []Entry
	reset   events.ResetReason
}

// budget is how much one answer may still bring of missed changes. A topic that does
// not fit into what others have left of it is left for the next answer, whole.
type budget struct {
	changes int64
	bytes   int
}

func fullBudget() budget {
	return budget{changes: events.MaxResumeChanges, bytes: events.MaxResumeBytes}
}

const (
	// changeBytes is what a change takes in a frame besides its data, about.
	changeBytes = 200
	// maxBeforeBytes bounds the states before the changes, which are held for views and
	// patches and not sent.
	maxBeforeBytes = 4 * events.MaxResumeBytes
)

// gap reads the changes after a client's cursor up to the head, whole or not at all,
// and takes them off the budget.
func (a Answerer) gap(ctx context.Context, topic events.Topic, after events.Cursor, head Head, left *budget) (gap, error) {
	if after == head.Cursor {
		return gap{}, nil
	}
	if after == (events.Cursor{}) && head.First {
		after.Epoch = head.Epoch // the client was there before the first change
	}
	switch missing := head.Seq - after.Seq; {
	case after.Epoch != head.Epoch:
		return gap{reset: events.ResetEpoch}, nil
	case missing < 0:
		return gap{reset: events.ResetAhead}, nil
	case missing > events.MaxResumeChanges:
		return gap{reset: events.ResetLimit}, nil
	case missing > left.changes:
		return gap{}, nil
	}
	return a.readGap(ctx, topic, after, head, left)
}

// readGap reads page by page. Each change must follow the one before: where
// retention has passed, rows are missing.
func (a Answerer) readGap(ctx context.Context, topic events.Topic, after events.Cursor, head Head, left *budget) (gap, error) {
	var read gap
	bytes, before := 0, 0
	for after.Seq < head.Seq {
		page, err := a.History.Since(ctx, topic, after.Seq, head.Seq)
		if err != nil {
			return gap{}, err
		}
		if len(page) == 0 {
			return gap{reset: events.ResetExpired}, nil
		}
		for _, c := range page {
			switch {
			case c.Epoch != after.Epoch:
				return gap{reset: events.ResetEpoch}, nil // begun anew while we read
			case c.Seq != after.Seq+1:
				return gap{reset: events.ResetExpired}, nil
			}
			after = c.Cursor()
			bytes += len(c.Data) + changeBytes
			before += len(c.Before)
		}
		switch {
		case bytes > events.MaxResumeBytes || before > maxBeforeBytes:
			return gap{reset: events.ResetLimit}, nil
		case bytes > left.bytes:
			return gap{}, nil
		}
		read.entries = append(read.entries, page...)
	}
	left.changes -= int64(len(read.entries))
	left.bytes -= bytes
	return read, nil
}
