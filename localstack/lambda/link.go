package lambda

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
)

// link is a process's connection to its Runtime API. It remembers how the
// process's side ended, which net/http does not tell.
type link struct {
	net.Conn
	once  sync.Once
	ended chan struct{} // closed when nothing more can be read
	reset bool          // the process's side was closed with data unread; set before ended
}

// Read notes the end of the connection. net/http interrupts its own reads by
// deadlines, which are no end.
func (l *link) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		l.once.Do(func() {
			l.reset = errors.Is(err, syscall.ECONNRESET)
			close(l.ended)
		})
	}
	return n, err
}

// alive is false once the process's side is known to have ended.
func (l *link) alive() bool {
	select {
	case <-l.ended:
		return false
	default:
		return true
	}
}

// linkListener makes links of the connections it accepts.
type linkListener struct{ net.Listener }

func (l linkListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &link{Conn: c, ended: make(chan struct{})}, nil
}

type linkKey struct{}

func withLink(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, linkKey{}, c)
}

// linkOf gives the link that a request came over.
func linkOf(ctx context.Context) *link {
	l, _ := ctx.Value(linkKey{}).(*link)
	return l
}
