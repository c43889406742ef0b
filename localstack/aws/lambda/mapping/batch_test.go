package mapping_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
)

func TestRecordReachesFunctionAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.start(mapping.Mapping{MaxRetries: -1}, mapping.Options{})
		synctest.Wait()
		w.put("1")
		w.expect(ids(1, 1))
		if took := w.times()[0]; took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

func TestBatchesAreFullAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.put(ids(1, 25)...)
		w.start(mapping.Mapping{BatchSize: 10}, mapping.Options{})
		w.expect(ids(1, 10), ids(11, 20), ids(21, 25))
	})
}

func TestNextBatchGathersWhileFunctionRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.answer = func(int, event) (mapping.Answer, error) {
			time.Sleep(time.Second)
			return mapping.Answer{}, nil
		}
		w.start(mapping.Mapping{}, mapping.Options{})
		synctest.Wait()
		w.put("1")
		synctest.Wait()
		w.put(ids(2, 30)...)
		w.expect(ids(1, 1))
		time.Sleep(time.Second)
		w.expect(ids(1, 1), ids(2, 30))
	})
}

func TestWindowWaitsForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.start(mapping.Mapping{BatchSize: 5, Window: 10 * time.Second}, mapping.Options{})
		synctest.Wait()
		w.put("1")
		time.Sleep(9 * time.Second)
		w.put("2")
		w.expect()
		time.Sleep(time.Second) // the window of the first is over
		w.expect(ids(1, 2))
		w.put(ids(3, 7)...) // full
		w.expect(ids(1, 2), ids(3, 7))
		if got, want := w.times(), []time.Duration{10 * time.Second, 10 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("called after %v, want %v", got, want)
		}
	})
}

func TestWindowEndsWithItsShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.start(mapping.Mapping{Window: 300 * time.Second}, mapping.Options{})
		w.put("1")
		synctest.Wait()
		w.registry.Disable(w.stream)
		w.expect(ids(1, 1))
	})
}

func TestEventStaysUnderSixMegabytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		for _, id := range ids(1, 20) {
			key := item.Item{"topic": item.S("topic"), "id": item.S(id)}
			image := item.Item{"topic": item.S("topic"), "id": item.S(id), "data": item.S(strings.Repeat("x", 380_000))}
			w.stream.Append(stream.Change{Op: stream.Modify, Keys: key, Old: image, New: image, PartitionKey: "topic"})
		}
		w.start(mapping.Mapping{Window: 300 * time.Second}, mapping.Options{})
		w.expect(ids(1, 8), ids(9, 16)) // 8 of 760 KB fit; the last four wait for the window
		time.Sleep(300 * time.Second)
		w.expect(ids(1, 8), ids(9, 16), ids(17, 20))
		for _, e := range w.events {
			if e.Bytes > mapping.MaxEvent {
				t.Errorf("an event has %d bytes", e.Bytes)
			}
		}
	})
}

func TestBatchNeverMixesShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4)
		want := map[string]int{}
		for i, topic := range ids(1, 40) {
			w.putIn(topic, topic)
			w.putIn(topic, topic)
			want[topic] = i
		}
		shards, err := w.registry.Shards(w.stream.ARN())
		if err != nil {
			t.Fatal(err)
		}
		home := map[string]string{}
		for _, shard := range shards {
			records, _, err := w.registry.Read(t.Context(), w.stream.ARN(), shard.ID, "", 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				home[r.SequenceNumber] = shard.ID
			}
		}
		w.start(mapping.Mapping{}, mapping.Options{})
		synctest.Wait()
		if len(w.events) != 4 {
			t.Errorf("%d batches, want one of each shard", len(w.events))
		}
		for _, e := range w.events {
			for _, number := range e.Numbers {
				if home[number] != home[e.Numbers[0]] {
					t.Errorf("a batch mixes %s and %s", home[number], home[e.Numbers[0]])
				}
			}
		}
	})
}

// TestChildrenWaitForTheirParents splits a shard whose batch fails for a while.
func TestChildrenWaitForTheirParents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.answer = func(call int, e event) (mapping.Answer, error) {
			if call < 3 {
				return fails(call, e)
			}
			return mapping.Answer{}, nil
		}
		w.put("1", "2")
		w.start(mapping.Mapping{MaxRetries: -1}, mapping.Options{})
		synctest.Wait()
		shards, err := w.registry.Shards(w.stream.ARN())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.stream.Split(shards[0].ID); err != nil {
			t.Fatal(err)
		}
		w.put("3", "4")
		w.expect(ids(1, 2))
		time.Sleep(time.Second)
		w.expect(ids(1, 2), ids(1, 2), ids(1, 2), ids(1, 2), ids(3, 4))
	})
}

func TestStartingPositionLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.put("before")
		w.start(mapping.Mapping{StartingPosition: "LATEST"}, mapping.Options{})
		w.put("after") // with the poller not scheduled yet
		w.expect([]string{"after"})
		shards, err := w.registry.Shards(w.stream.ARN())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.stream.Split(shards[0].ID); err != nil {
			t.Fatal(err)
		}
		w.put("in the child")
		w.expect([]string{"after"}, []string{"in the child"})
	})
}

func TestParallelizationKeepsEachItemInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		running, most := 0, 0
		w.answer = func(int, event) (mapping.Answer, error) {
			w.mu.Lock()
			running++
			most = max(most, running)
			w.mu.Unlock()
			time.Sleep(time.Second)
			w.mu.Lock()
			running--
			w.mu.Unlock()
			return mapping.Answer{}, nil
		}
		for range 5 {
			w.put(ids(1, 20)...)
		}
		w.start(mapping.Mapping{ParallelizationFactor: 4, BatchSize: 7}, mapping.Options{})
		time.Sleep(time.Minute)
		synctest.Wait()
		last, count := map[string]string{}, 0
		for _, e := range w.events {
			for i, id := range e.IDs {
				if last[id] >= e.Numbers[i] {
					t.Errorf("item %s: %s follows %s", id, e.Numbers[i], last[id])
				}
				last[id] = e.Numbers[i]
				count++
			}
		}
		if count != 100 || most != 4 {
			t.Errorf("%d records in up to %d batches at once, want 100 in 4", count, most)
		}
	})
}

func TestFiltersSkipSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.put(ids(1, 30)...)
		w.start(mapping.Mapping{Filters: []string{
			`{"dynamodb":{"Keys":{"id":{"S":[{"prefix":"2"}]}}}}`,
			`{"eventName":["INSERT"],"dynamodb":{"Keys":{"id":{"S":["7"]}}}}`,
		}}, mapping.Options{})
		w.expect([]string{"2", "7", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29"})
	})
}
