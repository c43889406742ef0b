package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
)

// FuzzRequests sends whole requests through the handler and the store. No request makes the service
// fail. A refusal is a problem with the headers of its code, and each line of a stream is valid.
func FuzzRequests(f *testing.F) {
	for _, seed := range [][6]string{
		{"GET", "/topics/a"}, {"HEAD", "/topics/a?limit=1"}, {"OPTIONS", "/topics/a"}, {"PATCH", "/topics/a"}, {"get", "/topics/a"}, {"GET", "/"},
		{"GET", "/topics/a?after=now&wait=1"}, {"GET", "/topics/a?after=:0&delta=true&fields=n,,n"}, {"GET", "/topics/a?after=:9223372036854775807"}, {"GET", "/topics/%zz"}, {"GET", "/topics/a%00"},
		{"GET", "/topics/a?limit=99999999999999999999"}, {"GET", "/topics/a?filter={%22a%22:[{%22numeric%22:[%22%3E%22,1]}]}"}, {"GET", "/topics/a?view=%0d%0a&after=:0"},
		{"GET", "/topics/a?next=:0~AAAA", "", `W/"a", b, "`}, {"GET", "/topics/a?next=:0~!", "*/*;q=0"}, {"GET", "/topics/a?wait=1&after=:0", "", "", "wait=1;x, wait"},
		{"GET", "/topics/a?topic=b&topic=a", "text/event-stream", "", "a:1,:0~00000000"}, {"GET", "/topics/a?snapshot=true", "text/event-stream"},
		{"GET", "/topics/a?last_event_id=%0aevent:x", "text/event-stream;q=NaN, application/json;q=-1"}, {"GET", "/topics/a?after=:0", "text/event-stream", "", ":1\r\ndata: x"},
		{"POST", "/topics/a", "", "*", "k", `{"id":"i","data":{"n":1}}`}, {"POST", "/topics/a", "", `"x"`, "", `{"items":[{},{"id":1}]}`}, {"POST", "/topics/a", "", "", "", `{"items":null}`},
		{"POST", "/topics/a?id=i", "", "", "", `[]`}, {"DELETE", "/topics/a?id=i"}, {"DELETE", "/topics/a?id=%ff"}, {"DELETE", "/topics/a"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4], seed[5])
	}
	f.Fuzz(func(t *testing.T, method, target, accept, match, said, body string) {
		const hold = 20 * time.Millisecond
		begun := time.Now()
		ctx, cancel := context.WithDeadline(t.Context(), begun.Add(endMargin+hold))
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, method, "https://api.example", strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		if r.URL, err = url.ParseRequestURI(target); err != nil {
			t.Skip() // as API Gateway's event is no request, either
		}
		for name, value := range map[string]string{
			"Accept": accept, "If-None-Match": match, "Last-Event-Id": said, "Prefer": said, "Idempotency-Key": said, "Content-Type": "application/json", "Origin": said,
		} {
			r.Header.Set(name, value)
		}
		s := newService(t)
		s.put("a", "i", `{"n":1}`)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		a := answer{w.Code, w.Result().Header, w.Body.String()}
		switch kind := a.header.Get("Content-Type"); {
		case a.status == 503 && time.Since(begun) > hold: // that much of its time the function had
		case a.status >= 400:
			s.isProblem(method, a)
		case kind == streamType:
			s.isStream(a.body)
		case (a.body == "") != (method == http.MethodHead || slices.Contains([]int{204, 304}, a.status)), a.body != "" && !json.Valid([]byte(a.body)):
			t.Errorf("%s is answered %+v", method, a)
		}
		for name, values := range a.header {
			if strings.ContainsFunc(strings.Join(values, ""), func(r rune) bool { return r < ' ' }) {
				t.Errorf("%s is %q", name, values)
			}
		}
	})
}

// isProblem checks that any client can read a refusal.
func (s *service) isProblem(method string, a answer) {
	s.Helper()
	var p events.Problem
	if err := json.Unmarshal([]byte(a.body), &p); method == http.MethodHead {
		if a.body != "" {
			s.Errorf("HEAD has the body %s", a.body)
		}
	} else if err != nil || p.Status != a.status || p.Code.Status() != a.status || p.Detail == "" || len(a.body) > 2000 {
		s.Errorf("the problem is %d %s, %v", a.status, a.body, err)
	}
	if a.status >= 500 {
		s.Errorf("the client has the service fail: %+v", a)
	}
	for name, want := range map[string]bool{
		"Content-Type": a.header.Get("Content-Type") == events.ProblemType, "Cache-Control": a.header.Get("Cache-Control") == "no-store",
		"Access-Control-Allow-Origin": a.header.Get("Access-Control-Allow-Origin") == "*", "Allow": (a.header.Get("Allow") != "") == (a.status == 405),
		"Retry-After": (a.header.Get("Retry-After") != "") == (a.status == 429), "ETag": a.header.Get("ETag") == "", "Link": a.header.Get("Link") == "",
		"Preference-Applied": a.header.Get("Preference-Applied") == "", cursorHeader: a.header.Get(cursorHeader) == "",
	} {
		if !want {
			s.Errorf("%d has %s %q", a.status, name, a.header.Get(name))
		}
	}
}

