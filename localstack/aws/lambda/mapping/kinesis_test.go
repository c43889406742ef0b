package mapping_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"github.com/watchroute/watchroute/localstack/aws/kinesis"
	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
)

const kinesisARN = "arn:aws:kinesis:us-east-1:000000000000:stream/s"

// kinesisWorld is a stream of Kinesis with a mapping to a function that follows a script.
type kinesisWorld struct {
	t       *testing.T
	service *kinesis.Service

	mu       sync.Mutex
	batches  [][]awsevents.KinesisEventRecord
	messages []string
	answer   func(records []awsevents.KinesisEventRecord) mapping.Answer
}

func newKinesisWorld(t *testing.T, shards int) *kinesisWorld {
	w := &kinesisWorld{t: t, service: kinesis.New(kinesis.Options{})}
	w.call("CreateStream", fmt.Sprintf(`{"StreamName":"s","ShardCount":%d}`, shards))
	return w
}

func (w *kinesisWorld) call(operation, body string) {
	w.t.Helper()
	if _, err := w.service.Service().Call(w.t.Context(), operation, []byte(body)); err != nil {
		w.t.Fatal(err)
	}
}

// put puts records with a partition key.
func (w *kinesisWorld) put(key string, data ...string) {
	w.t.Helper()
	for _, text := range data {
		body, err := json.Marshal(map[string]any{"StreamName": "s", "PartitionKey": key, "Data": []byte(text)})
		if err != nil {
			w.t.Fatal(err)
		}
		w.call("PutRecord", string(body))
	}
}

func (w *kinesisWorld) start(m mapping.Mapping) {
	w.t.Helper()
	m.UUID, m.StreamARN, m.Function = "test", kinesisARN, "arn:aws:lambda:us-east-1:000000000000:function:f"
	if m.StartingPosition == "" {
		m.StartingPosition = "TRIM_HORIZON"
	}
	m.OnFailure = func(_ context.Context, body []byte) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.messages = append(w.messages, string(body))
		return nil
	}
	p, err := mapping.Start(m, w.service.Reader("arn:aws:iam::000000000000:role/r"), mapping.Options{
		Invoke: w.invoke, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(p.Close)
}

func (w *kinesisWorld) invoke(_ context.Context, payload []byte) (mapping.Answer, error) {
	var event awsevents.KinesisEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		return mapping.Answer{}, err
	}
	w.mu.Lock()
	w.batches = append(w.batches, event.Records)
	answer := w.answer
	w.mu.Unlock()
	if answer == nil {
		return mapping.Answer{}, nil
	}
	return answer(event.Records), nil
}

// expect waits until nothing moves and compares the data that the function got, batch by batch.
func (w *kinesisWorld) expect(want ...[]string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	var got [][]string
	for _, batch := range w.batches {
		var data []string
		for _, r := range batch {
			data = append(data, string(r.Kinesis.Data))
		}
		got = append(got, data)
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		w.t.Errorf("the function got %q, want %q", got, want)
	}
}

// failsWithData fails while the text is in the batch.
func failsWithData(text string) func([]awsevents.KinesisEventRecord) mapping.Answer {
	return func(records []awsevents.KinesisEventRecord) mapping.Answer {
		failed := slices.ContainsFunc(records, func(r awsevents.KinesisEventRecord) bool { return string(r.Kinesis.Data) == text })
		return mapping.Answer{RequestID: "request-1", Output: []byte(`{}`), FunctionError: failed}
	}
}

// TestKinesisFeedsAFunction in batches of its shards, from the oldest record on or from the start.
func TestKinesisFeedsAFunction(t *testing.T) {
	for position, first := range map[string][][]string{"TRIM_HORIZON": {{"1", "2"}, {"3"}}, "LATEST": nil} {
		synctest.Test(t, func(t *testing.T) {
			w := newKinesisWorld(t, 2)
			w.put("a", "1", "2", "3")
			w.start(mapping.Mapping{BatchSize: 2, MaxRetries: -1, StartingPosition: position})
			w.expect(first...)
			w.put("a", "4")
			w.expect(append(first, []string{"4"})...)
		})
	}
}

