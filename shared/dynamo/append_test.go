package dynamo_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// TestCostOfAnAppend: a single change takes no transaction, which would cost twice as much.
func TestCostOfAnAppend(t *testing.T) {
	d := dynamotest.Start(t)
	s, head := d.Store(), watch.Head{}
	for _, c := range []struct {
		what   string
		seqs   []int64
		writes float64
	}{
		{"the first change of a topic", []int64{1}, 2},
		{"one change", []int64{2}, 2},
		{"two changes", []int64{3, 4}, 6},
		{"one more", []int64{5}, 2},
	} {
		d.Engine.ResetUsage()
		to := headAt(c.seqs[len(c.seqs)-1])
		if err := s.Append(t.Context(), "a", head, to, entries("a", c.seqs...)); err != nil {
			t.Fatal(err)
		}
		if _, writes := d.Units(); writes != c.writes {
			t.Errorf("%s: %v write units, want %v", c.what, writes, c.writes)
		}
		head = to
	}
}

// TestARowBeyondTheHead: whoever finds one moves the head to it, unless it is of an earlier epoch, or
// so old that it may vanish. Then it is replaced.
func TestARowBeyondTheHead(t *testing.T) {
	for name, c := range map[string]struct {
		epoch   string
		ends    time.Duration
		settled bool
	}{
		"broken off":           {"e", time.Hour, true},
		"of an earlier epoch":  {"d", time.Hour, false},
		"whose time has ended": {"e", -time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := dynamotest.Start(t)
			s := d.Store()
			if err := s.Append(t.Context(), "a", watch.Head{}, headAt(1), entries("a", 1)); err != nil {
				t.Fatal(err)
			}
			other := entries("a", 2)[0]
			other.ID, other.Epoch, other.Position, other.High = "other", c.epoch, "1500", "1500"
			beyond := d.Store()
			beyond.Retention = c.ends
			head := headAt(1)
			head.Lanes = 4 // which it has not, so the head stays
			if err := beyond.Append(t.Context(), "a", head, headAt(2), []watch.Entry{other}); !errors.Is(err, watch.ErrConflict) {
				t.Fatalf("moves the head of other lanes: %v", err)
			}
			if head, err := s.Head(t.Context(), "a"); err != nil || head != headAt(1) {
				t.Fatalf("head %+v, %v", head, err)
			}
			err := s.Append(t.Context(), "a", headAt(1), headAt(2), entries("a", 2))
			head, _ = s.Head(t.Context(), "a")
			log, _ := s.Since(t.Context(), "a", 1, 2)
			switch {
			case len(log) != 1:
				t.Errorf("log %+v", log)
			case c.settled && (!errors.Is(err, watch.ErrConflict) || head.Seq != 2 || head.Position != "1500" || log[0].ID != "other"):
				t.Errorf("%v, head %+v, log %+v, want the other one and a conflict", err, head, log)
			case !c.settled && (err != nil || head != headAt(2) || log[0].ID != "2" || log[0].Epoch != "e"):
				t.Errorf("%v, head %+v, log %+v, want it to be replaced", err, head, log)
			}
		})
	}
}

// mortal is the network of a function that ends in the middle of its work: after so many calls, the
// last one of which is carried out or not.
type mortal struct {
	http.Client
	calls int
	heard bool // the last call is carried out
}

var errDead = errors.New("the function has ended")

func (m *mortal) Do(r *http.Request) (*http.Response, error) {
	m.calls--
	if m.calls < 0 || m.calls == 0 && !m.heard {
		return nil, errDead
	}
	resp, err := m.Client.Do(r)
	if err == nil && m.calls == 0 {
		_ = resp.Body.Close()
		return nil, errDead
	}
	return resp, err
}

// race are fan-outs that number changes of one topic at the same time, and readers of its log.
type race struct {
	*rapid.T
	*concurrent
	topic    events.Topic
	networks []*mortal
	mu       sync.Mutex
	numbers  map[string]int64  // by epoch and position, as they were told
	rows     map[string]string // what has a number, as it was read
}

