package sqs

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events/exactjson"
)

// maxReceives is the most that maxReceiveCount may be.
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
const maxReceives = 1000

// redrive is a queue's redrive policy: a message that has been received most times goes to
// the dead-letter queue instead of being received again.
type redrive struct {
	queueARN string
	most     int // 0: there is no policy
}

// parseRedrive reads the attribute RedrivePolicy; an empty text takes the policy away.
func parseRedrive(policy string) (redrive, error) {
	if policy == "" {
		return redrive{}, nil
	}
	var p struct {
		DeadLetterTargetARN string          `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.RawMessage `json:"maxReceiveCount"` // a number, or one in quotes
	}
	if err := exactjson.Unmarshal([]byte(policy), &p); err != nil {
		return redrive{}, badRedrive(policy, "Redrive policy is not a valid JSON map.")
	}
	if p.DeadLetterTargetARN == "" || p.MaxReceiveCount == nil {
		return redrive{}, badRedrive(policy, "Redrive policy does not contain mandatory attributes: deadLetterTargetArn, maxReceiveCount.")
	}
	most, err := strconv.Atoi(strings.Trim(string(p.MaxReceiveCount), `"`))
	if err != nil || most < 1 || most > maxReceives {
		return redrive{}, badRedrive(policy, "Invalid value for maxReceiveCount: "+string(p.MaxReceiveCount)+", valid values are from 1 to 1000 both inclusive.")
	}
	return redrive{queueARN: p.DeadLetterTargetARN, most: most}, nil
}

func badRedrive(policy, reason string) error {
	return errorf("InvalidParameterValue", "Value %s for parameter RedrivePolicy is invalid. Reason: %s", policy, reason)
}

// checkRedrive refuses a policy whose dead-letter queue does not exist, is the queue with the ARN
// of, or has another type.
func (s *Service) checkRedrive(of string, attributes map[string]string) error {
	policy := attributes["RedrivePolicy"]
	r, err := parseRedrive(policy)
	if err != nil || r.most == 0 {
		return err
	}
	if _, err := s.findARN(r.queueARN); err != nil || r.queueARN == of {
		return badRedrive(policy, "Dead letter target does not exist.")
	}
	if strings.HasSuffix(r.queueARN, fifoSuffix) != strings.HasSuffix(of, fifoSuffix) {
		return badRedrive(policy, "Dead-letter queue must be same type of queue as the source.")
	}
	return nil
}

// deadLetters gives the queue that takes what has been received too often, nil without one.
func (s *Service) deadLetters(q *queue) (to *queue, most int) {
	q.mu.Lock()
	r := q.settings.redrive
	q.mu.Unlock()
	if r.most == 0 {
		return nil, 0
	}
	to, err := s.findARN(r.queueARN)
	if err != nil {
		return nil, 0 // it has been deleted meanwhile: messages stay where they are
	}
	return to, r.most
}

// adopt takes messages of another queue. They keep their ids and their receive counts. In a
// standard queue they also keep their send time, from which the retention counts. A FIFO queue
// counts from now on.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
func (q *queue) adopt(messages []*message, from string, now time.Time) {
	if len(messages) == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range messages {
		m.from, m.visible = from, now
		if q.settings.fifo() {
			m.sent = now
		}
		q.appendLocked(m)
	}
	q.wakeLocked()
}
