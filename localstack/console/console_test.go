package console_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/watchroute/watchroute/localstack/console"
	"github.com/watchroute/watchroute/localstack/fault"
)

var secret = []byte("of 32 bytes at least, by RFC 7518")

// serve gives the console with changed options.
func serve(change func(*console.Options)) *http.ServeMux {
	o := console.Options{
		Examples: map[string]fs.FS{"chat": fstest.MapFS{"index.html": {Data: []byte("<!doctype html>")}, "chat.js": {Data: []byte("1")}, "main.go": {Data: []byte("package main")}}},
		Ready:    func() bool { return true },
		Cut:      func(string) bool { return true }, ResetUsed: func() {}, Faults: fault.New(nil, 7),
		Secret: func(context.Context) ([]byte, error) { return secret, nil },
	}
	if change != nil {
		change(&o)
	}
	mux := http.NewServeMux()
	console.Routes(mux, o)
	return mux
}

// ask sends a request to the stack at localhost:4566.
func ask(handler http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost:4566"+path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// post sends JSON as a page of the stack does.
func post(handler http.Handler, path, body string) *httptest.ResponseRecorder {
	return ask(handler, http.MethodPost, path, body, "Content-Type", "application/json", "Origin", "http://localhost:4566")
}

// problem is why something is refused.
func problem(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var answer struct{ Error string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Error == "" {
		t.Errorf("status %d says %q, no error", w.Code, w.Body)
	}
	return answer.Error
}

func TestFilesOfPages(t *testing.T) {
	s := serve(nil)
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/_localstack/console/": "text/html; charset=utf-8",
		"/browser/watchroute.js": "text/javascript; charset=utf-8", "/browser/store.js": "text/javascript; charset=utf-8", "/browser/watchroute.d.ts": "text/plain; charset=utf-8",
		"/examples/chat/": "text/html; charset=utf-8", "/examples/chat/chat.js": "text/javascript; charset=utf-8",
	} {
		w := ask(s, http.MethodGet, path, "")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != kind || w.Body.Len() == 0 {
			t.Errorf("%s is answered %d, %s, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
		tag := w.Header().Get("ETag")
		if again := ask(s, http.MethodGet, path, "", "If-None-Match", tag); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s with the ETag %s is answered %d", path, tag, again.Code)
		}
	}
	for _, path := range []string{"/browser/", "/browser/files.go", "/browser/nothing.js", "/browser/%2e%2e/console.go", "/examples/chat/main.go", "/_localstack/console/nothing.js"} {
		if w := ask(s, http.MethodGet, path, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s is answered %d", path, w.Code)
		}
	}
}

// TestPagesMayDoLittle: what is not found may do no more.
func TestPagesMayDoLittle(t *testing.T) {
	for _, path := range []string{"/", "/browser/watchroute.js", "/examples/chat/", "/examples/chat/nothing.js"} {
		h := ask(serve(nil), http.MethodGet, path, "").Header()
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self' ws://localhost:4566;", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("the policy of %s is %s, without %s", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s has %v", path, h)
		}
	}
}

// TestHostIsNotWrittenIntoThePolicy unless it is one.
func TestHostIsNotWrittenIntoThePolicy(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = "x; script-src *"
	w := httptest.NewRecorder()
	serve(nil).ServeHTTP(w, r)
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "connect-src 'self';") || strings.Contains(policy, "*") {
		t.Errorf("the policy is %s", policy)
	}
}

// changing are the paths that change something, with a body that each takes.
var changing = map[string]string{
	"/_localstack/token":  `{"sub":"ada","claim":{"v":1,"allow":[{"topics":["rooms/*"],"actions":["subscribe","read","publish"]}]}}`,
	"/_localstack/cut":    `{"connection":"c"}`,
	"/_localstack/costs":  `{"reset":true}`,
	"/_localstack/faults": `{"rates":{"kill":0}}`,
}

