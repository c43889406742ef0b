// Authorizer decides who may connect, and ask over HTTP, by their tokens.
package main

import (
	"context"
	"errors"
	"os"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/authn"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/handshake"
	"github.com/watchroute/watchroute/shared/origin"
)

func main() { function.Start(os.Getenv, build) }

func build(_ context.Context, s function.Setup) (func(context.Context, awsevents.APIGatewayCustomAuthorizerRequestTypeRequest) (awsevents.APIGatewayCustomAuthorizerResponse, error), error) {
	store := dynamo.Open(s.AWS, dynamo.Tables{Revocations: s.Settings.Text(function.RevocationsTable)})
	tokens, err := authn.Open(s.AWS, s.Settings, store)
	origins, bad := origin.ParseList(s.Settings.Optional(function.AllowedOrigins))
	h := handler{tokens: tokens, anonymous: s.Settings.Flag(function.AllowAnonymous), inQuery: s.Settings.Flag(function.TokenInQuery), origins: origins, logger: s.Logger}
	if s.Settings.Flag(function.RefuseInside) {
		h.teller = handshake.NewTeller()
	}
	return h.authorize, errors.Join(err, bad)
}
