package fault_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
	"github.com/watchroute/watchroute/localstack/fault"
)

func TestMessagesMeetTheirFates(t *testing.T) {
	for _, c := range []struct {
		kind    fault.Kind
		in, out apigateway.Fate
	}{
		{fault.LoseFrame, apigateway.Arrives, apigateway.Lost},
		{fault.DropSocket, apigateway.Cut, apigateway.Cut},
		{fault.Kill, apigateway.Arrives, apigateway.Arrives},
	} {
		f := fault.New(fault.Plan{c.kind: 1}, 7)
		if in, out := f.Receiving(), f.Sending(); in != c.in || out != c.out || f.NoDisconnect() {
			t.Errorf("%s: in %v, out %v, want %v and %v", c.kind, in, out, c.in, c.out)
		}
	}
	if !fault.New(fault.Plan{fault.NoDisconnect: 1}, 7).NoDisconnect() {
		t.Error("$disconnect is not left out")
	}
}

// invocation is one that a process has got.
type invocation struct {
	payload       string
	kill, abandon func() bool
	ended         bool
}

func (i *invocation) Payload() []byte { return []byte(i.payload) }
func (i *invocation) Kill() bool      { return i.kill() }
func (i *invocation) Abandon() bool   { return i.abandon() }
func (i *invocation) Runs() bool      { return !i.ended }

func TestKillAndAbandonWhatRuns(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Kill, fault.Abandon} {
		synctest.Test(t, func(t *testing.T) {
			f := fault.New(fault.Plan{kind: 1}, 7)
			hits, began := 0, time.Now()
			unasked := func() bool { t.Errorf("%s without being asked", kind); return true }
			hit := func() bool {
				hits++
				if after := time.Since(began); after > 20*time.Millisecond {
					t.Errorf("%s after %v", kind, after)
				}
				return hits <= 4 // the others have answered
			}
			i := &invocation{kill: hit, abandon: unasked}
			if kind == fault.Abandon {
				i = &invocation{kill: unasked, abandon: hit}
			}
			for range 9 {
				f.Started(i)
				time.Sleep(20 * time.Millisecond)
				synctest.Wait()
				began = time.Now()
			}
			if hits != 9 || f.Counts()[kind] != 4 {
				t.Errorf("%s %d times, counted %d, want 9 and 4", kind, hits, f.Counts()[kind])
			}
			fault.New(nil, 7).Started(&invocation{kill: unasked, abandon: unasked})
		})
	}
}

func TestRefusedPosts(t *testing.T) {
	for _, c := range []struct {
		kind            fault.Kind
		status          int
		errorType, body string
	}{
		{fault.Post429, 429, "LimitExceededException", `{"message":"Rate exceeded"}`},
		{fault.Post500, 500, "InternalServerErrorException", `{"message":"Internal server error"}`},
		{fault.Post410, 410, "GoneException", ""},
	} {
		w := httptest.NewRecorder()
		f := fault.New(fault.Plan{c.kind: 1}, 7)
		if !f.RefusePost(w, httptest.NewRequest(http.MethodPost, "/", nil)) || f.Counts()[c.kind] != 1 {
			t.Errorf("%s: the post went through", c.kind)
		}
		if got := w.Result(); got.StatusCode != c.status || got.Header.Get("X-Amzn-ErrorType") != c.errorType || w.Body.String() != c.body {
			t.Errorf("%s: %d %v %q", c.kind, got.StatusCode, got.Header, w.Body)
		}
	}
	w := httptest.NewRecorder()
	if fault.New(fault.Plan{fault.Kill: 1}, 7).RefusePost(w, nil) || w.Body.Len() > 0 {
		t.Error("a post was refused without the fault")
	}
}

func TestPostWithoutAnswer(t *testing.T) {
	f, served := fault.New(fault.Plan{fault.PostTimeout: 1}, 7), make(chan bool, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { served <- f.RefusePost(w, r) }))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader("frame"))
	if err != nil {
		t.Fatal(err)
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		t.Errorf("answered %s", response.Status)
	}
	if !<-served { // it notices that the caller has left
		t.Error("the post went through")
	}
}

// seconds is one service and one stream, broken by the second for a while.
type seconds struct {
	f       *fault.Faults
	streams *stream.Registry
	service *awsjson.Service
}

func run(t *testing.T, p fault.Plan, targets fault.Targets) seconds {
	s := seconds{f: fault.New(p, 7), streams: stream.NewRegistry(stream.Options{Shards: 1})}
	s.streams.Enable("Events", nil, stream.KeysOnly)
	targets.Streams = s.streams
	s.service = s.f.WrapService(&awsjson.Service{Operations: map[string]awsjson.Operation{
		"Op": func(context.Context, []byte) (any, error) { return "done", nil },
	}}, calling)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.f.Run(ctx, targets); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

type callerKey struct{}

// calling is the function that calls, by its context.
func calling(ctx context.Context) *fault.Caller {
	if ctx.Value(callerKey{}) == nil {
		return nil
	}
	return &fault.Caller{}
}

func TestSplitEverySecondUpToABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := run(t, fault.Plan{fault.SplitShard: 1}, fault.Targets{})
		var open []int
		for range 12 {
			time.Sleep(time.Second)
			synctest.Wait()
			open = append(open, s.open(t))
		}
		if want := []int{2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 8}; !slices.Equal(open, want) || s.f.Counts()[fault.SplitShard] != 7 {
			t.Errorf("open shards by the second: %v, want %v; counted %v", open, want, s.f.Counts())
		}
	})
}

