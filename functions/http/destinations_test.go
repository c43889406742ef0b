package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/localstack/contract/contracttest"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/origin"
	"github.com/watchroute/watchroute/shared/watch"
	"github.com/watchroute/watchroute/shared/webhook"
)

// mostDestinations are those that a subject may have.
const mostDestinations = 3

// newDestinations makes the routes on the service's store, with a queue that notes what it is sent.
func (s *service) newDestinations() destinations {
	return destinations{
		Registrar: delivery.Registrar{Registry: s.store, Queue: deliveryQueue{s}, Check: webhook.New(webhook.Options{}).Check, Most: mostDestinations},
		secret: func(_ context.Context, d delivery.Destination) (string, string, error) {
			return webhook.Secret(webhook.Key([]byte("secret"), d.ID, d.Rotations)), "v1", nil
		},
		charge: func(ctx context.Context, who watch.Key, do func(context.Context) error) error {
			return s.feed.Charge(ctx, who, do)
		},
	}
}

type deliveryQueue struct{ *service }

func (q deliveryQueue) Send(_ context.Context, ref delivery.Ref, id string) error {
	q.woken = append(q.woken, ref.Destination+" "+string(ref.Topic))
	return nil
}

const delivering = `{"v":1,"allow":[{"topics":["**"],"actions":["deliver"]}]}`

// newDeliveries makes a service for alice, who may have anything delivered.
func newDeliveries(t *testing.T) *service {
	t.Helper()
	return newDeliveriesOn(t, dynamotest.Start(t))
}

func newDeliveriesOn(t *testing.T, db *dynamotest.Database) *service {
	t.Helper()
	s := newServiceOn(t, db)
	s.viewer.Grant = granted(t, "alice", delivering)
	return s
}

// hook is the body of a request for a destination, with more members.
func hook(topic string, more ...string) string {
	return fmt.Sprintf(`{"topic":%q,"url":"https://example.com/hook"%s}`, topic, strings.Join(append([]string{""}, more...), ","))
}

// register makes a destination.
func (s *service) register(topic string, more ...string) (d events.Destination) {
	s.Helper()
	a := s.post("/destinations", hook(topic, more...))
	if err := json.Unmarshal([]byte(a.body), &d); err != nil || a.status != http.StatusCreated {
		s.Fatalf("POST is answered %+v, %v", a, err)
	}
	return d
}

// standing gives how far a destination has come in a topic.
func (s *service) standing(id string, topic events.Topic) delivery.Standing {
	s.Helper()
	all, _, err := s.store.Standings(s.Context(), id, "", 100)
	if err != nil {
		s.Fatal(err)
	}
	for _, one := range all {
		if one.Topic == topic {
			return one
		}
	}
	s.Fatalf("%s has no standing in %s", id, topic)
	return delivery.Standing{}
}

// TestADestinationIsRegisteredAndRemoved: its owner sees all of it but the secret, which only the
// first answer and a request for it show. It begins where its topic stands, and is woken at once.
func TestADestinationIsRegisteredAndRemoved(t *testing.T) {
	s := newDeliveries(t)
	s.put("orders/1", "i", `{"n":1}`)
	a := s.post("/destinations", hook("orders/1", `"filter":{"n":[1]}`, `"fields":["n"]`, `"format":"cloudevents-batch"`, `"batch":7`))
	var d events.Destination
	if err := json.Unmarshal([]byte(a.body), &d); err != nil || a.status != http.StatusCreated {
		t.Fatalf("POST is answered %+v, %v", a, err)
	}
	at, err := url.Parse("https://api.example/prod/destinations")
	if err != nil {
		t.Fatal(err)
	}
	if at, err = at.Parse(a.header.Get("Location")); err != nil || at.Path != "/prod/destinations/"+d.ID {
		t.Errorf("Location %q leads to %s, %v", a.header.Get("Location"), at, err)
	}
	if !strings.HasPrefix(d.Secret, "whsec_") || !d.Unverified || d.Batch != 7 || d.Format != "cloudevents-batch" || string(d.Filter) != `{"n":[1]}` || !slices.Equal(d.Fields, []string{"n"}) || d.Disabled != "" {
		t.Errorf("POST gives %+v", d)
	}
	if life := time.Time(d.Expires).Sub(time.Time(d.Created)); life != grant.DefaultDeliverFor {
		t.Errorf("it lives %s", life)
	}
	if !slices.Equal(s.woken, []string{d.ID + " orders/1"}) {
		t.Errorf("woken is %q", s.woken)
	}
	if s := s.standing(d.ID, "orders/1"); s.After.Seq != 1 {
		t.Errorf("it begins after %s", s.After)
	}
	one, a := get[events.Destination](s, 200, "/destinations/"+d.ID)
	if len(one.Standings) != 1 || one.Standings[0].Topic != "orders/1" || strings.Contains(a.body, "whsec_") || one.Next != "" {
		t.Errorf("GET gives %s", a.body)
	}
	one.Standings, one.Secret = nil, d.Secret
	if normal(t, one) != normal(t, d) {
		t.Errorf("GET gives %+v, and POST %+v", one, d)
	}
	all, a := get[events.Destinations](s, 200, "/destinations")
	if len(all.Destinations) != 1 || all.Destinations[0].ID != d.ID || strings.Contains(a.body, "whsec_") || strings.Contains(a.body, "standings") {
		t.Errorf("the list is %s", a.body)
	}
	if again, a := get[events.Destination](s, 200, "/destinations/"+d.ID+"/secret"); again.Secret != d.Secret || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the secret is answered %+v, want %s", a, d.Secret)
	}
	if a := s.ask(http.MethodDelete, "/destinations/"+d.ID); a.status != 204 || a.body != "" {
		t.Errorf("DELETE is answered %+v", a)
	}
	if a := s.ask(http.MethodGet, "/destinations/"+d.ID); a.status != 404 {
		t.Errorf("after DELETE, GET is answered %+v", a)
	}
	if _, a := get[events.Destinations](s, 200, "/destinations"); strings.TrimSpace(a.body) != `{"destinations":[]}` {
		t.Errorf("after DELETE, the list is %s", a.body)
	}
	out, err := s.db.Client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &dynamotest.Tables.Subscriptions})
	if err != nil || len(out.Items) != 0 {
		t.Errorf("after DELETE it watches by %v, %v", out.Items, err)
	}
	if rows := s.destinationRows(d.ID); strings.Contains(rows, "example.com") || !slices.Equal(s.woken, []string{d.ID + " orders/1", d.ID + " "}) {
		t.Errorf("after DELETE there is %s, and woken is %q", rows, s.woken)
	}
}

