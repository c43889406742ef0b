package mapping_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
)

// world is a stream with a mapping to a function that follows a script, all of
// it in one synctest bubble.
type world struct {
	t        *testing.T
	registry *stream.Registry
	stream   *stream.Stream
	began    time.Time

	mu       sync.Mutex
	events   []event
	messages []string
	answer   func(call int, e event) (mapping.Answer, error)
}

// event is what the function got, and when.
type event struct {
	IDs     []string // of the items, in order
	Numbers []string // sequence numbers
	At      time.Duration
	Bytes   int
}

func newWorld(t *testing.T, shards int) *world {
	r := stream.NewRegistry(stream.Options{Shards: shards})
	s := r.Enable("Events", []stream.KeySchemaElement{{AttributeName: "topic", KeyType: "HASH"}, {AttributeName: "id", KeyType: "RANGE"}}, stream.NewAndOldImages)
	return &world{t: t, registry: r, stream: s, began: time.Now()}
}

// put appends one change, of which id is the item.

func (w *world) put(ids ...string) {
	for _, id := range ids {
		w.putIn("topic", id)
	}
}

func (w *world) putIn(topic, id string) {
	key := item.Item{"topic": item.S(topic), "id": item.S(id)}
	w.stream.Append(stream.Change{Op: stream.Insert, Keys: key, New: key, PartitionKey: topic})
}

// start maps the stream to the function until the test ends.
func (w *world) start(m mapping.Mapping, o mapping.Options) {
	w.t.Helper()
	m.UUID, m.StreamARN, m.Function = "test", w.stream.ARN(), "arn:aws:lambda:us-east-1:000000000000:function:f"
	if m.StartingPosition == "" {
		m.StartingPosition = "TRIM_HORIZON"
	}
	m.OnFailure = func(_ context.Context, body []byte) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.messages = append(w.messages, string(body))
		return nil
	}
	o.Invoke, o.Logger = w.invoke, slog.New(slog.NewTextHandler(io.Discard, nil))
	p, err := mapping.Start(m, w.registry, o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(p.Close)
}

func (w *world) invoke(ctx context.Context, payload []byte) (mapping.Answer, error) {
	e, err := decodeEvent(payload)
	if err != nil {
		return mapping.Answer{}, err
	}
	e.At = time.Since(w.began)
	w.mu.Lock()
	call := len(w.events)
	w.events = append(w.events, e)
	answer := w.answer
	w.mu.Unlock()
	if answer == nil {
		return mapping.Answer{}, nil
	}
	return answer(call, e)
}

func decodeEvent(payload []byte) (event, error) {
	var got struct {
		Records []struct {
			Dynamodb struct {
				Keys           struct{ ID struct{ S string } }
				SequenceNumber string
			}
		}
	}
	if err := json.Unmarshal(payload, &got); err != nil {
		return event{}, err
	}
	e := event{Bytes: len(payload)}
	for _, r := range got.Records {
		e.IDs = append(e.IDs, r.Dynamodb.Keys.ID.S)
		e.Numbers = append(e.Numbers, r.Dynamodb.SequenceNumber)
	}
	return e, nil
}

// expect waits until nothing moves and compares what the function got.
func (w *world) expect(want ...[]string) {
	w.t.Helper()
	synctest.Wait()
	if got := w.batches(); !slices.EqualFunc(got, want, slices.Equal) {
		w.t.Errorf("the function got %q, want %q", got, want)
	}
}

func (w *world) batches() [][]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var got [][]string
	for _, e := range w.events {
		got = append(got, e.IDs)
	}
	return got
}

// times are when the function was called.
func (w *world) times() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var got []time.Duration
	for _, e := range w.events {
		got = append(got, e.At)
	}
	return got
}

// answers

func fails(int, event) (mapping.Answer, error) {
	return mapping.Answer{RequestID: "request-1", Output: []byte(`{"errorMessage":"no"}`), FunctionError: true}, nil
}

// failsWith fails whenever the poison is in the batch.
func failsWith(poison string) func(int, event) (mapping.Answer, error) {
	return func(call int, e event) (mapping.Answer, error) {
		if slices.Contains(e.IDs, poison) {
			return fails(call, e)
		}
		return mapping.Answer{}, nil
	}
}

// reports answers with partial failures: the poison and all that follow it.
func reports(poison string) func(int, event) (mapping.Answer, error) {
	return func(_ int, e event) (mapping.Answer, error) {
		var failures []map[string]string
		for i, id := range e.IDs {
			if len(failures) > 0 || id == poison {
				failures = append(failures, map[string]string{"itemIdentifier": e.Numbers[i]})
			}
		}
		output, err := json.Marshal(map[string]any{"batchItemFailures": failures})
		return mapping.Answer{RequestID: "request-1", Output: output}, err
	}
}

// ids are the items first to last.
func ids(first, last int) []string {
	var all []string
	for i := first; i <= last; i++ {
		all = append(all, strconv.Itoa(i))
	}
	return all
}
