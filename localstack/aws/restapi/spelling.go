package restapi

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
)

const (
	// remembered is the least number of a connection's latest bytes that are kept during a request.
	// It exceeds the size of the request line and headers, and of the bytes that may be read after
	// them.
	remembered = 32 << 10
	// readAhead is the same between requests: the bytes of the next one that net/http may have
	// read.
	readAhead = 4 << 10
)

// RememberSpelling lets events tell the names of headers as clients wrote them, which net/http
// does not keep. The server must serve the listeners that are returned.
func RememberSpelling(server *http.Server, listeners []net.Listener) []net.Listener {
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	before := server.ConnState
	server.ConnState = func(c net.Conn, state http.ConnState) {
		spelled, ok := c.(*spelledConn)
		switch {
		case ok && state == http.StateHijacked:
			spelled.forget()
		case ok && state == http.StateIdle:
			spelled.rest()
		}
		if before != nil {
			before(c, state)
		}
	}
	spelled := make([]net.Listener, len(listeners))
	for i, l := range listeners {
		spelled[i] = spelledListener{l}
	}
	return spelled
}

type connKey struct{}

type spelledListener struct{ net.Listener }

func (l spelledListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &spelledConn{Conn: c}, nil
}

// spelledConn keeps the latest bytes that were read from a connection.
type spelledConn struct {
	net.Conn

	mu       sync.Mutex
	latest   []byte
	complete bool // no more requests come
}

func (c *spelledConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.complete {
		return n, err
	}
	if len(c.latest)+min(n, remembered) > 2*remembered {
		c.latest = append(c.latest[:0], c.latest[max(0, len(c.latest)-remembered):]...)
	}
	c.latest = append(c.latest, p[max(0, n-remembered):n]...)
	return n, err
}

// rest keeps what the next request may need. It keeps the buffer too, unless that has become large,
// because a stack has a few hundred connections that wait for their next request.
func (c *spelledConn) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := c.latest[max(0, len(c.latest)-readAhead):]
	if cap(c.latest) > 4*readAhead {
		c.latest = nil
	}
	c.latest = append(c.latest[:0], next...)
}

func (c *spelledConn) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.complete, c.latest = true, nil
}

// spelling gives a request's header names as they were sent, by net/http's. It is empty for what
// did not come over such a connection. A body that looks like a head can only respell the names
// that the request has.
func spelling(r *http.Request) map[string]string {
	c, ok := r.Context().Value(connKey{}).(*spelledConn)
	if !ok {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	line := []byte(r.Method + " " + r.RequestURI + " HTTP/")
	at := bytes.LastIndex(c.latest, line)
	if at < 0 {
		return nil
	}
	names := map[string]string{}
	_, rest, _ := bytes.Cut(c.latest[at:], []byte("\n"))
	for {
		header, after, more := bytes.Cut(rest, []byte("\n"))
		name, _, colon := bytes.Cut(header, []byte(":"))
		if !more || !colon {
			return names
		}
		if canonical := http.CanonicalHeaderKey(string(name)); names[canonical] == "" {
			names[canonical] = string(name)
		}
		rest = after
	}
}
