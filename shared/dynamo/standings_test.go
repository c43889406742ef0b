package dynamo_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/watch"
)

var standingRef = delivery.Ref{Destination: "dst_1", Topic: "a"}

func cursorAt(seq int64) events.Cursor { return events.Cursor{Epoch: "e", Seq: seq} }

// standings is a store with one standing, and the time.
type standings struct {
	*dynamo.Store
	t   *testing.T
	now time.Time
}

func newStandings(t *testing.T) standings {
	return standings{dynamotest.Start(t).Store(), t, time.UnixMilli(1_700_000_000_000)}
}

// mark marks the standing, and reports whether that needs a message.
func (s standings) mark(message string, seq int64) bool {
	s.t.Helper()
	marked, err := s.Mark(s.t.Context(), standingRef, message, cursorAt(seq), s.now.Add(time.Minute))
	if err != nil {
		s.t.Fatal(err)
	}
	return marked
}

func (s standings) begin() delivery.Standing {
	s.t.Helper()
	standing, err := s.Begin(s.t.Context(), standingRef, s.now.Add(time.Minute))
	if err != nil {
		s.t.Fatal(err)
	}
	return standing
}

// due has when the sweep looks at the standing, from now on; -1 for never.
func (s standings) due() time.Duration {
	s.t.Helper()
	for _, after := range []time.Duration{0, time.Minute, 2 * time.Minute, time.Hour} {
		for part := range delivery.Parts {
			refs, err := s.Due(s.t.Context(), part, s.now.Add(after), 10)
			if err != nil {
				s.t.Fatal(err)
			}
			if len(refs) == 1 && refs[0] == standingRef {
				return after
			}
		}
	}
	return -1
}

func (s standings) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestAMarkIsSetOnceUntilADeliveryBegins. The first one decides where the standing begins.
func TestAMarkIsSetOnceUntilADeliveryBegins(t *testing.T) {
	s := newStandings(t)
	if _, err := s.Begin(t.Context(), standingRef, s.now.Add(time.Minute)); !errors.Is(err, delivery.ErrUnknown) {
		t.Errorf("a standing that is not there: %v", err)
	}
	if !s.mark("m1", 3) || s.mark("m2", 4) || s.due() != time.Minute {
		t.Errorf("the first mark counts, and the second does not; it is due in %s", s.due())
	}
	s.must(s.Unmark(t.Context(), standingRef, "m2"))
	if s.mark("m3", 4) {
		t.Error("another message's mark is taken back")
	}
	s.must(s.Unmark(t.Context(), standingRef, "m1"))
	if !s.mark("m4", 4) {
		t.Error("the mark is not taken back")
	}
	if got := s.begin(); got.After != cursorAt(3) || got.Attempt != nil || got.Failures != 0 {
		t.Errorf("it begins as %+v", got)
	}
	if !s.mark("m5", 9) || s.begin().After != cursorAt(3) {
		t.Error("after a delivery has begun, a mark counts again and moves nothing")
	}
}

// TestAStandingFallsAsleepUnlessItIsMarked: what is marked stays due, wherever it moves.
func TestAStandingFallsAsleepUnlessItIsMarked(t *testing.T) {
	s := newStandings(t)
	s.mark("m1", 0)
	standing := s.begin()
	s.mark("m2", 0)
	s.must(s.Move(t.Context(), standing, watch.Place{After: cursorAt(1)}, true, delivery.Result{At: s.now}))
	if s.due() != time.Minute || s.mark("m3", 0) {
		t.Errorf("it was marked meanwhile, and is due in %s", s.due())
	}
	standing = s.begin()
	s.must(s.Move(t.Context(), standing, watch.Place{Items: true, Next: "next"}, false, delivery.Result{}))
	if s.due() != time.Minute {
		t.Errorf("there is more, and it is due in %s", s.due())
	}
	if again := s.begin(); !again.Items || again.Next != "next" || !again.Last.At.Equal(s.now) {
		t.Errorf("it stands at %+v", again)
	} else {
		standing = again
	}
	s.must(s.Move(t.Context(), standing, watch.Place{After: cursorAt(2)}, true, delivery.Result{}))
	if s.due() != -1 {
		t.Errorf("asleep it is due in %s", s.due())
	}
	if got := s.begin(); got.After != cursorAt(2) || got.Items || got.Next != "" {
		t.Errorf("it stands at %+v", got)
	}
}

