package dynamo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/watchroute/watchroute/shared/watch"
)

// meterCalls has each call tell its context's meter, if there is one, what DynamoDB says
// that it has consumed. Calls that a repeat of the SDK has made count once.
func meterCalls(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Meter", meter), middleware.Before)
}

func meter(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	m := watch.MeterOf(ctx)
	if m == nil {
		return next.HandleInitialize(ctx, in)
	}
	askConsumed(in.Parameters)
	out, metadata, err := next.HandleInitialize(ctx, in)
	if err != nil {
		m.Spend(0, failedUnits)
	} else {
		m.Spend(consumed(out.Result))
	}
	return out, metadata, err
}

// failedUnits is what is counted of a call that failed, which DynamoDB does not tell: a
// condition that does not hold costs at least this.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html#WorkingWithItems.ConditionalUpdate
const failedUnits = 1

// askConsumed asks DynamoDB to tell what a call consumes.
func askConsumed(input any) {
	const total = types.ReturnConsumedCapacityTotal
	switch in := input.(type) {
	case *dynamodb.GetItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.BatchGetItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.QueryInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.PutItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.UpdateItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.DeleteItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.BatchWriteItemInput:
		in.ReturnConsumedCapacity = total
	}
}

// consumed gives the units of a call's result.
func consumed(result any) (reads, writes float64) {
	switch out := result.(type) {
	case *dynamodb.GetItemOutput:
		return units(out.ConsumedCapacity), 0
	case *dynamodb.QueryOutput:
		return units(out.ConsumedCapacity), 0
	case *dynamodb.BatchGetItemOutput:
		return sum(out.ConsumedCapacity), 0
	case *dynamodb.PutItemOutput:
		return 0, units(out.ConsumedCapacity)
	case *dynamodb.UpdateItemOutput:
		return 0, units(out.ConsumedCapacity)
	case *dynamodb.DeleteItemOutput:
		return 0, units(out.ConsumedCapacity)
	case *dynamodb.BatchWriteItemOutput:
		return 0, sum(out.ConsumedCapacity)
	}
	return 0, 0
}

func units(c *types.ConsumedCapacity) float64 {
	if c == nil {
		return 0
	}
	return aws.ToFloat64(c.CapacityUnits)
}

func sum(all []types.ConsumedCapacity) (sum float64) {
	for _, c := range all {
		sum += units(&c)
	}
	return sum
}
