package main

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/handshake"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/origin"
)

// httpEvent is what a REST API asks, with a header on two lines.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
const httpEvent = `{
 "type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/live/GET/topics/stocks/*",
 "resource": "/{proxy+}", "path": "/topics/stocks/*", "httpMethod": "GET",
 "headers": {"Host": "x.example", "Accept": "b"}, "multiValueHeaders": {"Host": ["x.example"], "Accept": ["a", "b"]},
 "queryStringParameters": {}, "multiValueQueryStringParameters": {}, "pathParameters": {"proxy": "topics/stocks/*"}, "stageVariables": {},
 "requestContext": {"path": "/live/topics/stocks/*", "accountId": "123456789012", "stage": "live", "httpMethod": "GET", "requestId": "r1", "identity": {"sourceIp": "203.0.113.7"}}
}`

// overHTTPWith is an HTTP request with headers, by name and lines.
func overHTTPWith(t *testing.T, headers map[string][]string) awsevents.APIGatewayCustomAuthorizerRequestTypeRequest {
	t.Helper()
	var r awsevents.APIGatewayCustomAuthorizerRequestTypeRequest
	if err := json.Unmarshal([]byte(httpEvent), &r); err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.MultiValueHeaders, headers)
	for name, lines := range headers {
		r.Headers[name] = lines[len(lines)-1]
	}
	return r
}

// TestHTTPRequestIsJudgedAsAHandshakeIs, by its status: it is never let in to be told why it
// is refused, and its token is no subprotocol.
func TestHTTPRequestIsJudgedAsAHandshakeIs(t *testing.T) {
	good, revokedToken := signed(t, "anna"), signed(t, "revoked")
	for name, c := range map[string]struct {
		headers map[string][]string
		query   map[string]string
		want    string
	}{
		"a good token":                    {map[string][]string{"Authorization": {"Bearer " + good}}, nil, "Allow anna"},
		"a good token on the second line": {map[string][]string{"authorization": {"Basic x", "bearer " + good}}, nil, "Allow anna"},
		"a bad token":                     {map[string][]string{"Authorization": {"Bearer " + good + "x"}}, nil, "Unauthorized"},
		"a bad token before a good one":   {map[string][]string{"Authorization": {"Bearer x", "Bearer " + good}}, nil, "Unauthorized"},
		"no token":                        {nil, nil, "Unauthorized"},
		"a revoked token":                 {map[string][]string{"Authorization": {"Bearer " + revokedToken}}, nil, "Deny revoked"},
		"a token in the query":            {nil, map[string]string{"token": good}, "Allow anna"},
		"a bad token in the query":        {nil, map[string]string{"token": "x"}, "Unauthorized"},
		"a good token as subprotocol":     {map[string][]string{"Sec-WebSocket-Protocol": {"watchroute.v1, bearer." + good}}, nil, "Unauthorized"},
		"a bad token as subprotocol":      {map[string][]string{"Sec-WebSocket-Protocol": {"watchroute.v1, bearer.x"}}, nil, "Unauthorized"},
		"a revoked token as subprotocol":  {map[string][]string{"Sec-WebSocket-Protocol": {"watchroute.v1, bearer." + revokedToken}}, nil, "Unauthorized"},
		"another page":                    {map[string][]string{"Authorization": {"Bearer " + good}, "Origin": {"https://evil.example"}}, nil, "Deny foreign"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			d.inQuery, d.teller, d.origins = true, handshake.NewTeller(), []origin.Origin{{Scheme: "https", Host: "app.example"}}
			r := overHTTPWith(t, c.headers)
			r.QueryStringParameters = c.query
			got, answer := d.judged(t, r)
			if got != c.want {
				t.Fatalf("answer is %q, want %q", got, c.want)
			}
			_, refused := answer.Context["refused"]
			_, inside := answer.Context["inside"]
			if refused || inside {
				t.Errorf("a request with a status is told inside: %v", answer.Context)
			}
			if d.inQuery = false; c.query != nil {
				if got, _ := d.judged(t, r); got != "Unauthorized" {
					t.Errorf("where no token is taken from the query, the answer is %q", got)
				}
			}
		})
	}
}

// judged answers a request in a word, and with the answer.
func (d desk) judged(t *testing.T, r awsevents.APIGatewayCustomAuthorizerRequestTypeRequest) (string, awsevents.APIGatewayCustomAuthorizerResponse) {
	t.Helper()
	answer, err := d.authorize(t.Context(), r)
	if err != nil {
		return err.Error(), answer
	}
	return answer.PolicyDocument.Statement[0].Effect + " " + answer.PrincipalID, answer
}

// TestHTTPAnswerDoesNotRepeatThePath: a path may be longer than an answer, and its escapes and
// wildcards would be read once more.
func TestHTTPAnswerDoesNotRepeatThePath(t *testing.T) {
	r := overHTTPWith(t, map[string][]string{"Authorization": {"Bearer " + signed(t, "anna")}})
	r.MethodArn += strings.Repeat("%2B*", maxAnswer)
	got, answer := newDesk(t, nil).judged(t, r)
	if want := "arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/live/*"; got != "Allow anna" || answer.PolicyDocument.Statement[0].Resource[0] != want {
		t.Errorf("answer is %s, %+v, want %s", got, answer.PolicyDocument, want)
	}
	answer.Context["principalId"] = answer.PrincipalID
	v, err := identity.Reader{}.ViewerOf(awsevents.APIGatewayProxyRequestContext{Authorizer: answer.Context})
	if _, reads := v.Grant.Allows(grant.Read, "a"); err != nil || v.Subject != "anna" || !reads {
		t.Errorf("the function reads %+v, %v", v, err)
	}
}

// TestDenialNamesItsCode, which API Gateway's answer repeats.
func TestDenialNamesItsCode(t *testing.T) {
	for want, headers := range map[events.Code]map[string][]string{
		events.CodeRevoked:   {"Authorization": {"Bearer " + signed(t, "revoked")}},
		events.CodeForbidden: {"Authorization": {"Bearer " + signed(t, "anna")}, "Origin": {"https://evil.example"}},
	} {
		d := newDesk(t, nil)
		d.origins = []origin.Origin{{Scheme: "https", Host: "app.example"}}
		if got, answer := d.judged(t, overHTTPWith(t, headers)); answer.Context["code"] != string(want) {
			t.Errorf("%s names the code %v, want %s", got, answer.Context["code"], want)
		}
	}
}
