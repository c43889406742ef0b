package webhook

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// calling gives a client for a server on loopback, and what calls that. The server is closed without
// waiting for its handlers' clients.
func calling(t *testing.T, o Options, handler http.HandlerFunc) (c *Client, url string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	o.AllowLoopback = true
	c = New(o)
	t.Cleanup(c.transport.CloseIdleConnections)
	return c, server.URL
}

func to(url string) Endpoint { return Endpoint{url, [][]byte{key}} }

var message = Message{ID: "msg_1", ContentType: "application/json", Body: []byte(`{"a":1}`)}

// fail posts to a handler and gives the failure.
func fail(t *testing.T, o Options, handler http.HandlerFunc) Failure {
	t.Helper()
	c, url := calling(t, o, handler)
	return failure(t, c.Post(t.Context(), to(url), message))
}

func failure(t *testing.T, err error) Failure {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a *Failure", err)
	}
	return *f
}

// TestWhatIsSent is what the reference library takes.
func TestWhatIsSent(t *testing.T) {
	var got *http.Request
	var body []byte
	c, url := calling(t, Options{}, func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	})
	if err := c.Post(t.Context(), to(url+"/hook?a=b"), message); err != nil {
		t.Fatal(err)
	}
	reference, err := standardwebhooks.NewWebhook(Secret(key))
	if err != nil {
		t.Fatal(err)
	}
	if err := reference.Verify(body, got.Header); err != nil {
		t.Error(err)
	}
	if got.Method != http.MethodPost || got.RequestURI != "/hook?a=b" || string(body) != string(message.Body) || got.ContentLength != int64(len(body)) {
		t.Errorf("got %s %s with %d bytes: %s", got.Method, got.RequestURI, got.ContentLength, body)
	}
	var names []string
	for name := range got.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"Content-Length", "Content-Type", "User-Agent", "Webhook-Id", "Webhook-Signature", "Webhook-Timestamp"}; !slices.Equal(names, want) {
		t.Errorf("the headers are %v, want %v", names, want)
	}
	if got.Header.Get("User-Agent") != "Watchroute" || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the headers are %v", got.Header)
	}
}

// TestARetryHasTheSameIDAndItsOwnTime.
func TestARetryHasTheSameIDAndItsOwnTime(t *testing.T) {
	var sent []http.Header
	c, url := calling(t, Options{}, func(_ http.ResponseWriter, r *http.Request) { sent = append(sent, r.Header) })
	for _, at := range []int64{1614265330, 1614265335} {
		c.now = func() time.Time { return time.Unix(at, 999_999_999) }
		if err := c.Post(t.Context(), to(url), message); err != nil {
			t.Fatal(err)
		}
		if got := sent[len(sent)-1].Get("Webhook-Timestamp"); got != strconv.FormatInt(at, 10) {
			t.Errorf("the time is %s, want %d", got, at)
		}
	}
	if sent[0].Get("Webhook-Id") != message.ID || sent[1].Get("Webhook-Id") != message.ID {
		t.Errorf("the ids are %q and %q", sent[0].Get("Webhook-Id"), sent[1].Get("Webhook-Id"))
	}
	if sent[0].Get("Webhook-Signature") == sent[1].Get("Webhook-Signature") {
		t.Error("the time is not signed")
	}
}

// TestTwoKeysGiveTwoSignatures, of which a receiver with either secret finds its own.
func TestTwoKeysGiveTwoSignatures(t *testing.T) {
	var sent http.Header
	c, url := calling(t, Options{}, func(_ http.ResponseWriter, r *http.Request) { sent = r.Header })
	keys := [][]byte{Key([]byte("new secret"), "d", 0), Key([]byte("old secret"), "d", 0)}
	if err := c.Post(t.Context(), Endpoint{url, keys}, message); err != nil {
		t.Fatal(err)
	}
	if parts := strings.Split(sent.Get("Webhook-Signature"), " "); len(parts) != 2 || parts[0] == parts[1] {
		t.Errorf("the signatures are %v", parts)
	}
	for _, key := range keys {
		reference, err := standardwebhooks.NewWebhook(Secret(key))
		if err != nil {
			t.Fatal(err)
		}
		if err := reference.Verify(message.Body, sent); err != nil {
			t.Error(err)
		}
	}
}

