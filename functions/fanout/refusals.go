package main

import (
	"context"
	"encoding/json"
	"fmt"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/watchroute/watchroute/events"
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
type refusals struct {
	queue string
	sqs   *sqs.Client
}

func newRefusals(cfg aws.Config, queueURL string) refusals {
	return refusals{queue: queueURL, sqs: sqs.NewFromConfig(cfg)}
}

func (r refusals) refuse(ctx context.Context, record awsevents.DynamoDBEventRecord, reason events.Code, message string) error {
	keys, err := json.Marshal(record.Change.Keys)
	if err != nil {
		return fmt.Errorf("encode keys of refused record %s: %w", record.EventID, err)
	}
	body, err := json.Marshal(refusal{
		Reason: reason, Message: message, EventID: record.EventID, EventName: record.EventName,
		EventSourceARN: record.EventSourceArn, SequenceNumber: record.Change.SequenceNumber, Keys: keys,
	})
	if err != nil {
		return fmt.Errorf("encode refused record %s: %w", record.EventID, err)
	}
	_, err = r.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &r.queue, MessageBody: aws.String(string(body))})
	if err != nil {
		return fmt.Errorf("send refused record %s to the failure queue: %w", record.EventID, err)
	}
	return nil
}
