package watch

import (
	"context"

	"github.com/watchroute/watchroute/events"
)

// gap is what a client missed of a topic, or why it must start over.
type gap struct {
	entries []Entry
	// rest says that the answer could not read all that is missing. What follows the
	// entries has to be asked for.
	rest  bool
	reset events.ResetReason
}

// room is what one answer may still bring of missed changes.
type room struct {
	changes int
	bytes   int
	shown   int // bytes of data that views make of them
}

func fullRoom() room {
	return room{changes: events.MaxResumeChanges, bytes: events.MaxResumeBytes, shown: events.MaxResumeBytes}
}

// changeBytes is what a change takes in a frame besides its data and names, about.
const changeBytes = 200

// take makes room for an entry, and reports whether there was enough.
func (r *room) take(e Entry) bool {
	bytes := len(e.Data) + len(e.Topic) + 2*len(e.ID) + changeBytes // JSON may escape an id
	if r.changes == 0 || bytes > r.bytes {
		return false
	}
	r.changes--
	r.bytes -= bytes
	return true
}

// fit leaves out the data of a change that there is no room for, which can only be if masks
// have made it longer. It is told as large.
func (r *room) fit(c *events.Change) {
	bytes := len(c.Data) + len(c.Patch)
	if bytes > r.shown {
		c.Data, c.Patch, c.Large = nil, nil, true
		return
	}
	r.shown -= bytes
}

// leave gives back the room of a change that is not told after all.
func (r *room) leave(c events.Change) { r.shown += len(c.Data) + len(c.Patch) }

// missed reads the changes after a client's cursor up to the head, as many as the answer
// may.
func (w *work) missed(ctx context.Context, topic events.Topic, after events.Cursor, head Head) (gap, error) {
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
	}
	return w.readGap(ctx, topic, after, head)
}

// readGap reads page by page. Each change must follow the one before: where retention has
// passed, rows are missing.
func (w *work) readGap(ctx context.Context, topic events.Topic, after events.Cursor, head Head) (gap, error) {
	var read gap
	for after.Seq < head.Seq {
		affordable, err := w.afford(ctx, maxAnswerReads)
		if err != nil {
			return gap{}, err
		}
		if !affordable {
			read.rest = true
			return read, nil
		}
		page, err := w.topics.Store.Since(ctx, topic, after.Seq, head.Seq)
		if err != nil {
			return gap{}, err
		}
		if len(page) == 0 {
			return gap{reset: events.ResetExpired}, nil
		}
		for _, e := range page {
			switch {
			case e.Epoch != after.Epoch:
				return gap{reset: events.ResetEpoch}, nil // begun anew while we read
			case e.Seq != after.Seq+1:
				return gap{reset: events.ResetExpired}, nil
			case !w.room.take(e):
				read.rest = true
				return read, nil
			}
			after = e.Cursor()
			read.entries = append(read.entries, e)
		}
	}
	return read, nil
}
