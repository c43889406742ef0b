package dynamo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
	"golang.org/x/sync/errgroup"
)

// A member's item in Events has the data of events.Member, and its expiresAt is the same instant as
// until. The attribute watchroute, which is no data, is a map of the subscriptions by which the member is
// present: the connection and the order of each, and when the connection ends at the latest. An update
// of one subscription in it changes no other. So an unsubscribe that is late takes nothing away from the
// subscribe after it.
//
// The connection's row has the hashes of the topics in which it is present, in presentSet. Whatever ends
// a subscription changes that row, and learns there without a read that a presence ends with it.
//
// The row headcount of a topic says whether its members are counted: counted is when they are counted
// again, and census when that began, in milliseconds since 1970.

// presentSet is the attribute of a connection's row with the hashes of topics.
const presentSet = "present"

// presence is a member's presence in a topic by one subscription.
type presence struct {
	watch.Key
	topic events.Topic
	order watch.Order // of the subscription
}

// presentBy gives the order of the subscription by which a connection is present in a topic, by its
// row; watch.Unordered if it is not.
func presentBy(row map[string]types.AttributeValue, topic events.Topic) watch.Order {
	set, _ := row[presentSet].(*types.AttributeValueMemberSS)
	if set == nil || !slices.Contains(set.Value, topicHash(topic)) {
		return watch.Unordered
	}
	return orderIn(mapIn(row, watchesMap), string(topic))
}

// memberKey is the key of the item that stands for the member.
func (p presence) memberKey() (map[string]types.AttributeValue, error) {
	id, err := events.SubjectSegment(p.Subject)
	return itemKey(p.topic.Presence(), id), err
}

// name is that of the subscription in the item.
func (p presence) name() string { return subscriptionName(p.ID, p.order) }

func subscriptionName(id watch.ConnectionID, at watch.Order) string {
	return string(id) + " " + strconv.FormatInt(int64(at), 36)
}

// memberNames are the names that expressions about a member's item use.
var memberNames = map[string]string{"#by": events.PublicationAttribute, "#id": "id", "#name": "name", "#since": "since", "#until": "until"}

// How often others may change the item of a member meanwhile.
const (
	joinAttempts  = 5
	renewAttempts = 3
	leaveAttempts = 2
)

// Join costs one write unit, and another if there is an item already. Members with many connections have
// items of more than 1 KB.
func (s *Store) Join(ctx context.Context, sub watch.Subscription, how watch.Joining) error {
	p := presence{sub.Key, sub.Topic, sub.Order}
	key, err := p.memberKey()
	if err != nil {
		return fmt.Errorf("join %s: %w", sub.Topic, err)
	}
	var there map[string]types.AttributeValue // as far as is known
	attempts := joinAttempts
	if !how.Renewal.IsZero() {
		attempts = renewAttempts
		there = map[string]types.AttributeValue{events.PublicationAttribute: &types.AttributeValueMemberM{}}
	}
	for range attempts {
		now := s.now()
		update := arrival(p, sub, how, now)
		if there != nil {
			update = extension(p, sub, how, there, now)
		}
		update.TableName, update.Key = &s.tables.Events, key
		update.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
		_, err := s.db.UpdateItem(ctx, update)
		failed := (*types.ConditionalCheckFailedException)(nil)
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &failed):
			return fmt.Errorf("join %s: %w", sub.Topic, translate(err))
		}
		if there = failed.Item; there != nil && expired(there, now) {
			there = nil
		}
		if until := presentUntil(there, p.name(), now); !how.Renewal.IsZero() && until.After(how.Renewal) {
			return nil
		}
	}
	return fmt.Errorf("join %s, where others of the subject come and go: %w", sub.Topic, watch.ErrUnavailable)
}

// arrival makes the item, unless the member is there.
func arrival(p presence, sub watch.Subscription, how watch.Joining, now time.Time) *dynamodb.UpdateItemInput {
	update := &dynamodb.UpdateItemInput{
		UpdateExpression:    aws.String("SET #name = :name, #since = :since, #until = :until, expiresAt = :expires, #by = :by"),
		ConditionExpression: aws.String("attribute_not_exists(#id) OR expiresAt <= :now"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":name": str(sub.Presence), ":since": instantText(now), ":until": instantText(sub.Lease), ":expires": unix(sub.Lease), ":now": unix(now),
			":by": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{p.name(): unix(how.Ends)}},
		},
	}
	update.ExpressionAttributeNames = namesIn(*update.UpdateExpression+*update.ConditionExpression, memberNames)
	return update
}

