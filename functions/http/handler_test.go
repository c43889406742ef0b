package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/origin"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/watch"
)

// recordStream is that of the Events table.
const recordStream watch.Stream = "arn:aws:dynamodb:us-east-1:000000000000:table/Events/stream/2026-11-24T00:42:12.345"

// service is a handler on tables of its own, asked by somebody who may read and watch all.
type service struct {
	*testing.T
	handler
	feed   watch.Feed
	db     *dynamotest.Database
	store  *dynamo.Store
	viewer watch.Viewer
	writes int
	woken  []string // the messages of the queue of deliveries, as destination and topic
}

func newService(t *testing.T) *service {
	t.Helper()
	return newServiceOn(t, dynamotest.Start(t))
}

func newServiceOn(t *testing.T, db *dynamotest.Database) *service {
	t.Helper()
	s := &service{T: t, db: db, store: db.Store()}
	s.viewer = watch.Viewer{Key: watch.Key{Subject: "alice"}, Access: watch.Access{Grant: granted(t, "alice", everything)}}
	s.feed = watch.Feed{
		Topics: watch.Topics{
			Store: s.store, Sealer: seal.Fixed(make([]byte, seal.MinSecretBytes)),
			Allowance: watch.NewAllowance(s.store, 1<<30),
		},
		Stands: s.store, Revocations: s.store, Holds: s.store, HoldLimits: watch.HoldLimits{Subject: 6, Total: 80},
	}
	of, err := describedBy(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.handler = handler{
		contracts: &contracts{of: of},
		topics:    &s.feed, streamTime: time.Minute, readPause: readPause,
		viewer:       func(*http.Request) (watch.Viewer, error) { return s.viewer, nil },
		logger:       slog.New(slog.DiscardHandler),
		destinations: s.newDestinations(),
	}
	return s
}

const everything = `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read","publish"]}]}`

func granted(t *testing.T, subject, claim string) grant.Grant {
	t.Helper()
	g, err := grant.Parse([]byte(claim), subject)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// put writes an item and numbers the change.
func (s *service) put(topic events.Topic, id, data string) {
	s.Helper()
	if err := s.store.Put(s.Context(), watch.Publication{Topic: topic, Item: events.Item{ID: id, Data: json.RawMessage(data)}}); err != nil {
		s.Fatal(err)
	}
	s.writes++
	write := watch.Write{Topic: topic, ID: id, Op: events.Added, Time: time.Now(), Data: json.RawMessage(data), Position: watch.Position(fmt.Sprint(s.writes))}
	if _, err := (watch.Numberer{Log: s.store}).Number(s.Context(), recordStream, []watch.Write{write}); err != nil {
		s.Fatal(err)
	}
}

// answer is what a request is answered with.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; header is names and values in turn.
func (s *service) ask(method, target string, header ...string) answer {
	s.Helper()
	r := httptest.NewRequestWithContext(s.Context(), method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return answer{w.Code, w.Result().Header, w.Body.String()}
}

// get decodes the answer to a GET, which must have the status.
func get[Body any](s *service, status int, target string, header ...string) (body Body, a answer) {
	s.Helper()
	a = s.ask(http.MethodGet, target, header...)
	if a.status != status {
		s.Fatalf("%s is answered %d %s, want %d", target, a.status, a.body, status)
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		s.Fatalf("%s is answered %q: %v", target, a.body, err)
	}
	return body, a
}

func TestItemsAndThenChanges(t *testing.T) {
	s := newService(t)
	s.put("stocks/AAPL", "quote", `{"price":150.75}`)
	s.put("stocks/AAPL", "note", `{"text":"<&>"}`)
	items, a := get[events.TopicItems](s, 200, "/topics/stocks/AAPL")
	if got := fmt.Sprintf("%s %v", items.Topic, ids(items.Items)); got != "stocks/AAPL [note quote]" || items.Next != "" || !strings.Contains(a.body, `{"text":"<&>"}`) {
		t.Errorf("answer is %s", a.body)
	}
	for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "private, no-cache", "Access-Control-Allow-Origin": "*"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	none, _ := get[events.TopicChanges](s, 200, "/topics/stocks/AAPL?after="+items.Cursor)
	if len(none.Changes) != 0 || none.Cursor != items.Cursor || none.More {
		t.Errorf("nothing has changed: %+v", none)
	}
	s.put("stocks/AAPL", "quote", `{"price":151}`)
	missed, _ := get[events.TopicChanges](s, 200, "/topics/stocks/AAPL?after="+items.Cursor)
	if len(missed.Changes) != 1 || missed.Changes[0].Seq != 3 || string(missed.Changes[0].Data) != `{"price":151}` || missed.Cursor != missed.Changes[0].Cursor().String() {
		t.Errorf("changes are %+v", missed)
	}
}

func ids(items []events.Item) (all []string) {
	for _, item := range items {
		all = append(all, item.ID)
	}
	return all
}

// TestUnchangedCostsOneRead: who has the page learns so from the topic's head.
func TestUnchangedCostsOneRead(t *testing.T) {
	s := newService(t)
	for i := range 40 {
		s.put("a", fmt.Sprint(i), `{"x":"`+strings.Repeat("x", 4000)+`"}`)
	}
	_, a := get[events.TopicItems](s, 200, "/topics/a")
	tag := a.header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) {
		t.Fatalf("ETag is %s", tag)
	}
	reads, writes := s.db.Units()
	for _, header := range []string{tag, `"other", ` + tag, strings.TrimPrefix(tag, "W/")} {
		if got := s.ask(http.MethodGet, "/topics/a", "If-None-Match", header); got.status != 304 || got.body != "" || got.header.Get("ETag") != tag {
			t.Errorf("If-None-Match %s is answered %+v", header, got)
		}
	}
	readsNow, writesNow := s.db.Units()
	if readsNow-reads != 3 || writesNow != writes {
		t.Errorf("three answers cost %v read and %v write units, want 3 and 0", readsNow-reads, writesNow-writes)
	}
	for target, why := range map[string]string{
		"/topics/a?limit=3": "another page", "/topics/a?fields=y": "another view", "/topics/b": "another topic",
	} {
		if got := s.ask(http.MethodGet, target, "If-None-Match", tag); got.status != 200 {
			t.Errorf("%s is answered %d", why, got.status)
		}
	}
	other := s.viewer
	s.viewer.Subject = "ben"
	if got := s.ask(http.MethodGet, "/topics/a", "If-None-Match", tag); got.status != 200 {
		t.Errorf("another subject is answered %d", got.status)
	}
	s.viewer = other
	s.put("a", "0", `{"x":1}`)
	if got := s.ask(http.MethodGet, "/topics/a", "If-None-Match", tag); got.status != 200 || got.header.Get("ETag") == tag {
		t.Errorf("after a change: %d with ETag %s", got.status, got.header.Get("ETag"))
	}
}

// TestAnyVersionWillDo: a client that wants no answer if anything exists gets none. If it may not
// even know that, it is refused.
func TestAnyVersionWillDo(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{"n":1}`)
	for _, target := range []string{"/topics/a", "/topics/a/**", "/topics/a?after=:0"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if got := s.ask(method, target, "If-None-Match", " * "); got.status != 304 || got.body != "" || target == "/topics/a" && got.header.Get("ETag") == "" {
				t.Errorf("%s %s is answered %+v", method, target, got)
			}
		}
	}
	if got := s.ask(http.MethodGet, "/topics/a?after=other:1", "If-None-Match", "*"); got.status != 410 {
		t.Errorf("changes that cannot be told are answered %+v", got)
	}
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["b"],"actions":["read"]}]}`)
	for _, target := range []string{"/topics/a", "/topics/a/**", "/topics/a?after=:0"} {
		if got := s.ask(http.MethodGet, target, "If-None-Match", "*"); got.status != 403 {
			t.Errorf("without the grant %s is answered %+v", target, got)
		}
	}
}

// TestExpiryEndsAVersion: an item that expires is gone from the page, though there is no change
// before DynamoDB deletes it.
func TestExpiryEndsAVersion(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{"n":1}`)
	expire := func(at time.Time) {
		_, err := s.db.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Events, Item: map[string]types.AttributeValue{
			"topic": &types.AttributeValueMemberS{Value: "a"}, "id": &types.AttributeValueMemberS{Value: "i"},
			"expiresAt": &types.AttributeValueMemberN{Value: fmt.Sprint(at.Unix())},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	expire(time.Now().Add(time.Hour))
	_, a := get[events.TopicItems](s, 200, "/topics/a")
	if got := s.ask(http.MethodGet, "/topics/a", "If-None-Match", a.header.Get("ETag")); got.status != 304 {
		t.Errorf("an hour before it expires: %d", got.status)
	}
	expire(time.Now().Add(2 * time.Second))
	_, a = get[events.TopicItems](s, 200, "/topics/a")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		got := s.ask(http.MethodGet, "/topics/a", "If-None-Match", a.header.Get("ETag"))
		if got.status == 200 && !strings.Contains(got.body, `"i"`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a minute later the answer is %+v", got)
		}
	}
}

func TestPagesLeadToEachOther(t *testing.T) {
	s := newService(t)
	for i := range 7 {
		s.put("a", fmt.Sprint(i), `{}`)
	}
	var got []string
	target := "/topics/a?limit=3"
	for pages := 1; target != ""; pages++ {
		page, a := get[events.TopicItems](s, 200, target)
		got = append(got, ids(page.Items)...)
		target = ""
		if link := a.header.Get("Link"); link != "" {
			target = "/topics/a" + strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
		}
		if (page.Next != "") != (target != "") || pages > 4 {
			t.Fatalf("page %d: %+v, Link %s", pages, page, target)
		}
	}
	if fmt.Sprint(got) != "[0 1 2 3 4 5 6]" {
		t.Errorf("items are %v", got)
	}
}

// TestWhatCannotBeToldIsGone: the client reads the items anew, and knows why.
func TestWhatCannotBeToldIsGone(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{}`)
	s.put("a", "i", `{"n":1}`)
	items, _ := get[events.TopicItems](s, 200, "/topics/a")
	epoch, _, _ := strings.Cut(items.Cursor, ":")
	for query, reason := range map[string]events.ResetReason{
		"after=" + epoch + ":3":                    events.ResetAhead,
		"after=other:1":                            events.ResetEpoch,
		"after=" + items.Cursor + "&view=1a2b3c4d": events.ResetView,
	} {
		problem, a := get[events.Problem](s, 410, "/topics/a?"+query)
		if problem.Code != events.CodeReset || problem.Reason != reason || a.header.Get("Content-Type") != events.ProblemType {
			t.Errorf("%s: %s", query, a.body)
		}
	}
	if _, a := get[events.TopicChanges](s, 200, "/topics/a?view=whole&after="+items.Cursor); a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers are %v", a.header)
	}
}

