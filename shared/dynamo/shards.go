package dynamo

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
	"golang.org/x/sync/errgroup"
)

// The subscriptions to a topic, and to the patterns of the topics below it, lie in as many
// shards as the row headcount in shard 0 says: a power of two, which only grows. A new
// subscription goes into the shard of its connection's slot, see [watch.ConnectionID.Slot]. One
// that is there stays where it is, and the connection's row has its shard. So when the number
// has doubled from n, shard s+n begins to take half of what went to shard s before.
//
// A subscriber reads the number, writes its row, and is then told where the topic stands. Who
// pushes a change has numbered it before reading the number. So the number that is read has all
// shards of those who were told a lower number than the change's, and a change needs no
// condition on it.
const (
	// headcount is the sort key of the row with the number of shards. It is before those of all
	// subscriptions, so that who reads them has it in the first page.
	headcount = events.AnySegment
	// DefaultShardSize is how many subscriptions a shard may have before their number doubles:
	// about 35 read units.
	DefaultShardSize = 1_000
	// maxShards is when the number doubles no more: with that many a topic has millions of
	// subscriptions.
	maxShards = 1_024
	// shardsAtOnce bounds the shards of a topic that are read at a time.
	shardsAtOnce = 16
)

// partition is the key under which a shard's subscriptions lie.
func partition(topic events.Topic, shard int) string {
	return string(topic) + "#" + strconv.Itoa(shard)
}

// shardAttribute is where a connection's row has the shard of what it watches. It has none for
// shard 0, which is where all subscriptions were before there were others. A hash of the topic
// keeps the row small.
func shardAttribute(topic events.Topic) string {
	sum := sha256.Sum256([]byte(topic))
	return "#" + base64.RawURLEncoding.EncodeToString(sum[:9])
}

// shardIn gives the shard of what a connection watches, by its row.
func shardIn(row map[string]types.AttributeValue, topic events.Topic) int {
	shard, _ := integer(row, shardAttribute(topic)) // 0 if there is none
	return int(shard)
}

// shardsIn gives the shards of all that a connection watches, unless they are 0.
func shardsIn(row map[string]types.AttributeValue) map[events.Topic]int {
	shards := map[events.Topic]int{}
	for topic := range ordersOf(row) {
		if shard := shardIn(row, topic); shard != 0 {
			shards[topic] = shard
		}
	}
	return shards
}

// shards reads how many shards the subscriptions at a topic have: one read unit.
func (s *Store) shards(ctx context.Context, topic events.Topic) (int, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.tables.Subscriptions, Key: headcountKey(topic), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return 0, fmt.Errorf("get number of shards of %s: %w", topic, translate(err))
	}
	return shardsOf(out.Item), nil
}

func headcountKey(topic events.Topic) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"topic": str(partition(topic, 0)), "connectionId": str(headcount)}
}

// shardsOf reads the number of shards in its row; 1 if there is none.
func shardsOf(row map[string]types.AttributeValue) int {
	n, _ := integer(row, "shards")
	return max(1, int(n))
}

// Subscribers reads the subscriptions of a part of all connections to a topic and to the patterns
// of the topics below it, or the latter alone: for each shard that they may lie in one read unit
// for every 4 KB, and at least one. If a shard is too full, it doubles their number, which costs
// a write unit. If that fails, whoever reads the shard next tries again.
func (s *Store) Subscribers(ctx context.Context, topic events.Topic, belowAlone bool, part watch.Part) ([]watch.Subscription, error) {
	rows, shards, err := s.shard(ctx, topic, 0, belowAlone)
	if err != nil {
		return nil, fmt.Errorf("read subscribers of %s: %w", topic, err)
	}
	found := make([][]map[string]types.AttributeValue, shards)
	found[0] = rows
	var tasks errgroup.Group
	tasks.SetLimit(shardsAtOnce)
	for shard := 1; shard < shards; shard++ {
		if !mayHave(shard, part) {
			continue
		}
		tasks.Go(func() (err error) {
			found[shard], _, err = s.shard(ctx, topic, shard, belowAlone)
			return err
		})
	}
	if err := tasks.Wait(); err != nil {
		return nil, fmt.Errorf("read subscribers of %s: %w", topic, err)
	}
	var subs []watch.Subscription
	for shard, rows := range found {
		if len(rows) > s.ShardSize && newest(shard, shards) {
			_ = s.doubleShards(ctx, topic, shards) // which is not what was asked for
		}
		for _, row := range rows {
			sub, err := subscription(row)
			if err != nil {
				return nil, fmt.Errorf("read subscriber %s of %s: %w", text(row, "connectionId"), topic, err)
			}
			if part.Has(sub.ID) {
				subs = append(subs, sub)
			}
		}
	}
	return subs, nil
}

// shard reads the rows of one shard, page by page, and from shard 0 how many there are.
func (s *Store) shard(ctx context.Context, topic events.Topic, shard int, belowAlone bool) (rows []map[string]types.AttributeValue, shards int, err error) {
	query := &dynamodb.QueryInput{
		TableName:                 &s.tables.Subscriptions,
		KeyConditionExpression:    aws.String("topic = :topic"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":topic": str(partition(topic, shard))},
		ConsistentRead:            aws.Bool(true),
	}
	if belowAlone {
		query.KeyConditionExpression = aws.String("topic = :topic AND begins_with(connectionId, :any)")
		query.ExpressionAttributeValues[":any"] = str(events.AnySegment)
	}
	shards = 1
	pages := dynamodb.NewQueryPaginator(s.db, query)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, 0, translate(err)
		}
		for _, row := range page.Items {
			if text(row, "connectionId") == headcount {
				shards = shardsOf(row)
				continue
			}
			rows = append(rows, row)
		}
	}
	return rows, shards, nil
}

// born is how many shards there were at least when a shard got its first subscription.
func born(shard int) int { return 1 << bits.Len(uint(shard)) }

// mayHave reports whether connections of a part may have subscriptions in a shard: the slots of
// those in the shard are equal to its number modulo the number of shards there were when they
// subscribed, and thus modulo the smallest one that there may have been.
func mayHave(shard int, part watch.Part) bool {
	return (shard-part.Index)&(min(born(shard), part.Of)-1) == 0
}

// newest reports whether a shard is one of those that came last, which alone tell that there are
// too few. The others keep what they had before, up to two hours, as long as a connection lasts.
func newest(shard, shards int) bool { return born(shard) == shards }

// doubleShards doubles the number of shards, unless somebody else has done so.
func (s *Store) doubleShards(ctx context.Context, topic events.Topic, from int) error {
	if from >= maxShards {
		return nil
	}
	update := &dynamodb.UpdateItemInput{
		TableName: &s.tables.Subscriptions, Key: headcountKey(topic),
		UpdateExpression:          aws.String("SET shards = :double"),
		ConditionExpression:       aws.String("shards = :from"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":double": num(int64(2 * from)), ":from": num(int64(from))},
	}
	if from == 1 {
		update.ConditionExpression = aws.String("attribute_not_exists(shards)")
		delete(update.ExpressionAttributeValues, ":from")
	}
	_, err := s.db.UpdateItem(ctx, update)
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return nil
	}
	return err
}
