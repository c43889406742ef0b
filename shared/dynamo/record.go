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
	image := change.NewImage
	if op == events.Removed {
		image = change.OldImage
	}
	data, err := imageData(image)
	if err != nil {
		return watch.Write{}, badRecord("image: %v", err)
	}
	var before json.RawMessage
	if op == events.Modified {
		if before, err = imageData(change.OldImage); err != nil {
			return watch.Write{}, badRecord("image before: %v", err)
		}
	}
	return watch.Write{
		Topic: topic, ID: id, Op: op, Before: before, Data: data, Time: change.ApproximateCreationDateTime.Time,
		Expired: expiredByTTL(record), Lapse: lapse(change), Position: watch.Position(change.SequenceNumber),
	}, nil
}

// written reads which item a record is about.
func written(keys json.RawMessage) (events.Topic, string, error) {
	key, err := scalars(keys)
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
