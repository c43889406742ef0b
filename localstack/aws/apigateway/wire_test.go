package apigateway

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// TestSlowClient: posts to a client that does not read are taken without a
// wait until the buffer is full, then answered 429; whatever was taken arrives
// in order once the client reads.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := network(t, testAPI(nil), nil, Options{SendBuffer: 100})
		ws := n.dial(nil)
		began := time.Now()
		message := strings.Repeat("x", 30)
		for i, want := range []int{200, 200, 200, 429, 429} {
			if got := n.post(message[:i] + "#" + message[i:]); got != want {
				t.Errorf("post %d: %d, want %d", i, got, want)
			}
		}
		if took := time.Since(began); took > writeGrace {
			t.Errorf("posting took %v", took)
		}
		for i := range 3 {
			if got := ws.hear(); strings.Index(got, "#") != i {
				t.Errorf("message %d is %q", i, got)
			}
		}
		synctest.Wait()
		if got := n.post("after"); got != 200 {
			t.Errorf("post after reading: %d", got)
		}
		if got := ws.hear(); got != "after" {
			t.Errorf("heard %q", got)
		}
		if posts := n.g.Usage().Posts; posts[200] != 4 || posts[429] != 2 {
			t.Errorf("posts %v", posts)
		}
	})
}

// TestBlockedClient: a client that takes nothing for too long is cut off.
func TestBlockedClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := make(chan []byte, 1)
		n := network(t, testAPI(map[string]Route{disconnectKey: {Function: "f"}}), functions{"f": records(events)}, Options{})
		n.dial(nil)
		began := time.Now()
		if got := n.post("hello"); got != 200 {
			t.Errorf("post: %d", got)
		}
		if got := requestContextOf(decode(t, <-events))["disconnectStatusCode"]; got != 1006.0 {
			t.Errorf("disconnectStatusCode %v", got)
		}
		if took := time.Since(began); took != 10*time.Second+writeGrace {
			t.Errorf("after %v", took)
		}
	})
}

// TestSlowClientAlone: while one client does not read, another is served.
func TestSlowClientAlone(t *testing.T) {
	f := serve(t, testAPI(nil), nil, Options{SendBuffer: 8 << 20})
	f.dial(nil)
	slow := f.id()
	quick := f.dial(nil)
	large := strings.Repeat("x", MessageLimit)
	status := 200
	for range 200 { // 25 MB, more than the kernel takes
		if status = f.manage("POST", slow, large).StatusCode; status != 200 {
			break
		}
	}
	if status != 429 {
		t.Errorf("the slow client's buffer never filled: %d", status)
	}
	for _, id := range f.g.Connections() {
		if id != slow {
			f.manage("POST", id, "quick")
		}
	}
	if got := quick.hear(); got != "quick" {
		t.Errorf("heard %q", got)
	}
}

// TestReadTooLarge: what stands before a too large frame passes, nothing of it
// does, and the client's close frame behind it ends the discarding.
func TestReadTooLarge(t *testing.T) {
	const small, large, closing = "\x81\x82\x00\x00\x00\x00hi", "\x81\x8b\x00\x00\x00\x00hello world", "\x88\x80\x00\x00\x00\x00"
	w := &wire{early: []byte(small + large + small + closing + small), frameLimit: 10}
	p := make([]byte, 100)
	if n, err := w.Read(p); string(p[:n]) != small || err != nil {
		t.Errorf("read %q, %v", p[:n], err)
	}
	if n, err := w.Read(p); n != 0 || err != errFrameTooLarge {
		t.Errorf("read %d bytes, %v", n, err)
	}
	for range 2 {
		if n, err := w.Read(p); n != 0 || err != io.EOF {
			t.Errorf("read %d bytes, %v", n, err)
		}
	}
}

// TestPingFlood: pongs that nobody reads do not pile up without end.
func TestPingFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		w := &wire{Conn: server, blocked: time.Hour, backlogMax: 100, spawn: func(f func()) bool { go f(); return true }}
		var err error
		for range 11 {
			if _, err = w.Write(make([]byte, 10)); err != nil {
				break
			}
		}
		if !errors.Is(err, errBlocked) {
			t.Errorf("write: %v", err)
		}
		if _, err := client.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the connection is open: %v", err)
		}
	})
}

// TestDrainOrder: what is written during a drain follows what waits.
func TestDrainOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		w := &wire{Conn: server, blocked: time.Hour, backlogMax: 1 << 20, spawn: func(f func()) bool { go f(); return true }}
		var want strings.Builder
		go func() {
			for i := range 3000 {
				part := strings.Repeat(string(rune('a'+i%26)), 1+i%40)
				want.WriteString(part)
				if _, err := w.Write([]byte(part)); err != nil {
					t.Error(err)
				}
			}
			synctest.Wait() // until the drain waits for the reader below
			for w.waiting() > 0 {
				time.Sleep(time.Second) // of synctest
			}
			_ = server.Close()
		}()
		var got strings.Builder
		piece := make([]byte, 1000)
		for {
			time.Sleep(10 * time.Millisecond)
			n, err := client.Read(piece)
			got.Write(piece[:n])
			if err != nil {
				break
			}
		}
		if got.String() != want.String() {
			t.Errorf("%d bytes came of %d, or in another order", got.Len(), want.Len())
		}
	})
}

// TestEarlyBytes: what the client sent right behind its handshake is not lost.
func TestEarlyBytes(t *testing.T) {
	events := make(chan []byte, 1)
	f := serve(t, testAPI(map[string]Route{defaultKey: {Function: "f"}}), functions{"f": records(events)}, Options{})
	address, path, _ := strings.Cut(strings.TrimPrefix(f.url, "http://"), "/")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := "GET /" + path + " HTTP/1.1\r\nHost: " + address + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := conn.Write([]byte(request + "\x81\x85\x00\x00\x00\x00early")); err != nil {
		t.Fatal(err)
	}
	if got := next(t, events)["body"]; got != "early" {
		t.Errorf("body %v", got)
	}
}

func TestMaxConnections(t *testing.T) {
	f := serve(t, testAPI(nil), nil, Options{MaxConnections: 1})
	ws := f.dial(nil)
	if response := f.refused(nil); response.StatusCode != 429 {
		t.Errorf("status %d", response.StatusCode)
	}
	_ = ws.Close(websocket.StatusNormalClosure, "")
	waitFor(t, "the end", func() bool { return f.g.Usage().Connections.Open == 0 })
	f.dial(nil)
}