// TestGrantsHold: what a token does not allow is refused in the same words whether it is there
// or not, and what it hides is not there.
func TestGrantsHold(t *testing.T) {
	s := newService(t)
	s.put("secret/a", "i", `{"n":1}`)
	s.put("open", "i", `{"n":1,"pin":2}`)
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["open"],"actions":["read","subscribe"],"mask":{"omit":["pin"]}}]}`)
	for _, query := range []string{"", "?after=e:0"} {
		there, missing := s.ask(http.MethodGet, "/topics/secret/a"+query), s.ask(http.MethodGet, "/topics/secret/b"+query)
		if there.status != 403 || there.body != missing.body || there.status != missing.status || fmt.Sprint(there.header) != fmt.Sprint(missing.header) {
			t.Errorf("there: %+v\nmissing: %+v", there, missing)
		}
	}
	for _, query := range []string{"", "?after=:0"} {
		if a := s.ask(http.MethodGet, "/topics/open"+query); a.status != 200 || strings.Contains(a.body, "pin") || !strings.Contains(a.body, `"n":1`) || !strings.Contains(a.body, `"view":"`) {
			t.Errorf("%s: %+v", query, a)
		}
	}
}

// TestAfterNow gives a topic's current cursor, even to a client that may not read its items.
func TestAfterNow(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{"n":1}`)
	s.put("a", "i", `{"n":2}`)
	at := cursorOf(s, "a")
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["a","b"],"actions":["subscribe"]}]}`)
	if now, _ := get[events.TopicChanges](s, 200, "/topics/a?after=now"); now.Cursor != at || len(now.Changes) != 0 || now.More {
		t.Errorf("of a: %+v, want %s", now, at)
	}
	if now, _ := get[events.TopicChanges](s, 200, "/topics/b?after=now"); now.Cursor != ":0" {
		t.Errorf("of a topic that never changed: %+v", now)
	}
	get[events.Problem](s, 403, "/topics/c?after=now")
	answered := s.polls("now")
	s.put("a", "i", `{"n":3}`)
	if a := <-answered; a.status != 200 || !strings.Contains(a.body, `"seq":3`) {
		t.Errorf("waited: %+v", a)
	}
}

