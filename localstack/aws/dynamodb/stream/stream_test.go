package stream

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

var keySchema = []KeySchemaElement{{"topic", "HASH"}, {"id", "RANGE"}}

// put is the insertion of an item whose data is n.
func put(topic, id string, n int) Change {
	keys := item.Item{"topic": item.S(topic), "id": item.S(id)}
	image := keys.Clone()
	image["data"] = item.S(fmt.Sprint(n))
	return Change{Op: Insert, Keys: keys, New: image, PartitionKey: topic}
}

// drain reads everything a stream holds now, shard by shard.
func drain(t *testing.T, r *Registry, s *Stream) map[string][]Record {
	t.Helper()
	all := map[string][]Record{}
	shards, err := r.Shards(s.ARN())
	if err != nil {
		t.Fatal(err)
	}
	for _, sh := range shards {
		after := ""
		for {
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // what is there is read; nothing is waited for
			records, closed, err := r.Read(ctx, s.ARN(), sh.ID, after, 7)
			all[sh.ID] = append(all[sh.ID], records...)
			if errors.Is(err, context.Canceled) || closed {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			after = records[len(records)-1].SequenceNumber
		}
	}
	return all
}

func TestLabelsAreUniqueWithinAMillisecond(t *testing.T) {
	at := time.Date(2026, 11, 24, 0, 42, 12, 345_900_000, time.UTC)
	r := NewRegistry(Options{Region: "eu-west-1", Account: "123456789012", Now: func() time.Time { return at }})
	first, second := r.Enable("Events", keySchema, KeysOnly), r.Enable("Events", keySchema, KeysOnly)
	if want := "arn:aws:dynamodb:eu-west-1:123456789012:table/Events/stream/2026-11-24T00:42:12.345"; first.ARN() != want {
		t.Errorf("ARN is %s, want %s", first.ARN(), want)
	}
	if want := "2026-11-24T00:42:12.346"; second.Label() != want {
		t.Errorf("second label is %s, want %s", second.Label(), want)
	}
}

func TestChangesOfAPartitionStayInOrderAcrossSplits(t *testing.T) {
	r := NewRegistry(Options{})
	s := r.Enable("Events", keySchema, NewAndOldImages)
	const topics, each = 20, 60
	for n := range each {
		if n%20 == 10 {
			splitAllOpen(t, r, s)
		}
		for topic := range topics {
			s.Append(put(fmt.Sprint("topic", topic), fmt.Sprint(n), n))
		}
	}
	records := drain(t, r, s)
	shards, _ := r.Shards(s.ARN())
	if len(shards) != 2+4+8+16 {
		t.Fatalf("%d shards after three splits of all, want 30", len(shards))
	}
	seen := map[string]int{}
	finished := map[string]bool{"": true}
	for _, sh := range shards {
		if !finished[sh.Parent] {
			t.Fatalf("shard %s is listed before its parent", sh.ID)
		}
		finished[sh.ID] = true
		for _, rec := range records[sh.ID] {
			topic, n := parsed(t, rec)
			if seen[topic] != n {
				t.Fatalf("%s: change %d came where %d was due", topic, n, seen[topic])
			}
			seen[topic]++
		}
	}
	for topic, n := range seen {
		if n != each {
			t.Errorf("%s: %d changes, want %d", topic, n, each)
		}
	}
	if len(seen) != topics {
		t.Errorf("%d topics seen, want %d", len(seen), topics)
	}
}

func splitAllOpen(t *testing.T, r *Registry, s *Stream) {
	t.Helper()
	shards, err := r.Shards(s.ARN())
	if err != nil {
		t.Fatal(err)
	}
	for _, sh := range shards {
		if sh.Closed {
			continue
		}
		if err := s.Split(sh.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// A reader that has seen the end of a closed shard must miss nothing.
func TestNothingFollowsInAShardThatWasSplit(t *testing.T) {
	r := NewRegistry(Options{Shards: 1})
	s := r.Enable("Events", keySchema, KeysOnly)
	s.Append(put("a", "1", 1))
	shards, _ := r.Shards(s.ARN())
	if err := s.Split(shards[0].ID); err != nil {
		t.Fatal(err)
	}
	s.Append(put("a", "2", 2))
	counts := map[string]int{}
	for id, records := range drain(t, r, s) {
		counts[id] = len(records)
	}
	if parent := counts[shards[0].ID]; parent != 1 {
		t.Errorf("the parent has %d records, want 1 and the other in a child: %v", parent, counts)
	}
}

func TestSplitRefusesClosedAndUnknownShards(t *testing.T) {
	r := NewRegistry(Options{Shards: 1})
	s := r.Enable("Events", keySchema, KeysOnly)
	shards, _ := r.Shards(s.ARN())
	if err := s.Split(shards[0].ID); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{shards[0].ID, "shardId-0"} {
		if s.Split(id) == nil {
			t.Errorf("split of %q succeeded", id)
		}
	}
}

func TestPartitionsSpreadOverShards(t *testing.T) {
	r := NewRegistry(Options{Shards: 4})
	s := r.Enable("Events", keySchema, KeysOnly)
	for n := range 1000 {
		s.Append(put(fmt.Sprintf("stocks/%d", n), "quote", n))
	}
	for id, records := range drain(t, r, s) {
		if len(records) < 150 || len(records) > 350 {
			t.Errorf("shard %s has %d of 1000 partitions in four shards", id, len(records))
		}
	}
}

func TestConcurrentAppendsAreNumberedOnce(t *testing.T) {
	r := NewRegistry(Options{})
	s := r.Enable("Events", keySchema, KeysOnly)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 200 {
				s.Append(put(fmt.Sprint("topic", w), fmt.Sprint(n), n))
			}
		})
	}
	wg.Wait()
	numbers := map[string]bool{}
	for _, records := range drain(t, r, s) {
		last := ""
		for _, rec := range records {
			if rec.SequenceNumber <= last {
				t.Fatalf("%s follows %s", rec.SequenceNumber, last)
			}
			last = rec.SequenceNumber
			numbers[last] = true
		}
	}
	if len(numbers) != 1600 {
		t.Errorf("%d different numbers, want 1600", len(numbers))
	}
}

func TestDisabledStreamTakesInNothingAndStaysReadable(t *testing.T) {
	r := NewRegistry(Options{Shards: 1})
	s := r.Enable("Events", keySchema, KeysOnly)
	changed := r.ShardsChanged(s.ARN())
	s.Append(put("a", "1", 1))
	r.Disable(s)
	r.Disable(s)
	s.Append(put("a", "2", 2))
	select {
	case <-changed:
	default:
		t.Error("ShardsChanged did not fire on Disable")
	}
	shards, err := r.Shards(s.ARN())
	if err != nil || !shards[0].Closed {
		t.Fatalf("shards %+v, %v; want one that is closed", shards, err)
	}
	records, closed, err := r.Read(t.Context(), s.ARN(), shards[0].ID, "", 10)
	if err != nil || !closed || len(records) != 1 {
		t.Errorf("read %d records, closed %v, %v; want the one of before", len(records), closed, err)
	}
}

// The clock of a synctest bubble makes a day pass at once.
func TestRecordsAreTrimmedAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Options{Shards: 1})
		s := r.Enable("Events", keySchema, KeysOnly)
		shards, _ := r.Shards(s.ARN())
		s.Append(put("a", "1", 1), put("a", "2", 2))
		before, _, err := r.Read(t.Context(), s.ARN(), shards[0].ID, "", 1)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(Retention - time.Second)
		s.Append(put("a", "3", 3))
		time.Sleep(time.Second)
		records, _, err := r.Read(t.Context(), s.ARN(), shards[0].ID, "", 10)
		if err != nil || len(records) != 1 {
			t.Fatalf("%d records left, %v; want the one that is a second old", len(records), err)
		}
		_, _, err = r.Read(t.Context(), s.ARN(), shards[0].ID, before[0].SequenceNumber, 10)
		wantError(t, err, "TrimmedDataAccessException")
	})
}

func TestDisabledStreamIsGoneAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Options{})
		s := r.Enable("Events", keySchema, KeysOnly)
		r.Disable(s)
		time.Sleep(Retention - time.Second)
		if _, err := r.Shards(s.ARN()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		_, err := r.Shards(s.ARN())
		wantError(t, err, "ResourceNotFoundException")
		if r.ShardsChanged(s.ARN()) != nil {
			t.Error("a stream that is gone can still change")
		}
	})
}

// TestExpireLetsGoOfWhatNobodyTouches looks for the records themselves, which only the
// garbage collector takes.
func TestExpireLetsGoOfWhatNobodyTouches(t *testing.T) {
	now := time.Now()
	r := NewRegistry(Options{Shards: 1, Retention: time.Minute, Now: func() time.Time { return now }})
	s := r.Enable("Events", keySchema, KeysOnly)
	s.Append(put("a", "1", 1), put("a", "2", 2))
	if err := r.Split(s.ARN(), s.shards[0].id); err != nil {
		t.Fatal(err)
	}
	s.Append(put("a", "3", 3), put("b", "4", 4), put("c", "5", 5))
	var kept []weak.Pointer[record]
	for _, sh := range s.shards {
		for _, rec := range sh.records {
			kept = append(kept, weak.Make(rec))
		}
	}
	changed := r.ShardsChanged(s.ARN())
	now = now.Add(time.Minute - 1)
	r.Expire()
	if len(s.shards) != 3 || len(kept) != 5 {
		t.Fatalf("%d shards and %d records just before the end, want 3 and 5", len(s.shards), len(kept))
	}
	now = now.Add(1)
	r.Expire()
	runtime.GC()
	for n, rec := range kept {
		if rec.Value() != nil {
			t.Errorf("record %d is still in memory", n+1)
		}
	}
	if len(s.shards) != 2 || cap(s.shards[0].records)+cap(s.shards[1].records) != 0 {
		t.Errorf("%d shards are left, want the open ones, empty", len(s.shards))
	}
	select {
	case <-changed:
	default:
		t.Error("ShardsChanged did not fire for the shard that is gone")
	}
	s.Append(put("a", "6", 6))
	total := 0
	for _, records := range drain(t, r, s) {
		total += len(records)
	}
	if total != 1 {
		t.Errorf("%d records can be read, want the new one", total)
	}
}

func TestSplitByARN(t *testing.T) {
	r := NewRegistry(Options{Shards: 1})
	a, b := r.Enable("A", keySchema, KeysOnly), r.Enable("B", keySchema, KeysOnly)
	if got := r.ARNs(); !slices.Equal(got, []string{a.ARN(), b.ARN()}) {
		t.Errorf("streams are %q", got)
	}
	if err := r.Split(b.ARN(), b.shards[0].id); err != nil || len(b.shards) != 3 || len(a.shards) != 1 {
		t.Errorf("%v, %d and %d shards, want 1 and 3", err, len(a.shards), len(b.shards))
	}
	wantError(t, r.Split("arn:none", b.shards[0].id), "ResourceNotFoundException")
}
