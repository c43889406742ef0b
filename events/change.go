package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Op is what happened to an item.
type Op string

// The three things that can happen to an item, and what a watcher is told of changes
// that it does not see.
const (
	Added    Op = "added"
	Modified Op = "modified"
	Removed  Op = "removed"
	Skipped  Op = "skipped"
)

// Change is one change of one item, numbered within its topic.
//
// Within one epoch Seq is dense: 1, 2, 3 …. The same change may arrive more than
// once, always with the same Epoch and Seq; a watcher drops what it has seen and
// knows from a gap that it missed something.
//
// An item whose time to live has passed is not shown to new watchers, while others hold it
// until it is deleted. If it is changed before that and lives on, it is Added to all of them
// with its whole Data, which replaces what is held. If a change leaves it expired, it is
// Removed, and perhaps once more when it is deleted. So Added may come for an item that is
// held, and Removed for one that is not.
//
// A watcher that does not see everything, by its filter or its token's, sees an item
// that begins to match as added and one that ceases to as removed. In place of changes
// that it does not see it gets one that is Skipped, from Seq to To, with nothing else but
// Costly. The same stands in place of changes that a later one of their item supersedes, for a
// watcher that asked for [Request.Latest]. Such a watcher treats Added and Modified alike, because
// it may not hold an item that is Modified.
type Change struct {
	Topic Topic  `json:"topic"`         // that the item is in
	Epoch string `json:"epoch"`         // names the life of the topic's numbering
	Seq   int64  `json:"seq"`           // the number of the change in its topic
	To    int64  `json:"to,omitempty"`  // the last of several that are Skipped
	Op    Op     `json:"op"`            // what happened to the item
	ID    string `json:"id,omitempty"`  // of the item; left out if Skipped
	Time  Time   `json:"time,omitzero"` // when the item was written; left out if Skipped
	// Data is the item's whole new state, or its last one if it was removed: a JSON object. Numbers
	// keep all their digits, sets are sorted arrays, and binary data is base64.
	Data json.RawMessage `json:"data,omitempty"`
	// Patch comes instead of Data, for a watcher that asked for delta, if an item
	// was modified and this is shorter: what turns its last state into the new one, as
	// a JSON merge patch (RFC 7396).
	Patch json.RawMessage `json:"patch,omitempty"`
	// Mark names the publication of a client that made the change. The answer to it, [Published], has
	// the same mark. A repetition with the same [Request.Key] has the same mark, too. It tells nobody
	// else who has published, and no two items share one.
	Mark string `json:"mark,omitempty"`
	// Expired marks a removal made by DynamoDB's time to live, or by a write that has left the
	// item with a time to live that has passed.
	Expired bool `json:"expired,omitempty"`
	// Large marks a change without Data, because Data did not fit into a frame of
	// [MaxFrameBytes]. The table Events has it whole.
	Large bool `json:"large,omitempty"`
	// Costly marks changes that are Skipped because the watcher's filter and fields would
	// cost too much on them: at least one of them was not looked at. The watcher may be one
	// that would see it. The next change is looked at as usual.
	Costly bool `json:"costly,omitempty"`
}

// Cursor gives the place in the topic that a watcher has come to with the change.
func (c Change) Cursor() Cursor { return Cursor{Epoch: c.Epoch, Seq: max(c.Seq, c.To)} }

// Cursor is a place in a topic: everything up to and including Seq of Epoch. The
// zero Cursor is the place before the first change of a topic that has had none.
type Cursor struct {
	Epoch string `json:"epoch"` // names the life of the topic's numbering
	Seq   int64  `json:"seq"`   // the number of the latest change that the cursor includes
}

// String writes the cursor as epoch:seq.
func (c Cursor) String() string { return c.Epoch + ":" + strconv.FormatInt(c.Seq, 10) }

// ParseCursor reads what [Cursor.String] writes, and refuses the same number written in
// another way, such as with zeros before it. The epoch is at most [MaxEpochBytes] of
// lower-case letters and digits. The error does not repeat the text.
func ParseCursor(s string) (Cursor, error) {
	epoch, number, ok := strings.Cut(s, ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || seq < 0 || seq > MaxSeq || strconv.FormatInt(seq, 10) != number || len(epoch) > MaxEpochBytes || strings.ContainsFunc(epoch, notInEpoch) {
		return Cursor{}, errors.New("cursor is not of the form epoch:seq")
	}
	return Cursor{Epoch: epoch, Seq: seq}, nil
}

func notInEpoch(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }

// Time is an instant, written in UTC with milliseconds as RFC 3339 has it.
type Time time.Time

const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// MarshalText writes the instant in UTC with exactly three decimals.
func (t Time) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, timeLayout), nil
}

// UnmarshalText reads any RFC 3339 instant.
func (t *Time) UnmarshalText(text []byte) error {
	parsed, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return fmt.Errorf("time %q is not RFC 3339", text)
	}
	*t = Time(parsed)
	return nil
}
