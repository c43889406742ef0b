package watch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

const (
	stream1 watch.Stream = "arn:aws:dynamodb:eu-west-1:000000000000:table/Events/stream/2026-11-24T00:00:00.000"
	stream2 watch.Stream = "arn:aws:dynamodb:eu-west-1:000000000000:table/Events/stream/2026-11-25T00:00:00.000"
)

// writes makes n writes of one topic; the i-th has id i and position 1000+i.
func writes(n int) []watch.Write {
	all := make([]watch.Write, n)
	for i := range all {
		all[i] = watch.Write{
			Topic: "a/b", ID: fmt.Sprint(i), Op: events.Added, Time: time.Unix(int64(i), 0),
			Data: []byte("{\"no character\":\"\uffff\"}"), Position: watch.Position(fmt.Sprint(1000 + i)),
			Lapse: []grant.Lapse{"", grant.Renewed, grant.Ended, grant.AlreadyEnded}[i%4],
		}
	}
	return all
}

func newLog() *memoryLog { return &memoryLog{rows: map[int64]watch.Entry{}} }

// mustNumber numbers and gives id=seq for each entry.
func mustNumber(t *testing.T, log watch.Log, stream watch.Stream, writes []watch.Write) string {
	t.Helper()
	numbered, err := watch.Numberer{Log: log}.Number(t.Context(), stream, writes)
	entries := numbered.Entries
	if err != nil {
		t.Fatal(err)
	}
	var numbers []string
	for _, e := range entries {
		numbers = append(numbers, fmt.Sprintf("%s=%d", e.ID, e.Seq))
	}
	return strings.Join(numbers, " ")
}

func TestNumberKeepsNumbers(t *testing.T) {
	all := writes(6)
	backwards := slices.Clone(all[:4])
	slices.Reverse(backwards)
	for name, batches := range map[string][]struct {
		writes []watch.Write
		want   string
	}{
		"redelivered":     {{all[:3], "0=1 1=2 2=3"}, {all[:3], "0=1 1=2 2=3"}, {all[3:5], "3=4 4=5"}},
		"bisected":        {{all[:2], "0=1 1=2"}, {all[2:4], "2=3 3=4"}, {all[:1], "0=1"}, {all[1:2], "1=2"}},
		"re-sliced":       {{all[:3], "0=1 1=2 2=3"}, {all[1:5], "1=2 2=3 3=4 4=5"}, {all[4:], "4=5 5=6"}},
		"late":            {{all[3:5], "3=1 4=2"}, {all[:2], "0=3 1=4"}, {all[2:3], "2=5"}},
		"late and known":  {{all[3:5], "3=1 4=2"}, {all[:5], "3=1 4=2 0=3 1=4 2=5"}, {all[:6], "3=1 4=2 0=3 1=4 2=5 5=6"}},
		"late, then late": {{all[5:], "5=1"}, {all[2:3], "2=2"}, {all[:4], "2=2 0=3 1=4 3=5"}, {all[2:3], "2=2"}},
		"out of order":    {{backwards, "0=1 1=2 2=3 3=4"}},
		"twice in one":    {{append(slices.Clone(all[:2]), all[:2]...), "0=1 1=2"}},
	} {
		t.Run(name, func(t *testing.T) {
			log := newLog()
			for i, b := range batches {
				if got := mustNumber(t, log, stream1, b.writes); got != b.want {
					t.Errorf("batch %d is numbered %s, want %s", i, got, b.want)
				}
			}
			if ids, dense := log.ids(); !dense {
				t.Errorf("log %v is not dense", ids)
			}
		})
	}
}

func TestNumberReadsNoLogWhenInOrder(t *testing.T) {
	log := newLog()
	mustNumber(t, log, stream1, writes(3))
	mustNumber(t, log, stream1, writes(6)[3:])
	if log.reads != 0 || log.appends != 2 {
		t.Errorf("%d log reads and %d appends, want none and 2", log.reads, log.appends)
	}
}

