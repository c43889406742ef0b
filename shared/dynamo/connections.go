package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// Connect keeps a connection's row: one write unit. Doing so twice is no error.
func (s *Store) Connect(ctx context.Context, c watch.Connection) error {
	_, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.tables.Connections, Item: map[string]types.AttributeValue{
		"connectionId": str(string(c.ID)), "expiresAt": unix(c.Expires()),
	}})
	if err != nil {
		return fmt.Errorf("put connection %s: %w", c.ID, translate(err))
	}
	return nil
}

// Subscribe adds the topic to the connection's row, on the condition that it may
// have one more, and then puts the subscription: two write units. The order lets
// Forget find every subscription in the connection's row.
func (s *Store) Subscribe(ctx context.Context, sub watch.Subscription) (already bool, err error) {
	before, err := s.addTopic(ctx, sub.Connection.ID, sub.Topic)
	if err != nil {
		return false, fmt.Errorf("subscribe %s to %s: %w", sub.Connection.ID, sub.Topic, err)
	}
	row := subscriptionKey(sub.Topic, sub.Connection.ID)
	row["expiresAt"] = unix(sub.Connection.Expires())
	if _, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.tables.Subscriptions, Item: row}); err != nil {
		return false, fmt.Errorf("put subscription of %s to %s: %w", sub.Connection.ID, sub.Topic, translate(err))
	}
	return slices.Contains(before, sub.Topic), nil
}

// addTopic gives the topics that the connection had before.
func (s *Store) addTopic(ctx context.Context, id watch.ConnectionID, topic events.Topic) (before []events.Topic, err error) {
	out, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(id),
		UpdateExpression:         aws.String("ADD #topics :topics"),
		ConditionExpression:      aws.String("attribute_exists(connectionId) AND (attribute_not_exists(#topics) OR contains(#topics, :topic) OR size(#topics) < :max)"),
		ExpressionAttributeNames: map[string]string{"#topics": "topics"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":topics": topicSet(topic), ":topic": str(string(topic)), ":max": num(events.MaxSubscriptions),
		},
		ReturnValues:                        types.ReturnValueUpdatedOld,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		if failed.Item == nil {
			return nil, watch.ErrNotConnected
		}
		return nil, watch.ErrTooManySubscriptions
	}
	if err != nil {
		return nil, translate(err)
	}
	return topicsOf(out.Attributes), nil
}

// Unsubscribe takes back what Subscribe did: two write units. A connection that is
// gone, or was not subscribed, is left as it is.
func (s *Store) Unsubscribe(ctx context.Context, id watch.ConnectionID, topic events.Topic) error {
	_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.tables.Subscriptions, Key: subscriptionKey(topic, id)})
	if err != nil {
		return fmt.Errorf("delete subscription of %s to %s: %w", id, topic, translate(err))
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(id),
		UpdateExpression:          aws.String("DELETE #topics :topics"),
		ConditionExpression:       aws.String("attribute_exists(connectionId)"), // or the update would make a row
		ExpressionAttributeNames:  map[string]string{"#topics": "topics"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":topics": topicSet(topic)},
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &failed) {
		return fmt.Errorf("unsubscribe %s from %s: %w", id, topic, translate(err))
	}
	return nil
}

// Topics reads what a connection watches, from its row: one read unit for every 4 KB
// of topic names.
func (s *Store) Topics(ctx context.Context, id watch.ConnectionID) ([]events.Topic, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(id), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, fmt.Errorf("get topics of %s: %w", id, translate(err))
	}
	if out.Item == nil || s.expired(out.Item) {
		return nil, fmt.Errorf("get topics of %s: %w", id, watch.ErrNotConnected)
	}
	return topicsOf(out.Item), nil
}

// Subscribers reads the connections subscribed to a topic, page by page.
func (s *Store) Subscribers(ctx context.Context, topic events.Topic) ([]watch.ConnectionID, error) {
	var ids []watch.ConnectionID
	pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
		TableName:                 &s.tables.Subscriptions,
		KeyConditionExpression:    aws.String("topic = :topic"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":topic": str(partition(topic))},
		ConsistentRead:            aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read subscribers of %s: %w", topic, translate(err))
		}
		for _, row := range page.Items {
			if !s.expired(row) {
				ids = append(ids, watch.ConnectionID(text(row, "connectionId")))
			}
		}
	}
	return ids, nil
}

// Forget deletes the connection's row, which tells its topics, and then its
// subscriptions: one write unit and one for each, without a read. topics are
// deleted even if the row does not list them. Doing so twice is no error.
func (s *Store) Forget(ctx context.Context, id watch.ConnectionID, topics []events.Topic) error {
	out, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(id), ReturnValues: types.ReturnValueAllOld,
	})
	if err != nil {
		return fmt.Errorf("delete connection %s: %w", id, translate(err))
	}
	for _, topic := range topicsOf(out.Attributes) {
		if !slices.Contains(topics, topic) {
			topics = append(slices.Clip(topics), topic)
		}
	}
	if err := s.deleteSubscriptions(ctx, id, topics); err != nil {
		return fmt.Errorf("delete subscriptions of %s: %w", id, translate(err))
	}
	return nil
}

// maxBatch is what one BatchWriteItem takes.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
const maxBatch = 25

func (s *Store) deleteSubscriptions(ctx context.Context, id watch.ConnectionID, topics []events.Topic) error {
	for some := range slices.Chunk(topics, maxBatch) {
		var deletes []types.WriteRequest
		for _, topic := range some {
			deletes = append(deletes, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: subscriptionKey(topic, id)}})
		}
		if err := s.batch(ctx, map[string][]types.WriteRequest{s.tables.Subscriptions: deletes}); err != nil {
			return err
		}
	}
	return nil
}

// batchAttempts bounds how often what DynamoDB left undone of a batch is sent again.
const batchAttempts = 5

func (s *Store) batch(ctx context.Context, requests map[string][]types.WriteRequest) error {
	for attempt := range batchAttempts {
		out, err := s.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: requests})
		if err != nil || len(out.UnprocessedItems) == 0 {
			return err
		}
		requests = out.UnprocessedItems
		select {
		case <-time.After(50 * time.Millisecond << attempt):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return watch.ErrUnavailable
}

// partition is the key under which a topic's subscriptions lie.
func partition(topic events.Topic) string { return string(topic) + "#0" }

func subscriptionKey(topic events.Topic, id watch.ConnectionID) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"topic": str(partition(topic)), "connectionId": str(string(id))}
}

func connectionKey(id watch.ConnectionID) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"connectionId": str(string(id))}
}

func topicSet(topic events.Topic) *types.AttributeValueMemberSS {
	return &types.AttributeValueMemberSS{Value: []string{string(topic)}}
}

func topicsOf(row map[string]types.AttributeValue) []events.Topic {
	set, _ := row["topics"].(*types.AttributeValueMemberSS)
	if set == nil {
		return nil
	}
	topics := make([]events.Topic, len(set.Value))
	for i, name := range set.Value {
		topics[i] = events.Topic(name)
	}
	return topics
}
