package dynamo

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
	"golang.org/x/sync/errgroup"
)

// The subscriptions to a topic, and to the patterns of the topics below it, are spread over shards.
// The row headcount in shard 0 has their number: a power of two that only grows. A new subscription
// goes into one of the newest shards, which are the second half of all: into the one of its
// connection's slot, see [watch.ConnectionID.Slot]. Earlier shards are full, and get no more. An
// existing subscription stays where it is, and the connection's row names its shard.
//
//	1 shard    0
//	2 shards   0   1
//	4 shards   0   1   2 3
//	8 shards   0   1   2 3   4 5 6 7
//
// Whoever reads a shard, and finds it too full, adds shards. Nobody reads the shards of a topic that
// is not written. So a few of the subscribers look how full their shard is, see [Store.look].
//
// A subscriber reads the number, writes its row, and then reads the topic's cursor. A pusher
// numbers a change before it reads the number of shards. It therefore finds the shards of all
// subscribers whose cursor is below the change, and needs no condition on the number.
const (
	// headcount is the sort key of the row with the number of shards. It sorts before all
	// subscriptions, so the first page of a read has it.
	headcount = events.AnySegment
	// DefaultShardSize is how many subscriptions a shard may have before there are more shards.
	// Reading so many takes about 25 read units.
	DefaultShardSize = 1_000
	// maxShards bounds the number of shards. A topic with that many has millions of subscriptions.
	maxShards = 1_024
	// shardsAtOnce bounds the shards of a topic that are read at once.
	shardsAtOnce = 16
	// looksPerShard is about how many of the subscribers that fill a shard look how full it is.
	looksPerShard = 16
)

// partition is the partition key of a shard's subscriptions.
func partition(topic events.Topic, shard int) string {
	return string(topic) + "#" + strconv.Itoa(shard)
}

// shardAttribute names the attribute of a connection's row with the shard of a topic that it
// watches. There is none for shard 0, which held all subscriptions before there were shards. A hash
// of the topic keeps the row small.
func shardAttribute(topic events.Topic) string { return "#" + topicHash(topic) }

// topicHash stands for a topic in a connection's row.
func topicHash(topic events.Topic) string {
	sum := sha256.Sum256([]byte(topic))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// shardIn gives the shard of a topic that a connection watches, from the connection's row.
func shardIn(row map[string]types.AttributeValue, topic events.Topic) int {
	shard, _ := integer(row, shardAttribute(topic)) // 0 if there is none
	return int(shard)
}

// shardsIn gives the shards of all topics that a connection watches, except shard 0.
func shardsIn(row map[string]types.AttributeValue) map[events.Topic]int {
	shards := map[events.Topic]int{}
	for topic := range ordersOf(row) {
		if shard := shardIn(row, topic); shard != 0 {
			shards[topic] = shard
		}
	}
	return shards
}

// headcount reads the row with the number of shards of a topic, and with its census; nil if there is
// none. It costs one read unit, or half of one if it may be a second old.
func (s *Store) headcount(ctx context.Context, topic events.Topic, consistent bool) (map[string]types.AttributeValue, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.tables.Subscriptions, Key: headcountKey(topic), ConsistentRead: &consistent,
	})
	if err != nil {
		return nil, fmt.Errorf("get number of shards of %s: %w", topic, translate(err))
	}
	return out.Item, nil
}

func headcountKey(topic events.Topic) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"topic": str(partition(topic, 0)), "connectionId": str(headcount)}
}

// shardsOf gives the number of shards from its row; 1 if there is none.
func shardsOf(row map[string]types.AttributeValue) int {
	n, _ := integer(row, "shards")
	return max(1, int(n))
}

// Subscribers reads the subscriptions to a topic and to the patterns of the topics below it, or
// only the latter. It gives those of one part of all connections. It reads each shard that may have
// some, and a read unit covers 4 KB of one shard. If a shard is too full, Subscribers adds shards,
// which costs a write unit. If that fails, the next reader of the shard tries again.
func (s *Store) Subscribers(ctx context.Context, topic events.Topic, belowAlone bool, part watch.Part) ([]watch.Subscription, error) {
	reading := &reading{topic: topic, belowAlone: belowAlone, part: part}
	first, shards, err := s.shard(ctx, reading, 0)
	if err != nil {
		return nil, fmt.Errorf("read subscribers of %s: %w", topic, err)
	}
	found := make([]shardRead, shards)
	found[0] = first
	var tasks errgroup.Group
	tasks.SetLimit(shardsAtOnce)
	for shard := 1; shard < shards; shard++ {
		if !mayHave(shard, part) {
			continue
		}
		tasks.Go(func() (err error) {
			found[shard], _, err = s.shard(ctx, reading, shard)
			return err
		})
	}
	if err := tasks.Wait(); err != nil {
		return nil, fmt.Errorf("read subscribers of %s: %w", topic, err)
	}
	if reading.exceeded() {
		return nil, fmt.Errorf("read subscribers of %s: %w", topic, watch.CrowdError{About: shards * s.ShardSize})
	}
	var subs []watch.Subscription
	for shard, read := range found {
		if read.all > s.ShardSize && newest(shard, shards) {
			_ = s.addShards(ctx, topic, shards, read.all) // the caller has not asked for it, so its error does not count
		}
		subs = append(subs, read.subs...)
	}
	return subs, nil
}

