package restapi

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// What a connection remembers is bounded, and nothing is once it is no HTTP any more.
func TestAConnectionRemembersItsLatestBytes(t *testing.T) {
	for _, size := range []int{1, 1000, 3 * remembered} {
		here, there := net.Pipe()
		c := &spelledConn{Conn: here}
		go func() {
			_, _ = io.WriteString(there, strings.Repeat("x", 5*remembered)+"end")
			_ = there.Close()
		}()
		read := 0
		for p := make([]byte, size); ; {
			n, err := c.Read(p)
			if read += n; err != nil {
				break
			}
			if len(c.latest) > 2*remembered {
				t.Fatalf("remembers %d bytes", len(c.latest))
			}
		}
		if read != 5*remembered+3 || len(c.latest) < remembered || !strings.HasSuffix(string(c.latest), "xend") {
			t.Errorf("read %d bytes, remembers %d", read, len(c.latest))
		}
		c.forget()
		if c.latest != nil {
			t.Error("remembers after it was told to forget")
		}
	}
}

// TestAWaitingConnectionRemembersLittle: a stack keeps hundreds of them. It still knows how a
// request that was sent together with the former one was written.
func TestAWaitingConnectionRemembersLittle(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	names := make(chan string, 9)
	var conn *spelledConn
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn = r.Context().Value(connKey{}).(*spelledConn)
		names <- spelling(r)["X-Name"]
	})}
	waits := make(chan int, 9)
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateIdle {
			waits <- cap(conn.latest)
		}
	}
	spelled := RememberSpelling(server, []net.Listener{listener})
	go func() { _ = server.Serve(spelled[0]) }()
	defer server.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const large = 5 * remembered
	for _, c := range []struct {
		text string
		want []string
	}{
		{"POST /1 HTTP/1.1\r\nHost: h\r\nX-nAME: 1\r\nContent-Length: " + strconv.Itoa(large) + "\r\n\r\n" + strings.Repeat("x", large), []string{""}}, // all those bytes came after its name
		{"GET /2 HTTP/1.1\r\nHost: h\r\nx-Name: 1\r\n\r\nGET /3 HTTP/1.1\r\nHost: h\r\nX-NAME: 1\r\n\r\n", []string{"x-Name", "X-NAME"}},
		{"GET /4 HTTP/1.1\r\nHost: h\r\nx-name: 1\r\n\r\n", []string{"x-name"}},
	} {
		if _, err := io.WriteString(client, c.text); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if got := <-names; got != want {
				t.Errorf("the name is %q, want %q", got, want)
			}
			if kept := <-waits; kept > 4*readAhead {
				t.Errorf("a buffer of %d bytes is kept", kept)
			}
		}
	}
}
