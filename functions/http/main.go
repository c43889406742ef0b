// Http answers requests for topics: their items, what has changed since a cursor, and what
// changes from then on. It publishes items, too.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
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
	described, err := describe(s.Settings)
	if err != nil {
		return nil, err
	}
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
		contracts:  &contracts{of: described},
		streamTime: s.Settings.Duration(function.StreamTime, minStreamTime),
		readPause:  readPause,
		viewer:     func(r *http.Request) (watch.Viewer, error) { return who.ViewerOf(contextOf(r)) },
		origins:    origins,
		logger:     s.Logger,
	}}.serve, nil
}

// describe reads what the service says of itself.
func describe(s *function.Settings) (deployed, error) {
	d := deployed{
		socketURL: s.Text(function.SocketURL), httpURL: s.Optional(function.HTTPURL),
		open: s.Flag(function.OpenToEveryone), admitting: s.Flag(function.AllowAnonymous), tokenInQuery: s.Flag(function.TokenInQuery),
		issuer: s.Optional(function.TokenIssuer), audience: s.Optional(function.TokenAudience),
	}
	d.withDestinations = !d.open || s.Flag(function.AllowLoopback)
	both := []limit{
		{"publishedItemBytes", "The data of an item that a client publishes, as JSON.", s.Count(function.MaxPublishBytes)},
		{"itemsInAnAnswer", "Items that one answer reads. The rest is asked for.", s.Count(function.MaxSnapshotItems)},
		{"subjectUnitsPerMinute", "What all requests of a subject may cost, in read units; a write unit counts as 5.", s.Count(function.MaxSubjectUnits)},
		{"secondsOfChanges", "For how long a change can be told to who has missed it.", s.Duration(function.LogRetention, watch.MinRetention).Seconds()},
	}
	d.socketLimits = append([]limit{
		{"connectionsOfSubject", "Connections of a subject at a time.", s.Count(function.MaxConnections)},
		{"subscriptionsOfConnection", "Topics and patterns that a connection watches at a time.", s.Count(function.MaxSubscriptions)},
		{"messagesPerSecond", "Messages of a client over a connection; a hundred more at once.", s.Count(function.MaxMessageRate)},
		{"messagesPerSecondOfAll", "Messages of all clients with the same action.", s.Rate(function.ThrottlingRate)},
		{"messagesAtOnceOfAll", "The same at once, before the rate holds.", s.Count(function.ThrottlingBurst)},
		{"messageBytes", "A message in either direction.", events.MaxFrameBytes},
	}, both...)
	d.httpLimits = append([]limit{
		{"requestsPerSecondOfAll", "Requests of all clients with the same method.", s.Rate(function.HTTPThrottlingRate)},
		{"requestsAtOnceOfAll", "The same at once, before the rate holds.", s.Count(function.HTTPThrottlingBurst)},
		{"secondsOfLongPoll", "For how long a long poll is held, at most.", events.MaxWait.Seconds()},
		{"secondsOfStream", "For how long a stream is held, at least; up to twice as long.", s.Duration(function.StreamTime, minStreamTime).Seconds()},
		{"heldRequestsOfSubject", "Long polls and streams of a subject at a time.", s.Count(function.MaxSubjectHolds)},
		{"heldRequestsOfAll", "Long polls and streams of all clients at a time.", s.Count(function.MaxHolds)},
	}, both...)
	if d.withDestinations {
		d.httpLimits = append(d.httpLimits, limit{"destinationsOfSubject", "Destinations of a subject.", s.Count(function.MaxDestinations)})
	}
	at, err := url.Parse(d.socketURL)
	if err != nil || at.Host == "" || at.Scheme != "wss" && at.Scheme != "ws" {
		err = errors.Join(err, fmt.Errorf("%s is %q, not the URL of a WebSocket", function.SocketURL, d.socketURL))
	}
	return d, err
}
