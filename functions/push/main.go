// Push pushes changes to the large audiences that fan-out has handed over.
package main

import (
	"context"
	"os"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/apigw"
	"github.com/watchroute/watchroute/shared/deliveries"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/pushes"
	"github.com/watchroute/watchroute/shared/watch"
)

func main() { function.Start(os.Getenv, build) }

func build(ctx context.Context, s function.Setup) (func(context.Context, awsevents.SQSEvent) (awsevents.SQSEventResponse, error), error) {
	store := dynamo.Open(s.AWS, dynamo.Tables{
		Events:        s.Settings.Text(function.EventsTable),
		Changes:       s.Settings.Text(function.ChangesTable),
		Connections:   s.Settings.Text(function.ConnectionsTable),
		Subscriptions: s.Settings.Text(function.SubscriptionsTable),
		Destinations:  s.Settings.Text(function.DestinationsTable),
	})
	store.ShardSize = s.Settings.Count(function.ShardSize)
	poster, err := apigw.Open(ctx, s.AWS, s.Settings.Text(function.CallbackURL))
	waker := delivery.Waker{Store: store, Queue: deliveries.Open(s.AWS, s.Settings.Text(function.DeliveriesQueueURL))}
	return handler{
		pusher: watch.LanePusher{
			Lanes: store, Log: store, Pusher: watch.Pusher{Subscribers: store, Poster: newBounded(poster), Waker: waker},
			LaneSize: store.ShardSize, Time: laneTime, Round: round,
		},
		queue:  pushes.Open(s.AWS, s.Settings.Text(function.PushesQueueURL)),
		logger: s.Logger,
	}.push, err
}
