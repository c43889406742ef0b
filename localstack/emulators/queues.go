package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// queue is how the template declares a queue.
type queue struct {
	MessageRetentionPeriod int
	VisibilityTimeout      int
	SqsManagedSseEnabled   bool
	FifoQueue              bool
	DeduplicationScope     string
	FifoThroughputLimit    string
	RedrivePolicy          struct {
		DeadLetterTargetARN string `json:"deadLetterTargetArn"`
		MaxReceiveCount     int    `json:"maxReceiveCount"`
	}
}

// queuesAsDeclared compares the queues' attributes.
func (d *deployment) queuesAsDeclared(ctx context.Context) error {
	ids := d.Template.IDs("AWS::SQS::Queue")
	faults := []error{same("queues", ids, []string{"DeliveriesGivenUpQueue", "DeliveriesQueue", "FailureQueue", "GivenUpQueue", "PushesGivenUpQueue", "PushesQueue"})}
	for _, id := range ids {
		var want queue
		if err := d.want(id, &want); err != nil {
			return err
		}
		out, err := d.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: aws.String(d.physical[id]), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
		})
		if err != nil {
			return err
		}
		got := out.Attributes
		faults = append(faults,
			same("retention of "+id, got["MessageRetentionPeriod"], fmt.Sprint(want.MessageRetentionPeriod)),
			same("encryption of "+id, got["SqsManagedSseEnabled"], fmt.Sprint(want.SqsManagedSseEnabled)),
		)
		if want.FifoQueue {
			faults = append(faults, same("order of "+id, got["FifoQueue"], "true"))
		}
		if want.DeduplicationScope != "" {
			faults = append(faults,
				same("deduplication of "+id, got["DeduplicationScope"], want.DeduplicationScope),
				same("throughput of "+id, got["FifoThroughputLimit"], want.FifoThroughputLimit))
		}
		if want.VisibilityTimeout != 0 {
			faults = append(faults, same("hiding of "+id, got["VisibilityTimeout"], fmt.Sprint(want.VisibilityTimeout)))
		}
		redrive := want
		if text := got["RedrivePolicy"]; text != "" {
			faults = append(faults, json.Unmarshal([]byte(text), &redrive.RedrivePolicy))
		}
		faults = append(faults, same("redrive of "+id, redrive.RedrivePolicy, want.RedrivePolicy),
			same("whether "+id+" has a redrive policy", got["RedrivePolicy"] != "", want.RedrivePolicy.MaxReceiveCount > 0),
			same("whether "+id+" has a policy", got["Policy"] != "", true))
	}
	return errors.Join(faults...)
}

// badItemIsRefused puts an item whose topic has an empty segment.
func (d *deployment) badItemIsRefused(ctx context.Context) error {
	if err := d.put(ctx, "a//b", "quote", "1"); err != nil {
		return err
	}
	got, err := d.nextFailure(ctx)
	return errors.Join(err, same("reason", got.Reason, "bad_topic"))
}

// recordIsSalvaged gives up the first record of Events, as Lambda does after many retries.
func (d *deployment) recordIsSalvaged(ctx context.Context) error {
	shard, record, err := d.firstRecord(ctx)
	if err != nil {
		return err
	}
	pointer, err := json.Marshal(map[string]any{
		"requestContext": map[string]any{"functionArn": d.attribute("Fanout", "Arn"), "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 101},
		"DDBStreamBatchInfo": map[string]any{
			"streamArn": d.streams["Events"], "shardId": shard, "batchSize": 1,
			"startSequenceNumber": record.Dynamodb.SequenceNumber, "endSequenceNumber": record.Dynamodb.SequenceNumber,
		},
	})
	if err != nil {
		return err
	}
	_, err = d.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(d.physical["GivenUpQueue"]), MessageBody: aws.String(string(pointer))})
	if err != nil {
		return err
	}
	got, err := d.nextFailure(ctx)
	return errors.Join(err, same("reason", got.Reason, "gave_up"), same("sequence number", got.SequenceNumber, record.Dynamodb.SequenceNumber),
		same("image", got.NewImage, record.Dynamodb.NewImage))
}

// failureMessage is a message of the failure queue.
type failureMessage struct {
	Reason, SequenceNumber string
	NewImage               any
}

// nextFailure takes the next message out of the failure queue.
func (d *deployment) nextFailure(ctx context.Context) (got failureMessage, err error) {
	url := aws.String(d.physical["FailureQueue"])
	err = eventually(ctx, func() error {
		received, err := d.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url})
		if err != nil {
			return err
		}
		if len(received.Messages) == 0 {
			return errors.New("no message in the failure queue")
		}
		m := received.Messages[0]
		if _, err := d.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle}); err != nil {
			return err
		}
		return json.Unmarshal([]byte(aws.ToString(m.Body)), &got)
	})
	return got, err
}
