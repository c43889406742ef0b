package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/authn"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/origin"
	"github.com/watchroute/watchroute/shared/token"
	"github.com/watchroute/watchroute/shared/watch"
)

const (
	method = "arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/live/$connect"
	claim  = `{"v":1,"allow":[{"topics":["a"],"actions":["read"]}]}`
)

var secret = []byte("a secret of at least 32 bytes, as it must be")

// signed gives a token that is good for an hour.
func signed(t *testing.T, subject string) string {
	t.Helper()
	raw, err := token.Sign(secret, token.Token{Subject: subject, ID: "t1", Issued: time.Now(), Expires: time.Now().Add(time.Hour), Claim: json.RawMessage(claim)})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// revoked are the revocations of a subject of that name alone.
type revoked struct{}

func (revoked) Revocations(_ context.Context, subject, _ string) ([]watch.Revocation, error) {
	if subject != "revoked" {
		return nil, nil
	}
	return []watch.Revocation{{Subject: subject, TokenID: watch.AnyToken, Before: time.Now()}}, nil
}

// desk is a handler with real tokens and what it logs.
type desk struct {
	handler
	log *bytes.Buffer
}

// newDesk has a secret that can be read, unless unavailable is set.
func newDesk(t *testing.T, unavailable error) desk {
	t.Helper()
	verifier, err := token.New(token.Settings{Secrets: func(context.Context) ([][]byte, error) { return [][]byte{secret}, unavailable }})
	if err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	logger := slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return desk{handler{tokens: authn.Authenticator{Verifier: verifier, Revocations: revoked{}}, logger: logger}, log}
}

// request is a $connect with a header.
func request(name, value string) awsevents.APIGatewayCustomAuthorizerRequestTypeRequest {
	return awsevents.APIGatewayCustomAuthorizerRequestTypeRequest{MethodArn: method, Headers: map[string]string{"Host": "example.org", name: value}}
}

// inQuery is a $connect with the token in its URL.
func inQuery(raw string) awsevents.APIGatewayCustomAuthorizerRequestTypeRequest {
	return awsevents.APIGatewayCustomAuthorizerRequestTypeRequest{MethodArn: method, QueryStringParameters: map[string]string{"token": raw}}
}

// decide answers a request in a word: who is let in, or how not.
func (d desk) decide(t *testing.T, request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest) string {
	t.Helper()
	answer, err := d.authorize(t.Context(), request)
	if err != nil {
		if answer.PolicyDocument.Statement != nil || answer.PrincipalID != "" {
			t.Errorf("beside an error the answer is %+v", answer)
		}
		return err.Error()
	}
	statements := answer.PolicyDocument.Statement
	if answer.PolicyDocument.Version != "2012-10-17" || len(statements) != 1 {
		t.Fatalf("policy is %+v", answer.PolicyDocument)
	}
	s := statements[0]
	if !slices.Equal(s.Action, []string{"execute-api:Invoke"}) || !slices.Equal(s.Resource, []string{method}) {
		t.Errorf("statement is %+v, want one for %s", s, method)
	}
	return s.Effect + " " + answer.PrincipalID
}

func TestTokenIsFound(t *testing.T) {
	good := signed(t, "anna")
	for name, c := range map[string]struct {
		request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest
		want    string
	}{
		"in the header":                  {request("Authorization", "Bearer "+good), "Allow anna"},
		"in the header, small":           {request("authorization", "bearer "+good), "Allow anna"},
		"in the header, in capitals":     {request("AUTHORIZATION", "BEARER  "+good), "Allow anna"},
		"by another scheme":              {request("Authorization", "Basic "+good), "Unauthorized"},
		"without a scheme":               {request("Authorization", good), "Unauthorized"},
		"of the subprotocols the second": {request("Sec-WebSocket-Protocol", "watchroute.v1, bearer."+good), "Allow anna"},
		"of the subprotocols the first":  {request("sec-websocket-protocol", "bearer."+good+",watchroute.v1"), "Allow anna"},
		"not among the subprotocols":     {request("Sec-WebSocket-Protocol", "watchroute.v1"), "Unauthorized"},
		"in the query":                   {inQuery(good), "Unauthorized"},
		"nowhere":                        {request("Accept", "*/*"), "Unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newDesk(t, nil).decide(t, c.request); got != c.want {
				t.Errorf("answer is %q, want %q", got, c.want)
			}
		})
	}
}

// onLines is a $connect with a header on several lines, as API Gateway tells of it.
func onLines(name string, lines ...string) awsevents.APIGatewayCustomAuthorizerRequestTypeRequest {
	r := request(name, lines[len(lines)-1])
	r.MultiValueHeaders = map[string][]string{"Host": {"example.org"}, name: lines}
	return r
}