// TestWhatCannotBeSigned is not sent.
func TestWhatCannotBeSigned(t *testing.T) {
	c, url := calling(t, Options{}, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	for name, call := range map[string]struct {
		keys [][]byte
		m    Message
	}{
		"no key":             {nil, message},
		"an empty key":       {[][]byte{key, {}}, message},
		"a short key":        {[][]byte{key[:minKey-1]}, message},
		"no id":              {[][]byte{key}, Message{}},
		"a dot":              {[][]byte{key}, Message{ID: "a.b"}},
		"a space":            {[][]byte{key}, Message{ID: "a b"}},
		"a line":             {[][]byte{key}, Message{ID: "a\r\nHost: b"}},
		"a long id":          {[][]byte{key}, Message{ID: strings.Repeat("x", maxID+1)}},
		"a broken type":      {[][]byte{key}, Message{ID: "a", ContentType: "a\nb: c"}},
		"no Unicode":         {[][]byte{key}, Message{ID: "\xff"}},
		"no ASCII character": {[][]byte{key}, Message{ID: "é"}},
	} {
		if f := failure(t, c.Post(t.Context(), Endpoint{url, call.keys}, call.m)); f.Status != 0 || f.Cause == nil {
			t.Errorf("%s: %v", name, &f)
		}
	}
}

func TestEveryStatusOf2xxIsSuccess(t *testing.T) {
	for _, status := range []int{200, 201, 202, 204, 205, 226, 299} {
		c, url := calling(t, Options{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if err := c.Post(t.Context(), to(url), message); err != nil {
			t.Errorf("%d is %v", status, err)
		}
	}
}

func TestEveryOtherStatusIsAFailure(t *testing.T) {
	for _, status := range []int{300, 304, 400, 401, 404, 410, 418, 429, 500, 502, 503, 504, 599, 999} {
		f := fail(t, Options{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if f.Status != status || f.Gone != (status == 410) || f.Body != "" || f.RetryAfter != 0 || f.Cause != nil || f.Error() != fmt.Sprintf("answered %d", status) {
			t.Errorf("%d is %+v: %v", status, f, &f)
		}
	}
}

// TestRedirectsAreNotFollowed, even to where we may go.
func TestRedirectsAreNotFollowed(t *testing.T) {
	tr := newTrap(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{"http://127.0.0.1:PORT/", "//127.0.0.1:PORT/", "https://localhost:PORT/", "http://169.254.169.254/", "file:///etc/passwd", "::"} {
			f := fail(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", tr.url(location))
				w.WriteHeader(status)
			})
			if f.Status != status {
				t.Errorf("%d to %s is %v", status, location, &f)
			}
		}
	}
	if n := tr.dialled(t); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                                 0,
		"0":                                0,
		"1":                                time.Second,
		"120":                              2 * time.Minute,
		"86400":                            24 * time.Hour,
		"86401":                            24 * time.Hour,
		"9223372036854775807":              24 * time.Hour,
		"99999999999999999999999999999":    24 * time.Hour,
		"-1":                               0,
		"+1":                               0,
		"1.5":                              0,
		"1e3":                              0,
		"soon":                             0,
		"٣":                                0,
		"Thu, 26 Nov 2026 12:01:30 GMT":    90 * time.Second,
		"Thursday, 26-Nov-26 12:01:30 GMT": 90 * time.Second,
		"Thu Nov 26 12:01:30 2026":         90 * time.Second,
		"Thu, 26 Nov 2026 11:59:00 GMT":    0,
		"Thu, 26 Nov 2099 12:00:00 GMT":    24 * time.Hour,
		"Thu, 26 Nov 9999 12:00:00 GMT":    24 * time.Hour,
		"2026-11-26T12:01:30Z":             0,
	} {
		for _, status := range []int{429, 503} {
			c, url := calling(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", value)
				w.WriteHeader(status)
			})
			c.now = func() time.Time { return now }
			if f := failure(t, c.Post(t.Context(), to(url), message)); f.RetryAfter != want || f.Status != status {
				t.Errorf("%d with Retry-After %q gives %v after %d, want %v", status, value, f.RetryAfter, f.Status, want)
			}
		}
	}
}

// TestBodiesAreShownAsPeopleReadThem.
func TestBodiesAreShownAsPeopleReadThem(t *testing.T) {
	for body, want := range map[string]string{
		"database is down\n":           "database is down ",
		"a\r\n\tb\u00a0c\u2028d":       "a   b c d",
		"\x00\x1b[31m\u202e\x7f":       "\ufffd\ufffd[31m\ufffd\ufffd",
		"\xff\xfe caf\xe9":             "\ufffd\ufffd caf\ufffd",
		"\xed\xa0\x80":                 "\ufffd\ufffd\ufffd",
		"é€😀":                          "é€😀",
		strings.Repeat("x", 256):       strings.Repeat("x", 256),
		strings.Repeat("x", 257):       strings.Repeat("x", 256),
		strings.Repeat("x", 255) + "é": strings.Repeat("x", 255),
		strings.Repeat("x", 253) + "😀": strings.Repeat("x", 253),
		strings.Repeat("x", 252) + "😀": strings.Repeat("x", 252) + "😀",
		strings.Repeat("\xff", 256):    strings.Repeat("\ufffd", 85),
	} {
		f := fail(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, body)
		})
		if f.Body != want {
			t.Errorf("%.40q is shown as %q, want %q", body, f.Body, want)
		}
	}
}

