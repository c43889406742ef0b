package apigateway

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

const allowAll = `{"principalId":"u1","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"*"}]}}`

// TestHandshake holds the table of handshake outcomes: section 1 of what is
// known of AWS.
func TestHandshake(t *testing.T) {
	deny := strings.Replace(allowAll, "Allow", "Deny", 1)
	for _, c := range []struct {
		name       string
		authorizer function // nil for a route without
		connect    function // nil for a route without integration
		want       int
	}{
		{"no integration: accepted", nil, nil, 101},
		{"integration answers 200: accepted", nil, answers(ok200), 101},
		{"integration answers 204: accepted", nil, answers(`{"statusCode":204}`), 101},
		{"integration answers its status as a string: accepted", nil, answers(`{"statusCode":"200"}`), 101},
		{"integration answers 400: the same", nil, answers(`{"statusCode":400}`), 400},
		{"integration answers 401: the same", nil, answers(`{"statusCode":401,"body":"no"}`), 401},
		{"integration answers 503: the same", nil, answers(`{"statusCode":503}`), 503},
		{"integration answers 302: the same", nil, answers(`{"statusCode":302}`), 302},
		{"integration fails: 502", nil, fails("boom"), 502},
		{"integration cannot be run: 502", nil, func(context.Context, []byte) ([]byte, bool, error) { return nil, false, io.ErrUnexpectedEOF }, 502},
		{"integration answers no JSON: 502", nil, answers(`hello`), 502},
		{"integration answers null: 502", nil, answers(`null`), 502},
		{"integration answers without statusCode: 502", nil, answers(`{"body":"x"}`), 502},
		{"integration answers an unknown member: 502", nil, answers(`{"statusCode":200,"status":"ok"}`), 502},
		{"integration answers an impossible status: 502", nil, answers(`{"statusCode":42}`), 502},
		{"integration exceeds its timeout: 504", nil, hangs, 504},
		{"authorizer answers Allow: accepted", answers(allowAll), answers(ok200), 101},
		{"authorizer answers Deny: 403", answers(deny), nil, 403},
		{"authorizer answers no matching Allow: 403", answers(strings.Replace(allowAll, `"*"`, `"arn:aws:execute-api:*:*:other/*"`, 1)), nil, 403},
		{"authorizer fails with Unauthorized: 401", fails("Unauthorized"), nil, 401},
		{"authorizer fails otherwise: 500", fails("unauthorized"), nil, 500},
		{"authorizer answers no JSON: 500", answers(`true!`), nil, 500},
		{"authorizer answers no policy: 500", answers(`{"principalId":"u1"}`), nil, 500},
		{"authorizer answers no principal: 500", answers(strings.Replace(allowAll, `"u1"`, `""`, 1)), nil, 500},
		{"authorizer answers nested context: 500", answers(strings.Replace(allowAll, `{`, `{"context":{"a":{"b":1}},`, 1)), nil, 500},
		{"authorizer answers over 8 KB: 500", answers(strings.Replace(allowAll, "u1", strings.Repeat("u", 8<<10), 1)), nil, 500},
		{"authorizer simple response: 500", answers(`{"isAuthorized":true}`), nil, 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			route := Route{Timeout: 50 * time.Millisecond}
			if c.connect != nil {
				route.Function = "connect"
			}
			if c.authorizer != nil {
				route.Authorizer = &Authorizer{Function: "authorizer"}
			}
			f := serve(t, testAPI(map[string]Route{connectKey: route}), functions{"connect": c.connect, "authorizer": c.authorizer}, Options{})
			if c.want == http.StatusSwitchingProtocols {
				f.dial(nil)
				return
			}
			response := f.refused(nil)
			if response.StatusCode != c.want {
				t.Errorf("status %d, want %d", response.StatusCode, c.want)
			}
			if u := f.g.Usage(); u.Connections.Refused[c.want] != 1 || u.Connections.Accepted != 0 || u.Connections.Open != 0 {
				t.Errorf("usage %+v", u.Connections)
			}
		})
	}
}

func TestHandshakeWithoutConnectRoute(t *testing.T) {
	serve(t, testAPI(nil), nil, Options{}).dial(nil)
}

