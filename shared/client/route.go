package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Transport is how a client is connected to the service.
type Transport string

// The transports. All give the same promises.
const (
	// WebSocket is a connection that the service pushes changes to. It costs least.
	WebSocket Transport = "websocket"
	// ServerSentEvents is an HTTP answer that brings changes as they happen, for as long as the
	// service holds it. Plain GETs read what came before.
	ServerSentEvents Transport = "sse"
	// LongPoll is a series of HTTP requests. Each of them waits for the next change of a topic.
	LongPoll Transport = "longpoll"
)

// blockedAfter is how many attempts in a row may fail without a reason before a way counts as
// blocked.
const blockedAfter = 2

// longestBetterInterval bounds the time between two tries of a better connection, unless
// Options.BetterInterval is longer.
const longestBetterInterval = time.Hour

// dialer makes a link.
type dialer func(context.Context) (link, error)

// ways gives the dialers of the transports, in order of preference.
func (o *Options) ways(address string) (ways []dialer, err error) {
	overHTTP, err := isHTTP(address, "url")
	if err != nil {
		return nil, err
	}
	if overHTTP && o.HTTPURL == "" {
		o.HTTPURL = address
	}
	if o.HTTPURL != "" {
		if is, err := isHTTP(o.HTTPURL, "HTTPURL"); err != nil || !is {
			return nil, errors.Join(err, errors.New("HTTPURL must be an http:// or https:// URL"))
		}
	}
	if len(o.Transports) == 0 {
		if !overHTTP {
			o.Transports = append(o.Transports, WebSocket)
		}
		if o.HTTPURL != "" {
			o.Transports = append(o.Transports, ServerSentEvents, LongPoll)
		}
	}
	exchanged := false
	for _, transport := range o.Transports {
		switch {
		case transport == WebSocket && overHTTP:
			return nil, errors.New("transport websocket needs a ws:// or wss:// URL")
		case transport == WebSocket:
			ways = append(ways, func(ctx context.Context) (link, error) { return dialSocket(ctx, address, *o) })
		case transport != ServerSentEvents && transport != LongPoll:
			return nil, fmt.Errorf("transport %q is not known", transport)
		case o.HTTPURL == "":
			return nil, fmt.Errorf("transport %s needs HTTPURL", transport)
		case !exchanged:
			exchanged = true
			ways = append(ways, func(ctx context.Context) (link, error) { return dialExchange(ctx, *o) })
		}
	}
	return ways, nil
}

// prefers reports whether the transport one is allowed, and other is not preferred to it.
func (o Options) prefers(one, other Transport) bool {
	i, j := slices.Index(o.Transports, one), slices.Index(o.Transports, other)
	return i >= 0 && (j < 0 || i < j)
}

// routes decides by which way the next connection is made.
type routes struct {
	ways     []dialer // in order of preference
	at       int      // index of the way to dial next
	using    int      // index of the way of the current or last connection
	failures int      // of the way at, since something came over it
	spoke    bool     // something came over the connection in use
	final    []bool   // the way refuses for good

	least, every time.Duration // between tries of the better way
	betterAt     time.Time     // the next one; zero if there is none
}

func newRoutes(ways []dialer, o Options) routes {
	return routes{ways: ways, final: make([]bool, len(ways)), least: o.BetterInterval, every: o.BetterInterval}
}

// connected notes that a connection stands.
func (r *routes) connected(way int, now time.Time) {
	fellBack := way > 0 && (way != r.using || r.betterAt.IsZero())
	if way != r.at {
		r.at, r.failures = way, 0
	}
	r.using, r.spoke = way, false
	clear(r.final)
	switch {
	case way == 0:
		r.betterAt = time.Time{}
	case fellBack:
		r.later(now)
	}
}

// later postpones the next try of the better way, and doubles the interval.
func (r *routes) later(now time.Time) {
	r.betterAt = now.Add(r.every)
	r.every = min(2*r.every, max(longestBetterInterval, r.least))
}

// refused notes why a way failed, and whether that may pass. It gives false if no way is left.
func (r *routes) refused(way int, err error, passes bool) bool {
	r.final[way] = !passes
	if !slices.Contains(r.final, false) {
		return false
	}
	r.doubt(way, doubtOf(err, passes))
	return true
}

// lost notes that the connection in use has ended, and whether it had lasted. A connection over
// which nothing has come counts as none.
func (r *routes) lost(lasted bool) {
	switch {
	case !r.spoke:
		r.doubt(r.using, 1)
	case lasted && r.using == 0:
		r.every = r.least
	}
}

// heard notes that something came over the connection in use.
func (r *routes) heard() { r.failures, r.spoke = 0, true }

// doubt makes the next connection take another way if there is enough doubt about this one.
func (r *routes) doubt(way, doubt int) {
	if way != r.at {
		return
	}
	if r.failures += doubt; r.failures >= blockedAfter {
		r.at, r.failures = (r.at+1)%len(r.ways), 0
	}
}

// doubtOf gives how much a failure says against the way, rather than against the service or the
// client: nothing, something, or enough to take another way. A final refusal may come from a proxy,
// so the client tries the other ways before it ends.
func doubtOf(err error, passes bool) int {
	var refusal *HandshakeError
	switch {
	case !passes:
		return blockedAfter
	case !errors.As(err, &refusal):
		return 1
	case slices.Contains([]int{http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusInternalServerError}, refusal.Status):
		return 0
	case refusal.Status < 400 || refusal.Status == http.StatusNotImplemented: // the service does not answer so
		return blockedAfter
	}
	return 1
}
