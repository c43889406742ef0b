package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// Subscribe adds the topic to the connection's row, on the condition that it may have one
// more and that no later request about the topic is in it, and then puts the subscription:
// two write units and one read unit, and a write unit more if sub.Again is wrong. So Forget
// finds every subscription in the connection's row.
//
// A subscription goes into the shard that the connection's row has for the topic, or for a topic
// that is not watched yet into that of its slot.
//
// An unsubscribe that is carried out between the two finds no subscription to delete. Then
// the row does not have the topic any more, and the caller, who reads it, withdraws the
// subscription. If the caller has read the row before the unsubscribe has changed it, the
// unsubscribe finds the subscription.
func (s *Store) Subscribe(ctx context.Context, sub watch.Subscription) (watch.Kept, error) {
	base, _ := sub.Topic.Split()
	shards, err := s.shards(ctx, base)
	if err != nil {
		return watch.Kept{}, fmt.Errorf("subscribe %s to %s: %w", sub.ID, sub.Topic, err)
	}
	kept, err := s.addTopic(ctx, sub, sub.ID.Slot(shards))
	if err != nil {
		return watch.Kept{}, fmt.Errorf("subscribe %s to %s: %w", sub.ID, sub.Topic, err)
	}
	sub.Shard = kept.Shard
	_, err = s.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.tables.Subscriptions, Item: subscriptionRow(sub),
		ConditionExpression:       aws.String("attribute_not_exists(#order) OR #order <= :order"),
		ExpressionAttributeNames:  map[string]string{"#order": "order"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":order": order(sub.Order)},
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		err = watch.ErrOvertaken // by one that has changed the row, too
	}
	if err != nil {
		return watch.Kept{}, fmt.Errorf("put subscription of %s to %s: %w", sub.ID, sub.Topic, translate(err))
	}
	return kept, nil
}

func subscriptionRow(sub watch.Subscription) map[string]types.AttributeValue {
	row := subscriptionKey(sub)
	row["subject"] = str(sub.Subject)
	if sub.Order != watch.Unordered {
		row["order"] = order(sub.Order)
	}
	if sub.Auth != 0 {
		row["auth"] = order(sub.Auth)
	}
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
	sub, err := located(row)
	if err != nil {
		return watch.Subscription{}, err
	}
	sub.Subject, sub.View = text(row, "subject"), view
	sub.Order, sub.Until = orderIn(row, "order"), instant(row, "expiresAt")
	sub.Options = watch.Options{Fields: listed(row, "fields"), Delta: flag(row, "delta")}
	if filter := text(row, "filter"); filter != "" {
		sub.Filter = []byte(filter)
	}
	if row["auth"] != nil {
		sub.Auth = orderIn(row, "auth")
	}
	return sub, nil
}

// addTopic counts the subscribe, and has the row name the topic with its order. The shard is that
// of a topic which the connection does not watch yet.
func (s *Store) addTopic(ctx context.Context, sub watch.Subscription, shard int) (watch.Kept, error) {
	quota := watch.Quota{Topics: cmp.Or(sub.Quota.Topics, unbounded), Subscribes: cmp.Or(sub.Quota.Subscribes, unbounded)}
	again := sub.Again
	for range addAttempts {
		out, err := s.changeTopics(ctx, sub.Key, sub.Topic, addition(sub, quota, again, shard))
		failed := (*types.ConditionalCheckFailedException)(nil)
		if err == nil && again {
			shard = shardIn(out.Attributes, sub.Topic)
		}
		if err == nil {
			return watch.Kept{Already: again, Shard: shard}, nil
		}
		if !errors.As(err, &failed) {
			return watch.Kept{}, translate(err)
		}
		refused := refusal(failed.Item, sub, quota)
		if _, watched := ordersOf(failed.Item)[sub.Topic]; watched == again || failed.Item == nil || errors.Is(refused, watch.ErrOvertaken) {
			return watch.Kept{}, refused
		}
		again = !again
	}
	return watch.Kept{}, watch.ErrUnavailable
}

// addAttempts bounds how often earlier requests may have the connection watch the topic, or stop,
// while a subscribe runs. Each costs a write unit.
const addAttempts = 3