func normal(t *testing.T, value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestADestinationIsPausedEnabledAndReplayed by requests that have no answer but 204.
func TestADestinationIsPausedEnabledAndReplayed(t *testing.T) {
	s := newDeliveries(t)
	s.put("a", "i", `{"n":1}`)
	s.put("a", "i", `{"n":2}`)
	d := s.register("a")
	at := s.standing(d.ID, "a").After
	path := "/destinations/" + d.ID
	if a := s.ask(http.MethodPost, path+"/pause"); a.status != 204 || a.body != "" {
		t.Errorf("pause is answered %+v", a)
	}
	if one, _ := get[events.Destination](s, 200, path); one.Disabled != "paused" {
		t.Errorf("after pause it is %q", one.Disabled)
	}
	s.woken = nil
	if a := s.ask(http.MethodPost, path+"/enable"); a.status != 204 || a.body != "" {
		t.Errorf("enable is answered %+v", a)
	}
	if one, _ := get[events.Destination](s, 200, path); one.Disabled != "" || one.Standings[0].Cursor != at.String() || len(s.woken) != 1 {
		t.Errorf("after enable it is %+v, and woken %q", one, s.woken)
	}
	s.woken = nil
	first := events.Cursor{Epoch: at.Epoch, Seq: 1}
	if a := s.post(path+"/replay", `{"topic":"a","after":"`+first.String()+`"}`); a.status != 204 || a.body != "" {
		t.Errorf("replay is answered %+v", a)
	}
	if got := s.standing(d.ID, "a"); got.After != first || !slices.Equal(s.woken, []string{d.ID + " a"}) {
		t.Errorf("after replay it stands at %s, and woken is %q", got.After, s.woken)
	}
	s.woken = nil
	if a := s.post(path+"/replay", `{"from":"2026-01-01T00:00:00+01:00"}`); a.status != 204 || a.body != "" {
		t.Errorf("replay from a time is answered %+v", a)
	}
	if got := s.standing(d.ID, "a"); got.After != (events.Cursor{}) || !slices.Equal(s.woken, []string{d.ID + " a"}) {
		t.Errorf("after replay from a time before all changes it stands at %s, and woken is %q", got.After, s.woken)
	}
}

// TestWhatADestinationMustNotBe is refused with its reason, and leaves nothing behind.
func TestWhatADestinationMustNotBe(t *testing.T) {
	s := newDeliveries(t)
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["a/**"],"actions":["deliver"]},{"topics":["b"],"actions":["subscribe","read","publish"]}]}`)
	for body, want := range map[string]struct {
		code   events.Code
		detail string
	}{
		``:                              {events.CodeBadJSON, "JSON object"},
		`{`:                             {events.CodeBadJSON, "JSON object"},
		`[]`:                            {events.CodeBadJSON, "JSON object"},
		`null`:                          {events.CodeBadJSON, "JSON object"},
		hook("a", `"colour":1`):         {events.CodeBadRequest, "colour"},
		hook("a", `"Format":"changes"`): {events.CodeBadRequest, "Format"},
		`{"topic":1,"url":"https://example.com"}`: {events.CodeBadRequest, "type"},
		hook(""):                                  {events.CodeBadTopic, "empty"},
		hook("a//b"):                              {events.CodeBadTopic, "empty segment"},
		hook("a/*/b"):                             {events.CodeBadTopic, "character"},
		hook("*"):                                 {events.CodeBadTopic, "character"},
		hook("b"):                                 {events.CodeForbidden, ""},
		hook("c/**"):                              {events.CodeForbidden, ""},
		hook("a", `"filter":{"n":1}`):             {events.CodeBadRequest, "filter"},
		hook("a", `"filter":[]`):                  {events.CodeBadRequest, "filter"},
		hook("a", `"fields":[""]`):                {events.CodeBadRequest, "field"},
		hook("a", `"fields":"n"`):                 {events.CodeBadRequest, "type"},
		hook("a", `"format":"xml"`):               {events.CodeBadRequest, "format"},
		hook("a", `"batch":-1`):                   {events.CodeBadRequest, "batch"},
		hook("a", `"batch":101`):                  {events.CodeBadRequest, "batch"},
		hook("a", `"batch":1.5`):                  {events.CodeBadRequest, "type"},
		hook("a", `"batch":99999999999999999999`): {events.CodeBadRequest, "type"},
		hook("a", `"format":"cloudevents"`, `"batch":2`): {events.CodeBadRequest, "batch"},
		`{"topic":"a"}`: {events.CodeBadRequest, "url"},
		`{"topic":"a","url":"http://example.com"}`:                {events.CodeBadRequest, "https"},
		`{"topic":"a","url":"https://169.254.169.254/latest"}`:    {events.CodeBadRequest, "public"},
		`{"topic":"a","url":"https://localhost/"}`:                {events.CodeBadRequest, "public"},
		`{"topic":"a","url":"https://u:p@example.com/"}`:          {events.CodeBadRequest, "user name"},
		hook("a", `"fields":["`+strings.Repeat("x", 16<<10)+`"]`): {events.CodeTooLarge, "16384"},
	} {
		var p events.Problem
		a := s.post("/destinations", body)
		if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Code != want.code || a.status != want.code.Status() || !strings.Contains(p.Detail, want.detail) {
			t.Errorf("%.200s is answered %+v, want %s with %q", body, a, want.code, want.detail)
		}
		if a.header.Get("Location") != "" || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != events.ProblemType {
			t.Errorf("%.200s is answered with the headers %v", body, a.header)
		}
	}
	for name, header := range map[string][]string{"another type": {"Content-Type", "text/plain"}, "no type": {"Content-Type", ""}, "gzip": {"Content-Encoding", "gzip"}} {
		if a := s.post("/destinations", hook("a"), header...); a.status != 415 || a.header.Get("Accept")+a.header.Get("Accept-Encoding") == "" {
			t.Errorf("%s is answered %+v", name, a)
		}
	}
	if all, _ := get[events.Destinations](s, 200, "/destinations"); len(all.Destinations) != 0 || len(s.woken) != 0 {
		t.Errorf("there are %+v, woken %q", all, s.woken)
	}
}

// TestAReplayThatCannotBe is refused, and the destination stands where it stood.
func TestAReplayThatCannotBe(t *testing.T) {
	s := newDeliveries(t)
	d := s.register("a/*")
	path := "/destinations/" + d.ID + "/replay"
	for body, want := range map[string]events.Code{
		``:                                                           events.CodeBadJSON,
		`{"topic":"a/b"}`:                                            events.CodeBadCursor,
		`{"topic":"a/b","after":"x"}`:                                events.CodeBadCursor,
		`{"topic":"a/b","after":":-1"}`:                              events.CodeBadCursor,
		`{"topic":"a/*","after":":0"}`:                               events.CodeBadTopic,
		`{"topic":"a","after":":0"}`:                                 events.CodeBadRequest,
		`{"topic":"a/b/c","after":":0"}`:                             events.CodeBadRequest,
		`{"topic":"a/b","after":":0","x":""}`:                        events.CodeBadRequest,
		`{"from":"2026-11-26T10:00:00Z"}`:                            events.CodeBadTopic, // of which topic?
		`{"after":":0"}`:                                             events.CodeBadTopic,
		`{"topic":"a/b","from":"2026-11-26"}`:                        events.CodeBadRequest,
		`{"topic":"a/b","from":1795612000}`:                          events.CodeBadRequest,
		`{"topic":"a/b","from":"9999-01-01T00:00:00Z"}`:              events.CodeBadRequest,
		`{"topic":"a/b","from":"2026-11-26T10:00:00"}`:               events.CodeBadRequest, // in which zone?
		`{"topic":"a/b","from":"2025-11-26T10:00:00Z","after":":0"}`: events.CodeBadRequest,
		`{"topic":"a","from":"2025-11-26T10:00:00Z"}`:                events.CodeBadRequest,
	} {
		if a := s.post(path, body); a.status != want.Status() || !strings.Contains(a.body, `"code":"`+string(want)+`"`) {
			t.Errorf("%s is answered %+v, want %s", body, a, want)
		}
	}
	if one, a := get[events.Destination](s, 200, "/destinations/"+d.ID); len(one.Standings) != 0 {
		t.Errorf("it is %s", a.body)
	}
}

// everyDestinationRoute has the requests for one destination.
func everyDestinationRoute(id string) []request {
	return []request{
		{"GET", "/destinations/" + id, "", nil}, {"HEAD", "/destinations/" + id, "", nil}, {"GET", "/destinations/" + id + "?after=a", "", nil}, {"DELETE", "/destinations/" + id, "", nil}, {"PATCH", "/destinations/" + id, "{}", nil}, {"PATCH", "/destinations/" + id, "[", nil},
		{"POST", "/destinations/" + id + "/pause", "", nil}, {"POST", "/destinations/" + id + "/enable", "", nil}, {"POST", "/destinations/" + id + "/secret", "", nil},
		{"GET", "/destinations/" + id + "/secret", "", nil}, {"HEAD", "/destinations/" + id + "/secret", "", nil}, {"POST", "/destinations/" + id + "/test", "", nil},
		{"POST", "/destinations/" + id + "/replay", `{"topic":"a","after":":0"}`, nil}, {"POST", "/destinations/" + id + "/replay", `{`, nil},
		{"POST", "/destinations/" + id + "/none", "", nil},
	}
}

// send sends a request whose query is a whole target.
func (s *service) send(r request) answer {
	s.Helper()
	asked := httptest.NewRequestWithContext(s.Context(), r.method, r.query, strings.NewReader(r.body))
	asked.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, asked)
	return answer{w.Code, w.Result().Header, w.Body.String()}
}

// TestAnothersDestinationIsAnsweredAsNone: the bytes are the same on every route, for another's, for
// one that was never there, and for the ids of other rows of the table. So are the calls of the table.
func TestAnothersDestinationIsAnsweredAsNone(t *testing.T) {
	s := newDeliveries(t)
	s.feed.Allowance = nil
	alices := s.register("a")
	mallory := s.viewer
	mallory.Subject = "mallory"
	s.viewer = mallory
	none := "dst_" + strings.Repeat("a", len(alices.ID)-len("dst_"))
	for i, r := range everyDestinationRoute(alices.ID) {
		s.db.Engine.ResetUsage()
		got := s.send(r)
		cost := s.db.Engine.Usage()
		s.db.Engine.ResetUsage()
		want := s.send(everyDestinationRoute(none)[i])
		if got.status != 404 || r.method != http.MethodHead && !strings.Contains(got.body, "no such destination") {
			t.Errorf("%s is answered %+v", r, got)
		}
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(cost, s.db.Engine.Usage()) {
			t.Errorf("%s is answered\n%+v, and for none\n%+v", r, got, want)
		}
		for _, id := range []string{"%23alice", "%23mallory", "%23nobody", alices.ID + "x", strings.ToUpper(alices.ID), "destination:" + alices.ID, "*", "%ff", "%00", "a%2Fb%2Fc", strings.Repeat("x", 3000)} {
			r := everyDestinationRoute(id)[i]
			if got := s.send(r); got.status != 404 {
				t.Errorf("%.100s is answered %+v", r, got)
			}
		}
	}
	s.viewer.Subject = "alice"
	if one, _ := get[events.Destination](s, 200, "/destinations/"+alices.ID); one.Disabled != "" || one.Standings[0].Cursor != s.standing(alices.ID, "a").After.String() {
		t.Errorf("alice's destination is %+v", one)
	}
}

// TestAMethodThatARouteHasNot is answered with those that it has, whether or not the id is known.
func TestAMethodThatARouteHasNot(t *testing.T) {
	s := newDeliveries(t)
	d := s.register("a")
	for path, allowed := range map[string]string{
		"/destinations": "GET, HEAD, POST, OPTIONS", "/destinations/" + d.ID: "GET, HEAD, PATCH, DELETE, OPTIONS", "/destinations/x": "GET, HEAD, PATCH, DELETE, OPTIONS",
		"/destinations/" + d.ID + "/pause": "POST, OPTIONS", "/destinations/" + d.ID + "/none": "POST, OPTIONS", "/destinations/" + d.ID + "/secret": "GET, HEAD, POST, OPTIONS",
	} {
		if a := s.ask(http.MethodOptions, path, "Origin", "https://app.example"); a.status != 204 || a.header.Get("Allow") != allowed || a.header.Get("Access-Control-Allow-Methods") != allowed {
			t.Errorf("OPTIONS %s is answered %+v, want %s", path, a, allowed)
		}
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "TRACE", "get"} {
			if slices.Contains(strings.Split(allowed, ", "), method) {
				continue
			}
			if a := s.ask(method, path); a.status != 405 || a.header.Get("Allow") != allowed {
				t.Errorf("%s %s is answered %+v, want 405 with %s", method, path, a, allowed)
			}
		}
	}
	if one, _ := get[events.Destination](s, 200, "/destinations/"+d.ID); one.Disabled != "" {
		t.Errorf("it is %+v", one)
	}
	if a := s.ask(http.MethodPost, "/destinations/"+d.ID+"/none"); a.status != 404 || !strings.Contains(a.body, "pause, enable, replay, test and secret") {
		t.Errorf("an unknown action is answered %+v", a)
	}
}

// TestHeadOfDestinationsIsGetWithoutABody, as RFC 9110 wants it (section 9.1).
func TestHeadOfDestinationsIsGetWithoutABody(t *testing.T) {
	s := newDeliveries(t)
	d := s.register("a")
	for _, path := range []string{"/destinations", "/destinations/" + d.ID} {
		get, head := s.ask(http.MethodGet, path), s.ask(http.MethodHead, path)
		if head.status != 200 || head.body != "" || !reflect.DeepEqual(get.header, head.header) {
			t.Errorf("HEAD %s is answered %+v, GET %+v", path, head, get)
		}
	}
}

// TestOnlyThePathsOfDestinations are theirs. None of the others registers or changes one.
func TestOnlyThePathsOfDestinations(t *testing.T) {
	s := newDeliveries(t)
	d := s.register("a")
	s.woken = nil
	for _, path := range []string{
		"/destinationsx", "/Destinations", "/destinations/", "/destinations//", "/destinations//pause", "//destinations", "/destinations/" + d.ID + "/",
		"/destinations/" + d.ID + "//", "/destinations/" + d.ID + "/pause/", "/destinations/" + d.ID + "/pause/now",
	} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			if a := s.send(request{method, path, hook("a"), nil}); a.status != 404 {
				t.Errorf("%s %s is answered %+v", method, path, a)
			}
		}
	}
	if all, _ := get[events.Destinations](s, 200, "/destinations"); len(all.Destinations) != 1 || all.Destinations[0].Disabled != "" || len(s.woken) != 0 {
		t.Errorf("there are %+v, woken %q", all, s.woken)
	}
}

// TestASubjectHasNoMoreDestinationsThanItMay, another subject has its own, and one that was removed
// makes room.
func TestASubjectHasNoMoreDestinationsThanItMay(t *testing.T) {
	s := newDeliveries(t)
	var last events.Destination
	for range mostDestinations {
		last = s.register("a")
	}
	if a := s.post("/destinations", hook("a")); a.status != 409 || !strings.Contains(a.body, `"code":"too_many_destinations"`) || a.header.Get("Location") != "" {
		t.Errorf("one more is answered %+v", a)
	}
	s.viewer.Subject = "bob"
	s.register("a")
	s.viewer.Subject = "alice"
	if a := s.ask(http.MethodDelete, "/destinations/"+last.ID); a.status != 204 {
		t.Fatalf("DELETE is answered %+v", a)
	}
	s.register("a")
}

// TestDestinationsNeedAToken, unless the stack is on a developer's machine.
func TestDestinationsNeedAToken(t *testing.T) {
	s := newDeliveries(t)
	s.viewer.Key = watch.Key{Subject: watch.Anonymous, ID: "1"}
	for _, r := range append(everyDestinationRoute("x"), request{"GET", "/destinations", "", nil}, request{"POST", "/destinations", hook("a"), nil}) {
		if a := s.send(r); a.status != 403 || r.method != http.MethodHead && !strings.Contains(a.body, `"code":"forbidden"`) {
			t.Errorf("%s is answered %+v", r, a)
		}
	}
	s.handler.destinations.anonymous = true
	s.register("a")
	s.handler.viewer = func(*http.Request) (watch.Viewer, error) {
		return watch.Viewer{}, &identity.RefusedError{Why: watch.ErrTokenExpired}
	}
	if a := s.ask(http.MethodGet, "/destinations"); a.status != 401 || !strings.Contains(a.body, `"code":"token_expired"`) || a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("a refused token is answered %+v", a)
	}
}

// TestPagesMayReadTheAnswersAboutDestinations, of the allowed origins only, and no cache keeps any.
func TestPagesMayReadTheAnswersAboutDestinations(t *testing.T) {
	s := newDeliveries(t)
	d := s.register("a")
	from, err := origin.ParseList("https://app.example")
	if err != nil {
		t.Fatal(err)
	}
	s.handler.origins = from
	for _, r := range append(everyDestinationRoute(d.ID), request{"GET", "/destinations", "", nil}, request{"POST", "/destinations", "{", nil}, request{"PUT", "/destinations", "", nil}) {
		for origin, allowed := range map[string]string{"https://app.example": "https://app.example", "https://evil.example": ""} {
			asked := httptest.NewRequestWithContext(t.Context(), r.method, r.query, strings.NewReader(r.body))
			asked.Header.Set("Origin", origin)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, asked)
			header := w.Result().Header
			if header.Get("Access-Control-Allow-Origin") != allowed || header.Get("Cache-Control") != "no-store" || !strings.Contains(header.Get("Access-Control-Expose-Headers"), "Location") {
				t.Errorf("%s from %s has the headers %v", r, origin, header)
			}
		}
	}
}

// TestASpentAllowanceRefusesDestinations before anything is read or written. What the requests for
// destinations cost is charged like that of others.
func TestASpentAllowanceRefusesDestinations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // no allowance comes anew, however long this takes
		s := newDeliveriesOn(t, dynamotest.StartInside(t))
		d := s.register("a")
		s.feed.Allowance = watch.NewAllowance(s.store, 1)
		path := "/destinations/" + d.ID
		for tries := 0; s.ask(http.MethodPost, path+"/pause").status != 429; tries++ { // a process draws when 1,000 units are owed
			if tries > 2000 {
				t.Fatal("requests for destinations cost nothing")
			}
		}
		before := s.destinationRows(d.ID)
		for _, r := range append(everyDestinationRoute(d.ID), request{"GET", "/destinations", "", nil}, request{"POST", "/destinations", hook("a"), nil}) {
			a := s.send(r)
			if a.status != 429 || a.header.Get("Retry-After") == "" || r.method != http.MethodHead && !strings.Contains(a.body, `"code":"too_many_requests"`) {
				t.Errorf("%s is answered %+v", r, a)
			}
		}
		if s.destinationRows(d.ID) != before {
			t.Error("a refused request has changed something")
		}
	})
}

// TestStandingsComePageByPage: all of them once, in pages of at most a hundred.
func TestStandingsComePageByPage(t *testing.T) {
	s := newDeliveries(t)
	d := s.register("a/**")
	const topics = 250
	for n := range topics {
		if _, err := s.store.Mark(t.Context(), delivery.Ref{Destination: d.ID, Topic: events.Topic(fmt.Sprintf("a/%03d", n))}, "m", events.Cursor{Epoch: "e", Seq: 1}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	pages := 0
	for after := ""; ; pages++ {
		one, _ := get[events.Destination](s, 200, "/destinations/"+d.ID+after)
		for _, standing := range one.Standings {
			seen = append(seen, string(standing.Topic))
		}
		if len(one.Standings) > 100 || pages > topics {
			t.Fatalf("page %d has %d standings", pages, len(one.Standings))
		}
		if one.Next == "" {
			break
		}
		after = "?after=" + url.QueryEscape(one.Next)
	}
	if len(seen) != topics || !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != topics || pages != 2 {
		t.Errorf("%d pages have %d standings: %q", pages+1, len(seen), seen)
	}
	for after, want := range map[string]int{"a/249": 200, "zzz": 200, "a/**": 200, "!": 400, strings.Repeat("x", 2000): 400, "%00": 400, "a//b": 400, "": 400} {
		if a := s.ask(http.MethodGet, "/destinations/"+d.ID+"?after="+after); a.status != want {
			t.Errorf("after %.20s is answered %+v, want %d", after, a, want)
		}
	}
}

// TestAFailingChallengeIsShownAtThePattern: no topic is delivered before, so it stands at none.
func TestAFailingChallengeIsShownAtThePattern(t *testing.T) {
	s := newDeliveries(t)
	d := s.register("a/**")
	failed := s.standing(d.ID, "a/**")
	failed.Failures, failed.Since = 1, time.Now()
	if err := s.store.Fail(t.Context(), failed); err != nil {
		t.Fatal(err)
	}
	one, a := get[events.Destination](s, 200, "/destinations/"+d.ID)
	if len(one.Standings) != 1 || one.Standings[0].Topic != "a/**" || one.Standings[0].Failures != 1 {
		t.Errorf("it is shown as %s", a.body)
	}
	if err := contracttest.New(t).Answer(http.MethodGet, "/destinations/"+d.ID, a.status, a.header, []byte(a.body)); err != nil {
		t.Error(err)
	}
}

// TestAFailingQueueIsNoFailureOfTheOwner: the sweep wakes the destination later.
func TestAFailingQueueIsNoFailureOfTheOwner(t *testing.T) {
	s := newDeliveries(t)
	s.handler.destinations.Queue = brokenQueue{}
	d := s.register("a")
	if a := s.ask(http.MethodPost, "/destinations/"+d.ID+"/enable"); a.status != 204 {
		t.Errorf("enable is answered %+v", a)
	}
	due := 0
	for part := range delivery.Parts {
		refs, err := s.store.Due(t.Context(), part, time.Now().Add(time.Hour), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, ref := range refs {
			due++
			if ref != (delivery.Ref{Destination: d.ID}) && ref != (delivery.Ref{Destination: d.ID, Topic: "a"}) {
				t.Errorf("%+v is due", ref)
			}
		}
	}
	if due != 2 { // its standing, and the round

		t.Errorf("%d standings are due", due)
	}
}

// TestADestinationWhoseSecretCannotBeReadIsNotKept: its owner tries again, and must not get all twice.
func TestADestinationWhoseSecretCannotBeReadIsNotKept(t *testing.T) {
	s := newDeliveries(t)
	good := s.handler.destinations.secret
	s.handler.destinations.secret = func(context.Context, delivery.Destination) (string, string, error) {
		return "", "", errors.New("access denied")
	}
	if a := s.post("/destinations", hook("a")); a.status != 500 || a.header.Get("Location") != "" || strings.Contains(a.body, "denied") {
		t.Errorf("POST is answered %+v", a)
	}
	if all, _ := get[events.Destinations](s, 200, "/destinations"); len(all.Destinations) != 0 {
		t.Errorf("there are %+v", all)
	}
	s.handler.destinations.secret = good
	d := s.register("a")
	s.handler.destinations.secret = func(context.Context, delivery.Destination) (string, string, error) {
		return "", "", errors.New("access denied")
	}
	if a := s.ask(http.MethodGet, "/destinations/"+d.ID+"/secret"); a.status != 500 {
		t.Errorf("the secret is answered %+v", a)
	}
	get[events.Destination](s, 200, "/destinations/"+d.ID)
}

type brokenQueue struct{}

func (brokenQueue) Send(context.Context, delivery.Ref, string) error { return errors.New("throttled") }

// FuzzDestinations sends whole requests for destinations. None makes the service fail or panic, and
// none of those by another subject changes alice's.
func FuzzDestinations(f *testing.F) {
	for _, seed := range [][3]string{
		{"GET", "/destinations"}, {"POST", "/destinations", hook("a/*")}, {"GET", "/destinations/ID?after=a"}, {"DELETE", "/destinations/ID"}, {"POST", "/destinations/ID/enable"},
		{"POST", "/destinations/ID/replay", `{"topic":"a","after":":0"}`}, {"POST", "/destinations/%23alice/pause"}, {"GET", "/destinations/%2e%2e/ID"}, {"GET", "/destinations/ID?after=%00%ff"},
		{"POST", "/destinations//"}, {"GET", "/destinations/*"}, {"POST", "/destinations", `{"topic":"a","url":"https://a.b","filter":null,"fields":null,"batch":null}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		s := newDeliveries(t)
		d := s.register("a")
		r, err := http.NewRequestWithContext(t.Context(), method, "https://api.example", strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		if r.URL, err = url.ParseRequestURI(strings.ReplaceAll(target, "ID", d.ID)); err != nil {
			t.Skip()
		}
		if route, ok := destinationOf(r); ok && strings.Contains(route.id+route.action, "/") {
			t.Errorf("%s is read as %+v", target, route)
		}
		r.Header.Set("Content-Type", "application/json")
		before := s.destinationRows(d.ID)
		for _, subject := range []string{"mallory", "alice"} {
			s.viewer.Subject = subject
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r.Clone(t.Context()))
			a := answer{w.Code, w.Result().Header, w.Body.String()}
			switch {
			case a.status >= 500:
				t.Errorf("%s %s is answered %+v", method, target, a)
			case a.status >= 400:
				s.isProblem(method, a)
			}
			if subject == "mallory" && s.destinationRows(d.ID) != before {
				t.Errorf("mallory's %s %s changes alice's destination", method, target)
			}
			r.Body = http.NoBody
		}
	})
}

