package apigateway

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/coder/websocket"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// What differs from run to run, by the form it must have.
var volatile = []struct {
	form *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`^[\w-]{15}=$`), "ID"},
	{regexp.MustCompile(`^\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000$`), "CLF TIME"},
	{regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`), "TRACE"},
	{regexp.MustCompile(`^[\w+/]{22}==$`), "KEY"},
	{regexp.MustCompile(`^127\.0\.0\.1:\d+$`), "HOST"},
	{regexp.MustCompile(`^[1-9]\d{3,4}$`), "PORT"},
}

// normal replaces what is volatile, and keeps everything else as it is.
func normal(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = normal(member)
		}
	case []any:
		for i := range v {
			v[i] = normal(v[i])
		}
	case string:
		for _, form := range volatile {
			if form.form.MatchString(v) {
				return form.name
			}
		}
	case float64:
		if since := time.Since(time.UnixMilli(int64(v))); since >= 0 && since < time.Minute {
			return "EPOCH MS"
		}
	}
	return value
}

// golden compares an event with its file: the exact keys, the exact values.
func golden(t *testing.T, name string, event map[string]any) {
	t.Helper()
	file := filepath.Join("testdata", name+".json")
	got := normal(event)
	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := decode(t, raw); !reflect.DeepEqual(got, any(want)) {
		text, _ := json.MarshalIndent(got, "", "  ")
		t.Errorf("%s differs; got\n%s", file, text)
	}
}

// TestEvents holds the shapes of the three events and of the authorizer's, with
// an authorizer and a query and without.
func TestEvents(t *testing.T) {
	authorizer := `{"principalId":"u1","policyDocument":{"Statement":{"Action":"*","Effect":"Allow","Resource":"*"}},"context":{"tenant":"a<b","tier":1,"admin":true}}`
	header := http.Header{
		"User-Agent": {"ua/1.0"}, "Origin": {"https://app.example"}, "X-Forwarded-For": {"203.0.113.7"},
		"X-Token": {"secret"}, "X-Twice": {"one", "two"},
	}
	for _, c := range []struct {
		name  string
		guard *Authorizer
		query string
		vars  map[string]string
	}{
		{"plain", nil, "", nil},
		{"guarded", &Authorizer{Function: "authorizer"}, "?room=6&room=7&name=a%20b", map[string]string{"tier": "free"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			events, asked := make(chan []byte, 1), make(chan []byte, 1)
			api := testAPI(map[string]Route{
				connectKey: {Function: "f", Authorizer: c.guard}, disconnectKey: {Function: "f"}, "sendMessage": {Function: "f"},
			})
			api.StageVariables = c.vars
			f := serve(t, api, functions{"f": records(events), "authorizer": func(_ context.Context, payload []byte) ([]byte, bool, error) {
				asked <- payload
				return []byte(authorizer), false, nil
			}}, Options{})
			f.url += c.query
			ws := f.dial(&websocket.DialOptions{HTTPHeader: header})
			if c.guard != nil {
				golden(t, c.name+"-authorizer", next(t, asked))
			}
			golden(t, c.name+"-connect", latencyChecked(t, next(t, events)))
			ws.say(`{"action":"sendMessage","text":"<hi>"}`)
			golden(t, c.name+"-message", latencyChecked(t, next(t, events)))
			if err := ws.Close(websocket.StatusNormalClosure, "bye"); err != nil {
				t.Fatal(err)
			}
			golden(t, c.name+"-disconnect", latencyChecked(t, next(t, events)))
		})
	}
}

// latencyChecked replaces the authorizer's latency, a number of milliseconds.
func latencyChecked(t *testing.T, event map[string]any) map[string]any {
	authorizer, ok := requestContextOf(event)["authorizer"].(map[string]any)
	if !ok {
		return event
	}
	if ms, ok := authorizer["integrationLatency"].(float64); !ok || ms < 0 || ms > 60_000 {
		t.Errorf("integrationLatency %v", authorizer["integrationLatency"])
	}
	authorizer["integrationLatency"] = "MS"
	return event
}

// TestEventIDs holds which ids and times of a connection's events are the same.
func TestEventIDs(t *testing.T) {
	events := make(chan []byte, 1)
	f := serve(t, testAPI(map[string]Route{connectKey: {Function: "f"}, defaultKey: {Function: "f"}}), functions{"f": records(events)}, Options{})
	ws := f.dial(nil)
	connect := requestContextOf(next(t, events))
	ws.say("one")
	one := requestContextOf(next(t, events))
	ws.say("two")
	two := requestContextOf(next(t, events))
	if connect["connectionId"] != one["connectionId"] || connect["connectedAt"] != one["connectedAt"] {
		t.Errorf("the connection changed: %v, %v", connect, one)
	}
	if connect["connectionId"] != f.id() {
		t.Errorf("connectionId %v is not %v", connect["connectionId"], f.id())
	}
	ids := map[any]bool{}
	for _, c := range []map[string]any{connect, one, two} {
		if c["requestId"] != c["extendedRequestId"] {
			t.Errorf("requestId %v, extendedRequestId %v", c["requestId"], c["extendedRequestId"])
		}
		ids[c["requestId"]], ids[c["messageId"]], ids[c["connectionId"]] = true, true, true
	}
	if len(ids) != 7 { // a connection, three requests, two messages, one absent
		t.Errorf("%d distinct ids: %v", len(ids), ids)
	}
}

// TestEventsDecode: the Go type that functions use reads the events.
func TestEventsDecode(t *testing.T) {
	raw, err := os.ReadFile("testdata/guarded-disconnect.json")
	if err != nil {
		t.Fatal(err)
	}
	value := decode(t, raw)
	context := requestContextOf(value)
	context["connectedAt"], context["requestTimeEpoch"] = 1, 2
	if raw, err = json.Marshal(value); err != nil {
		t.Fatal(err)
	}
	var event awsevents.APIGatewayWebsocketProxyRequest
	if err := json.Unmarshal(raw, &event); err != nil {
		t.Fatal(err)
	}
	got := event.RequestContext
	if got.DisconnectStatusCode != 1000 || *got.DisconnectReason != "bye" || got.Stage != "live" || got.APIID != "a1b2c3d4e5" {
		t.Errorf("%+v", got)
	}
}

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := newID()
		if !volatile[0].form.MatchString(id) || !validID(id) || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
	for _, id := range []string{"", "nope", "L0SM9cOFvHcCIhw", "L0SM9cOFvHcCIhww", "L0SM9cOFvHcCI/w=", "L0SM9cOFvHcCIhw=="} {
		if validID(id) {
			t.Errorf("%q is valid", id)
		}
	}
}
