package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/handshake"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/watch"
)

type admissionFunc func(watch.Connection) error

func (f admissionFunc) Admit(_ context.Context, c watch.Connection) error { return f(c) }

// everyone lets all in who come without an authorizer.
func everyone() handler {
	return handler{identity: identity.Reader{Open: true}, teller: handshake.NewTeller(), logger: slog.New(slog.DiscardHandler), admission: admissionFunc(func(watch.Connection) error { return nil })}
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

// TestSubprotocol: ours is chosen if it is offered, and a token is never repeated. Who offers
// others alone is refused, because a browser would fail after the answer.
func TestSubprotocol(t *testing.T) {
	for offer, want := range map[string]struct {
		status   int
		protocol string
	}{
		"":                              {200, ""},
		"watchroute.v1, bearer.abc.def": {200, "watchroute.v1"},
		"bearer.abc.def,watchroute.v1":  {200, "watchroute.v1"},
		"bearer.abc.def":                {400, ""},
		"graphql-ws":                    {400, ""},
		"watchroute.v1,graphql-ws":      {200, "watchroute.v1"},
		"watchroute.v10, watchroute":    {400, ""},
	} {
		h, log := everyone(), &bytes.Buffer{}
		h.logger = slog.New(slog.NewTextHandler(log, nil))
		if want.status != 200 {
			h.admission = admissionFunc(func(watch.Connection) error { t.Errorf("%q is admitted", offer); return nil })
		}
		got, err := h.connect(t.Context(), awsevents.APIGatewayWebsocketProxyRequest{Headers: map[string]string{"sec-websocket-protocol": offer}})
		if err != nil || got.StatusCode != want.status || got.Headers["Sec-WebSocket-Protocol"] != want.protocol || len(got.Headers) > 1 {
			t.Errorf("%q is answered %d, %v, %v", offer, got.StatusCode, got.Headers, err)
		}
		if reason := "without watchroute.v1"; strings.Contains(log.String(), reason) != (want.status == 400) || strings.Contains(log.String(), "abc") {
			t.Errorf("%q: log is %s", offer, log)
		}
	}
}

// TestSubprotocolsOnTwoLines: both count (RFC 6455, section 11.3.4).
func TestSubprotocolsOnTwoLines(t *testing.T) {
	got, err := everyone().connect(t.Context(), awsevents.APIGatewayWebsocketProxyRequest{
		Headers:           map[string]string{"Sec-WebSocket-Protocol": "bearer.abc.def"},
		MultiValueHeaders: map[string][]string{"Sec-WebSocket-Protocol": {"watchroute.v1", "bearer.abc.def"}},
	})
	if err != nil || got.StatusCode != 200 || got.Headers["Sec-WebSocket-Protocol"] != "watchroute.v1" {
		t.Errorf("answer is %+v, %v", got, err)
	}
}

// TestClientIsLetInToBeTold: nothing is kept of one whose token was refused, and one that is
// turned away is let in as often as may be told.
func TestClientIsLetInToBeTold(t *testing.T) {
	h := everyone()
	h.identity = identity.Reader{}
	admitted := 0
	var refusal error
	h.admission = admissionFunc(func(watch.Connection) error { admitted++; return refusal })
	knock := func(context map[string]any) awsevents.APIGatewayProxyResponse {
		t.Helper()
		context["principalId"] = "anna"
		event := awsevents.APIGatewayWebsocketProxyRequest{Headers: map[string]string{"Sec-WebSocket-Protocol": "watchroute.v1, bearer.x"}}
		event.RequestContext.Authorizer = context
		got, err := h.connect(t.Context(), event)
		if err != nil || got.StatusCode == 200 && got.Headers["Sec-WebSocket-Protocol"] != "watchroute.v1" {
			t.Errorf("answer is %+v, %v", got, err)
		}
		return got
	}
	for _, why := range []error{watch.ErrUnauthorized, watch.ErrRevoked} {
		if got := knock(identity.Refused(why)); got.StatusCode != 200 || admitted != 0 {
			t.Errorf("%v: status %d, admitted %d times", why, got.StatusCode, admitted)
		}
	}
	inside := identity.Context(watch.Access{})
	identity.TellInside(inside)
	for _, c := range []struct {
		admit           error
		inside, outside int
	}{
		{watch.ErrTooManyConnections, 200, 429}, {watch.ErrTooManyRequests, 200, 429}, {watch.ErrRevoked, 403, 403}, {errors.New("throttled"), 503, 503}, {nil, 200, 200},
	} {
		refusal = c.admit
		if got := knock(inside).StatusCode; got != c.inside {
			t.Errorf("%v: status %d, want %d", c.admit, got, c.inside)
		}
		if got := knock(identity.Context(watch.Access{})).StatusCode; got != c.outside {
			t.Errorf("%v, at the handshake: status %d, want %d", c.admit, got, c.outside)
		}
	}
	refusal = watch.ErrTooManyConnections
	statuses := map[int]int{}
	for range 100 {
		statuses[knock(inside).StatusCode]++
	}
	if statuses[200] > 20 || statuses[429] < 80 {
		t.Errorf("of 100 that are turned away the statuses are %v", statuses)
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
