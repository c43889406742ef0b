package main

import (
	"errors"
	"net/http"
	"time"
)

// A client that does not read its answer occupies an execution of the function all the while. It is
// therefore cut, and nothing is kept for it.
const (
	// readPause is how long it may take to read the next readBytes.
	readPause = 10 * time.Second
	readBytes = 32 << 10
	// readTime is how long it may take to read an answer that is not held.
	readTime = time.Minute
)

// errSlow is the error of writes to a client that was cut.
var errSlow = errors.New("client reads too slowly")

// pacedWriter is the answer to a client, cut if the client does not go on reading.
type pacedWriter struct {
	http.ResponseWriter
	pause time.Duration
	until time.Time // the client must have read everything by then
}

// expectReader sets the time until which the client may read its answer.
func expectReader(w http.ResponseWriter, until time.Time) {
	if paced, ok := w.(*pacedWriter); ok {
		paced.until = until
	}
}

// Write writes a part at a time, and gives the client some time to read each.
func (w *pacedWriter) Write(p []byte) (written int, err error) {
	control := http.NewResponseController(w.ResponseWriter)
	for first := true; err == nil && (first || len(p) > 0); first = false {
		part := p[:min(len(p), readBytes)]
		if !time.Now().Before(w.until) {
			return written, errSlow
		}
		_ = control.SetWriteDeadline(earlier(time.Now().Add(w.pause), w.until)) // without support for deadlines, the request's end counts
		var n int
		n, err = w.ResponseWriter.Write(part)
		written, p = written+n, p[len(part):]
	}
	_ = control.SetWriteDeadline(w.until) // for what the server writes itself at the end
	return written, err
}

// Unwrap lets an [http.ResponseController] reach the writer below.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
