package stack_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/events/exactjson"
)

// asking is a client that makes the request of a WebSocket frame in its own way. Requests to be
// refused are therefore written down once for all ways.
type asking interface {
	// asks gives the answers: none if this way has no such request, and several if it has several.
	asks(frame string) []reply
	mayNotHave(texts ...string)
}

// reply is the answer to a client.
type reply struct {
	how    string // it was asked
	status int    // of HTTP; 0 for a frame
	// code is that of an error, else the type of a frame, or "" for an HTTP answer.
	code string
	text string // all that the client gets, but for the time and the names of the request
}

// is reports whether a reply is a refusal with one of the codes. The answer to a HEAD has no more
// than the code's status.
func (r reply) is(codes ...string) bool {
	return slices.ContainsFunc(codes, func(code string) bool {
		return r.code == code || r.code == "" && r.status >= 400 && r.status == events.Code(code).Status()
	})
}

// ear keeps what a client is told.
type ear struct {
	tb    testing.TB
	heard []string
}

// mayNotHave wants none of the texts in any answer.
func (e *ear) mayNotHave(texts ...string) {
	e.tb.Helper()
	for _, told := range e.heard {
		for _, text := range texts {
			if strings.Contains(told, text) {
				e.tb.Errorf("%q was sent in %s", text, told)
			}
		}
	}
}

// asker is a client of a WebSocket that keeps what it hears.
type asker struct {
	*client
	ear
}

func (s *running) asker(t *testing.T, token string) *asker {
	t.Helper()
	return &asker{client: s.connectWith(t, token), ear: ear{tb: t}}
}

// ask sends a frame and gives the next one that comes, which is to be the answer.
func (a *asker) ask(frame string) []byte {
	a.t.Helper()
	a.send(frame)
	return a.hear()
}

func (a *asker) hear() []byte {
	a.t.Helper()
	frame := a.read()
	a.heard = append(a.heard, string(frame))
	return frame
}

// answer is an error frame's code, another frame's type, and "" for what is not the
// service's: API Gateway's words for a function that failed.
func answer(frame []byte) string {
	var said struct{ Type, Code string }
	_ = json.Unmarshal(frame, &said)
	if said.Type == "error" {
		return said.Code
	}
	return said.Type
}

// asks sends the frame, unless it has a header of HTTP.
func (a *asker) asks(frame string) []reply {
	a.t.Helper()
	if strings.Contains(frame, ifNoneMatch) || strings.Contains(frame, lastEventID) {
		return nil
	}
	got := a.ask(frame)
	return []reply{{how: "WebSocket", code: answer(got), text: string(got)}}
}

// caller asks over HTTP.
type caller struct {
	*running
	ear
	token string
	// sparing asks for a random half of the frames, each in one random way of HTTP. The choice is
	// the same for filled and vacant topics. Without it, all frames are asked in all ways.
	sparing bool
}

func (s *running) caller(t testing.TB, token string) *caller {
	return &caller{running: s, ear: ear{tb: t}, token: token}
}

func (c *caller) asks(frame string) (all []reply) {
	c.tb.Helper()
	requests := requestsFor(frame)
	if c.sparing && len(requests) > 0 {
		i := int(crc32.ChecksumIEEE([]byte(strings.ReplaceAll(frame, filled, vacant))) % uint32(2*len(requests)))
		requests = requests[min(i, len(requests)):min(i+1, len(requests))]
	}
	for _, r := range requests {
		all = append(all, c.call(r))
	}
	return all
}

// call sends one request and reads the answer. A refusal must have the headers that its code
// asks for.
func (c *caller) call(r httpRequest) reply {
	c.tb.Helper()
	a := c.request(c.tb, r.method, r.target, c.token, r.header...)
	got := reply{how: r.String(), status: a.status, text: a.String()}
	c.heard = append(c.heard, got.text)
	var said struct {
		Code    string
		Results []struct{ Error struct{ Code string } }
	}
	_ = json.Unmarshal([]byte(a.body), &said) // a HEAD has no body, and no stream is JSON
	got.code = said.Code
	if len(said.Results) == 1 { // a batch, in which each item has its own answer
		got.code = said.Results[0].Error.Code
	}
	if a.status >= 400 {
		a.refuses(c.tb, r.String())
	}
	return got
}

// String is the whole answer, without the parts of this request alone.
func (a httpAnswer) String() string {
	header := a.header.Clone()
	for _, name := range []string{"Date", "X-Amzn-Requestid", "X-Amz-Apigw-Id", "X-Amzn-Trace-Id"} {
		header.Del(name)
	}
	var text strings.Builder
	fmt.Fprintln(&text, a.status)
	_ = header.Write(&text) // sorted, to a builder
	return text.String() + a.body
}

