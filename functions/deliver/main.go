// Deliver delivers changes to destinations. Messages of the queue of deliveries wake it, and once a
// minute a schedule does, so that it looks for retries that are due. The schedule also says which
// destinations the deployer has declared.
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/watchroute/watchroute/shared/deliveries"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/secret"
	"github.com/watchroute/watchroute/shared/targets"
	"github.com/watchroute/watchroute/shared/watch"
	"github.com/watchroute/watchroute/shared/webhook"
)

// deliveryTime is after how long the rest of a topic is left to another message. The attempt that
// runs then still ends within the function's timeout.
const deliveryTime = 20 * time.Second

func main() { function.Start(os.Getenv, build) }

func build(_ context.Context, s function.Setup) (func(context.Context, json.RawMessage) (any, error), error) {
	store := dynamo.Open(s.AWS, dynamo.Tables{
		Events:        s.Settings.Text(function.EventsTable),
		Changes:       s.Settings.Text(function.ChangesTable),
		Connections:   s.Settings.Text(function.ConnectionsTable), // of which it uses purses
		Subscriptions: s.Settings.Text(function.SubscriptionsTable),
		Revocations:   s.Settings.Text(function.RevocationsTable),
		Destinations:  s.Settings.Text(function.DestinationsTable),
	})
	events := s.Settings.Text(function.EventsTableARN)
	versions := secret.Open(s.AWS, s.Settings.Text(function.ServiceSecretARN)).Versions
	queue := deliveries.Open(s.AWS, s.Settings.Text(function.DeliveriesQueueURL))
	deliverer := delivery.Deliverer{
		Store: store,
		Topics: watch.Topics{
			Store: store, Sealer: seal.New(versions),
			Allowance: watch.NewAllowance(store, s.Settings.Count(function.MaxSubjectUnits)),
			Limits:    watch.Limits{SnapshotItems: s.Settings.Count(function.MaxSnapshotItems)},
		},
		Revocations: store,
		Sender: sender{
			client: webhook.New(webhook.Options{AllowLoopback: s.Settings.Flag(function.AllowLoopback)}),
			keys:   &keys{versions: versions}, targets: targets.Open(s.AWS, events), source: events,
		},
		Queue: queue, Logger: s.Logger, Time: deliveryTime,
	}
	return handler{
		deliver:   deliverer.Deliver,
		reconcile: delivery.Declarer{Registry: store, Queue: queue, Logger: s.Logger}.Reconcile,
		sweep:     delivery.Waker{Store: store, Queue: queue}.Sweep,
		logger:    s.Logger,
	}.handle, nil
}