// isStream checks that the service writes each line of a stream so.
func (s *service) isStream(body string) {
	s.Helper()
	for line := range strings.Lines(strings.ReplaceAll(body, "\r", "\n")) {
		name, _, found := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		if found && !slices.Contains([]string{"", "retry", "id", "event", "data"}, name) || !found && name != "" {
			s.Errorf("the stream has the line %q", line)
		}
	}
}

// FuzzAsk reads queries. The result is within its bounds, and agrees with the query.
func FuzzAsk(f *testing.F) {
	for _, query := range []string{
		"", "after=:0", "after=abc:12&view=whole&delta=true", "after=:0&view=whole&latest=true", "after=:0&latest=true&delta=true", "after=:01", "limit=1&next=:0~AAAA", "limit=-1", "wait=25&after=:0", "wait=9999999999999999999&after=:0", "wait=3601&after=:0",
		"topic=b&topic=a&topic=b", "topic=b&after=:0", "topic=b&after=:0&after=a:1&view=&view=whole", "after=now", "after=now&after=:0", "topic=a//b", "filter={}", "filter=%ff", "fields=", "fields=a,b", "snapshot=true&last_event_id=x", "snapshot=yes", "a;b", "%zz", "x=1",
		strings.Repeat("topic=b&", 60), manyTopics(60),
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, text string) {
		query, err := url.ParseQuery(text)
		if err != nil {
			t.Skip()
		}
		a, err := parseAsk("a", query)
		if err != nil {
			if wire := (*events.Error)(nil); !asError(err, &wire) || wire.Message == "" || len(wire.Message) > 1000 {
				t.Errorf("%q is refused with %v", text, err)
			}
			return
		}
		if !slices.Equal(afterOf(a), query["after"]) || a.next != query.Get("next") || a.limit < 0 || a.wait < 0 || a.wait > events.MaxWait || len(a.topics) < 1 || len(a.topics) > events.MaxStreamTopics || a.topics[0] != "a" {
			t.Errorf("%q is read as %+v", text, a)
		}
		for i, topic := range a.topics {
			if slices.Index(a.topics, topic) != i || i > 0 && !slices.Contains(query["topic"], string(topic)) {
				t.Errorf("%q is of the topics %q", text, a.topics)
			}
		}
	})
}

// afterOf writes what was read of after.
func afterOf(a ask) (texts []string) {
	if a.now {
		return []string{afterNow}
	}
	for _, cursor := range a.after {
		texts = append(texts, cursor.String())
	}
	return texts
}

func asError(err error, wire **events.Error) bool {
	var ok bool
	*wire, ok = err.(*events.Error)
	return ok
}

// FuzzPrefer reads the header. The wait is within its bounds, and the first valid wait counts
// beside any other preference.
func FuzzPrefer(f *testing.F) {
	for _, header := range []string{"", "wait=5", `wait="5"`, "wait = 5 ; x=y", "WAIT=5, wait=6", "respond-async, wait=100", "wait", "wait=", "wait=-5", "wait=5s", "wait=99999999999999999999", `a="b, wait=3"`, "wait=1,,;"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodGet, "/topics/a", nil)
		r.Header.Set("Prefer", header)
		got := preferredWait(r)
		if got < 0 || got > events.MaxWait {
			t.Errorf("%q waits for %s", header, got)
		}
		r.Header.Add("Prefer", "wait=7")
		if more := preferredWait(r); got > 0 && more != got || more == 0 && !strings.Contains(strings.ToLower(header), "wait") {
			t.Errorf("%q waits for %s, with another wait behind it for %s", header, got, more)
		}
	})
}

// FuzzPath reads paths. An accepted name names the same topic when it is escaped.
func FuzzPath(f *testing.F) {
	for _, name := range []string{"a", "a/b", "a%2Fb", "a%2fb", "", "/", "a//b", "a/../b", "%2e%2e", "a%", "a%zz", "a%00", "a+b", "a b", "@presence/a", "a?b", "a#b", "\u00e9", "%C3%A9", strings.Repeat("a/", 9), strings.Repeat("a", 257)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		read := func(path string) (events.Topic, bool, error) {
			u, err := url.ParseRequestURI(path)
			if err != nil {
				t.Skip()
			}
			return topicOf(&http.Request{Method: http.MethodPost, URL: u})
		}
		topic, found, err := read("/topics/" + name)
		if !found {
			t.Fatalf("%q is no topic's path", name)
		}
		if err != nil {
			if wire := (*events.Error)(nil); !asError(err, &wire) || wire.Message == "" {
				t.Errorf("%q is refused with %v", name, err)
			}
			return
		}
		if _, err := events.ParseTopic(string(topic)); err != nil {
			t.Errorf("%q is taken for %q: %v", name, topic, err)
		}
		if again, _, err := read("/topics/" + url.PathEscape(string(topic))); err != nil || again != topic {
			t.Errorf("%q is %q, but escaped %q, %v", name, topic, again, err)
		}
	})
}