// extension adds a subscription to the item, or has the item last longer. It takes out what the
// subscription replaces, and those whose connections have ended without anybody knowing.
func extension(p presence, sub watch.Subscription, how watch.Joining, there map[string]types.AttributeValue, now time.Time) *dynamodb.UpdateItemInput {
	set, condition := "SET #until = :until, expiresAt = :expires, #by.#p = :ends", "attribute_exists(#by) AND expiresAt > :now"
	values := map[string]types.AttributeValue{
		":until": instantText(sub.Lease), ":expires": unix(sub.Lease), ":now": unix(now), ":ends": unix(how.Ends),
	}
	if how.Renewal.IsZero() {
		set += ", #name = :name"
		values[":name"] = str(sub.Presence)
	} else {
		condition += " AND (attribute_not_exists(#by.#p) OR expiresAt <= :due)"
		values[":due"] = unix(how.Renewal)
	}
	names := maps.Clone(memberNames)
	names["#p"] = p.name()
	var removed []string
	for name := range mapIn(there, events.PublicationAttribute) {
		replaced := how.Replaces != watch.Unordered && name == subscriptionName(p.ID, how.Replaces)
		ends := instant(mapIn(there, events.PublicationAttribute), name)
		if name != p.name() && (replaced || !ends.After(now)) {
			placeholder := fmt.Sprint("#gone", len(removed))
			names[placeholder] = name
			removed = append(removed, "#by."+placeholder)
		}
	}
	if len(removed) > 0 {
		set += " REMOVE " + strings.Join(removed, ", ")
	}
	return &dynamodb.UpdateItemInput{
		UpdateExpression: &set, ConditionExpression: &condition, ExpressionAttributeValues: values,
		ExpressionAttributeNames: namesIn(set+condition, names),
	}
}

// instantText writes an instant as data has it.
func instantText(t time.Time) *types.AttributeValueMemberS {
	text, _ := events.Time(t).MarshalText() // which cannot fail
	return str(string(text))
}

// presentUntil gives until when a member's item stands for a subscription; zero if it does not.
func presentUntil(item map[string]types.AttributeValue, name string, now time.Time) time.Time {
	if mapIn(item, events.PublicationAttribute)[name] == nil || expired(item, now) {
		return time.Time{}
	}
	return instant(item, "expiresAt")
}

// PresentUntil costs half a read unit.
func (s *Store) PresentUntil(ctx context.Context, sub watch.Subscription) (time.Time, error) {
	p := presence{sub.Key, sub.Topic, sub.Order}
	key, err := p.memberKey()
	if err != nil {
		return time.Time{}, fmt.Errorf("read presence in %s: %w", sub.Topic, err)
	}
	now := s.now()
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.tables.Events, Key: key})
	if err != nil {
		return time.Time{}, fmt.Errorf("read presence in %s: %w", sub.Topic, translate(err))
	}
	return presentUntil(out.Item, p.name(), now), nil
}

// leavePresences ends several presences. One that cannot be ended does not keep the others, and ends
// with its lease.
func (s *Store) leavePresences(ctx context.Context, presences map[presence]bool) error {
	errs := make([]error, 0, len(presences))
	for p := range presences {
		errs = append(errs, s.leavePresence(ctx, p))
	}
	return errors.Join(errs...)
}

// leavePresence takes a subscription out of the item of its member, and deletes the item if there is no
// other subscription in it. It costs one write unit, and another if there is. Doing so twice is no error.
func (s *Store) leavePresence(ctx context.Context, p presence) error {
	key, err := p.memberKey()
	if err != nil {
		return fmt.Errorf("leave %s: %w", p.topic, err)
	}
	const there = "attribute_exists(#by.#p) AND "
	names := map[string]string{"#by": events.PublicationAttribute, "#p": p.name()}
	values := map[string]types.AttributeValue{":one": num(1)}
	for range leaveAttempts {
		_, err = s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &s.tables.Events, Key: key, ConditionExpression: aws.String(there + "size(#by) = :one"),
			ExpressionAttributeNames: names, ExpressionAttributeValues: values,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		failed := (*types.ConditionalCheckFailedException)(nil)
		if errors.As(err, &failed) && mapIn(failed.Item, events.PublicationAttribute)[p.name()] == nil {
			return nil
		}
		if failed != nil {
			_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
				TableName: &s.tables.Events, Key: key, UpdateExpression: aws.String("REMOVE #by.#p"), ConditionExpression: aws.String(there + "size(#by) > :one"),
				ExpressionAttributeNames: names, ExpressionAttributeValues: values,
			})
		}
		if !errors.As(err, &failed) || err == nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("leave %s: %w", p.topic, translate(err))
	}
	return nil
}

// Members costs half a read unit for every 4 KB of members' items, of which it reads four times as many
// as it is to count.
func (s *Store) Members(ctx context.Context, topic events.Topic, most int) (int, error) {
	out, err := s.db.Query(ctx, &dynamodb.QueryInput{
		TableName: &s.tables.Events, Select: types.SelectCount, Limit: aws.Int32(int32(4 * (most + 1))),
		KeyConditionExpression: aws.String("topic = :topic"), FilterExpression: aws.String("expiresAt > :now AND attribute_exists(#by)"),
		ExpressionAttributeNames:  map[string]string{"#by": events.PublicationAttribute},
		ExpressionAttributeValues: map[string]types.AttributeValue{":topic": str(string(topic.Presence())), ":now": unix(s.now())},
	})
	if err != nil {
		return 0, fmt.Errorf("count items of members of %s: %w", topic, translate(err))
	}
	return int(out.Count), nil
}

