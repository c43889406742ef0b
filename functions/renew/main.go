// Renew lets open connections go by another token. It stands apart from message so that
// what reads every client's frames cannot read the secret that tokens are signed with.
package main

import (
	"context"
	"errors"
	"os"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/apigw"
	"github.com/watchroute/watchroute/shared/authn"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/reply"
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
	tokens, tokensErr := authn.Open(s.AWS, s.Settings, store)
	poster, posterErr := apigw.OpenPatient(ctx, s.AWS, s.Settings.Text(function.CallbackURL))
	renewer := watch.Renewer{
		Store:     store,
		Tokens:    tokens,
		Allowance: watch.NewAllowance(store, s.Settings.Count(function.MaxSubjectUnits)),
		Logger:    s.Logger,
	}
	return reply.New(identity.Reader{}, renewer, poster, s.Settings.Count(function.MaxMessageRate), s.Logger).Reply, errors.Join(tokensErr, posterErr)
}
