// Disconnect forgets a WebSocket that was closed.
package main

import (
	"context"
	"os"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/identity"
)

func main() { function.Start(os.Getenv, build) }

func build(_ context.Context, s function.Setup) (func(context.Context, awsevents.APIGatewayWebsocketProxyRequest) (awsevents.APIGatewayProxyResponse, error), error) {
	tables := dynamo.Tables{
		Events:        s.Settings.Text(function.EventsTable),
		Connections:   s.Settings.Text(function.ConnectionsTable),
		Subscriptions: s.Settings.Text(function.SubscriptionsTable),
	}
	who := identity.Reader{Open: s.Settings.Flag(function.OpenToEveryone)}
	return handler{identity: who, connections: dynamo.Open(s.AWS, tables)}.disconnect, nil
}