// addition changes a connection's row for a subscribe to a topic that it watches, whose shard
// stays, or to another.
func addition(sub watch.Subscription, quota watch.Quota, again bool, shard int) *dynamodb.UpdateItemInput {
	values := map[string]types.AttributeValue{":order": order(sub.Order), ":one": num(1), ":quota": num(int64(quota.Subscribes)), ":topic": str(string(sub.Topic))}
	set, condition := "#watches.#topic = :order", "(attribute_exists(#watches.#topic) OR contains(#before, :topic))"
	if !again {
		set += ", #shard = :shard"
		condition = "attribute_not_exists(#watches.#topic) AND NOT contains(#before, :topic) AND size(#watches) < :max"
		values[":shard"], values[":max"] = num(int64(shard)), num(int64(quota.Topics))
	}
	remove := ""
	if !again && shard == 0 {
		set, remove = "#watches.#topic = :order", " REMOVE #shard"
		delete(values, ":shard")
	}
	return &dynamodb.UpdateItemInput{
		UpdateExpression: aws.String("SET " + set + remove + " ADD subscribes :one"),
		ConditionExpression: aws.String("(attribute_not_exists(subscribes) OR subscribes < :quota)" +
			" AND " + condition + " AND " + subscribeCounts),
		ExpressionAttributeValues: values,
		ReturnValues:              types.ReturnValueAllOld,
	}
}

// changeTopics updates a connection's row about one topic. A row of a version that had no
// orders gets its maps first, with one more write.
func (s *Store) changeTopics(ctx context.Context, key watch.Key, topic events.Topic, update *dynamodb.UpdateItemInput) (*dynamodb.UpdateItemOutput, error) {
	update.TableName, update.Key = &s.tables.Connections, connectionKey(key)
	update.ConditionExpression = aws.String("attribute_exists(#watches) AND " + *update.ConditionExpression)
	update.ExpressionAttributeNames = namesIn(update, map[string]string{
		"#watches": watchesMap, "#left": leftMap, "#topic": string(topic), "#slot": slot(topic), "#before": topicsBefore, "#shard": shardAttribute(topic),
	})
	update.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	out, err := s.db.UpdateItem(ctx, update)
	failed := (*types.ConditionalCheckFailedException)(nil)
	if !errors.As(err, &failed) || failed.Item == nil || failed.Item[watchesMap] != nil {
		return out, err
	}
	if err := s.addMaps(ctx, key); err != nil {
		return nil, err
	}
	return s.db.UpdateItem(ctx, update)
}

// namesIn gives those of the names that an update uses: DynamoDB refuses others.
func namesIn(update *dynamodb.UpdateItemInput, all map[string]string) map[string]string {
	used := map[string]string{}
	for placeholder, name := range all {
		if strings.Contains(*update.UpdateExpression+*update.ConditionExpression, placeholder) {
			used[placeholder] = name
		}
	}
	return used
}

// addMaps gives the row of a connection the maps that Connect makes now.
func (s *Store) addMaps(ctx context.Context, key watch.Key) error {
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(key),
		UpdateExpression:          aws.String("SET #watches = if_not_exists(#watches, :none), #left = if_not_exists(#left, :none)"),
		ConditionExpression:       aws.String("attribute_exists(connectionId)"), // or the update would make a row
		ExpressionAttributeNames:  map[string]string{"#watches": watchesMap, "#left": leftMap},
		ExpressionAttributeValues: map[string]types.AttributeValue{":none": &types.AttributeValueMemberM{}},
	})
	return err
}

// unbounded is more than any connection has.
const unbounded = math.MaxInt32

// refusal says why a connection may not subscribe, by its row.
func refusal(row map[string]types.AttributeValue, sub watch.Subscription, quota watch.Quota) error {
	if row == nil {
		return watch.ErrNotConnected
	}
	watches := mapIn(row, watchesMap)
	if orderIn(watches, string(sub.Topic)) > sub.Order || orderIn(mapIn(row, leftMap), slot(sub.Topic)) >= sub.Order {
		return watch.ErrOvertaken
	}
	if used, err := integer(row, "subscribes"); err == nil && used >= int64(quota.Subscribes) {
		return watch.ErrTooManyRequests
	}
	return watch.ErrTooManySubscriptions
}

// Renew puts the subscription if the one in its place has the same order, and is not by a later
// auth: one write unit for every KB. The connection's row has the topic already.
func (s *Store) Renew(ctx context.Context, sub watch.Subscription) (there bool, err error) {
	put := &dynamodb.PutItemInput{TableName: &s.tables.Subscriptions, Item: subscriptionRow(sub)}
	put.ConditionExpression, put.ExpressionAttributeNames, put.ExpressionAttributeValues = unchanged(sub)
	*put.ConditionExpression += " AND (attribute_not_exists(#auth) OR #auth <= :auth)"
	put.ExpressionAttributeNames["#auth"] = "auth"
	if put.ExpressionAttributeValues == nil {
		put.ExpressionAttributeValues = map[string]types.AttributeValue{}
	}
	put.ExpressionAttributeValues[":auth"] = order(sub.Auth)
	_, err = s.db.PutItem(ctx, put)
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("renew subscription of %s to %s: %w", sub.ID, sub.Topic, translate(err))
	}
	return true, nil
}

