// Message answers what clients send over their WebSockets.
package main

import (
	"context"
	"os"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/apigw"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/reply"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/secret"
	"github.com/watchroute/watchroute/shared/watch"
)

func main() { function.Start(os.Getenv, build) }

func build(ctx context.Context, s function.Setup) (func(context.Context, awsevents.APIGatewayWebsocketProxyRequest) (awsevents.APIGatewayProxyResponse, error), error) {
	store := dynamo.Open(s.AWS, dynamo.Tables{
		Events:        s.Settings.Text(function.EventsTable),
		Changes:       s.Settings.Text(function.ChangesTable),
		Connections:   s.Settings.Text(function.ConnectionsTable),
		Subscriptions: s.Settings.Text(function.SubscriptionsTable),
	})
	store.ShardSize = s.Settings.Count(function.ShardSize)
	rate := s.Settings.Count(function.MaxMessageRate)
	answerer := watch.Answerer{
		Store:     store,
		Sealer:    seal.New(secret.Open(s.AWS, s.Settings.Text(function.ServiceSecretARN)).Versions),
		Allowance: watch.NewAllowance(store, s.Settings.Count(function.MaxSubjectUnits)),
		Limits: watch.Limits{
			Subscriptions: s.Settings.Count(function.MaxSubscriptions),
			Subscribes:    rate,
			PublishBytes:  s.Settings.Count(function.MaxPublishBytes),
			SnapshotItems: s.Settings.Count(function.MaxSnapshotItems),
		},
		Logger: s.Logger,
	}
	poster, err := apigw.OpenPatient(ctx, s.AWS, s.Settings.Text(function.CallbackURL))
	who := identity.Reader{Open: s.Settings.Flag(function.OpenToEveryone)}
	return reply.New(who, answerer, poster, rate, s.Logger).Reply, err
}
