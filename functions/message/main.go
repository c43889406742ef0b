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
		Events:        s.Settings.Text("EVENTS_TABLE"),
		Changes:       s.Settings.Text("CHANGES_TABLE"),
		Connections:   s.Settings.Text("CONNECTIONS_TABLE"),
		Subscriptions: s.Settings.Text("SUBSCRIPTIONS_TABLE"),
	})
	rate := s.Settings.Count("MAX_MESSAGE_RATE")
	answerer := watch.Answerer{
		Topics: watch.Topics{
			Items:     store,
			History:   store,
			Places:    seal.New(secret.Open(s.AWS, s.Settings.Text("SERVICE_SECRET_ARN")).Versions),
			Allowance: watch.NewAllowance(store, s.Settings.Count("MAX_SUBJECT_UNITS")),
			Limits: watch.Limits{
				Subscriptions: s.Settings.Count("MAX_SUBSCRIPTIONS"),
				Subscribes:    rate,
				PublishBytes:  s.Settings.Count("MAX_PUBLISH_BYTES"),
				SnapshotItems: s.Settings.Count("MAX_SNAPSHOT_ITEMS"),
			},
		},
		Sessions: store, Subscriptions: store, Logger: s.Logger,
	}
	poster, err := apigw.OpenPatient(ctx, s.AWS, s.Settings.Text("CALLBACK_URL"))
	who := identity.Reader{Open: s.Settings.Flag("OPEN_TO_EVERYONE")}
	return reply.New(who, answerer, poster, rate).Reply, err
}