// reading is a read of a topic's shards.
type reading struct {
	topic      events.Topic
	belowAlone bool
	part       watch.Part
	found      atomic.Int64 // subscriptions of the part, by now
}

// exceeded reports whether there are more subscriptions than may be read.
func (r *reading) exceeded() bool { return r.part.AtMost > 0 && r.found.Load() > int64(r.part.AtMost) }

// shardRead is what was read of a shard.
type shardRead struct {
	all  int                  // its subscriptions
	subs []watch.Subscription // those of the part
}

// shard reads one shard, page by page, and from shard 0 also the number of shards. It keeps no rows,
// because a row takes several times the memory of its subscription.
// It stops when more subscriptions were read of all shards than may be.
func (s *Store) shard(ctx context.Context, of *reading, shard int) (read shardRead, shards int, err error) {
	query := &dynamodb.QueryInput{
		TableName:                 &s.tables.Subscriptions,
		KeyConditionExpression:    aws.String("topic = :topic"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":topic": str(partition(of.topic, shard))},
		ConsistentRead:            aws.Bool(true),
	}
	if of.belowAlone {
		query.KeyConditionExpression = aws.String("topic = :topic AND begins_with(connectionId, :any)")
		query.ExpressionAttributeValues[":any"] = str(events.AnySegment)
	}
	shards = 1
	pages := dynamodb.NewQueryPaginator(s.db, query)
	for pages.HasMorePages() && !of.exceeded() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return shardRead{}, 0, translate(err)
		}
		for _, row := range page.Items {
			if text(row, "connectionId") == headcount {
				shards = shardsOf(row)
				continue
			}
			sub, err := subscription(row)
			if err != nil {
				return shardRead{}, 0, fmt.Errorf("row %s: %w", text(row, "connectionId"), err)
			}
			read.all++
			if of.part.Has(sub.ID) {
				of.found.Add(1)
				read.subs = append(read.subs, sub)
			}
		}
	}
	return read, shards, nil
}

// look counts the subscriptions of the shard that a subscriber has just come to, and adds shards if
// there are too many, or more than one page of 1 MB. Of about 60 subscribers one looks, or each if
// ShardSize is small. It costs up to 13 read units where a row has 100 bytes. The request's meter
// does not count them: what a client pays does not depend on chance, or on who else watches.
func (s *Store) look(ctx context.Context, topic events.Topic, shard, shards int) error {
	if every := s.ShardSize / looksPerShard; !newest(shard, shards) || every > 1 && rand.N(every) > 0 {
		return nil
	}
	ctx = watch.Unmetered(ctx)
	page, err := s.db.Query(ctx, &dynamodb.QueryInput{
		TableName: &s.tables.Subscriptions, Select: types.SelectCount, Limit: aws.Int32(int32(min(s.ShardSize, math.MaxInt32-2)) + 2), // headcount is one
		KeyConditionExpression:    aws.String("topic = :shard"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":shard": str(partition(topic, shard))},
	})
	if err != nil {
		return fmt.Errorf("count subscriptions in shard %d of %s: %w", shard, topic, translate(err))
	}
	if page.LastEvaluatedKey == nil && int(page.Count) <= s.ShardSize+1 {
		return nil
	}
	return s.addShards(ctx, topic, shards, int(page.Count))
}

// half is how many shards were added together with a shard; 1 for the first.
func half(shard int) int { return 1 << max(0, bits.Len(uint(shard))-1) }

// home gives the shard of a new subscription.
func home(id watch.ConnectionID, shards int) int {
	if shards == 1 {
		return 0
	}
	return shards/2 + id.Slot(shards/2)
}

// mayHave reports whether connections of a part may have subscriptions in a shard. The shard's
// number equals the slots of its connections, modulo the number of shards that were added together
// with it.
func mayHave(shard int, part watch.Part) bool {
	return (shard-part.Index)&(min(half(shard), part.Of)-1) == 0
}

// newest reports whether a shard is one of those that were added last. Only these get new
// subscriptions.
func newest(shard, shards int) bool { return 2*half(shard) >= shards && (shards == 1 || shard > 0) }

// addShards adds as many shards as there are, unless another has done so. If one of the newest
// shards has several times too many subscriptions, it adds enough for as many more. These came
// before anybody looked, and as many may follow.
func (s *Store) addShards(ctx context.Context, topic events.Topic, from, subscriptions int) error {
	to := enough(from, subscriptions, s.ShardSize)
	if from >= maxShards {
		return nil
	}
	update := &dynamodb.UpdateItemInput{
		TableName: &s.tables.Subscriptions, Key: headcountKey(topic),
		UpdateExpression:          aws.String("SET shards = :to"),
		ConditionExpression:       aws.String("shards = :from"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":to": num(int64(to)), ":from": num(int64(from))},
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

// enough gives the number of shards that follows from so many subscriptions in one of the newest.
func enough(shards, subscriptions, size int) int {
	full := max(1, shards/2) * subscriptions / max(1, size) // shards that those in the newest would fill
	return min(maxShards, max(2*shards, 1<<bits.Len(uint(full))))
}
