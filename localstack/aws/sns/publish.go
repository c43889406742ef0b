package sns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/awsquery"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
	"github.com/watchroute/watchroute/localstack/aws/uuid"
)

// message is what a client publishes.
type message struct {
	Id                     string // in a batch
	Message                string
	Subject                *string
	MessageStructure       string
	MessageAttributes      map[string]attribute
	MessageGroupId         string
	MessageDeduplicationId string
}

type publishInput struct {
	TopicArn    string
	TargetArn   string // of a topic, too
	PhoneNumber string
	message
}

type publishOutput struct {
	Id             string `xml:",omitempty" json:",omitempty"` // in a batch
	MessageId      string
	SequenceNumber string `xml:",omitempty" json:",omitempty"` // of FIFO topics
}

// publish delivers a message to the subscriptions of a topic.
func (s *Service) publish(_ context.Context, in publishInput) (any, error) {
	if in.PhoneNumber != "" {
		return nil, invalid("PhoneNumber is not supported here.")
	}
	arn := in.TopicArn
	if in.TargetArn != "" {
		if arn = in.TargetArn; !strings.HasPrefix(arn, "arn:aws:sns:") || strings.Contains(arn, ":endpoint/") {
			return nil, invalid("TargetArn Reason: No endpoint found for the target arn specified")
		}
	}
	t, err := s.find(arn)
	if err != nil {
		return nil, err
	}
	s.count()
	text, err := in.check(t.settings)
	if err != nil {
		return nil, err
	}
	if in.size() > t.settings.mostBytes {
		return nil, invalid("Message too long")
	}
	return s.send(t, in.message, text), nil
}

// maxBatch is the number of messages a batch has at most.
const maxBatch = 10

var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

type publishBatchInput struct {
	TopicArn                   string
	PublishBatchRequestEntries awsquery.List[message]
}

type publishBatchOutput struct {
	Successful []publishOutput `xml:"Successful>member"`
	Failed     []struct{}      `xml:"Failed>member"` // none: a wrong entry fails the whole request
}

func (s *Service) publishBatch(_ context.Context, in publishBatchInput) (any, error) {
	t, err := s.find(in.TopicArn)
	if err != nil {
		return nil, err
	}
	s.count()
	entries := in.PublishBatchRequestEntries
	if err := checkBatch(entries); err != nil {
		return nil, err
	}
	texts, size := make([]string, len(entries)), 0
	for i, m := range entries {
		if texts[i], err = m.check(t.settings); err != nil {
			return nil, err
		}
		size += m.size()
	}
	if size > t.settings.mostBytes {
		return nil, awsjson.Errorf("BatchRequestTooLong", "The length of all the messages put together is more than the limit.")
	}
	out := publishBatchOutput{Failed: []struct{}{}}
	for i, m := range entries {
		out.Successful = append(out.Successful, s.send(t, m, texts[i]))
	}
	return out, nil
}

// checkBatch gives what is wrong with a batch as such.
func checkBatch(entries []message) error {
	switch n := len(entries); {
	case n == 0:
		return awsjson.Errorf("EmptyBatchRequest", "The batch request doesn't contain any entries.")
	case n > maxBatch:
		return awsjson.Errorf("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
	}
	seen := map[string]bool{}
	for _, m := range entries {
		if !batchID.MatchString(m.Id) {
			return awsjson.Errorf("InvalidBatchEntryId", "The Id of a batch entry in a batch request doesn't abide by the specification.")
		}
		if seen[m.Id] {
			return awsjson.Errorf("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
		}
		seen[m.Id] = true
	}
	return nil
}

// send delivers a message with its text for queues, unless a FIFO topic has accepted it already.
// Messages are delivered one after the other, so that a FIFO topic keeps their order.
func (s *Service) send(t *topic, m message, text string) publishOutput {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := s.options.Now()
	p, key := published{id: uuid.New()}, m.deduplication(t.settings)
	if t.settings.fifo {
		if earlier, ok := t.accepted.Get(key, now); ok {
			return publishOutput{Id: m.Id, MessageId: earlier.id, SequenceNumber: earlier.sequence}
		}
		t.sequence++
		p.sequence = fmt.Sprintf("1%019d", t.sequence)
		t.accepted.Put(key, p, now)
	}
	t.usage.Published++
	for _, sub := range t.subscriptions {
		err := s.options.Queues.Deliver(sub.queue, t.delivery(sub, m, text, p, now))
		if err != nil {
			t.usage.Failed++
			s.options.Logger.Warn("message not delivered", "subscription", sub.arn, "queue", sub.queue, "err", err)
			continue
		}
		t.usage.Delivered++
	}
	return publishOutput{Id: m.Id, MessageId: p.id, SequenceNumber: p.sequence}
}

// delivery is what a queue gets. A FIFO queue gets the group and the topic's deduplication id; a
// standard queue gets the group from a standard topic alone, for fair queues.
func (t *topic) delivery(sub *subscription, m message, text string, p published, now time.Time) sqs.Message {
	out := sqs.Message{Body: text}
	if sub.raw {
		out.Attributes = queueAttributes(m.MessageAttributes)
	} else {
		out.Body = t.envelope(sub, m, text, p, now)
	}
	fifoQueue := strings.HasSuffix(sub.queue, fifoSuffix)
	if fifoQueue == t.settings.fifo {
		out.GroupID = m.MessageGroupId
	}
	if fifoQueue {
		out.DeduplicationID = m.deduplicationID(t.settings)
	}
	return out
}

// deduplicationID is the message's own id or, if the topic is set so, the hash of its body; "" if it
// has none.
func (m message) deduplicationID(s settings) string {
	if m.MessageDeduplicationId != "" || !s.contentBased {
		return m.MessageDeduplicationId
	}
	sum := sha256.Sum256([]byte(m.Message))
	return hex.EncodeToString(sum[:])
}

func (m message) deduplication(s settings) deduplication {
	d := deduplication{id: m.deduplicationID(s)}
	if s.perGroup {
		d.group = m.MessageGroupId
	}
	return d
}

// count counts a client's request.
func (s *Service) count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
}