// TestWhatIsOvertakenChangesNothing: by a restart, by a delivery that began later, and by removal.
func TestWhatIsOvertakenChangesNothing(t *testing.T) {
	for name, overtake := range map[string]func(standings){
		"a restart":        func(s standings) { s.must(s.Restart(t.Context(), standingRef, nil, "m2", s.now.Add(time.Hour))) },
		"another delivery": func(s standings) { s.begin() },
		"removal":          func(s standings) { s.must(s.Drop(t.Context(), standingRef)) },
	} {
		s := newStandings(t)
		s.mark("m1", 1)
		standing := s.begin()
		standing.Attempt, standing.Failures, standing.RetryAt = &delivery.Attempt{ID: "x", Until: cursorAt(2)}, 1, s.now
		overtake(s)
		for write, err := range map[string]error{
			"Try":  s.Try(t.Context(), standing),
			"Move": s.Move(t.Context(), standing, watch.Place{After: cursorAt(5)}, true, delivery.Result{At: s.now}),
			"Fail": s.Fail(t.Context(), standing),
			"Stop": s.Stop(t.Context(), standing),
		} {
			if !errors.Is(err, delivery.ErrOvertaken) {
				t.Errorf("%s after %s gives %v", write, name, err)
			}
		}
		if name == "removal" {
			if _, err := s.Begin(t.Context(), standingRef, s.now.Add(time.Minute)); !errors.Is(err, delivery.ErrUnknown) {
				t.Errorf("it is there again: %v", err)
			}
		} else if got := s.begin(); got.After != cursorAt(1) || got.Attempt != nil || got.Failures != 0 || !got.Last.At.IsZero() {
			t.Errorf("after %s it is %+v", name, got)
		}
	}
}

// TestAFailureKeepsTheAttemptUntilItsTime: nobody wakes the standing, and one sweep claims it then.
func TestAFailureKeepsTheAttemptUntilItsTime(t *testing.T) {
	s := newStandings(t)
	s.mark("m1", 1)
	standing := s.begin()
	standing.Attempt = &delivery.Attempt{ID: "msg_1", Until: cursorAt(2)}
	s.must(s.Try(t.Context(), standing))
	standing.Failures, standing.Since, standing.RetryAt = 3, s.now, s.now.Add(2*time.Minute)
	standing.Last = delivery.Result{At: s.now, Status: 503, Error: "answered 503"}
	s.must(s.Fail(t.Context(), standing))
	if s.mark("m2", 1) || s.due() != 2*time.Minute {
		t.Errorf("it is woken before its time, or due in %s", s.due())
	}
	claim := func(message string, at time.Duration) bool {
		claimed, err := s.Claim(t.Context(), standingRef, message, s.now.Add(at), s.now.Add(at+time.Minute))
		s.must(err)
		return claimed
	}
	if claim("m3", time.Minute) || !claim("m4", 2*time.Minute) || claim("m5", 2*time.Minute) {
		t.Error("one sweep claims it, when its time has come")
	}
	got := s.begin()
	if *got.Attempt != *standing.Attempt || got.Failures != 3 || !got.Since.Equal(s.now) || got.Last.Status != 503 || got.Last.Error != "answered 503" || !got.RetryAt.Equal(standing.RetryAt) {
		t.Errorf("it begins as %+v", got)
	}
	if told := notices(t, s.Store, "dst_1"); !strings.Contains(string(told["a"].Data), `"failures":3`) || !got.Told {
		t.Errorf("operators are told %v", told)
	}
	s.must(s.Stop(t.Context(), got))
	if s.due() != -1 || s.mark("m6", 1) || claim("m7", time.Hour) {
		t.Error("one that sleeps for good is woken")
	}
	s.must(s.Restart(t.Context(), standingRef, nil, "m8", s.now.Add(time.Minute)))
	if got := s.begin(); got.Attempt != nil || got.Failures != 0 || !got.RetryAt.IsZero() || !got.Since.IsZero() || got.After != cursorAt(1) || s.due() != time.Minute {
		t.Errorf("after a restart it is %+v", got)
	}
	if told := notices(t, s.Store, "dst_1"); len(told) != 1 {
		t.Errorf("it has not been tried again, and operators are told %v", told)
	}
	s.mark("m9", 1)
	s.must(s.Move(t.Context(), s.begin(), watch.Place{After: cursorAt(2)}, true, delivery.Result{At: s.now}))
	if told := notices(t, s.Store, "dst_1"); len(told) != 0 || s.begin().Told {
		t.Errorf("it has been taken, and operators are told %v", told)
	}
	if err := s.Restart(t.Context(), delivery.Ref{Destination: "dst_1", Topic: "none"}, nil, "m", s.now); !errors.Is(err, delivery.ErrUnknown) {
		t.Errorf("a restart where it is, of one that is nowhere: %v", err)
	}
}

