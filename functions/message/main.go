// Message answers what clients send over their WebSockets.
package main

import (
	"context"
	"os"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/apigw"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/function"
)

func main() { function.Start(os.Getenv, build) }

func build(ctx context.Context, s function.Setup) (func(context.Context, awsevents.APIGatewayWebsocketProxyRequest) (awsevents.APIGatewayProxyResponse, error), error) {
	tables := dynamo.Tables{
		Events:        s.Settings.Text("EVENTS_TABLE"),
		Changes:       s.Settings.Text("CHANGES_TABLE"),
		Connections:   s.Settings.Text("CONNECTIONS_TABLE"),
		Subscriptions: s.Settings.Text("SUBSCRIPTIONS_TABLE"),
	}
	poster, err := apigw.Open(ctx, s.AWS, s.Settings.Text("CALLBACK_URL"))
	return newHandler(dynamo.Open(s.AWS, tables), poster, s.Logger).message, err
}
