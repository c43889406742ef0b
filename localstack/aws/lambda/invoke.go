package lambda

import (
	"context"
	"fmt"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/uuid"
)

// invocation is one payload on its way through a function.
type invocation struct {
	id        string
	payload   []byte
	submitted time.Time    // when it began to wait
	began     time.Time    // when a process got it
	done      chan outcome // holds the one outcome
	answer    *answer      // of InvokeStream; nil if the answer is collected

	// initFailures counts the processes that died while starting for this
	// invocation. Guarded by the pool's mutex.
	initFailures int
	// abandoned says that its caller has an answer and its process has not. Guarded by
	// the pool's mutex.
	abandoned bool
}

// outcome is how an invocation ended.
type outcome struct {
	payload []byte
	failed  bool  // the function failed; payload says how
	err     error // it did not run
}

// Invoke runs a function, given by name or ARN, and waits for its answer.
// functionError says that the function itself failed: output is then the error
// as JSON, written by the function or, for a crash or a timeout, by Lambda. A
// process that dies without having fetched the payload costs nothing: another
// gets it.
//
// The error is ErrNotFound, ErrTooLarge, ErrThrottled, ErrClosed, or that of
// ctx. If ctx ends while the function runs, the function continues, as on AWS, so
// the payload must not be changed after the call.
func (s *Service) Invoke(ctx context.Context, name string, payload []byte) (output []byte, functionError bool, err error) {
	out := s.invoke(ctx, uuid.New(), name, payload)
	return out.payload, out.failed, out.err
}

func (s *Service) invoke(ctx context.Context, id, name string, payload []byte) outcome {
	inv := &invocation{id: id, payload: payload, done: make(chan outcome, 1)}
	p, err := s.submit(name, inv)
	if err != nil {
		return outcome{err: err}
	}
	select {
	case out := <-inv.done:
		return out
	case <-ctx.Done():
		return outcome{err: fmt.Errorf("invoke %s: %w", p.name(), p.withdraw(inv, ctx.Err()))}
	}
}

// submit gives an invocation to a function's pool.
func (s *Service) submit(name string, inv *invocation) (*pool, error) {
	if len(inv.payload) > MaxRequest {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(inv.payload), MaxRequest)
	}
	p, err := s.find(name)
	if err != nil {
		return nil, err
	}
	return p, p.submit(inv)
}

// end gives who waits the outcome.
func (inv *invocation) end(out outcome) {
	inv.done <- out
	if inv.answer != nil {
		inv.answer.end(out)
	}
}
