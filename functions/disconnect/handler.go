package main

import (
	"context"
	"errors"
	"net/http"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/watch"
)

// connections forgets connections with their subscriptions.
type connections interface {
	Forget(context.Context, watch.Key, []watch.Subscription) error
}

type handler struct {
	identity    identity.Reader
	connections connections
}

// disconnect answers $disconnect, which API Gateway may send twice, late or never.
// An error is for the log alone: fan-out finds the connection gone, and the rows'
// time to live ends what is left.
func (h handler) disconnect(ctx context.Context, event awsevents.APIGatewayWebsocketProxyRequest) (awsevents.APIGatewayProxyResponse, error) {
	c, err := h.identity.ConnectionOf(event.RequestContext)
	if refused := (*identity.RefusedError)(nil); errors.As(err, &refused) {
		return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusOK}, nil // nothing is kept of it
	}
	if err != nil {
		return awsevents.APIGatewayProxyResponse{}, err
	}
	if err := h.connections.Forget(ctx, c.Key, nil); err != nil {
		return awsevents.APIGatewayProxyResponse{}, err
	}
	return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusOK}, nil
}