// post is the queue of the test below.
type post struct {
	mu      sync.Mutex
	waiting []string
}

func (p *post) send(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, id)
}

func (p *post) receive() (id string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		return "", false
	}
	id, p.waiting = p.waiting[0], p.waiting[1:]
	return id, true
}

// TestNoChangeIsForgotten, whatever several fan-outs, deliveries, sweeps and owners do at the same
// time to one standing: if there are changes behind it, the sweep looks at it. Deliveries are killed,
// sends fail, the queue gives messages up, and it does not even keep two deliveries apart.
func TestNoChangeIsForgotten(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 4
	}
	for round := range rounds {
		s := newStandings(t)
		var head, messages, moved atomic.Int64
		queue := &post{}
		message := func() string { return fmt.Sprint("m", messages.Add(1)) }
		const steps = 40
		var others, deliverers sync.WaitGroup
		var ended atomic.Bool // all but the deliveries
		actor := func(group *sync.WaitGroup, n int, act func(r *rand.Rand) error) {
			group.Go(func() {
				r := rand.New(rand.NewPCG(uint64(round), uint64(n)))
				for step := 0; step < steps || group == &deliverers && !ended.Load(); step++ {
					if err := act(r); err != nil && !errors.Is(err, delivery.ErrOvertaken) && !errors.Is(err, delivery.ErrUnknown) {
						t.Error(err)
					}
				}
			})
		}
		send := func(r *rand.Rand, id string) error {
			if r.IntN(4) > 0 {
				queue.send(id)
				return nil
			}
			return errors.Join(s.Unmark(t.Context(), standingRef, id), errSend)
		}
		for n := range 2 {
			actor(&others, n, func(r *rand.Rand) error { // fan-out, whose records come again after an error
				before := head.Add(1) - 1
				for {
					id := message()
					marked, err := s.Mark(t.Context(), standingRef, id, cursorAt(before), s.now.Add(time.Minute))
					if err != nil || !marked {
						return err
					}
					if err := send(r, id); !errors.Is(err, errSend) {
						return err
					}
				}
			})
		}
		for n := range 3 {
			actor(&deliverers, 10+n, func(r *rand.Rand) error { // a delivery
				id, ok := queue.receive()
				if !ok {
					runtime.Gosched()
					return nil
				}
				if r.IntN(5) == 0 { // the queue has given it up
					return nil
				}
				standing, err := s.Begin(t.Context(), standingRef, s.now.Add(time.Minute))
				if err != nil {
					return err
				}
				if r.IntN(4) == 0 { // it is killed
					queue.send(id)
					return nil
				}
				until := head.Load()
				if r.IntN(3) == 0 {
					standing.Failures, standing.RetryAt = 1, s.now.Add(time.Minute)
					return s.Fail(t.Context(), standing)
				}
				err = s.Move(t.Context(), standing, watch.Place{After: cursorAt(until)}, true, delivery.Result{At: s.now})
				if err == nil {
					moved.Add(1)
				}
				return err
			})
		}
		actor(&others, 20, func(r *rand.Rand) error { // the sweep
			id := message()
			claimed, err := s.Claim(t.Context(), standingRef, id, s.now.Add(time.Hour), s.now.Add(time.Minute))
			if err != nil || !claimed {
				return err
			}
			if err := send(r, id); !errors.Is(err, errSend) {
				return err
			}
			return nil
		})
		actor(&others, 30, func(r *rand.Rand) error { // the owner
			if r.IntN(10) > 0 {
				return nil
			}
			id := message()
			var at *watch.Place
			if r.IntN(2) == 0 {
				at = &watch.Place{After: cursorAt(0)}
			}
			if err := s.Restart(t.Context(), standingRef, at, id, s.now.Add(time.Minute)); err != nil {
				return err
			}
			if r.IntN(2) == 0 {
				queue.send(id) // or it is lost, and the sweep makes up for it
			}
			return nil
		})
		others.Wait()
		ended.Store(true)
		deliverers.Wait()
		due := s.due()
		if standing := s.begin(); standing.After.Seq < head.Load() && due < 0 {
			t.Errorf("round %d: it stands at %s of %d, and the sweep does not look", round, standing.After, head.Load())
		}
		if moved.Load() == 0 {
			t.Errorf("round %d: nothing was delivered", round)
		}
	}
}

