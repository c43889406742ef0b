// Package pushes is the only place that knows the queue of pushes: a FIFO queue with a message
// group for each lane of a topic.
package pushes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// maxBatch is how many messages SendMessageBatch takes.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
const maxBatch = 10

// Queue is the queue of pushes.
type Queue struct {
	url string
	sqs *sqs.Client
}

// Open gives the queue with a URL. It makes no call.
func Open(cfg aws.Config, url string) Queue {
	return Queue{url: url, sqs: sqs.NewFromConfig(cfg)}
}

// Send puts work into the queue, ten messages a request. The queue drops work that it has taken in
// the last five minutes. After an error some of the work may be in the queue, and the caller may
// send all of it again.
func (q Queue) Send(ctx context.Context, works []watch.Work) error {
	for some := range slices.Chunk(works, maxBatch) {
		var entries []types.SendMessageBatchRequestEntry
		for i, w := range some {
			body, err := events.Marshal(w)
			if err != nil {
				return fmt.Errorf("encode work for %s: %w", w.Topic, err)
			}
			entries = append(entries, types.SendMessageBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(string(body)),
				MessageGroupId: aws.String(group(w)), MessageDeduplicationId: aws.String(deduplication(w)),
			})
		}
		out, err := q.sqs.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.url, Entries: entries})
		if err != nil {
			return fmt.Errorf("send %d pushes: %w", len(entries), err)
		}
		var errs []error
		for _, failed := range out.Failed {
			errs = append(errs, fmt.Errorf("%s: %s", aws.ToString(failed.Code), aws.ToString(failed.Message)))
		}
		if len(errs) > 0 {
			return fmt.Errorf("send %d pushes: %w", len(entries), errors.Join(errs...))
		}
	}
	return nil
}

// Read reads the work of a message.
func Read(body string) (watch.Work, error) {
	var w watch.Work
	if err := json.Unmarshal([]byte(body), &w); err != nil {
		return w, fmt.Errorf("read work: %w", err)
	}
	if _, err := events.ParseTopic(string(w.Topic)); err != nil {
		return w, fmt.Errorf("read work: %w", err)
	}
	if w.Lane < 0 || w.Lane >= watch.MaxLanes {
		return w, fmt.Errorf("read work: lane is %d, must be 0 to %d", w.Lane, watch.MaxLanes-1)
	}
	return w, nil
}

// group is the message group of a lane. It is a hash, because SQS allows 128 characters at most.
func group(w watch.Work) string { return hash(string(w.Topic), strconv.Itoa(w.Lane)) }

// deduplication gives the same text only for the same work.
func deduplication(w watch.Work) string {
	return hash(string(w.Topic), strconv.Itoa(w.Lane), w.Until.String(), w.Continuation)
}

func hash(texts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(texts, "\n")))
	return hex.EncodeToString(sum[:])
}
