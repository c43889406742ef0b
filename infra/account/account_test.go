package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// The answers of AWS, as its references show them.
const (
	lambdaAnswer  = `{"AccountLimit":{"CodeSizeUnzipped":262144000,"CodeSizeZipped":52428800,"ConcurrentExecutions":%d,"TotalCodeSize":80530636800,"UnreservedConcurrentExecutions":%d},"AccountUsage":{"FunctionCount":12,"TotalCodeSize":4}}`
	gatewayAnswer = `{"apiKeyVersion":"4","cloudwatchRoleArn":%q,"features":["UsagePlans"],"throttleSettings":{"burstLimit":5000,"rateLimit":10000.0}}`
)

// reported runs the command against an AWS that answers so; a text that is no JSON is a
// refusal.
func reported(t *testing.T, lambda, gateway string) (string, error) {
	t.Helper()
	var out strings.Builder
	err := answering(t, lambda, gateway).report(t.Context(), &out)
	return out.String(), err
}

// answering is the account of an AWS that answers so.
func answering(t *testing.T, lambda, gateway string) account {
	t.Helper()
	answers := map[string][2]string{"/2016-08-19/account-settings/": {"lambda", lambda}, "/account": {"apigateway", gateway}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := answers[r.URL.Path]
		if scope := "/eu-west-1/" + answer[0] + "/aws4_request"; r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Authorization"), scope) {
			t.Errorf("%s %s is signed %s, want %s", r.Method, r.URL, r.Header.Get("Authorization"), scope)
		}
		if !strings.HasPrefix(answer[1], "{") {
			w.WriteHeader(http.StatusForbidden)
			answer[1] = fmt.Sprintf(`{"Message":%q}`, answer[1])
		}
		_, _ = w.Write([]byte(answer[1]))
	}))
	t.Cleanup(server.Close)
	a, err := open(aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestUsualAccount(t *testing.T) {
	got, err := reported(t, fmt.Sprintf(lambdaAnswer, 1000, 1000), fmt.Sprintf(gatewayAnswer, ""))
	const want = `Region eu-west-1

Lambda runs 1000 executions at once. Of the 1000 that no function has reserved, 900 may be: it keeps 100.
  FanoutConcurrency   50
  MessageConcurrency  400
  HTTPConcurrency     100

API Gateway takes 10000 requests a second and 5000 at once, of all APIs and of the posts to clients together.
  ThrottlingRate      500
  ThrottlingBurst     500
  HTTPThrottlingRate  200
  HTTPThrottlingBurst 200

The account has no role for API Gateway's logs, which access logs need.
  SetAccountLogRole   true, or -c account-log-role=set, for the first deployment
`
	if err != nil || got != want {
		t.Errorf("reported %s, %v, want %s", got, err, want)
	}
}

// TestReservationsFit: whatever is free, what is recommended can be reserved, and 100 stay.
func TestReservationsFit(t *testing.T) {
	for unreserved := range 1200 {
		r := recommended(unreserved)
		if r.fanout < 0 || r.message < 0 || r.http < 0 || r.fanout+r.message+r.http > max(0, unreserved-alwaysUnreserved) {
			t.Fatalf("of %d: %+v", unreserved, r)
		}
	}
	for unreserved, want := range map[int]reservations{0: {}, 10: {}, 103: {0, 1, 1}, 104: {1, 1, 1}, 200: {25, 37, 19}, 500: {50, 175, 87}, 1000: {50, 400, 100}, 20_000: {50, 400, 100}} {
		if got := recommended(unreserved); got != want {
			t.Errorf("of %d: %+v, want %+v", unreserved, got, want)
		}
	}
}

func TestSmallAccounts(t *testing.T) {
	for unreserved, want := range map[int]string{10: "Reserve nothing. Ask for more first", 300: "FanoutConcurrency   50\n  MessageConcurrency  75\n  HTTPConcurrency     37\n  With a larger quota: 50, 400 and 100."} {
		if got, err := reported(t, fmt.Sprintf(lambdaAnswer, unreserved, unreserved), fmt.Sprintf(gatewayAnswer, "")); err != nil || !strings.Contains(got, want) {
			t.Errorf("with %d: %s, %v, want %s", unreserved, got, err, want)
		}
	}
}

// TestLogRoleOfTheAccountIsNamed: a deployment leaves it alone, and makes one only if asked.
func TestLogRoleOfTheAccountIsNamed(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/logs"
	for given, want := range map[string]string{role: role + ", which the deployment leaves alone", "": "SetAccountLogRole   true"} {
		got, err := reported(t, fmt.Sprintf(lambdaAnswer, 1000, 1000), fmt.Sprintf(gatewayAnswer, given))
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("reported %s, %v, want %s", got, err, want)
		}
	}
}

// TestDeploymentThatWouldFailForWantOfALogRoleDoesNotBegin; whoever may not ask may deploy.
func TestDeploymentThatWouldFailForWantOfALogRoleDoesNotBegin(t *testing.T) {
	for name, c := range map[string]struct{ gateway, out, err string }{
		"a role":      {fmt.Sprintf(gatewayAnswer, "arn:aws:iam::111122223333:role/logs"), "", ""},
		"no role":     {fmt.Sprintf(gatewayAnswer, ""), "", "no role for API Gateway's logs in eu-west-1"},
		"not allowed": {"User is not authorized", "is not known", ""},
	} {
		var out strings.Builder
		err := answering(t, "", c.gateway).needLogRole(t.Context(), &out)
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) || (out.String() != "") != (c.out != "") || !strings.Contains(out.String(), c.out) {
			t.Errorf("%s: printed %s, %v", name, &out, err)
		}
	}
}

// TestWhatOneServiceRefusesIsTheErrorAlone: the rest is said.
func TestWhatOneServiceRefusesIsTheErrorAlone(t *testing.T) {
	got, err := reported(t, "User is not authorized to perform: lambda:GetAccountSettings", fmt.Sprintf(gatewayAnswer, ""))
	if err == nil || !strings.Contains(err.Error(), "ask lambda: 403 Forbidden: User is not authorized to perform: lambda:GetAccountSettings") ||
		strings.Contains(got, "FanoutConcurrency") || !strings.Contains(got, "ThrottlingRate") {
		t.Errorf("reported %s, %v", got, err)
	}
	if got, err := reported(t, fmt.Sprintf(lambdaAnswer, 1000, 1000), "no"); err == nil || !strings.Contains(got, "FanoutConcurrency") || strings.Contains(got, "ThrottlingRate") {
		t.Errorf("reported %s, %v", got, err)
	}
	if _, err := reported(t, `{"AccountLimit":[]}`, fmt.Sprintf(gatewayAnswer, "")); err == nil || !strings.Contains(err.Error(), "read the answer") {
		t.Errorf("an answer of another kind: %v", err)
	}
}

func TestAddressesOfAWS(t *testing.T) {
	for region, want := range map[string][2]string{
		"eu-west-1":  {"https://lambda.eu-west-1.amazonaws.com", "https://apigateway.eu-west-1.amazonaws.com"},
		"cn-north-1": {"https://lambda.cn-north-1.amazonaws.com.cn", "https://apigateway.cn-north-1.amazonaws.com.cn"},
	} {
		if a, err := open(aws.Config{Region: region}); err != nil || a.lambda != want[0] || a.gateway != want[1] {
			t.Errorf("%s: %s and %s, %v", region, a.lambda, a.gateway, err)
		}
	}
	if _, err := open(aws.Config{}); err == nil {
		t.Error("no Region is no error")
	}
}
