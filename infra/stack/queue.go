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
}

func newQueues(stack awscdk.Stack) queues {
	failures := newQueue(stack, "FailureQueue")
	failures.SetMaximumMessageSize(jsii.Number(failure.MaxBytes)) // set, because the default was 256 KiB once
	givenUp := newQueue(stack, "GivenUpQueue")
	givenUp.SetVisibilityTimeout(jsii.Number((6 * salvageTimeout).Seconds())) // as Lambda advises
	givenUp.SetRedrivePolicy(map[string]any{"deadLetterTargetArn": failures.AttrArn(), "maxReceiveCount": salvageReceives})
	return queues{failures: failures, givenUp: givenUp}
}

// newQueue declares a queue of failures. It outlives the stack: a failure that nobody has
// read yet is lost user data, and an empty queue costs nothing. Its messages are encrypted
// where they lie and, because the policy denies all else, on their way.
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-security-best-practices.html
func newQueue(stack awscdk.Stack, id string) awssqs.CfnQueue {
	queue := awssqs.NewCfnQueue(stack, jsii.String(id), &awssqs.CfnQueueProps{
		MessageRetentionPeriod: jsii.Number(failureRetention.Seconds()),
		SqsManagedSseEnabled:   jsii.Bool(true),
	})
	queue.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	policy := awssqs.NewCfnQueuePolicy(stack, jsii.String(id+"Policy"), &awssqs.CfnQueuePolicyProps{
		Queues: &[]*string{queue.Ref()},
		PolicyDocument: document(map[string]any{
			"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": queue.AttrArn(),
			"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
		}),
	})
	policy.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	return queue
}
