package dynamo

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
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

// Connect keeps a connection's row: one write unit. Doing so twice is no error.
func (s *Store) Connect(ctx context.Context, c watch.Connection) error {
	row := connectionKey(c.Key)
	row["expiresAt"] = unix(c.Ends())
	row["connectedAt"] = num(c.Connected.UnixMilli())
	maps.Copy(row, tokenRow(c.Access))
	key := make([]byte, watch.SealBytes)
	_, _ = rand.Read(key) // which cannot fail
	row["sealKey"] = &types.AttributeValueMemberB{Value: key}
	if _, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.tables.Connections, Item: row}); err != nil {
		return fmt.Errorf("put connection %s: %w", c.ID, translate(err))
	}
	return nil
}

// Connections reads the connections of a subject, as far as they are not to have ended
// long ago: one read unit for some forty of them.
func (s *Store) Connections(ctx context.Context, subject string) ([]watch.Connection, error) {
	var all []watch.Connection
	pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
		TableName:                 &s.tables.Connections,
		KeyConditionExpression:    aws.String("subject = :subject"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":subject": str(subject)},
		ConsistentRead:            aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read connections of a subject: %w", translate(err))
		}
		for _, row := range page.Items {
			if s.expired(row) {
				continue
			}
			c, err := connection(row)
			if err != nil {
				return nil, fmt.Errorf("read connections of a subject: %w", err)
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// connection reads what Connect wrote. The grant is not in it.
func connection(row map[string]types.AttributeValue) (watch.Connection, error) {
	connected, err := integer(row, "connectedAt")
	if err != nil {
		return watch.Connection{}, err
	}
	return watch.Connection{
		Key:       watch.Key{Subject: text(row, "subject"), ID: watch.ConnectionID(text(row, "connectionId"))},
		Connected: time.UnixMilli(connected),
		Access:    tokenOf(row),
	}, nil
}

// tokenRow is what is kept of every token, for revocations: times in seconds, as tokens
// have them.
func tokenRow(a watch.Access) map[string]types.AttributeValue {
	row := map[string]types.AttributeValue{}
	if a.TokenID != "" {
		row["tokenId"] = str(a.TokenID)
	}
	if !a.Issued.IsZero() {
		row["issuedAt"] = unix(a.Issued)
	}
	return row
}

func tokenOf(row map[string]types.AttributeValue) watch.Access {
	return watch.Access{TokenID: text(row, "tokenId"), Issued: instant(row, "issuedAt")}
}

// Session reads a connection's row: one read unit for every 4 KB of topic names.
func (s *Store) Session(ctx context.Context, key watch.Key) (watch.Session, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(key), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return watch.Session{}, fmt.Errorf("get connection %s: %w", key.ID, translate(err))
	}
	if out.Item == nil || s.expired(out.Item) {
		return watch.Session{}, fmt.Errorf("get connection %s: %w", key.ID, watch.ErrNotConnected)
	}
	session := watch.Session{Topics: topicsOf(out.Item), SealKey: bytesOf(out.Item, "sealKey")}
	if _, refreshed := out.Item["grant"]; refreshed { // with the empty text if it grants nothing
		access := tokenOf(out.Item)
		access.Expires = instant(out.Item, "tokenExpiresAt")
		if access.Grant, err = grant.Decode(text(out.Item, "grant")); err != nil {
			return watch.Session{}, fmt.Errorf("get connection %s: %w", key.ID, err)
		}
		session.Access = &access
	}
	return session, nil
}

// Refresh keeps the grant of another token in the connection's row: one write unit for
// every 1 KB of the row.
func (s *Store) Refresh(ctx context.Context, key watch.Key, a watch.Access) error {
	update := &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(key),
		UpdateExpression:         aws.String("SET #grant = :grant, tokenExpiresAt = :expires, issuedAt = :issued, tokenId = :id"),
		ConditionExpression:      aws.String("attribute_exists(connectionId)"),
		ExpressionAttributeNames: map[string]string{"#grant": "grant"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":grant": str(a.Grant.String()), ":expires": unix(a.Expires), ":issued": unix(a.Issued), ":id": str(a.TokenID),
		},
	}
	_, err := s.db.UpdateItem(ctx, update)
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return fmt.Errorf("refresh connection %s: %w", key.ID, watch.ErrNotConnected)
	}
	if err != nil {
		return fmt.Errorf("refresh connection %s: %w", key.ID, translate(err))
	}
	return nil
}

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

// Unsubscribe takes back what Subscribe did: two write units. A connection that is
// gone, or was not subscribed, is left as it is.
func (s *Store) Unsubscribe(ctx context.Context, key watch.Key, topic events.Topic) error {
	_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.tables.Subscriptions, Key: subscriptionKey(topic, key.ID)})
	if err != nil {
		return fmt.Errorf("delete subscription of %s to %s: %w", key.ID, topic, translate(err))
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(key),
		UpdateExpression:          aws.String("DELETE #topics :topics"),
		ConditionExpression:       aws.String("attribute_exists(connectionId)"), // or the update would make a row
		ExpressionAttributeNames:  map[string]string{"#topics": "topics"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":topics": topicSet(topic)},
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &failed) {
		return fmt.Errorf("unsubscribe %s from %s: %w", key.ID, topic, translate(err))
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
		rows, err := s.batchGet(ctx, keys)
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

// batchGet reads subscription rows, in no order.
func (s *Store) batchGet(ctx context.Context, keys []map[string]types.AttributeValue) (rows []map[string]types.AttributeValue, err error) {
	table := s.tables.Subscriptions
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

// Forget deletes the connection's row, which tells its topics, and then its
// subscriptions: one write unit and one for each, without a read. topics are
// deleted even if the row does not list them. Doing so twice is no error.
func (s *Store) Forget(ctx context.Context, key watch.Key, topics []events.Topic) error {
	out, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(key), ReturnValues: types.ReturnValueAllOld,
	})
	if err != nil {
		return fmt.Errorf("delete connection %s: %w", key.ID, translate(err))
	}
	for _, topic := range topicsOf(out.Attributes) {
		if !slices.Contains(topics, topic) {
			topics = append(slices.Clip(topics), topic)
		}
	}
	if err := s.deleteSubscriptions(ctx, key.ID, topics); err != nil {
		return fmt.Errorf("delete subscriptions of %s: %w", key.ID, translate(err))
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

func connectionKey(key watch.Key) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"subject": str(key.Subject), "connectionId": str(string(key.ID))}
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
