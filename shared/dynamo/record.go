package dynamo

import (
	"encoding/json"
	"fmt"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// ops are the changes by the name that the stream has for them.
var ops = map[string]events.Op{
	string(awsevents.DynamoDBOperationTypeInsert): events.Added,
	string(awsevents.DynamoDBOperationTypeModify): events.Modified,
	string(awsevents.DynamoDBOperationTypeRemove): events.Removed,
}

// Write reads one record of the Events table's stream. The error is a sentence that
// says why the record cannot be a change; it is of kind *events.Error.
func Write(record awsevents.DynamoDBEventRecord) (watch.Write, error) {
	change := record.Change
	keys := attributeMapFromStream(change.Keys)
	topic, err := events.ParseTopic(text(keys, "topic"))
	if err != nil {
		return watch.Write{}, &events.Error{Code: events.CodeBadTopic, Message: err.Error()}
	}
	id := text(keys, "id")
	if err := events.CheckItemID(id); err != nil {
		return watch.Write{}, &events.Error{Code: events.CodeBadItem, Message: err.Error()}
	}
	op, ok := ops[record.EventName]
	if !ok {
		return watch.Write{}, badRecord("event name is %q", record.EventName)
	}
	image := change.NewImage
	if op == events.Removed {
		image = change.OldImage
	}
	if image == nil {
		return watch.Write{}, badRecord("record has no image of the item, the stream must be of type NEW_AND_OLD_IMAGES")
	}
	data, err := itemData(attributeMapFromStream(image))
	if err != nil {
		return watch.Write{}, badRecord("%v", err)
	}
	var mark string
	if op != events.Removed { // whose image is the one before
		mark = markOf(stampFromStream(change.OldImage), stampFromStream(image))
	}
	var before json.RawMessage
	if op == events.Modified {
		if before, err = itemData(attributeMapFromStream(change.OldImage)); err != nil {
			return watch.Write{}, badRecord("%v", err)
		}
	}
	return watch.Write{
		Topic: topic, ID: id, Op: op, Before: before, Data: data, Time: change.ApproximateCreationDateTime.Time,
		Expired: expiredByTTL(record), Mark: mark, Position: watch.Position(change.SequenceNumber),
	}, nil
}

func badRecord(format string, args ...any) *events.Error {
	return &events.Error{Code: events.CodeBadItem, Message: fmt.Sprintf(format, args...)}
}

// expiredByTTL tells a deletion made by time to live from any other.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
func expiredByTTL(record awsevents.DynamoDBEventRecord) bool {
	who := record.UserIdentity
	return who != nil && who.Type == "Service" && who.PrincipalID == "dynamodb.amazonaws.com"
}

// stampFromStream gives an image without all but its stamp.
func stampFromStream(image map[string]awsevents.DynamoDBAttributeValue) map[string]types.AttributeValue {
	stamp, ok := image[events.PublicationAttribute]
	if !ok {
		return nil
	}
	return map[string]types.AttributeValue{events.PublicationAttribute: attributeFromStream(stamp)}
}

func attributeMapFromStream(m map[string]awsevents.DynamoDBAttributeValue) map[string]types.AttributeValue {
	out := make(map[string]types.AttributeValue, len(m))
	for name, value := range m {
		out[name] = attributeFromStream(value)
	}
	return out
}

// attributeFromStream turns Lambda's attribute values into the SDK's, so that there
// is one way from either to JSON.
func attributeFromStream(v awsevents.DynamoDBAttributeValue) types.AttributeValue {
	switch v.DataType() {
	case awsevents.DataTypeString:
		return &types.AttributeValueMemberS{Value: v.String()}
	case awsevents.DataTypeNumber:
		return &types.AttributeValueMemberN{Value: v.Number()}
	case awsevents.DataTypeBoolean:
		return &types.AttributeValueMemberBOOL{Value: v.Boolean()}
	case awsevents.DataTypeBinary:
		return &types.AttributeValueMemberB{Value: v.Binary()}
	case awsevents.DataTypeMap:
		return &types.AttributeValueMemberM{Value: attributeMapFromStream(v.Map())}
	case awsevents.DataTypeList:
		list := make([]types.AttributeValue, len(v.List()))
		for i, element := range v.List() {
			list[i] = attributeFromStream(element)
		}
		return &types.AttributeValueMemberL{Value: list}
	case awsevents.DataTypeStringSet:
		return &types.AttributeValueMemberSS{Value: v.StringSet()}
	case awsevents.DataTypeNumberSet:
		return &types.AttributeValueMemberNS{Value: v.NumberSet()}
	case awsevents.DataTypeBinarySet:
		return &types.AttributeValueMemberBS{Value: v.BinarySet()}
	}
	return &types.AttributeValueMemberNULL{Value: true} // NULL, which is all that is left
}
