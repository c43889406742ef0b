// Http answers requests for topics: their items, what has changed since a cursor, and what
// changes from then on. It publishes items, too.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/deliveries"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/origin"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/secret"
	"github.com/watchroute/watchroute/shared/watch"
	"github.com/watchroute/watchroute/shared/webhook"
)

// minStreamTime is how long a stream is held at least. Shorter ones cost more in requests than
// they save.
const minStreamTime = time.Second

func main() { function.Start(os.Getenv, build) }

func build(_ context.Context, s function.Setup) (func(context.Context, awsevents.APIGatewayProxyRequest) (*awsevents.APIGatewayProxyStreamingResponse, error), error) {
	store := dynamo.Open(s.AWS, dynamo.Tables{
		Events:        s.Settings.Text(function.EventsTable),
		Changes:       s.Settings.Text(function.ChangesTable),
		Connections:   s.Settings.Text(function.ConnectionsTable), // of which it uses purses and holds
		Revocations:   s.Settings.Text(function.RevocationsTable),
		Subscriptions: s.Settings.Text(function.SubscriptionsTable), // those of destinations
		Destinations:  s.Settings.Text(function.DestinationsTable),
	})
	origins, err := origin.ParseList(s.Settings.Optional(function.AllowedOrigins))
	if err != nil {
		return nil, fmt.Errorf("ALLOWED_ORIGINS: %w", err)
	}
	who := identity.Reader{Open: s.Settings.Flag(function.OpenToEveryone)}
	sealing := secret.Open(s.AWS, s.Settings.Text(function.ServiceSecretARN))
	topics := watch.Topics{
		Store:     store,
		Sealer:    seal.New(sealing.Versions),
		Allowance: watch.NewAllowance(store, s.Settings.Count(function.MaxSubjectUnits)),
		Limits:    watch.Limits{PublishBytes: s.Settings.Count(function.MaxPublishBytes), SnapshotItems: s.Settings.Count(function.MaxSnapshotItems)},
	}
	loopback := s.Settings.Flag(function.AllowLoopback)
	return gateway{logger: s.Logger, handler: handler{
		topics: watch.Feed{
			Topics:      topics,
			Stands:      store,
			Revocations: store,
			Holds:       store,
			HoldLimits:  watch.HoldLimits{Subject: s.Settings.Count(function.MaxSubjectHolds), Total: s.Settings.Count(function.MaxHolds)},
		},
		destinations: destinations{
			Registrar: delivery.Registrar{
				Registry: store, Queue: deliveries.Open(s.AWS, s.Settings.Text(function.DeliveriesQueueURL)),
				Check: webhook.New(webhook.Options{AllowLoopback: loopback}).Check, Most: s.Settings.Count(function.MaxDestinations),
			},
			secret: func(ctx context.Context, d delivery.Destination) (string, string, error) {
				versions, err := sealing.Versions(ctx)
				if err != nil {
					return "", "", err
				}
				return webhook.Secret(webhook.Key(versions[0], d.ID, d.Rotations)), webhook.Version(versions[0]), nil
			},
			anonymous: loopback,
			charge:    topics.Charge,
		},
		streamTime: s.Settings.Duration(function.StreamTime, minStreamTime),
		readPause:  readPause,
		viewer:     func(r *http.Request) (watch.Viewer, error) { return who.ViewerOf(contextOf(r)) },
		origins:    origins,
		logger:     s.Logger,
	}}.serve, nil
}
