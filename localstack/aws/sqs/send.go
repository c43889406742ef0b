package sqs

import (
	"context"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/uuid"
)

type sendOutput struct {
	Id                     string `json:",omitempty"` // in a batch
	MessageId              string
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
	SequenceNumber         string `json:",omitempty"` // of FIFO queues
}

func (s *Service) sendMessage(_ context.Context, in outgoing) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := q.request("SendMessage"); err != nil {
		return nil, err
	}
	return q.send(&in)
}

// send puts a message at the end of the queue, unless a FIFO queue has accepted it already.
func (q *queue) send(o *outgoing) (*sendOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := o.check(q.settings); err != nil {
		return nil, err
	}
	out := &sendOutput{MD5OfMessageBody: md5OfBody(o.MessageBody), MD5OfMessageAttributes: md5OfAttributes(o.MessageAttributes)}
	now := q.now()
	if a, ok := q.acceptedLocked(o, now); ok {
		out.MessageId, out.SequenceNumber = a.id, a.sequence
		return out, nil
	}
	delay := q.settings.duration("DelaySeconds")
	if o.DelaySeconds != nil && !q.settings.fifo() {
		delay = time.Duration(*o.DelaySeconds) * time.Second
	}
	out.MessageId = uuid.New()
	m := &message{
		id: out.MessageId, body: o.MessageBody, attributes: o.MessageAttributes,
		sent: now, visible: now.Add(delay), group: o.MessageGroupId,
	}
	if q.settings.fifo() {
		q.acceptLocked(o, m)
		out.SequenceNumber = m.sequence
	}
	if header := o.MessageSystemAttributes["AWSTraceHeader"].StringValue; header != nil {
		m.trace = *header
	}
	q.appendLocked(m)
	q.usage.Sent++
	q.wakeLocked()
	return out, nil
}

type sendBatchInput struct {
	QueueUrl string
	Entries  []outgoing
}

func (s *Service) sendMessageBatch(_ context.Context, in sendBatchInput) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := q.request("SendMessageBatch"); err != nil {
		return nil, err
	}
	ids, size := make([]string, len(in.Entries)), 0
	for i := range in.Entries {
		ids[i] = in.Entries[i].Id
		size += in.Entries[i].size()
	}
	if err := checkBatch(ids); err != nil {
		return nil, err
	}
	if err := q.checkOrdered(in.Entries); err != nil {
		return nil, err
	}
	if size > MaxMessageBytes {
		return nil, errorf("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", MaxMessageBytes, size)
	}
	out := newBatchOutput()
	for i := range in.Entries {
		sent, err := q.send(&in.Entries[i])
		if err != nil {
			out.fail(ids[i], err)
			continue
		}
		sent.Id = ids[i]
		out.Successful = append(out.Successful, sent)
	}
	return out, nil
}