func FuzzShown(f *testing.F) {
	f.Add([]byte("\xff\x00é"))
	f.Add([]byte(strings.Repeat("x", 253) + "😀😀"))
	f.Fuzz(func(t *testing.T, body []byte) {
		text := shown(body)
		if len(text) > maxShown || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is shown as %q", body, text)
		}
		if len(body) > maxShown && len(text) <= maxShown-utf8.UTFMax {
			t.Errorf("%q is shown with %d bytes alone", body, len(text))
		}
	})
}

// drip writes a byte now and then until the client leaves.
func drip(w io.Writer, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-time.After(5 * time.Millisecond):
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
			if f, ok := w.(http.Flusher); ok {
				f.Flush()
			}
		}
	}
}

const short = 150 * time.Millisecond

// takesShort fails if a call does not end soon after its time.
func takesShort(t *testing.T, c *Client, url string) error {
	t.Helper()
	began := time.Now()
	err := c.Post(t.Context(), to(url), message)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the call took %v", took)
	}
	return err
}

func TestAReceiverThatDoesNotAnswerEndsInTime(t *testing.T) {
	c, url := calling(t, Options{Timeout: short}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // else the server does not see that the client leaves
		<-r.Context().Done()
	})
	f := failure(t, takesShort(t, c, url))
	if !errors.Is(&f, context.DeadlineExceeded) || f.Status != 0 || f.Error() != "no answer: it took too long" {
		t.Errorf("got %+v: %v", f, &f)
	}
}

// raw gives the URL of a server that talks over the connection itself, once the request was read.
func raw(t *testing.T, talk func(conn net.Conn)) (*Client, string) {
	t.Helper()
	return calling(t, Options{Timeout: short}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		talk(conn)
	})
}

// closed ends when the client has closed a connection.
func closed(conn net.Conn) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, conn)
		close(done)
	}()
	return done
}