// refuses wants the headers of a refusal: a page may read it, no cache keeps it, and it names the
// remedy if there is one.
func (a httpAnswer) refuses(t testing.TB, what string) {
	t.Helper()
	for name, want := range map[string]bool{
		"Retry-After":      slices.Contains([]int{429, 500, 503}, a.status),
		"WWW-Authenticate": a.status == 401,
		"Allow":            a.status == 405,
		"ETag":             false,
		"Link":             false,
		cursorHeader:       false,
	} {
		if got := a.header.Get(name); (got != "") != want {
			t.Errorf("%s is answered %d with %s %q", what, a.status, name, got)
		}
	}
	for name, want := range map[string]string{"Content-Type": events.ProblemType, "Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is answered %d with %s %q, want %q", what, a.status, name, got, want)
		}
	}
}

const cursorHeader = "Watchroute-Cursor"

// httpRequest is one over HTTP, for [running.request].
type httpRequest struct {
	method, target string
	header         []string // names and values in turn
}

func (r httpRequest) String() string { return fmt.Sprint(r.method, " ", r.target, " ", r.header) }

// Members of frames that are headers of HTTP. Frames with them are for HTTP alone.
const (
	ifNoneMatch = `"ifNoneMatch"`
	lastEventID = `"lastEventId"`
)

// requestsFor gives the HTTP requests for a frame. There are none for auth, ping and unsubscribe,
// for invalid frames, and for frames without a topic.
func requestsFor(frame string) []httpRequest {
	var f struct {
		events.Request
		IfNoneMatch string `json:"ifNoneMatch"`
		LastEventID string `json:"lastEventId"`
	}
	var raw struct {
		Item json.RawMessage `json:"item"`
	}
	if exactjson.Unmarshal([]byte(frame), &f) != nil || exactjson.Unmarshal([]byte(frame), &raw) != nil {
		return nil
	}
	query := url.Values{}
	put := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	put("filter", string(f.Filter))
	if f.Fields != nil {
		query.Set("fields", strings.Join(f.Fields, ","))
	}
	path := "/topics/" + url.PathEscape(f.Topic)
	target := func() string {
		if len(query) == 0 {
			return path
		}
		return path + "?" + query.Encode()
	}
	switch {
	case f.Topic == "":
	case f.Action == events.ActionSnapshot:
		put("next", f.Next)
		header := []string{"If-None-Match", f.IfNoneMatch}
		return []httpRequest{{"GET", target(), header}, {"HEAD", target(), header}}
	case f.Action == events.ActionSubscribe:
		put("after", f.After)
		put("view", f.View)
		if f.Delta {
			put("delta", "true")
		}
		if f.Snapshot {
			put("snapshot", "true")
		}
		stream := httpRequest{"GET", target(), []string{"Accept", "text/event-stream", "Last-Event-ID", f.LastEventID}}
		query.Del("snapshot")
		query.Set("after", cmp.Or(f.After, ":0"))
		return []httpRequest{stream, {"GET", target(), nil}, {"HEAD", target(), nil}, {"GET", target(), []string{"Prefer", "wait=20"}}}
	case f.Action == events.ActionPublish && f.Op == "" && raw.Item != nil:
		item := string(raw.Item)
		return []httpRequest{{"POST", path + " " + item, nil}, {"POST", path + ` {"items":[` + item + `]}`, nil}}
	case f.Action == events.ActionPublish && f.Op == events.OpRemove && f.Request.Item != nil:
		return []httpRequest{{"DELETE", path + "?id=" + url.QueryEscape(f.Request.Item.ID), nil}}
	}
	return nil
}

// hasUnknownMember reports whether the item of a publish has an unknown member. HTTP always refuses
// it, and a frame may have it.
func hasUnknownMember(frame string) bool {
	var publish struct {
		Item map[string]json.RawMessage `json:"item"`
	}
	_ = json.Unmarshal([]byte(frame), &publish) // or there is none
	for _, known := range []string{"id", "data", "expiresAt"} {
		delete(publish.Item, known)
	}
	return len(publish.Item) > 0
}

// knocks are requests of each kind for a topic that ofAlice grants.
var knocks = []httpRequest{
	{"GET", "", nil}, {"HEAD", "", nil}, {"GET", "", []string{"Accept", "text/event-stream"}}, {"POST", "", nil}, {"DELETE", "", nil}, {"PATCH", "", nil},
}

// knockOverHTTP sends one of the knocks with a token in the query or in headers, and gives the
// status. A refusal of the token must not name the reason.
func (s *running) knockOverHTTP(t *testing.T, which int, query string, header ...string) int {
	t.Helper()
	r := knocks[which%len(knocks)]
	a := s.request(t, r.method, "/topics/users/alice/x"+query, "", append(header, r.header...)...)
	if a.status >= 400 {
		a.refuses(t, r.method)
	}
	if bad := `"code":"bad_token"`; r.method != "HEAD" && strings.Contains(a.body, bad) != (a.status == 401) {
		t.Errorf("%s is answered %s", r.method, a)
	}
	return a.status
}
