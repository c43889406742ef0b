package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/origin"
	"github.com/watchroute/watchroute/shared/watch"
)

// safelisted are headers of an answer that a page can always read, or that are not for it.
//
// Source: https://fetch.spec.whatwg.org/#cors-safelisted-response-header-name
var safelisted = []string{"Cache-Control", "Content-Type", "Content-Length", "Vary", "X-Accel-Buffering"}

// pageReads checks that a page of an allowed origin can read an answer and all its headers, and
// another page nothing of it.
func (s *service) pageReads(what, from string, allowed bool, a answer) {
	s.Helper()
	if got := a.header.Get("Access-Control-Allow-Origin"); (got == from) != allowed || !allowed && got != "" {
		s.Errorf("%s from %s allows %q", what, from, got)
	}
	if a.header.Get("Access-Control-Allow-Credentials") != "" || !strings.Contains(a.header.Get("Vary"), "Origin") {
		s.Errorf("%s has the headers %v", what, a.header)
	}
	exposed := strings.Split(a.header.Get("Access-Control-Expose-Headers"), ", ")
	for name := range a.header {
		is := func(other string) bool { return strings.EqualFold(name, other) }
		if !slices.ContainsFunc(slices.Concat(safelisted, exposed), is) && !strings.HasPrefix(name, "Access-Control-") {
			s.Errorf("%s: a page cannot read the header %s", what, name)
		}
	}
}

// TestPagesReadEveryAnswer: otherwise a page could not tell a refusal from a network failure.
func TestPagesReadEveryAnswer(t *testing.T) {
	const page, evil = "https://app.example", "https://evil.example"
	s := newService(t)
	var err error
	if s.origins, err = origin.ParseList(page); err != nil {
		t.Fatal(err)
	}
	s.put("a", "i", `{"n":1}`)
	s.put("a", "j", `{"n":1}`)
	_, first := get[events.TopicItems](s, 200, "/topics/a")
	at := cursorOf(s, "a")
	const some = `{"v":1,"allow":[{"topics":["a"],"actions":["subscribe","read","publish"]}]}`
	s.viewer.Grant = granted(t, "alice", some)
	s.feed.HoldLimits.Subject = 0
	whoAsks := s.handler.viewer
	for what, c := range map[string]struct {
		method, target string
		header         []string
		refused        error // of the token
		status         int
	}{
		"items":            {"GET", "/topics/a", nil, nil, 200},
		"a page of them":   {"GET", "/topics/a?limit=1", nil, nil, 200},
		"their head":       {"HEAD", "/topics/a", nil, nil, 200},
		"unchanged":        {"GET", "/topics/a", []string{"If-None-Match", first.header.Get("ETag")}, nil, 304},
		"changes":          {"GET", "/topics/a?after=:0", nil, nil, 200},
		"a poll":           {"GET", "/topics/a?wait=9&after=:0", nil, nil, 200},
		"a removal":        {"DELETE", "/topics/a?id=none", nil, nil, 204},
		"a stream":         {"GET", "/topics/a", []string{"Accept", streamType}, nil, 200}, // for which there is no room
		"a poll too many":  {"GET", "/topics/a?wait=9&after=" + at, nil, nil, 429},
		"reset":            {"GET", "/topics/a?after=other:1", nil, nil, 410},
		"a bad request":    {"GET", "/topics/a?x=1", nil, nil, 400},
		"a bad topic":      {"GET", "/topics/a//b", nil, nil, 400},
		"a bad stream":     {"GET", "/topics/a?last_event_id=x", []string{"Accept", streamType}, nil, 400},
		"forbidden":        {"GET", "/topics/b", nil, nil, 403},
		"forbidden stream": {"GET", "/topics/b", []string{"Accept", streamType}, nil, 403},
		"no route":         {"GET", "/b", nil, nil, 404},
		"no method":        {"PUT", "/topics/a", nil, nil, 405},
		"a bad token":      {"GET", "/topics/a", nil, &identity.RefusedError{Why: watch.ErrUnauthorized}, 401},
		"a revoked token":  {"HEAD", "/topics/a", nil, &identity.RefusedError{Why: watch.ErrRevoked}, 403},
		"an internal one":  {"GET", "/topics/a", nil, errors.New("a bug"), 500},
		"a busy service":   {"DELETE", "/topics/a?id=i", nil, fmt.Errorf("read: %w", watch.ErrUnavailable), 503},
		"a preflight":      {"OPTIONS", "/topics/a", nil, errors.New("a preflight has no token"), 204},
	} {
		s.handler.viewer = whoAsks
		if c.refused != nil {
			s.handler.viewer = func(*http.Request) (watch.Viewer, error) { return watch.Viewer{}, c.refused }
		}
		for from, allowed := range map[string]bool{page: true, evil: false} {
			a := s.ask(c.method, c.target, append(c.header, "Origin", from)...)
			if a.status != c.status {
				t.Errorf("%s is answered %+v, want %d", what, a, c.status)
			}
			s.pageReads(what, from, allowed, a)
		}
	}
}

// TestPreflightAllowsWhatClientsSend: it allows each header that changes an answer, beside those
// that need no permission.
func TestPreflightAllowsWhatClientsSend(t *testing.T) {
	s := newService(t)
	a := s.ask(http.MethodOptions, "/topics/a", "Origin", "https://app.example", "Access-Control-Request-Method", "POST")
	allowed := strings.Split(a.header.Get("Access-Control-Allow-Headers"), ", ")
	for _, name := range []string{"Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer"} {
		if !slices.Contains(allowed, name) {
			t.Errorf("%s is not among %q", name, allowed)
		}
	}
	if a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Access-Control-Max-Age") == "" || a.body != "" {
		t.Errorf("answer is %+v", a)
	}
}
