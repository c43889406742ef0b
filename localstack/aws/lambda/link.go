package lambda

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// link is a process's connection to its Runtime API. It remembers how the
// process's side ended, which net/http does not tell.
type link struct {
	net.Conn
	once  sync.Once
	sent  atomic.Bool   // a payload has been given to the kernel, or is about to be
	ended chan struct{} // closed when nothing more can be read
	reset bool          // the process's side was closed before all was read; valid after ended
}

// Read notes the end of the connection. net/http interrupts its own reads by
// deadlines, which are no end.
func (l *link) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		l.once.Do(func() {
			l.reset = !l.sent.Load() || errors.Is(err, syscall.ECONNRESET) || l.refused()
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

// refused tells whether the process's side turned down what was sent. That comes
// after an orderly end too, if it was sent to a side that had ended; reading then
// gives no error, and only the socket knows.
func (l *link) refused() bool {
	socket, ok := l.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	var pending int
	err = raw.Control(func(fd uintptr) {
		pending, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	})
	return err == nil && pending != 0
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
