package mapping

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

// Limits of an event source mapping from a queue.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
const (
	defaultQueueBatch = 10
	// mostWithoutWindow is how large a batch may be that is not waited for.
	mostWithoutWindow = 10
	minQueueWindow    = time.Second // of larger ones
	// MaxConcurrency bounds what MaximumConcurrency may say.
	MaxConcurrency = 1000
	minConcurrency = 2
	// firstPollers is how many batches Lambda works on at once at the beginning. It adds up to 300
	// a minute under load, which would not make a laptop faster. A FIFO queue has no such bound.
	firstPollers = 5
	// mostOfFIFO bounds a batch of a FIFO queue.
	mostOfFIFO = 10
	// extraHiding is how much longer than a batch may take its messages are hidden, where
	// the queue hides them for too short a time.
	extraHiding = 30 * time.Second
)

// Queues is where the messages come from; *sqs.Service is one.
type Queues interface {
	Receive(ctx context.Context, queueARN string, most int, hide time.Duration) ([]sqs.Received, error)
	Delete(queueARN string, receiptHandles ...string) error
	Hide(queueARN string, d time.Duration, receiptHandles ...string) error
	VisibilityTimeout(queueARN string) (time.Duration, error)
}

// QueueMapping is an event source mapping from an SQS queue to a function.
//
// Messages are deleted when the function has succeeded. Otherwise the queue shows them again, as
// often as its redrive policy says. There are no attempts here, no bisecting and no failure
// destination.
//
//	receive ──► invoke ──ok───────────────────► delete
//	               ├──partial failure─────────► delete the others
//	               └──function or service error: all stay hidden until they are shown again
//
// FIFO queues use the same cycle. A batch may have messages of several groups. The queue holds back
// a group's next message while one of the group is received, so at most as many batches as groups
// run at once. The function must report all messages of a group that follow a failure, because
// those that it does not report are deleted.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html,
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
type QueueMapping struct {
	UUID     string
	QueueARN string // EventSourceArn
	Function string // name or ARN
	// BatchSize is the most messages an event has: 1 to MaxBatchSize, default 10. More than
	// 10 need a Window of at least a second, and a standard queue.
	BatchSize int
	// Window is how long the mapping waits for a full batch, at most MaxWindow
	// (MaximumBatchingWindowInSeconds). FIFO queues have none.
	Window time.Duration
	// Concurrency is how many batches the function works on at once, at most: 2 to
	// MaxConcurrency; 0 does not bound it (ScalingConfig.MaximumConcurrency).
	Concurrency             int
	ReportBatchItemFailures bool // from FunctionResponseTypes
}

// QueueOptions are what a queue's mapping needs of its surroundings.
type QueueOptions struct {
	// Invoke runs the function. An error means that it did not run: the messages come again
	// as if it had failed, and so use up receives.
	Invoke func(ctx context.Context, event []byte) (Answer, error)
	// Wrap, if not nil, is called for every delivery, to disturb it. The mapping acts on the answer
	// that it gives. Deliveries run side by side.
	Wrap func(ctx context.Context, d QueueDelivery) (Answer, error)
	// Timeout is the function's. It may not be longer than the queue hides messages.
	Timeout time.Duration
	Backoff time.Duration // before the queue is asked again that could not be; default 1 s
	Logger  *slog.Logger  // default slog.Default()
}

// QueueDelivery is a batch of a queue to be delivered to a function.
type QueueDelivery struct {
	Batch []sqs.Received
	// Invoke runs the function with the batch, as the Invoke of QueueOptions does.
	Invoke func(ctx context.Context) (Answer, error)
	// Show makes the queue show the batch again at once, as if its visibility timeout had passed.
	// It fails for messages that are shown already, or deleted.
	Show func() error
}

