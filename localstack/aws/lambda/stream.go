package lambda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/uuid"
)

// MaxStream is the size of a streamed answer in bytes, at most.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const MaxStream = 200 << 20

// FunctionError is the failure of a function that had begun to answer. Output is the
// error as JSON, as of [Service.Invoke].
type FunctionError struct{ Output []byte }

func (e *FunctionError) Error() string { return "function failed: " + string(e.Output) }

// Stream is an answer that is read while the function writes it.
type Stream struct {
	// ContentType is what the function calls its answer, such as
	// "application/vnd.awslambda.http-integration-response".
	ContentType string

	*answer
	detach func() bool
}

// Close ends the reading. The function continues, and what it still writes is dropped.
func (s *Stream) Close() error {
	s.detach()
	return s.reader.Close()
}

// answer is the way that bytes take from a function to who reads them. Nothing is kept on
// it: who reads slowly holds up the function, as far as the kernel's buffers do not help.
type answer struct {
	reader *io.PipeReader
	writer *io.PipeWriter
	taken  atomic.Bool   // by a request of the function
	begun  chan string   // gets the content type when the function begins to answer
	passed chan struct{} // closed when all that came has been passed on
}

// Read gives the next bytes as the function wrote them. The end is io.EOF if the answer is
// whole, a [*FunctionError] if the function failed on the way, and ErrClosed if the service
// was closed.
func (a *answer) Read(p []byte) (int, error) { return a.reader.Read(p) }

func newAnswer() *answer {
	r, w := io.Pipe()
	return &answer{reader: r, writer: w, begun: make(chan string, 1), passed: make(chan struct{})}
}

// end tells the reader how it ended, after what has been written.
func (a *answer) end(out outcome) {
	switch {
	case out.err != nil:
		a.writer.CloseWithError(out.err)
	case out.failed:
		a.writer.CloseWithError(&FunctionError{out.payload})
	default:
		a.writer.Close()
	}
}

// InvokeStream runs a function, given by name or ARN, and returns when it begins to answer.
// The answer may have MaxStream bytes. failure is what the function failed with if it did so
// before, as the output of [Service.Invoke]; stream is nil then.
//
// The error is that of [Service.Invoke]. If ctx ends, reading fails, and the function
// continues. Callers must Close the stream.
//
// Source: https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
func (s *Service) InvokeStream(ctx context.Context, name string, payload []byte) (stream *Stream, failure []byte, err error) {
	inv := &invocation{id: uuid.New(), payload: payload, done: make(chan outcome, 1), answer: newAnswer()}
	p, err := s.submit(name, inv)
	if err != nil {
		return nil, nil, err
	}
	// What is left when ctx ends is dropped by whoever writes it.
	detach := context.AfterFunc(ctx, func() { _ = inv.answer.reader.CloseWithError(ctx.Err()) })
	select {
	case kind := <-inv.answer.begun:
		return &Stream{ContentType: kind, answer: inv.answer, detach: detach}, nil, nil
	case out := <-inv.done:
		select {
		case kind := <-inv.answer.begun: // it was quick
			return &Stream{ContentType: kind, answer: inv.answer, detach: detach}, nil, nil
		default:
		}
		detach()
		return nil, out.payload, out.err
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("invoke %s: %w", p.name(), p.withdraw(inv, ctx.Err()))
	}
}

// pass hands a function's answer on as it comes. The function goes on when nobody reads any
// more: it is not told.
func (proc *process) pass(w http.ResponseWriter, r *http.Request, inv *invocation) {
	if !inv.answer.taken.CompareAndSwap(false, true) { // a second answer to the same
		refuseState(w)
		return
	}
	defer close(inv.answer.passed)
	inv.answer.begun <- r.Header.Get("Content-Type")
	_, err := io.Copy(leaving{inv.answer.writer}, http.MaxBytesReader(w, r.Body, MaxStream))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		proc.tooLarge(w, inv, MaxStream)
	case err == nil: // otherwise the process broke off; its exit tells
		proc.finish(w, inv, answered(r, nil))
	}
}

// drain waits until what a dead process had sent of streams has been passed on, but not long:
// their readers may be slow.
func (proc *process) drain() {
	limit := time.After(drainWait)
	for _, a := range proc.streaming() {
		select {
		case <-a.passed:
		case <-limit:
			return
		}
	}
}

// streaming gives the answers that have begun to be streamed and have not ended.
func (proc *process) streaming() []*answer {
	proc.pool.mu.Lock()
	defer proc.pool.mu.Unlock()
	var begun []*answer
	for _, l := range proc.lanes {
		if l.state == running && l.current.answering() {
			begun = append(begun, l.current.answer)
		}
	}
	return begun
}

// answering tells whether a stream has begun.
func (inv *invocation) answering() bool { return inv.answer != nil && inv.answer.taken.Load() }

// leaving writes to a reader that may leave.
type leaving struct{ w io.Writer }

func (l leaving) Write(p []byte) (int, error) {
	_, _ = l.w.Write(p) // fails when nobody reads any more, and costs nothing then
	return len(p), nil
}
