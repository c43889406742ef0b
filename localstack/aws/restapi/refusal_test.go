package restapi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/throttle"
)

// R: an unknown path or method is answered 403 as if a token were missing.
func TestUnknownPathOrMethod(t *testing.T) {
	api := testAPI(nil)
	api.Resources[2].Methods = map[string]Method{"GET": api.Resources[2].Methods["ANY"]}
	f := serve(t, api, functions{"f": answers(`{}`)}, Options{})
	for _, path := range []string{"", "/", "/other", "/topics", "/topics/", "/topicsX/a"} {
		response := f.get(path)
		f.wants(response, 403, `{"message":"Missing Authentication Token"}`)
		if got := response.Header.Get("x-amzn-ErrorType"); got != "MissingAuthenticationTokenException" {
			t.Errorf("%q: error type %s", path, got)
		}
	}
	f.wants(f.do("DELETE", "/topics/a", nil, ""), 403, `{"message":"Missing Authentication Token"}`)
	f.wants(f.get("/topics/a"), 200, "")
}

func TestTheMostSpecificResourceWins(t *testing.T) {
	m := func(name string) map[string]Method {
		return map[string]Method{"GET": {Function: name, Permitted: true}}
	}
	api := testAPI(nil)
	api.Resources = []Resource{
		{Path: "/{proxy+}", Methods: m("all")}, {Path: "/topics/{proxy+}", Methods: m("below")}, {Path: "/topics/{name}", Methods: m("one")},
		{Path: "/topics/special", Methods: m("special")}, {Path: "/", Methods: m("root")},
	}
	f := functions{}
	for _, name := range []string{"all", "below", "one", "special", "root"} {
		f[name] = answers(`{"body":"` + name + `"}`)
	}
	served := serve(t, api, f, Options{})
	for path, want := range map[string]string{
		"/": "root", "": "root", "/x": "all", "/topics": "all", "/topics/a": "one", "/topics/a/b": "below", "/topics/special": "special", "/topics/special/x": "below",
	} {
		served.wants(served.get(path), 200, want)
	}
}

