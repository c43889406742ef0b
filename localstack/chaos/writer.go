package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/dynamo"
)

// itemsOfAWriter is how many items a writer has in each topic. They are few, so that
// most writes change one, and an endless run does not grow.
const itemsOfAWriter = 12

// writer puts and removes items of its own.
type writer struct {
	number int
	db     *dynamodb.Client
	table  string
	ledger *ledger
	topics []events.Topic
	random *rand.Rand
	enough func() bool // ends it early
}

// newDatabase makes the client that the writers share.
func newDatabase(s *stack.Stack) *dynamodb.Client {
	return dynamodb.NewFromConfig(aws.Config{
		Region: stack.Region, HTTPClient: dynamo.HTTPClient(), BaseEndpoint: aws.String(s.URL()), RetryMaxAttempts: 20,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
}

// write makes n changes, each a different one from the state before. With an interval
// it makes one in each, until ctx ends, which is no error.
func (w *writer) write(ctx context.Context, n int, interval time.Duration) error {
	var tick <-chan time.Time
	if interval > 0 {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		tick = ticker.C
	}
	for i := 0; i < n && !w.enough(); i++ {
		if tick != nil {
			select {
			case <-tick:
			case <-ctx.Done():
				return nil
			}
		}
		if err := w.one(w.topics[(i+w.number)%len(w.topics)]); err != nil {
			return fmt.Errorf("writer %d: %w", w.number, err)
		}
	}
	return nil
}

// one makes one change of a topic. It is not given up when the run ends: what is in
// the ledger is written.
func (w *writer) one(topic events.Topic) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	id := fmt.Sprintf("%d-%d", w.number, w.random.IntN(itemsOfAWriter))
	remove := w.ledger.has(topic, id) && w.random.IntN(5) == 0
	version := w.ledger.enter(topic, id, !remove)
	key := map[string]types.AttributeValue{"topic": &types.AttributeValueMemberS{Value: string(topic)}, "id": &types.AttributeValueMemberS{Value: id}}
	var err error
	if remove {
		_, err = w.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &w.table, Key: key})
	} else {
		key["w"] = &types.AttributeValueMemberN{Value: fmt.Sprint(w.number)}
		key["v"] = &types.AttributeValueMemberN{Value: fmt.Sprint(version)}
		key["pad"] = &types.AttributeValueMemberS{Value: padding}
		_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: key})
	}
	if err != nil {
		return errors.Join(errUnwritten, err)
	}
	return nil
}

// errUnwritten is a change that the ledger has and the table may not: the run proves
// nothing.
var errUnwritten = errors.New("change not written")
