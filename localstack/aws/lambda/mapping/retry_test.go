package mapping_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
)

func TestFailedBatchBlocksItsShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.answer = func(call int, e event) (mapping.Answer, error) {
			if call < 2 {
				return fails(call, e)
			}
			return mapping.Answer{}, nil
		}
		w.put(ids(1, 4)...)
		w.start(mapping.Mapping{BatchSize: 2, MaxRetries: -1}, mapping.Options{})
		w.expect(ids(1, 2))
		time.Sleep(time.Second)
		w.expect(ids(1, 2), ids(1, 2), ids(1, 2), ids(3, 4))
		if got, want := w.times(), []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 300 * time.Millisecond}; !slices.Equal(got, want) {
			t.Errorf("called after %v, want %v", got, want)
		}
	})
}

func TestPauseDoublesToItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.answer = fails
		w.put("1")
		w.start(mapping.Mapping{MaxRetries: 5}, mapping.Options{Backoff: time.Second, MaxBackoff: 5 * time.Second})
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 12 * time.Second, 17 * time.Second}
		if got := w.times(); !slices.Equal(got, want) {
			t.Errorf("called after %v, want %v", got, want)
		}
	})
}

// TestExhaustedBatchIsDiscarded compares the whole message, which is the
// contract with whoever reads the failure queue.
func TestExhaustedBatchIsDiscarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.answer = failsWith("1")
		w.put("1", "2")
		time.Sleep(1500 * time.Millisecond)
		w.put("3")
		w.start(mapping.Mapping{BatchSize: 3, MaxRetries: 2}, mapping.Options{})
		time.Sleep(10 * time.Second)
		w.put("4")
		w.expect(ids(1, 3), ids(1, 3), ids(1, 3), ids(4, 4))
		numbers, shards := w.events[0].Numbers, shardIDs(t, w)
		want := fmt.Sprintf(`{"requestContext":{"requestId":"request-1","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:f",`+
			`"condition":"RetryAttemptsExhausted","approximateInvokeCount":3},`+
			`"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},`+
			`"version":"1.0","timestamp":"2000-01-01T00:00:01.800Z",`+
			`"DDBStreamBatchInfo":{"shardId":%q,"startSequenceNumber":%q,"endSequenceNumber":%q,`+
			`"approximateArrivalOfFirstRecord":"2000-01-01T00:00:00Z","approximateArrivalOfLastRecord":"2000-01-01T00:00:01Z",`+
			`"batchSize":3,"streamArn":%q}}`, shards[0], numbers[0], numbers[2], w.stream.ARN())
		if !slices.Equal(w.messages, []string{want}) {
			t.Errorf("the failure destination got\n%s\nwant\n%s", w.messages, want)
		}
	})
}

func shardIDs(t *testing.T, w *world) []string {
	t.Helper()
	shards, err := w.registry.Shards(w.stream.ARN())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, shard := range shards {
		all = append(all, shard.ID)
	}
	return all
}

func TestServiceErrorsConsumeNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.answer = func(call int, _ event) (mapping.Answer, error) {
			if call < 20 {
				return mapping.Answer{}, errors.New("throttled")
			}
			return mapping.Answer{}, nil
		}
		w.put("1", "2")
		w.start(mapping.Mapping{MaxRetries: 0, Bisect: true}, mapping.Options{})
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(w.batches()); n != 21 || len(w.messages) != 0 {
			t.Errorf("%d calls, discarded %q", n, w.messages)
		}
	})
}

func TestOldRecordsAreDiscarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.answer = fails
		w.put("1")
		time.Sleep(30 * time.Second)
		w.put("2")
		w.start(mapping.Mapping{MaxRetries: -1, MaxRecordAge: time.Minute}, mapping.Options{Backoff: 10 * time.Second})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		w.expect(ids(1, 2), ids(1, 2), ids(1, 2), ids(1, 2), ids(2, 2), ids(2, 2), ids(2, 2))
		var conditions []string
		for _, m := range w.messages {
			var got struct {
				RequestContext struct {
					Condition              string
					ApproximateInvokeCount int
				}
				ResponseContext    *struct{}
				DDBStreamBatchInfo struct{ BatchSize int }
			}
			if err := json.Unmarshal([]byte(m), &got); err != nil {
				t.Fatal(err)
			}
			conditions = append(conditions, fmt.Sprint(got.RequestContext, got.DDBStreamBatchInfo.BatchSize, got.ResponseContext == nil))
		}
		if want := []string{"{RecordAgeExceeded 4} 1 true", "{RecordAgeExceeded 7} 1 true"}; !slices.Equal(conditions, want) {
			t.Errorf("discarded %q, want %q", conditions, want)
		}
	})
}

func TestBisectIsolatesThePoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.answer = failsWith("3")
		w.put(ids(1, 8)...)
		w.start(mapping.Mapping{Bisect: true, MaxRetries: 1}, mapping.Options{})
		time.Sleep(time.Minute)
		w.expect(ids(1, 8), ids(1, 4), ids(1, 2), ids(3, 4), ids(3, 3), ids(3, 3), ids(4, 4), ids(5, 8))
		if len(w.messages) != 1 {
			t.Errorf("discarded %q, want the poison alone", w.messages)
		}
	})
}

func TestPartialFailureContinuesAtTheLowest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.answer = func(call int, e event) (mapping.Answer, error) {
			if call > 0 {
				return mapping.Answer{}, nil
			}
			body := fmt.Sprintf(`{"batchItemFailures":[{"itemIdentifier":%q},{"itemIdentifier":%q}]}`, e.Numbers[4], e.Numbers[2])
			return mapping.Answer{Output: []byte(body)}, nil
		}
		w.put(ids(1, 6)...)
		w.start(mapping.Mapping{ReportBatchItemFailures: true, MaxRetries: -1}, mapping.Options{})
		time.Sleep(time.Minute)
		w.expect(ids(1, 6), ids(3, 6))
	})
}

// TestPartialFailureAndBisect: the split is where the function says and costs no
// attempt; at the first record there is nothing to split.
func TestPartialFailureAndBisect(t *testing.T) {
	for _, c := range []struct {
		halve     bool
		want      [][]string
		discarded int
	}{
		{false, [][]string{ids(1, 6), ids(3, 6), ids(3, 6)}, 4},
		{true, [][]string{ids(1, 6), ids(3, 6), ids(3, 4), ids(3, 3), ids(3, 3), ids(4, 4), ids(5, 6)}, 1},
	} {
		t.Run(fmt.Sprintf("HalveAtFirst %v", c.halve), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.answer = reports("3")
				w.put(ids(1, 6)...)
				w.start(mapping.Mapping{ReportBatchItemFailures: true, Bisect: true, MaxRetries: 1}, mapping.Options{HalveAtFirst: c.halve})
				time.Sleep(time.Minute)
				w.expect(c.want...)
				var got struct {
					ResponseContext    struct{ FunctionError *string }
					DDBStreamBatchInfo struct{ BatchSize int }
				}
				if len(w.messages) != 1 || json.Unmarshal([]byte(w.messages[0]), &got) != nil {
					t.Fatalf("discarded %q", w.messages)
				}
				if got.DDBStreamBatchInfo.BatchSize != c.discarded || got.ResponseContext.FunctionError != nil {
					t.Errorf("discarded %s", w.messages[0])
				}
			})
		})
	}
}

func TestAnswerCountsOnlyIfReportsAreOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.answer = reports("1")
		w.put("1", "2")
		w.start(mapping.Mapping{MaxRetries: -1}, mapping.Options{})
		time.Sleep(time.Minute)
		w.expect(ids(1, 2))
	})
}
