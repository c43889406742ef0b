package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
)

// post publishes a body.
func (s *service) post(target, body string, header ...string) answer {
	s.Helper()
	r := httptest.NewRequestWithContext(s.Context(), http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return answer{w.Code, w.Result().Header, w.Body.String()}
}

func TestPostPutsAnItem(t *testing.T) {
	s := newService(t)
	a := s.post("/topics/a", `{"id":"i","data":{"n":12345678901234567890,"t":"<&>"}}`)
	if a.status != 200 || !strings.Contains(a.body, `"id":"i","mark":"`) {
		t.Fatalf("answer is %+v", a)
	}
	if _, a := get[events.TopicItems](s, 200, "/topics/a"); !strings.Contains(a.body, `{"id":"i","data":{"n":12345678901234567890,"t":"<&>"}}`) {
		t.Errorf("items are %s", a.body)
	}
	var first, second events.PublishResult
	for _, result := range []*events.PublishResult{&first, &second} {
		if err := json.Unmarshal([]byte(s.post("/topics/b", `{"data":{}}`).body), result); err != nil {
			t.Fatal(err)
		}
	}
	if first.ID == "" || first.ID >= second.ID {
		t.Errorf("ids are %q and %q", first.ID, second.ID)
	}
	if a := s.ask(http.MethodDelete, "/topics/a?id=i"); a.status != 204 {
		t.Errorf("DELETE is answered %+v", a)
	}
	if items, _ := get[events.TopicItems](s, 200, "/topics/a"); len(items.Items) != 0 {
		t.Errorf("items are %v", items)
	}
}

// TestBatchIsAnsweredItemByItem: one that is refused does not keep the others.
func TestBatchIsAnsweredItemByItem(t *testing.T) {
	s := newService(t)
	a := s.post("/topics/a", `{"items":[{"id":"1","data":{}},{"id":"2","data":{"topic":"x"}},{"id":"3"}]}`)
	var results events.PublishResults
	if err := json.Unmarshal([]byte(a.body), &results); err != nil || a.status != 200 {
		t.Fatalf("answer is %+v, %v", a, err)
	}
	var got []string
	for _, r := range results.Results {
		code := "put"
		if r.Error != nil {
			code = fmt.Sprint(r.Error.Code, " ", r.Error.Status)
		}
		got = append(got, r.ID+" "+code)
	}
	if fmt.Sprint(got) != "[1 put 2 bad_item 400 3 put]" {
		t.Errorf("results are %q", got)
	}
	if items, _ := get[events.TopicItems](s, 200, "/topics/a"); fmt.Sprint(ids(items.Items)) != "[1 3]" {
		t.Errorf("items are %v", ids(items.Items))
	}
}

// TestOnlyNewItems: a history is appended to, and nothing in it is replaced.
func TestOnlyNewItems(t *testing.T) {
	s := newService(t)
	for name, expires := range map[string]string{"with expiresAt": `,"expiresAt":` + fmt.Sprint(time.Now().Add(time.Hour).Unix()), "without": ""} {
		topic := "/topics/" + strings.ReplaceAll(name, " ", "-")
		body := `{"id":"i","data":{"n":%d}` + expires + `}`
		if a := s.post(topic, fmt.Sprintf(body, 1), "If-None-Match", "*"); a.status != 200 {
			t.Errorf("%s: the first is answered %+v", name, a)
		}
		if a := s.post(topic, fmt.Sprintf(body, 2), "If-None-Match", "*"); a.status != 412 || !strings.Contains(a.body, `"exists"`) {
			t.Errorf("%s: the second is answered %+v", name, a)
		}
		if _, a := get[events.TopicItems](s, 200, topic); !strings.Contains(a.body, `{"n":1}`) {
			t.Errorf("%s: items are %s", name, a.body)
		}
		if a := s.post(topic, fmt.Sprintf(body, 3)); a.status != 200 {
			t.Errorf("%s: without the condition: %+v", name, a)
		}
	}
	if a := s.post("/topics/late", `{"id":"i","data":{"n":1},"expiresAt":`+fmt.Sprint(time.Now().Unix()+1)+`}`); a.status != 200 {
		t.Fatalf("answer is %+v", a)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if a := s.post("/topics/late", `{"id":"i","data":{"n":2}}`, "If-None-Match", "*"); a.status == 200 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("one that has expired is in the way: %+v", a)
		}
	}
}

// TestRepeatedPostChangesNothing: the key names the publication, whoever has answered it.
func TestRepeatedPostChangesNothing(t *testing.T) {
	s := newService(t)
	const body = `{"id":"i","data":{"n":1}}`
	first := s.post("/topics/a", body, "Idempotency-Key", "k1")
	_, writes := s.db.Units()
	again := s.post("/topics/a", body, "Idempotency-Key", "k1", "If-None-Match", "*")
	if first.status != 200 || again.status != 200 || first.body != again.body {
		t.Errorf("answers are %+v and %+v", first, again)
	}
	if _, now := s.db.Units(); now > writes+1 { // for the condition that failed
		t.Errorf("the repetition wrote %v units", now-writes)
	}
	if other := s.post("/topics/a", body, "Idempotency-Key", "k2"); other.body == first.body {
		t.Errorf("another publication has the same mark: %s", other.body)
	}
}

