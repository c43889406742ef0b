package apigw

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
	"strconv"
	"sync"
	"time"
)

const (
	// idleTime is how long a connection without a call is kept.
	idleTime = time.Minute
	// answerLimit bounds the bytes that are read of an answer. Answers of API Gateway have a few
	// hundred bytes.
	answerLimit = 64 << 10
	// oneWrite is the largest body, in bytes, that is written together with the headers.
	oneWrite = 16 << 10
)

// kept makes calls over HTTP/1.1 connections that it keeps open, one call at a time over each. The
// caller itself writes the request and reads the answer. net/http would start two goroutines for
// each connection and hand every call from one to another, which is most of the cost of a post.
// net/http only parses the answers. Safe for concurrent use.
//
// Source: https://www.rfc-editor.org/rfc/rfc9112
type kept struct {
	address string      // host and port
	tls     *tls.Config // nil for plain HTTP
	dialer  net.Dialer

	mu   sync.Mutex
	idle []*link // the last one was used last
}

// newKept makes calls to the host of an address.
func newKept(address *url.URL) *kept {
	k, port := &kept{}, "80"
	if address.Scheme == "https" {
		port, k.tls = "443", &tls.Config{ServerName: address.Hostname()}
	}
	k.address = net.JoinHostPort(address.Hostname(), cmp.Or(address.Port(), port))
	return k
}

// link is one connection.
type link struct {
	net.Conn
	limited io.LimitedReader // what may still be read for an answer
	answers *bufio.Reader
	used    time.Time // when its last call ended
}

// errBroken marks failures of a connection that are neither a timeout nor the end of the context.
// Another connection may do better.
var errBroken = errors.New("connection broken")

// do makes a call and gives its answer, within attemptTime. If the server has closed the kept
// connection meanwhile, do makes the call once more over a new one.
func (k *kept) do(ctx context.Context, c call) (answer, error) {
	deadline := time.Now().Add(attemptTime)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}
	if l := k.take(); l != nil {
		got, err := k.exchange(ctx, l, c, deadline)
		if !errors.Is(err, errBroken) {
			return got, err
		}
	}
	l, err := k.dial(ctx, deadline)
	if err != nil {
		return answer{}, failure(ctx, err)
	}
	return k.exchange(ctx, l, c, deadline)
}

// failure marks an error as errBroken if the connection caused it.
func failure(ctx context.Context, err error) error {
	var network net.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	case errors.As(err, &network) && network.Timeout():
		return err
	}
	return fmt.Errorf("%w: %w", errBroken, err)
}

// dial opens a connection.
func (k *kept) dial(ctx context.Context, deadline time.Time) (*link, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	dial := k.dialer.DialContext
	if k.tls != nil {
		dial = (&tls.Dialer{NetDialer: &k.dialer, Config: k.tls}).DialContext
	}
	conn, err := dial(ctx, "tcp", k.address)
	if err != nil {
		return nil, err
	}
	l := &link{Conn: conn}
	l.limited.R = conn
	l.answers = bufio.NewReader(&l.limited)
	return l, nil
}

// exchange makes a call over a connection, and keeps the connection if another call can follow.
func (k *kept) exchange(ctx context.Context, l *link, c call, deadline time.Time) (answer, error) {
	err := l.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Unix(1, 0)) })
	if err == nil {
		err = l.send(c)
	}
	var got answer
	var whole bool
	if err == nil {
		got, whole, err = l.receive(c.method)
	}
	if stop() && whole {
		k.keep(l)
	} else {
		_ = l.Close()
	}
	if err != nil {
		return answer{}, failure(ctx, err)
	}
	return got, nil
}

// requests are buffers to write requests in.
var requests = sync.Pool{New: func() any { return new([]byte) }}

// send writes a call.
func (l *link) send(c call) error {
	buffer := requests.Get().(*[]byte)
	defer requests.Put(buffer)
	b := append(append((*buffer)[:0], c.method...), ' ')
	b = append(append(b, c.path...), c.id...)
	b = append(append(b, " HTTP/1.1\r\nHost: "...), c.host...)
	b = append(b, "\r\nUser-Agent: watchroute\r\n"...)
	if typed(c.method) {
		b = append(b, "Content-Type: "+mediaType+"\r\nContent-Length: "...)
		b = append(strconv.AppendInt(b, int64(len(c.body)), 10), "\r\n"...)
	}
	b = append(append(b, "X-Amz-Date: "...), c.signature.date...)
	if c.signature.token != "" {
		b = append(append(b, "\r\nX-Amz-Security-Token: "...), c.signature.token...)
	}
	b = append(append(b, "\r\nAuthorization: "...), c.signature.authorization...)
	b = append(b, "\r\n\r\n"...)
	rest := c.body
	if len(rest) <= oneWrite {
		b, rest = append(b, rest...), nil
	}
	*buffer = b
	_, err := l.Write(b)
	if err == nil && rest != nil {
		_, err = l.Write(rest)
	}
	return err
}

// receive reads the answer to a call with a method. whole is true if another call can follow on the
// connection.
func (l *link) receive(method string) (got answer, whole bool, err error) {
	l.limited.N = answerLimit
	request := &http.Request{Method: method}
	response, err := http.ReadResponse(l.answers, request)
	for err == nil && response.StatusCode/100 == 1 { // an interim answer; the final one follows
		response, err = http.ReadResponse(l.answers, request)
	}
	if err != nil {
		return answer{}, false, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	whole = err == nil && !response.Close && l.limited.N > 0 && l.answers.Buffered() == 0
	return answerTo(response), whole, nil // the status counts, even if reading the rest fails
}

// take gives the connection that was used last, or nil if none is fresh.
func (k *kept) take() *link {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dropLocked()
	if len(k.idle) == 0 {
		return nil
	}
	l := k.idle[len(k.idle)-1]
	k.idle = k.idle[:len(k.idle)-1]
	return l
}

// keep keeps a connection for later calls, unless there are enough already.
func (k *kept) keep(l *link) {
	l.used = time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dropLocked()
	if len(k.idle) == connectionsKept {
		_ = l.Close()
		return
	}
	k.idle = append(k.idle, l)
}

// dropLocked closes connections that have been idle for too long.
func (k *kept) dropLocked() {
	fresh := slices.IndexFunc(k.idle, func(l *link) bool { return time.Since(l.used) < idleTime })
	if fresh < 0 {
		fresh = len(k.idle)
	}
	for _, l := range k.idle[:fresh] {
		_ = l.Close()
	}
	k.idle = slices.Delete(k.idle, 0, fresh)
}
