// Package sqs is the only place that knows SQS's queues: standard and FIFO queues and
// their redrive policies over the AWS JSON protocol, kept in memory.
//
// Offered: CreateQueue, GetQueueUrl, ListQueues, GetQueueAttributes,
// SetQueueAttributes, SendMessage and ReceiveMessage with long polling,
// DeleteMessage, ChangeMessageVisibility, their batches for sending and
// deleting, PurgeQueue and DeleteQueue. Lambda's pollers receive and delete by
// methods of [Service]. Messages of standard queues keep their order of arrival,
// which SQS does not promise.
//
// A receive of a standard queue walks its messages from the first, and takes time in proportion to
// their number. A receive of a FIFO queue takes time in proportion to the groups that have
// messages. Both suffice for thousands, not for millions.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
package sqs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// Options configure a service.
type Options struct {
	Account string           // default "000000000000"
	Region  string           // default "us-east-1"
	BaseURL string           // before /{account}/{name} in queue URLs; default "http://127.0.0.1:4566"
	Now     func() time.Time // default time.Now
	// Lookahead is how many messages of a FIFO queue are searched, from the first, for one that may
	// be received; default 120,000, as documented. Older documentation says 20,000.
	//
	// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-fifo.html
	Lookahead int
}

// Service holds the queues of one account and Region. Safe for concurrent use.
type Service struct {
	options Options

	mu     sync.Mutex
	queues map[string]*queue // by name
}

// New makes a service without queues.
func New(o Options) *Service {
	o.Account = cmp.Or(o.Account, "000000000000")
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.BaseURL = strings.TrimSuffix(cmp.Or(o.BaseURL, "http://127.0.0.1:4566"), "/")
	o.Lookahead = cmp.Or(o.Lookahead, lookahead)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{options: o, queues: map[string]*queue{}}
}

// Service gives the operations as they are spoken over HTTP.
func (s *Service) Service() *awsjson.Service {
	return &awsjson.Service{
		Target:    "AmazonSQS",
		Namespace: "com.amazonaws.sqs#",
		Operations: map[string]awsjson.Operation{
			"CreateQueue":             awsjson.Typed(s.createQueue),
			"GetQueueUrl":             awsjson.Typed(s.getQueueURL),
			"ListQueues":              awsjson.Typed(s.listQueues),
			"DeleteQueue":             awsjson.Typed(s.deleteQueue),
			"PurgeQueue":              awsjson.Typed(s.purgeQueue),
			"GetQueueAttributes":      awsjson.Typed(s.getQueueAttributes),
			"SetQueueAttributes":      awsjson.Typed(s.setQueueAttributes),
			"SendMessage":             awsjson.Typed(s.sendMessage),
			"SendMessageBatch":        awsjson.Typed(s.sendMessageBatch),
			"ReceiveMessage":          awsjson.Typed(s.receiveMessage),
			"DeleteMessage":           awsjson.Typed(s.deleteMessage),
			"DeleteMessageBatch":      awsjson.Typed(s.deleteMessageBatch),
			"ChangeMessageVisibility": awsjson.Typed(s.changeMessageVisibility),
		},
	}
}

// none is the output of operations that have none.
type none struct{}

// Send puts a message into a queue given by its ARN, as Lambda does for failure
// destinations. The error is a QueueDoesNotExist for an unknown queue,
// InvalidParameterValue for a body that SQS refuses.
func (s *Service) Send(_ context.Context, queueARN, body string) error {
	return s.Deliver(queueARN, Message{Body: body})
}

// Message is what another service sends to a queue.
type Message struct {
	Body                     string
	Attributes               map[string]Attribute
	GroupID, DeduplicationID string // as MessageGroupId and MessageDeduplicationId of SendMessage
}

