// Package failure is the only place that knows how messages get into the failure queue:
// as JSON that SQS takes, whatever texts are in it, and within SQS's size.
package failure

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/watchroute/watchroute/events"
)

// MaxBytes is how large a message may be: 1 MiB, as JSON in UTF-8.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
const MaxBytes = 1 << 20

// ErrRejected says that the failure queue does not take a message, now or later: it is
// too large, there is no such queue, or the function may not write to it.
var ErrRejected = errors.New("the failure queue does not take the message")

// ErrTooLarge is the ErrRejected of a message with more than MaxBytes.
var ErrTooLarge = fmt.Errorf("%w, which is too large", ErrRejected)

// Queue is the failure queue, where people find what the service could not do.
type Queue struct {
	url string
	sqs *sqs.Client
}

// Open gives the queue with a URL. It does not reach out.
func Open(cfg aws.Config, url string) Queue {
	return Queue{url: url, sqs: sqs.NewFromConfig(cfg)}
}

// Send puts a message into the queue as JSON. The error is ErrRejected if it makes no sense to
// send the message again; after any other it may be sent again, and may then be there twice.
func (q Queue) Send(ctx context.Context, message any) error {
	body, err := encode(message)
	if err != nil {
		return err
	}
	if len(body) > MaxBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(body), MaxBytes)
	}
	_, err = q.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String(string(body))})
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && !retryable.IsErrorRetryable(err).Bool():
		return fmt.Errorf("%w: %w", ErrRejected, err)
	default:
		return fmt.Errorf("send to the failure queue: %w", err)
	}
}

// retryable is what the SDK tries again, and has tried again before it gives the error.
var retryable = retry.IsErrorRetryables(retry.DefaultRetryables)

// encode writes a message as JSON of the characters that SQS takes, which are those of XML
// 1.0. Of what SQS refuses, package json escapes the control characters and replaces what
// is not UTF-8. It leaves U+FFFE and U+FFFF as they are. They occur within strings only, in
// which an escape means the same.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
func encode(message any) ([]byte, error) {
	body, err := events.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	body = bytes.ReplaceAll(body, []byte("\ufffe"), []byte(`\ufffe`))
	return bytes.ReplaceAll(body, []byte("\uffff"), []byte(`\uffff`)), nil
}
