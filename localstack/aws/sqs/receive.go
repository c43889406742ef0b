package sqs

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

type receiveInput struct {
	QueueUrl                    string
	AttributeNames              []string // the old name of the next
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	ReceiveRequestAttemptId     string // of FIFO queues; not supported
}

type receiveOutput struct {
	Messages []Received `json:",omitempty"`
}

// Received is a message as a receiver gets it.
type Received struct {
	MessageId              string
	ReceiptHandle          string
	MD5OfBody              string
	Body                   string
	Attributes             map[string]string    `json:",omitempty"`
	MessageAttributes      map[string]Attribute `json:",omitempty"`
	MD5OfMessageAttributes string               `json:",omitempty"`
}

// receiveMessage gives the messages at the head of the queue and hides them for
// the visibility timeout; it waits for one if asked to.
func (s *Service) receiveMessage(ctx context.Context, in receiveInput) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := q.request("ReceiveMessage"); err != nil {
		return nil, err
	}
	r, err := q.reception(in)
	if err != nil {
		return nil, err
	}
	deadline := time.NewTimer(r.wait)
	defer deadline.Stop()
	return receiveOutput{s.receive(ctx, q, r, deadline.C)}, nil
}

// receive takes what is there. If that is nothing and the reception waits, it looks again
// until there is something, the deadline comes, ctx ends, or the queue is gone.
func (s *Service) receive(ctx context.Context, q *queue, r reception, deadline <-chan time.Time) []Received {
	for {
		dead, most := s.deadLetters(q)
		messages, exhausted, changed, next := q.take(r, most)
		if dead != nil {
			dead.adopt(exhausted, q.arn, q.now())
		}
		if len(messages) == 0 && len(exhausted) > 0 {
			continue // messages that they held back may be ready, now or later
		}
		if len(messages) > 0 || r.wait == 0 || changed == nil || !await(ctx, changed, next, deadline) {
			return messages
		}
	}
}

// await waits until a receive should look again; false: no more.
func await(ctx context.Context, changed <-chan struct{}, next time.Duration, deadline <-chan time.Time) bool {
	var visible <-chan time.Time
	if next > 0 {
		timer := time.NewTimer(next)
		defer timer.Stop()
		visible = timer.C
	}
	select {
	case <-changed:
	case <-visible:
	case <-deadline:
		return false
	case <-ctx.Done():
		return false
	}
	return true
}

// reception is a receive whose parameters have been checked.
type reception struct {
	receiveInput
	most       int
	wait, hide time.Duration
}

func (q *queue) reception(in receiveInput) (reception, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := reception{
		receiveInput: in, most: 1,
		wait: q.settings.duration("ReceiveMessageWaitTimeSeconds"), hide: q.settings.duration("VisibilityTimeout"),
	}
	if in.ReceiveRequestAttemptId != "" {
		return r, errorf("UnsupportedOperation", "ReceiveRequestAttemptId is not supported here.")
	}
	if in.MaxNumberOfMessages != nil {
		if r.most = *in.MaxNumberOfMessages; r.most < 1 || r.most > maxBatch {
			return r, errorf("InvalidParameterValue", "Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and %d, if provided.", r.most, maxBatch)
		}
	}
	if err := seconds(in.WaitTimeSeconds, "WaitTimeSeconds", "ReceiveMessageWaitTimeSeconds", &r.wait); err != nil {
		return r, err
	}
	return r, seconds(in.VisibilityTimeout, "VisibilityTimeout", "VisibilityTimeout", &r.hide)
}

// seconds sets a duration from a parameter, if it is given, within the bounds of
// the queue attribute of the same meaning.
func seconds(given *int, parameter, attribute string, d *time.Duration) error {
	if given == nil {
		return nil
	}
	if bounds := numbers[attribute]; *given < bounds.least || *given > bounds.most {
		return errorf("InvalidParameterValue", "Value %d for parameter %s is invalid. Reason: Must be >= %d and <= %d, if provided.",
			*given, parameter, bounds.least, bounds.most)
	}
	*d = time.Duration(*given) * time.Second
	return nil
}

// take receives what is there, and takes out what has been received most times already, if
// most is above 0. If nothing was received, changed tells when to look again (nil if the
// queue is gone), and next, if above 0, when a message becomes visible.
func (q *queue) take(r reception, most int) (messages []Received, exhausted []*message, changed <-chan struct{}, next time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	q.expireLocked(now)
	ready, next := q.readyLocked(now)
	for m := range ready {
		if len(messages) == r.most {
			break
		}
		if most > 0 && m.receives >= most {
			exhausted = append(exhausted, m)
			continue
		}
		messages = append(messages, q.receiveLocked(m, r, now))
	}
	for _, m := range exhausted {
		q.removeLocked(m)
	}
	q.usage.Redriven += len(exhausted)
	q.usage.Received += len(messages)
	if q.deleted {
		return messages, exhausted, nil, 0
	}
	if q.changed == nil {
		q.changed = make(chan struct{})
	}
	return messages, exhausted, q.changed, next
}

func (q *queue) receiveLocked(m *message, r reception, now time.Time) Received {
	m.receives++
	m.received, m.visible = now, now.Add(r.hide)
	q.servedLocked(m)
	if m.first.IsZero() {
		m.first = now
	}
	out := Received{MessageId: m.id, ReceiptHandle: m.receipt().String(), MD5OfBody: md5OfBody(m.body), Body: m.body}
	out.Attributes = q.system(m, slices.Concat(r.AttributeNames, r.MessageSystemAttributeNames))
	out.MessageAttributes = selected(m.attributes, r.MessageAttributeNames)
	out.MD5OfMessageAttributes = md5OfAttributes(out.MessageAttributes)
	return out
}

// system gives the wanted system attributes of a message.
func (q *queue) system(m *message, names []string) map[string]string {
	all := map[string]string{
		"SenderId":                         q.account,
		"SentTimestamp":                    strconv.FormatInt(m.sent.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.receives),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
	}
	for name, value := range map[string]string{
		"AWSTraceHeader": m.trace, "DeadLetterQueueSourceArn": m.from,
		"MessageGroupId": m.group, "MessageDeduplicationId": m.deduplication, "SequenceNumber": m.sequence,
	} {
		if value != "" {
			all[name] = value
		}
	}
	for name := range all {
		if !slices.Contains(names, name) && !slices.Contains(names, "All") {
			delete(all, name)
		}
	}
	return all
}

// selected gives the message attributes that are wanted: by name, by a prefix
// that ends in ".*", or all.
func selected(attributes map[string]Attribute, names []string) map[string]Attribute {
	chosen := map[string]Attribute{}
	for name, a := range attributes {
		if slices.ContainsFunc(names, func(wanted string) bool {
			prefix, isPrefix := strings.CutSuffix(wanted, ".*")
			return wanted == "All" || wanted == name || isPrefix && strings.HasPrefix(name, prefix)
		}) {
			chosen[name] = a
		}
	}
	return chosen
}
