package apigateway

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/throttle"
)

const (
	closeGrace = 200 * time.Millisecond // for clients to answer the close frame of Close
	closeLimit = 450 * time.Millisecond // after which Close no longer waits
)

// Gateway serves one API. Make one with New; its methods may be called
// concurrently.
type Gateway struct {
	api       API
	invoker   Invoker
	options   Options
	log       *slog.Logger
	routes    map[string]*route
	selection selection
	account   *throttle.Bucket
	connects  *throttle.Bucket
	meter     *meter
	buffers   sync.Pool

	dispatching sync.Mutex // held while a message is on its way to its function

	// ctx is the gateway's life, which invocations share: they do not end when
	// the client or the request that caused them does.
	ctx  context.Context
	stop context.CancelFunc

	mu          sync.RWMutex
	connections map[string]*connection
	closed      bool
	running     sync.WaitGroup
}

// New makes a gateway for the API, whose functions are run by invoke. A route
// selection expression that cannot be read selects $default for every message,
// and is logged. Callers must Close the gateway.
func New(api API, invoke Invoker, o Options) *Gateway {
	orElse(&api.DomainName, fmt.Sprintf("%s.execute-api.%s.amazonaws.com", api.ID, api.Region))
	o = o.withDefaults()
	g := &Gateway{
		api:         api,
		invoker:     invoke,
		options:     o,
		log:         o.Logger.With("api", api.ID),
		routes:      compileRoutes(api),
		account:     throttle.New(o.Account),
		connects:    throttle.New(o.Connects),
		meter:       newMeter(),
		buffers:     sync.Pool{New: func() any { return new(bytes.Buffer) }},
		connections: make(map[string]*connection),
	}
	g.ctx, g.stop = context.WithCancel(context.Background())
	var err error
	if g.selection, err = parseSelection(api.RouteSelectionExpression); err != nil {
		g.log.Error("only $default can be selected", "error", err)
	}
	return g
}

// ServeHTTP serves the stage at /{stage} for WebSocket clients and below
// /{stage}/@connections/{id} for the management API. Everything else is
// Forbidden, as an unknown stage is.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/"+g.api.Stage)
	id, managed := strings.CutPrefix(rest, "/@connections/")
	switch {
	case ok && managed:
		g.manage(w, r, id)
	case ok && (rest == "" || rest == "/"):
		g.connect(w, r)
	default:
		g.failManage(w, errForbidden)
	}
}

// Usage tells what was served since New or ResetUsage.
func (g *Gateway) Usage() Usage {
	u := g.meter.snapshot()
	g.mu.RLock()
	defer g.mu.RUnlock()
	g.meter.open(&u, g.connections)
	return u
}

// Cut ends the TCP connection of a client without a close frame, as a network does that is lost. It
// reports whether there was one.
func (g *Gateway) Cut(id string) bool {
	c := g.find(id)
	if c == nil {
		return false
	}
	<-c.opened
	return c.wire != nil && c.wire.Close() == nil
}

// Connections lists the ids of those that are open, in no order.
func (g *Gateway) Connections() []string {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return slices.Collect(maps.Keys(g.connections))
}

// Account is the account's bucket, which all APIs share.
func (g *Gateway) Account() *throttle.Bucket { return g.account }

// ResetUsage starts counting anew.
func (g *Gateway) ResetUsage() { g.meter.reset() }

// Close closes every socket with 1001, ends invocations, and returns when all
// is over, at the latest after half a second. It fires no $disconnect. Requests
// that come later are refused. Calling it again does nothing.
func (g *Gateway) Close() {
	g.mu.Lock()
	g.closed = true
	open := make([]*connection, 0, len(g.connections))
	for _, c := range g.connections {
		open = append(open, c)
	}
	g.mu.Unlock()
	g.stop()
	g.finish(open)
}

// finish closes the connections and waits for every goroutine, but not long.
func (g *Gateway) finish(open []*connection) {
	var closing sync.WaitGroup
	for _, c := range open {
		closing.Go(c.leave)
	}
	done := make(chan struct{})
	go func() {
		closing.Wait()
		g.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeLimit):
		g.log.Warn("functions still run after the gateway has closed")
	}
}

// spawn runs f in a goroutine that Close waits for, or reports that the
// gateway is closed.
func (g *Gateway) spawn(f func()) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if !g.closed {
		g.running.Go(f)
	}
	return !g.closed
}

// register makes the connection known, unless there are too many, and one of
// what Close waits for, until it has ended.
func (g *Gateway) register(c *connection) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	limit := g.options.MaxConnections
	if g.closed || (limit > 0 && len(g.connections) >= limit) {
		return false
	}
	g.connections[c.id] = c
	g.running.Add(1)
	return true
}

// forget is the opposite, but for what Close waits for.
func (g *Gateway) forget(c *connection) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.connections, c.id)
}

// find gives the connection with the id, nil if there is none or it is being
// closed.
func (g *Gateway) find(id string) *connection {
	g.mu.RLock()
	defer g.mu.RUnlock()
	c := g.connections[id]
	if c != nil && c.cause.Load() != nil {
		return nil
	}
	return c
}

// methodARN names a route as policies do.
func (g *Gateway) methodARN(routeKey string) string {
	return fmt.Sprintf("arn:aws:execute-api:%s:%s:%s/%s/%s", g.api.Region, g.api.Account, g.api.ID, g.api.Stage, routeKey)
}

// buffer borrows an empty buffer; release gives it back.
func (g *Gateway) buffer() *bytes.Buffer { return g.buffers.Get().(*bytes.Buffer) }

func (g *Gateway) release(b *bytes.Buffer) {
	b.Reset()
	g.buffers.Put(b)
}