// Census costs half a read unit.
func (s *Store) Census(ctx context.Context, topic events.Topic) (watch.Census, error) {
	row, err := s.headcount(ctx, topic, false)
	return censusIn(row), err
}

// censusIn reads the census of a topic from its row.
func censusIn(row map[string]types.AttributeValue) watch.Census {
	if row["counted"] == nil {
		return watch.Census{}
	}
	return watch.Census{Since: instantMillis(row, "census"), Next: instantMillis(row, "counted")}
}

// BeginCensus costs one write unit.
func (s *Store) BeginCensus(ctx context.Context, topic events.Topic, from, to watch.Census) (bool, error) {
	update := &dynamodb.UpdateItemInput{
		TableName: &s.tables.Subscriptions, Key: headcountKey(topic),
		UpdateExpression: aws.String("REMOVE counted, census"), ConditionExpression: aws.String("counted = :from"),
		ExpressionAttributeValues: map[string]types.AttributeValue{},
	}
	if from.On() {
		update.ExpressionAttributeValues[":from"] = millis(from.Next)
	} else {
		update.ConditionExpression = aws.String("attribute_not_exists(counted)")
	}
	if to.On() {
		update.UpdateExpression = aws.String("SET counted = :next, census = :since")
		update.ExpressionAttributeValues[":next"], update.ExpressionAttributeValues[":since"] = millis(to.Next), millis(to.Since)
	}
	_, err := s.db.UpdateItem(ctx, update)
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("count members of %s: %w", topic, translate(err))
	}
	return true, nil
}

// Present costs half a read unit for every 4 KB of the topic's subscriptions.
func (s *Store) Present(ctx context.Context, topic events.Topic, after time.Time) (members, subscriptions int, err error) {
	row, err := s.headcount(ctx, topic, false)
	if err != nil {
		return 0, 0, err
	}
	shards := make([]shardCount, shardsOf(row))
	var tasks errgroup.Group
	tasks.SetLimit(shardsAtOnce)
	for shard := range shards {
		tasks.Go(func() (err error) {
			shards[shard], err = s.countShard(ctx, topic, shard, after)
			return err
		})
	}
	if err := tasks.Wait(); err != nil {
		return 0, 0, fmt.Errorf("count members of %s: %w", topic, err)
	}
	subjects := map[string]bool{}
	for _, shard := range shards {
		subscriptions += shard.all
		for _, subject := range shard.present {
			subjects[subject] = true
		}
	}
	return len(subjects), subscriptions, nil
}

// shardCount is what was counted in a shard: all subscriptions, and the subjects of those with presence.
type shardCount struct {
	all     int
	present []string
}

func (s *Store) countShard(ctx context.Context, topic events.Topic, shard int, after time.Time) (count shardCount, err error) {
	pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
		TableName: &s.tables.Subscriptions, KeyConditionExpression: aws.String("topic = :shard"),
		FilterExpression:         aws.String("attribute_exists(#presence) AND lease > :after AND expiresAt > :now"),
		ProjectionExpression:     aws.String("subject"),
		ExpressionAttributeNames: map[string]string{"#presence": "presence"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":shard": str(partition(topic, shard)), ":after": num(max(0, after.Unix())), ":now": unix(s.now()),
		},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return shardCount{}, translate(err)
		}
		count.all += int(page.ScannedCount)
		for _, row := range page.Items {
			count.present = append(count.present, text(row, "subject"))
		}
	}
	return count, nil
}

// countKey is the key of the item with the number of members.
func countKey(topic events.Topic) map[string]types.AttributeValue {
	return itemKey(topic.Presence(), events.MembersCount)
}

// PutCount costs one write unit.
func (s *Store) PutCount(ctx context.Context, topic events.Topic, members int, until, renewFrom time.Time) error {
	row := countKey(topic)
	row["count"], row["until"], row["expiresAt"] = num(int64(members)), instantText(until), unix(until)
	_, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.tables.Events, Item: row,
		ConditionExpression:       aws.String("attribute_not_exists(#id) OR #count <> :count OR expiresAt <= :renew"),
		ExpressionAttributeNames:  map[string]string{"#id": "id", "#count": "count"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":count": row["count"], ":renew": unix(renewFrom)},
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &failed) {
		return fmt.Errorf("put number of members of %s: %w", topic, translate(err))
	}
	return nil
}

// DropCount costs one write unit.
func (s *Store) DropCount(ctx context.Context, topic events.Topic) error {
	if _, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.tables.Events, Key: countKey(topic)}); err != nil {
		return fmt.Errorf("delete number of members of %s: %w", topic, translate(err))
	}
	return nil
}

// Attend costs one write unit for every KB of the subscription.
func (s *Store) Attend(ctx context.Context, sub watch.Subscription) error {
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.tables.Subscriptions, Key: subscriptionKey(sub),
		UpdateExpression: aws.String("SET lease = :lease"), ConditionExpression: aws.String("#order = :order"),
		ExpressionAttributeNames:  map[string]string{"#order": "order"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":lease": unix(sub.Lease), ":order": order(sub.Order)},
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &failed) {
		return fmt.Errorf("renew presence in %s: %w", sub.Topic, translate(err))
	}
	return nil
}
