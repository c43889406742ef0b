package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/header"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/watch"
)

// admission keeps new connections, as far as they may be.
type admission interface {
	Admit(context.Context, watch.Connection) error
}

type handler struct {
	identity  identity.Reader
	admission admission
	logger    *slog.Logger
}

// connect answers $connect. API Gateway lets the client in on 200 only. A subject with too many
// connections or a spent allowance gets 429. A token that was revoked meanwhile gets 403. If
// something fails the answer is 503, and the client may try again.
func (h handler) connect(ctx context.Context, event awsevents.APIGatewayWebsocketProxyRequest) (awsevents.APIGatewayProxyResponse, error) {
	c, err := h.identity.ConnectionOf(event.RequestContext)
	if err == nil {
		err = h.admission.Admit(ctx, c)
	}
	switch {
	case errors.Is(err, watch.ErrRevoked):
		h.logger.Warn("connection refused", "connection", c.ID, "err", err)
		return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusForbidden}, nil
	case errors.Is(err, watch.ErrTooManyConnections), errors.Is(err, watch.ErrTooManyRequests):
		h.logger.Warn("connection refused", "connection", c.ID, "err", err)
		return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusTooManyRequests}, nil
	case err != nil:
		h.logger.Error("connection refused", "connection", c.ID, "err", err)
		return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusServiceUnavailable}, nil
	}
	return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusOK, Headers: subprotocol(event)}, nil
}

// subprotocol chooses ours of what the client offers, and never the one with its token.
func subprotocol(event awsevents.APIGatewayWebsocketProxyRequest) map[string]string {
	const name = "Sec-WebSocket-Protocol"
	if slices.Contains(header.List(event.Headers, event.MultiValueHeaders, name), events.Subprotocol) {
		return map[string]string{name: events.Subprotocol}
	}
	return nil
}
