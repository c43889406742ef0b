package sqs

import (
	"context"
	"time"
)

type sendOutput struct {
	Id                     string `json:",omitempty"` // in a batch
	MessageId              string
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
}

func (s *Service) sendMessage(_ context.Context, in outgoing) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	q.request()
	return q.send(&in)
}

// send puts a message at the end of the queue.
func (q *queue) send(o *outgoing) (*sendOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := o.check(q.settings.numbers["MaximumMessageSize"]); err != nil {
		return nil, err
	}
	now := q.now()
	delay := q.settings.duration("DelaySeconds")
	if o.DelaySeconds != nil {
		delay = time.Duration(*o.DelaySeconds) * time.Second
	}
	m := &message{
		id: newMessageID(), body: o.MessageBody, attributes: o.MessageAttributes,
		sent: now, visible: now.Add(delay),
	}
	if header := o.MessageSystemAttributes["AWSTraceHeader"].StringValue; header != nil {
		m.trace = *header
	}
	q.messages = append(q.messages, m)
	q.usage.Sent++
	q.wakeLocked()
	return &sendOutput{
		MessageId: m.id, MD5OfMessageBody: md5OfBody(m.body), MD5OfMessageAttributes: md5OfAttributes(m.attributes),
	}, nil
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
	q.request()
	ids, size := make([]string, len(in.Entries)), 0
	for i := range in.Entries {
		ids[i] = in.Entries[i].Id
		size += in.Entries[i].size()
	}
	if err := checkBatch(ids); err != nil {
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