// TestKeyThatWouldNameTwoPublications: both would have one mark. A repetition would put the first
// one again over the second.
func TestKeyThatWouldNameTwoPublications(t *testing.T) {
	s := newService(t)
	const twice = `{"items":[{"id":"i","data":{"n":1}},{"id":"j"},{"id":"i","data":{"n":2}}]}`
	if a := s.post("/topics/a", twice, "Idempotency-Key", "k"); a.status != 400 || !strings.Contains(a.body, "twice") {
		t.Errorf("with a key: answered %d %s", a.status, a.body)
	}
	if a := s.post("/topics/a", twice); a.status != 200 {
		t.Errorf("without a key, when the last one counts: answered %d %s", a.status, a.body)
	}
	if _, a := get[events.TopicItems](s, 200, "/topics/a"); !strings.Contains(a.body, `{"n":2}`) {
		t.Errorf("items are %s", a.body)
	}
	if a := s.post("/topics/a", `{"items":[{"data":{}},{"data":{}}]}`); a.status != 200 {
		t.Errorf("without ids: answered %d %s", a.status, a.body)
	}
}

func TestPostsThatAreRefused(t *testing.T) {
	s := newService(t)
	large := `{"id":"i","data":{"x":"` + strings.Repeat("x", maxBodyBytes) + `"}}`
	for name, c := range map[string]struct {
		body string
		want events.Code
	}{
		"no JSON":                                {`{`, events.CodeBadJSON},
		"a list":                                 {`[]`, events.CodeBadJSON},
		"null":                                   {`null`, events.CodeBadJSON},
		"an id of a number":                      {`{"id":1}`, events.CodeBadRequest},
		"data is a list":                         {`{"id":"i","data":[]}`, events.CodeBadItem},
		"half a character":                       {`{"id":"i","data":{"x":"\ud800"}}`, events.CodeBadItem},
		"an empty list":                          {`{"items":[]}`, events.CodeBadRequest},
		"both":                                   {`{"id":"i","items":[{"id":"j"}]}`, events.CodeBadRequest},
		"no list":                                {`{"items":null}`, events.CodeBadRequest},
		"nothing in a list":                      {`{"items":[null,{"id":"j"}]}`, events.CodeBadJSON},
		"both, of which one would be lost":       {`{"expiresAt":5000000000,"items":[{"id":"j"}]}`, events.CodeBadRequest},
		"misspelt data":                          {`{"id":"i","Data":{"x":1}}`, events.CodeBadRequest},
		"misspelt in a list":                     {`{"items":[{"id":"i"},{"id":"j","dta":{"x":1}}]}`, events.CodeBadRequest},
		"an item of a snapshot without its data": {`{"id":"i","large":true}`, events.CodeBadRequest},
		"too many":                               {`{"items":[` + strings.Repeat(`{},`, 25) + `{}]}`, events.CodeBadRequest},
		"too large":                              {large, events.CodeTooLarge},
		"expired":                                {`{"id":"i","expiresAt":1}`, events.CodeBadItem},
		"reserved attribute":                     {`{"id":"i","data":{"expiresAt":5}}`, events.CodeBadItem},
		"the index's":                            {`{"id":"i","data":{"unsplit":"x"}}`, events.CodeBadItem},
	} {
		a := s.post("/topics/a", c.body)
		var problem events.Problem
		if err := json.Unmarshal([]byte(a.body), &problem); err != nil || problem.Code != c.want || a.status != c.want.Status() {
			t.Errorf("%s is answered %d %.200s, want %s", name, a.status, a.body, c.want)
		}
	}
	if items, _ := get[events.TopicItems](s, 200, "/topics/a"); len(items.Items) > 0 {
		t.Errorf("a refused body has put %v", items.Items)
	}
	if a := s.post("/topics/a", `{"data":{}}`, "Idempotency-Key", "k"); a.status != 400 || !strings.Contains(a.body, "id") {
		t.Errorf("a key for an item without an id is answered %+v", a)
	}
	if a := s.post("/topics/a", `{"id":"i"}`, "Content-Type", "text/plain"); a.status != 415 || a.header.Get("Accept") != "application/json" {
		t.Errorf("another content type, which a page may send without asking, is answered %+v", a)
	}
	if a := s.post("/topics/a?id=i", `{"data":{}}`); a.status != 400 || !strings.Contains(a.body, "a POST takes no parameters") {
		t.Errorf("an id in the URL, which would be another one, is answered %+v", a)
	}
	if a := s.post("/topics/a", `{"id":"i"}`, "Content-Encoding", "gzip"); a.status != 415 || a.header.Get("Accept-Encoding") != "identity" {
		t.Errorf("a body that is said to be compressed is answered %+v", a)
	}
	for _, target := range []string{"/topics/a", "/topics/a?id=", "/topics/a?id=i&id=j", "/topics/a?id=i&x=1"} {
		if a := s.ask(http.MethodDelete, target); a.status != 400 {
			t.Errorf("DELETE %s is answered %+v", target, a)
		}
	}
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["a"],"actions":["read"]}]}`)
	if a := s.post("/topics/a", `{"id":"i"}`); a.status != 403 {
		t.Errorf("without the grant: %+v", a)
	}
	if a := s.ask(http.MethodDelete, "/topics/a?id=i"); a.status != 403 {
		t.Errorf("DELETE without the grant: %+v", a)
	}
}