func TestBadRequestsAreProblems(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{}`)
	for target, want := range map[string]struct {
		status int
		code   events.Code
	}{
		"/topics/a//b":           {400, events.CodeBadTopic},
		"/topics/":               {400, events.CodeBadTopic},
		"/topics/a%2Fb":          {200, ""},
		"/topics/a%20b":          {400, events.CodeBadTopic},
		"/topics/a?after=5":      {400, events.CodeBadCursor},
		"/topics/a?after=":       {400, events.CodeBadCursor},
		"/topics/a?next=x":       {400, events.CodeBadCursor},
		"/topics/a?next=":        {400, events.CodeBadRequest},
		"/topics/a?filter=":      {400, events.CodeBadRequest},
		"/topics/a?limit=":       {400, events.CodeBadRequest},
		"/topics/a?limit=0":      {400, events.CodeBadRequest},
		"/topics/a?limit=x":      {400, events.CodeBadRequest},
		"/topics/a?delta=maybe":  {400, events.CodeBadRequest},
		"/topics/a?latest=maybe": {400, events.CodeBadRequest},
		"/topics/a?latest=":      {400, events.CodeBadRequest},

		"/topics/a?after=:0&latest=true&delta=true": {400, events.CodeBadRequest},
		"/topics/a?wait=5":                          {400, events.CodeBadRequest},
		"/topics/a?after=:0&limit=5":                {400, events.CodeBadRequest},
		"/topics/a?filter={":                        {400, events.CodeBadRequest},
		"/topics/a?filter=5":                        {400, events.CodeBadRequest},
		"/topics/a?fields=":                         {400, events.CodeBadRequest},
		"/topics/a?after=:0&after=:1":               {400, events.CodeBadRequest},
		"/topics/a?after=now&next=x":                {400, events.CodeBadRequest},
		"/topics/a?topic=b":                         {400, events.CodeBadRequest},
		"/topics/a?snapshot=true":                   {400, events.CodeBadRequest},
		"/topics/a?last_event_id=:0":                {400, events.CodeBadRequest},
		"/topics/a?waitt=5":                         {400, events.CodeBadRequest},
		"/":                                         {404, events.CodeNotFound},
		"/topic/a":                                  {404, events.CodeNotFound},
		"/topics/a?" + url.Values{"next": {"e:1~" + strings.Repeat("x", 3000)}}.Encode(): {400, events.CodeBadCursor},
	} {
		a := s.ask(http.MethodGet, target)
		var problem events.Problem
		_ = json.Unmarshal([]byte(a.body), &problem) // or there is no code
		if a.status != want.status || problem.Code != want.code || want.code != "" && (problem.Status != a.status || problem.Title == "" || problem.Type != "about:blank") {
			t.Errorf("%.60s is answered %d %s, want %d %s", target, a.status, a.body, want.status, want.code)
		}
	}
}

func TestMethods(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{}`)
	if a := s.ask(http.MethodHead, "/topics/a"); a.status != 200 || a.body != "" || a.header.Get("ETag") == "" {
		t.Errorf("HEAD is answered %+v", a)
	}
	if a := s.ask(http.MethodPatch, "/topics/a"); a.status != 405 || a.header.Get("Allow") != "GET, HEAD, POST, DELETE, OPTIONS" {
		t.Errorf("PATCH is answered %+v", a)
	}
	for _, target := range []string{"/topics/a", "/topics/a//b", "/topic/a", "/"} { // or a page could not read the error
		if a := s.ask(http.MethodOptions, target, "Origin", "https://app.example"); a.status != 204 || a.header.Get("Access-Control-Allow-Methods") != "GET, HEAD, POST, DELETE, OPTIONS" {
			t.Errorf("OPTIONS of %s is answered %+v", target, a)
		}
	}
}

