package apigateway

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// TestRouting holds which route a message takes, and what the event calls it.
func TestRouting(t *testing.T) {
	events := make(chan []byte, 1)
	f := serve(t, testAPI(map[string]Route{
		"join": {Function: "f"}, "7": {Function: "f"}, connectKey: {}, disconnectKey: {Function: "f"}, defaultKey: {Function: "f"},
	}), functions{"f": records(events)}, Options{})
	ws := f.dial(nil)
	for body, want := range map[string]string{
		`{"action":"join"}`:        "join",
		`{"action":7}`:             "7",
		`{"action":"JOIN"}`:        defaultKey,
		`{"action":"other"}`:       defaultKey,
		`{}`:                       defaultKey,
		`not JSON`:                 defaultKey,
		``:                         defaultKey,
		`{"action":"$disconnect"}`: defaultKey, // reserved: nobody can feign an end
		`{"action":"$connect"}`:    defaultKey,
	} {
		ws.say(body)
		event := next(t, events)
		if got := requestContextOf(event)["routeKey"]; got != want {
			t.Errorf("%s: routeKey %v, want %s", body, got, want)
		}
		if got := requestContextOf(event)["eventType"]; got != "MESSAGE" || event["body"] != body {
			t.Errorf("%s: eventType %v, body %v", body, got, event["body"])
		}
	}
}

// TestErrorFrames holds the frames byte for byte, and that the socket stays open.
func TestErrorFrames(t *testing.T) {
	const tail = `, "connectionId":"ID", "requestId":"ID"}`
	api := testAPI(map[string]Route{
		"fails":     {Function: "fails"},
		"missing":   {Function: "missing"},
		"malformed": {Function: "malformed"},
		"null":      {Function: "null"},
		"hangs":     {Function: "hangs", Timeout: 20 * time.Millisecond},
		"throttled": {Function: "ok", Throttle: Throttle{Burst: 1, Rate: 1e-9}},
		"echo":      {Function: "echo", TwoWay: true},
	})
	api.Routes["forbidden"] = Route{Function: "ok"}
	f := serve(t, api, functions{
		"fails": fails("boom"), "malformed": answers(`"ok"`), "null": answers("null"), "hangs": hangs,
		"ok": answers(ok200), "echo": answers(`{"statusCode":200,"body":"still here"}`),
	}, Options{Serial: true})
	ws := f.dial(nil)
	ws.say(`{"action":"throttled"}`) // takes the only token, answers nothing
	id := regexp.MustCompile(`"[\w-]{15}="`)
	for action, want := range map[string]string{
		"none":      `{"message": "Forbidden"` + tail,
		"fails":     `{"message": "Internal server error"` + tail,
		"missing":   `{"message": "Internal server error"` + tail,
		"malformed": `{"message": "Internal server error"` + tail,
		"null":      `{"message": "Internal server error"` + tail,
		"forbidden": `{"message": "Internal server error"` + tail,
		"hangs":     `{"message": "Endpoint request timed out"` + tail,
		"throttled": `{"message": "Too Many Requests"` + tail,
	} {
		ws.say(`{"action":"` + action + `"}`)
		frame := ws.hear()
		if got := id.ReplaceAllString(frame, `"ID"`); got != want {
			t.Errorf("%s:\n%s, want\n%s", action, got, want)
		}
		if !strings.Contains(frame, `"connectionId":"`+f.id()+`"`) {
			t.Errorf("%s: not for connection %s", frame, f.id())
		}
	}
	ws.say(`{"action":"echo"}`)
	if got := ws.hear(); got != "still here" {
		t.Errorf("heard %q", got)
	}
}

// TestTwoWay holds what of a function's answer its sender sees.
func TestTwoWay(t *testing.T) {
	for _, c := range []struct {
		name, output string
		twoWay       bool
		options      Options
		want         string // "" for no frame
	}{
		{"body", `{"statusCode":200,"body":"hi"}`, true, Options{}, "hi"},
		{"the status does not matter", `{"statusCode":500,"body":"hi"}`, true, Options{}, "hi"},
		{"aws-lambda-go's null maps", `{"statusCode":200,"headers":null,"multiValueHeaders":null,"body":"hi"}`, true, Options{}, "hi"},
		{"empty body", `{"statusCode":200,"body":""}`, true, Options{}, ""},
		{"no body", `{"statusCode":200}`, true, Options{}, ""},
		{"no route response", `{"statusCode":200,"body":"hi"}`, false, Options{}, ""},
		{"no route response, status 500", `{"statusCode":500}`, false, Options{}, ""},
		{"lenient: null", `null`, true, Options{LenientResults: true}, ""},
		{"lenient: no status", `{"body":"hi","more":1}`, true, Options{LenientResults: true}, "hi"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.options.Serial = true // so that the marker comes after the answer
			f := serve(t, testAPI(map[string]Route{
				"ask": {Function: "f", TwoWay: c.twoWay}, defaultKey: {Function: "marker", TwoWay: true},
			}), functions{"f": answers(c.output), "marker": answers(`{"statusCode":200,"body":"marker"}`)}, c.options)
			ws := f.dial(nil)
			ws.say(`{"action":"ask"}`)
			ws.say(`{}`)
			if c.want != "" {
				if got := ws.hear(); got != c.want {
					t.Fatalf("heard %q, want %q", got, c.want)
				}
			}
			if got := ws.hear(); got != "marker" {
				t.Errorf("heard %q, want the marker", got)
			}
		})
	}
	t.Run("empty responses", func(t *testing.T) {
		f := serve(t, testAPI(map[string]Route{defaultKey: {Function: "f", TwoWay: true}}), functions{"f": answers(ok200)}, Options{EmptyResponses: true})
		ws := f.dial(nil)
		ws.say(`{}`)
		if got := ws.hear(); got != "" {
			t.Errorf("heard %q", got)
		}
	})
}