func TestOnlyTheStacksOwnPagesChangeSomething(t *testing.T) {
	s := serve(nil)
	const own, form = "http://localhost:4566", "application/x-www-form-urlencoded"
	for path, body := range changing {
		if w := post(s, path, body); w.Code != http.StatusOK {
			t.Errorf("%s is answered %d, %s", path, w.Code, w.Body)
		}
		for _, c := range []struct {
			method string
			header []string
			status int
			want   string
		}{
			{"DELETE", nil, 405, "DELETE changes nothing here: POST a JSON object"},
			{"PUT", []string{"Content-Type", "application/json", "Origin", own}, 405, "PUT changes"},
			{"POST", []string{"Origin", own}, 415, `the Content-Type is "": send application/json`},
			{"POST", []string{"Origin", own, "Content-Type", form}, 415, form},
			{"POST", []string{"Origin", own, "Content-Type", "multipart/form-data; boundary=x"}, 415, "send application/json"},
			{"POST", []string{"Origin", own, "Content-Type", "text/plain"}, 415, "send application/json"},
			{"POST", []string{"Origin", own, "Content-Type", "text/plain; x=application/json"}, 415, "send application/json"},
			{"POST", []string{"Content-Type", "application/json"}, 403, "there is no Origin: send the header Origin: " + own},
			{"POST", []string{"Content-Type", "application/json", "Origin", ""}, 403, "only pages of " + own},
			{"POST", []string{"Content-Type", "application/json", "Origin", "null"}, 403, `the Origin is "null"`},
			{"POST", []string{"Content-Type", "application/json", "Origin", "https://evil.example"}, 403, "only pages of " + own},
			{"POST", []string{"Content-Type", "application/json", "Origin", "http://localhost:3000"}, 403, "only pages of " + own},
			{"POST", []string{"Content-Type", "application/json", "Origin", "http://127.0.0.1:4566"}, 403, "only pages of " + own},
			{"POST", []string{"Content-Type", "application/json", "Origin", "https://localhost:4566"}, 403, "only pages of " + own},
			{"POST", []string{"Content-Type", "application/json", "Origin", own, "Origin", "https://evil.example"}, 403, "Origin"},
		} {
			w := ask(s, c.method, path, body, c.header...)
			if got := problem(t, w); w.Code != c.status || !strings.Contains(got, c.want) {
				t.Errorf("%s %s with %q is answered %d, %s; want %d, %s", c.method, path, c.header, w.Code, got, c.status, c.want)
			}
			if c.status == http.StatusMethodNotAllowed && w.Header().Get("Allow") != "POST" {
				t.Errorf("%s allows %q", path, w.Header().Get("Allow"))
			}
		}
	}
}

// TestGETsOfWhatOnlyChanges are refused; of what is shown as well, a GET shows it.
func TestGETsOfWhatOnlyChanges(t *testing.T) {
	for _, path := range []string{"/_localstack/token", "/_localstack/cut"} {
		if w := ask(serve(nil), "GET", path, ""); w.Code != http.StatusMethodNotAllowed || !strings.Contains(problem(t, w), "GET changes nothing here") {
			t.Errorf("GET %s is answered %d", path, w.Code)
		}
	}
}

func TestBodiesThatCannotBeRead(t *testing.T) {
	s := serve(nil)
	for path, body := range changing {
		for text, want := range map[string]int{
			"": 400, "[]": 400, "{": 400, `{"unknown":1}`: 400, body + "{}": 400, body + "}": 400, `{"sub":` + strings.Repeat(" ", 64<<10): 413,
		} {
			w := post(s, path, text)
			if got := problem(t, w); w.Code != want {
				t.Errorf("%s with %.40q is answered %d, %s, want %d", path, text, w.Code, got, want)
			} else if strings.Contains(got, "console.") || strings.Contains(got, "Go ") {
				t.Errorf("%s with %.40q is told of types of Go: %s", path, text, got)
			}
		}
	}
}

func TestNothingChangesBeforeTheStackIsUp(t *testing.T) {
	s := serve(func(o *console.Options) { o.Ready = func() bool { return false } })
	for path, body := range changing {
		if w := post(s, path, body); w.Code != http.StatusServiceUnavailable || problem(t, w) != "the stack is starting" {
			t.Errorf("%s is answered %d, %s", path, w.Code, w.Body)
		}
	}
	if w := ask(s, http.MethodGet, "/", ""); w.Code != http.StatusOK {
		t.Errorf("the page is answered %d", w.Code)
	}
}