// complete gives the mapping with its defaults, or what is wrong with it.
func (m QueueMapping) complete() (QueueMapping, error) {
	m.BatchSize = cmp.Or(m.BatchSize, defaultQueueBatch)
	switch {
	case m.BatchSize < 1 || m.BatchSize > MaxBatchSize:
		return m, fmt.Errorf("BatchSize is %d, must be 1 to %d", m.BatchSize, MaxBatchSize)
	case m.Window < 0 || m.Window > MaxWindow:
		return m, fmt.Errorf("MaximumBatchingWindowInSeconds is %v, must be 0 s to %v", m.Window, MaxWindow)
	case m.BatchSize > mostWithoutWindow && m.Window < minQueueWindow:
		return m, fmt.Errorf("BatchSize is %d, above %d MaximumBatchingWindowInSeconds must be at least 1", m.BatchSize, mostWithoutWindow)
	case m.fifo() && m.BatchSize > mostOfFIFO:
		return m, fmt.Errorf("BatchSize is %d, must be 1 to %d for a FIFO queue", m.BatchSize, mostOfFIFO)
	case m.fifo() && m.Window > 0:
		return m, errors.New("a batching window is not supported for FIFO queues")
	case m.Concurrency != 0 && (m.Concurrency < minConcurrency || m.Concurrency > MaxConcurrency):
		return m, fmt.Errorf("MaximumConcurrency is %d, must be %d to %d", m.Concurrency, minConcurrency, MaxConcurrency)
	}
	return m, nil
}

func (m QueueMapping) fifo() bool { return strings.HasSuffix(m.QueueARN, ".fifo") }

