// Fanout takes what is written to the Events table to everyone who watches it.
package main

import (
	"context"
	"os"
	"runtime/debug"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/apigw"
	"github.com/watchroute/watchroute/shared/deliveries"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/failure"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/pushes"
	"github.com/watchroute/watchroute/shared/watch"
)

// collectAt lets the heap grow by so many percent between two garbage collections. A batch of a
// hundred small changes leaves several times as much garbage as the few megabytes that stay, and
// collecting it was a seventh of the work. The process takes about 10 MB more for this.
const collectAt = 400

func main() {
	debug.SetGCPercent(collectAt)
	function.Start(os.Getenv, build)
}

func build(ctx context.Context, s function.Setup) (func(context.Context, dynamo.Batch) (awsevents.DynamoDBEventResponse, error), error) {
	store := dynamo.Open(s.AWS, dynamo.Tables{
		Events:        s.Settings.Text(function.EventsTable),
		Changes:       s.Settings.Text(function.ChangesTable),
		Connections:   s.Settings.Text(function.ConnectionsTable),
		Subscriptions: s.Settings.Text(function.SubscriptionsTable),
		Destinations:  s.Settings.Text(function.DestinationsTable),
	})
	store.Retention = s.Settings.Duration(function.LogRetention, watch.MinRetention)
	store.ShardSize = s.Settings.Count(function.ShardSize)
	handover := watch.Handover{
		Lanes: store, Queue: pushes.Open(s.AWS, s.Settings.Text(function.PushesQueueURL)),
		LaneSize: store.ShardSize, MaxPosts: s.Settings.Count(function.MaxBatchPosts),
	}
	refusals := refusals{failure.Open(s.AWS, s.Settings.Text(function.FailureQueueURL))}
	poster, err := apigw.Open(ctx, s.AWS, s.Settings.Text(function.CallbackURL))
	waker := delivery.Waker{Store: store, Queue: deliveries.Open(s.AWS, s.Settings.Text(function.DeliveriesQueueURL))}
	return newHandler(store, poster, waker, handover, refusals, s.Logger).fanout, err
}