func (s seconds) open(t *testing.T) (n int) {
	t.Helper()
	shards, err := s.streams.Shards(s.streams.ARNs()[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
		if !shard.Closed {
			n++
		}
	}
	return n
}

func TestForgetEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var forgotten []string
		s := run(t, fault.Plan{fault.Forget: 1}, fault.Targets{
			Connections: func() []string {
				if time.Since(began) < 4*time.Second { // nobody is there for three ticks
					return nil
				}
				return []string{"a", "b", "c"}
			},
			Forget: func(_ context.Context, id string) bool {
				forgotten = append(forgotten, id)
				return id != "b"
			},
		})
		time.Sleep(63*time.Second + time.Millisecond)
		synctest.Wait()
		without := int64(0)
		for _, id := range forgotten {
			if id == "b" {
				without++
			}
		}
		if len(forgotten) != 60 || without == 0 || without > 40 || s.f.Counts()[fault.Forget] != 60-without {
			t.Errorf("%q were forgotten, counted %v; b has no row", forgotten, s.f.Counts())
		}
	})
}

// TestPause calls all the time for a minute, as a function and as somebody else.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := run(t, fault.Plan{fault.Pause: 0.5}, fault.Targets{})
		function, other := &caller{seconds: s, ctx: context.WithValue(t.Context(), callerKey{}, true)}, &caller{seconds: s, ctx: t.Context()}
		for _, c := range []*caller{function, other} {
			go c.callFor(time.Minute)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		for _, c := range []*caller{function, other} {
			if len(c.waits) < 3 || slices.Min(c.waits) < 150*time.Millisecond || slices.Max(c.waits) > 1500*time.Millisecond {
				t.Errorf("waited for %v", c.waits)
			}
		}
		if len(other.refusals) > 0 || function.refusals["InternalServerError"] == 0 || function.refusals["ThrottlingException"] == 0 {
			t.Errorf("functions were refused by %v, others by %v", function.refusals, other.refusals)
		}
	})
}

type caller struct {
	seconds
	ctx      context.Context
	waits    []time.Duration
	refusals map[string]int
}

func (c *caller) callFor(d time.Duration) {
	c.refusals = map[string]int{}
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		began := time.Now()
		_, err := c.service.Call(c.ctx, "Op", nil)
		if waited := time.Since(began); waited > 0 {
			c.waits = append(c.waits, waited)
		}
		if refused, ok := err.(*awsjson.Error); ok {
			c.refusals[refused.Type]++
		}
	}
}

// TestSlow: a function's operations wait, each for another time, and nobody else's do.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := run(t, fault.Plan{fault.Slow: 1}, fault.Targets{})
		function, other := &caller{seconds: s, ctx: context.WithValue(t.Context(), callerKey{}, true)}, &caller{seconds: s, ctx: t.Context()}
		function.callFor(5 * time.Second)
		other.callFor(time.Second)
		if len(function.waits) < 20 || slices.Max(function.waits) > 250*time.Millisecond || slices.Max(function.waits) < 200*time.Millisecond ||
			len(function.refusals) > 0 || len(other.waits) > 0 {
			t.Errorf("a function waited for %v, others for %v; refused %v", function.waits, other.waits, function.refusals)
		}
	})
}

func TestEndOfRunEndsAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(20) {
			f := fault.New(fault.Plan{fault.Pause: 1}, seed)
			service := f.WrapService(&awsjson.Service{Operations: map[string]awsjson.Operation{
				"Op": func(context.Context, []byte) (any, error) { return "done", nil },
			}}, calling)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second+100*time.Millisecond)
			go f.Run(ctx, fault.Targets{})
			time.Sleep(time.Second + 50*time.Millisecond)
			began := time.Now()
			if got, err := service.Call(t.Context(), "Op", nil); got != "done" || err != nil || time.Since(began) > 50*time.Millisecond {
				t.Errorf("seed %d: %v, %v after %v", seed, got, err, time.Since(began))
			}
			cancel()
			synctest.Wait()
		}
	})
}

func TestNilWrapsNothing(t *testing.T) {
	var f *fault.Faults
	service := &awsjson.Service{}
	if f.WrapService(service, nil) != service || f.RefusePost(nil, nil) || f.NoDisconnect() || f.Receiving() != apigateway.Arrives || f.Sending() != apigateway.Arrives {
		t.Error("no faults are some")
	}
	f.Started(nil)
	f.Run(t.Context(), fault.Targets{})
}