// TestHeadersOnTwoLines: both lines count, and of two tokens the first.
func TestHeadersOnTwoLines(t *testing.T) {
	anna, ben := signed(t, "anna"), signed(t, "ben")
	for name, c := range map[string]struct {
		request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest
		want    string
	}{
		"the token on the first":   {onLines("Sec-WebSocket-Protocol", "bearer."+anna, "watchroute.v1"), "Allow anna"},
		"the token on the second":  {onLines("Sec-WebSocket-Protocol", "watchroute.v1", "bearer."+anna), "Allow anna"},
		"a token on each":          {onLines("sec-websocket-protocol", "x, bearer."+anna, "bearer."+ben), "Allow anna"},
		"a bad token on the first": {onLines("Sec-WebSocket-Protocol", "bearer.bad", "bearer."+ben), "Unauthorized"},
		"another scheme on one":    {onLines("Authorization", "Bearer "+anna, "Basic x"), "Allow anna"},
		"two bearers":              {onLines("Authorization", "Bearer bad", "Bearer "+ben), "Unauthorized"},
	} {
		if got := newDesk(t, nil).decide(t, c.request); got != c.want {
			t.Errorf("%s: answer is %q, want %q", name, got, c.want)
		}
	}
	d := newDesk(t, nil)
	d.anonymous, d.origins = true, []origin.Origin{{Scheme: "https", Host: "app.example"}}
	if got := d.decide(t, onLines("Origin", "https://evil.example", "https://app.example")); got != "Deny foreign" {
		t.Errorf("with two origins the answer is %q", got)
	}
}

