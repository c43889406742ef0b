package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// newOutputs declares what a user needs after a deployment: where to connect,
// which table to write to, where failures are, and which secrets can be rotated.
func newOutputs(stack awscdk.Stack, props Props, tables tables, failures awssqs.CfnQueue, seals awssecretsmanager.CfnSecret, auth *authentication) {
	output(stack, "WebSocketUrl", "Where clients connect", sub(props.socketURL()))
	if !props.WithoutHTTP {
		output(stack, "HttpUrl", "Where clients read and watch over HTTP: /topics/{topic}", sub(props.httpURL()))
	}
	output(stack, "EventsTable", "Put items here to publish", tables.events.Ref())
	output(stack, "ChangesTable", "The numbered log of changes", tables.changes.Ref())
	output(stack, "ConnectionsTable", "Who is connected", tables.connections.Ref())
	output(stack, "SubscriptionsTable", "Who watches what", tables.subscriptions.Ref())
	output(stack, "RevocationsTable", "Put a subject here to take tokens back", tables.revocations.Ref())
	output(stack, "DestinationsTable", "Where changes are delivered to", tables.destinations.Ref())
	output(stack, "FailureQueueUrl", "Changes that could not be taken in", failures.Ref())
	output(stack, "ServiceSecretArn", "Seals the tokens that the service hands out", seals.Ref())
	if auth != nil && auth.secret != nil {
		output(stack, "TokenSecretArn", "Signs the tokens of clients", auth.secret)
	}
}

func output(stack awscdk.Stack, id, description string, value *string) {
	awscdk.NewCfnOutput(stack, jsii.String(id), &awscdk.CfnOutputProps{
		Description: jsii.String(description),
		Value:       value,
	})
}
