package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/failure"
)

// The reasons of the messages that this function sends.
const (
	// reasonGaveUp is that of a record whose function failed time after time: with this record,
	// or with one before it in the batch.
	reasonGaveUp events.Code = "gave_up"
	// reasonGone is that of records which were given up and cannot be read any more.
	reasonGone events.Code = "gave_up_unread"
)

// lostRecord is the message that the failure queue gets for a record that was given up: all
// that is needed to do by hand what its function could not.
type lostRecord struct {
	Reason         events.Code `json:"reason"`
	Message        string      `json:"message"`
	Condition      string      `json:"condition"`   // Lambda's
	FunctionARN    string      `json:"functionARN"` // that failed
	EventID        string      `json:"eventID"`
	EventName      string      `json:"eventName"` // INSERT, MODIFY, REMOVE
	EventSourceARN string      `json:"eventSourceARN"`
	SequenceNumber string      `json:"sequenceNumber"`
	Time           string      `json:"time"`              // of the write, RFC 3339, to the second
	Expired        bool        `json:"expired,omitempty"` // removed by its time to live
	Keys           image       `json:"keys"`
	NewImage       image       `json:"newImage,omitempty"`
	OldImage       image       `json:"oldImage,omitempty"`
	Truncated      []string    `json:"truncated,omitempty"` // images that are left out for their size
}

func newLostRecord(p pointer, r types.Record) lostRecord {
	return lostRecord{
		Reason: reasonGaveUp, Condition: p.Request.Condition, FunctionARN: p.Request.FunctionARN,
		Message: fmt.Sprintf("Lambda gave up a batch with this record, whose function failed %d times; it may have taken in this record all the same", p.Request.Invocations),
		EventID: aws.ToString(r.EventID), EventName: string(r.EventName), EventSourceARN: p.Batch.StreamARN,
		SequenceNumber: aws.ToString(r.Dynamodb.SequenceNumber),
		Time:           aws.ToTime(r.Dynamodb.ApproximateCreationDateTime).UTC().Format(time.RFC3339),
		Expired:        r.UserIdentity != nil && aws.ToString(r.UserIdentity.PrincipalId) == "dynamodb.amazonaws.com",
		Keys:           newImage(r.Dynamodb.Keys), NewImage: newImage(r.Dynamodb.NewImage), OldImage: newImage(r.Dynamodb.OldImage),
	}
}

// without leaves the images out of a message, and says so.
func (m lostRecord) without(images ...string) lostRecord {
	for _, name := range images {
		at := &m.NewImage
		if name == "oldImage" {
			at = &m.OldImage
		}
		if *at != nil {
			*at, m.Truncated = nil, append(m.Truncated[:len(m.Truncated):len(m.Truncated)], name)
		}
	}
	return m
}

// send puts the message into the failure queue with as much of it as fits: the new image is
// worth more than the old one.
func (h handler) send(ctx context.Context, m lostRecord) error {
	var err error
	for _, smaller := range []lostRecord{m, m.without("oldImage"), m.without("oldImage", "newImage")} {
		if err = h.failures.Send(ctx, smaller); !errors.Is(err, failure.ErrTooLarge) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("copy record %s: %w", m.EventID, err)
	}
	return nil
}

// lostPointer is the message that the failure queue gets for records that were given up and
// that the stream does not have any more, or not all of them.
type lostPointer struct {
	Reason         events.Code     `json:"reason"`
	Message        string          `json:"message"`
	Condition      string          `json:"condition"`
	FunctionARN    string          `json:"functionARN"`
	EventSourceARN string          `json:"eventSourceARN"`
	Pointer        json.RawMessage `json:"pointer"` // as Lambda has sent it
}

func newLostPointer(p pointer, body json.RawMessage) lostPointer {
	return lostPointer{
		Reason: reasonGone, Condition: p.Request.Condition, FunctionARN: p.Request.FunctionARN, EventSourceARN: p.Batch.StreamARN,
		Message: "records that the pointer names are not in the stream any more; those that were have messages of their own",
		Pointer: body,
	}
}

// image is an item in the JSON of DynamoDB, in which each value names its type.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_AttributeValue.html
type image map[string]any

func newImage(item map[string]types.AttributeValue) image {
	if item == nil {
		return nil
	}
	i := make(image, len(item))
	for name, v := range item {
		i[name] = value(v)
	}
	return i
}

// value is an attribute value as JSON has it.
func value(v types.AttributeValue) any {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return map[string]string{"S": v.Value}
	case *types.AttributeValueMemberN:
		return map[string]string{"N": v.Value}
	case *types.AttributeValueMemberB:
		return map[string][]byte{"B": v.Value}
	case *types.AttributeValueMemberBOOL:
		return map[string]bool{"BOOL": v.Value}
	case *types.AttributeValueMemberSS:
		return map[string][]string{"SS": v.Value}
	case *types.AttributeValueMemberNS:
		return map[string][]string{"NS": v.Value}
	case *types.AttributeValueMemberBS:
		return map[string][][]byte{"BS": v.Value}
	case *types.AttributeValueMemberM:
		return map[string]image{"M": newImage(v.Value)}
	case *types.AttributeValueMemberL:
		list := make([]any, len(v.Value))
		for i, element := range v.Value {
			list[i] = value(element)
		}
		return map[string][]any{"L": list}
	}
	return map[string]bool{"NULL": true} // which is all that is left
}