func TestHeadersThatDripEndInTime(t *testing.T) {
	c, url := raw(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-Drip: ")
		drip(conn, closed(conn))
	})
	if f := failure(t, takesShort(t, c, url)); f.Status != 0 || !errors.Is(&f, context.DeadlineExceeded) {
		t.Errorf("got %+v", f)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	for name, head := range map[string]string{
		"one":     "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 2*maxHeader),
		"many":    "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Many: x\r\n", maxHeader/5),
		"interim": strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", maxHeader/5),
	} {
		c, url := raw(t, func(conn net.Conn) {
			done := closed(conn)
			_, _ = io.WriteString(conn, head)
			<-done
		})
		f := failure(t, takesShort(t, c, url))
		if f.Status != 0 || errors.Is(&f, context.DeadlineExceeded) {
			t.Errorf("%s: got %+v: %v", name, f, &f)
		}
	}
}

// TestABodyThatDripsDoesNotChangeTheStatus.
func TestABodyThatDripsDoesNotChangeTheStatus(t *testing.T) {
	for _, status := range []int{200, 500} {
		c, url := calling(t, Options{Timeout: short}, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			w.WriteHeader(status)
			drip(w, r.Context().Done())
		})
		err := takesShort(t, c, url)
		if status == 200 {
			if err != nil {
				t.Errorf("200 with a body that drips is %v", err)
			}
		} else if f := failure(t, err); f.Status != status || f.Body == "" || strings.Trim(f.Body, "x") != "" {
			t.Errorf("got %+v", f)
		}
	}
}

// TestAnAnswerThatNeverEndsIsNotReadOn: the call ends long before its time, with a bounded body.
func TestAnAnswerThatNeverEndsIsNotReadOn(t *testing.T) {
	for _, status := range []int{200, 500} {
		c, url := calling(t, Options{Timeout: time.Minute}, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			w.WriteHeader(status)
			for chunk := []byte(strings.Repeat("y", 1<<16)); r.Context().Err() == nil; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		})
		err := takesShort(t, c, url)
		if status == 200 && err != nil {
			t.Errorf("200 with an endless body is %v", err)
		}
		if status != 200 && failure(t, err).Body != strings.Repeat("y", maxShown) {
			t.Errorf("got %v", err)
		}
	}
}

// TestNoMoreThanTheBoundIsRead of an answer that is longer.
func TestNoMoreThanTheBoundIsRead(t *testing.T) {
	for length, want := range map[int]int{maxAnswer - 1: maxAnswer - 1, maxAnswer: maxAnswer, maxAnswer + 1: maxAnswer, 1 << 20: maxAnswer} {
		c, url := calling(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("z", length))
		})
		if a, err := c.post(t.Context(), to(url), message); len(a.body) != want || err != nil {
			t.Errorf("of %d bytes %d are read, want %d, %v", length, len(a.body), want, err)
		}
	}
}

// TestAnswersAreNotUnpacked: a kilobyte of gzip may be a gigabyte.
func TestAnswersAreNotUnpacked(t *testing.T) {
	f := fail(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("we ask for %s", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(500)
		_, _ = io.WriteString(w, "no gzip")
	})
	if f.Body != "no gzip" {
		t.Errorf("got %+v", f)
	}
}

// TestAnswersThatAreNone are failures without a status, and end in time.
func TestAnswersThatAreNone(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":           "",
		"another protocol":  "SSH-2.0-OpenSSH_9.6\r\n",
		"no status":         "HTTP/1.1 000 None\r\n\r\n",
		"a status below":    "HTTP/1.1 099 None\r\n\r\n",
		"a status of words": "HTTP/1.1 two hundred\r\n\r\n",
		"a long line":       "HTTP/1.1 " + strings.Repeat("\x1b", 2000) + "\r\n\r\n",
	} {
		c, url := raw(t, func(conn net.Conn) { _, _ = io.WriteString(conn, answer) })
		f := failure(t, takesShort(t, c, url))
		if f.Status != 0 || f.Cause == nil || len(f.Error()) > maxShown+20 || strings.ContainsFunc(f.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: got %+v: %v", name, f, &f)
		}
	}
}

// TestAnotherProtocolIsNotWaitedFor: after 101 net/http gives the connection away, and reading it would
// not end with the call's time.
func TestAnotherProtocolIsNotWaitedFor(t *testing.T) {
	c, url := raw(t, func(conn net.Conn) {
		done := closed(conn)
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		<-done
	})
	if f := failure(t, takesShort(t, c, url)); f.Status != 101 && f.Status != 0 {
		t.Errorf("got %+v", f)
	}
}

