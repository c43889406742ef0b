package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/failure"
	"github.com/watchroute/watchroute/shared/watch"
)

const topic = "stocks/AAPL"

// recorded reads a batch as Lambda delivers it.
func recorded(t testing.TB) []dynamo.Record {
	t.Helper()
	data, err := os.ReadFile("testdata/batch.json")
	if err != nil {
		t.Fatal(err)
	}
	var batch dynamo.Batch
	if err := json.Unmarshal(data, &batch); err != nil {
		t.Fatal(err)
	}
	return batch.Records
}

// keys are those of an item, as a record has them.
func keys(topic, id string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"topic":{"S":%q},"id":{"S":%q}}`, topic, id))
}

// mailbox is where posts and refusals go instead of API Gateway and SQS.
type mailbox struct {
	mu      sync.Mutex
	frames  []string
	refused []string
	broken  error // what refusing answers
}

func (m *mailbox) Post(_ context.Context, _ watch.ConnectionID, frame watch.Frame) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frames = append(m.frames, string(frame.Body))
	return nil
}

func (m *mailbox) Close(context.Context, watch.ConnectionID) error { return nil }

func (m *mailbox) refuse(_ context.Context, record dynamo.Record, reason events.Code, _ string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	m.refused = append(m.refused, fmt.Sprintf("%s %s", record.Change.SequenceNumber, reason))
	return nil
}

// changes gives what was pushed since the last call.
func (m *mailbox) changes(t testing.TB) []events.Change {
	t.Helper()
	var all []events.Change
	for _, data := range m.frames {
		frame, err := events.Decode([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, frame.(*events.Changes).Changes...)
	}
	m.frames = nil
	return all
}

// fanout is a handler with one subscriber.
type fanout struct {
	handler
	*mailbox
	store *dynamo.Store
}

func newFanout(t testing.TB) fanout {
	t.Helper()
	store := dynamotest.Start(t).Store()
	c := watch.Connection{Key: watch.Key{Subject: "alice", ID: "c1"}, Connected: time.Now()}
	if err := store.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Subscribe(t.Context(), watch.Subscription{Key: c.Key, Topic: topic, Until: c.Ends()}); err != nil {
		t.Fatal(err)
	}
	m := &mailbox{}
	return fanout{handler: newHandler(store, m, nil, watch.Handover{}, m, slog.New(slog.DiscardHandler)), mailbox: m, store: store}
}

// deliver invokes the handler and gives id=seq of each change pushed.
func (f fanout) deliver(t testing.TB, records ...dynamo.Record) string {
	t.Helper()
	answer, err := f.handler.fanout(t.Context(), dynamo.Batch{Records: records})
	if err != nil || len(answer.BatchItemFailures) != 0 {
		t.Errorf("answer %+v, %v", answer, err)
	}
	var numbers []string
	for _, c := range f.changes(t) {
		numbers = append(numbers, fmt.Sprintf("%s=%d", c.ID, c.Seq))
	}
	return strings.Join(numbers, " ")
}

func TestRecordedBatchBecomesChanges(t *testing.T) {
	f := newFanout(t)
	if _, err := f.handler.fanout(t.Context(), dynamo.Batch{Records: recorded(t)}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range f.changes(t) {
		got = append(got, fmt.Sprintf("%d %s %s %s expired=%t", c.Seq, c.Op, c.ID, c.Data, c.Expired))
	}
	want := []string{
		`1 added quote {"price":150.75} expired=false`,
		`2 modified quote {"price":151} expired=false`,
		`3 added filing {"meta":{"by":null,"final":true},"pages":[1,2],"scan":"AQID","tags":["a",12345678901234567890.5],"text":"10-K"} expired=false`,
		`4 removed quote {"price":151} expired=false`,
		`5 removed filing {"text":"10-K"} expired=true`,
		`6 added quote {"price":9} expired=false`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("changes:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestDisorderKeepsNumbers delivers one recorded batch in the ways Lambda may.
func TestDisorderKeepsNumbers(t *testing.T) {
	r := recorded(t)
	const all = "quote=1 quote=2 filing=3 quote=4 filing=5 quote=6"
	t.Run("redelivered", func(t *testing.T) {
		f := newFanout(t)
		for range 3 {
			if got := f.deliver(t, r...); got != all {
				t.Errorf("pushed %s, want %s", got, all)
			}
		}
	})
	t.Run("bisected", func(t *testing.T) {
		f := newFanout(t)
		f.deliver(t, r...)
		if got := f.deliver(t, r[:3]...) + " " + f.deliver(t, r[3:]...); got != all {
			t.Errorf("pushed %s, want %s", got, all)
		}
	})
	t.Run("re-sliced", func(t *testing.T) {
		f := newFanout(t)
		f.deliver(t, r[:4]...)
		if got := f.deliver(t, r[2:]...); got != "filing=3 quote=4 filing=5 quote=6" {
			t.Errorf("pushed %s", got)
		}
	})
	t.Run("out of order", func(t *testing.T) {
		f := newFanout(t)
		late := f.deliver(t, r[3:]...) + "; " + f.deliver(t, r[:3]...) + "; " + f.deliver(t, r...)
		const want = "quote=1 filing=2 quote=3; quote=4 quote=5 filing=6; quote=1 filing=2 quote=3 quote=4 quote=5 filing=6"
		if late != want {
			t.Errorf("pushed %s\nwant   %s", late, want)
		}
	})
}

// meetingLog has the first two readers of the head wait for each other, so that both
// number from the same head.
type meetingLog struct {
	watch.Log
	reads *atomic.Int32
	met   chan struct{}
}

func (l meetingLog) Head(ctx context.Context, topic events.Topic) (watch.Head, error) {
	head, err := l.Log.Head(ctx, topic)
	switch l.reads.Add(1) {
	case 1:
		<-l.met
	case 2:
		close(l.met)
	}
	return head, err
}

func TestRacingFanoutsOnOneTopic(t *testing.T) {
	f := newFanout(t)
	records := recorded(t)
	f.deliver(t, records[:1]...) // the race is for a head that is there
	f.handler.deliverer.Numberer.Log = meetingLog{Log: f.store, reads: &atomic.Int32{}, met: make(chan struct{})}
	var racers sync.WaitGroup
	for _, batch := range [][]dynamo.Record{records[1:4], records[3:]} {
		racers.Go(func() {
			answer, err := f.handler.fanout(context.Background(), dynamo.Batch{Records: batch})
			if err != nil || len(answer.BatchItemFailures) > 0 {
				t.Errorf("answer %+v, %v", answer, err)
			}
		})
	}
	racers.Wait()
	head, err := f.store.Head(t.Context(), topic)
	if err != nil || head.Seq != int64(len(records)) {
		t.Fatalf("head is at %d, %v, want each of %d records numbered once", head.Seq, err, len(records))
	}
	log, err := f.store.Before(t.Context(), topic, head.Seq, len(records)+1)
	if err != nil {
		t.Fatal(err)
	}
	positions := map[watch.Position]bool{}
	for _, e := range log {
		positions[e.Position] = true
	}
	if len(log) != len(records) || len(positions) != len(records) {
		t.Errorf("log has %d entries of %d records", len(log), len(positions))
	}
	numbers := map[int64]string{}
	for _, c := range f.changes(t) {
		if id, ok := numbers[c.Seq]; ok && id != c.ID {
			t.Errorf("%d was pushed as %s and as %s", c.Seq, id, c.ID)
		}
		numbers[c.Seq] = c.ID
	}
}

func TestRecreatedTableIsANewEpoch(t *testing.T) {
	f := newFanout(t)
	records := recorded(t)
	f.deliver(t, records...)
	before, err := f.store.Head(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	recreated := recorded(t)
	for i := range recreated {
		recreated[i].EventSourceARN = strings.Replace(recreated[i].EventSourceARN, "2026-11-24", "2026-11-25", 1)
	}
	if got := f.deliver(t, recreated[:2]...); got != "quote=1 quote=2" {
		t.Errorf("the same positions in another stream are pushed as %s", got)
	}
	after, err := f.store.Head(t.Context(), topic)
	if err != nil || after.Epoch == before.Epoch {
		t.Errorf("epoch %s after %s, %v", after.Epoch, before.Epoch, err)
	}
	if got := f.deliver(t, records[:1]...); got != "" || len(f.refused) != 1 || !strings.HasSuffix(f.refused[0], "stale_stream") {
		t.Errorf("a record of the earlier stream: pushed %q, refused %v", got, f.refused)
	}
}

func TestPoisonIsRefused(t *testing.T) {
	f := newFanout(t)
	r := recorded(t)
	r[1].Change.Keys = keys("a//b", "quote")
	r[2].Change.Keys = json.RawMessage(`{"topic":{"S":"stocks/AAPL"},"id":{"N":"5"}}`)
	r[3].Change.OldImage = nil
	r[4].EventName = "EXPLODE"
	if got := f.deliver(t, r...); got != "quote=1 quote=2" {
		t.Errorf("neighbours are pushed as %s", got)
	}
	var reasons []string
	for _, refused := range f.refused {
		_, reason, _ := strings.Cut(refused, " ")
		reasons = append(reasons, reason)
	}
	if want := []string{"bad_topic", "bad_item", "bad_item", "bad_item"}; !slices.Equal(reasons, want) {
		t.Errorf("refused for %v, want %v", reasons, want)
	}
}

func TestWhatCannotBeRefusedComesAgain(t *testing.T) {
	f := newFanout(t)
	f.broken = errors.New("queue is down")
	r := recorded(t)
	r[1].Change.Keys = keys("a//b", "quote")
	r[1].Change.ApproximateCreationDateTime.Time = time.Now()
	answer, err := f.handler.fanout(t.Context(), dynamo.Batch{Records: r})
	if err != nil || len(answer.BatchItemFailures) != 1 || answer.BatchItemFailures[0].ItemIdentifier != r[1].Change.SequenceNumber {
		t.Errorf("answer %+v, %v, want the second record to come again", answer, err)
	}
}

// TestBrokenFailureQueueStopsNoShard has a queue that will never take the refusal, and one
// that has not taken it for long. The log has what the queue would have.
func TestBrokenFailureQueueStopsNoShard(t *testing.T) {
	for name, broken := range map[string]struct {
		err error
		age time.Duration
	}{
		"rejected":      {failure.ErrRejected, 0},
		"down for long": {errors.New("queue is down"), refusalPatience + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFanout(t)
			f.broken = broken.err
			var log bytes.Buffer
			f.logger = slog.New(slog.NewJSONHandler(&log, nil))
			r := recorded(t)
			r[1].Change.Keys = keys("a//b", "quote")
			r[1].Change.ApproximateCreationDateTime.Time = time.Now().Add(-broken.age)
			if got := f.deliver(t, r...); got != "quote=1 filing=2 quote=3 filing=4 quote=5" {
				t.Errorf("neighbours are pushed as %s", got)
			}
			for _, part := range []string{"given up", "a//b", r[1].Change.SequenceNumber, "bad_topic"} {
				if !strings.Contains(log.String(), part) {
					t.Errorf("log is without %q: %s", part, log.String())
				}
			}
		})
	}
}

func TestWhatCannotBeNumberedComesAgain(t *testing.T) {
	f := newFanout(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nothing can be read or written
	r := recorded(t)
	answer, err := f.handler.fanout(ctx, dynamo.Batch{Records: r})
	if err != nil || len(answer.BatchItemFailures) != len(r) {
		t.Errorf("answer %+v, %v, want all records to come again", answer, err)
	}
	if got := f.deliver(t, r...); got != "quote=1 quote=2 filing=3 quote=4 filing=5 quote=6" {
		t.Errorf("then pushed %s", got)
	}
}
