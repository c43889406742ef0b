package main

import (
	"cmp"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/contract/contracttest"
)

// bodies are whole ones, by their types in the schema.
var bodies = map[string]string{
	"PublishRequest":     `{"id":"i","data":{"a":1},"expiresAt":0}`,
	"DestinationRequest": `{"topic":"a","url":"https://example.com/hook","filter":{"a":[1]},"fields":["a"],"format":"changes","batch":1}`,
	"DestinationChange":  `{"url":"https://example.com/hook","filter":{"a":[1]},"fields":["a"],"format":"changes","batch":1}`,
	"ReplayRequest":      `{"topic":"a","after":":0"}`,
}

// more are members that whole bodies do not have.
var more = map[string][]string{
	"PublishRequest": {"items", "items", "items", "large", "topic", "x"}, "DestinationRequest": {"id", "x"}, "DestinationChange": {"topic", "id"}, "ReplayRequest": {"from", "x"},
}

// oddValues are put in place of others.
var oddValues = []any{
	nil, nil, true, 0, 1, -1, 1.5, 100, 101, 1e300, int64(events.MaxOrder) + 1, "", " ", "x", "a/b", "a//b", "..", "a/*", "ä", "a\x00", ":0", "e:1", "e:01", "now",
	"2026-11-26T10:00:00Z", "2026-11-26", "https://example.com/", "http://example.com/", "changes", "cloudevents", "cloudevents-batch", strings.Repeat("x", 257), strings.Repeat("x", 2049),
	[]any{}, []any{"a"}, []any{1}, []any{nil}, map[string]any{}, map[string]any{"a": []any{1}}, map[string]any{"a": 1},
	[]any{map[string]any{}}, []any{map[string]any{"id": "i", "data": map[string]any{}}}, []any{map[string]any{"id": nil, "data": nil}}, []any{map[string]any{"large": true}}, []any{map[string]any{"id": ""}}, []any{map[string]any{"id": strings.Repeat("x", 257)}}, []any{map[string]any{"id": "a\x00"}},
}

// beyond are reasons to refuse a body that a schema cannot say.
var beyond = []string{"bytes", "pattern", "filter", "fields", "url", "reserved", "ten years", "not watch"}

// TestTheSchemaSaysWhichBodiesAreRefused makes thousands of bodies out of good ones. What the schema forbids
// is refused as malformed, and what it allows is not. All answers are as OpenAPI has them.
func TestTheSchemaSaysWhichBodiesAreRefused(t *testing.T) {
	s := newDeliveries(t)
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["**"],"actions":["deliver","publish"]}]}`)
	s.destinations.Most = 1 << 20
	schema := contracttest.New(t)
	destination := "/destinations/" + s.register("a").ID
	method := map[string]string{"DestinationChange": http.MethodPatch}
	path := map[string]string{"PublishRequest": "/topics/a", "DestinationRequest": "/destinations", "DestinationChange": destination, "ReplayRequest": destination + "/replay"}
	random := rand.New(rand.NewPCG(1, 2))
	forbidden, allowed := 0, 0
	for range 5_000 {
		name, body := oddBody(random)
		verb := method[name]
		if verb == "" {
			verb = http.MethodPost
		}
		r := httptest.NewRequestWithContext(t.Context(), verb, path[name], strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if err := cmp.Or(schema.Body(verb, path[name], []byte(body), w.Code, w.Body.Bytes()), schema.Answer(verb, path[name], w.Code, w.Header(), w.Body.Bytes())); err != nil {
			t.Errorf("%s %s: %v", name, body, err)
		}
		reason, refused := refusedBody(w)
		bad := schema.Is(name, []byte(body))
		switch {
		case bad != nil && !refused:
			t.Errorf("the schema forbids the %s %s, and it is answered %d %s: %v", name, body, w.Code, w.Body, bad)
		case bad == nil && refused && !slices.ContainsFunc(beyond, func(word string) bool { return strings.Contains(reason, word) }):
			t.Errorf("the schema allows the %s %s, and it is answered %s", name, body, reason)
		}
		if bad != nil {
			forbidden++
		} else {
			allowed++
		}
	}
	t.Logf("%d bodies that the schema forbids, %d that it allows", forbidden, allowed)
	if forbidden < 500 || allowed < 100 {
		t.Errorf("only %d forbidden and %d allowed bodies", forbidden, allowed)
	}
}

// TestLimitsOfBodiesAreThoseOfTheSchema tries each limit of each body: as much as the schema says is taken,
// and more is refused.
func TestLimitsOfBodiesAreThoseOfTheSchema(t *testing.T) {
	s := newDeliveries(t)
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["**"],"actions":["deliver","publish"]}]}`)
	s.destinations.Most = 1 << 20
	destination := "/destinations/" + s.register("a").ID
	schema, tried := contracttest.New(t), 0
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		path := map[string]string{"PublishRequest": "/topics/a", "DestinationRequest": "/destinations", "DestinationChange": destination, "ReplayRequest": destination + "/replay"}[name]
		for _, limit := range schema.Limits(name) {
			body := bodies[name]
			if limit.Path[0] == "items" {
				body = `{}`
			}
			if limit.Path[len(limit.Path)-1] == "expiresAt" { // is at most ten years ahead, which is less
				continue
			}
			for more := range 2 {
				text, err := limit.In(body, limit.Most+more)
				if err != nil {
					t.Fatal(err)
				}
				method := http.MethodPost
				if name == "DestinationChange" {
					method = http.MethodPatch
				}
				r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(text))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				if reason, refused := refusedBody(w); refused != (more > 0) && !strings.Contains(reason, "does not watch") {
					t.Errorf("%s: with %d of %s, refused is %t: %d %s", name, limit.Most+more, limit, refused, w.Code, reason)
				}
				tried++
			}
		}
	}
	for n, want := range map[int]int{events.MaxRequestIDBytes: 200, events.MaxRequestIDBytes + 1: 400} {
		if a := s.post("/topics/a", `{"id":"i","data":{}}`, "Idempotency-Key", strings.Repeat("k", n)); a.status != want {
			t.Errorf("a key of %d bytes is answered %+v", n, a)
		}
	}
	if tried < 30 {
		t.Errorf("only %d limits were tried", tried)
	}
}

