package sqs

import (
	"context"
	"time"
)

type deletion struct {
	QueueUrl      string
	Id            string // in a batch
	ReceiptHandle string
}

func (s *Service) deleteMessage(_ context.Context, in deletion) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := q.request("DeleteMessage"); err != nil {
		return nil, err
	}
	return none{}, q.delete(in.ReceiptHandle)
}

type deleteBatchInput struct {
	QueueUrl string
	Entries  []deletion
}

func (s *Service) deleteMessageBatch(_ context.Context, in deleteBatchInput) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := q.request("DeleteMessageBatch"); err != nil {
		return nil, err
	}
	ids := make([]string, len(in.Entries))
	for i, entry := range in.Entries {
		ids[i] = entry.Id
	}
	if err := checkBatch(ids); err != nil {
		return nil, err
	}
	out := newBatchOutput()
	for _, entry := range in.Entries {
		if err := q.delete(entry.ReceiptHandle); err != nil {
			out.fail(entry.Id, err)
			continue
		}
		out.Successful = append(out.Successful, struct{ Id string }{entry.Id})
	}
	return out, nil
}

// delete removes the message that a receipt handle names. A deleted message is no error. A message
// that has been received again stays. This is no error in a standard queue, and an error in a FIFO
// queue, as is a message that is shown again.
func (q *queue) delete(handle string) error {
	r, err := parseReceipt(handle)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	m := q.findLocked(r)
	if q.expiredLocked(m, r) {
		return errExpiredReceipt(handle)
	}
	if m != nil && m.receives == r.receives {
		q.removeLocked(m)
		q.usage.Deleted++
		if q.settings.fifo() {
			q.wakeLocked() // the next one of its group may be free
		}
	}
	return nil
}

// longestHiding bounds how long a message is hidden, counted from its receipt.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
const longestHiding = 12 * time.Hour

type visibilityInput struct {
	QueueUrl          string
	ReceiptHandle     string
	VisibilityTimeout *int
}

// changeMessageVisibility hides a received message anew, for a time from now.
func (s *Service) changeMessageVisibility(_ context.Context, in visibilityInput) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := q.request("ChangeMessageVisibility"); err != nil {
		return nil, err
	}
	if in.VisibilityTimeout == nil {
		return nil, errorf("MissingParameter", "The request must contain the parameter VisibilityTimeout.")
	}
	var hide time.Duration
	if err := seconds(in.VisibilityTimeout, "VisibilityTimeout", "VisibilityTimeout", &hide); err != nil {
		return nil, err
	}
	return none{}, q.hide(in.ReceiptHandle, hide)
}

// hide hides a message in flight for a time from now; 0 shows it. Repeated calls cannot hide it for
// longer than longestHiding.
func (q *queue) hide(handle string, d time.Duration) error {
	r, err := parseReceipt(handle)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	m := q.findLocked(r)
	if q.expiredLocked(m, r) {
		return errExpiredReceipt(handle)
	}
	now := q.now()
	if m == nil || m.receives != r.receives || !m.visible.After(now) {
		return errorf("MessageNotInflight", "The specified message isn't in flight.")
	}
	if now.Add(d).Sub(m.received) > longestHiding {
		return errorf("InvalidParameterValue", "Value %.0f for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [%.0f seconds].", d.Seconds(), longestHiding.Seconds())
	}
	m.visible = now.Add(d)
	q.wakeLocked()
	return nil
}
