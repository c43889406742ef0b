package shortcut

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// server is an http.Server, with or without a shortcut before it.
type server struct {
	addr     string
	accepted atomic.Int32
	passed   atomic.Int32 // connections that net/http got
}

func start(t testing.TB, handler http.Handler, short bool) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{addr: listener.Addr().String()}
	if short {
		listener = Listen(listener, Options{Prefix: "/f/", Contains: "/@c/", Handler: handler, Accepted: func() { s.accepted.Add(1) }, Logger: slog.New(slog.DiscardHandler)})
	}
	h := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.passed.Add(1)
		}
	}}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := h.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() { _ = h.Close(); serving.Wait() })
	return s
}

// told is a handler that answers with all that it sees of a request.
func told(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if r.Header.Get("Authorization") == "refuse" {
		w.Header().Set("X-Amzn-ErrorType", "GoneException")
		w.WriteHeader(http.StatusGone)
		return
	}
	fmt.Fprintf(w, "%s %s %s %s %s %d %v %q %v %q", r.Method, r.Proto, r.Host, r.RequestURI, r.URL.EscapedPath(), r.ContentLength, r.TransferEncoding, body, err, r.URL.Path)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(w, " %s=%q", name, r.Header[name])
	}
}

// say sends bytes in pieces of a size and gives the answers to n requests.
func (s *server) say(t testing.TB, text string, size, n int) (all []string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		for rest := text; rest != ""; rest = rest[min(size, len(rest)):] {
			if _, err := io.WriteString(conn, rest[:min(size, len(rest))]); err != nil {
				return // the server has seen enough
			}
		}
	}()
	for r := bufio.NewReader(conn); len(all) < n; {
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return append(all, "no answer")
		}
		if response.StatusCode == http.StatusContinue {
			continue
		}
		body, err := io.ReadAll(response.Body)
		if errors.Is(err, syscall.ECONNRESET) {
			err = nil // closed with bytes that the server has not read: whether it saw them all is chance
		}
		response.Header.Del("Date")
		response.Header.Del("Content-Length") // net/http answers with chunks from 2 KB on
		all = append(all, fmt.Sprint(response.StatusCode, response.Proto, response.Close, response.Header, string(body), err))
	}
	return all
}

const plainHead = "POST /f/Fanout/live/@c/L0SM9cOFvHcCIhw%3D HTTP/1.1\r\nHost: 127.0.0.1:4566\r\n"

// plain is a plain request.
func plain(body string) string {
	return plainHead + "User-Agent: watchroute\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\nX-Amz-Date: 20261126T073139Z\r\nAuthorization: AWS4\r\n\r\n" + body
}

// requests are the bytes of connections, with the number of answers, and whether all requests are
// plain.
var requests = map[string]struct {
	text    string
	answers int
	plain   bool
}{
	"plain":                  {plain("hello"), 1, true},
	"plain, without a body":  {plain(""), 1, true},
	"plain, of 128 KB":       {plain(strings.Repeat("x", 128<<10)), 1, true},
	"plain, refused":         {strings.Replace(plain("x"), "AWS4", "refuse", 1), 1, true},
	"plain, three together":  {plain("a") + plain("b") + plain("c"), 3, true},
	"another path":           {strings.Replace(plain("a"), "/@c/", "/c/", 1), 1, false},
	"another prefix":         {strings.Replace(plain("a"), "/f/", "/g/", 1), 1, false},
	"a query":                {strings.Replace(plain("a"), "%3D HTTP", "%3D?a=b HTTP", 1), 1, false},
	"something escaped":      {strings.Replace(plain("a"), "%3D HTTP", "%2F HTTP", 1), 1, false},
	"an absolute address":    {strings.Replace(plain("a"), "/f/", "http://h/f/", 1), 1, false},
	"another method":         {strings.Replace(plain("a"), "POST", "PUT", 1), 1, false},
	"a GET":                  {"GET /f/@c/ HTTP/1.1\r\nHost: h\r\n\r\n", 1, false},
	"HTTP/1.0":               {strings.Replace(plain("a"), "1.1", "1.0", 1), 1, false},
	"a foreign header":       {plainHead + "Origin: http://evil.example\r\nContent-Length: 1\r\n\r\na", 1, false},
	"a header in small":      {plainHead + "content-length: 1\r\n\r\na", 1, false},
	"a header twice":         {plainHead + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 1, false},
	"two lengths":            {plainHead + "Content-Length: 1\r\nContent-Length: 2\r\n\r\na", 1, false},
	"two hosts":              {plainHead + "Host: other\r\nContent-Length: 1\r\n\r\na", 1, false},
	"no host":                {"POST /f/@c/ HTTP/1.1\r\nContent-Length: 1\r\n\r\na", 1, false},
	"a folded header":        {plainHead + "Authorization: a\r\n b\r\nContent-Length: 1\r\n\r\na", 1, false},
	"spaces around a value":  {plainHead + "Authorization:   a  \r\nContent-Length: 1\r\n\r\na", 1, false},
	"an empty value":         {plainHead + "Authorization: \r\nContent-Length: 1\r\n\r\na", 1, false},
	"a value beyond ASCII":   {plainHead + "Authorization: \u00fc\r\nContent-Length: 1\r\n\r\na", 1, false},
	"a bare line feed":       {plainHead + "Authorization: a\nb: c\r\nContent-Length: 1\r\n\r\na", 1, false},
	"no length":              {plainHead + "\r\n", 1, false},
	"a signed length":        {plainHead + "Content-Length: +1\r\n\r\na", 1, false},
	"chunks":                 {plainHead + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 1, false},
	"chunks and a length":    {plainHead + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 1, false},
	"to be continued":        {plainHead + "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na", 1, false},
	"not to be kept":         {plainHead + "Connection: close\r\nContent-Length: 1\r\n\r\na", 1, false},
	"a large head":           {plainHead + "Authorization: " + strings.Repeat("x", 2*headSize) + "\r\nContent-Length: 1\r\n\r\na", 1, false},
	"a large body":           {plain(strings.Repeat("x", bodySize+1)), 1, false},
	"plain, then another":    {plain("a") + "GET /f/@c/ HTTP/1.1\r\nHost: h\r\n\r\n" + plain("b"), 3, false},
	"no HTTP":                {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 1, false},
	"nothing that begins so": {"POST /f/\r\n\r\n", 1, false},
}

