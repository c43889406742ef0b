package restapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// closeLimit is how long Close waits for requests to end.
const closeLimit = 450 * time.Millisecond

// Gateway serves one API. Make one with New; its methods may be called concurrently.
type Gateway struct {
	api     API
	invoker Invoker
	options Options
	log     *slog.Logger
	routes  []route
	meter   *meter

	// ctx is the gateway's life, which invocations share: they do not end when the request that
	// caused them does.
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex // guards closed, and running against it
	closed  bool
}

// New makes a gateway for the API, whose functions are run by invoke. The error names the first
// thing in the API that does not run here. Callers must Close the gateway.
func New(api API, invoke Invoker, o Options) (*Gateway, error) {
	routes, err := api.compile()
	if err != nil {
		return nil, err
	}
	for kind, response := range api.Responses {
		if err := response.check(kind); err != nil {
			return nil, err
		}
	}
	o = o.withDefaults()
	g := &Gateway{api: api, invoker: invoke, options: o, log: o.Logger.With("api", api.ID), routes: routes, meter: newMeter()}
	g.ctx, g.stop = context.WithCancel(context.Background())
	return g, nil
}

// Serves reports whether a request is for the stage: it is for /{stage} or for
// /_aws/execute-api/{id}/{stage}, or for what is below. A root without methods is served too.
func (g *Gateway) Serves(r *http.Request) bool {
	_, ok := g.rawPath(r)
	return ok
}

// ServeHTTP serves a request that Serves reports true for.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.enter() {
		http.Error(w, "the API is closed", http.StatusServiceUnavailable)
		return
	}
	defer g.running.Done()
	c := g.newCall(r)
	if g.options.Answered != nil {
		seen := &witness{ResponseWriter: w, cut: true}
		defer func() { g.options.Answered(seen.answer(c)) }()
		g.answer(seen, c)
		seen.cut = false // it has not panicked
		return
	}
	g.answer(w, c)
}

// answer takes a request through the API, and refuses it if that fails.
func (g *Gateway) answer(w http.ResponseWriter, c *call) {
	if err := g.serve(w, c); err != nil {
		var refused *refusal
		if !errors.As(err, &refused) {
			g.log.Error("request failed", "error", err)
			refused = errInternal
		}
		g.refuse(w, c, refused)
	}
}

// enter counts a request that Close waits for; false if the gateway is closed.
func (g *Gateway) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.running.Add(1)
	}
	return !g.closed
}

// serve takes a request through the API. An error means that nothing has been answered.
func (g *Gateway) serve(w http.ResponseWriter, c *call) error {
	g.meter.request()
	if err := c.verify(g.options); err != nil {
		return err
	}
	if c.method, c.parameters = g.find(c.r.Method, c.path); c.method == nil {
		return errNoMethod
	}
	if !g.options.Account.Take() || !c.method.bucket.Take() {
		return errThrottled
	}
	if err := c.readBody(); err != nil {
		return err
	}
	if err := g.authorize(c); err != nil {
		return err
	}
	if !c.method.Permitted {
		g.log.Error("no permission to invoke the function", "function", c.method.Function)
		return errInternal
	}
	failure := g.options.Failing()
	if failure == Throttled || failure == FunctionThrottled {
		return failures[failure]
	}
	if c.method.Stream {
		return g.stream(w, c, failures[failure])
	}
	return g.buffer(w, c, failures[failure])
}

// invoke runs a function with an event, within a time. Its failures are refusals; the cause
// goes to the log. output is what the function failed with, if it did.
func (g *Gateway) invoke(function string, timeout time.Duration, event any) (output []byte, err error) {
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("encode event for %s: %w", function, err)
	}
	ctx, cancel := context.WithTimeout(g.ctx, timeout)
	defer cancel()
	output, failed, err := g.invoker.Invoke(ctx, function, payload)
	if err != nil {
		return nil, g.notRun(ctx, function, err)
	}
	if failed {
		g.log.Warn("function failed", "function", function)
		return output, errFunction
	}
	return output, nil
}

// notRun is the answer when a function could not be run or awaited. That a function is
// throttled shows as 500, not as 429.
func (g *Gateway) notRun(ctx context.Context, function string, err error) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		g.log.Warn("integration timed out", "function", function)
		return errTimeout
	}
	if g.ctx.Err() == nil {
		g.log.Error("function could not be invoked", "function", function, "error", err)
	}
	return errInternal
}

// Usage tells what was served since New or ResetUsage.
func (g *Gateway) Usage() Usage { return g.meter.snapshot() }

// ResetUsage starts counting anew.
func (g *Gateway) ResetUsage() { g.meter.reset() }

// Close ends all requests, and returns when all is over, at the latest after half a second.
// Functions run on. Calling it again does nothing.
func (g *Gateway) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.stop()
	done := make(chan struct{})
	go func() {
		g.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeLimit):
		g.log.Warn("requests still run after the API has closed")
	}
}