// destinationRows has all that is kept of a destination.
func (s *service) destinationRows(id string) string {
	s.Helper()
	out, err := s.db.Client.Scan(s.Context(), &dynamodb.ScanInput{TableName: &dynamotest.Tables.Destinations})
	if err != nil {
		s.Fatal(err)
	}
	var rows []string
	for _, row := range out.Items {
		text, err := json.Marshal(row)
		if err != nil {
			s.Fatal(err)
		}
		if strings.Contains(string(text), id) {
			rows = append(rows, string(text))
		}
	}
	slices.Sort(rows)
	return strings.Join(rows, "\n")
}

// TestAnOwnerSeesHowFarBehindADestinationIs, topic by topic.
func TestAnOwnerSeesHowFarBehindADestinationIs(t *testing.T) {
	s := newDeliveries(t)
	s.put("a", "i", `{"n":1}`)
	d := s.register("a")
	if one, _ := get[events.Destination](s, 200, "/destinations/"+d.ID); one.Standings[0].Behind != 0 {
		t.Errorf("a new one is %+v", one.Standings)
	}
	for n := range 3 {
		s.put("a", "i", fmt.Sprintf(`{"n":%d}`, n+2))
	}
	if one, _ := get[events.Destination](s, 200, "/destinations/"+d.ID); one.Standings[0].Behind != 3 {
		t.Errorf("after three changes it is %+v", one.Standings)
	}
}

