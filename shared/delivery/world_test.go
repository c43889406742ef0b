package delivery_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/watch"
)

// world is a deployment in a bubble of package testing/synctest: real tables on the embedded engine,
// a FIFO queue, a destination that does as the test says, and time that passes at once.
type world struct {
	t         testing.TB
	db        *dynamotest.Database
	store     *dynamo.Store
	fanout    watch.Fanout
	deliverer delivery.Deliverer
	waker     delivery.Waker
	registrar delivery.Registrar
	owner     watch.Viewer
	random    *rand.Rand
	writes    int

	mu sync.Mutex // of what Send uses: fan-out wakes several destinations at once
	// queue holds the messages that wait. ids are those that the queue has seen, and when.
	queue []message
	ids   map[string]time.Time
	// faults
	loses      float64 // share of sends to the queue that fail
	dies       float64 // share of deliveries that are killed before they end
	twice      float64 // share of messages that come twice
	refusal    error   // of a challenge
	challenges int
	sweeps     time.Duration // between two sweeps
	answer     func(delivery.Message) error
	failed     error              // the last of a delivery
	sent       []delivery.Message // each attempt
	taken      []delivery.Message // those that were answered well
	attempted  []time.Time        // when each attempt was made

	registered []string // the ids of all destinations that there have been
}

type message struct {
	ref delivery.Ref
	id  string
}

func newWorld(t testing.TB, seed uint64) *world {
	db := dynamotest.StartInside(t)
	store := db.Store()
	w := &world{t: t, db: db, store: store, random: rand.New(rand.NewPCG(seed, 1)), ids: map[string]time.Time{}, sweeps: time.Minute,
		answer: func(delivery.Message) error { return nil }}
	secret := []byte(strings.Repeat("s", seal.MinSecretBytes))
	topics := watch.Topics{
		Store: store, Sealer: seal.New(func(context.Context) ([][]byte, error) { return [][]byte{secret}, nil }),
		Limits: watch.Limits{SnapshotItems: 1000},
	}
	w.waker = delivery.Waker{Store: store, Queue: w}
	w.deliverer = delivery.Deliverer{Store: mortal{store, w}, Topics: topics, Revocations: store, Sender: sender{w}, Queue: w, Logger: slog.New(slog.DiscardHandler), Time: time.Minute}
	w.fanout = watch.Fanout{Numberer: watch.Numberer{Log: store}, Pusher: watch.Pusher{Subscribers: store, Waker: w.waker}, PushTime: time.Minute}
	w.registrar = delivery.Registrar{Registry: store, Queue: w, Check: func(string) error { return nil }, Most: 3}
	w.owner = watch.Viewer{Key: watch.Key{Subject: "alice"}, Access: watch.Access{Grant: allowing(t, `{"v":1,"allow":[{"topics":["**"],"actions":["deliver"]}]}`), Issued: time.Now()}}
	return w
}

func allowing(t testing.TB, claim string) grant.Grant {
	g, err := grant.Parse([]byte(claim), "alice")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// destination registers one for a topic or a pattern.
func (w *world) destination(topic events.Topic, change ...func(*delivery.Destination)) delivery.Destination {
	w.t.Helper()
	wanted := delivery.Destination{URL: "https://example.com/hook"}
	wanted.Query.Topic = topic
	for _, c := range change {
		c(&wanted)
	}
	d, err := w.registrar.Create(w.t.Context(), w.owner, wanted)
	if err != nil {
		w.t.Fatal(err)
	}
	w.registered = append(w.registered, d.ID)
	return d
}

// errQueue is a queue that does not take a message.
var errQueue = errors.New("queue is throttled")

// Send is that of delivery.Queue. SQS drops an id that it has seen within five minutes.
func (w *world) Send(_ context.Context, ref delivery.Ref, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.random.Float64() < w.loses {
		return errQueue
	}
	if at, seen := w.ids[id]; seen && time.Since(at) < 5*time.Minute {
		return nil
	}
	w.ids[id] = time.Now()
	w.queue = append(w.queue, message{ref, id})
	return nil
}

// sender is the way to the destination.
type sender struct{ *world }

func (s sender) Send(_ context.Context, _ delivery.Destination, m delivery.Message) error {
	s.sent = append(s.sent, m)
	s.attempted = append(s.attempted, time.Now())
	err := s.answer(m)
	if err == nil {
		s.taken = append(s.taken, m)
	}
	return err
}

func (s sender) Challenge(context.Context, delivery.Destination) error {
	s.challenges++
	return s.refusal
}

// errKilled ends a delivery as if its process had been killed.
var errKilled = errors.New("killed")

// mortal is a store whose caller may die before or after any write.
type mortal struct {
	delivery.Store
	w *world
}

func (m mortal) die() error {
	if m.w.random.Float64() < m.w.dies {
		return errKilled
	}
	return nil
}

func (m mortal) Try(ctx context.Context, s delivery.Standing) error {
	return errors.Join(m.die(), m.Store.Try(ctx, s), m.die())
}

func (m mortal) Move(ctx context.Context, s delivery.Standing, to watch.Place, asleep bool, last delivery.Result) error {
	if err := m.die(); err != nil {
		return err
	}
	return errors.Join(m.Store.Move(ctx, s, to, asleep, last), m.die())
}

func (m mortal) Fail(ctx context.Context, s delivery.Standing) error {
	if err := m.die(); err != nil {
		return err
	}
	return errors.Join(m.Store.Fail(ctx, s), m.die())
}

// write writes an item and takes it through fan-out, which gets it again until it has woken all.
func (w *world) write(topic events.Topic, id, data string) {
	w.t.Helper()
	w.writes++
	write := watch.Write{Topic: topic, ID: id, Op: events.Added, Time: time.Now(), Data: []byte(data), Position: watch.Position(fmt.Sprint(w.writes))}
	for attempt := 0; ; attempt++ {
		outcome := w.fanout.Deliver(w.t.Context(), "arn:aws:dynamodb:::table/Events/stream/2026-11-26T00:00:00.000", []watch.Write{write})
		if len(outcome.Failed) == 0 && len(outcome.Stale) == 0 {
			return
		}
		if attempt > 50 {
			w.t.Fatalf("fan-out: %+v", outcome)
		}
	}
}

// step delivers one waiting message, any but only the first of its standing.
func (w *world) step() bool {
	if len(w.queue) == 0 {
		return false
	}
	i := w.random.IntN(len(w.queue))
	first := slices.IndexFunc(w.queue, func(m message) bool { return m.ref == w.queue[i].ref })
	m := w.queue[first]
	err := w.deliverer.Deliver(w.t.Context(), m.ref)
	w.failed = cmp.Or(err, w.failed)
	if err == nil && w.random.Float64() >= w.twice {
		w.queue = slices.Delete(w.queue, first, first+1)
	}
	return true
}

// pass lets time pass, with sweeps and deliveries between.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	for end := time.Now().Add(d); ; {
		for steps := 0; w.step(); steps++ {
			if steps > 10_000 {
				w.t.Fatalf("the queue does not become empty: %v", w.failed)
			}
		}
		w.operatorsKnow()
		if !time.Now().Before(end) {
			return
		}
		time.Sleep(w.sweeps)
		if _, err := w.waker.Sweep(w.t.Context()); err != nil && !errors.Is(err, errQueue) {
			w.t.Fatal(err)
		}
	}
}

