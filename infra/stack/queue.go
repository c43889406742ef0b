package stack

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// failureRetention is the longest that SQS keeps a message.
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const failureRetention = 14 * 24 * time.Hour

// newFailureQueue declares where changes go that could not be taken in.
func newFailureQueue(stack awscdk.Stack) awssqs.CfnQueue {
	return newQueue(stack, "FailureQueue")
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
