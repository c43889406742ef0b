package apigateway

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
)

// open upgrades a connection by hand, so that the client's side costs the
// process almost nothing, and gives what the server sends.
func open(tb testing.TB, url string) net.Conn {
	tb.Helper()
	address, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, address)
	if err != nil {
		tb.Fatal(err)
	}
	for answer, one := "", make([]byte, 1); !strings.HasSuffix(answer, "\r\n\r\n"); answer += string(one) {
		if _, err := conn.Read(one); err != nil {
			tb.Fatal(err)
		}
	}
	return conn
}

func benchGateway(tb testing.TB) (*Gateway, string) {
	g := New(testAPI(map[string]Route{connectKey: {Function: "ok"}, defaultKey: {Function: "ok"}}), functions{"ok": answers(ok200)}, Options{
		Account: Throttle{Rate: -1}, Connects: Throttle{Rate: -1}, Logger: slog.New(slog.DiscardHandler),
	})
	server := httptest.NewServer(g)
	tb.Cleanup(func() {
		g.Close()
		server.Close()
	})
	return g, server.URL + "/live"
}

// resident is the live heap and the stacks.
func resident() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestMemory: an idle connection costs less than 25 KB, both sides together,
// also after it has been used.
func TestMemory(t *testing.T) {
	g, url := benchGateway(t)
	open(t, url) // pays for what is paid once
	const n = 500
	before := resident()
	for range n {
		conn := open(t, url)
		if _, err := conn.Write([]byte("\x81\x82\x00\x00\x00\x00{}")); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "the messages", func() bool { return g.Usage().Messages.In == n })
	each := (resident() - before) / n
	t.Logf("%d bytes a connection", each)
	if each > 25<<10 {
		t.Errorf("%d bytes a connection, want under 25 KB", each)
	}
}

// BenchmarkPost is posts through ServeHTTP to one of a hundred open sockets.
func BenchmarkPost(b *testing.B) {
	g, url := benchGateway(b)
	for range 100 {
		conn := open(b, url)
		go func() { _, _ = io.Copy(io.Discard, bufio.NewReaderSize(conn, 64<<10)) }()
	}
	requests := make([]*http.Request, 0, 100)
	for _, id := range g.Connections() {
		request := httptest.NewRequest(http.MethodPost, url+"/@connections/"+id, nil)
		request.URL.Path = "/live/@connections/" + id
		sign(request)
		requests = append(requests, request)
	}
	body := bytes.Repeat([]byte("x"), 256)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		request := requests[i%len(requests)]
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		w := &discard{header: http.Header{}}
		g.ServeHTTP(w, request)
		if w.status != http.StatusOK {
			b.Fatalf("status %d", w.status)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
}

// discard is a response writer that costs nothing.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkMessage is messages from one client to a function that does nothing.
func BenchmarkMessage(b *testing.B) {
	g, url := benchGateway(b)
	conn := open(b, url)
	frame := []byte("\x81\x82\x00\x00\x00\x00{}")
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := conn.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
	for g.Usage().Messages.In < int64(b.N) {
		runtime.Gosched()
	}
}