// refusedBody gives why a body was refused, or one of its items.
func refusedBody(w *httptest.ResponseRecorder) (reason string, refused bool) {
	var answer struct {
		events.Problem
		Results []events.PublishResult `json:"results"`
	}
	_ = json.Unmarshal(w.Body.Bytes(), &answer)
	for _, result := range answer.Results {
		if result.Error != nil {
			return result.Error.Detail, true
		}
	}
	return answer.Detail, w.Code == http.StatusBadRequest
}

// oddBody changes one or two members of a body.
func oddBody(random *rand.Rand) (name, body string) {
	name = slices.Sorted(maps.Keys(bodies))[random.IntN(len(bodies))]
	var whole map[string]any
	_ = json.Unmarshal([]byte(bodies[name]), &whole)
	members := append(slices.Sorted(maps.Keys(whole)), more[name]...)
	if random.IntN(3) == 0 { // only what is changed
		clear(whole)
	}
	for range 1 + random.IntN(2) {
		member := members[random.IntN(len(members))]
		if random.IntN(6) == 0 {
			delete(whole, member)
		} else {
			whole[member] = oddValues[random.IntN(len(oddValues))]
		}
	}
	text, _ := json.Marshal(whole)
	return name, string(text)
}

// TestEveryAnswerIsDescribed asks for all routes by all methods, with what they take and do not take.
func TestEveryAnswerIsDescribed(t *testing.T) {
	s := newDeliveries(t)
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["**"],"actions":["deliver","publish","read","subscribe"]}]}`)
	s.destinations.Most = 100
	schema := contracttest.New(t)
	s.put("a", "i", `{"a":1}`)
	paths := []string{"/x", "/topics", "/topics/a", "/topics/a/*", "/topics/a//b", "/topics/@presence/a", "/destinations", "/destinations/none"}
	for _, action := range []string{"", "/pause", "/enable", "/replay", "/test", "/secret", "/odd", "/a/b"} {
		paths = append(paths, "/destinations/"+s.register("a").ID+action)
	}
	for _, path := range paths {
		for _, method := range []string{"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"} {
			for _, query := range []string{"", "?after=:0", "?after=now", "?after=x", "?limit=0", "?id=i", "?x=1", "?next=x"} {
				for _, header := range [][]string{{"If-None-Match", "*"}, {"Accept", "text/plain"}, {"Content-Type", "text/plain"}, {"If-Match", "*"}} {
					r := httptest.NewRequestWithContext(t.Context(), method, path+query, strings.NewReader(`{}`))
					r.Header.Set("Content-Type", "application/json")
					r.Header.Set(header[0], header[1])
					w := httptest.NewRecorder()
					s.ServeHTTP(w, r)
					if err := schema.Answer(method, path, w.Code, w.Header(), w.Body.Bytes()); err != nil {
						t.Errorf("%s with %s: %v", query, header, err)
					}
				}
			}
		}
	}
}
