package watch

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
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
	Before   json.RawMessage // the state before a modification
	Data     json.RawMessage // the new state, or the last one of a removed item
	Expired  bool            // removed by time to live
	Lapse    grant.Lapse     // what had expired by Time, if it was not removed
	Mark     string          // of the publication that made the change; empty for a back end
	Position Position
}

// entry numbers the write by the head. Data over events.MaxDataBytes is left out.
func (w Write) entry(head Head) Entry {
	e := Entry{
		Change: events.Change{
			Topic: w.Topic, Epoch: head.Epoch, Seq: head.Seq, Op: w.Op, ID: w.ID,
			Time: events.Time(w.Time), Data: w.Data, Expired: w.Expired, Mark: w.Mark,
		},
		Before: w.Before, Lapse: w.Lapse, Position: w.Position, High: head.Position,
	}
	if len(w.Data) > events.MaxDataBytes {
		e.Data, e.Large = nil, true
	}
	if len(w.Before) > events.MaxDataBytes {
		e.Before = nil
	}
	return e
}
