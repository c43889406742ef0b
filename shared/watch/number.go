package watch

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// MaxAppendEntries is how many entries one append to a log may have. DynamoDB takes 100 items a
// transaction, one of which is the head. It takes 4 MB, which so many entries of aloneBytes do not
// reach.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
const MaxAppendEntries = 99

// aloneBytes is the data, in bytes, above which an entry is appended alone. An append of one entry
// costs half as much, and takes two calls after each other.
const aloneBytes = 16 << 10

// numberingAttempts bounds how often an append that lost a race starts over.
const numberingAttempts = 10

// Head is the state of a topic's numbering. The zero Head is that of a topic
// that has not had a change.
type Head struct {
	events.Cursor          // the latest change
	Stream        Stream   // the stream that the topic is numbered by
	Position      Position // the furthest write of Stream that is numbered
	First         bool     // the topic had no epoch before
	// Lanes is the number of parts into which the audience is divided for [LanePusher]; 0 if
	// [Fanout] pushes to all of it. Wanted is the number that there should be, if it is larger.
	Lanes, Wanted int
}

// Entry is a numbered change as the log keeps it.
type Entry struct {
	events.Change
	Before   json.RawMessage // the state before a modification; nil for none, or if it was too large
	Lapse    grant.Lapse     // what had expired by Time
	Position Position
	// High is the furthest position among this entry and all before it. It only
	// grows with Seq, which bounds how far back a position has to be looked for.
	High Position
}

// Log keeps the heads and the numbered changes of topics.
type Log interface {
	// Head reads a topic's head as it is at this moment.
	Head(context.Context, events.Topic) (Head, error)
	// Heads reads the heads of several topics in the same way. It gives each topic one.
	Heads(context.Context, []events.Topic) (map[events.Topic]Head, error)
	// Append puts entries and moves the head from from to to, all or nothing.
	// ErrConflict means that the head has another cursor than from, or other lanes, or that
	// another change has taken the next number meanwhile. It changes no lanes.
	Append(ctx context.Context, topic events.Topic, from, to Head, entries []Entry) error
	// Announce has topics that have no head yet found by the patterns that they are of. Doing so
	// twice is no error.
	Announce(context.Context, ...events.Topic) error
	// Before reads up to limit entries with a seq of at most seq, latest first.
	// Entries may be missing where retention has passed.
	Before(ctx context.Context, topic events.Topic, seq int64, limit int) ([]Entry, error)
}

// Numberer numbers the writes of topics. It keeps no state of its own.
type Numberer struct {
	Log Log
}

// Number gives each write its number in the topic and keeps it in the log. writes
// are of one topic and one stream, in any order; each may have been numbered
// before, by this call or any other. The entries come in the order of their seq,
// one for each distinct position. The head is as it was when the last of them was there.
//
// ErrStaleStream means that none was numbered, as the topic has moved on to a
// later stream. After any other error some of them may be numbered; trying again
// finds them.
func (n Numberer) Number(ctx context.Context, stream Stream, writes []Write) (Numbered, error) {
	return n.from(ctx, nil, stream, writes)
}

// from numbers writes of a topic with a head. It reads the head if that is nil or has moved.
func (n Numberer) from(ctx context.Context, head *Head, stream Stream, writes []Write) (Numbered, error) {
	writes = sortedByPosition(writes)
	topic := writes[0].Topic
	for attempt := range numberingAttempts {
		if head == nil {
			current, err := n.head(ctx, topic)
			if err != nil {
				return Numbered{}, err
			}
			head = &current
		}
		numbered, err := n.try(ctx, *head, stream, writes)
		if !errors.Is(err, ErrConflict) {
			return numbered, err
		}
		head = nil
		if err := pause(ctx, attempt); err != nil {
			return Numbered{}, err
		}
	}
	return Numbered{}, fmt.Errorf("number %d writes of %s: lost %d races: %w", len(writes), topic, numberingAttempts, ErrUnavailable)
}

// head reads the head of a topic, and announces the topic if it has none.
func (n Numberer) head(ctx context.Context, topic events.Topic) (Head, error) {
	head, err := n.Log.Head(ctx, topic)
	if err == nil && head.Epoch == "" {
		err = n.Log.Announce(ctx, topic)
	}
	return head, err
}