// TestOtherSettingsOfTheSameLengthAreAnotherView: what is owed is looked at again, as after any change of
// what is sent. A filter that is null is none, from the beginning.
func TestOtherSettingsOfTheSameLengthAreAnotherView(t *testing.T) {
	s := newDeliveries(t)
	d := s.register("a", `"fields":["n"]`, `"filter":{"n":[1]}`)
	for _, body := range []string{`{"fields":["m"]}`, `{"filter":{"n":[2]}}`, `{"filter":{"n":[1]},"fields":null}`} {
		s.woken = nil
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPatch, "/destinations/"+d.ID, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != 200 || len(s.woken) != 1 {
			t.Errorf("%s is answered %d %s, and woken is %q", body, w.Code, w.Body, s.woken)
		}
	}
	if d := s.register("b", `"filter":null`, `"fields":null`); d.Filter != nil || d.Fields != nil {
		t.Errorf("without a filter it is %+v", d)
	}
}

// TestADestinationIsChangedAndRenewed: an empty PATCH lets it live on with the present token. Other
// settings begin what is being tried anew, and another URL is challenged. Others stay.
func TestADestinationIsChangedAndRenewed(t *testing.T) {
	s := newDeliveries(t)
	s.feed.Allowance = nil
	d := s.register("a", `"batch":7`, `"filter":{"n":[1]}`)
	patch := func(body string) answer {
		t.Helper()
		return s.send(request{http.MethodPatch, "/destinations/" + d.ID, body, nil})
	}
	stored := func() delivery.Destination {
		t.Helper()
		one, err := s.store.Destination(t.Context(), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		return one
	}
	verify := func() {
		t.Helper()
		if err := s.store.Verify(t.Context(), d.ID, stored().Version, "r", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	verify()
	before := stored()
	s.woken = nil
	if a := patch(`{}`); a.status != 200 || strings.Contains(a.body, "whsec_") {
		t.Errorf("renewing is answered %+v", a)
	}
	renewed := stored()
	if renewed.Version != before.Version+1 || renewed.Expires.Before(before.Expires) || !renewed.Verified || renewed.Batch != 7 || string(renewed.Filter) != `{"n":[1]}` || len(s.woken) != 0 {
		t.Errorf("renewed it is %+v, and woken is %q", renewed, s.woken)
	}
	for body, want := range map[string]string{
		`{"topic":"b"}`:               "topic is not a member",
		`{"url":"http://127.0.0.1/"}`: "url",
		`{"batch":101}`:               "batch",
		`{"format":"xml"}`:            "format",
		`{"filter":{"n":"1"}}`:        "filter",
		`[]`:                          "not a JSON object",
	} {
		if a := patch(body); a.status != 400 || !strings.Contains(a.body, want) {
			t.Errorf("%s is answered %+v", body, a)
		}
	}
	if stored().Version != renewed.Version {
		t.Error("what was refused has changed it")
	}
	if a := patch(`{"format":"cloudevents-batch","filter":null,"fields":["n"]}`); a.status != 200 || len(s.woken) != 1 {
		t.Errorf("changing is answered %+v, and woken is %q", a, s.woken)
	}
	if one := stored(); one.Format != delivery.CloudEvents || one.Filter != nil || !slices.Equal(one.Fields, []string{"n"}) || !one.Verified {
		t.Errorf("changed it is %+v", one)
	}
	if a := patch(`{"url":"https://example.com/other"}`); a.status != 200 || stored().Verified {
		t.Errorf("another URL is answered %+v, and needs no challenge", a)
	}
	verify()
	if err := s.store.Disable(t.Context(), stored(), delivery.Ended); err != nil {
		t.Fatal(err)
	}
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["b"],"actions":["deliver"]}]}`)
	if a := patch(`{}`); a.status != 403 {
		t.Errorf("renewing by a token that does not allow it is answered %+v", a)
	}
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["a"],"actions":["deliver"],"mask":{"omit":["x"]}}]}`)
	if a := patch(`{}`); a.status != 200 || stored().Disabled != "" || !strings.Contains(stored().Grant.String(), "omit") {
		t.Errorf("renewing one that has ended is answered %+v, and it is %+v", a, stored())
	}
}

