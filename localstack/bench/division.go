package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// shards is the number of shards of the topic's subscriptions.
func (s *stackProcess) shards(ctx context.Context) (int, error) {
	n, err := s.count(ctx, "Subscriptions", map[string]types.AttributeValue{"topic": text(s.topic + "#0"), "connectionId": text("*")}, "shards")
	return max(1, n), err
}

// count reads a number of a row; 0 if there is none.
func (s *stackProcess) count(ctx context.Context, table string, key map[string]types.AttributeValue, name string) (int, error) {
	row, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key})
	if err != nil {
		return 0, fmt.Errorf("read %s of %s: %w", name, s.topic, err)
	}
	n, ok := row.Item[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, nil
	}
	return strconv.Atoi(n.Value)
}

// division tells how the topic's audience is divided.
func (s *stackProcess) division(ctx context.Context) (fullest, shards, lanes int, err error) {
	if shards, err = s.shards(ctx); err != nil {
		return 0, 0, 0, err
	}
	if lanes, err = s.count(ctx, "Changes", map[string]types.AttributeValue{"topic": text(s.topic), "seq": number(0)}, "lanes"); err != nil {
		return 0, 0, 0, err
	}
	for shard := range shards {
		n := 0
		pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
			TableName: aws.String("Subscriptions"), Select: types.SelectCount, KeyConditionExpression: aws.String("topic = :shard"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":shard": text(s.topic + "#" + strconv.Itoa(shard))},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return 0, 0, 0, fmt.Errorf("count shard %d of %s: %w", shard, s.topic, err)
			}
			n += int(page.Count)
		}
		fullest = max(fullest, n)
	}
	return fullest, shards, lanes, nil
}

// settled waits until the lanes have no more work, and gives what was used until then: a lane records
// how far it has come after the last watcher has got a change.
func (s *stackProcess) settled(ctx context.Context) (usage, error) {
	last, err := s.usage(ctx)
	for same := 0; err == nil && same < 5; same++ {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return last, ctx.Err()
		}
		var u usage
		if u, err = s.usage(ctx); u.writeUnits != last.writeUnits || u.pushes != last.pushes {
			same = 0
		}
		last = u
	}
	return last, err
}
