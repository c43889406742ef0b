// Package deliveries is the only place that knows the queue of deliveries: a FIFO queue with four
// message groups for the topics of each destination, its lanes, and one for the destination as a whole.
package deliveries

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/delivery"
)

// Queue is the queue of deliveries.
type Queue struct {
	url string
	sqs *sqs.Client
}

// Open gives the queue with a URL. It makes no call.
func Open(cfg aws.Config, url string) Queue {
	return Queue{url: url, sqs: sqs.NewFromConfig(cfg)}
}

// Send puts a message into the queue. The queue drops one whose id it has seen in the last five
// minutes.
func (q Queue) Send(ctx context.Context, ref delivery.Ref, id string) error {
	body, err := events.Marshal(ref)
	if err != nil {
		return fmt.Errorf("encode a delivery: %w", err)
	}
	_, err = q.sqs.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &q.url, MessageBody: aws.String(string(body)),
		MessageGroupId: aws.String(group(ref)), MessageDeduplicationId: &id,
	})
	if err != nil {
		return fmt.Errorf("send a delivery: %w", err)
	}
	return nil
}

// lanes is how many messages of a destination's topics are worked on at once. A destination that answers
// late or not at all, in however many topics, keeps so many executions busy and leaves the others' alone.
// Its topics are spread over the lanes, and those of one lane wait for each other.
const lanes = 4

// group gives the lane of a standing, or the group of a destination as a whole, which must not wait for
// topics that do not answer. It is a hash, because SQS allows 128 characters at most.
func group(ref delivery.Ref) string {
	lane := "whole"
	if ref.Topic != "" {
		lane = fmt.Sprint(sha256.Sum256([]byte(ref.Topic))[0] % lanes)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s", ref.Destination, lane))
	return hex.EncodeToString(sum[:])
}

// Read reads a message.
func Read(body string) (delivery.Ref, error) {
	var ref delivery.Ref
	if err := json.Unmarshal([]byte(body), &ref); err != nil {
		return ref, fmt.Errorf("read a delivery: %w", err)
	}
	if ref.Destination == "" {
		return ref, errors.New("read a delivery: it names no destination")
	}
	if ref.Topic == "" { // the destination as a whole
		return ref, nil
	}
	if _, err := events.ParsePattern(string(ref.Topic)); err != nil {
		return ref, fmt.Errorf("read a delivery: %w", err)
	}
	return ref, nil
}