// TestATokenSaysForHowLongItsDestinationsLive: the one that registers, and then the one that renews.
func TestATokenSaysForHowLongItsDestinationsLive(t *testing.T) {
	s := newDeliveries(t)
	for _, request := range []func(id string) request{
		func(string) request { return request{http.MethodPost, "/destinations", hook("a"), nil} },
		func(id string) request { return request{http.MethodPatch, "/destinations/" + id, "{}", nil} },
	} {
		all, _ := get[events.Destinations](s, 200, "/destinations")
		id := ""
		if len(all.Destinations) > 0 {
			id = all.Destinations[0].ID
		}
		for _, life := range []time.Duration{time.Hour, 100 * 24 * time.Hour} {
			s.viewer.Grant = granted(t, "alice", fmt.Sprintf(`{"v":1,"allow":[{"topics":["**"],"actions":["deliver"]}],"deliverFor":%.0f}`, life.Seconds()))
			from := time.Now().Truncate(time.Second)
			a := s.send(request(id))
			var d events.Destination
			if err := json.Unmarshal([]byte(a.body), &d); err != nil || a.status/100 != 2 {
				t.Fatalf("it is answered %+v, %v", a, err)
			}
			if end := time.Time(d.Expires); end.Before(from.Add(life)) || end.After(time.Now().Add(life)) {
				t.Errorf("with deliverFor %s it is answered %+v", life, a)
			}
		}
	}
}

