package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/handshake"
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
	teller    *handshake.Teller
	logger    *slog.Logger
}

// connect answers $connect. API Gateway lets the client in on 200 only. A client that offers
// subprotocols, but not ours, gets 400: browsers would fail, as none of theirs is chosen. A
// subject with too many connections or a spent allowance gets 429. A token that was revoked
// meanwhile gets 403. If something fails the answer is 503, and the client may try again.
//
// Where refusals are told inside, a refused token and what would be 429 get 200. Nothing is
// kept of the connection then, so that its first message is answered with the error.
func (h handler) connect(ctx context.Context, event awsevents.APIGatewayWebsocketProxyRequest) (awsevents.APIGatewayProxyResponse, error) {
	offer := handshake.OfferOf(event.Headers, event.MultiValueHeaders)
	if len(offer) > 0 && !offer.Ours() {
		h.logger.Warn("connection refused", "connection", event.RequestContext.ConnectionID,
			"err", "the client offers subprotocols without "+events.Subprotocol+", and would not take an answer without one", "bearer", offer.Bears())
		return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusBadRequest}, nil
	}
	c, err := h.identity.ConnectionOf(event.RequestContext)
	if refused := (*identity.RefusedError)(nil); errors.As(err, &refused) {
		h.logger.Warn("connection is let in to be told", "connection", c.ID, "err", refused.Why)
		return accepted(offer), nil
	}
	if err == nil {
		err = h.admission.Admit(ctx, c)
	}
	switch {
	case errors.Is(err, watch.ErrRevoked):
		h.logger.Warn("connection refused", "connection", c.ID, "err", err)
		return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusForbidden}, nil
	case errors.Is(err, watch.ErrTooManyConnections), errors.Is(err, watch.ErrTooManyRequests):
		if c.ToldInside && h.teller.Tells(c.Subject) {
			h.logger.Warn("connection is let in to be told", "connection", c.ID, "err", err)
			return accepted(offer), nil
		}
		h.logger.Warn("connection refused", "connection", c.ID, "err", err)
		return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusTooManyRequests}, nil
	case err != nil:
		h.logger.Error("connection refused", "connection", c.ID, "err", err)
		return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusServiceUnavailable}, nil
	}
	return accepted(offer), nil
}

// accepted lets the client in. It chooses our subprotocol if one is offered, and never the
// one with the token.
func accepted(offer handshake.Offer) awsevents.APIGatewayProxyResponse {
	response := awsevents.APIGatewayProxyResponse{StatusCode: http.StatusOK}
	if offer.Ours() {
		response.Headers = map[string]string{handshake.Header: events.Subprotocol}
	}
	return response
}
