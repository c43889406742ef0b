package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// Unsubscribe takes the topic out of the connection's row, records there that it was left, and
// deletes the subscription, unless a later one is there. It costs two write units, and more for a
// row of more than 1 KB, and for a presence. It does nothing if the connection is gone. It changes the row first, so
// that a subscribe under way either sees the change or is seen.
func (s *Store) Unsubscribe(ctx context.Context, key watch.Key, topic events.Topic, at watch.Order) error {
	shard, present, err := s.leave(ctx, key, topic, at)
	if err != nil {
		return fmt.Errorf("unsubscribe %s from %s: %w", key.ID, topic, translate(err))
	}
	err = s.deleteSubscription(ctx, watch.Subscription{Key: key, Topic: topic, Shard: shard}, &dynamodb.DeleteItemInput{
		ConditionExpression:       aws.String("attribute_not_exists(#order) OR #order < :order"),
		ExpressionAttributeNames:  map[string]string{"#order": "order"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":order": order(at)},
	})
	if present != watch.Unordered {
		err = errors.Join(err, s.leavePresence(ctx, presence{key, topic, present}))
	}
	return err
}

// leave changes the row for Unsubscribe, and gives the shard that the row had for the topic, and the
// order of the presence; watch.Unordered if there was none. It changes nothing if a later unsubscribe
// has already had the same effect.
func (s *Store) leave(ctx context.Context, key watch.Key, topic events.Topic, at watch.Order) (shard int, present watch.Order, err error) {
	remove := "REMOVE #watches.#topic, #shard DELETE #before :topics, #present :present"
	values := map[string]types.AttributeValue{":order": order(at), ":topics": topicSet(topic), ":present": &types.AttributeValueMemberSS{Value: []string{topicHash(topic)}}}
	none := watch.Unordered
	for _, form := range []struct{ update, condition string }{
		{"SET #left.#slot = :order " + remove, unsubscribeCounts + " AND " + slotHasRoom},
		{remove, unsubscribeCounts}, // the slot alone says enough
	} {
		out, err := s.changeTopics(ctx, key, topic, &dynamodb.UpdateItemInput{
			UpdateExpression: &form.update, ConditionExpression: &form.condition, ExpressionAttributeValues: values,
			ReturnValues: types.ReturnValueAllOld,
		})
		failed := (*types.ConditionalCheckFailedException)(nil)
		switch {
		case err == nil:
			return shardIn(out.Attributes, topic), presentBy(out.Attributes, topic), nil
		case !errors.As(err, &failed):
			return 0, none, err
		case failed.Item == nil:
			return 0, none, nil
		}
		row := failed.Item
		watched, listed := ordersOf(row)[topic]
		switch {
		case listed && watched >= at:
			return 0, none, watch.ErrOvertaken
		case !listed:
			return shardIn(row, topic), none, nil
		}
	}
	return 0, none, watch.ErrConflict
}

// Withdraw deletes subscriptions, and takes their topics out of the connection's row, but only
// those with the same order. It costs one write unit for each, one for each presence, and one for every
// KB of the row.
func (s *Store) Withdraw(ctx context.Context, key watch.Key, subs ...watch.Subscription) error {
	for _, sub := range subs {
		deletion := &dynamodb.DeleteItemInput{}
		deletion.ConditionExpression, deletion.ExpressionAttributeNames, deletion.ExpressionAttributeValues = unchanged(sub)
		err := s.deleteSubscription(ctx, sub, deletion)
		if err == nil && sub.Presence != "" {
			err = s.leavePresence(ctx, presence{sub.Key, sub.Topic, sub.Order})
		}
		if err != nil {
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

// removeTopics takes topics out of a connection's row, all of them or none. If the row has another
// order for one of them, it gives the row.
func (s *Store) removeTopics(ctx context.Context, key watch.Key, subs []watch.Subscription) (row map[string]types.AttributeValue, err error) {
	names := map[string]string{}
	values := map[string]types.AttributeValue{}
	var removed, before, present []string
	conditions := []string{"attribute_exists(connectionId)"} // otherwise the update would make a row
	for i, sub := range subs {
		if sub.Presence != "" {
			present = append(present, topicHash(sub.Topic))
		}
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
	if len(present) > 0 { // of which none is before
		names["#present"], values[":present"] = presentSet, &types.AttributeValueMemberSS{Value: present}
		update = append(update, "DELETE #present :present")
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

// deleteSubscription deletes a row of Subscriptions under a condition. A condition that does not
// hold is no error: another subscription is there, or none.
func (s *Store) deleteSubscription(ctx context.Context, sub watch.Subscription, deletion *dynamodb.DeleteItemInput) error {
	deletion.TableName, deletion.Key = &s.tables.Subscriptions, subscriptionKey(sub)
	_, err := s.db.DeleteItem(ctx, deletion)
	if failed := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &failed) {
		return fmt.Errorf("delete subscription of %s to %s: %w", sub.ID, sub.Topic, translate(err))
	}
	return nil
}

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