// number has the nth fan-out number a batch, as far as it comes.
func (r *race) number(n int, stream watch.Stream, batch []watch.Write) error {
	numbered, err := watch.Numberer{Log: r.stores[n]}.Number(r.Context(), stream, in(stream, batch))
	if err != nil {
		return err
	}
	for _, e := range numbered.Entries {
		r.note(e)
		if e.Seq > numbered.Head.Seq {
			r.Errorf("%d is told beyond the head %+v", e.Seq, numbered.Head)
		}
	}
	if len(numbered.Entries) != len(batch) {
		r.Errorf("%d changes are numbered of %d", len(numbered.Entries), len(batch))
	}
	return nil
}

// in gives writes positions of a stream, which no other stream has.
func in(stream watch.Stream, batch []watch.Write) []watch.Write {
	batch = slices.Clone(batch)
	for i := range batch {
		batch[i].Position = watch.Position(fmt.Sprint(len(stream))) + batch[i].Position
	}
	return batch
}

// note demands that a change keeps its number, and a number its change.
func (r *race) note(e watch.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change := e.Epoch + " " + string(e.Position)
	if seq, ok := r.numbers[change]; ok && seq != e.Seq {
		r.Errorf("%s was numbered %d and then %d", change, seq, e.Seq)
	}
	r.numbers[change] = e.Seq
	row, at := fmt.Sprint(e), e.Cursor().String()
	if was, ok := r.rows[at]; ok && was != row {
		r.Errorf("%s was\n%s and is\n%s", at, was, row)
	}
	r.rows[at] = row
}

// read reads the log as a watcher does that comes back: up to the head.
func (r *race) read(s *dynamo.Store) watch.Head {
	head, err := s.Head(r.Context(), r.topic)
	if err != nil {
		r.Error(err)
	}
	if head.Seq == 0 {
		return head
	}
	log, err := s.Since(r.Context(), r.topic, 0, head.Seq)
	if err != nil {
		r.Error(err)
	}
	for i, e := range log {
		if e.Epoch != head.Epoch {
			return head // which is another by now
		}
		if e.Seq != int64(i+1) {
			r.Errorf("there is no row %d in %+v", i+1, log)
		}
		r.note(e)
	}
	if int64(len(log)) != head.Seq {
		r.Errorf("the log has %d rows up to the head %+v", len(log), head)
	}
	return head
}

// widen doubles a topic's lanes.
func (r *race) widen(s *dynamo.Store) {
	head, err := s.Head(r.Context(), r.topic)
	if err != nil || head.Epoch == "" {
		return
	}
	added := slices.Repeat([]watch.Progress{{Cursor: head.Cursor}}, max(1, head.Lanes))
	if err := s.Widen(r.Context(), r.topic, head, added); err != nil && !errors.Is(err, watch.ErrConflict) {
		r.Error(err)
	}
}

