package stack_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tmaxmax/go-sse"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/needs"
)

// Foreign clients of Server-Sent Events: npm's eventsource in Node, Chromium's own EventSource in a
// page, and github.com/tmaxmax/go-sse.

// The states of an EventSource.
const (
	connecting = 0
	closed     = 2
)

// heard is what a source reports to its user.
type heard struct {
	Source         int
	Type, ID, Data string
	State          int // after it
}

// source is one EventSource, with what it has heard.
type source struct {
	number int
	client string

	mu    sync.Mutex
	heard []heard
}

func (s *source) hear(h heard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, h)
}

func (s *source) all() []heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard[:len(s.heard):len(s.heard)]
}

// count gives how often it has heard a match.
func (s *source) count(matches func(heard) bool) (n int) {
	for _, h := range s.all() {
		if matches(h) {
			n++
		}
	}
	return n
}

func named(name string) func(heard) bool { return func(h heard) bool { return h.Type == name } }

// lost matches an error after which an EventSource comes again by itself.
func lost(h heard) bool { return h.Type == "error" && h.Data == "" && h.State == connecting }

// ended matches the last error.
func ended(h heard) bool { return h.Type == "error" && h.State == closed }

// await waits until it has heard n of what matches.
func (s *source) await(t testing.TB, what string, n int, matches func(heard) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); s.count(matches) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: no %s within %s, but %+v", s.client, what, patience, s.all())
		}
	}
}

// changes gives those that it has heard, in order.
func (s *source) changes(t testing.TB) (changes []events.Change) {
	t.Helper()
	for _, h := range s.all() {
		if h.Type != "changes" {
			continue
		}
		frame, err := events.Decode([]byte(h.Data))
		if err != nil {
			t.Fatalf("%s: %v: %s", s.client, err, h.Data)
		}
		changes = append(changes, frame.(*events.Changes).Changes...)
	}
	return changes
}

// hasEach waits for the change last. It wants each change from first on, once and in order.
func (s *source) hasEach(t testing.TB, first, last int64) {
	t.Helper()
	s.await(t, fmt.Sprintf("change %d", last), 1, func(h heard) bool {
		return h.Type == "changes" && strings.Contains(h.Data, fmt.Sprintf(`"seq":%d,`, last))
	})
	var seqs, want []int64
	for _, change := range s.changes(t) {
		seqs = append(seqs, change.Seq)
	}
	for n := first; n <= last; n++ {
		want = append(want, n)
	}
	if fmt.Sprint(seqs) != fmt.Sprint(want) {
		t.Errorf("%s has heard the changes %d, want %d: %+v", s.client, seqs, want, s.all())
	}
}

// eventSources are programs that open EventSources.
type eventSources interface {
	open(url string) *source
	String() string // the client and its version
}

// goSSE opens them with github.com/tmaxmax/go-sse.
type goSSE struct{ t *testing.T }

func (goSSE) String() string { return "github.com/tmaxmax/go-sse" }