// TestHeadIsAGetWithoutItsBody: HEAD has the same status and headers, except values that are sealed
// anew each time. It makes the same calls of DynamoDB.
func TestHeadIsAGetWithoutItsBody(t *testing.T) {
	s := newService(t)
	s.feed.Allowance = nil // it draws when enough is owed, for any request
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["a","b"],"actions":["read","subscribe"]}]}`)
	s.put("a", "i", `{"n":1}`)
	s.put("a", "j", `{"n":1}`)
	page, a := get[events.TopicItems](s, 200, "/topics/a?limit=1")
	tag := a.header.Get("ETag")
	for target, status := range map[string]int{
		"/topics/a": 200, "/topics/a?limit=1": 304, "/topics/a?limit=2": 200, "/topics/b": 200, "/topics/a?next=" + url.QueryEscape(page.Next): 200,
		"/topics/a?after=:0": 200, "/topics/a?after=" + page.Cursor: 200, "/topics/a?after=now": 200, "/topics/a?after=x:1": 410,
		"/topics/a?after=x": 400, "/topics/a?limit=x": 400, "/topics/a?next=x": 400, "/topics/a//b": 400, "/topics/c": 403, "/topics/c?after=:0": 403, "/c": 404,
	} {
		got, cost := s.costing(http.MethodGet, target, "If-None-Match", tag)
		head, headCost := s.costing(http.MethodHead, target, "If-None-Match", tag)
		for _, name := range []string{"ETag", "Link"} {
			if len(got.header.Get(name)) != len(head.header.Get(name)) {
				t.Errorf("%s: %s is %q, of HEAD %q", target, name, got.header.Get(name), head.header.Get(name))
			}
			got.header.Del(name)
			head.header.Del(name)
		}
		if got.status != status || head.status != status || head.body != "" || !reflect.DeepEqual(got.header, head.header) || !reflect.DeepEqual(cost, headCost) {
			t.Errorf("%s is answered\n%+v for %+v, and HEAD\n%+v for %+v", target, got, cost, head, headCost)
		}
	}
}

// TestHeadOfAStreamSaysWhetherThereMayBeOne: an ended EventSource does not say that. The HEAD holds
// nothing.
func TestHeadOfAStreamSaysWhetherThereMayBeOne(t *testing.T) {
	s := newService(t)
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["a"],"actions":["read","subscribe"]}]}`)
	s.db.Engine.ResetUsage()
	for target, status := range map[string]int{
		"/topics/a?snapshot=true": 200, "/topics/a?last_event_id=x:1": 200, "/topics/a?topic=b": 403, "/topics/b": 403, "/topics/a?last_event_id=x": 400,
	} {
		a := s.ask(http.MethodHead, target, "Accept", streamType)
		if a.status != status || a.body != "" || status == 200 && a.header.Get("Content-Type") != streamType {
			t.Errorf("%s is answered %+v", target, a)
		}
	}
	if used := s.db.Engine.Usage().Tables; len(used) != 0 {
		t.Errorf("they cost %+v", used)
	}
}

