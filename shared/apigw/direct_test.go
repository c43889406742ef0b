package apigw

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/watchroute/watchroute/shared/watch"
)

// postTo makes a poster that calls through a transport.
func postTo(t testing.TB, text string, choose func(*url.URL) (transport, error)) *Poster {
	t.Helper()
	address, err := url.Parse(text + "/@connections/")
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := choose(address)
	if err != nil {
		t.Fatal(err)
	}
	return &Poster{
		credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "session"}, nil
		}),
		signer:    signer{host: host(address), path: address.EscapedPath(), region: "eu-west-1"},
		transport: chosen, attempts: 1,
	}
}

// directly chooses no proxy.
func directly(address *url.URL) (transport, error) {
	return open(address, func(*http.Request) (*url.URL, error) { return nil, nil })
}

// talker is a server that sends given answers to requests, and counts them.
type talker struct {
	address  string
	dialled  atomic.Int32
	requests atomic.Int32
}

// talk serves with an answer for each request, by its number over all connections from 1 on. An
// answer that ends in "!" ends the connection too.
func talk(t *testing.T, answer func(n int32) string) *talker {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &talker{address: "http://" + listener.Addr().String()}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.dialled.Add(1)
			serving.Go(func() { s.serve(t.Context(), conn, answer) })
		}
	})
	return s
}

func (s *talker) serve(ctx context.Context, conn net.Conn, answer func(int32) string) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	for r := bufio.NewReader(conn); ; {
		request, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, request.Body)
		text, last := strings.CutSuffix(answer(s.requests.Add(1)), "!")
		if _, err := io.WriteString(conn, text); err != nil || last {
			return
		}
	}
}

const taken = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

