package stack_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/watch"
)

// httpAnswer is that of an HTTP request.
type httpAnswer struct {
	status int
	header http.Header
	body   string
}

// request sends a request to the REST API; token may be empty, and header is names and values in
// turn. A target may have a body of JSON behind it, after a space.
func (s *running) request(t testing.TB, method, target, token string, header ...string) httpAnswer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	response := s.begin(ctx, t, method, target, token, header...)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return httpAnswer{response.StatusCode, response.Header, string(body)}
}

// publishOver publishes a body over HTTP, and wants it to be taken.
func (s *running) publishOver(t testing.TB, target, token, body string) httpAnswer {
	t.Helper()
	a := s.request(t, "POST", target+" "+body, token)
	if a.status != 200 {
		t.Fatalf("%s to %s is answered %+v", body, target, a)
	}
	return a
}

// begin does the same as request and leaves the answer's body to be read.
func (s *running) begin(ctx context.Context, t testing.TB, method, target, token string, header ...string) *http.Response {
	t.Helper()
	target, item, _ := strings.Cut(target, " ") // a POST has its body there
	r, err := http.NewRequestWithContext(ctx, method, s.HTTPURL()+target, strings.NewReader(item))
	if err != nil {
		t.Fatal(err)
	}
	if item != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// read decodes the body of an answer, which must have the status.
func read[Body any](t testing.TB, a httpAnswer, status int) (body Body) {
	t.Helper()
	if a.status != status {
		t.Fatalf("answered %d %s, want %d", a.status, a.body, status)
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return body
}

// problem wants an answer to be a problem of that status and code, which pages can read.
func problem(t testing.TB, what string, a httpAnswer, status int, code events.Code) events.Problem {
	t.Helper()
	p := read[events.Problem](t, a, status)
	if p.Code != code || p.Status != status || p.Type != "about:blank" || p.Title != http.StatusText(status) {
		t.Errorf("%s is answered %s, want the code %s", what, a.body, code)
	}
	a.refuses(t, what)
	return p
}

// TestOneCursorOverHTTPAndWebSocket: what a put item becomes is read over both with the same
// number, and who has it is told so.
func TestOneCursorOverHTTPAndWebSocket(t *testing.T) {
	s := start(t, tokensOnly)
	alice := s.token(t, "alice", all, nil)
	watcher := s.connectWith(t, alice)
	watcher.subscribe("stocks/AAPL")
	s.put(t, "stocks/AAPL", "quote", "150.75")
	first := watcher.changes(1)[0]

	a := s.request(t, "GET", "/topics/stocks/AAPL", alice)
	items := read[events.TopicItems](t, a, 200)
	if len(items.Items) != 1 || string(items.Items[0].Data) != string(first.Data) || items.Cursor != first.Cursor().String() {
		t.Errorf("items are %s, the change is %+v", a.body, first)
	}
	tag := a.header.Get("ETag")
	for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "private, no-cache", "Access-Control-Allow-Origin": "*"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if again := s.request(t, "GET", "/topics/stocks/AAPL", alice, "If-None-Match", tag); again.status != 304 || again.body != "" || again.header.Get("ETag") != tag {
		t.Errorf("with the ETag %s the answer is %+v", tag, again)
	}
	if head := s.request(t, "HEAD", "/topics/stocks/AAPL", alice); head.status != 200 || head.body != "" || head.header.Get("ETag") == "" {
		t.Errorf("HEAD is answered %+v", head)
	}

	s.put(t, "stocks/AAPL", "quote", "151")
	second := watcher.changes(1)[0]
	missed := read[events.TopicChanges](t, s.request(t, "GET", "/topics/stocks/AAPL?after="+items.Cursor, alice), 200)
	if len(missed.Changes) != 1 || missed.Changes[0].Cursor() != second.Cursor() || string(missed.Changes[0].Data) != string(second.Data) || missed.Cursor != second.Cursor().String() {
		t.Errorf("changes are %+v, the WebSocket has %+v", missed, second)
	}
	if changed := s.request(t, "GET", "/topics/stocks/AAPL", alice, "If-None-Match", tag); changed.status != 200 {
		t.Errorf("after a change the ETag is answered %d", changed.status)
	}
	ahead := fmt.Sprintf("%s:%d", second.Epoch, second.Seq+1)
	if p := problem(t, "a cursor ahead", s.request(t, "GET", "/topics/stocks/AAPL?after="+ahead, alice), 410, events.CodeReset); p.Reason != events.ResetAhead {
		t.Errorf("the reason is %s", p.Reason)
	}
}

// streamReader reads a stream of Server-Sent Events.
type streamReader struct {
	testing.TB
	lines *bufio.Scanner
}

// stream opens a stream over the real function.
func (s *running) stream(t testing.TB, target, token string, header ...string) streamReader {
	t.Helper()
	response := s.begin(t.Context(), t, "GET", target, token, append(header, "Accept", "text/event-stream")...)
	t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("the stream is answered %d %v", response.StatusCode, response.Header)
	}
	return streamReader{t, bufio.NewScanner(response.Body)}
}

// next reads up to the next changes, and gives them and their id.
func (f streamReader) next() (changes []events.Change, id string) {
	f.Helper()
	for f.lines.Scan() {
		field, value, _ := strings.Cut(f.lines.Text(), ": ")
		switch {
		case field == "id":
			id = value
		case field == "data" && strings.Contains(value, `"type":"changes"`):
			frame, err := events.Decode([]byte(value))
			if err != nil {
				f.Fatal(err)
			}
			return frame.(*events.Changes).Changes, id
		}
	}
	f.Fatalf("the stream has ended: %v", f.lines.Err())
	return nil, ""
}

// TestOneChangeInEveryWay: an item that is posted arrives over a WebSocket, a stream, a long poll
// and a plain GET with the same cursor and the mark that the publisher was told.
func TestOneChangeInEveryWay(t *testing.T) {
	s := start(t, tokensOnly)
	alice := s.token(t, "alice", all, nil)
	s.publishOver(t, "/topics/stocks/AAPL", alice, `{"id":"quote","data":{"price":150.75}}`)
	watcher := s.connectWith(t, alice)
	watcher.subscribe("stocks/AAPL")
	var at string
	eventually(t, "the first change", func() bool {
		at = read[events.TopicItems](t, s.request(t, "GET", "/topics/stocks/AAPL", alice), 200).Cursor
		return strings.HasSuffix(at, ":1")
	})
	stream := s.stream(t, "/topics/stocks/AAPL", alice, "Last-Event-ID", at)
	polled := make(chan httpAnswer)
	go func() {
		polled <- s.request(t, "GET", "/topics/stocks/AAPL?after="+at, alice, "Prefer", "wait=20")
	}()
	var published events.PublishResult
	if err := json.Unmarshal([]byte(s.publishOver(t, "/topics/stocks/AAPL", alice, `{"id":"quote","data":{"price":151}}`).body), &published); err != nil {
		t.Fatal(err)
	}
	told := watcher.changes(1)
	streamed, id := stream.next()
	poll := read[events.TopicChanges](t, <-polled, 200)
	got := read[events.TopicChanges](t, s.request(t, "GET", "/topics/stocks/AAPL?after="+at, alice), 200)
	for way, changes := range map[string][]events.Change{"WebSocket": told, "stream": streamed, "long poll": poll.Changes, "GET": got.Changes} {
		if len(changes) != 1 || changes[0].Seq != 2 || string(changes[0].Data) != `{"price":151}` || changes[0].Mark != published.Mark {
			t.Errorf("%s tells %+v, published is %+v", way, changes, published)
		}
	}
	if id != poll.Cursor || id != got.Cursor || id != told[0].Cursor().String() {
		t.Errorf("cursors are %s, %s, %s and %s", id, poll.Cursor, got.Cursor, told[0].Cursor())
	}
	if a := s.request(t, "DELETE", "/topics/stocks/AAPL?id=quote", alice); a.status != 204 {
		t.Errorf("DELETE is answered %+v", a)
	}
	if changes, _ := stream.next(); len(changes) != 1 || changes[0].Op != events.Removed {
		t.Errorf("then the stream tells %+v", changes)
	}
}

// TestPatternOverHTTP, on the real functions: a stream of a pattern has the changes of existing and
// new topics, and continues after its last event. A GET gives the items below.
func TestPatternOverHTTP(t *testing.T) {
	s := start(t, tokensOnly)
	alice := s.token(t, "alice", all, nil)
	s.publishOver(t, "/topics/stocks/a", alice, `{"id":"quote","data":{"n":1}}`)
	eventually(t, "the first change", func() bool {
		below := read[events.ItemsBelow](t, s.request(t, "GET", "/topics/stocks/*", alice), 200)
		return len(below.Topics) == 1 && len(below.Topics[0].Items) == 1 && strings.HasSuffix(below.Topics[0].Cursor, ":1")
	})
	stream := s.stream(t, "/topics/stocks/*", alice)
	s.publishOver(t, "/topics/stocks/b", alice, `{"id":"quote","data":{"n":2}}`)
	changes, id := stream.next()
	if len(changes) != 1 || changes[0].Topic != "stocks/b" || changes[0].Seq != 1 {
		t.Errorf("of a new topic the stream tells %+v", changes)
	}
	s.publishOver(t, "/topics/stocks/a", alice, `{"id":"quote","data":{"n":3}}`)
	changes, _ = s.stream(t, "/topics/stocks/*", alice, "Last-Event-ID", id).next()
	if len(changes) != 1 || changes[0].Topic != "stocks/a" || string(changes[0].Data) != `{"n":3}` {
		t.Errorf("after %s the stream tells %+v", id, changes)
	}
}

// TestRevokedStreamEndsBeforeItTellsMore, on the real functions.
func TestRevokedStreamEndsBeforeItTellsMore(t *testing.T) {
	s := start(t, tokensOnly)
	alice, ben := s.token(t, "alice", all, nil), s.token(t, "ben", all, nil)
	stream := s.stream(t, "/topics/a", alice)
	s.revoke(t, "alice", watch.AnyToken)
	s.publishOver(t, "/topics/a", ben, `{"id":"i","data":{"hidden":true}}`)
	var all []string
	for stream.lines.Scan() {
		all = append(all, stream.lines.Text())
	}
	text := strings.Join(all, "\n")
	if strings.Contains(text, "hidden") || !strings.Contains(text, `"code":"revoked"`) || stream.lines.Err() != nil {
		t.Errorf("the stream is %s, %v", text, stream.lines.Err())
	}
}

// TestEveryHTTPRefusalIsAProblem, whether the function or API Gateway makes it.
func TestEveryHTTPRefusalIsAProblem(t *testing.T) {
	s := start(t, tokensOnly)
	const some = `{"v":1,"allow":[{"topics":["open/*"],"actions":["subscribe","read"]}]}`
	alice := s.token(t, "alice", some, nil)
	for what, c := range map[string]struct {
		method, target, token string
		status                int
		code                  events.Code
	}{
		"no token":                  {"GET", "/topics/open/a", "", 401, events.CodeBadToken},
		"a bad token":               {"GET", "/topics/open/a", alice + "x", 401, events.CodeBadToken},
		"a topic that is not given": {"GET", "/topics/closed", alice, 403, events.CodeForbidden},
		"its changes":               {"GET", "/topics/closed?after=e:1", alice, 403, events.CodeForbidden},
		"a bad topic":               {"GET", "/topics/open//a", alice, 400, events.CodeBadTopic},
		"an unknown parameter":      {"GET", "/topics/open/a?frm=1", alice, 400, events.CodeBadRequest},
		"what must be escaped":      {"GET", "/topics/open/a?fields=a|b", alice, 400, events.CodeBadRequest},
		"no route":                  {"GET", "/items/a", alice, 404, events.CodeNotFound},
		"no route at all":           {"GET", "/topics", alice, 404, events.CodeNotFound},
		"another method":            {"PATCH", "/topics/open/a", alice, 405, events.CodeMethodNotAllowed},
	} {
		a := s.request(t, c.method, c.target, c.token)
		problem(t, what, a, c.status, c.code)
		if strings.Contains(a.body, alice[:20]) {
			t.Errorf("%s: the answer repeats the token", what)
		}
	}
	if a := s.request(t, "GET", "/topics/open/a?token="+url.QueryEscape(alice), ""); a.status != 200 {
		t.Errorf("with the token in the query the answer is %+v", a)
	}
	if a := s.request(t, "GET", "/topics/open/a", "", "Sec-WebSocket-Protocol", "watchroute.v1, bearer.x"); a.status != 401 {
		t.Errorf("what a page's WebSocket is told inside, HTTP is answered %d", a.status)
	}
	s.revoke(t, "alice", watch.AnyToken)
	problem(t, "a revoked token", s.request(t, "GET", "/topics/open/a", alice), 403, events.CodeRevoked)
}

// TestGatewayFailsWithProblems: what API Gateway answers in place of the function, a client reads
// as it reads the function's answers, and comes again.
func TestGatewayFailsWithProblems(t *testing.T) {
	s := start(t, func(o *stack.Options) {
		o.Template = edited(t, func(resources object) {
			settings := properties(resources, "HttpStage")["MethodSettings"].([]any)[0].(object)
			settings["ThrottlingBurstLimit"], settings["ThrottlingRateLimit"] = 1, 0.0001
			delete(resources, "HttpPermission")
		})
	})
	a := s.request(t, "GET", "/topics/a", "")
	problem(t, "a request for which the function cannot be invoked", a, 503, events.CodeUnavailable)
	a = s.request(t, "GET", "/topics/a", "")
	problem(t, "a request beyond the method's rate", a, 429, events.CodeTooManyRequests)
	if a := s.request(t, "HEAD", "/topics/a", ""); a.status != 503 { // another method has another rate
		t.Errorf("HEAD is answered %d", a.status)
	}
}

// TestPagesOfAllowedOriginsReadAnswers, and no others. A browser asks first, without the token.
func TestPagesOfAllowedOriginsReadAnswers(t *testing.T) {
	const page, evil = "https://app.example", "https://evil.example"
	s := start(t, func(o *stack.Options) {
		tokensOnly(o)
		o.AllowOrigins = []string{page, evil} // of the local stack, which is no part of the service
		o.Template = edited(t, func(resources object) {
			for _, function := range []string{"Authorizer", "Http"} {
				environment(resources, function)["ALLOWED_ORIGINS"] = page
			}
		})
	})
	asked := s.request(t, "OPTIONS", "/topics/a", "", "Origin", page, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization")
	if asked.status != 204 || asked.header.Get("Access-Control-Allow-Origin") != page || !strings.Contains(asked.header.Get("Access-Control-Allow-Headers"), "Authorization") ||
		!strings.Contains(asked.header.Get("Access-Control-Allow-Methods"), "GET") || asked.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("a page's browser is answered %+v", asked)
	}
	alice := s.token(t, "alice", all, nil)
	if a := s.request(t, "GET", "/topics/a", alice, "Origin", page); a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("a page is answered %+v", a)
	}
	if a := s.request(t, "OPTIONS", "/topics/a", "", "Origin", evil); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another page's browser is answered %+v", a)
	}
	problem(t, "another page", s.request(t, "GET", "/topics/a", alice, "Origin", evil), 403, events.CodeForbidden)
}

