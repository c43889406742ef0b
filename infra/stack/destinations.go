package stack

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	settings "github.com/watchroute/watchroute/shared/function"
)

// What delivers to destinations, such as webhooks: the index of their table, the function deliver, and
// what invokes it.

// dueIndex is the index of the destinations' standings by the time of their next attempt.
const dueIndex = "due"

// destinationProps are those of the table of destinations, with an index of the standings that the
// sweep has to look at. A standing that is asleep is not in it.
func destinationProps() *awsdynamodb.CfnTableProps {
	props := tableProps("destination", "S", "topic", "S")
	definitions := props.AttributeDefinitions.(*[]any)
	*definitions = append(*definitions, attribute("part", "S"), attribute("due", "N"))
	props.GlobalSecondaryIndexes = &[]any{&awsdynamodb.CfnTable_GlobalSecondaryIndexProperty{
		IndexName:  jsii.String(dueIndex),
		KeySchema:  &[]any{keyElement("part", "HASH"), keyElement("due", "RANGE")},
		Projection: &awsdynamodb.CfnTable_ProjectionProperty{ProjectionType: jsii.String("KEYS_ONLY")},
	}}
	return props
}

// deliveryReceives is how often deliver gets the same message before it is set aside. The sweep sends
// another then.
const deliveryReceives = 10

// wakeGrants allow a function to wake destinations.
func wakeGrants(t tables, q queues) []grant {
	return []grant{
		allow(t.destinations.AttrArn(), "dynamodb:UpdateItem"),
		allow(q.deliveries.AttrArn(), "sqs:SendMessage"),
	}
}

// deliverFunction may read the users' items, which a destination gets after a reset, and write those that
// tell operators of destinations.
func deliverFunction(t tables, q queues, props Props, seals awssecretsmanager.CfnSecret) function {
	return function{
		name: deliver, description: "Delivers changes to destinations", memory: 256, timeout: deliverTimeout,
		environment: map[string]*string{
			settings.EventsTable:        t.events.Ref(),
			settings.ChangesTable:       t.changes.Ref(),
			settings.ConnectionsTable:   t.connections.Ref(),
			settings.RevocationsTable:   t.revocations.Ref(),
			settings.SubscriptionsTable: t.subscriptions.Ref(),
			settings.DestinationsTable:  t.destinations.Ref(),
			settings.DeliveriesQueueURL: q.deliveries.Ref(),
			settings.ServiceSecretARN:   seals.Ref(),
			settings.EventsTableARN:     t.events.AttrArn(),
			settings.MaxSubjectUnits:    jsii.String(fmt.Sprint(props.MaxSubjectUnits)),
			settings.MaxSnapshotItems:   jsii.String(fmt.Sprint(props.MaxSnapshotItems)),
		},
		grants: append([]grant{
			allow(q.deliveries.AttrArn(), "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage"),
			allow(t.destinations.AttrArn(), "dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"),
			allow(sub("${Destinations.Arn}/index/"+dueIndex), "dynamodb:Query"),
			allow(t.connections.AttrArn(), "dynamodb:UpdateItem"),
			allow(t.revocations.AttrArn(), "dynamodb:BatchGetItem"),
			allow(t.changes.AttrArn(), "dynamodb:GetItem", "dynamodb:Query"),
			allow(t.events.AttrArn(), "dynamodb:Query", "dynamodb:PutItem", "dynamodb:DeleteItem"),
			allow(seals.Ref(), "secretsmanager:GetSecretValue"),
		}, declaredGrants(t, props)...),
	}
}

// newDeliveriesMapping invokes deliver with one message at a time, so that a destination that answers
// late delays no other.
func newDeliveriesMapping(stack awscdk.Stack, target awslambda.CfnFunction, q queues, props Props) {
	awslambda.NewCfnEventSourceMapping(stack, jsii.String("DeliveriesToDeliver"), &awslambda.CfnEventSourceMappingProps{
		FunctionName:          target.Ref(),
		EventSourceArn:        q.deliveries.AttrArn(),
		BatchSize:             jsii.Number(1),
		FunctionResponseTypes: jsii.Strings("ReportBatchItemFailures"),
		ScalingConfig:         &awslambda.CfnEventSourceMapping_ScalingConfigProperty{MaximumConcurrency: jsii.Number(float64(props.DeliverConcurrency))},
	})
}

// newSweep invokes deliver once a minute, which is as often as a schedule can.
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
//
// The rule's input says which destinations are declared. A destination then begins, goes on, or ends with
// the rule, and no function has to run during a deployment.
func newSweep(stack awscdk.Stack, target awslambda.CfnFunction, props Props) {
	rule := awsevents.NewCfnRule(stack, jsii.String("Sweep"), &awsevents.CfnRuleProps{
		Description:        jsii.String("Lets deliver look for attempts that are due"),
		ScheduleExpression: jsii.String("rate(1 minute)"),
		Targets:            &[]any{&awsevents.CfnRule_TargetProperty{Id: jsii.String("deliver"), Arn: target.AttrArn(), Input: props.declaration()}},
	})
	awslambda.NewCfnPermission(stack, jsii.String("SweepPermission"), &awslambda.CfnPermissionProps{
		Action: jsii.String("lambda:InvokeFunction"), FunctionName: target.Ref(),
		Principal: jsii.String("events.amazonaws.com"), SourceArn: rule.AttrArn(),
	})
}
