package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/failure"
)

// refusal is the message that the failure queue gets for a write that can never
// become a change. It names the item by its stream's keys and has none of its data:
// that is in the table still, or deleted on purpose.
type refusal struct {
	Reason         events.Code     `json:"reason"`
	Message        string          `json:"message"`
	EventID        string          `json:"eventID"`
	EventName      string          `json:"eventName"`
	EventSourceARN string          `json:"eventSourceARN"`
	SequenceNumber string          `json:"sequenceNumber"`
	Keys           json.RawMessage `json:"keys"` // as attribute values
}

// reasonStale is the reason of a write from an earlier stream of its table.
const reasonStale events.Code = "stale_stream"

// refusals sends what is refused to the failure queue.
type refusals struct{ queue failure.Queue }

func (r refusals) refuse(ctx context.Context, record dynamo.Record, reason events.Code, message string) error {
	err := r.queue.Send(ctx, refusal{
		Reason: reason, Message: message, EventID: record.EventID, EventName: record.EventName,
		EventSourceARN: record.EventSourceARN, SequenceNumber: record.Change.SequenceNumber, Keys: record.Change.Keys,
	})
	if err != nil {
		return fmt.Errorf("refuse record %s: %w", record.EventID, err)
	}
	return nil
}