// TestPublishOverHTTP: who watches over a WebSocket is told what is put and removed over HTTP, if
// the token allows it.
func TestPublishOverHTTP(t *testing.T) {
	s := start(t, tokensOnly)
	const reader = `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read"]}]}`
	alice, ben := s.token(t, "alice", all, nil), s.token(t, "ben", reader, nil)
	watcher := s.connectWith(t, ben)
	watcher.subscribe("a")
	if a := s.request(t, "POST", `/topics/a {"id":"i","data":{"n":1}}`, alice); a.status != 200 {
		t.Fatalf("POST is answered %+v", a)
	}
	if got := watcher.changes(1)[0]; got.Op != events.Added || got.ID != "i" || string(got.Data) != `{"n":1}` {
		t.Errorf("change is %+v", got)
	}
	problem(t, "a token that may only read", s.request(t, "POST", `/topics/a {"id":"i","data":{"n":2}}`, ben), 403, events.CodeForbidden)
	problem(t, "a token that may only read", s.request(t, "DELETE", "/topics/a?id=i", ben), 403, events.CodeForbidden)
	if a := s.request(t, "DELETE", "/topics/a?id=i", alice); a.status != 204 {
		t.Fatalf("DELETE is answered %+v", a)
	}
	if got := watcher.changes(1)[0]; got.Op != events.Removed || got.ID != "i" {
		t.Errorf("change is %+v", got)
	}
}

