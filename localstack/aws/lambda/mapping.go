package lambda

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
	"github.com/watchroute/watchroute/localstack/aws/uuid"
)

// Mapping is an event source mapping from a stream.
type Mapping = mapping.Mapping

// QueueMapping is an event source mapping from a queue.
type QueueMapping = mapping.QueueMapping

// KafkaMapping is an event source mapping from a topic of Kafka.
type KafkaMapping = mapping.KafkaMapping

// poller is a mapping at work.
type poller interface {
	Source() string // ARN of a stream or a queue, or brokers and a topic of Kafka
	Function() string
	Close()
}

// Map starts to feed a stream to a function, until Close. The error is
// ErrNotFound if there is no such function, ErrConflict if it is mapped to the
// stream already, and ErrInvalid for settings that Lambda refuses.
func (s *Service) Map(m Mapping, streams mapping.Streams) error {
	p, err := s.find(m.Function)
	if err != nil {
		return err
	}
	m.Function = p.arn()
	return s.feed(p, m.StreamARN, func() (poller, error) {
		p.prefer()
		return mapping.Start(m, streams, mapping.Options{
			Backoff: s.options.RetryBackoff, Wrap: s.options.WrapDelivery, Invoke: s.invoker(m.Function),
		})
	})
}

// MapQueue starts to feed a queue to a function, as Map does a stream.
func (s *Service) MapQueue(m QueueMapping, queues mapping.Queues) error {
	p, err := s.find(m.Function)
	if err != nil {
		return err
	}
	m.Function = p.arn()
	return s.feed(p, m.QueueARN, func() (poller, error) {
		return mapping.StartQueue(m, queues, mapping.QueueOptions{
			Timeout: p.timeout(), Wrap: s.options.WrapQueue, Invoke: s.invoker(m.Function),
		})
	})
}

// MapKafka starts to feed a topic of Kafka to a function, as Map does a stream. Faults do not disturb
// it.
func (s *Service) MapKafka(m KafkaMapping) error {
	p, err := s.find(m.Function)
	if err != nil {
		return err
	}
	m.Function = p.arn()
	return s.feed(p, strings.Join(m.Brokers, ",")+"/"+m.Topic, func() (poller, error) {
		return mapping.StartKafka(m, mapping.KafkaOptions{Backoff: s.options.RetryBackoff, Invoke: s.invoker(m.Function)})
	})
}

// invoker invokes a function for its mappings.
func (s *Service) invoker(function string) func(context.Context, []byte) (mapping.Answer, error) {
	return func(ctx context.Context, event []byte) (mapping.Answer, error) {
		id := uuid.New()
		out := s.invoke(ctx, id, function, event)
		return mapping.Answer{RequestID: id, Output: out.payload, FunctionError: out.failed}, out.err
	}
}

// feed starts a mapping and keeps it until Close.
func (s *Service) feed(to *pool, source string, start func() (poller, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	for _, other := range s.mappings {
		if other.Source() == source && other.Function() == to.arn() {
			return fmt.Errorf("%w: %s is mapped to %s already", ErrConflict, source, to.arn())
		}
	}
	started, err := start()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	s.mappings = append(s.mappings, started)
	to.feed()
	return nil
}

// prefer notes that the pool has a mapping from a stream.
func (p *pool) prefer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.preferred = true
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

func (p *pool) timeout() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.function.Timeout
}