// TestPagesOfOtherOriginsCannotRead: the browser keeps from them what is answered.
func TestPagesOfOtherOriginsCannotRead(t *testing.T) {
	s := newService(t)
	var err error
	if s.origins, err = origin.ParseList("https://app.example"); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{"https://app.example": "https://app.example", "https://evil.example": "", "null": "", "": ""} {
		for _, method := range []string{http.MethodGet, http.MethodOptions} {
			a := s.ask(method, "/topics/a", "Origin", from)
			if got := a.header.Get("Access-Control-Allow-Origin"); got != want || !strings.Contains(a.header.Get("Vary"), "Origin") {
				t.Errorf("%s from %q: allowed is %q, Vary %q", method, from, got, a.header.Get("Vary"))
			}
		}
	}
}

// TestWhoMayNotAsk: a refusal that the authorizer has left to the function is told.
func TestWhoMayNotAsk(t *testing.T) {
	s := newService(t)
	for code, why := range map[events.Code]error{
		events.CodeBadToken: &identity.RefusedError{Why: watch.ErrUnauthorized},
		events.CodeRevoked:  &identity.RefusedError{Why: watch.ErrRevoked},
		events.CodeInternal: fmt.Errorf("event has no authorizer's context"),
	} {
		s.handler.viewer = func(*http.Request) (watch.Viewer, error) { return watch.Viewer{}, why }
		problem, a := get[events.Problem](s, code.Status(), "/topics/a")
		if problem.Code != code || strings.Contains(a.body, "context") || (a.header.Get("WWW-Authenticate") != "") != (a.status == 401) {
			t.Errorf("%v is answered %s %v", why, a.body, a.header)
		}
	}
}
