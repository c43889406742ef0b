package watch

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
)

// Position is a write's place in its stream: DynamoDB's SequenceNumber, a decimal
// number of up to 40 digits. The empty Position comes before all others.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html
type Position string

// Compare orders positions of one stream: negative if p comes before q.
func (p Position) Compare(q Position) int {
	a, b := strings.TrimLeft(string(p), "0"), strings.TrimLeft(string(q), "0")
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// Stream names one stream of the Events table: its ARN, which ends in the
// instant of its creation. A table that is recreated, restored or has its stream
// switched off and on gets another.
type Stream string

// before reports whether s was created before t.
func (s Stream) before(t Stream) bool { return s.label() < t.label() }

// label is the instant of creation, "2026-11-24T00:42:12.345".
func (s Stream) label() string {
	return string(s[strings.LastIndexByte(string(s), '/')+1:])
}

// Write is one write to the Events table as its stream gives it, not yet numbered.
type Write struct {
	Topic    events.Topic
	ID       string
	Op       events.Op
	Time     time.Time
	Data     json.RawMessage // the new state, or the last one of a removed item
	Expired  bool            // removed by time to live
	Position Position
}

// change numbers the write. Data over events.MaxDataBytes is left out.
func (w Write) change(c events.Cursor) events.Change {
	change := events.Change{
		Topic: w.Topic, Epoch: c.Epoch, Seq: c.Seq, Op: w.Op, ID: w.ID,
		Time: events.Time(w.Time), Data: w.Data, Expired: w.Expired,
	}
	if len(w.Data) > events.MaxDataBytes {
		change.Data, change.Large = nil, true
	}
	return change
}
