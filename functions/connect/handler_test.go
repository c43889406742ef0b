package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/watch"
)

type connectionsFunc func(watch.Connection) error

func (f connectionsFunc) Connect(_ context.Context, c watch.Connection) error { return f(c) }

func TestConnect(t *testing.T) {
	at := time.UnixMilli(1_770_660_703_000)
	var event awsevents.APIGatewayWebsocketProxyRequest
	event.RequestContext.ConnectionID, event.RequestContext.ConnectedAt = "L0SM9cOFvHcCIhw=", at.UnixMilli()
	for want, cause := range map[int]error{200: nil, 503: errors.New("table is throttled")} {
		h := handler{logger: slog.New(slog.DiscardHandler), connections: connectionsFunc(func(c watch.Connection) error {
			if c.ID != "L0SM9cOFvHcCIhw=" || !c.Expires().Equal(at.Add(130*time.Minute)) {
				t.Errorf("connection %s expires %s", c.ID, c.Expires())
			}
			return cause
		})}
		if got, err := h.connect(t.Context(), event); err != nil || got.StatusCode != want {
			t.Errorf("with %v: status %d, %v, want %d", cause, got.StatusCode, err, want)
		}
	}
}
