// Package mapping is the only place that knows how Lambda feeds a stream of DynamoDB or
// Kinesis, an SQS queue, or a topic of Kafka, to a function: batches, their order, retries, and what is
// given up. [QueueMapping] tells of queues, [KafkaMapping] of Kafka; what follows is about streams.
//
// Every shard is read on its own, children after their parents. A batch never
// mixes shards, and a batch that fails holds up those behind it until it
// succeeds or is discarded:
//
//	batch ──► invoke ──ok──────────────────────────► next batch
//	  ▲          ├──service error── pause ──► again, no attempt consumed
//	  │          └──function error, or a partial failure
//	  │                 ├── can be split ──► first part, then the rest; no attempt consumed
//	  │                 └── one attempt consumed ── pause ──► again
//	  └── before each invoke: records past MaxRecordAge are discarded;
//	      after MaxRetries retries: the batch is discarded ──► OnFailure
//
// Delivery is at least once. Nothing is remembered across a restart: a mapping
// begins at its starting position. Unlike Lambda, which looks four times a
// second, a record that finds the function free reaches it at once.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html,
// https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
package mapping

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/feed"
	"github.com/watchroute/watchroute/shared/pattern"
)

// Streams is where the records come from: a *stream.Registry of DynamoDB, or a kinesis.Reader.
type Streams interface {
	Shards(arn string) ([]feed.Shard, error)
	ShardsChanged(arn string) <-chan struct{}
	Latest(arn, shardID string) (sequenceNumber string, err error)
	Read(ctx context.Context, arn, shardID, after string, limit int) (records []feed.Record, closed bool, err error)
}

// Answer is what an invocation gave.
type Answer struct {
	RequestID     string
	Output        []byte
	FunctionError bool // the function failed
}

// Delivery brings the records of one batch to the function and gives its answer. An
// error means that the function did not run.
type Delivery func(ctx context.Context, records []feed.Record) (Answer, error)

// Options are what a mapping needs of its surroundings, and the switches for
// what AWS does not document.
type Options struct {
	// Invoke runs the function. An error means that it did not run (throttled,
	// not there): the batch comes again without consuming an attempt.
	Invoke func(ctx context.Context, event []byte) (Answer, error)
	// Wrap, if not nil, stands around every delivery, to disturb it. It is called once
	// for each lane of a shard, of which there are ParallelizationFactor, and what it
	// gives is used for one batch after the other. That may bring next other records
	// than it got, and answer otherwise: the mapping goes by the answer, read as one
	// for the records it handed over.
	Wrap func(shardID string, next Delivery) Delivery
	// Backoff is the pause before the first retry; it doubles up to MaxBackoff.
	// AWS documents neither. Defaults: 100 ms and 10 s.
	Backoff, MaxBackoff time.Duration
	// HalveAtFirst decides what Bisect does with a partial failure that reports
	// the first record, where there is nothing before the split. The strict
	// reading, false: an attempt is consumed, and the records behind share the
	// fate of the first. True: the batch is halved.
	HalveAtFirst bool
	Logger       *slog.Logger // default slog.Default()
}

// Poller is a mapping at work.
type Poller struct {
	m       Mapping
	o       Options
	streams Streams
	filters []*pattern.Pattern
	begin   map[string]string // positions of the shards there were at the start, for LATEST
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// Start begins to read. What is written after Start returns is delivered
// whatever the starting position. It fails if the settings are not valid or the
// stream does not exist.
func Start(m Mapping, streams Streams, o Options) (*Poller, error) {
	m, filters, err := m.complete()
	if err != nil {
		return nil, err
	}
	if o.Backoff <= 0 {
		o.Backoff = 100 * time.Millisecond
	}
	if o.MaxBackoff <= 0 {
		o.MaxBackoff = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Logger = o.Logger.With("mapping", m.UUID, "function", m.Function)
	p := &Poller{m: m, o: o, streams: streams, filters: filters}
	if p.begin, err = p.positions(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.done.Go(func() { p.follow(ctx) })
	return p, nil
}

// Close stops the mapping and waits for that; an invocation that runs is not
// waited for.
func (p *Poller) Close() {
	p.cancel()
	p.done.Wait()
}

// Source is the stream that is read.
func (p *Poller) Source() string { return p.m.StreamARN }

// Function is the function that is fed.
func (p *Poller) Function() string { return p.m.Function }
