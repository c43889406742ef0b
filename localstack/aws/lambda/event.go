package lambda

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/uuid"
)

// What Lambda does with events whose callers do not wait.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
const (
	eventRetries = 2             // of a function that fails
	eventAge     = 6 * time.Hour // after which an event that did not run is discarded
	// The pause after a throttled attempt doubles up to mostThrottledPause.
	throttledPause     = time.Second
	mostThrottledPause = 5 * time.Minute
)

// InvokeEvent gives a function, by name or ARN, an event and does not wait for it. A function that
// fails gets the event again after Options.EventRetry and, if it fails again, once more after twice
// as long. A throttled event comes again for six hours. What is given up is logged: there is no
// destination for it.
//
// The error is ErrNotFound or ErrClosed. The event must not be changed after the call.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
func (s *Service) InvokeEvent(name string, event []byte) error {
	if _, err := s.find(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.events.Go(func() { s.runEvent(name, event) })
	return nil
}

// runEvent runs an event until it succeeds or is given up.
func (s *Service) runEvent(name string, event []byte) {
	id, accepted, failures, throttled := uuid.New(), time.Now(), 0, throttledPause
	for {
		out := s.invoke(s.life, id, name, event)
		pause := throttled
		switch {
		case out.err == nil && !out.failed, s.life.Err() != nil:
			return
		case out.failed:
			if failures++; failures > eventRetries {
				slog.Warn("event discarded, the function failed", "function", name, "attempts", failures, "answer", string(out.payload))
				return
			}
			pause = time.Duration(failures) * s.options.EventRetry
		case !errors.Is(out.err, ErrThrottled) || time.Since(accepted)+pause > eventAge:
			slog.Warn("event discarded, the function did not run", "function", name, "err", out.err)
			return
		default:
			throttled = min(2*throttled, mostThrottledPause)
		}
		if !rest(s.life, pause) {
			return
		}
	}
}

// rest waits; false if ctx ended.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
