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

type admissionFunc func(watch.Connection) error

func (f admissionFunc) Admit(_ context.Context, c watch.Connection) error { return f(c) }

// everyone lets all in who come without an authorizer.
func everyone() handler {
	return handler{identity: identity.Reader{Open: true}, logger: slog.New(slog.DiscardHandler), admission: admissionFunc(func(watch.Connection) error { return nil })}
}

func TestConnect(t *testing.T) {
	at := time.UnixMilli(1_770_660_703_000)
	for name, c := range map[string]struct {
		admit error
		want  int
	}{
		"let in":               {nil, 200},
		"too many connections": {watch.ErrTooManyConnections, 429},
		"allowance is spent":   {watch.ErrTooManyRequests, 429},
		"revoked meanwhile":    {watch.ErrRevoked, 403},
		"cannot be kept":       {errors.New("table is throttled"), 503},
	} {
		t.Run(name, func(t *testing.T) {
			var event awsevents.APIGatewayWebsocketProxyRequest
			event.RequestContext.ConnectionID, event.RequestContext.ConnectedAt = "L0SM9cOFvHcCIhw=", at.UnixMilli()
			h := everyone()
			h.admission = admissionFunc(func(got watch.Connection) error {
				if got.ID != "L0SM9cOFvHcCIhw=" || !got.Ends().Equal(at.Add(130*time.Minute)) || got.Subject != watch.Anonymous {
					t.Errorf("connection %+v", got.Key)
				}
				return c.admit
			})
			if got, err := h.connect(t.Context(), event); err != nil || got.StatusCode != c.want {
				t.Errorf("status %d, %v, want %d", got.StatusCode, err, c.want)
			}
		})
	}
}

// TestSubprotocol: ours is chosen if it is offered, and a token is never repeated.
func TestSubprotocol(t *testing.T) {
	h := everyone()
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

// TestSubprotocolOnTwoLines: headers has the last line alone.
func TestSubprotocolOnTwoLines(t *testing.T) {
	h := everyone()
	for _, lines := range [][]string{{"watchroute.v1", "bearer.abc.def"}, {"bearer.abc.def", "watchroute.v1"}} {
		got, err := h.connect(t.Context(), awsevents.APIGatewayWebsocketProxyRequest{
			Headers:           map[string]string{"Sec-WebSocket-Protocol": lines[1]},
			MultiValueHeaders: map[string][]string{"Sec-WebSocket-Protocol": lines},
		})
		if err != nil || got.Headers["Sec-WebSocket-Protocol"] != "watchroute.v1" || len(got.Headers) > 1 {
			t.Errorf("%q is answered %v, %v", lines, got.Headers, err)
		}
	}
}

func TestNoSubprotocolIsChosenIfNoneIsOffered(t *testing.T) {
	h := everyone()
	got, err := h.connect(t.Context(), awsevents.APIGatewayWebsocketProxyRequest{Headers: map[string]string{"Host": "watchroute.v1"}})
	if err != nil || got.StatusCode != 200 || len(got.Headers) > 0 {
		t.Errorf("answer is %+v, %v", got, err)
	}
}

// TestWhoIsAdmitted: the authorizer's subject.
func TestWhoIsAdmitted(t *testing.T) {
	var admitted []string
	h := everyone()
	h.admission = admissionFunc(func(c watch.Connection) error {
		admitted = append(admitted, c.Subject)
		return nil
	})
	var event awsevents.APIGatewayWebsocketProxyRequest
	authorizer := identity.Context(watch.Access{})
	authorizer["principalId"] = "anna"
	event.RequestContext.Authorizer = authorizer
	if _, err := h.connect(t.Context(), event); err != nil || !slices.Equal(admitted, []string{"anna"}) {
		t.Errorf("admitted is %q, %v", admitted, err)
	}
}

// TestBrokenContextIsNotLetIn, and is not looked up; nor is one that is missing.
func TestBrokenContextIsNotLetIn(t *testing.T) {
	for name, authorizer := range map[string]any{"broken": map[string]any{"principalId": "anna", "grant": "{"}, "missing": nil} {
		h := everyone()
		h.identity = identity.Reader{}
		h.admission = admissionFunc(func(c watch.Connection) error { t.Errorf("%s is admitted", c.Subject); return nil })
		var event awsevents.APIGatewayWebsocketProxyRequest
		event.RequestContext.Authorizer = authorizer
		if got, err := h.connect(t.Context(), event); err != nil || got.StatusCode != 503 {
			t.Errorf("%s: status %d, %v", name, got.StatusCode, err)
		}
	}
}
