package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestMain fails if any goroutine of a gateway outlives its test.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := lingering(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

func lingering() string {
	var left []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		left = nil
		for goroutine := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(goroutine, "apigateway.(") {
				left = append(left, goroutine)
			}
		}
		if len(left) == 0 {
			return ""
		}
	}
	return strings.Join(left, "\n\n")
}

// functions is an Invoker whose functions are Go functions.
type functions map[string]func(ctx context.Context, payload []byte) ([]byte, bool, error)

func (f functions) Invoke(ctx context.Context, function string, payload []byte) ([]byte, bool, error) {
	run, ok := f[function]
	if !ok {
		return nil, false, errors.New("no such function: " + function)
	}
	return run(ctx, payload)
}

type function = func(context.Context, []byte) ([]byte, bool, error)

// answers is a function that always gives the same output.
func answers(output string) function {
	return func(context.Context, []byte) ([]byte, bool, error) { return []byte(output), false, nil }
}

// fails is a function that itself fails.
func fails(message string) function {
	return func(context.Context, []byte) ([]byte, bool, error) {
		return fmt.Appendf(nil, `{"errorMessage":%q,"errorType":"errorString"}`, message), true, nil
	}
}

// records is a function that tells what it was given and answers 200.
func records(events chan<- []byte) function {
	return func(_ context.Context, payload []byte) ([]byte, bool, error) {
		events <- append([]byte(nil), payload...)
		return []byte(ok200), false, nil
	}
}

// hangs is a function that never answers, and says that it was awaited no more.
func hangs(ctx context.Context, _ []byte) ([]byte, bool, error) {
	<-ctx.Done()
	return nil, false, ctx.Err()
}

const ok200 = `{"statusCode":200}`

// testAPI is an API with the given routes and authorizers, all permitted, as "live".
func testAPI(routes map[string]Route) API {
	for key, r := range routes {
		r.Permitted = true
		if r.Authorizer != nil {
			r.Authorizer.Permitted = true
		}
		routes[key] = r
	}
	return API{
		ID: "a1b2c3d4e5", Stage: "live", Region: "eu-west-1", Account: "123456789012",
		RouteSelectionExpression: "$request.body.action",
		Routes:                   routes,
	}
}

// fixture is a gateway behind a real HTTP server.
type fixture struct {
	*testing.T
	g   *Gateway
	url string
}

func serve(t *testing.T, api API, f functions, o Options) *fixture {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	g := New(api, f, o)
	server := httptest.NewServer(g)
	t.Cleanup(func() {
		g.Close()
		server.Close()
	})
	return &fixture{T: t, g: g, url: server.URL + "/" + api.Stage}
}

// dial connects a client, which must succeed.
func (f *fixture) dial(options *websocket.DialOptions) *client {
	f.Helper()
	ws, response, err := websocket.Dial(f.Context(), f.url, options)
	if err != nil {
		f.Fatalf("dial: %v", err)
	}
	ws.SetReadLimit(-1)
	f.Cleanup(func() { _ = ws.CloseNow() })
	return &client{f: f, Conn: ws, response: response}
}

// refused connects a client, which must fail, and gives the status.
func (f *fixture) refused(options *websocket.DialOptions) *http.Response {
	f.Helper()
	ws, response, err := websocket.Dial(f.Context(), f.url, options)
	if err == nil {
		_ = ws.CloseNow()
		f.Fatal("the handshake succeeded")
	}
	if response == nil {
		f.Fatalf("no response: %v", err)
	}
	return response
}

// manage calls @connections, signed as far as it is looked at.
func (f *fixture) manage(method, id, body string) *http.Response {
	f.Helper()
	request, err := http.NewRequestWithContext(f.Context(), method, f.url+"/@connections/"+id, strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	sign(request)
	return f.do(request)
}

func sign(r *http.Request) {
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKID/20260209/eu-west-1/execute-api/aws4_request, SignedHeaders=host, Signature=00")
}

func (f *fixture) do(request *http.Request) *http.Response {
	f.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = response.Body.Close() })
	return response
}

type client struct {
	f *fixture
	*websocket.Conn
	response *http.Response
}

func (c *client) say(message string) {
	c.f.Helper()
	if err := c.Write(c.f.Context(), websocket.MessageText, []byte(message)); err != nil {
		c.f.Fatalf("write: %v", err)
	}
}

func (c *client) hear() string {
	c.f.Helper()
	_, message, err := c.Read(c.f.Context())
	if err != nil {
		c.f.Fatalf("read: %v", err)
	}
	return string(message)
}

// closed reads until the server closes, and says how.
func (c *client) closed() (code websocket.StatusCode, reason string) {
	c.f.Helper()
	for {
		_, _, err := c.Read(c.f.Context())
		var closed websocket.CloseError
		if errors.As(err, &closed) {
			return closed.Code, closed.Reason
		}
		if err != nil {
			return websocket.StatusAbnormalClosure, err.Error()
		}
	}
}

// id is the connection's id, which no handshake tells a client: it is the only
// connection of its gateway.
func (f *fixture) id() string {
	f.Helper()
	ids := f.g.Connections()
	if len(ids) != 1 {
		f.Fatalf("%d connections, want one", len(ids))
	}
	return ids[0]
}

// next gives the next event a recording function was given.
func next(t *testing.T, events <-chan []byte) map[string]any {
	t.Helper()
	select {
	case raw := <-events:
		return decode(t, raw)
	case <-time.After(10 * time.Second):
		t.Fatal("no event")
		return nil
	}
}

func decode(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return value
}

// requestContextOf gives an event's requestContext.
func requestContextOf(event map[string]any) map[string]any {
	return event["requestContext"].(map[string]any)
}
