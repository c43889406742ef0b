package dynamo

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/ttl"
	"github.com/watchroute/watchroute/shared/watch"
)

// putAttempts bounds how often an item is put that others write at the same time.
const putAttempts = 2

// Put writes an item of the Events table, replacing the one of the same id: one write unit for
// every KB of the larger of the two. If that one's expiresAt is to stay, it is read before: one
// read unit for every 4 KB. One that is to be new is watch.ErrExists if there is another in its
// place which has not expired. What DynamoDB refuses in the item is a watch.ErrBadItem.
func (s *Store) Put(ctx context.Context, p watch.Publication) error {
	put := putting{Publication: p}
	var err error
	if put.row, err = attributes(p.Item.Data); err != nil {
		return fmt.Errorf("%w: %w", watch.ErrBadItem, err)
	}
	maps.Copy(put.row, itemKey(p.Topic, p.Item.ID))
	if p.Publisher != "" {
		put.row[events.PublicationAttribute] = stamp(p)
	}
	if p.ExpiresAt == nil && !p.OnlyNew {
		put.there, err = s.expiryAndStamp(ctx, p)
	}
	for attempt := 0; err == nil && attempt < putAttempts; attempt++ {
		switch {
		case put.done():
			return nil
		case overtaken(p, put.there):
			return fmt.Errorf("put item of %s: %w", p.Topic, watch.ErrOvertaken)
		case p.OnlyNew && put.taken(s.now()):
			return fmt.Errorf("put item of %s: %w", p.Topic, watch.ErrExists)
		}
		if put.there, err = s.put(ctx, put); put.there == nil {
			return err
		}
	}
	return cmp.Or(err, fmt.Errorf("put item of %s, which others write: %w", p.Topic, watch.ErrUnavailable))
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