// TestATestIsAskedForAndShown: the answer names the message, and GET shows what has become of it.
func TestATestIsAskedForAndShown(t *testing.T) {
	s := newDeliveries(t)
	s.feed.Allowance = nil
	d := s.register("a/*")
	path := "/destinations/" + d.ID
	if a := s.ask(http.MethodPost, path+"/test"); a.status != 400 || !strings.Contains(a.body, "challenge") {
		t.Errorf("before its challenge was answered, a test is answered %+v", a)
	}
	if err := s.store.Verify(t.Context(), d.ID, 0, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	s.woken = nil
	a := s.ask(http.MethodPost, path+"/test")
	var asked events.DestinationTest
	if err := json.Unmarshal([]byte(a.body), &asked); err != nil || a.status != http.StatusAccepted || !strings.HasPrefix(asked.ID, "msg_") || time.Time(asked.Asked).IsZero() || strings.Contains(a.body, `"at"`) {
		t.Errorf("a test is answered %+v, %v", a, err)
	}
	at, err := url.Parse("https://api.example/prod" + path + "/test")
	if err != nil {
		t.Fatal(err)
	}
	if at, err = at.Parse(a.header.Get("Location")); err != nil || at.Path != "/prod"+path {
		t.Errorf("Location %q leads to %s, %v", a.header.Get("Location"), at, err)
	}
	if !slices.Equal(s.woken, []string{d.ID + " "}) {
		t.Errorf("woken is %q", s.woken)
	}
	if one, _ := get[events.Destination](s, 200, path); one.Test == nil || *one.Test != asked || len(one.Standings) != 0 {
		t.Errorf("before it is sent, GET gives %+v", one)
	}
	made := delivery.Test{ID: asked.ID, Asked: time.Time(asked.Asked), Result: delivery.Result{At: time.Now(), Status: 503, Error: "HTTP 503"}, Took: 1234 * time.Millisecond}
	other := made
	other.ID = "msg_other"
	for _, result := range []delivery.Test{made, other} {
		if err := s.store.NoteTest(t.Context(), d.ID, result); err != nil {
			t.Fatal(err)
		}
	}
	if one, a := get[events.Destination](s, 200, path); one.Test == nil || one.Test.ID != asked.ID || one.Test.Status != 503 || one.Test.Error != "HTTP 503" || one.Test.Milliseconds != 1234 || time.Time(one.Test.At).IsZero() {
		t.Errorf("after it was sent, GET gives %s", a.body)
	}
	s.handler.destinations.Queue = brokenQueue{}
	if a := s.ask(http.MethodPost, path+"/test"); a.status != 503 {
		t.Errorf("without a queue a test is answered %+v", a)
	}
}

// TestASecretIsShownByGetAndRotatedByPost.
func TestASecretIsShownByGetAndRotatedByPost(t *testing.T) {
	s := newDeliveries(t)
	d := s.register("a")
	path := "/destinations/" + d.ID
	seen := map[string]bool{d.Secret: true}
	for n := range 2 {
		var rotated events.Destination
		a := s.ask(http.MethodPost, path+"/secret")
		if err := json.Unmarshal([]byte(a.body), &rotated); err != nil || a.status != 200 || !strings.HasPrefix(rotated.Secret, "whsec_") || seen[rotated.Secret] || time.Time(rotated.Rotated).IsZero() {
			t.Errorf("rotation %d is answered %+v", n, a)
		}
		seen[rotated.Secret] = true
		for range 2 {
			if one, _ := get[events.Destination](s, 200, path+"/secret"); one.Secret != rotated.Secret || !time.Time(one.Rotated).Equal(time.Time(rotated.Rotated)) {
				t.Errorf("after rotation %d GET gives %+v", n, one)
			}
		}
	}
	if len(s.woken) != 1 {
		t.Errorf("woken is %q", s.woken)
	}
	if a := s.ask(http.MethodGet, path); strings.Contains(a.body, "whsec_") || !strings.Contains(a.body, `"rotated"`) {
		t.Errorf("the destination is shown as %s", a.body)
	}
}

// TestTheVersionOfAShownSecretIsNoted, once, so that messages are signed with it from then on.
func TestTheVersionOfAShownSecretIsNoted(t *testing.T) {
	s := newDeliveries(t)
	d := s.register("a")
	for _, version := range []string{"v1", "v1", "v2"} {
		s.handler.destinations.secret = func(context.Context, delivery.Destination) (string, string, error) {
			return "whsec_" + version, version, nil
		}
		if one, _ := get[events.Destination](s, 200, "/destinations/"+d.ID+"/secret"); one.Secret != "whsec_"+version {
			t.Errorf("the secret is %s", one.Secret)
		}
		if one, err := s.store.Destination(t.Context(), d.ID); err != nil || one.Shown != version {
			t.Errorf("the owner was shown %s, and %q is noted, %v", version, one.Shown, err)
		}
	}
}
