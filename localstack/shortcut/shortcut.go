// Package shortcut is the only place that knows how to serve simple HTTP requests without net/http.
// It saves time for requests that a program makes thousands of times a second.
//
//	listener ──► plain POST to a path that is served here ──► handler ──► the next request
//	                 │ no
//	                 └──► Accept: an http.Server gets the connection, and all that was read from it
//
// A request is plain if it has only headers of knownHeaders, each once and as Go's clients write
// it, and a body of known length. On the first other request, net/http gets the connection and
// keeps it. This package therefore changes nothing but the time that a request takes.
package shortcut

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// headTime bounds the time for the head of a request: from the start of a connection for the first
// one, and from the first byte for later ones.
const headTime = 10 * time.Second

// The largest plain request, in bytes. net/http reads as much of a head ahead, and reads as much of
// a body if the handler does not.
const (
	headSize = 4 << 10
	bodySize = 256 << 10
)

// Options say which requests are served.
type Options struct {
	// Paths of served requests begin with Prefix and have Contains in them, which may be empty.
	Prefix, Contains string
	// Pass, if not nil, is asked for each request whether its connection is for net/http. It keeps
	// those that it has got.
	Pass func() bool
	// Handler serves them. It must not keep the request, and cannot hijack the connection. It
	// answers with a body, even an empty one, and thus not with 204 or 304.
	Handler http.Handler
	// Accepted, if not nil, is called for each connection.
	Accepted func()
	Logger   *slog.Logger
}

// Listener gives the connections that are not served here. Make one with Listen.
type Listener struct {
	net.Listener
	options Options
	others  chan net.Conn
	failed  chan error // why Accept gives no connection
	closed  chan struct{}
	once    sync.Once

	mu    sync.Mutex
	conns map[net.Conn]struct{} // connections that are read here; nil once closed
}

// Listen serves plain requests on the connections of a listener, until Close.
func Listen(l net.Listener, o Options) *Listener {
	s := &Listener{Listener: l, options: o, others: make(chan net.Conn), failed: make(chan error),
		closed: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	go s.accept()
	return s
}

func (s *Listener) accept() {
	for {
		c, err := s.Listener.Accept()
		if err != nil {
			select {
			case s.failed <- err:
				continue // net/http decides whether to accept again, and closes the listener if not
			case <-s.closed:
				return
			}
		}
		if s.options.Accepted != nil {
			s.options.Accepted()
		}
		if s.add(c) {
			go s.serve(c)
		}
	}
}

// Accept gives the next connection for net/http.
func (s *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-s.others:
		return c, nil
	case err := <-s.failed:
		return nil, err
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close stops listening, and closes the connections that Accept has not given. A second call does
// nothing.
func (s *Listener) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		err = s.Listener.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.conns {
			_ = c.Close()
		}
		s.conns = nil
	})
	return err
}

// add lets Close close a connection. After Close, add closes it at once.
func (s *Listener) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		_ = c.Close()
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Listener) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// serve serves a connection's requests as long as they are plain.
func (s *Listener) serve(c net.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer s.remove(c)
	e := newExchange(ctx, c)
	for {
		switch plain, err := e.next(s.options); {
		case err != nil:
			_ = c.Close()
			return
		case !plain:
			s.handOver(c, e.unread())
			return
		}
		if !s.answer(e) {
			_ = c.Close()
			return
		}
	}
}

// handOver passes a connection to Accept.
func (s *Listener) handOver(c net.Conn, unread []byte) {
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		_ = c.Close()
		return
	}
	select {
	case s.others <- &handedOver{c, unread}:
	case <-s.closed:
		_ = c.Close()
	}
}

// answer calls the handler for a request, and reports whether another request can follow.
func (s *Listener) answer(e *exchange) (more bool) {
	defer func() {
		if failure := recover(); failure != nil {
			if failure != http.ErrAbortHandler {
				s.options.Logger.Error("handler panicked", "path", e.request.URL.Path, "panic", failure)
			}
			more = false
		}
	}()
	s.options.Handler.ServeHTTP(&e.response, e.request)
	if _, err := io.Copy(io.Discard, &e.body); err != nil || e.body.N > 0 {
		return false
	}
	return e.reply() == nil
}

// handedOver is a connection with bytes that were read already.
type handedOver struct {
	net.Conn
	unread []byte
}

func (h *handedOver) Read(p []byte) (int, error) {
	if len(h.unread) == 0 {
		return h.Conn.Read(p)
	}
	n := copy(p, h.unread)
	if h.unread = h.unread[n:]; len(h.unread) == 0 {
		h.unread = nil
	}
	return n, nil
}