// TestLargeResponseIsLost: what is larger than a message may be does not reach the sender,
// who is told that something went wrong. The limit counts bytes.
func TestLargeResponseIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		body    string
		options Options
		lost    bool
	}{
		"128 KB":                                {strings.Repeat("x", MessageLimit), Options{}, false},
		"a byte more":                           {strings.Repeat("x", MessageLimit+1), Options{}, true},
		"128 KB in characters of two bytes":     {strings.Repeat("é", MessageLimit/2), Options{}, false},
		"a character more":                      {strings.Repeat("é", MessageLimit/2+1), Options{}, true},
		"a byte more, with the switch":          {strings.Repeat("x", MessageLimit+1), Options{LargeResponses: true}, false},
		"a byte more than another limit, 1,000": {strings.Repeat("x", 1001), Options{MessageLimit: 1000}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			c.options.Logger = slog.New(slog.NewTextHandler(&log, nil))
			f := serve(t, testAPI(map[string]Route{defaultKey: {Function: "f", TwoWay: true}}),
				functions{"f": answers(`{"statusCode":200,"body":"` + c.body + `"}`)}, c.options)
			ws := f.dial(nil)
			ws.say("{}")
			heard := ws.hear()
			f.g.Close() // ends writing to log
			if !c.lost {
				if heard != c.body || f.g.Usage().Messages.TooLarge != 0 {
					t.Errorf("heard %d bytes, usage %+v", len(heard), f.g.Usage().Messages)
				}
				return
			}
			if !strings.HasPrefix(heard, `{"message": "Internal server error", "connectionId":"`) {
				t.Errorf("heard %.100q", heard)
			}
			if u := f.g.Usage().Messages; u.TooLarge != 1 || u.Out != 1 || u.BytesOut != int64(len(heard)) {
				t.Errorf("usage %+v", u)
			}
			if text := log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "route response exceeds the message limit") || strings.Contains(text, "xxxx") {
				t.Errorf("log: %.300s", text)
			}
		})
	}
}

// TestConcurrent: messages of one connection do not wait for each other.
func TestConcurrent(t *testing.T) {
	second := make(chan struct{})
	f := serve(t, testAPI(map[string]Route{"first": {Function: "first", TwoWay: true}, "second": {Function: "second"}}), functions{
		"first": func(context.Context, []byte) ([]byte, bool, error) {
			<-second
			return []byte(`{"statusCode":200,"body":"first"}`), false, nil
		},
		"second": func(context.Context, []byte) ([]byte, bool, error) {
			close(second)
			return []byte(ok200), false, nil
		},
	}, Options{})
	ws := f.dial(nil)
	ws.say(`{"action":"first"}`)
	ws.say(`{"action":"second"}`)
	if got := ws.hear(); got != "first" {
		t.Errorf("heard %q", got)
	}
}

// TestSerial: with the switch they do.
func TestSerial(t *testing.T) {
	var running, most atomic.Int32
	f := serve(t, testAPI(map[string]Route{defaultKey: {Function: "f", TwoWay: true}}), functions{
		"f": func(_ context.Context, payload []byte) ([]byte, bool, error) {
			most.Store(max(most.Load(), running.Add(1)))
			runtime.Gosched() // let another in, if another may
			running.Add(-1)
			return []byte(`{"statusCode":200,"body":` + mustString(payload) + `}`), false, nil
		},
	}, Options{Serial: true})
	ws := f.dial(nil)
	for _, body := range "abcdef" {
		ws.say(string(body))
	}
	for _, body := range "abcdef" {
		if got := ws.hear(); got != string(body) {
			t.Errorf("heard %q, want %q", got, string(body))
		}
	}
	if n := most.Load(); n != 1 {
		t.Errorf("%d ran at once", n)
	}
}

// mustString cuts the body, a JSON string, out of a message event.
func mustString(payload []byte) string {
	_, rest, _ := bytes.Cut(payload, []byte(`"body":`))
	body, _, _ := bytes.Cut(rest, []byte(`,`))
	return string(body)
}

// TestTimeoutGoesOn: the integration times out for the client, after 29 s by
// default, while the function is told nothing but that nobody waits.
func TestTimeoutGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		n := network(t, testAPI(map[string]Route{defaultKey: {Function: "hangs"}}), functions{"hangs": hangs}, Options{})
		ws := n.dial(nil)
		ws.say("{}")
		if got := ws.hear(); !strings.Contains(got, "Endpoint request timed out") {
			t.Errorf("heard %q", got)
		}
		if took := time.Since(began); took != 29*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

func TestCloseThrottled(t *testing.T) {
	f := serve(t, testAPI(map[string]Route{defaultKey: {Throttle: Throttle{Burst: 1, Rate: 1e-9}}}), nil, Options{CloseThrottled: true})
	ws := f.dial(nil)
	ws.say("{}")
	ws.say("{}")
	if code, _ := ws.closed(); code != websocket.StatusPolicyViolation {
		t.Errorf("closed with %d", code)
	}
}

// TestNoPayloadInLogs: what goes wrong is logged, what was said is not.
func TestNoPayloadInLogs(t *testing.T) {
	var log bytes.Buffer
	f := serve(t, testAPI(map[string]Route{defaultKey: {Function: "fails"}}), functions{"fails": fails("secret reason")},
		Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ws := f.dial(nil)
	ws.say(`{"password":"secret"}`)
	ws.hear()
	f.g.Close()
	if text := log.String(); !strings.Contains(text, "function failed") || strings.Contains(text, "secret") {
		t.Errorf("log: %s", text)
	}
}

// waitFor waits until something that another goroutine does is done.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}
