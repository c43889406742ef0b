package console_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/console"
)

// withDocs serves a folder below another one as the reference.
func withDocs(t *testing.T) (*http.ServeMux, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "docs")
	return serve(func(o *console.Options) {
		o.Docs = dir
		o.About = func() console.About { return console.About{} }
	}), dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReferenceIsThereAsSoonAsItIsMade: without a new start, and the console's page knows of it.
func TestReferenceIsThereAsSoonAsItIsMade(t *testing.T) {
	s, dir := withDocs(t)
	for _, path := range []string{"/docs/", "/docs/openapi.html"} {
		if w := ask(s, "GET", path, ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "make docs") {
			t.Errorf("%s answers %d %q, which does not say how to make it", path, w.Code, w.Body)
		}
	}
	if about := ask(s, "GET", "/_localstack/about", "").Body.String(); !strings.Contains(about, `"docs":false`) {
		t.Errorf("the page shows a link to nothing: %s", about)
	}
	write(t, filepath.Join(dir, "index.html"), "<!doctype html>all")
	write(t, filepath.Join(dir, "schema", "a.schema.json"), "{}")
	write(t, filepath.Join(dir, "openapi.yaml"), string(events.OpenAPI))
	for path, want := range map[string]string{"/docs/": "text/html; charset=utf-8", "/docs/index.html": "text/html; charset=utf-8", "/docs/schema/a.schema.json": "application/json", "/docs/openapi.yaml": "application/yaml"} {
		w := ask(s, "GET", path, "")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != want || w.Body.Len() == 0 {
			t.Errorf("%s answers %d, %q: %s", path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		policy := w.Header().Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "connect-src 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s has the policy %q without %s", path, policy, part)
			}
		}
		if strings.Contains(policy, "http") || strings.Contains(policy, "unsafe-eval") {
			t.Errorf("%s has the policy %q", path, policy)
		}
	}
	if about := ask(s, "GET", "/_localstack/about", "").Body.String(); !strings.Contains(about, `"docs":true`) {
		t.Errorf("the page shows no link: %s", about)
	}
}

// TestReferenceIsNeverStale: pages of contracts that have changed since are not shown, but what to do.
func TestReferenceIsNeverStale(t *testing.T) {
	s, dir := withDocs(t)
	made := map[string][]byte{"openapi.yaml": events.OpenAPI, "asyncapi.yaml": events.AsyncAPI, "schema/watchroute.schema.json": events.Schema}
	write(t, filepath.Join(dir, "index.html"), "<!doctype html>all")
	for name, text := range made {
		write(t, filepath.Join(dir, name), string(text))
	}
	for name, text := range made {
		write(t, filepath.Join(dir, name), string(text)+"\n")
		if w := ask(s, "GET", "/docs/", ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "make docs") {
			t.Errorf("with another %s, /docs/ answers %d %q", name, w.Code, w.Body)
		}
		write(t, filepath.Join(dir, name), string(text))
		if w := ask(s, "GET", "/docs/", ""); w.Code != http.StatusOK {
			t.Errorf("with the same %s, /docs/ answers %d %q", name, w.Code, w.Body)
		}
	}
}

// TestReferenceGivesNothingElseOfTheDisk: neither what is beside the folder, nor other kinds of files in it.
func TestReferenceGivesNothingElseOfTheDisk(t *testing.T) {
	s, dir := withDocs(t)
	write(t, filepath.Join(dir, "index.html"), "<!doctype html>all")
	write(t, filepath.Join(dir, "key.pem"), "hidden")
	beside := filepath.Join(filepath.Dir(dir), "beside.json")
	write(t, beside, "hidden")
	if err := os.Symlink(beside, filepath.Join(dir, "link.json")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/docs/../beside.json", "/docs/%2e%2e/beside.json", "/docs/..%2fbeside.json", "/docs/schema/..%2f..%2fbeside.json", "/docs/link.json", "/docs/key.pem", "/docs/schema", "/docs/none.html", "/docs/" + beside, "/docs/" + strings.ReplaceAll(beside, "/", "%2f")} {
		if w := ask(s, "GET", path, ""); w.Code == http.StatusOK || strings.Contains(w.Body.String(), "hidden") {
			t.Errorf("%s answers %d %q", path, w.Code, w.Body)
		}
	}
}
