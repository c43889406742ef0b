package stack

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/watchroute/watchroute/shared/failure"
)

// failureRetention is the longest that SQS keeps a message.
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const failureRetention = 14 * 24 * time.Hour

// salvageReceives is how often a pointer is given to salvage before it goes to the failure
// queue as it is. Lambda wants at least 5, because a delivery that is throttled counts.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
const salvageReceives = 10

// queues are where failures go.
type queues struct {
	// failures is for people: what could not be taken in, with all that is needed to act.
	failures awssqs.CfnQueue
	// givenUp is for salvage: where Lambda points to records that it gave up. They have to be
	// read within the stream's 24 hours.
	givenUp awssqs.CfnQueue
	// pushes has the work for large audiences.
	pushes awssqs.CfnQueue
	// deliveries wakes destinations.
	deliveries awssqs.CfnQueue
}

func newQueues(stack awscdk.Stack) queues {
	failures := newQueue(stack, "FailureQueue", awscdk.RemovalPolicy_RETAIN)
	failures.SetMaximumMessageSize(jsii.Number(failure.MaxBytes)) // set, because the default was 256 KiB once
	givenUp := newQueue(stack, "GivenUpQueue", awscdk.RemovalPolicy_RETAIN)
	givenUp.SetVisibilityTimeout(jsii.Number((6 * salvageTimeout).Seconds())) // as Lambda advises
	givenUp.SetRedrivePolicy(map[string]any{"deadLetterTargetArn": failures.AttrArn(), "maxReceiveCount": salvageReceives})
	return queues{
		failures: failures, givenUp: givenUp,
		pushes:     newFIFO(stack, "Pushes", pushTimeout, pushReceives),
		deliveries: newFIFO(stack, "Deliveries", deliverTimeout, deliveryReceives),
	}
}

// pushReceives is how often push gets the same work before it is set aside. With the visibility
// timeout, this takes a quarter of an hour. The next work of the lane makes up for it.
const pushReceives = 100

// newFIFO declares a FIFO queue of work for a function, in which each lane of a topic, or of a
// destination, is a message group. With deduplication and throughput per group it takes thousands
// of messages a second. Its messages are useless without the stack, and are deleted with it.
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/high-throughput-fifo.html
func newFIFO(stack awscdk.Stack, name string, timeout time.Duration, receives int) awssqs.CfnQueue {
	given := newQueue(stack, name+"GivenUpQueue", awscdk.RemovalPolicy_DESTROY)
	given.SetFifoQueue(jsii.Bool(true)) // required for a FIFO queue
	queue := newQueue(stack, name+"Queue", awscdk.RemovalPolicy_DESTROY)
	queue.SetFifoQueue(jsii.Bool(true))
	queue.SetDeduplicationScope(jsii.String("messageGroup"))
	queue.SetFifoThroughputLimit(jsii.String("perMessageGroupId"))
	// The visibility timeout is the function's timeout, the least that Lambda allows. Lambda
	// advises six times as much, because it may receive a throttled message again in the meantime.
	// Here that costs only a read, and a longer timeout would delay a group whose function was
	// killed.
	queue.SetVisibilityTimeout(jsii.Number(timeout.Seconds()))
	queue.SetRedrivePolicy(map[string]any{"deadLetterTargetArn": given.AttrArn(), "maxReceiveCount": receives})
	return queue
}

// newQueue declares a queue. One of failures outlives the stack: a failure that nobody has
// read yet is lost user data, and an empty queue costs nothing. Its messages are encrypted
// where they lie and, because the policy denies all else, on their way.
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-security-best-practices.html
//
// more are further statements of the policy, each about the queue of an ARN.
func newQueue(stack awscdk.Stack, id string, removal awscdk.RemovalPolicy, more ...func(queue *string) map[string]any) awssqs.CfnQueue {
	queue := awssqs.NewCfnQueue(stack, jsii.String(id), &awssqs.CfnQueueProps{
		MessageRetentionPeriod: jsii.Number(failureRetention.Seconds()),
		SqsManagedSseEnabled:   jsii.Bool(true),
	})
	queue.ApplyRemovalPolicy(removal, nil)
	statements := []any{map[string]any{
		"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": queue.AttrArn(),
		"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
	}}
	for _, statement := range more {
		statements = append(statements, statement(queue.AttrArn()))
	}
	policy := awssqs.NewCfnQueuePolicy(stack, jsii.String(id+"Policy"), &awssqs.CfnQueuePolicyProps{
		Queues: &[]*string{queue.Ref()}, PolicyDocument: document(statements...),
	})
	policy.ApplyRemovalPolicy(removal, nil)
	return queue
}