func TestHandshakeNotPermitted(t *testing.T) {
	api := testAPI(map[string]Route{connectKey: {Function: "connect"}})
	api.Routes[connectKey] = Route{Function: "connect"}
	f := serve(t, api, functions{"connect": answers(ok200)}, Options{})
	if response := f.refused(nil); response.StatusCode != 500 {
		t.Errorf("status %d, want 500", response.StatusCode)
	}
}

// TestHandshakeAuthorizerNotPermitted: the authorizer needs a permission of its own.
func TestHandshakeAuthorizerNotPermitted(t *testing.T) {
	api := testAPI(map[string]Route{connectKey: {Authorizer: &Authorizer{Function: "authorizer"}}})
	api.Routes[connectKey].Authorizer.Permitted = false
	f := serve(t, api, functions{"authorizer": func(context.Context, []byte) ([]byte, bool, error) {
		t.Error("the authorizer ran")
		return []byte(allowAll), false, nil
	}}, Options{})
	if response := f.refused(nil); response.StatusCode != 500 {
		t.Errorf("status %d, want 500", response.StatusCode)
	}
}

func TestHandshakeIdentitySources(t *testing.T) {
	var invoked atomic.Int32
	api := testAPI(map[string]Route{connectKey: {Authorizer: &Authorizer{
		Function:        "authorizer",
		IdentitySources: []string{"route.request.header.X-Token", "route.request.querystring.room", "stageVariables.tier"},
	}}})
	api.StageVariables = map[string]string{"tier": "free"}
	f := serve(t, api, functions{"authorizer": func(context.Context, []byte) ([]byte, bool, error) {
		invoked.Add(1)
		return []byte(allowAll), false, nil
	}}, Options{})
	base := f.url
	for name, c := range map[string]struct{ query, header string }{
		"none":         {},
		"header alone": {header: "t"},
		"query alone":  {query: "?room=7"},
		"empty query":  {query: "?room=", header: "t"},
		"empty header": {query: "?room=7"},
	} {
		f.url = base + c.query
		response := f.refused(&websocket.DialOptions{HTTPHeader: http.Header{"X-Token": {c.header}}})
		if response.StatusCode != 401 {
			t.Errorf("%s: status %d, want 401", name, response.StatusCode)
		}
	}
	if n := invoked.Load(); n != 0 {
		t.Errorf("authorizer ran %d times", n)
	}
	f.url = base + "?room=7"
	f.dial(&websocket.DialOptions{HTTPHeader: http.Header{"X-Token": {"t"}}})
	if n := invoked.Load(); n != 1 {
		t.Errorf("authorizer ran %d times, want once", n)
	}
}

// TestHandshakeRequest holds what a request must be before anything runs.
func TestHandshakeRequest(t *testing.T) {
	f := serve(t, testAPI(map[string]Route{connectKey: {Function: "connect"}}), functions{"connect": func(context.Context, []byte) ([]byte, bool, error) {
		t.Error("$connect ran")
		return nil, true, nil
	}}, Options{})
	valid := http.Header{"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	for _, c := range []struct {
		name, path, header, value string
		want                      int
	}{
		{"plain GET: 426", "", "Upgrade", "", 426},
		{"wrong Connection: 426", "", "Connection", "close", 426},
		{"old version: 400", "", "Sec-Websocket-Version", "8", 400},
		{"no key: 400", "", "Sec-Websocket-Key", "", 400},
		{"bad key: 400", "", "Sec-Websocket-Key", "c2hvcnQ=", 400},
		{"URL over 4,096 characters: 414", "?q=" + strings.Repeat("x", 4096), "", "", 414},
		{"another stage: 403", "x", "", "", 403},
		{"a path below the stage: 403", "/room", "", "", 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header = valid.Clone()
			if c.header != "" {
				request.Header.Del(c.header)
			}
			if c.value != "" {
				request.Header.Set(c.header, c.value)
			}
			if response := f.do(request); response.StatusCode != c.want {
				t.Errorf("status %d, want %d", response.StatusCode, c.want)
			}
		})
	}
}