// TestACallEndsWithItsContext.
func TestACallEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, url := calling(t, Options{}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		cancel()
		<-r.Context().Done()
	})
	f := failure(t, c.Post(ctx, to(url), message))
	if !errors.Is(&f, context.Canceled) || f.Error() != "no answer: the call was given up" {
		t.Errorf("got %v", &f)
	}
}

// TestFailuresTellNoAddressAndNoURL: the owner of a URL reads them, and logs keep them.
func TestFailuresTellNoAddressAndNoURL(t *testing.T) {
	tr := newTrap(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	c := newClient(Options{AllowLoopback: true, Timeout: 5 * time.Second}, 443)
	c.dialer.Resolver = (&names{answers: map[string][][]string{"none.example.com": {{}}, "private.example.com": {{"10.0.0.1"}}}}).resolver()
	for url, want := range map[string]string{
		"http://" + gone.Addr().String() + "/?token=hidden": "no answer: dial: connect: connection refused",
		"https://none.example.com/?token=hidden":            "no answer: url has a host that is not known",
		"https://private.example.com/?token=hidden":         "no answer: url has a host that is not public",
		tr.url("http://127.0.0.1:PORT/?token=hidden"):       "",
	} {
		f := failure(t, c.Post(t.Context(), to(url), message))
		if want != "" && f.Error() != want || strings.Contains(fmt.Sprint(&f, f.Cause), "hidden") || strings.Contains(f.Error(), "127.0.0.1") {
			t.Errorf("%s: %v, because of %v", url, &f, f.Cause)
		}
	}
}

// TestTLSIsVerified.
func TestTLSIsVerified(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells what we provoke
	server.StartTLS()
	defer server.Close()
	c := New(Options{AllowLoopback: true})
	defer c.transport.CloseIdleConnections()
	unknown := (*tls.CertificateVerificationError)(nil)
	if err := c.Post(t.Context(), to(server.URL), message); !errors.As(err, &unknown) {
		t.Errorf("an unknown certificate gives %v", err)
	}
	c = New(Options{AllowLoopback: true})
	defer c.transport.CloseIdleConnections()
	c.transport.TLSClientConfig = &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	if err := c.Post(t.Context(), to(server.URL), message); err != nil {
		t.Errorf("a known certificate gives %v", err)
	}
	if err := c.Post(t.Context(), to(strings.Replace(server.URL, "127.0.0.1", "localhost", 1)), message); !errors.As(err, &unknown) {
		t.Errorf("another's certificate gives %v", err)
	}
}

// counting gives a client whose names all lead to a server on loopback, the server's port, and the
// number of its connections.
func counting(t *testing.T, handler http.HandlerFunc) (c *Client, port string, opened *atomic.Int64) {
	t.Helper()
	opened = new(atomic.Int64)
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	at := server.Listener.Addr().(*net.TCPAddr).AddrPort()
	c = newClient(Options{AllowLoopback: true}, at.Port())
	c.dialer.Resolver = (&names{}).resolver()
	c.transport.TLSClientConfig = &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	t.Cleanup(c.transport.CloseIdleConnections)
	return c, strconv.Itoa(int(at.Port())), opened
}

// TestConnectionsAreKeptForOneHostAlone, also if another host is at the same address with the same
// certificate.
func TestConnectionsAreKeptForOneHostAlone(t *testing.T) {
	c, port, opened := counting(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("the protocol is %s", r.Proto)
		}
		_, _ = io.WriteString(w, "ok")
	})
	for _, call := range []struct {
		host string
		want int64
	}{{"example.com", 1}, {"example.com", 1}, {"hook.example.com", 2}, {"example.com", 2}, {"hook.example.com", 2}} {
		if err := c.Post(t.Context(), to("https://"+call.host+":"+port+"/"), message); err != nil {
			t.Fatal(err)
		}
		if n := opened.Load(); n != call.want {
			t.Errorf("after a call of %s there were %d connections, want %d", call.host, n, call.want)
		}
	}
}

