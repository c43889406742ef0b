// Package shortcut is the only place that knows how to serve plain requests without net/http,
// for what a program asks thousands of times a second.
//
//	listener ──► plain POST to a path that is served here ──► handler ──► the next request
//	                 │ no
//	                 └──► Accept: an http.Server gets the connection, and all that was read from it
//
// A request is plain if it has nothing but the few headers in knownHeaders, each once and as Go's
// clients write it, and a body whose length it tells. Whatever else comes, net/http serves; it
// then keeps the connection. So nothing but the time that a request takes depends on this package.
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

// headTime bounds the time in which the head of a request must come: the first one of a connection
// from its start, later ones from their first byte.
const headTime = 10 * time.Second

// Sizes of a plain request, at most, in bytes: of its head, which is what net/http reads ahead, too,
// and of its body, which is what net/http reads to the end if the handler does not.
const (
	headSize = 4 << 10
	bodySize = 256 << 10
)

// Options say what is served.
type Options struct {
	// Prefix is what the paths of the requests begin with that may be served here; with
	// Contains in them.
	Prefix, Contains string
	// Handler serves them. It must not keep the request, cannot hijack the connection, and answers
	// with a body, if only an empty one: not with 204 or 304.
	Handler http.Handler
	// Accepted, if not nil, is told of each connection.
	Accepted func()
	Logger   *slog.Logger
}

// Listener gives the connections that are not served here. Make one with Listen.
type Listener struct {
	net.Listener
	options Options
	others  chan net.Conn
	failed  chan error // why the listener gives none
	closed  chan struct{}
	once    sync.Once

	mu    sync.Mutex
	conns map[net.Conn]struct{} // that are served or looked at here; nil once closed
}

// Listen serves plain requests to what a listener accepts, until Close.
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
				continue // net/http decides whether it asks again, and closes the listener if not
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

// Accept gives the next connection that net/http is to serve.
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

// Close stops listening, and ends the connections that Accept has not given. Calling it again does
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

// add makes Close end a connection, or ends it if that was called.
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

// handOver lets Accept give a connection.
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

// answer lets the handler answer a request, and tells whether another one can follow.
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

// handedOver is a connection of which some bytes were read already.
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