// TestAnswersOfEveryForm are understood. A connection is kept only after answers that allow it.
func TestAnswersOfEveryForm(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		kept   bool
		err    string // "" for success
	}{
		"a length":                     {taken, true, ""},
		"no body":                      {"HTTP/1.1 204 No Content\r\n\r\n", true, ""},
		"chunks":                       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", true, ""},
		"an early hint before":         {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + taken, true, ""},
		"a body of a refusal":          {"HTTP/1.1 403 Forbidden\r\nX-Amzn-Errortype: ForbiddenException\r\nContent-Length: 2\r\n\r\n{}", true, "API Gateway answered 403 ForbiddenException"},
		"gone":                         {"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", true, "connection is gone"},
		"the server closes":            {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n!", false, ""},
		"HTTP/1.0":                     {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n!", false, ""},
		"a body up to the end":         {"HTTP/1.1 200 OK\r\n\r\nabc!", false, ""},
		"a body that breaks off":       {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc!", false, ""},
		"more than was asked for":      {taken + taken, false, ""},
		"a body without end":           {"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + strings.Repeat("x", 99_999), false, ""},
		"a header without end":         {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 99_999), false, "connection broken"},
		"no HTTP":                      {"SSH-2.0-OpenSSH\r\n!", false, "connection broken"},
		"nothing, and the server ends": {"!", false, "connection broken"},
	} {
		t.Run(name, func(t *testing.T) {
			server := talk(t, func(int32) string { return c.answer })
			poster := postTo(t, server.address, directly)
			err := poster.Close(t.Context(), "id") // Close does not repeat it
			if errors.Is(err, watch.ErrGone) || (err == nil) != (c.err == "" || strings.Contains(c.err, "gone")) || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("answered %v, want %q", err, c.err)
			}
			if kept := poster.transport.(direct).Idle() == 1; kept != c.kept {
				t.Errorf("kept %t, want %t", kept, c.kept)
			}
		})
	}
}

// TestKeptConnectionsThatTheServerHasClosed, all at once as during a pause of the function, are
// replaced. Every post arrives, and none waits.
func TestKeptConnectionsThatTheServerHasClosed(t *testing.T) {
	const posts = 20
	var arrived sync.WaitGroup
	server := talk(t, func(n int32) string {
		if n <= posts {
			arrived.Done()
			arrived.Wait() // each over a connection of its own
			return taken + "!"
		}
		return taken
	})
	poster := postTo(t, server.address, directly)
	round := func() {
		arrived.Add(posts)
		var all sync.WaitGroup
		for range posts {
			all.Go(func() {
				if err := poster.Close(t.Context(), "id"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	round()
	if kept := poster.transport.(direct).Idle(); kept != posts {
		t.Fatalf("%d connections kept", kept)
	}
	round()
	if server.requests.Load() != 2*posts {
		t.Errorf("%d requests, want %d", server.requests.Load(), 2*posts)
	}
}

// TestPostEndsInTime: with its context, and after attemptTime. Neither is tried again.
func TestPostEndsInTime(t *testing.T) {
	for name, choose := range map[string]func(*url.URL) (transport, error){"kept": directly, "proxied": throughItself} {
		t.Run(name, func(t *testing.T) {
			for name, begin := range map[string]func(arrived <-chan struct{}) (context.Context, error){
				"cancelled": func(arrived <-chan struct{}) (context.Context, error) {
					ctx, cancel := context.WithCancel(t.Context())
					go func() { <-arrived; cancel() }()
					return ctx, context.Canceled
				},
				"deadline": func(<-chan struct{}) (context.Context, error) {
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
					t.Cleanup(cancel)
					return ctx, nil // of the context, or of the connection's same deadline
				},
				"attempt": func(<-chan struct{}) (context.Context, error) { return t.Context(), nil },
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					arrived := make(chan struct{}, 9)
					server := talk(t, func(int32) string {
						arrived <- struct{}{}
						<-t.Context().Done()
						return "!"
					})
					ctx, want := begin(arrived)
					poster := postTo(t, server.address, choose)
					poster.attempts = attempts
					began := time.Now()
					err := poster.Post(ctx, "id", watch.NewFrame([]byte("x")))
					if err == nil || want != nil && !errors.Is(err, want) || passing(err) || server.requests.Load() != 1 {
						t.Errorf("%v after %d requests", err, server.requests.Load())
					}
					if took := time.Since(began); name == "attempt" && took < attemptTime {
						t.Errorf("ended after %v", took)
					}
				})
			}
		})
	}
}

// throughItself takes the server for a proxy.
func throughItself(address *url.URL) (transport, error) {
	return open(address, func(*http.Request) (*url.URL, error) {
		return &url.URL{Scheme: "http", Host: address.Host}, nil
	})
}

// TestPostGoesThroughAProxy, with the same requests.
func TestPostGoesThroughAProxy(t *testing.T) {
	seen := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen[r.RequestURI] = fmt.Sprint(r.Method, r.Host, r.ContentLength, string(body), r.Header["Content-Type"], r.Header["X-Amz-Security-Token"], len(r.Header["X-Amz-Date"][0]),
			strings.Split(r.Header.Get("Authorization"), "Signature=")[0])
	}))
	defer server.Close()
	const id = "L0SM9cOFvHcCIhw="
	for _, choose := range []func(*url.URL) (transport, error){directly, throughItself} {
		if err := postTo(t, server.URL+"/live", choose).Post(t.Context(), id, watch.NewFrame([]byte("hello"))); err != nil {
			t.Fatal(err)
		}
	}
	const path = "/live/@connections/L0SM9cOFvHcCIhw%3D"
	if direct, through := seen[path], seen[server.URL+path]; direct == "" || direct != through {
		t.Errorf("posts are\n%s\nand through a proxy\n%s", direct, through)
	}
}

// TestPostOverTLS checks the server's certificate.
func TestPostOverTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Error("posted over", r.Proto)
		}
	}))
	defer server.Close()
	poster := postTo(t, server.URL+"/live", directly)
	var unknown *tls.CertificateVerificationError
	if err := poster.Post(t.Context(), "id", watch.NewFrame([]byte("x"))); !errors.As(err, &unknown) {
		t.Errorf("posted to a server of an unknown authority: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	poster.transport.(direct).TLS.RootCAs = roots
	for _, size := range []int{0, 1, oneWrite, oneWrite + 1, 128 << 10} {
		if err := poster.Post(t.Context(), "id", watch.NewFrame(make([]byte, size))); err != nil {
			t.Errorf("post of %d bytes: %v", size, err)
		}
	}
}
