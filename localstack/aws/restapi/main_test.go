package restapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails if any goroutine of a gateway outlives its test.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := lingering(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

func lingering() string {
	var left []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		left = nil
		for goroutine := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(goroutine, "restapi.(") {
				left = append(left, goroutine)
			}
		}
		if len(left) == 0 {
			return ""
		}
	}
	return strings.Join(left, "\n\n")
}

// patience bounds what should happen soon, on a machine that is busy.
const patience = 30 * time.Second

// functions is an Invoker whose functions are Go functions.
type functions map[string]function

type function struct {
	answer func(ctx context.Context, payload []byte) ([]byte, bool, error)
	stream func(ctx context.Context, payload []byte) (io.ReadCloser, []byte, error)
}

func (f functions) Invoke(ctx context.Context, name string, payload []byte) ([]byte, bool, error) {
	run, ok := f[name]
	if !ok || run.answer == nil {
		return nil, false, errors.New("no such function: " + name)
	}
	return run.answer(ctx, payload)
}

func (f functions) InvokeStream(ctx context.Context, name string, payload []byte) (io.ReadCloser, []byte, error) {
	run, ok := f[name]
	if !ok || run.stream == nil {
		return nil, nil, errors.New("no such function: " + name)
	}
	return run.stream(ctx, payload)
}

// answers is a function that always gives the same output.
func answers(output string) function {
	return function{answer: func(context.Context, []byte) ([]byte, bool, error) { return []byte(output), false, nil }}
}

// fails is a function that itself fails, however it is invoked.
func fails(message string) function {
	failure := fmt.Appendf(nil, `{"errorMessage":%q,"errorType":"errorString"}`, message)
	return function{
		answer: func(context.Context, []byte) ([]byte, bool, error) { return failure, true, nil },
		stream: func(context.Context, []byte) (io.ReadCloser, []byte, error) { return nil, failure, nil },
	}
}

// hangs is a function that never answers.
func hangs() function {
	return function{
		answer: func(ctx context.Context, _ []byte) ([]byte, bool, error) { <-ctx.Done(); return nil, false, ctx.Err() },
		stream: func(ctx context.Context, _ []byte) (io.ReadCloser, []byte, error) {
			<-ctx.Done()
			return nil, nil, ctx.Err()
		},
	}
}

// full is a function that Lambda has no room for.
func full() function {
	err := errors.New("too many requests")
	return function{
		answer: func(context.Context, []byte) ([]byte, bool, error) { return nil, false, err },
		stream: func(context.Context, []byte) (io.ReadCloser, []byte, error) { return nil, nil, err },
	}
}

// records is a function that tells what it was given and answers 200.
func records(events chan<- []byte) function {
	return function{answer: func(_ context.Context, payload []byte) ([]byte, bool, error) {
		events <- payload
		return []byte(`{"statusCode":200}`), false, nil
	}}
}

// writes is a function that gives its answer to write, which may take its time.
func writes(write func(w *io.PipeWriter)) function {
	return function{stream: func(ctx context.Context, _ []byte) (io.ReadCloser, []byte, error) {
		r, w := io.Pipe()
		context.AfterFunc(ctx, func() { _ = r.CloseWithError(ctx.Err()) })
		go write(w)
		return r, nil, nil
	}}
}

// streams is a function that streams an answer and ends.
func streams(answer string) function {
	return writes(func(w *io.PipeWriter) {
		_, _ = io.WriteString(w, answer)
		_ = w.Close()
	})
}

const nulls = "\x00\x00\x00\x00\x00\x00\x00\x00"

// testAPI is an API whose function "f" is behind /topics/{proxy+}, as "live", all permitted.
func testAPI(change func(*Method)) API {
	m := Method{Function: "f", Permitted: true}
	if change != nil {
		change(&m)
	}
	return API{
		ID: "a1b2c3d4e5", Stage: "live", Region: "eu-west-1", Account: "123456789012", DeploymentID: "dep1",
		Resources: []Resource{
			{ID: "root"},
			{ID: "topics", Path: "/topics"},
			{ID: "proxy", Path: "/topics/{proxy+}", Methods: map[string]Method{"ANY": m}},
		},
	}
}

// streamed makes the method one with the transfer mode STREAM.
func streamed(m *Method) { m.Stream, m.Timeout = true, MaxDuration }

// fixture is a gateway behind a real HTTP server.
type fixture struct {
	*testing.T
	g   *Gateway
	url string // of the stage
}

func serve(t *testing.T, api API, f functions, o Options) *fixture {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	g, err := New(api, f, o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(g)
	server.Listener = RememberSpelling(server.Config, []net.Listener{server.Listener})[0]
	server.Start()
	t.Cleanup(func() {
		g.Close()
		server.Close()
	})
	return &fixture{T: t, g: g, url: server.URL + "/" + api.Stage}
}

// do sends a request, whose path is sent as it is written.
func (f *fixture) do(method, path string, header http.Header, body string) *http.Response {
	f.Helper()
	r, err := http.NewRequestWithContext(f.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func (f *fixture) get(path string) *http.Response { f.Helper(); return f.do("GET", path, nil, "") }

// wants checks the status and the whole body of an answer.
func (f *fixture) wants(response *http.Response, status int, body string) {
	f.Helper()
	got, err := io.ReadAll(response.Body)
	if response.StatusCode != status || string(got) != body || err != nil {
		f.Errorf("answered %d %s, %v, want %d %s", response.StatusCode, got, err, status, body)
	}
}

// within waits for a value.
func within[T any](t *testing.T, what string, values <-chan T) T {
	t.Helper()
	select {
	case value := <-values:
		return value
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
		panic("unreachable")
	}
}

func decode(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatalf("decode %s: %v", raw, err)
	}
	return object
}
