package dynamo_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/watchroute/watchroute/shared/dynamo"
)

// echo answers with what a request was, and counts the connections.
type echo struct {
	*httptest.Server
	dialled atomic.Int32
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	e := &echo{}
	e.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		switch r.URL.Path {
		case "/close":
			w.Header().Set("Connection", "close")
		case "/refuse":
			w.WriteHeader(http.StatusBadRequest)
		case "/flush": // which makes the answer come in chunks
			defer w.(http.Flusher).Flush()
		}
		_, _ = fmt.Fprintf(w, "%s %s %s %q %d ", r.Method, r.Host, r.RequestURI, r.Header["X-Amz-Target"], r.ContentLength)
		_, _ = w.Write(body)
	}))
	e.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			e.dialled.Add(1)
		}
	}
	e.Start()
	t.Cleanup(e.Close)
	return e
}

func request(t *testing.T, ctx context.Context, address string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["X-Amz-Target"] = []string{"a", "b c"}
	r.Header.Set("Content-Length", "7") // does not count
	return r
}

// TestCallsArrive: with and without a body, answered with a length, in chunks, or up to the end of
// the connection, and refused. Calls after each other use one connection.
func TestCallsArrive(t *testing.T) {
	e, client := newEcho(t), dynamo.HTTPClient()
	host := strings.TrimPrefix(e.URL, "http://")
	for _, path := range []string{"/", "/flush", "/refuse", "/?a=b%20c", "/close"} {
		for _, body := range []string{"", "{}", strings.Repeat("x", 300_000)} {
			response, err := client.Do(request(t, t.Context(), e.URL+path, strings.NewReader(body)))
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			got, err := io.ReadAll(response.Body)
			want := fmt.Sprintf("POST %s %s %q %d %s", host, path, []string{"a", "b c"}, len(body), body)
			if err != nil || string(got) != want || (response.StatusCode == http.StatusOK) == (path == "/refuse") {
				t.Errorf("%s with %d bytes: %d, %.200q, %v, want %.200q", path, len(body), response.StatusCode, got, err, want)
			}
			if err := response.Body.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if n := e.dialled.Load(); n != 3 {
		t.Errorf("%d connections, want one, and one more after each of two that the server has closed", n)
	}
}

// TestCallsAtOnce do not mix, and a connection that the server has closed meanwhile is replaced.
func TestCallsAtOnce(t *testing.T) {
	e, client := newEcho(t), dynamo.HTTPClient()
	for range 2 {
		var calls sync.WaitGroup
		for n := range 50 {
			calls.Go(func() {
				body := strings.Repeat(fmt.Sprint(n%10), n*100)
				response, err := client.Do(request(t, t.Context(), e.URL, strings.NewReader(body)))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := io.ReadAll(response.Body); err != nil || !strings.HasSuffix(string(got), fmt.Sprint(" ", len(body), " ", body)) {
					t.Errorf("call %d is answered %.100q, %v", n, got, err)
				}
			})
		}
		calls.Wait()
		e.CloseClientConnections()
	}
}

// TestCallsEnd with their context, and fail where they cannot be made.
func TestCallsEnd(t *testing.T) {
	arrived := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the end of the connection is noticed
		close(arrived)
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	client := dynamo.HTTPClient()
	if _, err := client.Do(request(t, ctx, server.URL, strings.NewReader("{}"))); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that is cancelled ends with %v", err)
	}
	broken := request(t, t.Context(), server.URL, nil)
	broken.Header.Set("X-Amz-Security-Token", "a\r\nb: c")
	if _, err := client.Do(broken); err == nil || strings.Contains(err.Error(), "b: c") {
		t.Errorf("a header with a line break: %v", err)
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	var unknown x509.UnknownAuthorityError
	if _, err := client.Do(request(t, t.Context(), secure.URL, nil)); !errors.As(err, &unknown) {
		t.Errorf("a server of an unknown authority: %v", err)
	}
	server.Close()
	if _, err := client.Do(request(t, t.Context(), server.URL, nil)); err == nil {
		t.Error("a call to a server that has ended succeeds")
	}
}