// unchanged is the condition that a subscription is there with the same order.
func unchanged(sub watch.Subscription) (condition *string, names map[string]string, values map[string]types.AttributeValue) {
	names = map[string]string{"#order": "order"}
	if sub.Order == watch.Unordered {
		return aws.String("attribute_exists(topic) AND attribute_not_exists(#order)"), names, nil
	}
	return aws.String("#order = :order"), names, map[string]types.AttributeValue{":order": order(sub.Order)}
}

// Unsubscribe takes the topic out of the connection's row, remembers there that it was left,
// and deletes the subscription, unless a later one is there: two write units, and more for a
// row of more than 1 KB. A connection that is gone is left as it is. The row comes first, so
// that a subscribe which is under way either sees it or is seen.
func (s *Store) Unsubscribe(ctx context.Context, key watch.Key, topic events.Topic, at watch.Order) error {
	shard, err := s.leave(ctx, key, topic, at)
	if err != nil {
		return fmt.Errorf("unsubscribe %s from %s: %w", key.ID, topic, translate(err))
	}
	return s.deleteSubscription(ctx, watch.Subscription{Key: key, Topic: topic, Shard: shard}, &dynamodb.DeleteItemInput{
		ConditionExpression:       aws.String("attribute_not_exists(#order) OR #order < :order"),
		ExpressionAttributeNames:  map[string]string{"#order": "order"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":order": order(at)},
	})
}

// leave changes the row for Unsubscribe, and gives the shard that it had for the topic. A row
// that already says what it would say, by a later unsubscribe, is not changed.
func (s *Store) leave(ctx context.Context, key watch.Key, topic events.Topic, at watch.Order) (shard int, err error) {
	remove := "REMOVE #watches.#topic, #shard DELETE #before :topics"
	values := map[string]types.AttributeValue{":order": order(at), ":topics": topicSet(topic)}
	for _, form := range []struct{ update, condition string }{
		{"SET #left.#slot = :order " + remove, unsubscribeCounts + " AND " + slotHasRoom},
		{remove, unsubscribeCounts}, // as the slot says enough
	} {
		out, err := s.changeTopics(ctx, key, topic, &dynamodb.UpdateItemInput{
			UpdateExpression: &form.update, ConditionExpression: &form.condition, ExpressionAttributeValues: values,
			ReturnValues: types.ReturnValueAllOld,
		})
		failed := (*types.ConditionalCheckFailedException)(nil)
		switch {
		case err == nil:
			return shardIn(out.Attributes, topic), nil
		case !errors.As(err, &failed):
			return 0, err
		case failed.Item == nil:
			return 0, nil
		}
		row := failed.Item
		watched, listed := ordersOf(row)[topic]
		switch {
		case listed && watched >= at:
			return 0, watch.ErrOvertaken
		case !listed:
			return shardIn(row, topic), nil
		}
	}
	return 0, watch.ErrConflict
}

// Withdraw deletes subscriptions, and takes their topics out of the connection's row, each
// only if it has the same order: one write unit for each, and one for every KB of the row.
func (s *Store) Withdraw(ctx context.Context, key watch.Key, subs ...watch.Subscription) error {
	for _, sub := range subs {
		deletion := &dynamodb.DeleteItemInput{}
		deletion.ConditionExpression, deletion.ExpressionAttributeNames, deletion.ExpressionAttributeValues = unchanged(sub)
		if err := s.deleteSubscription(ctx, sub, deletion); err != nil {
			return err
		}
	}
	for range withdrawAttempts {
		if len(subs) == 0 {
			return nil
		}
		row, err := s.removeTopics(ctx, key, subs)
		failed := (*types.ConditionalCheckFailedException)(nil)
		if err == nil || errors.As(err, &failed) && row == nil {
			return nil
		}
		if failed == nil {
			return fmt.Errorf("withdraw %d subscriptions of %s: %w", len(subs), key.ID, translate(err))
		}
		orders := ordersOf(row)
		subs = slices.DeleteFunc(slices.Clone(subs), func(sub watch.Subscription) bool {
			now, listed := orders[sub.Topic]
			return !listed || now != sub.Order
		})
	}
	return fmt.Errorf("withdraw %d subscriptions of %s: %w", len(subs), key.ID, watch.ErrUnavailable)
}

// withdrawAttempts bounds how often other requests may change the topics of a connection
// while some of them are withdrawn.
const withdrawAttempts = 5