// TestBatchOfKinesisThatFailsIsBisectedAndGivenUp: the failure destination is told of the record that
// fails alone.
func TestBatchOfKinesisThatFailsIsBisectedAndGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newKinesisWorld(t, 1)
		w.answer = failsWithData("3")
		w.put("a", "1", "2", "3", "4")
		time.Sleep(1234 * time.Millisecond)
		w.start(mapping.Mapping{MaxRetries: 1, Bisect: true})
		time.Sleep(10 * time.Second)
		w.expect(ids(1, 4), ids(1, 2), ids(3, 4), ids(3, 3), ids(3, 3), ids(4, 4))
		number := w.batches[3][0].Kinesis.SequenceNumber
		want := fmt.Sprintf(`{"requestContext":{"requestId":"request-1","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:f",`+
			`"condition":"RetryAttemptsExhausted","approximateInvokeCount":2},`+
			`"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},`+
			`"version":"1.0","timestamp":"2000-01-01T00:00:01.334Z",`+
			`"KinesisBatchInfo":{"shardId":"shardId-000000000000","startSequenceNumber":%q,"endSequenceNumber":%q,`+
			`"approximateArrivalOfFirstRecord":"2000-01-01T00:00:00.000Z","approximateArrivalOfLastRecord":"2000-01-01T00:00:00.000Z",`+
			`"batchSize":1,"streamArn":%q}}`, number, number, kinesisARN)
		if !slices.Equal(w.messages, []string{want}) {
			t.Errorf("the failure destination got\n%s\nwant\n%s", strings.Join(w.messages, "\n"), want)
		}
	})
}

// TestFunctionReportsWhatFailedOfKinesis by sequence number: the batch goes on there.
func TestFunctionReportsWhatFailedOfKinesis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newKinesisWorld(t, 1)
		reported := false
		w.answer = func(records []awsevents.KinesisEventRecord) mapping.Answer {
			if reported {
				return mapping.Answer{}
			}
			reported = true
			output, err := json.Marshal(awsevents.KinesisEventResponse{
				BatchItemFailures: []awsevents.KinesisBatchItemFailure{{ItemIdentifier: records[2].Kinesis.SequenceNumber}},
			})
			if err != nil {
				t.Error(err)
			}
			return mapping.Answer{Output: output}
		}
		w.put("a", "1", "2", "3", "4")
		w.start(mapping.Mapping{MaxRetries: -1, ReportBatchItemFailures: true})
		time.Sleep(time.Second)
		w.expect(ids(1, 4), ids(3, 4))
	})
}

// TestFailureHoldsUpItsShardOnly, and with lanes its partition keys only.
func TestFailureHoldsUpItsShardOnly(t *testing.T) {
	for what, m := range map[string]struct{ shards, lanes int }{"shard": {2, 1}, "lane": {1, 10}} {
		synctest.Test(t, func(t *testing.T) {
			w := newKinesisWorld(t, m.shards)
			w.answer = failsWithData("bad")
			w.put("a", "bad", "behind")
			w.put("b", "good")
			w.start(mapping.Mapping{BatchSize: 1, MaxRetries: -1, ParallelizationFactor: m.lanes})
			time.Sleep(time.Minute)
			synctest.Wait()
			w.mu.Lock()
			defer w.mu.Unlock()
			seen := map[string]int{}
			for _, batch := range w.batches {
				seen[string(batch[0].Kinesis.Data)]++
			}
			if seen["bad"] < 3 || seen["behind"] != 0 || seen["good"] != 1 {
				t.Errorf("%s: the function got %v", what, seen)
			}
		})
	}
}

// TestRecordsOfKinesisAreFedForADay: then the stream has lost them, and the mapping says so.
func TestRecordsOfKinesisAreFedForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newKinesisWorld(t, 1)
		w.answer = failsWithData("old")
		w.put("a", "old")
		w.start(mapping.Mapping{BatchSize: 1, MaxRetries: -1})
		time.Sleep(kinesis.Retention - time.Hour)
		w.put("a", "new")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if last := w.batches[len(w.batches)-1]; string(last[0].Kinesis.Data) != "new" {
			t.Errorf("the function got %s last", last[0].Kinesis.Data)
		}
		if len(w.messages) != 1 || !strings.Contains(w.messages[0], `"condition":"RecordAgeExceeded"`) || !strings.Contains(w.messages[0], `"KinesisBatchInfo"`) {
			t.Errorf("the failure destination got %q", w.messages)
		}
	})
}

func TestFiltersOfKinesisAreRefused(t *testing.T) {
	s := kinesis.New(kinesis.Options{})
	m := mapping.Mapping{StreamARN: kinesisARN, StartingPosition: "LATEST", Filters: []string{`{"data":{"a":[1]}}`}}
	if _, err := mapping.Start(m, s.Reader(""), mapping.Options{}); err == nil || !strings.Contains(err.Error(), "FilterCriteria of a Kinesis stream") {
		t.Errorf("start: %v", err)
	}
}
