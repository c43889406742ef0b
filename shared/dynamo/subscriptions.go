package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// Subscribe adds the topic to the connection's row, on the condition that it may
// have one more, and then puts the subscription: two write units. The order lets
// Forget find every subscription in the connection's row.
func (s *Store) Subscribe(ctx context.Context, sub watch.Subscription) (already bool, err error) {
	before, err := s.addTopic(ctx, sub)
	if err != nil {
		return false, fmt.Errorf("subscribe %s to %s: %w", sub.ID, sub.Topic, err)
	}
	if _, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.tables.Subscriptions, Item: subscriptionRow(sub)}); err != nil {
		return false, fmt.Errorf("put subscription of %s to %s: %w", sub.ID, sub.Topic, translate(err))
	}
	return slices.Contains(before, sub.Topic), nil
}

func subscriptionRow(sub watch.Subscription) map[string]types.AttributeValue {
	row := subscriptionKey(sub.Topic, sub.ID)
	row["subject"] = str(sub.Subject)
	row["expiresAt"] = unix(sub.Until)
	if view := sub.View.String(); view != "" {
		row["view"] = str(view)
	}
	if sub.Filter != nil {
		row["filter"] = str(string(sub.Filter))
	}
	if sub.Fields != nil {
		row["fields"] = list(sub.Fields)
	}
	if sub.Delta {
		row["delta"] = &types.AttributeValueMemberBOOL{Value: true}
	}
	return row
}

// subscription reads what subscriptionRow wrote.
func subscription(row map[string]types.AttributeValue) (watch.Subscription, error) {
	view, err := grant.DecodeView(text(row, "view"))
	if err != nil {
		return watch.Subscription{}, err
	}
	topic, id := watcher(row)
	sub := watch.Subscription{
		Key:     watch.Key{Subject: text(row, "subject"), ID: id},
		Topic:   topic,
		Options: watch.Options{Fields: listed(row, "fields"), Delta: flag(row, "delta")},
		View:    view,
		Until:   instant(row, "expiresAt"),
	}
	if filter := text(row, "filter"); filter != "" {
		sub.Filter = []byte(filter)
	}
	return sub, nil
}

// addTopic counts the subscribe, and gives the topics that the connection had before.
func (s *Store) addTopic(ctx context.Context, sub watch.Subscription) (before []events.Topic, err error) {
	quota := watch.Quota{Topics: cmp.Or(sub.Quota.Topics, unbounded), Subscribes: cmp.Or(sub.Quota.Subscribes, unbounded)}
	out, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(sub.Key),
		UpdateExpression: aws.String("ADD #topics :topics, subscribes :one"),
		ConditionExpression: aws.String("attribute_exists(connectionId) AND (attribute_not_exists(subscribes) OR subscribes < :quota)" +
			" AND (attribute_not_exists(#topics) OR contains(#topics, :topic) OR size(#topics) < :max)"),
		ExpressionAttributeNames: map[string]string{"#topics": "topics"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":topics": topicSet(sub.Topic), ":topic": str(string(sub.Topic)), ":max": num(int64(quota.Topics)), ":one": num(1), ":quota": num(int64(quota.Subscribes)),
		},
		ReturnValues:                        types.ReturnValueUpdatedOld,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return nil, refusal(failed.Item, quota)
	}
	if err != nil {
		return nil, translate(err)
	}
	return topicsOf(out.Attributes), nil
}

// unbounded is more than any connection has.
const unbounded = math.MaxInt32

// refusal says why a connection may not subscribe, by its row.
func refusal(row map[string]types.AttributeValue, quota watch.Quota) error {
	if row == nil {
		return watch.ErrNotConnected
	}
	if used, err := integer(row, "subscribes"); err == nil && used >= int64(quota.Subscribes) {
		return watch.ErrTooManyRequests
	}
	return watch.ErrTooManySubscriptions
}

// Renew puts the subscription if there is one in its place: one write unit for every KB. The
// connection's row has the topic already.
func (s *Store) Renew(ctx context.Context, sub watch.Subscription) (there bool, err error) {
	_, err = s.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.tables.Subscriptions, Item: subscriptionRow(sub), ConditionExpression: aws.String("attribute_exists(topic)"),
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("renew subscription of %s to %s: %w", sub.ID, sub.Topic, translate(err))
	}
	return true, nil
}

// Unsubscribe takes back what Subscribe did: one write unit for each topic, and one for
// every KB of the connection's row. A connection that is gone, or was not subscribed, is left
// as it is.
func (s *Store) Unsubscribe(ctx context.Context, key watch.Key, topics ...events.Topic) error {
	if len(topics) == 0 {
		return nil
	}
	for _, topic := range topics {
		_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.tables.Subscriptions, Key: subscriptionKey(topic, key.ID)})
		if err != nil {
			return fmt.Errorf("delete subscription of %s to %s: %w", key.ID, topic, translate(err))
		}
	}
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(key),
		UpdateExpression:          aws.String("DELETE #topics :topics"),
		ConditionExpression:       aws.String("attribute_exists(connectionId)"), // or the update would make a row
		ExpressionAttributeNames:  map[string]string{"#topics": "topics"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":topics": topicSet(topics...)},
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &failed) {
		return fmt.Errorf("unsubscribe %s from %d topics: %w", key.ID, len(topics), translate(err))
	}
	return nil
}

