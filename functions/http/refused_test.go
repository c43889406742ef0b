package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/watch"
)

// request is one whole request to a topic.
type request struct {
	method, query, body string
	header              []string // names and values in turn
}

func (r request) String() string {
	return fmt.Sprintf("%s ?%s %q %s", r.method, r.query, r.header, r.body)
}

// demand sends a request to a topic.
func (s *service) demand(topic string, r request) answer {
	s.Helper()
	target := "/topics/" + topic
	if r.query != "" {
		target += "?" + r.query
	}
	asked := httptest.NewRequestWithContext(s.Context(), r.method, target, strings.NewReader(r.body))
	if r.body != "" {
		asked.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(r.header); i += 2 {
		asked.Header.Add(r.header[i], r.header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, asked)
	return answer{w.Code, w.Result().Header, w.Body.String()}
}

// everyRequest makes all requests about a topic, with values that were given to another client: a
// cursor, which is also the id of a stream, an ETag and the next of a page.
func everyRequest(cursor, etag, next string) (all []request) {
	stream, ahead := []string{"Accept", "text/event-stream"}, "aaaaaaaa:9"
	if cursor != ":0" {
		ahead = cursor + "9"
	}
	for _, tag := range []string{"", etag, "*", `"x", ` + etag} {
		for _, query := range []string{"", "limit=1", "next=" + next, "fields=n", `filter={"n":[1]}`} {
			for _, method := range []string{"GET", "HEAD"} {
				all = append(all, request{method, query, "", []string{"If-None-Match", tag}})
			}
		}
	}
	for _, after := range []string{cursor, cursor[:len(cursor)-1] + "0", ":0", ahead, "aaaaaaaa:1", "now"} {
		for _, query := range []string{"after=" + after, "view=whole&after=" + after, "view=1a2b3c4d&delta=true&after=" + after} {
			all = append(all, request{"GET", query, "", nil}, request{"HEAD", query, "", nil}, request{"GET", query, "", []string{"Prefer", "wait=20"}},
				request{"GET", query, "", stream})
		}
		all = append(all, request{"GET", "", "", append([]string{"Last-Event-ID", after}, stream...)}, request{"GET", "topic=open&last_event_id=" + after + "," + after + "~00000000", "", stream})
	}
	for _, query := range []string{"", "snapshot=true", "topic=open", "snapshot=true&topic=open"} {
		all = append(all, request{"GET", query, "", stream})
	}
	const item = `{"id":"i","data":{"n":2}}`
	for _, body := range []string{item, `{"items":[` + item + `,{"id":"new"}]}`} {
		for _, header := range [][]string{nil, {"If-None-Match", "*"}, {"Idempotency-Key", "k"}} {
			all = append(all, request{"POST", "", body, header})
		}
	}
	return append(all, request{"DELETE", "id=i", "", nil}, request{"DELETE", "id=none", "", nil})
}

// TestRefusedTopicIsTheSameInEveryState: a client that may not do something with a topic gets the
// same bytes in every state of the topic. The calls of DynamoDB, which determine the time, are the
// same too, and none of them reads a topic. The same holds if the token allows only some actions on
// the topic.
func TestRefusedTopicIsTheSameInEveryState(t *testing.T) {
	s := newService(t)
	s.feed.Allowance = nil // it draws when enough is owed, for any request
	s.put("secret/some", "i", `{"n":1}`)
	for n := range 5 {
		s.put("secret/many", fmt.Sprint(n), `{"n":1}`)
	}
	s.put("secret/anew", "i", `{"n":1}`)
	write := watch.Write{Topic: "secret/anew", ID: "i", Op: events.Removed, Time: time.Now(), Data: []byte(`{"n":1}`), Position: "1"}
	if _, err := (watch.Numberer{Log: s.store}).Number(t.Context(), recordStream+"9", []watch.Write{write}); err != nil {
		t.Fatal(err)
	}
	if err := s.store.Put(t.Context(), watch.Publication{Topic: "secret/item", Item: events.Item{ID: "i", Data: []byte(`{"n":1}`)}}); err != nil {
		t.Fatal(err) // it has no change yet
	}
	states := []string{"some", "many", "anew", "item"}
	stolen := map[string][]request{}
	for _, state := range states {
		page, a := get[events.TopicItems](s, 200, "/topics/secret/"+state+"?limit=1")
		stolen[state] = everyRequest(page.Cursor, a.header.Get("ETag"), page.Next)
	}
	for name, c := range map[string]struct {
		actions string // of the topic
		refused func(request) bool
	}{
		"nothing": {``, func(request) bool { return true }},
		"read": {`"read"`, func(r request) bool {
			return r.method == "POST" || r.method == "DELETE" || strings.Contains(r.query, "after") || streams(r)
		}},
		"subscribe": {`"subscribe"`, func(r request) bool {
			return r.method == "POST" || r.method == "DELETE" || strings.Contains(r.query, "snapshot") || !strings.Contains(r.query, "after") && !streams(r)
		}},
		"publish": {`"publish"`, func(r request) bool { return r.method != "POST" && r.method != "DELETE" }},
	} {
		rule := `{"topics":["secret/*"],"actions":[` + c.actions + `]}`
		if c.actions == "" {
			rule = `{"topics":["secret/*/x"],"actions":["read"]}`
		}
		s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[`+rule+`,{"topics":["open"],"actions":["read","subscribe","publish"]}]}`)
		n := 0
		for _, state := range states {
			for _, r := range stolen[state] {
				if !c.refused(r) {
					continue
				}
				n++
				s.db.Engine.ResetUsage()
				full := s.demand("secret/"+state, r)
				cost := s.db.Engine.Usage()
				s.db.Engine.ResetUsage()
				none := s.demand("secret/none", r)
				if !strings.Contains(full.body, `"code":"forbidden"`) && !(r.method == "HEAD" && full.status == 403) {
					t.Errorf("%s of %s with %s is answered %+v", r, state, name, full)
				}
				full.body = strings.ReplaceAll(full.body, "secret/"+state, "secret/none") // the client has named it
				if !reflect.DeepEqual(full, none) {
					t.Errorf("%s with %s is answered\n%+v for %s, and for nothing\n%+v", r, name, full, state, none)
				}
				if other := s.db.Engine.Usage(); !reflect.DeepEqual(cost, other) || len(other.Tables) > 0 {
					t.Errorf("%s with %s costs %+v for %s, and for nothing %+v", r, name, cost, state, other)
				}
			}
		}
		if n < 30 {
			t.Errorf("%d requests are refused with %s", n, name)
		}
	}
}

func streams(r request) bool { return strings.Contains(fmt.Sprint(r.header), "event-stream") }

// TestStreamThatCannotBeNeedsNoHold: a client that may hold no more streams comes again and again.
// A lasting error must be refused for good even then.
func TestStreamThatCannotBeNeedsNoHold(t *testing.T) {
	s := newService(t)
	s.feed.HoldLimits.Subject = 0
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["a"],"actions":["subscribe"]}]}`)
	for target, want := range map[string]int{
		"/topics/b": 403, "/topics/a?topic=b": 403, "/topics/a?snapshot=true": 403, "/topics/a?last_event_id=x": 400, "/topics/a?filter=[]": 400, "/topics/a": 200,
	} {
		if got := s.ask(http.MethodGet, target, "Accept", "text/event-stream"); got.status != want {
			t.Errorf("%s is answered %+v, want %d", target, got, want)
		}
	}
}

// TestRefusedTopicOfSeveralIsNamed, as the client has to leave it out.
func TestRefusedTopicOfSeveralIsNamed(t *testing.T) {
	s := newService(t)
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["a","b"],"actions":["subscribe"]}]}`)
	for target, want := range map[string]events.Problem{
		"/topics/a?topic=b&topic=c":    {Code: events.CodeForbidden, Topic: "c"},
		"/topics/c?topic=a":            {Code: events.CodeForbidden, Topic: "c"},
		"/topics/a?topic=b&topic=b//x": {Code: events.CodeBadTopic, Topic: "b//x"},
		"/topics/a?snapshot=true":      {Code: events.CodeForbidden, Topic: "a"},
		"/topics/a?topic=b&topic=b\nx": {Code: events.CodeBadTopic, Topic: "b\nx"},
	} {
		target := strings.ReplaceAll(target, "\n", "%0A")
		got, a := get[events.Problem](s, want.Code.Status(), target, "Accept", "text/event-stream")
		if got.Code != want.Code || got.Topic != want.Topic {
			t.Errorf("%s is answered %s, want %s of %q", target, a.body, want.Code, want.Topic)
		}
	}
}

// revoke takes back alice's token t1.
func (s *service) revoke() {
	s.Helper()
	_, err := s.db.Client.PutItem(s.Context(), &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Revocations, Item: map[string]types.AttributeValue{
		"subject": &types.AttributeValueMemberS{Value: "alice"}, "tokenId": &types.AttributeValueMemberS{Value: "t1"},
	}})
	if err != nil {
		s.Fatal(err)
	}
}

// TestRevokedPollIsToldNothingMore: neither new changes, nor that there are none.
func TestRevokedPollIsToldNothingMore(t *testing.T) {
	for name, after := range map[string]func(*service){
		"a change":    func(s *service) { s.put("a", "i", `{"hidden":true}`) },
		"no change":   func(*service) {},
		"another one": func(s *service) { s.put("b", "i", `{}`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			s.viewer.TokenID, s.viewer.Issued = "t1", time.Now().Add(-time.Minute)
			s.put("a", "i", `{}`)
			at := cursorOf(s, "a")
			held := make(chan bool)
			s.feed.Holds = holding{s.store, held}
			answered := make(chan answer)
			go func() { answered <- s.ask(http.MethodGet, "/topics/a?wait=2&after="+at) }()
			<-held
			s.revoke()
			after(s)
			if a := <-answered; a.status != 403 || !strings.Contains(a.body, `"code":"revoked"`) || a.header.Get(cursorHeader) != "" {
				t.Errorf("answer is %+v", a)
			}
		})
	}
}

// holding tells when a hold is taken.
type holding struct {
	watch.Holds
	held chan bool
}

func (h holding) Hold(ctx context.Context, key watch.Key, until time.Time, limits watch.HoldLimits) (watch.Hold, error) {
	defer close(h.held)
	return h.Holds.Hold(ctx, key, until, limits)
}

// TestRefusalHasNothingOfAnAnswer: a refusal has no ETag, no next page and no applied preference,
// even if the error comes late. It is always a problem.
func TestRefusalHasNothingOfAnAnswer(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{}`)
	s.put("a", "j", `{}`)
	at := cursorOf(s, "a")
	s.feed.HoldLimits.Subject = 0
	poll := s.ask(http.MethodGet, "/topics/a?wait=5&after="+at)
	s.feed.Store = broken{s.feed.Store}
	page := s.ask(http.MethodGet, "/topics/a?limit=1")
	for name, c := range map[string]struct {
		answer
		status int
	}{"a poll that is not held": {poll, 429}, "a page that is no JSON": {page, 500}} {
		if c.status != c.answer.status {
			t.Errorf("%s is answered %+v, want %d", name, c.answer, c.status)
		}
		for _, header := range []string{"ETag", "Link", "Preference-Applied", cursorHeader} {
			if got := c.header.Get(header); got != "" {
				t.Errorf("%s has %s %q", name, header, got)
			}
		}
		if c.header.Get("Content-Type") != events.ProblemType || c.header.Get("Cache-Control") != "no-store" || !strings.Contains(c.body, `"code":`) {
			t.Errorf("%s is answered %+v", name, c.answer)
		}
	}
}

// broken reads data that is no JSON.
type broken struct{ watch.TopicStore }

func (b broken) Page(ctx context.Context, topic events.Topic, after string, limit int) ([]watch.Row, string, error) {
	rows, next, err := b.TopicStore.Page(ctx, topic, after, limit)
	for i := range rows {
		rows[i].Item.Data = []byte(`{`)
	}
	return rows, next, err
}
