package dynamo

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"golang.org/x/sync/errgroup"
)

// Announce lists topics under each topic above them: one write unit for each, once in a topic's
// life.
func (s *Store) Announce(ctx context.Context, topics ...events.Topic) error {
	var puts []types.WriteRequest
	for _, topic := range topics {
		for i, letter := range topic {
			if letter != '/' {
				continue
			}
			puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
				"topic": directory(topic[:i]), "seq": sortKey(topic, topic[:i]), "name": str(string(topic)),
			}}})
		}
	}
	var tasks errgroup.Group
	tasks.SetLimit(batchesAtOnce)
	for some := range slices.Chunk(puts, maxBatch) {
		tasks.Go(func() error { return s.batch(ctx, map[string][]types.WriteRequest{s.tables.Changes: some}) })
	}
	if err := tasks.Wait(); err != nil {
		return fmt.Errorf("list %d topics below others: %w", len(topics), translate(err))
	}
	return nil
}

// directory is the key under which the topics below one are listed. No topic has it.
func directory(above events.Topic) types.AttributeValue {
	return str(string(above) + "/" + events.AnySegments)
}

// sortKey is a topic's sort key in the list of one above it, which no two topics share: a number
// below deeper if it is one segment longer, and above it otherwise. DynamoDB takes 38 digits.
func sortKey(topic, above events.Topic) types.AttributeValue {
	sum := sha256.Sum256([]byte(topic))
	hash := new(big.Int).SetBytes(sum[:14]).String() // of 34 digits at most
	if !(above + "/" + events.AnySegment).Matches(topic) {
		hash = deeper[:len(deeper)-len(hash)] + hash
	}
	return &types.AttributeValueMemberN{Value: hash}
}

// deeper is before the sort keys of topics that are more than one segment longer.
const deeper = "10000000000000000000000000000000000"

// Below reads the list of topics, up to one more than limit: one read unit for every 4 KB,
// some sixty topics. Topics that lie too deep for the pattern are not read.
func (s *Store) Below(ctx context.Context, pattern, after events.Topic, limit int) (topics []events.Topic, more bool, err error) {
	return s.below(ctx, pattern, after, limit, true)
}

// GlanceBelow reads the first topics of the list with eventual consistency, which costs half as
// much. A topic that was listed within the last second may be missing.
func (s *Store) GlanceBelow(ctx context.Context, pattern events.Topic, limit int) (topics []events.Topic, more bool, err error) {
	return s.below(ctx, pattern, "", limit, false)
}

func (s *Store) below(ctx context.Context, pattern, after events.Topic, limit int, consistent bool) (topics []events.Topic, more bool, err error) {
	base, wildcard := pattern.Split()
	if wildcard == events.AnySegments && after == "" {
		topics = append(topics, base) // which has no head if it never had a change
	}
	query := &dynamodb.QueryInput{
		TableName:                 &s.tables.Changes,
		KeyConditionExpression:    aws.String("topic = :list"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":list": directory(base)},
		ConsistentRead:            &consistent,
		Limit:                     aws.Int32(int32(limit + 1)),
	}
	if wildcard == events.AnySegment {
		query.KeyConditionExpression = aws.String("topic = :list AND seq < :deeper")
		query.ExpressionAttributeValues[":deeper"] = &types.AttributeValueMemberN{Value: deeper}
	}
	if after != "" && after != base {
		query.ExclusiveStartKey = map[string]types.AttributeValue{"topic": directory(base), "seq": sortKey(after, base)}
	}
	page, err := s.db.Query(ctx, query)
	if err != nil {
		return nil, false, fmt.Errorf("read topics of %s: %w", pattern, translate(err))
	}
	for _, row := range page.Items {
		if topic := events.Topic(text(row, "name")); pattern.Matches(topic) { // old lists are not in this order
			topics = append(topics, topic)
		}
	}
	if len(topics) > limit {
		return topics[:limit], true, nil
	}
	return topics, page.LastEvaluatedKey != nil, nil
}