func TestNumberReadsBackNoFurtherThanNeeded(t *testing.T) {
	log := newLog()
	all := writes(2_000)
	mustNumber(t, log, stream1, all)
	mustNumber(t, log, stream1, all[1_990:])
	if log.reads != 1 {
		t.Errorf("a batch of the last ten took %d reads of the log, want 1", log.reads)
	}
	known := all[989] // 1,011 entries back
	log.reads = 0
	mustNumber(t, log, stream1, []watch.Write{known})
	if log.reads > 11 {
		t.Errorf("a write 1,011 back took %d reads of 99 entries, want at most 11", log.reads)
	}
}

// beginningAnew is a log in which something happens just before it is read backwards.
type beginningAnew struct {
	*memoryLog
	happens func()
}

func (l *beginningAnew) Before(ctx context.Context, topic events.Topic, seq int64, limit int) ([]watch.Entry, error) {
	if happens := l.happens; happens != nil {
		l.happens = nil
		happens()
	}
	return l.memoryLog.Before(ctx, topic, seq, limit)
}

// TestNumberTakesNoRowOfAnotherEpoch: the topic begins anew between the reads of the head and of the
// log. The new stream has the same positions, and its rows are in the place of those before.
func TestNumberTakesNoRowOfAnotherEpoch(t *testing.T) {
	for again, want := range map[int]error{1: nil, 3: watch.ErrStaleStream} {
		log, all := newLog(), writes(3)
		mustNumber(t, log, stream1, all)
		epoch := log.head.Epoch
		anew := &beginningAnew{log, func() { mustNumber(t, log, stream2, all[3-again:]) }}
		numbered, err := watch.Numberer{Log: anew}.Number(t.Context(), stream1, all[2:])
		if !errors.Is(err, want) {
			t.Errorf("%d numbered anew: %v, want %v", again, err, want)
		}
		if err == nil && (len(numbered.Entries) != 1 || numbered.Entries[0].Cursor() != (events.Cursor{Epoch: epoch, Seq: 3})) {
			t.Errorf("%d numbered anew: %+v, want the third of epoch %s", again, numbered.Entries, epoch)
		}
	}
}

// TestNumberLooksBeyondLateWrites redelivers a write that was numbered before more
// late ones than one read of the log gives.
func TestNumberLooksBeyondLateWrites(t *testing.T) {
	log, all := newLog(), writes(300)
	mustNumber(t, log, stream1, all[299:])
	for _, late := range all[:150] {
		mustNumber(t, log, stream1, []watch.Write{late})
	}
	if got := mustNumber(t, log, stream1, all[299:]); got != "299=1" {
		t.Errorf("redelivered as %s, want its number 1", got)
	}
}

func TestNumberCutsLargeBatches(t *testing.T) {
	log := newLog()
	all := writes(250)
	for i := range all[:40] {
		all[i].Data = []byte(`"` + strings.Repeat("x", 120_000) + `"`)
	}
	numbered, err := watch.Numberer{Log: log}.Number(t.Context(), stream1, all)
	entries := numbered.Entries
	if err != nil || len(entries) != 250 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	if _, dense := log.ids(); !dense || log.appends != 43 {
		t.Errorf("dense %v after %d appends, want true after 43: each large one alone, and 99 at most", dense, log.appends)
	}
}

func TestNumberLeavesLargeDataOut(t *testing.T) {
	w := writes(1)
	w[0].Data = []byte(`"` + strings.Repeat("x", events.MaxDataBytes) + `"`)
	numbered, err := watch.Numberer{Log: newLog()}.Number(t.Context(), stream1, w)
	entries := numbered.Entries
	if err != nil || !entries[0].Large || entries[0].Data != nil {
		t.Errorf("entry is large %v with %d bytes of data, %v", entries[0].Large, len(entries[0].Data), err)
	}
}