func TestHandshakeRefusalBody(t *testing.T) {
	f := serve(t, testAPI(map[string]Route{connectKey: {Authorizer: &Authorizer{Function: "missing"}}}), functions{}, Options{})
	response := f.refused(nil)
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^{"message": "Internal server error", "connectionId":"[\w-]{15}=", "requestId":"[\w-]{15}="}$`)
	if !want.Match(body) || response.Header.Get("X-Amzn-Errortype") != "AuthorizerConfigurationException" {
		t.Errorf("%s\n%v", body, response.Header)
	}
}

// TestHandshakeSubprotocol: API Gateway chooses nothing, the function does.
func TestHandshakeSubprotocol(t *testing.T) {
	for _, c := range []struct{ name, output, want string }{
		{"the function names one", `{"statusCode":200,"headers":{"sec-websocket-protocol":"chat.v2"}}`, "chat.v2"},
		{"in multiValueHeaders", `{"statusCode":200,"multiValueHeaders":{"Sec-WebSocket-Protocol":["chat.v2"]}}`, "chat.v2"},
		{"the function names none", ok200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := serve(t, testAPI(map[string]Route{connectKey: {Function: "connect"}}), functions{"connect": answers(c.output)}, Options{})
			ws := f.dial(&websocket.DialOptions{Subprotocols: []string{"chat.v1", "chat.v2"}})
			if got := ws.Subprotocol(); got != c.want {
				t.Errorf("subprotocol %q, want %q", got, c.want)
			}
		})
	}
}

// TestHandshakeHeaders: of $connect's own headers none but the subprotocol
// reaches the client.
func TestHandshakeHeaders(t *testing.T) {
	connect := answers(`{"statusCode":200,"headers":{"X-Mine":"1","Set-Cookie":"a=b"}}`)
	f := serve(t, testAPI(map[string]Route{connectKey: {Function: "connect"}}), functions{"connect": connect}, Options{})
	header := f.dial(&websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover}).response.Header
	got := make([]string, 0, len(header))
	for name := range header {
		got = append(got, name)
	}
	for _, name := range []string{"Date", "Connection", "Upgrade", "Sec-Websocket-Accept", "Sec-Websocket-Extensions"} {
		if header.Get(name) == "" {
			t.Errorf("no %s among %v", name, got)
		}
	}
	if len(got) != 5 {
		t.Errorf("headers %v, want five", got)
	}
	if ext := header.Get("Sec-Websocket-Extensions"); !strings.HasPrefix(ext, "permessage-deflate") {
		t.Errorf("extensions %q", ext)
	}
}

// TestHandshakePending: the upgrade waits for $connect, a message cannot
// overtake it, and a post before it has finished finds nobody.
func TestHandshakePending(t *testing.T) {
	events, proceed, ids := make(chan []byte, 9), make(chan struct{}), make(chan string, 1)
	f := serve(t, testAPI(map[string]Route{connectKey: {Function: "connect"}, defaultKey: {Function: "message"}}), functions{
		"connect": func(_ context.Context, payload []byte) ([]byte, bool, error) {
			ids <- requestContextOf(decode(t, payload))["connectionId"].(string)
			<-proceed
			return []byte(ok200), false, nil
		},
		"message": records(events),
	}, Options{})
	early := make(chan int, 1)
	go func() {
		defer close(proceed)
		request, err := http.NewRequest(http.MethodPost, f.url+"/@connections/"+<-ids, strings.NewReader("early"))
		if err != nil {
			return
		}
		sign(request)
		if response, err := http.DefaultClient.Do(request); err == nil {
			early <- response.StatusCode
			_ = response.Body.Close()
		}
	}()
	ws := f.dial(nil)
	select {
	case status := <-early:
		if status != http.StatusGone {
			t.Errorf("early post: %d, want 410", status)
		}
	default:
		t.Error("the handshake did not wait for $connect")
	}
	id := f.id()
	if response := f.manage(http.MethodPost, id, "in time"); response.StatusCode != http.StatusOK {
		t.Errorf("post after the handshake: %d", response.StatusCode)
	}
	if got := ws.hear(); got != "in time" {
		t.Errorf("heard %q", got)
	}
	ws.say("hello")
	if got := next(t, events)["body"]; got != "hello" {
		t.Errorf("body %v", got)
	}
}