// QueuePoller is a queue's mapping at work.
type QueuePoller struct {
	m      QueueMapping
	o      QueueOptions
	queues Queues
	region string
	hide   time.Duration // how long messages are hidden once received
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// StartQueue begins to receive. It fails if the settings are not valid, the queue does not
// exist, or it hides messages for less time than the function may take.
func StartQueue(m QueueMapping, queues Queues, o QueueOptions) (*QueuePoller, error) {
	m, err := m.complete()
	if err != nil {
		return nil, err
	}
	o.Backoff = cmp.Or(o.Backoff, time.Second)
	o.Logger = cmp.Or(o.Logger, slog.Default()).With("mapping", m.UUID, "function", m.Function)
	p := &QueuePoller{m: m, o: o, queues: queues, region: regionOf(m.QueueARN)}
	if p.hide, err = p.hiding(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	if m.fifo() {
		p.done.Go(func() { p.pollGroups(ctx) })
		return p, nil
	}
	for range min(firstPollers, cmp.Or(m.Concurrency, firstPollers)) {
		p.done.Go(func() { p.poll(ctx) })
	}
	return p, nil
}

// regionOf is the Region in an ARN.
func regionOf(arn string) string {
	parts := strings.SplitN(arn, ":", 5)
	return parts[min(3, len(parts)-1)]
}

// hiding gives for how long messages are hidden: the queue's time, or a longer one if a
// batch may take that long together with the window.
func (p *QueuePoller) hiding() (time.Duration, error) {
	hide, err := p.queues.VisibilityTimeout(p.m.QueueARN)
	if e := (*awsjson.Error)(nil); errors.As(err, &e) {
		return 0, fmt.Errorf("error occurred while ReceiveMessage. SQS Error Code: %s. SQS Error Message: %s", e.QueryCode, e.Message)
	}
	if err != nil {
		return 0, err
	}
	if hide < p.o.Timeout {
		return 0, fmt.Errorf("queue visibility timeout: %.0f seconds is less than function timeout: %.0f seconds", hide.Seconds(), p.o.Timeout.Seconds())
	}
	if longest := p.m.Window + p.o.Timeout; longest > hide {
		return longest + extraHiding, nil
	}
	return hide, nil
}

// Close stops the mapping and waits for that; an invocation that runs is not waited for.
// Its messages come again.
func (p *QueuePoller) Close() {
	p.cancel()
	p.done.Wait()
}

// Source is the queue that is read.
func (p *QueuePoller) Source() string { return p.m.QueueARN }

// Function is the function that is fed.
func (p *QueuePoller) Function() string { return p.m.Function }

// poll delivers one batch after the other.
func (p *QueuePoller) poll(ctx context.Context) {
	for ctx.Err() == nil {
		p.deliverAll(ctx, p.next(ctx))
	}
}

// pollGroups delivers the batches of a FIFO queue side by side.
func (p *QueuePoller) pollGroups(ctx context.Context) {
	running := make(chan struct{}, cmp.Or(p.m.Concurrency, MaxConcurrency))
	for ctx.Err() == nil {
		select {
		case running <- struct{}{}:
		case <-ctx.Done():
			return
		}
		batch := p.next(ctx)
		p.done.Go(func() {
			p.deliverAll(ctx, batch)
			<-running
		})
	}
}

// next waits for a batch. The batch is empty if the queue cannot be read, or ctx has ended.
func (p *QueuePoller) next(ctx context.Context) []sqs.Received {
	batch, err := p.receive(ctx)
	if err != nil && ctx.Err() == nil {
		p.o.Logger.Warn("queue cannot be read", "queue", p.m.QueueARN, "err", err)
		sleep(ctx, p.o.Backoff)
	}
	return batch
}

// deliverAll delivers a batch in as many events as needed. Before each event it hides the messages
// of later events anew, so that no other batch gets them meanwhile. In a FIFO queue, messages that
// follow a failed one of their group stay hidden.
func (p *QueuePoller) deliverAll(ctx context.Context, batch []sqs.Received) {
	for first := true; len(batch) > 0; first = false {
		if !first {
			if err := p.queues.Hide(p.m.QueueARN, p.hide, handles(batch)...); err != nil {
				p.o.Logger.Warn("messages were shown again before their turn, they come again", "err", err)
				return
			}
		}
		event, n := p.event(batch)
		failed := p.deliver(ctx, event, batch[:n])
		batch = batch[n:]
		if p.m.fifo() {
			batch = slices.DeleteFunc(batch, func(m sqs.Received) bool {
				return slices.ContainsFunc(failed, func(f sqs.Received) bool { return groupOf(f) == groupOf(m) })
			})
		}
	}
}

// handles gives the receipt handles of messages.
func handles(batch []sqs.Received) (list []string) {
	for _, m := range batch {
		list = append(list, m.ReceiptHandle)
	}
	return list
}

func groupOf(m sqs.Received) string { return m.Attributes["MessageGroupId"] }

// receive waits for a message, and then until the batch is full or the window is over.
func (p *QueuePoller) receive(ctx context.Context) ([]sqs.Received, error) {
	batch, err := p.queues.Receive(ctx, p.m.QueueARN, p.m.BatchSize, p.hide)
	if err != nil || p.m.Window == 0 {
		return batch, err
	}
	window, cancel := context.WithTimeout(ctx, p.m.Window)
	defer cancel()
	for len(batch) < p.m.BatchSize {
		more, err := p.queues.Receive(window, p.m.QueueARN, p.m.BatchSize-len(batch), p.hide)
		if batch = append(batch, more...); errors.Is(err, context.DeadlineExceeded) {
			return batch, nil
		}
		if err != nil {
			return batch, err
		}
	}
	return batch, nil
}

// deliver invokes the function once, and deletes the messages that succeeded. It gives the others,
// which stay hidden until the queue shows them again.
func (p *QueuePoller) deliver(ctx context.Context, event []byte, batch []sqs.Received) (left []sqs.Received) {
	answer, err := p.invoke(ctx, event, batch)
	if err != nil {
		if ctx.Err() == nil {
			p.o.Logger.Warn("function did not run", "messages", len(batch), "err", err)
		}
		return batch
	}
	if answer.FunctionError {
		return batch
	}
	failed := map[string]bool{}
	if p.m.ReportBatchItemFailures {
		if failed, err = failedMessages(answer.Output, batch); err != nil {
			p.o.Logger.Warn("function reported failures in a way that fails the batch", "err", err)
			return batch
		}
	}
	var done []sqs.Received
	for _, m := range batch {
		if failed[m.MessageId] {
			left = append(left, m)
			continue
		}
		done = append(done, m)
	}
	if err := p.queues.Delete(p.m.QueueARN, handles(done)...); err != nil {
		p.o.Logger.Warn("messages not deleted, they come again", "err", err)
	}
	return left
}

// invoke runs the function with a batch, through Wrap if there is one.
func (p *QueuePoller) invoke(ctx context.Context, event []byte, batch []sqs.Received) (Answer, error) {
	if p.o.Wrap == nil {
		return p.o.Invoke(ctx, event)
	}
	return p.o.Wrap(ctx, QueueDelivery{
		Batch:  batch,
		Invoke: func(ctx context.Context) (Answer, error) { return p.o.Invoke(ctx, event) },
		Show:   func() error { return p.queues.Hide(p.m.QueueARN, 0, handles(batch)...) },
	})
}
