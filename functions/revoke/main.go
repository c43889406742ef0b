// Revoke cuts off the live connections whose tokens are taken back.
package main

import (
	"context"
	"os"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/apigw"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/watch"
)

func main() { function.Start(os.Getenv, build) }

func build(ctx context.Context, s function.Setup) (func(context.Context, dynamo.Batch) (awsevents.DynamoDBEventResponse, error), error) {
	store := dynamo.Open(s.AWS, dynamo.Tables{
		Events:        s.Settings.Text(function.EventsTable),
		Connections:   s.Settings.Text(function.ConnectionsTable),
		Subscriptions: s.Settings.Text(function.SubscriptionsTable),
	})
	poster, err := apigw.OpenPatient(ctx, s.AWS, s.Settings.Text(function.CallbackURL))
	return handler{revoker: watch.Revoker{Connections: store, Poster: poster}, logger: s.Logger}.revoke, err
}
