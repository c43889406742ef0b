package stack

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"
)

// retries bounds how often a record comes again before it is given up. What can never
// succeed the function refuses at once, so what is left is throttling and outages: they
// deserve patience.
const retries = 100

// recordAge is how old a record may get before it is given up. Throttled invocations use up no
// retries, so that without it a shard could stand still until the stream drops its records,
// after 24 hours, without a word. Salvage has the rest of that time to read what is given up.
const recordAge = 20 * time.Hour

// newStreamMapping lets the stream of a table invoke a function.
//
// ParallelizationFactor stays 1: a larger one keeps order per item key only,
// and the numbering needs it per topic. The window stays 0: a lone record goes
// out at once, and under load batches fill by themselves. A failing batch is
// halved, so that one poison record is given up alone and does not hold up its shard for
// the stream's 24 hours. Lambda then sends a pointer to it, without its data.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
func newStreamMapping(stack awscdk.Stack, id string, source awsdynamodb.CfnTable, target awslambda.CfnFunction, q queues, batch int) {
	awslambda.NewCfnEventSourceMapping(stack, jsii.String(id), &awslambda.CfnEventSourceMappingProps{
		FunctionName:                   target.Ref(),
		EventSourceArn:                 source.AttrStreamArn(),
		StartingPosition:               jsii.String("TRIM_HORIZON"),
		BatchSize:                      jsii.Number(float64(batch)),
		MaximumBatchingWindowInSeconds: jsii.Number(0),
		ParallelizationFactor:          jsii.Number(1),
		BisectBatchOnFunctionError:     jsii.Bool(true),
		FunctionResponseTypes:          jsii.Strings("ReportBatchItemFailures"),
		MaximumRetryAttempts:           jsii.Number(retries),
		MaximumRecordAgeInSeconds:      jsii.Number(recordAge.Seconds()),
		DestinationConfig: &awslambda.CfnEventSourceMapping_DestinationConfigProperty{
			OnFailure: &awslambda.CfnEventSourceMapping_OnFailureProperty{Destination: q.givenUp.AttrArn()},
		},
	})
}

// newPushesMapping invokes push with the work of large audiences. Lanes run side by side. Each lane
// is a message group, and gets one batch after the other.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
func newPushesMapping(stack awscdk.Stack, target awslambda.CfnFunction, q queues, props Props) {
	awslambda.NewCfnEventSourceMapping(stack, jsii.String("PushesToPush"), &awslambda.CfnEventSourceMappingProps{
		FunctionName:          target.Ref(),
		EventSourceArn:        q.pushes.AttrArn(),
		BatchSize:             jsii.Number(10),
		FunctionResponseTypes: jsii.Strings("ReportBatchItemFailures"),
		ScalingConfig:         &awslambda.CfnEventSourceMapping_ScalingConfigProperty{MaximumConcurrency: jsii.Number(float64(props.PushConcurrency))},
	})
}

// newGivenUpMapping lets what was given up invoke salvage, two at a time at the most: a
// stream's shard takes two readers, and salvage is in no hurry.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
func newGivenUpMapping(stack awscdk.Stack, target awslambda.CfnFunction, q queues) {
	awslambda.NewCfnEventSourceMapping(stack, jsii.String("GivenUpToSalvage"), &awslambda.CfnEventSourceMappingProps{
		FunctionName:          target.Ref(),
		EventSourceArn:        q.givenUp.AttrArn(),
		BatchSize:             jsii.Number(10),
		FunctionResponseTypes: jsii.Strings("ReportBatchItemFailures"),
		ScalingConfig:         &awslambda.CfnEventSourceMapping_ScalingConfigProperty{MaximumConcurrency: jsii.Number(2)},
	})
}