// Deliver puts a message of another service, such as SNS or EventBridge, into a queue given by its
// ARN. Its errors are those of SendMessage.
func (s *Service) Deliver(queueARN string, m Message) error {
	q, err := s.findARN(queueARN)
	if err != nil {
		return fmt.Errorf("send to %s: %w", queueARN, err)
	}
	out := outgoing{MessageBody: m.Body, MessageAttributes: m.Attributes, MessageGroupId: m.GroupID, MessageDeduplicationId: m.DeduplicationID}
	if _, err := q.send(&out); err != nil {
		return fmt.Errorf("send to %s: %w", queueARN, err)
	}
	return nil
}

// Receive takes up to most messages of a queue given by its ARN, with all their
// attributes, and hides them for a time, as Lambda's pollers do. It waits until there is a
// message; the error is ctx's if it ends before, and a QueueDoesNotExist for a queue that
// is unknown or is deleted meanwhile.
func (s *Service) Receive(ctx context.Context, queueARN string, most int, hide time.Duration) ([]Received, error) {
	q, err := s.findARN(queueARN)
	if err != nil {
		return nil, fmt.Errorf("receive from %s: %w", queueARN, err)
	}
	all := []string{"All"}
	r := reception{receiveInput: receiveInput{MessageSystemAttributeNames: all, MessageAttributeNames: all}, most: most, wait: forever, hide: hide}
	messages := s.receive(ctx, q, r, nil)
	switch {
	case len(messages) > 0:
		return messages, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("receive from %s: %w", queueARN, errNoQueue)
}

// forever is the wait of a receive that has no deadline.
const forever time.Duration = math.MaxInt64

// Delete removes received messages of a queue given by its ARN. A deleted message is no error. A
// message that has been received again is an error only in a FIFO queue. An error does not stop the
// deletion of the other messages.
func (s *Service) Delete(queueARN string, receiptHandles ...string) error {
	q, err := s.findARN(queueARN)
	if err != nil {
		return fmt.Errorf("delete from %s: %w", queueARN, err)
	}
	for _, handle := range receiptHandles {
		err = errors.Join(err, q.delete(handle))
	}
	if err != nil {
		return fmt.Errorf("delete from %s: %w", queueARN, err)
	}
	return nil
}

// Hide hides received messages of a queue given by its ARN for a time from now; 0 shows them. Its
// errors are those of ChangeMessageVisibility, such as for a message that is shown again. An error
// does not stop the hiding of the other messages.
func (s *Service) Hide(queueARN string, d time.Duration, receiptHandles ...string) error {
	q, err := s.findARN(queueARN)
	if err != nil {
		return fmt.Errorf("hide in %s: %w", queueARN, err)
	}
	for _, handle := range receiptHandles {
		err = errors.Join(err, q.hide(handle, d))
	}
	if err != nil {
		return fmt.Errorf("hide in %s: %w", queueARN, err)
	}
	return nil
}

// VisibilityTimeout is how long a queue given by its ARN hides what has been received.
func (s *Service) VisibilityTimeout(queueARN string) (time.Duration, error) {
	q, err := s.findARN(queueARN)
	if err != nil {
		return 0, fmt.Errorf("visibility timeout of %s: %w", queueARN, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.settings.duration("VisibilityTimeout"), nil
}

// findARN gives a queue by its ARN.
func (s *Service) findARN(arn string) (*queue, error) {
	q, err := s.find(arn[strings.LastIndexByte(arn, ':')+1:])
	if err == nil && q.arn != arn {
		return nil, errNoQueue // of another account or Region
	}
	return q, err
}

// find gives a queue by its name or URL.
func (s *Service) find(reference string) (*queue, error) {
	if reference == "" {
		return nil, errorf("MissingParameter", "The request must contain the parameter QueueUrl.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[reference[strings.LastIndexByte(reference, '/')+1:]]
	if q == nil {
		return nil, errNoQueue
	}
	return q, nil
}

var errNoQueue = errorf("QueueDoesNotExist", "The specified queue does not exist.")