// operatorsKnow holds what operators are told to what is so: of each topic that is tried again, of each
// destination that is disabled, and of nothing else.
func (w *world) operatorsKnow() {
	w.t.Helper()
	for _, id := range w.registered {
		var want, got []string
		restarted := map[string]bool{}
		if d, err := w.store.Destination(w.t.Context(), id); err == nil && d.Disabled != "" {
			want = append(want, fmt.Sprintf("%s disabled %s 0", events.WholeDestination, d.Disabled))
		}
		standings, _, err := w.store.Standings(w.t.Context(), id, "", 100)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, s := range standings {
			if s.Failures > 0 && !s.Told {
				w.t.Errorf("operators are not told of %s", s.Topic)
			}
			if s.Told && s.Failures == 0 {
				restarted[string(s.Topic)] = true // and they are told more when it has been tried
			} else if s.Told {
				want = append(want, fmt.Sprintf("%s retrying  %d", s.Topic, s.Failures))
			}
		}
		rows, _, err := w.store.Page(w.t.Context(), delivery.Notices(id), "", 100)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, row := range rows {
			var told events.DestinationNotice
			if err := json.Unmarshal(row.Data, &told); err != nil {
				w.t.Fatal(err)
			}
			if restarted[row.ID] {
				continue
			}
			got = append(got, fmt.Sprintf("%s %s %s %d", row.ID, told.State, told.Reason, told.Failures))
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			w.t.Errorf("operators are told %q, want %q", got, want)
		}
	}
}

// due counts the standings that the sweep still has to look at.
func (w *world) due() (n int) {
	w.t.Helper()
	for part := range delivery.Parts {
		refs, err := w.store.Due(w.t.Context(), part, time.Now().Add(365*24*time.Hour), 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, ref := range refs {
			if ref.Topic != "" {
				n++
			}
		}
	}
	return n
}

// order reports what breaks a promise in what was taken of a topic: each change from the first on,
// in order, where a change may come again, and the same message with each id.
func (w *world) order(topic events.Topic, last int64) {
	w.t.Helper()
	next := int64(1)
	for _, m := range w.taken {
		if m.Ref.Topic != topic {
			continue
		}
		if m.Reset != nil || m.Items != nil {
			w.t.Errorf("%s was reset: %+v", topic, m)
		}
		for _, c := range m.Changes {
			if c.Seq > next {
				w.t.Errorf("%s: change %d comes after %d", topic, c.Seq, next-1)
			}
			next = max(next, c.Cursor().Seq+1)
		}
	}
	if next != last+1 {
		w.t.Errorf("%s was delivered up to %d of %d", topic, next-1, last)
	}
	same := map[string]string{}
	for _, m := range w.sent {
		body, _ := events.Marshal(m.Changes)
		if was, ok := same[m.ID]; ok && was != string(body) {
			w.t.Errorf("message %s was first %s and then %s", m.ID, was, body)
		}
		same[m.ID] = string(body)
	}
}
