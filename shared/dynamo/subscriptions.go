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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// Subscribe adds the topic to the connection's row, and then puts the subscription. The row must
// have room for one more topic, and no later request about the topic. Subscribe costs two write
// units and one read unit, and a write unit more if sub.Again is wrong, or if it replaces one with
// presence by one without. A few subscribers count their shard as well. Forget finds every
// subscription, because the row comes first.
//
// A subscription goes into the shard that the connection's row has for the topic. For a topic that
// is not watched yet, this is one of the newest shards.
//
// An unsubscribe between the two writes finds no subscription to delete. Then the row does not have
// the topic any more. The caller reads the row, and withdraws the subscription. If the caller has
// read the row before the unsubscribe changed it, the unsubscribe finds the subscription.
func (s *Store) Subscribe(ctx context.Context, sub watch.Subscription) (watch.Kept, error) {
	base, _ := sub.Topic.Split()
	head, err := s.headcount(ctx, base, true)
	if err != nil {
		return watch.Kept{}, fmt.Errorf("subscribe %s to %s: %w", sub.ID, sub.Topic, err)
	}
	shards := shardsOf(head)
	kept, err := s.addTopic(ctx, sub, home(sub.ID, shards))
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
		err = watch.ErrOvertaken // by one that has changed the row, too, and does not know what this one replaces
		if kept.Replaces != watch.Unordered && kept.Replaces != sub.Order {
			err = errors.Join(err, s.leavePresence(ctx, presence{sub.Key, sub.Topic, kept.Replaces}))
		}
	}
	if err != nil {
		return watch.Kept{}, fmt.Errorf("put subscription of %s to %s: %w", sub.ID, sub.Topic, translate(err))
	}
	_ = s.look(ctx, base, sub.Shard, shards) // the next one that looks tries again
	kept.Census = censusIn(head)
	if sub.Presence == "" && kept.Replaces != watch.Unordered {
		err = s.leavePresence(ctx, presence{sub.Key, sub.Topic, kept.Replaces})
	}
	return kept, err
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
	if sub.Latest {
		row["latest"] = &types.AttributeValueMemberBOOL{Value: true}
	}
	if sub.Presence != "" {
		row["presence"], row["lease"] = str(sub.Presence), unix(sub.Lease)
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
	sub.Options = watch.Options{Fields: listed(row, "fields"), Delta: flag(row, "delta"), Latest: flag(row, "latest")}
	if filter := text(row, "filter"); filter != "" {
		sub.Filter = []byte(filter)
	}
	if row["auth"] != nil {
		sub.Auth = orderIn(row, "auth")
	}
	if sub.Presence = text(row, "presence"); sub.Presence != "" {
		sub.Lease = instant(row, "lease")
	}
	return sub, nil
}

// addTopic counts the subscribe, and puts the topic with its order into the row. shard is for a
// topic that the connection does not watch yet. Earlier requests may make the connection watch the
// topic, or stop, between two attempts. The last attempt fits both, so a subscribe is never
// refused because others run beside it.
func (s *Store) addTopic(ctx context.Context, sub watch.Subscription, shard int) (watch.Kept, error) {
	quota := watch.Quota{Topics: cmp.Or(sub.Quota.Topics, unbounded), Subscribes: cmp.Or(sub.Quota.Subscribes, unbounded)}
	forms := []additionForm{whileWatched, whileNot, anyway}
	if !sub.Again {
		forms = []additionForm{whileNot, whileWatched, anyway}
	}
	var refused error
	for _, form := range forms {
		out, err := s.changeTopics(ctx, sub.Key, sub.Topic, addition(sub, quota, form, shard))
		failed := (*types.ConditionalCheckFailedException)(nil)
		switch {
		case err == nil && form == whileNot:
			return watch.Kept{Shard: shard, Replaces: watch.Unordered}, nil
		case err == nil:
			before := out.Attributes
			_, already := ordersOf(before)[sub.Topic]
			return watch.Kept{Already: already, Shard: shardIn(before, sub.Topic), Replaces: presentBy(before, sub.Topic)}, nil
		case !errors.As(err, &failed):
			return watch.Kept{}, translate(err)
		}
		refused = refusal(failed.Item, sub, quota)
		_, watched := ordersOf(failed.Item)[sub.Topic]
		if failed.Item == nil || errors.Is(refused, watch.ErrOvertaken) || watched == (form == whileWatched) {
			break
		}
	}
	return watch.Kept{}, refused
}

// additionForm says for which rows an addition to the topics of a connection is meant.
type additionForm int

const (
	whileWatched additionForm = iota // the row has the topic, whose shard stays
	whileNot                         // the row does not have the topic, which gets a shard
	anyway                           // either: the shard stays, and is 0 if the row does not have the topic
)

// addition changes a connection's row for a subscribe.
func addition(sub watch.Subscription, quota watch.Quota, form additionForm, shard int) *dynamodb.UpdateItemInput {
	const watched, room = "(attribute_exists(#watches.#topic) OR contains(#before, :topic))", "size(#watches) < :max"
	values := map[string]types.AttributeValue{":order": order(sub.Order), ":one": num(1), ":quota": num(int64(quota.Subscribes)), ":topic": str(string(sub.Topic))}
	if form != whileWatched {
		values[":max"] = num(int64(quota.Topics))
	}
	set, condition := "SET #watches.#topic = :order", watched
	switch {
	case form == anyway:
		condition = "(" + watched + " OR " + room + ")"
	case form == whileNot && shard == 0:
		set, condition = set+" REMOVE #shard", "NOT "+watched+" AND "+room
	case form == whileNot:
		set, condition = set+", #shard = :shard", "NOT "+watched+" AND "+room
		values[":shard"] = num(int64(shard))
	}
	values[":present"] = &types.AttributeValueMemberSS{Value: []string{topicHash(sub.Topic)}}
	add := " ADD subscribes :one DELETE #present :present"
	if sub.Presence != "" {
		add = " ADD subscribes :one, #present :present"
	}
	return &dynamodb.UpdateItemInput{
		UpdateExpression: aws.String(set + add),
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
	update.ExpressionAttributeNames = namesIn(*update.UpdateExpression+*update.ConditionExpression, map[string]string{
		"#watches": watchesMap, "#left": leftMap, "#topic": string(topic), "#slot": slot(topic), "#before": topicsBefore, "#shard": shardAttribute(topic), "#present": presentSet,
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

// namesIn gives those of the names that expressions use: DynamoDB refuses others.
func namesIn(expressions string, all map[string]string) map[string]string {
	used := map[string]string{}
	for placeholder, name := range all {
		if strings.Contains(expressions, placeholder) {
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