// What fails how, before anything of the answer has been sent. R: the body of a failed function.
// O: a function without room shows as 500. D: 504 after the timeout.
func TestFailures(t *testing.T) {
	short := func(m *Method) { m.Timeout = minTimeout }
	for name, c := range map[string]struct {
		change     func(*Method)
		f          function
		wantStatus int
		wantBody   string
	}{
		"function fails":        {nil, fails("boom"), 502, `{"message": "Internal server error"}`},
		"function has no room":  {nil, full(), 500, `{"message": "Internal server error"}`},
		"no permission":         {func(m *Method) { m.Permitted = false }, answers(`{}`), 500, `{"message": "Internal server error"}`},
		"function hangs":        {short, hangs(), 504, `{"message": "Endpoint request timed out"}`},
		"no JSON":               {nil, answers(`hello`), 502, `{"message": "Internal server error"}`},
		"null":                  {nil, answers(`null`), 502, `{"message": "Internal server error"}`},
		"a list":                {nil, answers(`[]`), 502, `{"message": "Internal server error"}`},
		"unknown member":        {nil, answers(`{"statusCode":200,"cookies":[]}`), 502, `{"message": "Internal server error"}`},
		"status is no status":   {nil, answers(`{"statusCode":99}`), 502, `{"message": "Internal server error"}`},
		"body is no text":       {nil, answers(`{"body":{}}`), 502, `{"message": "Internal server error"}`},
		"body is not in base64": {nil, answers(`{"body":"!","isBase64Encoded":true}`), 502, `{"message": "Internal server error"}`},
		"header is a number":    {nil, answers(`{"headers":{"A":1}}`), 502, `{"message": "Internal server error"}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, testAPI(c.change), functions{"f": c.f}, Options{})
			f.wants(f.get("/topics/a"), c.wantStatus, c.wantBody)
			if got := f.g.Usage().Answers[c.wantStatus]; got != 1 {
				t.Errorf("%d such answers counted", got)
			}
		})
	}
}

// D: each gateway response can get headers, a status and a body, and DEFAULT_4XX and
// DEFAULT_5XX stand for those that have nothing of their own.
func TestGatewayResponses(t *testing.T) {
	api := testAPI(func(m *Method) { m.Throttle = throttle.Limit{Burst: 1, Rate: 1e-9} })
	api.Responses = map[string]Response{
		"DEFAULT_4XX": {Headers: map[string]string{"Access-Control-Allow-Origin": "'*'"}},
		"DEFAULT_5XX": {Headers: map[string]string{"Access-Control-Allow-Origin": "method.request.header.Origin"}, Status: 503,
			Templates: map[string]string{"application/problem+json": `{"code":"$context.error.responseType","detail":$context.error.messageString,"text":"$context.error.message"}`}},
		"THROTTLED": {Headers: map[string]string{"Retry-After": "'1'"}},
	}
	f := serve(t, api, functions{"f": fails("boom")}, Options{})
	response := f.do("GET", "/topics/a", http.Header{"Origin": {"https://app.example"}, "Accept": {"text/event-stream"}}, "")
	f.wants(response, 503, `{"code":"DEFAULT_5XX","detail":"Internal server error","text":"Internal server error"}`)
	if h := response.Header; h.Get("Access-Control-Allow-Origin") != "https://app.example" || h.Get("Content-Type") != "application/problem+json" {
		t.Errorf("5xx has headers %v", h)
	}
	response = f.get("/topics/a")
	f.wants(response, 429, `{"message":"Too Many Requests"}`)
	if h := response.Header; h.Get("Retry-After") != "1" || h.Get("Access-Control-Allow-Origin") != "" || h.Get("Content-Type") != "application/json" {
		t.Errorf("429 has headers %v", h)
	}
	response = f.get("/other")
	f.wants(response, 403, `{"message":"Missing Authentication Token"}`)
	if response.Header.Get("Access-Control-Allow-Origin") != "*" || response.Header.Get("X-Amzn-Requestid") == "" {
		t.Errorf("403 has headers %v", response.Header)
	}
	// D: REQUEST_TOO_LARGE cannot be changed.
	api.Resources[2].Methods = map[string]Method{"ANY": {Function: "f", Permitted: true}}
	f = serve(t, api, functions{"f": fails("boom")}, Options{})
	response = f.do("POST", "/topics/b", nil, strings.Repeat("x", maxBody+1))
	if h := response.Header; response.StatusCode != 413 || h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("answered %s with headers %v, want 413 without", response.Status, h)
	}
}

func TestWhatDoesNotRunIsRefused(t *testing.T) {
	api := func(kind string, r Response) API {
		a := testAPI(nil)
		a.Responses = map[string]Response{kind: r}
		return a
	}
	for name, a := range map[string]API{
		"neither BUFFERED's time": testAPI(func(m *Method) { m.Timeout = IntegrationTimeout + time.Second }),
		"nor STREAM's":            testAPI(func(m *Method) { m.Stream, m.Timeout = true, MaxDuration+time.Second }),
		"too short a time":        testAPI(func(m *Method) { m.Timeout = time.Millisecond }),
		"unknown response":        api("TEAPOT", Response{}),
		"response of 413":         api("REQUEST_TOO_LARGE", Response{}),
		"a mapping":               api("DEFAULT_4XX", Response{Headers: map[string]string{"A": "context.authorizer.x"}}),
		"unquoted":                api("DEFAULT_4XX", Response{Headers: map[string]string{"A": "*"}}),
		"a template with code":    api("DEFAULT_4XX", Response{Templates: map[string]string{"application/json": "#set($x = 1)"}}),
		"an unknown variable":     api("DEFAULT_4XX", Response{Templates: map[string]string{"application/json": "$context.stage"}}),
		"below a greedy one":      {Resources: []Resource{{Path: "/{proxy+}/x"}}},
	} {
		if g, err := New(a, nil, Options{}); err == nil {
			g.Close()
			t.Errorf("%s is accepted", name)
		}
	}
}

// D: 429 by the method's throttle and by the account's, which all APIs share.
func TestThrottles(t *testing.T) {
	one := throttle.Limit{Burst: 1, Rate: 1e-9}
	f := serve(t, testAPI(func(m *Method) { m.Throttle = one }), functions{"f": answers(`{}`)}, Options{})
	f.wants(f.get("/topics/a"), 200, "")
	f.wants(f.get("/topics/b"), 429, `{"message":"Too Many Requests"}`)

	account := throttle.New(throttle.Limit{Burst: 2, Rate: 1e-9})
	f = serve(t, testAPI(nil), functions{"f": answers(`{}`)}, Options{Account: account})
	account.Take() // a WebSocket API has a message
	f.wants(f.get("/topics/a"), 200, "")
	f.wants(f.get("/topics/a"), 429, `{"message":"Too Many Requests"}`)
}

// A method's throttle is its own, though all of them come from the stage.
func TestMethodsAreThrottledOneByOne(t *testing.T) {
	m := Method{Function: "f", Permitted: true, Throttle: throttle.Limit{Burst: 1, Rate: 1e-9}}
	api := testAPI(nil)
	api.Resources[2].Methods = map[string]Method{"GET": m, "POST": m}
	f := serve(t, api, functions{"f": answers(`{}`)}, Options{})
	f.wants(f.get("/topics/a"), 200, "")
	f.wants(f.do("POST", "/topics/a", nil, ""), 200, "")
	f.wants(f.get("/topics/a"), 429, `{"message":"Too Many Requests"}`)
}

// Faults make API Gateway answer 429 and 500 without a function, and 502 and 504 after it.
func TestFailuresOnPurpose(t *testing.T) {
	for _, change := range []func(*Method){nil, streamed} {
		ran, next := 0, Works
		run := streams(`{"statusCode":200}` + nulls + "body")
		run.answer = answers(`{"body":"body"}`).answer
		counted := function{answer: run.answer, stream: run.stream}
		f := serve(t, testAPI(change), functions{"f": counted}, Options{Failing: func() Failure { ran++; return next }})
		for failure, want := range map[Failure]int{Works: 200, Throttled: 429, FunctionThrottled: 500, AnswerLost: 502, AnswerLate: 504} {
			next = failure
			if response := f.get("/topics/a"); response.StatusCode != want {
				t.Errorf("failure %d is answered %d, want %d", failure, response.StatusCode, want)
			}
		}
		if ran != 5 {
			t.Errorf("asked %d times", ran)
		}
	}
}

func TestAClosedGatewayRefuses(t *testing.T) {
	f := serve(t, testAPI(nil), functions{"f": hangs()}, Options{})
	f.g.Close()
	f.g.Close()
	if response := f.get("/topics/a"); response.StatusCode != 503 {
		t.Errorf("answered %d", response.StatusCode)
	}
}