// TestNumbersWhileFunctionsRaceAndEnd: fan-outs number the same changes at the same time, in batches of
// one and of several, and end between two calls or before they hear of what they did. Lanes double, and
// the table gets another stream. Numbers have no holes, each stays with its change, and whoever reads
// up to the head finds them all, at any time.
func TestNumbersWhileFunctionsRaceAndEnd(t *testing.T) {
	fewerChecks(t)
	const fanouts = 3
	c := newConcurrent(t, fanouts+2)
	server := httptest.NewServer(c.wrap(c.Engine.Service()))
	t.Cleanup(server.Close)
	networks := make([]*mortal, fanouts)
	for n := range networks {
		networks[n] = &mortal{}
		cfg := c.Config
		cfg.BaseEndpoint, cfg.HTTPClient, cfg.RetryMaxAttempts = aws.String(server.URL+"/"+strconv.Itoa(n)), networks[n], 1
		c.stores[n] = dynamo.Open(cfg, dynamotest.Tables)
	}
	ended, round := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		r := &race{T: t, concurrent: c, networks: networks, topic: events.Topic(fmt.Sprint("t", round)), numbers: map[string]int64{}, rows: map[string]string{}}
		all := make([]watch.Write, rapid.IntRange(1, 8).Draw(t, "writes"))
		for i := range all {
			all[i] = watch.Write{Topic: r.topic, ID: fmt.Sprint(i), Op: events.Added, Time: time.UnixMilli(1), Data: []byte(`{"n":1}`), Position: watch.Position(fmt.Sprint(1000 + i))}
		}
		streams := []watch.Stream{stream}
		if rapid.IntRange(0, 3).Draw(t, "streams") == 0 {
			streams = append(streams, stream+"+")
		}
		last := streams[len(streams)-1]
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			var clients []func()
			for n := range fanouts {
				networks[n].calls, networks[n].heard = rapid.IntRange(1, 12).Draw(t, "calls"), rapid.Bool().Draw(t, "heard")
				from := rapid.IntRange(0, len(all)-1).Draw(t, "from")
				batch := all[from:min(len(all), from+rapid.SampledFrom([]int{1, 1, 1, 2, 4}).Draw(t, "batch"))]
				of := rapid.SampledFrom(streams).Draw(t, "stream")
				clients = append(clients, func() {
					if err := r.number(n, of, batch); err != nil && !errors.Is(err, watch.ErrStaleStream) && !errors.Is(err, errDead) {
						t.Error(err)
					}
				})
			}
			clients = append(clients, func() { r.read(c.stores[fanouts]); r.read(c.stores[fanouts]) })
			if rapid.IntRange(0, 2).Draw(t, "widen") == 0 {
				clients = append(clients, func() { r.widen(c.stores[fanouts+1]) })
			}
			order := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order of calls"), 0)) // a draw may panic, which run cannot bear
			c.run(clients, func(waiting []string) string { return waiting[order.IntN(len(waiting))] })
			for _, network := range networks {
				if network.calls <= 0 {
					ended++
				}
			}
		}
		s := c.Store()
		for _, w := range all { // they come again until they are numbered
			numbered, err := watch.Numberer{Log: s}.Number(t.Context(), last, in(last, []watch.Write{w}))
			if err != nil {
				t.Fatal(err)
			}
			r.note(numbered.Entries[0])
		}
		if head := r.read(s); head.Seq != int64(len(all)) || head.Position != in(last, all)[len(all)-1].Position {
			t.Errorf("head %+v after %d changes", head, len(all))
		}
	})
	if ended == 0 && !t.Failed() {
		t.Error("no function has ended in the middle of its work")
	}
}

// TestRowsOfAnEarlierEpochCostATransaction, and no more: they are replaced one by one.
func TestRowsOfAnEarlierEpochCostATransaction(t *testing.T) {
	d := dynamotest.Start(t)
	s := d.Store()
	if err := s.Append(t.Context(), "a", watch.Head{}, headAt(3), entries("a", 1, 2, 3)); err != nil {
		t.Fatal(err)
	}
	for seq := int64(1); seq <= 3; seq++ {
		write := watch.Write{Topic: "a", ID: "i", Op: events.Added, Data: []byte(`{}`), Position: watch.Position(strconv.FormatInt(2000+seq, 10))}
		numbered, err := watch.Numberer{Log: s}.Number(t.Context(), stream+"+", []watch.Write{write})
		if err != nil || numbered.Head.Seq != seq {
			t.Fatalf("%+v, %v", numbered, err)
		}
		out, err := d.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &dynamotest.Tables.Changes, Key: attributes{"topic": str("a"), "seq": number(fmt.Sprint(seq))}})
		if err != nil || fmt.Sprint(out.Item["epoch"]) != fmt.Sprint(str(numbered.Head.Epoch)) {
			t.Errorf("row %d is %v, %v", seq, out.Item, err)
		}
	}
}
