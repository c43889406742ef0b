package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// connections keeps connections' rows.
type connections interface {
	Connect(context.Context, watch.Connection) error
}

type handler struct {
	connections connections
	logger      *slog.Logger
}

// connect answers $connect. API Gateway lets the client in on 200 only; a row that
// cannot be written turns it away with 503, to come again.
func (h handler) connect(ctx context.Context, event awsevents.APIGatewayWebsocketProxyRequest) (awsevents.APIGatewayProxyResponse, error) {
	c := watch.Connection{
		ID:        watch.ConnectionID(event.RequestContext.ConnectionID),
		Connected: time.UnixMilli(event.RequestContext.ConnectedAt),
	}
	if err := h.connections.Connect(ctx, c); err != nil {
		h.logger.Error("connection refused", "connection", c.ID, "err", err)
		return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusServiceUnavailable}, nil
	}
	return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusOK}, nil
}
