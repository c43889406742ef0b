package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/watch"
)

type connectionsFunc func(watch.Connection) error

func (f connectionsFunc) Connect(_ context.Context, c watch.Connection) error { return f(c) }

type admitterFunc func(subject string) error

func (f admitterFunc) Admit(_ context.Context, subject string) error { return f(subject) }

func TestConnect(t *testing.T) {
	at := time.UnixMilli(1_770_660_703_000)
	for name, c := range map[string]struct {
		admit, connect error
		want           int
	}{
		"let in":               {nil, nil, 200},
		"too many connections": {watch.ErrTooManyConnections, nil, 429},
		"cannot be counted":    {errors.New("table is throttled"), nil, 503},
		"cannot be kept":       {nil, errors.New("table is throttled"), 503},
	} {
		t.Run(name, func(t *testing.T) {
			var event awsevents.APIGatewayWebsocketProxyRequest
			event.RequestContext.ConnectionID, event.RequestContext.ConnectedAt = "L0SM9cOFvHcCIhw=", at.UnixMilli()
			h := handler{
				identity:  identity.Reader{Open: true},
				logger:    slog.New(slog.DiscardHandler),
				admission: admitterFunc(func(string) error { return c.admit }),
				connections: connectionsFunc(func(got watch.Connection) error {
					if got.ID != "L0SM9cOFvHcCIhw=" || !got.Ends().Equal(at.Add(130*time.Minute)) || got.Subject != watch.Anonymous {
						t.Errorf("connection %+v", got.Key)
					}
					return c.connect
				}),
			}
			if got, err := h.connect(t.Context(), event); err != nil || got.StatusCode != c.want {
				t.Errorf("status %d, %v, want %d", got.StatusCode, err, c.want)
			}
		})
	}
}

// TestSubprotocol: ours is chosen if it is offered, and a token is never repeated.
func TestSubprotocol(t *testing.T) {
	h := handler{
		identity: identity.Reader{Open: true},
		logger:   slog.New(slog.DiscardHandler), admission: admitterFunc(func(string) error { return nil }),
		connections: connectionsFunc(func(watch.Connection) error { return nil }),
	}
	for offer, want := range map[string]string{
		"":                              "",
		"watchroute.v1, bearer.abc.def": "watchroute.v1",
		"bearer.abc.def,watchroute.v1":  "watchroute.v1",
		"bearer.abc.def":                "",
		"graphql-ws":                    "",
		"watchroute.v1,graphql-ws":      "watchroute.v1",
		"watchroute.v10, watchroute":    "",
	} {
		got, err := h.connect(t.Context(), awsevents.APIGatewayWebsocketProxyRequest{Headers: map[string]string{"sec-websocket-protocol": offer}})
		if err != nil || got.Headers["Sec-WebSocket-Protocol"] != want || len(got.Headers) > 1 {
			t.Errorf("%q is answered %v, %v", offer, got.Headers, err)
		}
	}
}

func TestNoSubprotocolIsChosenIfNoneIsOffered(t *testing.T) {
	h := handler{
		identity: identity.Reader{Open: true},
		logger:   slog.New(slog.DiscardHandler), admission: admitterFunc(func(string) error { return nil }),
		connections: connectionsFunc(func(watch.Connection) error { return nil }),
	}
	got, err := h.connect(t.Context(), awsevents.APIGatewayWebsocketProxyRequest{Headers: map[string]string{"Host": "watchroute.v1"}})
	if err != nil || got.StatusCode != 200 || len(got.Headers) > 0 {
		t.Errorf("answer is %+v, %v", got, err)
	}
}

// TestWhoIsAdmitted: the authorizer's subject is, before anything is kept.
func TestWhoIsAdmitted(t *testing.T) {
	for admit, want := range map[error][]string{
		nil:                         {"admit anna", "keep anna"},
		watch.ErrTooManyConnections: {"admit anna"},
	} {
		var did []string
		h := handler{
			identity: identity.Reader{Open: true},
			logger:   slog.New(slog.DiscardHandler),
			admission: admitterFunc(func(subject string) error {
				did = append(did, "admit "+subject)
				return admit
			}),
			connections: connectionsFunc(func(c watch.Connection) error {
				did = append(did, "keep "+c.Subject)
				return nil
			}),
		}
		var event awsevents.APIGatewayWebsocketProxyRequest
		authorizer := identity.Context(watch.Access{})
		authorizer["principalId"] = "anna"
		event.RequestContext.Authorizer = authorizer
		if _, err := h.connect(t.Context(), event); err != nil || !slices.Equal(did, want) {
			t.Errorf("admission answers %v: done is %q, want %q; %v", admit, did, want, err)
		}
	}
}

// TestBrokenContextIsNotLetIn, and is not looked up.
func TestBrokenContextIsNotLetIn(t *testing.T) {
	h := handler{
		identity:    identity.Reader{Open: true},
		logger:      slog.New(slog.DiscardHandler),
		admission:   admitterFunc(func(subject string) error { t.Errorf("%s is admitted", subject); return nil }),
		connections: connectionsFunc(func(c watch.Connection) error { t.Errorf("%s is kept", c.Subject); return nil }),
	}
	var event awsevents.APIGatewayWebsocketProxyRequest
	event.RequestContext.Authorizer = map[string]any{"principalId": "anna", "grant": "{"}
	if got, err := h.connect(t.Context(), event); err != nil || got.StatusCode != 503 {
		t.Errorf("status %d, %v", got.StatusCode, err)
	}
}