// useHTTP lets the HTTP function do each thing that it can do, in a stack where an answer has two
// items and a stream is held for some seconds.
func (s *running) useHTTP(t *testing.T) {
	t.Helper()
	token := s.token(t, "frank", all, nil)
	for n := range 4 {
		read[events.PublishResult](t, s.request(t, "POST", fmt.Sprintf(`/topics/http {"id":"%d","data":{}}`, n), token), 200)
	}
	if a := s.request(t, "DELETE", "/topics/http?id=0", token); a.status != 204 {
		t.Errorf("DELETE is answered %+v", a)
	}
	var page events.TopicItems
	eventually(t, "a page and another", func() bool {
		page = read[events.TopicItems](t, s.request(t, "GET", "/topics/http", token), 200)
		return page.Next != "" && page.Cursor != ":0"
	})
	read[events.TopicItems](t, s.request(t, "GET", "/topics/http?next="+url.QueryEscape(page.Next), token), 200)
	eventually(t, "the changes", func() bool {
		return len(read[events.TopicChanges](t, s.request(t, "GET", "/topics/http?after=:0", token), 200).Changes) == 5
	})
	stream := s.begin(t.Context(), t, "GET", "/topics/http?after=:0", token, "Accept", "text/event-stream")
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "event: changes") {
			s.put(t, "http", "live", "1")
		}
		if strings.Contains(lines.Text(), `"id":"live"`) {
			return // the function goes on until the stream's time is over
		}
	}
	t.Errorf("the stream has ended: %v", lines.Err())
}
