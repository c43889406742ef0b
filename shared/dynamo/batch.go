package dynamo

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/shared/watch"
)

// maxGets is how many rows one BatchGetItem takes.
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

// maxBatch is how many rows one BatchWriteItem takes.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
const maxBatch = 25

// batchesAtOnce bounds the batches of one request that are written at once.
const batchesAtOnce = 8

// batchAttempts bounds how often the rest of a batch is sent again that DynamoDB left undone.
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

// wait pauses before the rest of a batch is sent again.
func wait(ctx context.Context, attempt int) error {
	select {
	case <-time.After(50 * time.Millisecond << attempt):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