func TestNewStreamIsNewEpoch(t *testing.T) {
	log := newLog()
	mustNumber(t, log, stream1, writes(5))
	before := log.head
	if got := mustNumber(t, log, stream2, writes(2)); got != "0=1 1=2" {
		t.Errorf("the same positions in a later stream are numbered %s", got)
	}
	if log.head.Epoch == before.Epoch || log.head.Stream != stream2 {
		t.Errorf("head is %+v after %+v, want another epoch", log.head, before)
	}
	if got := mustNumber(t, log, stream2, writes(3)); got != "0=1 1=2 2=3" {
		t.Errorf("redelivered in the new epoch: %s", got)
	}
	_, err := watch.Numberer{Log: log}.Number(t.Context(), stream1, writes(6)[5:])
	if !errors.Is(err, watch.ErrStaleStream) {
		t.Errorf("a write of the earlier stream: %v, want ErrStaleStream", err)
	}
	if ids, dense := log.ids(); !dense || len(ids) != 3 {
		t.Errorf("log %v, dense %v", ids, dense)
	}
}

func TestRacingFanoutsNumberEachWriteOnce(t *testing.T) {
	log := newLog()
	all := writes(300)
	var racers sync.WaitGroup
	for racer := range 4 {
		racers.Go(func() {
			for from := 0; from < len(all); from += 10 + racer {
				batch := all[from:min(from+10+racer, len(all))]
				if _, err := (watch.Numberer{Log: log}).Number(context.Background(), stream1, batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	racers.Wait()
	ids, dense := log.ids()
	slices.Sort(ids)
	if !dense || len(ids) != 300 || len(slices.Compact(ids)) != 300 {
		t.Errorf("%d entries, dense %v, want each of 300 writes once", len(ids), dense)
	}
}

// TestNumberProperty delivers writes in every disorder that at-least-once delivery
// allows, with appends failing before and after they are carried out.
func TestNumberProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log, all := newLog(), writes(rapid.IntRange(1, 40).Draw(t, "writes"))
		log.fail = func(when string) error {
			if rapid.IntRange(0, 5).Draw(t, "fails "+when) == 0 {
				return errors.New("fails " + when)
			}
			return nil
		}
		numbers := map[string]int64{}
		deliver := func(batch []watch.Write) bool {
			numbered, err := watch.Numberer{Log: log}.Number(context.Background(), stream1, batch)
			entries := numbered.Entries
			if err != nil {
				return false
			}
			for _, e := range entries {
				if n, ok := numbers[e.ID]; ok && n != e.Seq {
					t.Fatalf("%s was numbered %d and then %d", e.ID, n, e.Seq)
				}
				numbers[e.ID] = e.Seq
				w := all[slices.IndexFunc(all, func(w watch.Write) bool { return w.ID == e.ID })]
				if e.Lapse != w.Lapse || !bytes.Equal(e.Data, w.Data) || !time.Time(e.Time).Equal(w.Time) {
					t.Fatalf("%+v was numbered as %+v", w, e)
				}
			}
			return len(entries) == len(batch)
		}
		for range rapid.IntRange(0, 12).Draw(t, "stray batches") {
			from := rapid.IntRange(0, len(all)-1).Draw(t, "from")
			deliver(all[from:rapid.IntRange(from+1, len(all)).Draw(t, "to")])
		}
		for _, w := range all {
			for attempt := 0; !deliver([]watch.Write{w}); attempt++ {
				if attempt > 1_000 { // appends fail at random, but not that often
					t.Fatalf("%s is never numbered", w.ID)
				}
			}
		}
		ids, dense := log.ids()
		if !dense || len(ids) != len(all) || len(numbers) != len(all) {
			t.Fatalf("log has %d entries, dense %v, for %d writes", len(ids), dense, len(all))
		}
	})
}

func TestPositionCompare(t *testing.T) {
	ordered := []watch.Position{"", "1", "9", "10", "0011", "99", "100000000000000000000000000000000000001"}
	for i, p := range ordered {
		for j, q := range ordered {
			if got := p.Compare(q); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%q.Compare(%q) = %d", p, q, got)
			}
		}
	}
}
