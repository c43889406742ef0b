package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
)

// event is one as API Gateway's REST API sends it: with nulls, and names as they were sent.
const event = `{
 "resource": "/{proxy+}", "path": "/base/topics/a%2Bb/c", "httpMethod": "GET",
 "headers": {"Host": "x.example", "if-none-match": "\"b\""},
 "multiValueHeaders": {"Host": ["x.example"], "if-none-match": ["\"a\"", "\"b\""]},
 "queryStringParameters": {"fields": "a,b&c"}, "multiValueQueryStringParameters": {"fields": ["a,b&c"], "after": ["e:1"]},
 "pathParameters": {"proxy": "topics/a%2Bb/c"}, "stageVariables": null,
 "requestContext": {
  "resourcePath": "/{proxy+}", "httpMethod": "GET", "path": "/live/topics/a%2Bb/c", "stage": "live", "domainName": "x.example", "requestId": "r1",
  "identity": {"cognitoIdentityPoolId": null, "sourceIp": "203.0.113.7", "userAgent": "curl"},
  "authorizer": {"principalId": "alice", "grant": "", "integrationLatency": 5}
 },
 "body": null, "isBase64Encoded": false
}`

func decodeEvent(t *testing.T, text string) (e awsevents.APIGatewayProxyRequest) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEventBecomesARequest(t *testing.T) {
	var got string
	g := gateway{handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = fmt.Sprintf("%s %s fields=%s after=%s tags=%v from=%s %s", r.Method, r.URL.EscapedPath(), r.URL.Query().Get("fields"), r.URL.Query().Get("after"),
			tags(r), r.RemoteAddr, contextOf(r).Authorizer["principalId"])
		w.Header().Add("Vary", "A")
		w.Header().Add("Vary", "B")
		w.WriteHeader(http.StatusTeapot)
	})}
	answer, err := g.serve(t.Context(), decodeEvent(t, event))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(answer.Body); len(body) > 0 || err != nil {
		t.Errorf("body is %q, %v", body, err)
	}
	if answer.StatusCode != http.StatusTeapot || !slices.Equal(answer.MultiValueHeaders["Vary"], []string{"A", "B"}) {
		t.Errorf("answer is %+v", answer)
	}
	if want := "GET /topics/a%2Bb/c fields=a,b&c after=e:1 tags=[a b] from=203.0.113.7 alice"; got != want {
		t.Errorf("request is %s\nwant       %s", got, want)
	}
}

// TestTokenOfTheQueryGoesNoFurther: it is no parameter of a topic, and in no link to another
// page.
func TestTokenOfTheQueryGoesNoFurther(t *testing.T) {
	e := decodeEvent(t, event)
	e.MultiValueQueryStringParameters = map[string][]string{"token": {"secret"}, "limit": {"3"}}
	var asked string
	g := gateway{handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked = r.URL.RawQuery })}
	answer, err := g.serve(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || asked != "limit=3" {
		t.Errorf("the query is %q, %v", asked, err)
	}
}

// TestEachWriteIsPassedOn before the handler writes more.
func TestEachWriteIsPassedOn(t *testing.T) {
	passed := make(chan struct{})
	g := gateway{handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, part := range []string{"one", "two"} {
			_, _ = io.WriteString(w, part)
			<-passed
		}
	})}
	answer, err := g.serve(t.Context(), decodeEvent(t, event))
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("answer is %+v, %v", answer, err)
	}
	for _, part := range []string{"one", "two"} {
		read := make([]byte, len(part))
		if _, err := io.ReadFull(answer.Body, read); string(read) != part || err != nil {
			t.Errorf("read %q, %v", read, err)
		}
		passed <- struct{}{}
	}
	if rest, err := io.ReadAll(answer.Body); len(rest) > 0 || err != nil {
		t.Errorf("then %q, %v", rest, err)
	}
}

// TestPanicEndsTheAnswerAlone: the process goes on with other requests. A client that has no answer
// yet gets an internal error.
func TestPanicEndsTheAnswerAlone(t *testing.T) {
	for begun, status := range map[bool]int{true: http.StatusOK, false: http.StatusInternalServerError} {
		log := &bytes.Buffer{}
		g := gateway{logger: slog.New(slog.NewTextHandler(log, nil)), handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("ETag", `W/"x"`)
			if begun {
				_, _ = io.WriteString(w, "half")
			}
			panic("a bug")
		})}
		answer, err := g.serve(t.Context(), decodeEvent(t, event))
		if err != nil || answer.StatusCode != status {
			t.Fatalf("answer is %+v, %v", answer, err)
		}
		body, err := io.ReadAll(answer.Body)
		if begun {
			if string(body) != "half" || err == nil || !strings.Contains(err.Error(), "a bug") {
				t.Errorf("body is %q, %v", body, err)
			}
			continue
		}
		header := http.Header(answer.MultiValueHeaders)
		if err != nil || !strings.Contains(string(body), `"code":"internal"`) || strings.Contains(string(body), "bug") || header.Get("Content-Type") != events.ProblemType ||
			header.Get("Retry-After") == "" || header.Get("Access-Control-Allow-Origin") != "*" || header.Get("ETag") != "" {
			t.Errorf("body is %s, %v, headers are %v", body, err, header)
		}
		if !strings.Contains(log.String(), "a bug") || !strings.Contains(log.String(), "gateway_test.go") {
			t.Errorf("the log has %s", log)
		}
	}
}

// TestAnswerThatNobodyReadsEnds: the runtime closes the body of one that it could not send.
func TestAnswerThatNobodyReadsEnds(t *testing.T) {
	ended := make(chan error)
	g := gateway{handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.WriteString(w, "unread")
		ended <- err
	})}
	answer, err := g.serve(context.Background(), decodeEvent(t, event))
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("the handler does not learn that nobody reads")
	}
}

// TestEventThatIsNoRequest: API Gateway is said to send one now and then.
func TestEventThatIsNoRequest(t *testing.T) {
	g := gateway{handler: http.NotFoundHandler()}
	for text, want := range map[string]int{`{}`: 404, `{"httpMethod":" "}`: 400, `{"path":"/%zz"}`: 400} {
		answer, err := g.serve(t.Context(), decodeEvent(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(answer.Body); answer.StatusCode != want || err != nil || want == 400 && !strings.Contains(string(body), `"code":"bad_request"`) {
			t.Errorf("%s is answered %d %s, %v", text, answer.StatusCode, body, err)
		}
	}
}
