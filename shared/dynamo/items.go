package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/ttl"
	"github.com/watchroute/watchroute/shared/watch"
)

// Put writes an item of the Events table, replacing the one of the same id. What
// DynamoDB refuses in it is a watch.ErrBadItem.
func (s *Store) Put(ctx context.Context, topic events.Topic, item events.Item) error {
	row, err := attributes(item.Data)
	if err != nil {
		return fmt.Errorf("%w: %w", watch.ErrBadItem, err)
	}
	for name, value := range itemKey(topic, item.ID) {
		row[name] = value
	}
	_, err = s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.tables.Events, Item: row})
	var refused smithy.APIError
	if errors.As(err, &refused) && refused.ErrorCode() == "ValidationException" {
		return fmt.Errorf("%w: %s", watch.ErrBadItem, refused.ErrorMessage())
	}
	if err != nil {
		return fmt.Errorf("put item of %s: %w", topic, translate(err))
	}
	return nil
}

// Remove deletes an item of the Events table, if it is there.
func (s *Store) Remove(ctx context.Context, topic events.Topic, id string) error {
	_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.tables.Events, Key: itemKey(topic, id)})
	if err != nil {
		return fmt.Errorf("delete item of %s: %w", topic, translate(err))
	}
	return nil
}

// Page reads up to limit of a topic's rows after an id, and up to 1 MB of them,
// consistently: one read unit for every 4 KB. Rows that have expired, and those whose id
// breaks the rules and which are never announced, are void.
func (s *Store) Page(ctx context.Context, topic events.Topic, after string, limit int) (rows []watch.Row, next string, err error) {
	query := &dynamodb.QueryInput{
		TableName:                 &s.tables.Events,
		KeyConditionExpression:    aws.String("topic = :topic"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":topic": str(string(topic))},
		ConsistentRead:            aws.Bool(true),
		Limit:                     aws.Int32(int32(limit)),
	}
	if after != "" {
		query.ExclusiveStartKey = itemKey(topic, after)
	}
	now := s.now()
	out, err := s.db.Query(ctx, query)
	if err != nil {
		return nil, "", fmt.Errorf("read items of %s: %w", topic, translate(err))
	}
	for _, attributes := range out.Items {
		row, err := itemRow(attributes, now)
		if err != nil {
			return nil, "", fmt.Errorf("read item of %s: %w", topic, err)
		}
		rows = append(rows, row)
	}
	return rows, text(out.LastEvaluatedKey, "id"), nil
}

func itemRow(attributes map[string]types.AttributeValue, now time.Time) (watch.Row, error) {
	id := text(attributes, "id")
	if events.CheckItemID(id) != nil {
		return watch.Row{Item: events.Item{ID: id}, Void: true}, nil
	}
	data, err := itemData(attributes)
	row := watch.Row{Item: events.Item{ID: id, Data: data}, Void: expired(attributes, now)}
	if at, ok := ttl.Seconds(number(attributes, "expiresAt")); ok && at > now.Unix() {
		row.Expires = time.Unix(at, 0)
	}
	return row, err
}

func itemKey(topic events.Topic, id string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"topic": str(string(topic)), "id": str(id)}
}
