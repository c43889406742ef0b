package client

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
)

// Options adjust a client. The zero value of each field means its default.
type Options struct {
	// HTTPClient does the handshakes and requests, for proxies and TLS. Its Timeout must be 0.
	// Default: http.DefaultClient.
	HTTPClient *http.Client
	// Header is sent with each handshake and request.
	Header http.Header
	// HTTPURL is the output HttpUrl of the service, https://…/live. With it, the client watches and
	// publishes over HTTP where WebSockets are blocked. Default: none, or the url of [Dial] if that
	// is an HTTP URL.
	HTTPURL string
	// Transports are the transports that the client may use, in order of preference. A transport
	// counts as blocked after 2 attempts that get no answer from the service, or after 1 attempt
	// with an answer that the service would not give. One final refusal counts too, because a 403
	// may come from a proxy. The client ends when all transports refuse it for good. An answer 429
	// does not count, nor does a 401 until it is final. Default: WebSocket if Dial has its URL,
	// then ServerSentEvents and LongPoll if there is an HTTPURL.
	Transports []Transport
	// BetterInterval is the time after which a client that had to fall back tries a preferred
	// transport again. It stays connected meanwhile, and moves once the better connection stands.
	// Each failed try doubles the interval, up to 1 hour. It is reset when the better connection
	// has lasted. Default: 5 minutes.
	BetterInterval time.Duration
	// Token gives the token for each handshake, in the header Authorization, and another
	// one when the service warns that it expires; an empty one is not sent. It should
	// give one that is good for minutes, and may be called several times at once.
	//
	// Its context ends after AnswerTime and with the client; as long as it does not
	// return after that, neither Dial nor Close does. An error is like a connection that
	// fails: it is logged, and tried again. So is a handshake that is refused with 401,
	// because the token may have expired on the way, or the service may not know a new key
	// yet. It is final after events.UnauthorizedTime, 2 minutes, and at least 5 refusals in a
	// row. Without Token the first refusal is final, unless the client was connected
	// before. Default: no token.
	Token func(context.Context) (string, error)
	// PingInterval is how long the client waits, at first, before it asks the service
	// whether anything is missing. Each ping that finds nothing missing lets the interval
	// grow by half, up to MaxPingInterval. It is as at first again when something was
	// missing, when the connection was lost, and while the token is about to expire. Up to a
	// tenth of it is taken off at random. A ping that fails is not repeated before the next.
	// Each costs two messages, an invocation, a read unit, and two read units for each topic.
	// Default: 2 minutes.
	PingInterval time.Duration
	// MaxPingInterval is the longest that the interval grows to. If it is shorter than
	// PingInterval, the interval does not grow. A change that is lost while no other follows, and a connection that
	// is lost without a word, may be noticed that late. Pings keep the connection alive too,
	// so it must be below the 10 minutes after which API Gateway cuts an idle one. The
	// service warns 5 minutes before a token expires: with a longer interval a client may
	// hear of it too late, and has to connect again.
	// Default: four times PingInterval, but at most 8 minutes, with Token 4 minutes.
	//
	// An account has 10,000 requests a second by default, for its API Gateways together. Of
	// these, the regular pings of 1,000,000 clients take 8,800 at intervals of 2 minutes, 4,400
	// at 4 minutes and 2,200 at 8. A deployment of that size should set both PingInterval and
	// MaxPingInterval to 8 minutes. With a shorter PingInterval, pings are frequent again after
	// all clients have lost their connections at once. Its tokens should live for hours, and
	// its quota should be raised, because changes and connections need requests, too.
	//
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
	MaxPingInterval time.Duration
	// HoleTime is how long changes that are out of order may take to be put right by
	// those under way, before they are asked for. Default: 500 ms.
	HoleTime time.Duration
	// AnswerTime is how long the service may take to answer, or to accept a
	// connection, before it is asked again. Default: 15 seconds.
	AnswerTime time.Duration
	// MaxBackoff bounds the pauses between attempts. The first is up to 500 ms, each
	// one after may be twice as long; which part of it is waited for is random. They are
	// short again only after a connection has lasted for MaxBackoff. Default: 30 seconds.
	MaxBackoff time.Duration
	// Buffer is how many changes a watch holds for a slow consumer, of each topic.
	// Default: 10,000, which is what the service sends at once.
	Buffer int
	// BufferBytes bounds the data of those changes. Default: 8 MB.
	BufferBytes int
	// Logger is told of connections made and lost, never of payloads and tokens.
	// Default: none.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	orElse(&o.HTTPClient, http.DefaultClient)
	orElse(&o.PingInterval, 2*time.Minute)
	orElse(&o.MaxPingInterval, min(4*o.PingInterval, o.longestPingInterval()))
	o.MaxPingInterval = max(o.MaxPingInterval, o.PingInterval)
	orElse(&o.HoleTime, 500*time.Millisecond)
	orElse(&o.AnswerTime, 15*time.Second)
	orElse(&o.MaxBackoff, 30*time.Second)
	orElse(&o.BetterInterval, 5*time.Minute)
	orElse(&o.Buffer, events.MaxResumeChanges)
	orElse(&o.BufferBytes, 8<<20)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// longestPingInterval is the default bound of the interval: a connection ends after 10 minutes
// without a message, and the service warns 5 minutes before a token expires.
func (o Options) longestPingInterval() time.Duration {
	if o.Token != nil {
		return 4 * time.Minute
	}
	return 8 * time.Minute
}

// orElse sets a field that is zero.
func orElse[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Client watches and publishes over one connection at a time. Make one with [Dial].
type Client struct {
	commands chan func(*engine)
	cancel   context.CancelCauseFunc
	stats    counters
	logger   *slog.Logger
	mu       sync.Mutex
	link     link          // in use; nil if there is none
	done     chan struct{} // closed when everything has ended
	err      error         // why; valid after done
}

// Dial connects to the service and stays connected until ctx ends or the client is closed: ctx
// bounds the client's life, not the dialling alone. url is the output WebSocketUrl (ws:// or
// wss://), or the output HttpUrl (http:// or https://) for a client that uses HTTP alone. A client
// with the WebSocketUrl and [Options].HTTPURL falls back to HTTP where WebSockets are blocked, see
// [Options].Transports.
//
// Dial returns when the first connection stands. Failures that may pass are tried again until
// ctx ends; a refusal that will not pass is returned as a [*HandshakeError].
func Dial(ctx context.Context, url string, o Options) (*Client, error) {
	o = o.withDefaults()
	ways, err := o.ways(url)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	c := &Client{commands: make(chan func(*engine)), cancel: cancel, logger: o.Logger, done: make(chan struct{})}
	e := newEngine(c, ways, o)
	go func() {
		c.err = e.run(ctx)
		cancel(c.err)
		close(c.done)
	}()
	select {
	case <-e.connected:
		return c, nil
	case <-c.done:
		return nil, c.err
	}
}

// Close ends every watch and publish with [ErrClosed], tells the service goodbye, and
// returns when no goroutine of the client is left: after a second at the latest, if the
// service does not answer. Closing again does nothing.
func (c *Client) Close() {
	c.cancel(ErrClosed)
	<-c.done
}

// do has the engine carry something out. It is false if the client has ended.
func (c *Client) do(command func(*engine)) bool {
	select {
	case c.commands <- command:
		return true
	case <-c.done:
		return false
	}
}

// Transport gives the transport that the client is connected by now; empty if it is not connected.
func (c *Client) Transport() Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == nil {
		return ""
	}
	return c.link.transport()
}

// Stats counts what a client went through since it was made.
type Stats struct {
	Connections int64 // made, the first included
	Repeated    int64 // changes that came again, and were dropped
	Holes       int64 // times that missing changes were asked for
	Resets      int64 // times that a watch had to start over
	Dropped     int64 // changes let go because their consumer was slow
}

// counters are Stats under a lock.
type counters struct {
	mu sync.Mutex
	s  Stats
}

func (c *counters) count(change func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.s)
}

// Stats tells what the client went through so far.
func (c *Client) Stats() Stats {
	c.stats.mu.Lock()
	defer c.stats.mu.Unlock()
	return c.stats.s
}