var errSend = errors.New("queue is throttled")

// lossy is an HTTP client that loses the answer to the first UpdateItem after lose is set. DynamoDB has
// done it, and the SDK repeats it.
type lossy struct {
	aws.HTTPClient
	lose atomic.Bool
}

func (l *lossy) Do(r *http.Request) (*http.Response, error) {
	response, err := l.HTTPClient.Do(r)
	if err == nil && strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".UpdateItem") && l.lose.Swap(false) {
		response.StatusCode, response.Body = 500, io.NopCloser(strings.NewReader("{}"))
		response.Header.Del("X-Amz-Crc32")
	}
	return response, err
}

// TestALostAnswerIsNoOthersMark: whoever has set the mark sends the message, also if it has to ask
// twice. Otherwise nobody would, until the sweep comes.
func TestALostAnswerIsNoOthersMark(t *testing.T) {
	db := dynamotest.StartInside(t)
	client := &lossy{HTTPClient: db.Config.HTTPClient}
	cfg := db.Config
	cfg.HTTPClient = client
	s := standings{dynamo.Open(cfg, dynamotest.Tables), t, time.UnixMilli(1_700_000_000_000)}
	client.lose.Store(true)
	if !s.mark("m1", 0) || client.lose.Load() {
		t.Error("a mark is taken for that of another message")
	}
	if s.mark("m2", 0) {
		t.Error("another message is marked as well")
	}
	client.lose.Store(true)
	later := s.now.Add(time.Hour)
	if claimed, err := s.Claim(t.Context(), standingRef, "m3", later, later.Add(time.Minute)); err != nil || !claimed || client.lose.Load() {
		t.Errorf("a claim is taken for that of another sweep: %v", err)
	}
	if claimed, err := s.Claim(t.Context(), standingRef, "m4", later, later.Add(time.Minute)); err != nil || claimed {
		t.Errorf("another sweep claims it as well: %v", err)
	}
	client.lose.Store(true)
	standing := s.begin()
	if err := s.Move(t.Context(), standing, watch.Place{After: cursorAt(1)}, true, delivery.Result{At: s.now}); err != nil || s.due() != -1 {
		t.Errorf("after a delivery whose answer was lost it does not move: %v, due in %s", err, s.due())
	}
}

// TestCostOfAStanding is what its calls say, in write units.
func TestCostOfAStanding(t *testing.T) {
	db := dynamotest.StartInside(t)
	s := standings{db.Store(), t, time.UnixMilli(1_700_000_000_000)}
	cost := func(what string, want float64, call func()) {
		_, before := db.Units()
		call()
		if _, after := db.Units(); after-before != want {
			t.Errorf("%s costs %v write units, want %v", what, after-before, want)
		}
	}
	var standing delivery.Standing
	cost("a mark of one that is asleep", 2, func() { s.mark("m1", 0) })
	cost("a mark of one that is marked", 1, func() { s.mark("m2", 0) })
	cost("Begin", 1, func() { standing = s.begin() })
	standing.Attempt = &delivery.Attempt{ID: "x", Until: cursorAt(1)}
	cost("Move of one that stays awake", 1, func() {
		s.must(s.Move(t.Context(), standing, watch.Place{After: cursorAt(1)}, false, delivery.Result{At: s.now}))
	})
	cost("Move of one that falls asleep", 2, func() {
		s.must(s.Move(t.Context(), standing, watch.Place{After: cursorAt(2)}, true, delivery.Result{At: s.now}))
	})
	cost("AddDestination", 8, func() { s.must(s.AddDestination(t.Context(), aDestination(t, "dst_1", s.now), 1)) })
}
