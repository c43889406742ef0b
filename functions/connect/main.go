// Connect remembers a new WebSocket.
package main

import (
	"context"
	"os"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/apigw"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/handshake"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/watch"
)

func main() { function.Start(os.Getenv, build) }

func build(ctx context.Context, s function.Setup) (func(context.Context, awsevents.APIGatewayWebsocketProxyRequest) (awsevents.APIGatewayProxyResponse, error), error) {
	store := dynamo.Open(s.AWS, dynamo.Tables{
		Events:        s.Settings.Text(function.EventsTable),
		Connections:   s.Settings.Text(function.ConnectionsTable),
		Subscriptions: s.Settings.Text(function.SubscriptionsTable),
		Revocations:   s.Settings.Text(function.RevocationsTable),
	})
	poster, err := apigw.Open(ctx, s.AWS, s.Settings.Text(function.CallbackURL))
	admission := watch.Admission{
		Store: store, Prober: poster, Limit: s.Settings.Count(function.MaxConnections),
		Allowance: watch.NewAllowance(store, s.Settings.Count(function.MaxSubjectUnits)),
	}
	who := identity.Reader{Open: s.Settings.Flag(function.OpenToEveryone)}
	return handler{identity: who, admission: admission, teller: handshake.NewTeller(), logger: s.Logger}.connect, err
}
