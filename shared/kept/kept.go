// Package kept is the only place that knows how to make HTTP/1.1 calls over connections that it
// keeps open, without a goroutine. net/http starts two goroutines for each connection and hands
// every call from one to another. That is most of the CPU time of a small call. Here the caller
// itself writes the request and reads the answer; net/http only parses the answer.
//
// Source: https://www.rfc-editor.org/rfc/rfc9112
package kept

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// IdleTime is how long a connection without a call is kept.
const IdleTime = time.Minute

// Pool makes calls to one host, one call at a time over each connection. Safe for concurrent use.
type Pool struct {
	TLS *tls.Config // nil for plain HTTP; set it before use

	address string // host and port
	most    int    // connections without a call that are kept
	dialer  net.Dialer

	mu   sync.Mutex
	idle []*Conn // the last one was used last
}

// New makes a pool for the host of an address that keeps up to most connections without a call.
func New(address *url.URL, most int) *Pool {
	p, port := &Pool{most: most}, "80"
	if address.Scheme == "https" {
		port, p.TLS = "443", &tls.Config{ServerName: address.Hostname()}
	}
	p.address = net.JoinHostPort(address.Hostname(), cmp.Or(address.Port(), port))
	return p
}

// Conn is one connection.
type Conn struct {
	net.Conn
	limited io.LimitedReader // what may still be read for an answer
	answers *bufio.Reader
	used    time.Time // when its last call ended
}

// ErrBroken marks failures of a connection that are neither a timeout nor the end of the context.
// Another connection may do better.
var ErrBroken = errors.New("connection broken")

// Do has exchange make a call: write a request and read its whole answer. whole is true if another
// call can follow on the connection. If the server has closed a kept connection meanwhile, exchange
// makes the call once more over a new one. The call ends at the deadline, unless that is zero, and
// with ctx.
func (p *Pool) Do(ctx context.Context, deadline time.Time, exchange func(*Conn) (whole bool, err error)) error {
	if end, ok := ctx.Deadline(); ok && (deadline.IsZero() || end.Before(deadline)) {
		deadline = end
	}
	if c := p.take(); c != nil {
		if err := p.exchange(ctx, c, exchange, deadline); !errors.Is(err, ErrBroken) {
			return err
		}
	}
	c, err := p.dial(ctx, deadline)
	if err != nil {
		return Failure(ctx, err)
	}
	return p.exchange(ctx, c, exchange, deadline)
}

// Failure marks an error as ErrBroken if the connection caused it.
func Failure(ctx context.Context, err error) error {
	var network net.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	case errors.As(err, &network) && network.Timeout():
		return err
	}
	return fmt.Errorf("%w: %w", ErrBroken, err)
}

// dial opens a connection.
func (p *Pool) dial(ctx context.Context, deadline time.Time) (*Conn, error) {
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	dial := p.dialer.DialContext
	if p.TLS != nil {
		dial = (&tls.Dialer{NetDialer: &p.dialer, Config: p.TLS}).DialContext
	}
	conn, err := dial(ctx, "tcp", p.address)
	if err != nil {
		return nil, err
	}
	c := &Conn{Conn: conn}
	c.limited.R = conn
	c.answers = bufio.NewReader(&c.limited)
	return c, nil
}

// exchange makes a call over a connection, and keeps the connection if another call can follow.
func (p *Pool) exchange(ctx context.Context, c *Conn, exchange func(*Conn) (bool, error), deadline time.Time) error {
	err := c.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	whole := false
	if err == nil {
		whole, err = exchange(c)
	}
	if stop() && whole && err == nil {
		p.keep(c)
	} else {
		_ = c.Close()
	}
	if err != nil {
		return Failure(ctx, err)
	}
	return nil
}

// Answer reads the head of the answer to a request, of which only the method counts. The answer may
// have up to limit bytes.
func (c *Conn) Answer(request *http.Request, limit int64) (*http.Response, error) {
	c.limited.N = limit
	response, err := http.ReadResponse(c.answers, request)
	for err == nil && response.StatusCode/100 == 1 { // an interim answer; the final one follows
		response, err = http.ReadResponse(c.answers, request)
	}
	return response, err
}

// Whole reports whether another call can follow an answer whose body has been read to its end.
func (c *Conn) Whole(response *http.Response) bool {
	return !response.Close && c.limited.N > 0 && c.answers.Buffered() == 0
}

// take gives the connection that was used last, or nil if none is fresh.
func (p *Pool) take() *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropLocked()
	if len(p.idle) == 0 {
		return nil
	}
	c := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return c
}

// keep keeps a connection for later calls, unless there are enough already.
func (p *Pool) keep(c *Conn) {
	c.used = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropLocked()
	if len(p.idle) == p.most {
		_ = c.Close()
		return
	}
	p.idle = append(p.idle, c)
}

// Idle is the number of connections without a call.
func (p *Pool) Idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// dropLocked closes connections that have been idle for too long.
func (p *Pool) dropLocked() {
	fresh := slices.IndexFunc(p.idle, func(c *Conn) bool { return time.Since(c.used) < IdleTime })
	if fresh < 0 {
		fresh = len(p.idle)
	}
	for _, c := range p.idle[:fresh] {
		_ = c.Close()
	}
	p.idle = slices.Delete(p.idle, 0, fresh)
}
