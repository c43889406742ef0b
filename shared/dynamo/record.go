package dynamo

import (
	"encoding/json"
	"fmt"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// Batch is what Lambda gives a function that reads a table's stream.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
type Batch struct {
	Records []Record `json:"Records"`
}

// Record is one write to a table. Its images are left as they came: package events of
// aws-lambda-go decodes each value into several, which takes some ten times as long as
// reading the text once.
type Record struct {
	EventID        string                          `json:"eventID"`
	EventName      string                          `json:"eventName"`
	EventSourceARN string                          `json:"eventSourceARN"`
	UserIdentity   *awsevents.DynamoDBUserIdentity `json:"userIdentity,omitempty"`
	Change         StreamRecord                    `json:"dynamodb"`
}

// StreamRecord is what the stream says about the write. Keys and images are objects of
// attributes in DynamoDB's JSON; an image that the record does not have is nil.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html
type StreamRecord struct {
	ApproximateCreationDateTime awsevents.SecondsEpochTime `json:"ApproximateCreationDateTime"`
	Keys                        json.RawMessage            `json:"Keys,omitempty"`
	NewImage                    json.RawMessage            `json:"NewImage,omitempty"`
	OldImage                    json.RawMessage            `json:"OldImage,omitempty"`
	SequenceNumber              string                     `json:"SequenceNumber"`
	SizeBytes                   int64                      `json:"SizeBytes"` // of keys and images, as DynamoDB counts them
}

// ops are the changes by the name that the stream has for them.
var ops = map[string]events.Op{
	string(awsevents.DynamoDBOperationTypeInsert): events.Added,
	string(awsevents.DynamoDBOperationTypeModify): events.Modified,
	string(awsevents.DynamoDBOperationTypeRemove): events.Removed,
}

// Write reads one record of the Events table's stream. The error is a sentence that
// says why the record cannot be a change; it is of kind *events.Error.
func Write(record Record) (watch.Write, error) {
	change := record.Change
	topic, id, err := written(change.Keys)
	if err != nil {
		return watch.Write{}, err
	}
	op, ok := ops[record.EventName]
	if !ok {
		return watch.Write{}, badRecord("event name is %q", record.EventName)
	}
	write := watch.Write{
		Topic: topic, ID: id, Op: op, Time: change.ApproximateCreationDateTime.Time,
		Expired: expiredByTTL(record), Position: watch.Position(change.SequenceNumber),
	}
	if err := readStates(&write, change); err != nil {
		return watch.Write{}, badRecord("image: %v", err)
	}
	return write, nil
}

// readStates reads the item as it was before and after the write, as far as there was one.
func readStates(write *watch.Write, change StreamRecord) error {
	var before, after state
	var err error
	if write.Op != events.Added {
		before, err = readImage(change.OldImage)
	}
	if err == nil && write.Op != events.Removed {
		after, err = readImage(change.NewImage)
	}
	if write.Data = after.data; write.Op == events.Removed {
		write.Data = before.data
		return err
	}
	write.Before = before.data
	write.Mark = markOf(before.own, after.own)
	write.Lapse = lapse(number(before.own, "expiresAt"), number(after.own, "expiresAt"), write.Time)
	return err
}

// written reads which item a record is about.
func written(keys json.RawMessage) (events.Topic, string, error) {
	key, err := rowOf(keys)
	if err != nil {
		return "", "", badRecord("keys: %v", err)
	}
	topic, err := events.ParseTopic(text(key, "topic"))
	if err != nil {
		return "", "", &events.Error{Code: events.CodeBadTopic, Message: err.Error()}
	}
	id := text(key, "id")
	if err := events.CheckItemID(id); err != nil {
		return "", "", &events.Error{Code: events.CodeBadItem, Message: err.Error()}
	}
	return topic, id, nil
}

func badRecord(format string, args ...any) *events.Error {
	return &events.Error{Code: events.CodeBadItem, Message: fmt.Sprintf(format, args...)}
}

// expiredByTTL tells a deletion made by time to live from any other.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
func expiredByTTL(record Record) bool {
	who := record.UserIdentity
	return who != nil && who.Type == "Service" && who.PrincipalID == "dynamodb.amazonaws.com"
}