func (g goSSE) open(url string) *source {
	s := &source{client: g.String()}
	request, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	client := sse.Client{
		ResponseValidator: func(r *http.Response) error {
			err := sse.DefaultValidator(r)
			if err == nil {
				s.hear(heard{Type: "open"})
			}
			return err
		},
		OnRetry: func(error, time.Duration) { s.hear(heard{Type: "error", State: connecting}) },
	}
	connection := client.NewConnection(request)
	connection.Buffer(nil, 1<<20) // its default is half of our longest event
	connection.SubscribeToAll(func(e sse.Event) {
		if e.Type != "" { // it calls a retry an event, too
			s.hear(heard{Type: e.Type, ID: e.LastEventID, Data: e.Data, State: 1})
		}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := connection.Connect(); !errors.Is(err, context.Canceled) {
			s.hear(heard{Type: "error", State: closed})
		}
	}()
	g.t.Cleanup(func() { <-done })
	return s
}

// page is a program that runs testdata/eventsource.mjs.
type page struct {
	t       *testing.T
	client  string
	split   bool // each source gets a host name of its own
	home    *httptest.Server
	command chan any

	mu      sync.Mutex
	sources []*source
	tokens  []func() string // for the wrapper, by source
}

func newPage(t *testing.T, client string) *page {
	p := &page{t: t, client: client, command: make(chan any, 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><script type="module" src="eventsource.mjs"></script>`))
	})
	mux.HandleFunc("GET /eventsource.mjs", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, own+"/eventsource.mjs") })
	mux.HandleFunc("GET /next", p.next)
	mux.HandleFunc("GET /token", p.token)
	mux.HandleFunc("POST /heard", p.hear)
	p.home = httptest.NewServer(mux)
	t.Cleanup(func() { p.home.CloseClientConnections(); p.home.Close() })
	return p
}

func (p *page) String() string { return p.client }

// next gives the page the next command when there is one.
func (p *page) next(w http.ResponseWriter, r *http.Request) {
	select {
	case command := <-p.command:
		_ = json.NewEncoder(w).Encode(command)
	case <-r.Context().Done():
	}
}

func (p *page) hear(_ http.ResponseWriter, r *http.Request) {
	var h heard
	if err := json.NewDecoder(r.Body).Decode(&h); err != nil {
		p.t.Errorf("%s: %v", p.client, err)
		return
	}
	p.mu.Lock()
	of := p.sources[h.Source]
	p.mu.Unlock()
	of.hear(h)
}

// token gives a token to a wrapper.
func (p *page) token(w http.ResponseWriter, r *http.Request) {
	var of int
	if _, err := fmt.Sscan(r.FormValue("source"), &of); err != nil {
		p.t.Errorf("%s: %v", p.client, err)
		return
	}
	p.mu.Lock()
	token := p.tokens[of]
	p.mu.Unlock()
	_, _ = w.Write([]byte(token()))
}

func (p *page) open(url string) *source { return p.run(url, "", nil) }

// wrap opens a source with the README's wrapper; url is the service's.
func (p *page) wrap(url, wrapper string, token func() string) *source {
	return p.run(url, wrapper+"\nopen()", token)
}

func (p *page) run(url, wrapper string, token func() string) *source {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &source{number: len(p.sources), client: p.client}
	p.sources, p.tokens = append(p.sources, s), append(p.tokens, token)
	if p.split {
		url = strings.Replace(url, "127.0.0.1", fmt.Sprintf("s%d.localhost", s.number), 1)
	}
	p.command <- map[string]any{"source": s.number, "url": url, "wrapper": wrapper}
	return s
}

// execute runs the program that runs the page, until the test ends.
func (p *page) execute(name string, arguments ...string) {
	p.t.Helper()
	var said output
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, name, arguments...)
	command.Stdout, command.Stderr, command.WaitDelay = &said, &said, time.Second
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Debian's Chromium is a script that does not end its browser
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		cancel()
		_ = command.Wait() // it was killed
		if p.t.Failed() {
			p.t.Logf("%s said:\n%s", p.client, said.String())
		}
	})
}

// output is what a program writes.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// npmFolder is where the Makefile installs the packages of npm that tests run.
const npmFolder = root + "/.build/npm"

// nodePage runs npm's eventsource. If that is not installed, a subtest says so.
func nodePage(t *testing.T) *page {
	t.Helper()
	folder, err := filepath.Abs(npmFolder)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(folder + "/node_modules/eventsource/package.json")
	if err == nil {
		_, err = exec.LookPath("node")
	}
	if err != nil {
		t.Run("npm's eventsource", func(t *testing.T) { needs.Missing(t, "`make npm` installs it, where there is Node 20: ", err) })
		return nil
	}
	var about struct{ Version string }
	if err := json.Unmarshal(manifest, &about); err != nil {
		t.Fatal(err)
	}
	p := newPage(t, "npm's eventsource "+about.Version)
	p.execute("node", own+"/eventsource.mjs", p.home.URL, folder)
	return p
}

// chromiumPage runs Chromium with a page of another origin than the stack's. Chromium opens at most
// six connections to a host, so each source gets another name of this machine. Without Chromium, a
// subtest says so.
func chromiumPage(t *testing.T) *page {
	t.Helper()
	for _, name := range needs.Chromiums {
		browser, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		version, err := exec.CommandContext(t.Context(), browser, "--version").Output()
		if err != nil {
			t.Fatalf("%s --version: %v", browser, err)
		}
		p := newPage(t, cmp.Or(strings.TrimSpace(string(version)), name))
		p.split = true
		p.execute(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
			"--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", p.home.URL)
		return p
	}
	t.Run("Chromium", func(t *testing.T) { t.Skipf("no Chromium on this machine: none of %q is on the PATH", needs.Chromiums) })
	return nil
}