// Subscriptions reads those of the topics that a connection is subscribed to: one
// read unit for each topic.
func (s *Store) Subscriptions(ctx context.Context, key watch.Key, topics []events.Topic) ([]watch.Subscription, error) {
	var subs []watch.Subscription
	for some := range slices.Chunk(topics, maxGets) {
		var keys []map[string]types.AttributeValue
		for _, topic := range some {
			keys = append(keys, subscriptionKey(topic, key.ID))
		}
		rows, err := s.batchGet(ctx, s.tables.Subscriptions, keys)
		if err != nil {
			return nil, fmt.Errorf("read subscriptions of %s: %w", key.ID, translate(err))
		}
		for _, row := range rows {
			sub, err := subscription(row)
			if err != nil {
				return nil, fmt.Errorf("read subscription of %s to %s: %w", key.ID, text(row, "topic"), err)
			}
			subs = append(subs, sub)
		}
	}
	slices.SortFunc(subs, func(a, b watch.Subscription) int { return strings.Compare(string(a.Topic), string(b.Topic)) })
	return subs, nil
}

// maxGets is what one BatchGetItem takes.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
const maxGets = 100

// batchGet reads rows by their keys, up to maxGets, in no order.
func (s *Store) batchGet(ctx context.Context, table string, keys []map[string]types.AttributeValue) (rows []map[string]types.AttributeValue, err error) {
	request := map[string]types.KeysAndAttributes{table: {Keys: keys, ConsistentRead: aws.Bool(true)}}
	for attempt := range batchAttempts {
		out, err := s.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: request})
		if err != nil {
			return nil, err
		}
		rows = append(rows, out.Responses[table]...)
		if request = out.UnprocessedKeys; len(request) == 0 {
			return rows, nil
		}
		if err := wait(ctx, attempt); err != nil {
			return nil, err
		}
	}
	return nil, watch.ErrUnavailable
}

// Subscribers reads the subscriptions to a topic and to the patterns of the topics below
// it, or the latter alone, page by page: one read unit for every 4 KB, and at least one.
func (s *Store) Subscribers(ctx context.Context, topic events.Topic, belowAlone bool) ([]watch.Subscription, error) {
	var subs []watch.Subscription
	query := &dynamodb.QueryInput{
		TableName:                 &s.tables.Subscriptions,
		KeyConditionExpression:    aws.String("topic = :topic"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":topic": str(partition(topic))},
		ConsistentRead:            aws.Bool(true),
	}
	if belowAlone {
		query.KeyConditionExpression = aws.String("topic = :topic AND begins_with(connectionId, :any)")
		query.ExpressionAttributeValues[":any"] = str(events.AnySegment)
	}
	pages := dynamodb.NewQueryPaginator(s.db, query)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read subscribers of %s: %w", topic, translate(err))
		}
		for _, row := range page.Items {
			sub, err := subscription(row)
			if err != nil {
				return nil, fmt.Errorf("read subscriber %s of %s: %w", text(row, "connectionId"), topic, err)
			}
			subs = append(subs, sub)
		}
	}
	return subs, nil
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
		if err := wait(ctx, attempt); err != nil {
			return err
		}
	}
	return watch.ErrUnavailable
}

// wait lets time pass before what was left undone is tried again.
func wait(ctx context.Context, attempt int) error {
	select {
	case <-time.After(50 * time.Millisecond << attempt):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shard ends the key under which a topic's subscriptions lie.
const shard = "#0"

func partition(topic events.Topic) string { return string(topic) + shard }

// subscriptionKey has the subscriptions to a pattern lie at the topic above, before all
// others: no connection's id begins with *.
func subscriptionKey(topic events.Topic, id watch.ConnectionID) map[string]types.AttributeValue {
	base, wildcard := topic.Split()
	return map[string]types.AttributeValue{"topic": str(partition(base)), "connectionId": str(wildcard + string(id))}
}

// watcher reads what subscriptionKey wrote.
func watcher(row map[string]types.AttributeValue) (events.Topic, watch.ConnectionID) {
	topic, rest := strings.TrimSuffix(text(row, "topic"), shard), text(row, "connectionId")
	id := strings.TrimLeft(rest, events.AnySegment)
	if wildcard := strings.TrimSuffix(rest, id); wildcard != "" {
		topic += "/" + wildcard
	}
	return events.Topic(topic), watch.ConnectionID(id)
}

func topicSet(topics ...events.Topic) *types.AttributeValueMemberSS {
	set := &types.AttributeValueMemberSS{}
	for _, topic := range topics {
		set.Value = append(set.Value, string(topic))
	}
	return set
}