// removeTopics takes topics out of a connection's row, all of them or none, and gives the row
// if it has another order for one of them.
func (s *Store) removeTopics(ctx context.Context, key watch.Key, subs []watch.Subscription) (row map[string]types.AttributeValue, err error) {
	names := map[string]string{}
	values := map[string]types.AttributeValue{}
	var removed, before []string
	conditions := []string{"attribute_exists(connectionId)"} // or the update would make a row
	for i, sub := range subs {
		if sub.Order == watch.Unordered {
			before = append(before, string(sub.Topic))
			continue
		}
		topic, shard, at := fmt.Sprint("#t", i), fmt.Sprint("#s", i), fmt.Sprint(":o", i)
		names["#watches"], names[topic], values[at] = watchesMap, string(sub.Topic), order(sub.Order)
		names[shard] = shardAttribute(sub.Topic)
		removed = append(removed, "#watches."+topic, shard)
		conditions = append(conditions, "#watches."+topic+" = "+at)
	}
	var update []string
	if len(removed) > 0 {
		update = append(update, "REMOVE "+strings.Join(removed, ", "))
	}
	if len(before) > 0 {
		names["#before"], values[":before"] = topicsBefore, &types.AttributeValueMemberSS{Value: before}
		update = append(update, "DELETE #before :before")
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(key),
		UpdateExpression: aws.String(strings.Join(update, " ")), ConditionExpression: aws.String(strings.Join(conditions, " AND ")),
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return failed.Item, err
	}
	return nil, err
}

// deleteSubscription deletes a row of Subscriptions under a condition. That it does not hold
// is no error: another subscription is there, or none.
func (s *Store) deleteSubscription(ctx context.Context, sub watch.Subscription, deletion *dynamodb.DeleteItemInput) error {
	deletion.TableName, deletion.Key = &s.tables.Subscriptions, subscriptionKey(sub)
	_, err := s.db.DeleteItem(ctx, deletion)
	if failed := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &failed) {
		return fmt.Errorf("delete subscription of %s to %s: %w", sub.ID, sub.Topic, translate(err))
	}
	return nil
}

// Subscriptions reads those of the topics that a connection is subscribed to: one
// read unit for each topic.
func (s *Store) Subscriptions(ctx context.Context, key watch.Key, topics []events.Topic, shards map[events.Topic]int) ([]watch.Subscription, error) {
	var subs []watch.Subscription
	for some := range slices.Chunk(topics, maxGets) {
		var keys []map[string]types.AttributeValue
		for _, topic := range some {
			keys = append(keys, subscriptionKey(watch.Subscription{Key: key, Topic: topic, Shard: shards[topic]}))
		}
		rows, err := s.batchGet(ctx, s.tables.Subscriptions, consistent(keys))
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

func consistent(keys []map[string]types.AttributeValue) types.KeysAndAttributes {
	return types.KeysAndAttributes{Keys: keys, ConsistentRead: aws.Bool(true)}
}

// batchGet reads rows by their keys, up to maxGets, in no order.
func (s *Store) batchGet(ctx context.Context, table string, get types.KeysAndAttributes) (rows []map[string]types.AttributeValue, err error) {
	request := map[string]types.KeysAndAttributes{table: get}
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

// maxBatch is what one BatchWriteItem takes.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
const maxBatch = 25

func (s *Store) deleteSubscriptions(ctx context.Context, subs []watch.Subscription) error {
	for some := range slices.Chunk(subs, maxBatch) {
		var deletes []types.WriteRequest
		for _, sub := range some {
			deletes = append(deletes, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: subscriptionKey(sub)}})
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

// subscriptionKey has the subscriptions to a pattern lie at the topic above, before all
// others: no connection's id begins with *.
func subscriptionKey(sub watch.Subscription) map[string]types.AttributeValue {
	base, wildcard := sub.Topic.Split()
	return map[string]types.AttributeValue{"topic": str(partition(base, sub.Shard)), "connectionId": str(wildcard + string(sub.ID))}
}

// located reads what subscriptionKey wrote.
func located(row map[string]types.AttributeValue) (sub watch.Subscription, err error) {
	topic, shard, _ := strings.Cut(text(row, "topic"), "#")
	rest := text(row, "connectionId")
	id := strings.TrimLeft(rest, events.AnySegment)
	if wildcard := strings.TrimSuffix(rest, id); wildcard != "" {
		topic += "/" + wildcard
	}
	sub.Topic, sub.ID = events.Topic(topic), watch.ConnectionID(id)
	sub.Shard, err = strconv.Atoi(shard)
	return sub, err
}

func topicSet(topics ...events.Topic) *types.AttributeValueMemberSS {
	set := &types.AttributeValueMemberSS{}
	for _, topic := range topics {
		set.Value = append(set.Value, string(topic))
	}
	return set
}