// TestTheShortcutChangesNothing: a request is seen and answered as by net/http alone, in pieces of
// any size. Plain requests do not reach net/http.
func TestTheShortcutChangesNothing(t *testing.T) {
	for name, c := range requests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{len(c.text), 1000, 7} {
				if len(c.text)/size > 2000 {
					continue
				}
				long, short := start(t, http.HandlerFunc(told), false), start(t, http.HandlerFunc(told), true)
				want, got := long.say(t, c.text, size, c.answers), short.say(t, c.text, size, c.answers)
				if !slices.Equal(want, got) {
					t.Errorf("in pieces of %d it is answered\n%.2000q\nwithout the shortcut\n%.2000q", size, got, want)
				}
				if passed := short.passed.Load() > 0; passed == c.plain || short.accepted.Load() != 1 {
					t.Errorf("net/http served it: %t; %d connections", passed, short.accepted.Load())
				}
			}
		})
	}
}

// FuzzTheShortcutChangesNothing of what comes after a plain request.
func FuzzTheShortcutChangesNothing(f *testing.F) {
	for _, c := range requests {
		if len(c.text) < 1000 {
			f.Add(c.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = plain("a") + text + "\r\n\r\n" + strings.Repeat("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 2)
		long, short := start(t, http.HandlerFunc(told), false), start(t, http.HandlerFunc(told), true)
		if want, got := long.say(t, text, len(text), 9), short.say(t, text, len(text), 9); !slices.Equal(want, got) {
			t.Errorf("%q is answered\n%q\nwithout the shortcut\n%q", text, got, want)
		}
	})
}

// TestAPanicEndsItsConnection alone.
func TestAPanicEndsItsConnection(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			panic(http.ErrAbortHandler)
		}
		told(w, r)
	}), true)
	if got := s.say(t, plain(""), 1000, 1); got[0] != "no answer" {
		t.Errorf("answered %q", got)
	}
	if got := s.say(t, plain("a"), 1000, 1); got[0] == "no answer" {
		t.Error("no answer after a panic of another")
	}
}

// TestABodyThatTheHandlerLeaves does not become the next request.
func TestABodyThatTheHandlerLeaves(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) }), true)
	if got := s.say(t, plain(strings.Repeat("x", 9000))+plain(""), 5000, 2); len(got) != 2 || got[0] != got[1] || !strings.HasPrefix(got[1], "202") {
		t.Errorf("answered %q", got)
	}
}

// TestCloseEndsWhatWaits: and no goroutine of the package is left.
func TestCloseEndsWhatWaits(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(inner, Options{Prefix: "/f/", Handler: http.HandlerFunc(told)})
	conn, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, plain("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := l.Accept(); err == nil {
		t.Error("a closed listener gives a connection")
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, net.ErrClosed) || err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("the connection is open: %v", err)
	}
}

func BenchmarkPlainPost(b *testing.B) {
	for _, short := range []bool{false, true} {
		b.Run(fmt.Sprintf("shortcut=%t", short), func(b *testing.B) {
			s := start(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header()["X-Amzn-Requestid"] = []string{"L0SM9cOFvHcCIhw="}
				w.WriteHeader(http.StatusOK)
			}), short)
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			request, answer := []byte(plain(strings.Repeat("x", 256))), make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
				if _, err := conn.Read(answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
