package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/watch"
)

// deadlineMargin is kept free of the time that Lambda gives, so that a client is
// told of a request that took too long.
const deadlineMargin = 500 * time.Millisecond

type handler struct {
	answerer watch.Answerer
	poster   watch.Poster
}

func newHandler(store *dynamo.Store, poster watch.Poster, logger *slog.Logger) handler {
	return handler{
		answerer: watch.Answerer{Subscriptions: store, Items: store, History: store, Logger: logger},
		poster:   poster,
	}
}

// message answers one frame of a client. The last frame of the answer goes back as
// the body, which the route's response hands to the client; frames before it are
// posted. An answer of several frames thus needs no empty body, which API Gateway
// might send as an empty frame.
func (h handler) message(ctx context.Context, event awsevents.APIGatewayWebsocketProxyRequest) (awsevents.APIGatewayProxyResponse, error) {
	ctx, cancel := function.WithMargin(ctx, deadlineMargin)
	defer cancel()
	c := watch.Connection{
		ID:        watch.ConnectionID(event.RequestContext.ConnectionID),
		Connected: time.UnixMilli(event.RequestContext.ConnectedAt),
	}
	last := h.answerer.Answer(ctx, c, []byte(event.Body), func(frame []byte) error {
		return h.poster.Post(ctx, c.ID, watch.NewFrame(frame))
	})
	return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusOK, Body: string(last)}, nil
}
