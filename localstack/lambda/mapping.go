package lambda

import (
	"context"
	"fmt"

	"github.com/watchroute/watchroute/localstack/lambda/mapping"
)

// Mapping is an event source mapping.
type Mapping = mapping.Mapping

// Map starts to feed a stream to a function, until Close. The error is
// ErrNotFound if there is no such function, ErrConflict if it is mapped to the
// stream already, and ErrInvalid for settings that Lambda refuses.
func (s *Service) Map(m Mapping, streams mapping.Streams) error {
	p, err := s.find(m.Function)
	if err != nil {
		return err
	}
	m.Function = p.arn()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	for _, other := range s.mappings {
		if other.StreamARN() == m.StreamARN && other.Function() == m.Function {
			return fmt.Errorf("%w: %s is mapped to %s already", ErrConflict, m.StreamARN, m.Function)
		}
	}
	poller, err := mapping.Start(m, streams, mapping.Options{
		Backoff: s.options.RetryBackoff,
		Wrap:    s.options.WrapDelivery,
		Invoke: func(ctx context.Context, event []byte) (mapping.Answer, error) {
			id := newRequestID()
			out := s.invoke(ctx, id, m.Function, event)
			return mapping.Answer{RequestID: id, Output: out.payload, FunctionError: out.failed}, out.err
		},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	s.mappings = append(s.mappings, poller)
	p.feed()
	return nil
}

// feed notes that the pool has a mapping.
func (p *pool) feed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fed = true
}

func (p *pool) arn() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.function.ARN
}
