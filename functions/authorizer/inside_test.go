package main

import (
	"errors"
	"strings"
	"testing"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/handshake"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/origin"
	"github.com/watchroute/watchroute/shared/watch"
)

// offering is a $connect of a page that offers its token as a subprotocol.
func offering(protocols string) awsevents.APIGatewayCustomAuthorizerRequestTypeRequest {
	r := request("Sec-WebSocket-Protocol", protocols)
	r.RequestContext.Identity.SourceIP = "203.0.113.7"
	return r
}

// told is why a request is let in to be told that it is refused; nil for all other answers.
func (d desk) told(t *testing.T, r awsevents.APIGatewayCustomAuthorizerRequestTypeRequest) error {
	t.Helper()
	answer, err := d.authorize(t.Context(), r)
	if err != nil || answer.PrincipalID != refusedPrincipal {
		return nil
	}
	if len(answer.Context) != 1 || answer.PolicyDocument.Statement[0].Effect != "Allow" {
		t.Errorf("beside the reason the answer has %v, %+v", answer.Context, answer.PolicyDocument)
	}
	answer.Context["principalId"] = answer.PrincipalID
	c, err := identity.Reader{}.ConnectionOf(awsevents.APIGatewayWebsocketProxyRequestContext{Authorizer: answer.Context})
	var refused *identity.RefusedError
	if !errors.As(err, &refused) || c.Grant.String() != "" {
		t.Fatalf("others read %+v, %v", c, err)
	}
	return refused.Why
}

// TestPageIsLetInToBeToldWhyItIsRefused, because its browser does not show a status; who
// can see the status is refused by it.
func TestPageIsLetInToBeToldWhyItIsRefused(t *testing.T) {
	revokedToken, bad := signed(t, "revoked"), signed(t, "anna")+"x"
	with := func(r awsevents.APIGatewayCustomAuthorizerRequestTypeRequest, name, value string) awsevents.APIGatewayCustomAuthorizerRequestTypeRequest {
		r.Headers[name] = value
		return r
	}
	for name, c := range map[string]struct {
		request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest
		want    error
	}{
		"a bad token":                    {offering("watchroute.v1, bearer." + bad), watch.ErrUnauthorized},
		"an empty token":                 {offering("watchroute.v1, bearer."), watch.ErrUnauthorized},
		"a revoked token":                {offering("bearer." + revokedToken + ",watchroute.v1"), watch.ErrRevoked},
		"a token without ours beside it": {offering("bearer." + bad), nil},
		"no token":                       {offering("watchroute.v1"), nil},
		"a good token":                   {offering("watchroute.v1, bearer." + signed(t, "anna")), nil},
		"a bad token in the header":      {request("Authorization", "Bearer "+bad), nil},
		"a bad token in the header, too": {with(offering("watchroute.v1, bearer."+bad), "Authorization", "Bearer "+bad), nil},
		"a bad token in the query":       {inQuery(bad), nil},
		"a page of another origin":       {with(offering("watchroute.v1, bearer."+bad), "Origin", "https://evil.example"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			d.inQuery, d.origins = true, []origin.Origin{{Scheme: "https", Host: "app.example"}}
			before := d.decide(t, c.request)
			if got := d.told(t, c.request); got != nil {
				t.Errorf("where all is told at the handshake, inside is told: %v", got)
			}
			d.teller = handshake.NewTeller()
			if got := d.told(t, c.request); got != c.want {
				t.Errorf("told is %v, want %v", got, c.want)
			}
			if got := d.decide(t, c.request); c.want == nil && got != before {
				t.Errorf("answer is %q, want %q", got, before)
			}
		})
	}
}

// TestFailureIsNotToldAsARefusal: the page is to come again.
func TestFailureIsNotToldAsARefusal(t *testing.T) {
	d := newDesk(t, errors.New("throttled"))
	d.teller = handshake.NewTeller()
	if got := d.decide(t, offering("watchroute.v1, bearer."+signed(t, "anna"))); got != "token not verified" {
		t.Errorf("answer is %q", got)
	}
}

// TestWhoIsRefusedTooOftenIsNotLetIn: a connection costs more than a refusal.
func TestWhoIsRefusedTooOftenIsNotLetIn(t *testing.T) {
	d := newDesk(t, nil)
	d.teller = handshake.NewTeller()
	told := 0
	for range 100 {
		if d.told(t, offering("watchroute.v1, bearer.bad")) != nil {
			told++
		}
	}
	if told == 0 || told > 20 {
		t.Errorf("of 100 refusals %d were let in", told)
	}
	if got := d.decide(t, offering("watchroute.v1, bearer.bad")); got != "Unauthorized" {
		t.Errorf("after that the answer is %q", got)
	}
}

// TestPageLearnsInsideThatItIsTurnedAway: $connect knows by the context that it may let the
// client in, and the largest answer still fits.
func TestPageLearnsInsideThatItIsTurnedAway(t *testing.T) {
	d := newDesk(t, nil)
	for inside, r := range map[bool]awsevents.APIGatewayCustomAuthorizerRequestTypeRequest{
		true: offering("watchroute.v1, bearer." + signed(t, "anna")), false: request("Authorization", "Bearer "+signed(t, "anna")),
	} {
		d.teller = handshake.NewTeller()
		answer, err := d.authorize(t.Context(), r)
		if err != nil || tooLarge(answer) {
			t.Fatal(err, answer)
		}
		answer.Context["principalId"] = answer.PrincipalID
		c, err := identity.Reader{}.ConnectionOf(awsevents.APIGatewayWebsocketProxyRequestContext{Authorizer: answer.Context})
		if err != nil || c.Subject != "anna" || c.ToldInside != inside {
			t.Errorf("connection is %+v, %v, want %t", c, err, inside)
		}
	}
}

// TestRefusalThatIsToldIsLogged, without the token.
func TestRefusalThatIsToldIsLogged(t *testing.T) {
	d := newDesk(t, nil)
	d.teller = handshake.NewTeller()
	if d.told(t, offering("watchroute.v1, bearer.planted5EcReT")) == nil || !strings.Contains(d.log.String(), "token refused") || strings.Contains(d.log.String(), "planted5EcReT") {
		t.Errorf("log is %s", d.log)
	}
}
