// Salvage copies what the functions of streams have given up to the failure queue, while
// the streams still have it.
package main

import (
	"context"
	"os"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/failure"
	"github.com/watchroute/watchroute/shared/function"
)

func main() { function.Start(os.Getenv, build) }

func build(_ context.Context, s function.Setup) (func(context.Context, awsevents.SQSEvent) (awsevents.SQSEventResponse, error), error) {
	s.AWS.HTTPClient = dynamo.HTTPClient()
	return handler{
		streams:  streams{dynamodbstreams.NewFromConfig(s.AWS)},
		failures: failure.Open(s.AWS, s.Settings.Text(function.FailureQueueURL)),
		logger:   s.Logger,
	}.salvage, nil
}