// TestAKeptConnectionThatWasClosedDoesNoHarm: the process may have been frozen for minutes.
func TestAKeptConnectionThatWasClosedDoesNoHarm(t *testing.T) {
	var mu sync.Mutex
	served := map[string]bool{} // by the client's address
	var ids []string
	c, url := calling(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		mu.Lock()
		again := served[r.RemoteAddr]
		served[r.RemoteAddr] = true
		ids = append(ids, r.Header.Get("Webhook-Id")+r.Header.Get("Webhook-Timestamp"))
		mu.Unlock()
		if again {
			panic(http.ErrAbortHandler) // without any answer
		}
		_, _ = io.WriteString(w, "ok")
	})
	c.now = func() time.Time { return time.Unix(1614265330, 0) }
	for range 3 {
		if err := c.Post(t.Context(), to(url), message); err != nil {
			t.Fatal(err)
		}
	}
	if len(served) != 3 || len(slices.Compact(ids)) != 1 {
		t.Errorf("%d connections brought %v", len(served), ids)
	}
}

func TestChallenge(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(text string) (int, string)
		ok     bool
	}{
		"JSON":           {func(text string) (int, string) { return 200, `{"challenge":"` + text + `"}` }, true},
		"JSON with more": {func(text string) (int, string) { return 201, ` {"a":[1],"challenge":"` + text + `"} ` }, true},
		"text":           {func(text string) (int, string) { return 200, text }, true},
		"text with line": {func(text string) (int, string) { return 200, text + "\r\n" }, true},
		"another status": {func(text string) (int, string) { return 400, text }, false},
		"a redirect":     {func(text string) (int, string) { return 302, text }, false},
		"nothing":        {func(string) (int, string) { return 200, "" }, false},
		"no content":     {func(string) (int, string) { return 204, "" }, false},
		"another text":   {func(text string) (int, string) { return 200, `{"challenge":"` + text[1:] + `"}` }, false},
		"another member": {func(text string) (int, string) { return 200, `{"Challenge":"` + text + `"}` }, false},
		"another type":   {func(string) (int, string) { return 200, `{"challenge":true}` }, false},
		"text within":    {func(text string) (int, string) { return 200, "<p>" + text + "</p>" }, false},
		"two objects":    {func(text string) (int, string) { return 200, `{"challenge":"` + text + `"}{}` }, false},
		"too late":       {func(text string) (int, string) { return 200, strings.Repeat(" ", maxAnswer) + text }, false},
	} {
		t.Run(name, func(t *testing.T) {
			status, asked := 0, map[string]bool{}
			client, url := calling(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
				text := challenged(t, r)
				asked[text] = true
				var body string
				status, body = c.answer(text)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body)
			})
			for range 2 {
				err := client.Challenge(t.Context(), to(url))
				if c.ok {
					if err != nil {
						t.Error(err)
					}
				} else if f := failure(t, err); f.Status != status || f.Status/100 == 2 && !errors.Is(err, errNotRepeated) {
					t.Errorf("got %+v: %v", f, err)
				}
			}
			if len(asked) != 2 {
				t.Errorf("twice the same was asked: %v", asked)
			}
		})
	}
}

// challenged reads a challenge as a receiver does.
func challenged(t *testing.T, r *http.Request) string {
	t.Helper()
	body, err := io.ReadAll(bufio.NewReader(r.Body))
	if err != nil {
		t.Error(err)
	}
	reference, err := standardwebhooks.NewWebhook(Secret(key))
	if err != nil {
		t.Error(err)
	} else if err := reference.Verify(body, r.Header); err != nil {
		t.Error(err)
	}
	var question map[string]string
	if err := json.Unmarshal(body, &question); err != nil || len(question) != 2 || question["type"] != "challenge" || len(question["challenge"]) < 20 {
		t.Errorf("the question is %s, %v", body, err)
	}
	return question["challenge"]
}