// TestSecretThatIsTheConsolesJSON is named as the cause, without what is in it.
func TestSecretThatIsTheConsolesJSON(t *testing.T) {
	d := newDesk(t, nil)
	verifier, err := token.New(token.Settings{Secrets: func(context.Context) ([][]byte, error) {
		return [][]byte{[]byte(`{"token-key":"` + string(secret) + `"}`)}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	d.tokens = authn.Authenticator{Verifier: verifier, Revocations: revoked{}}
	if got := d.decide(t, request("Authorization", "Bearer "+signed(t, "anna"))); got != "token not verified" {
		t.Errorf("answer is %q", got)
	}
	if log := d.log.String(); !strings.Contains(log, "secret is a JSON object") || strings.Contains(log, string(secret)) || strings.Contains(log, "token-key") {
		t.Errorf("log is %s", log)
	}
}

func TestTokenInQuery(t *testing.T) {
	d := newDesk(t, nil)
	d.inQuery = true
	if got := d.decide(t, inQuery(signed(t, "anna"))); got != "Allow anna" {
		t.Errorf("answer is %q", got)
	}
}

// TestTheFirstTokenCounts, be it the bad one: header, then subprotocol, then query.
func TestTheFirstTokenCounts(t *testing.T) {
	d := newDesk(t, nil)
	d.inQuery, d.anonymous = true, true
	all := inQuery(signed(t, "query"))
	for _, c := range []struct{ name, value, want string }{
		{"Accept", "*/*", "Allow query"},
		{"Sec-WebSocket-Protocol", "bearer." + signed(t, "subprotocol"), "Allow subprotocol"},
		{"Sec-WebSocket-Protocol", "bearer.bad", "Unauthorized"},
		{"Authorization", "Bearer " + signed(t, "header"), "Allow header"},
		{"Authorization", "Bearer bad", "Unauthorized"},
	} {
		if all.Headers == nil {
			all.Headers = map[string]string{}
		}
		all.Headers[c.name] = c.value
		if got := d.decide(t, all); got != c.want {
			t.Errorf("with %s: %.20s … the answer is %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

func TestAnonymous(t *testing.T) {
	d := newDesk(t, nil)
	d.anonymous = true
	for name, c := range map[string]struct{ header, want string }{
		"no token":            {"", "Allow anonymous"},
		"a good token":        {"Bearer " + signed(t, "anna"), "Allow anna"},
		"a bad token":         {"Bearer " + signed(t, "anna") + "x", "Unauthorized"},
		"of that subject":     {"Bearer " + signed(t, watch.Anonymous), "Unauthorized"},
		"a token taken back":  {"Bearer " + signed(t, "revoked"), "Deny revoked"},
		"not even a JWT":      {"Bearer x", "Unauthorized"},
		"an empty one":        {"Bearer ", "Unauthorized"},
		"of another protocol": {"Basic x", "Allow anonymous"},
	} {
		if got := d.decide(t, request("Authorization", c.header)); got != c.want {
			t.Errorf("%s: answer is %q, want %q", name, got, c.want)
		}
	}
}

// TestPageOfAnotherOriginIsDenied, however good its token is; who is no page is not asked.
func TestPageOfAnotherOriginIsDenied(t *testing.T) {
	good := "Bearer " + signed(t, "anna")
	for name, c := range map[string]struct {
		header, origin, want string
	}{
		"no page":                {"", "", "Allow anna"},
		"an allowed page":        {"Origin", "https://app.example", "Allow anna"},
		"the other":              {"origin", "http://localhost:3000", "Allow anna"},
		"in capitals":            {"ORIGIN", "https://APP.example:443", "Allow anna"},
		"of another site":        {"Origin", "https://evil.example", "Deny foreign"},
		"of another scheme":      {"origin", "http://app.example", "Deny foreign"},
		"of another port":        {"Origin", "https://app.example:8443", "Deny foreign"},
		"of a name below":        {"Origin", "https://app.example.evil.example", "Deny foreign"},
		"from a file or sandbox": {"Origin", "null", "Deny foreign"},
		"of an empty origin":     {"Origin", "", "Deny foreign"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			d.anonymous = true
			d.origins = []origin.Origin{{Scheme: "https", Host: "app.example"}, {Scheme: "http", Host: "localhost", Port: "3000"}}
			r := request("Authorization", good)
			if c.header != "" {
				r.Headers[c.header] = c.origin
			}
			if got := d.decide(t, r); got != c.want {
				t.Errorf("answer is %q, want %q", got, c.want)
			}
			delete(r.Headers, "Authorization")
			anonymously := strings.ReplaceAll(c.want, "anna", watch.Anonymous)
			if got := d.decide(t, r); got != anonymously {
				t.Errorf("without a token the answer is %q, want %q", got, anonymously)
			}
		})
	}
	r := request("Authorization", good)
	r.Headers["Origin"] = "https://evil.example"
	if got := newDesk(t, nil).decide(t, r); got != "Allow anna" {
		t.Errorf("where pages of any origin may connect, the answer is %q", got)
	}
}

// TestContextSaysWhatIsAllowed, as the other functions read it.
func TestContextSaysWhatIsAllowed(t *testing.T) {
	for subject, want := range map[string]bool{"anna": true, "revoked": false} {
		answer, err := newDesk(t, nil).authorize(t.Context(), request("Authorization", "Bearer "+signed(t, subject)))
		if err != nil {
			t.Fatal(err)
		}
		answer.Context["principalId"] = answer.PrincipalID
		c, err := identity.Reader{}.ConnectionOf(awsevents.APIGatewayWebsocketProxyRequestContext{Authorizer: answer.Context})
		_, reads := c.Grant.Allows(grant.Read, "a")
		_, publishes := c.Grant.Allows(grant.Publish, "a")
		if err != nil || c.Subject != subject || reads != want || publishes || c.Expires.IsZero() == want {
			t.Errorf("%s may read %t, publish %t, until %v, %v", c.Subject, reads, publishes, c.Expires, err)
		}
	}
}

// TestFailureIsNotTheClients: API Gateway answers 401 for the text "Unauthorized" only.
func TestFailureIsNotTheClients(t *testing.T) {
	d := newDesk(t, errors.New("throttled"))
	if got := d.decide(t, request("Authorization", "Bearer "+signed(t, "anna"))); got != "token not verified" {
		t.Errorf("answer is %q", got)
	}
	if !strings.Contains(d.log.String(), "throttled") {
		t.Errorf("log is %s", d.log)
	}
}

// TestTokensAreNotLogged, nor any part of them, whatever becomes of them.
func TestTokensAreNotLogged(t *testing.T) {
	good := signed(t, "anna")
	for name, c := range map[string]struct {
		raw         string
		unavailable error
		logs        bool
	}{
		"good":            {good, nil, false},
		"changed":         {good[:len(good)-4] + "AAAA", nil, true},
		"cut short":       {good[:len(good)/2], nil, true},
		"not even a JWT":  {"a-password-by-mistake", nil, true},
		"revoked":         {signed(t, "revoked"), nil, true},
		"of no one":       {signed(t, watch.Anonymous), nil, true},
		"not verifiable":  {good, errors.New("throttled"), true},
		"with a bad line": {good + "\n", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, c.unavailable)
			d.inQuery = true
			for _, r := range []awsevents.APIGatewayCustomAuthorizerRequestTypeRequest{
				request("Authorization", "Bearer "+c.raw), request("Sec-WebSocket-Protocol", "bearer."+c.raw), inQuery(c.raw),
			} {
				d.log.Reset()
				_, err := d.authorize(t.Context(), r)
				log := d.log.String()
				if c.logs == (log == "") && name != "with a bad line" {
					t.Errorf("log is %q", log)
				}
				if err != nil {
					log += err.Error()
				}
				for _, part := range strings.Split(strings.TrimSpace(c.raw), ".") {
					if strings.Contains(log, part) {
						t.Errorf("%q is in the log: %s", part, log)
					}
				}
			}
		})
	}
}

// TestGrantThatCannotBeHandedOn: of characters that JSON escapes, a claim of the largest
// size is more than API Gateway takes.
func TestGrantThatCannotBeHandedOn(t *testing.T) {
	for n, want := range map[int]string{1000: "Allow anna", 2000: "Unauthorized"} {
		large := fmt.Sprintf(`{"v":1,"allow":[{"topics":["a"],"actions":["read"],"filter":{"a":["%s"]}}]}`, strings.Repeat(`\"`, n))
		raw, err := token.Sign(secret, token.Token{Subject: "anna", Issued: time.Now(), Expires: time.Now().Add(time.Hour), Claim: json.RawMessage(large)})
		if err != nil {
			t.Fatal(err)
		}
		if got := newDesk(t, nil).decide(t, request("Authorization", "Bearer "+raw)); got != want {
			t.Errorf("a claim of %d bytes is answered %q, want %q", len(large), got, want)
		}
	}
}