// heads does the same for several topics together. It leaves out topics for which that fails.
func (n Numberer) heads(ctx context.Context, topics []events.Topic) map[events.Topic]Head {
	heads, err := n.Log.Heads(ctx, topics)
	if err != nil {
		return nil
	}
	var first []events.Topic
	for topic, head := range heads {
		if head.Epoch == "" {
			first = append(first, topic)
		}
	}
	if len(first) > 0 && n.Log.Announce(ctx, first...) != nil {
		for _, topic := range first {
			delete(heads, topic)
		}
	}
	return heads
}

// try numbers the writes against the head as it was read.
func (n Numberer) try(ctx context.Context, stored Head, stream Stream, writes []Write) (Numbered, error) {
	topic := writes[0].Topic
	if stream.before(stored.Stream) {
		return Numbered{}, fmt.Errorf("%s: %w", topic, ErrStaleStream)
	}
	head := stored
	if stored.Stream != stream {
		head = Head{Cursor: events.Cursor{Epoch: newEpoch()}, Stream: stream, First: stored.Stream == "", Lanes: stored.Lanes, Wanted: stored.Wanted}
	}
	entries, err := n.known(ctx, topic, head, writes)
	if err != nil {
		return Numbered{}, err
	}
	fresh := number(head, writes, entries)
	for piece := range pieces(fresh) {
		end := piece[len(piece)-1]
		next := head
		next.Cursor, next.Position = end.Cursor(), end.High
		if err := n.Log.Append(ctx, topic, stored, next, piece); err != nil {
			return Numbered{}, err
		}
		stored = next
	}
	return Numbered{Topic: topic, Head: stored, Entries: append(entries, fresh...)}, nil
}

// known looks up which of the writes the log has already, in the order of seq. Rows of another epoch
// do not count. They are there if the topic has begun a new epoch since the head was read.
func (n Numberer) known(ctx context.Context, topic events.Topic, head Head, writes []Write) ([]Entry, error) {
	wanted := map[Position]bool{}
	for _, w := range writes {
		if w.Position.Compare(head.Position) <= 0 {
			wanted[w.Position] = true
		}
	}
	var found []Entry
	for seq := head.Seq; seq > 0 && len(found) < len(wanted); {
		page, err := n.Log.Before(ctx, topic, seq, MaxAppendEntries)
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			if wanted[e.Position] && e.Epoch == head.Epoch {
				found = append(found, e)
			}
		}
		if len(page) == 0 || page[len(page)-1].High.Compare(writes[0].Position) < 0 {
			break
		}
		seq = page[len(page)-1].Seq - 1
	}
	slices.Reverse(found)
	return found, nil
}

// number gives the writes that are not known the numbers after the head.
func number(head Head, writes []Write, known []Entry) []Entry {
	seen := map[Position]bool{}
	for _, e := range known {
		seen[e.Position] = true
	}
	var fresh []Entry
	for _, w := range writes {
		if seen[w.Position] {
			continue
		}
		head.Seq++
		if w.Position.Compare(head.Position) > 0 {
			head.Position = w.Position
		}
		fresh = append(fresh, w.entry(head))
	}
	return fresh
}

// pieces cuts entries into what one append takes, in order.
func pieces(entries []Entry) func(yield func([]Entry) bool) {
	return func(yield func([]Entry) bool) {
		for len(entries) > 0 {
			n := pieceLen(entries)
			if !yield(entries[:n]) {
				return
			}
			entries = entries[n:]
		}
	}
}

// pieceLen is how many of the first entries one append takes; at least one.
func pieceLen(entries []Entry) int {
	for i, e := range entries {
		alone := len(e.Data)+len(e.Before) > aloneBytes
		switch {
		case alone && i == 0:
			return 1
		case alone || i == MaxAppendEntries:
			return i
		}
	}
	return len(entries)
}

// sortedByPosition gives the writes in stream order, each position once.
func sortedByPosition(writes []Write) []Write {
	sorted := slices.Clone(writes)
	slices.SortStableFunc(sorted, func(a, b Write) int { return a.Position.Compare(b.Position) })
	return slices.CompactFunc(sorted, func(a, b Write) bool { return a.Position == b.Position })
}

// newEpoch names a new life of a topic. 40 random bits tell the few lives of one
// topic apart.
func newEpoch() string { return strings.ToLower(rand.Text()[:8]) }

// pause waits a random time that doubles with each attempt, up to about a second.
func pause(ctx context.Context, attempt int) error {
	limit := min(5*time.Millisecond<<attempt, time.Second)
	select {
	case <-time.After(mathrand.N(limit)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
