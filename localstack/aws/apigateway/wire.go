package apigateway

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// writeGrace is how long a write may hold up its caller while the kernel's
	// buffer is full; then what is left waits in the backlog.
	writeGrace = 2 * time.Millisecond
	// drainStep is how many waiting bytes are written under one BlockedLimit.
	drainStep = 16 << 10
	// overhead is what may wait beyond SendBuffer: frame headers, and the
	// pongs and the close frame that nobody can be refused.
	overhead = 64 << 10
)

var errBlocked = errors.New("client does not read")

// wire is the network connection below a WebSocket. Its writes hardly ever
// block: they go straight to the kernel, and what it does not take goes to a
// backlog with a goroutine that lives only as long as there is one. So whoever
// posts to a slow client is not slowed. Its reads keep the frame limit.
type wire struct {
	net.Conn
	early      []byte // read by the HTTP server after the handshake
	frameLimit uint64
	blocked    time.Duration
	backlogMax int
	spawn      func(func()) bool

	scanner frameScanner // used by the one reader
	tooBig  bool         // the frame limit was broken: discard what comes
	told    bool         // errFrameTooLarge was returned
	ended   bool         // a close frame came while discarding

	mu      sync.Mutex
	backlog []byte
	drains  bool
	err     error
}

// waiting is how many bytes the client has yet to take.
func (w *wire) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.backlog)
}

// Write sends or keeps all of p. It fails if the connection is lost.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	if w.drains {
		return w.keep(p)
	}
	if err := w.SetWriteDeadline(time.Now().Add(writeGrace)); err != nil {
		return 0, err
	}
	n, err := w.Conn.Write(p)
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if !w.spawn(w.drain) {
		return n, net.ErrClosed
	}
	w.drains = true
	kept, err := w.keep(p[n:])
	return n + kept, err
}

// keep appends to the backlog. A client that makes it overflow, by pings whose
// pongs it does not read, is cut off.
func (w *wire) keep(p []byte) (int, error) {
	if len(w.backlog)+len(p) > w.backlogMax {
		w.fail(errBlocked)
		return 0, w.err
	}
	w.backlog = append(w.backlog, p...)
	return len(p), nil
}

func (w *wire) fail(err error) {
	w.err, w.backlog = err, nil
	_ = w.Close() // the reader sees it, and ends the connection
}

// drain writes the backlog until none is left, or the client takes nothing for
// too long.
func (w *wire) drain() {
	step := make([]byte, drainStep)
	for {
		n := w.peek(step)
		if n == 0 {
			return
		}
		err := w.SetWriteDeadline(time.Now().Add(w.blocked))
		if err == nil {
			_, err = w.Conn.Write(step[:n])
		}
		if !w.sent(n, err) {
			return
		}
	}
}

// peek copies the backlog's next bytes. Without any the drain is over.
func (w *wire) peek(step []byte) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := copy(step, w.backlog)
	w.drains = n > 0
	if n == 0 {
		w.backlog = nil
	}
	return n
}

func (w *wire) sent(n int, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err != nil:
	case err != nil:
		w.fail(err)
	default:
		w.backlog = w.backlog[n:]
	}
	return w.err == nil
}

// Read passes the client's bytes on, up to where a frame over the limit begins;
// there it returns errFrameTooLarge, once. What follows is discarded, so that
// the client is not met by a TCP reset before it has read why, and ends with
// io.EOF at the client's close frame.
func (w *wire) Read(p []byte) (int, error) {
	for {
		if w.tooBig && !w.told {
			w.told = true
			return 0, errFrameTooLarge
		}
		if w.ended {
			return 0, io.EOF
		}
		n, err := w.receive(p)
		if n = w.scan(p[:n]); n > 0 || err != nil {
			return n, err
		}
	}
}

func (w *wire) receive(p []byte) (int, error) {
	if len(w.early) == 0 {
		return w.Conn.Read(p)
	}
	n := copy(p, w.early)
	if w.early = w.early[n:]; len(w.early) == 0 {
		w.early = nil
	}
	return n, nil
}

// scan follows the frames in p and gives how many of its bytes may pass. Of a
// header that began in an earlier read some bytes are through already; the
// library waits for the rest of it, and gets the error.
func (w *wire) scan(p []byte) (pass int) {
	if !w.tooBig {
		pass = len(p)
	}
	for at := 0; at < len(p); {
		n, f, ok := w.scanner.next(p[at:])
		at += n
		switch {
		case !ok:
		case w.tooBig:
			w.ended = w.ended || f.opcode == opcodeClose
		case f.length > w.frameLimit:
			w.tooBig = true
			pass = max(at-f.size, 0)
		}
	}
	return pass
}
