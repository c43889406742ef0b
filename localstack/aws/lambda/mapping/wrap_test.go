package mapping_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
)

func TestWrapIsAskedForEachLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		var mu sync.Mutex
		asked := map[string]int{}
		w.start(mapping.Mapping{ParallelizationFactor: 3, MaxRetries: -1}, mapping.Options{
			Wrap: func(shardID string, next mapping.Delivery) mapping.Delivery {
				mu.Lock()
				defer mu.Unlock()
				asked[shardID]++
				return next
			},
		})
		w.put("1")
		w.expect(ids(1, 1))
		for _, shard := range shardIDs(t, w) {
			if asked[shard] != 3 {
				t.Errorf("asked %d times for %s, want 3", asked[shard], shard)
			}
		}
	})
}

// TestWrapStandsBetween: the function gets what the wrapper hands on, and the mapping
// goes by what the wrapper answers for the records of the batch.
func TestWrapStandsBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.put(ids(1, 6)...)
		var before []stream.Record
		calls := 0
		w.start(mapping.Mapping{BatchSize: 3, ReportBatchItemFailures: true, MaxRetries: -1}, mapping.Options{
			Wrap: func(_ string, next mapping.Delivery) mapping.Delivery {
				return func(ctx context.Context, records []stream.Record) (mapping.Answer, error) {
					calls++
					answer, err := next(ctx, slices.Concat(before, records))
					before = records
					if calls == 2 {
						answer.Output = fmt.Appendf(nil, `{"batchItemFailures":[{"itemIdentifier":%q}]}`, records[2].SequenceNumber)
					}
					return answer, err
				}
			},
		})
		time.Sleep(time.Minute)
		w.expect(ids(1, 3), ids(1, 6), append(ids(4, 6), "6")) // 6 alone comes again
	})
}
