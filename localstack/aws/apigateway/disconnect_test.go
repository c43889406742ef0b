package apigateway

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// TestDisconnect holds what $disconnect is told for each way to end, and that
// it is told once.
func TestDisconnect(t *testing.T) {
	for _, c := range []struct {
		name   string
		end    func(f *fixture, ws *client)
		code   float64
		reason string
	}{
		{"client closes with 1000", func(_ *fixture, ws *client) { _ = ws.Close(websocket.StatusNormalClosure, "done") }, 1000, "done"},
		{"browser navigates away", func(_ *fixture, ws *client) { _ = ws.Close(websocket.StatusGoingAway, "") }, 1001, ""},
		{"client's own code", func(_ *fixture, ws *client) { _ = ws.Close(4001, "mine") }, 4001, "mine"},
		{"client gives no code", func(_ *fixture, ws *client) { _ = ws.Close(websocket.StatusNoStatusRcvd, "") }, 1005, "Client-side close frame status not set"},
		{"the connection is lost", func(_ *fixture, ws *client) { _ = ws.CloseNow() }, 1006, ""},
		{"DELETE", func(f *fixture, ws *client) { f.manage(http.MethodDelete, f.id(), ""); ws.closed() }, 1000, "Connection Closed Normally"},
	} {
		t.Run(c.name, func(t *testing.T) {
			events := make(chan []byte, 9)
			f := serve(t, testAPI(map[string]Route{disconnectKey: {Function: "f"}}), functions{"f": records(events)}, Options{})
			ws := f.dial(nil)
			c.end(f, ws)
			got := requestContextOf(next(t, events))
			if got["disconnectStatusCode"] != c.code || got["disconnectReason"] != c.reason {
				t.Errorf("told %v %q", got["disconnectStatusCode"], got["disconnectReason"])
			}
			if closed := f.g.Usage().Connections.Closed; closed[int(c.code)] != 1 || len(closed) != 1 {
				t.Errorf("closed by code: %v", closed)
			}
			f.g.Close()
			if len(events) != 0 {
				t.Errorf("told again: %s", <-events)
			}
		})
	}
}

// TestProtocolError: a frame that breaks RFC 6455 closes with 1002.
func TestProtocolError(t *testing.T) {
	for name, frame := range map[string]string{
		"unmasked":          "\x81\x02hi",
		"reserved bits":     "\xf1\x80\x00\x00\x00\x00",
		"unknown opcode":    "\x83\x80\x00\x00\x00\x00",
		"stray continuance": "\x80\x80\x00\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			events := make(chan []byte, 1)
			f := serve(t, testAPI(map[string]Route{disconnectKey: {Function: "f"}}), functions{"f": records(events)}, Options{})
			var raw net.Conn
			transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
				raw, err = (&net.Dialer{}).DialContext(ctx, network, address)
				return raw, err
			}}
			ws := f.dial(&websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
			if _, err := raw.Write([]byte(frame)); err != nil {
				t.Fatal(err)
			}
			if code, reason := ws.closed(); code != websocket.StatusProtocolError {
				t.Errorf("closed with %d %q", code, reason)
			}
			if got := requestContextOf(next(t, events))["disconnectStatusCode"]; got != 1002.0 {
				t.Errorf("disconnectStatusCode %v", got)
			}
		})
	}
}

// TestRefusedHasNoDisconnect, unless the switch says so.
func TestRefusedHasNoDisconnect(t *testing.T) {
	for name, o := range map[string]Options{"strict": {}, "switched": {DisconnectRefused: true}} {
		t.Run(name, func(t *testing.T) {
			events := make(chan []byte, 1)
			f := serve(t, testAPI(map[string]Route{connectKey: {Function: "no"}, disconnectKey: {Function: "f"}}),
				functions{"no": answers(`{"statusCode":403}`), "f": records(events)}, o)
			f.refused(nil)
			if o.DisconnectRefused {
				next(t, events)
			}
			f.g.Close()
			if len(events) != 0 {
				t.Errorf("told %s", <-events)
			}
		})
	}
}

// TestVanished: a client whose network is gone is not missed before it has
// been idle for long enough, and $disconnect tells so.
func TestVanished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := make(chan []byte, 1)
		n := network(t, testAPI(map[string]Route{disconnectKey: {Function: "f"}}), functions{"f": records(events)}, Options{})
		n.dial(nil) // never reads, so never sees the close frame
		began := time.Now()
		got := requestContextOf(decode(t, <-events))
		if late := time.Since(began) - IdleTimeout; late < 0 || late > 20*time.Second {
			t.Errorf("told %v after the idle limit", late)
		}
		if got["disconnectStatusCode"] != 1001.0 {
			t.Errorf("told %v", got["disconnectStatusCode"])
		}
	})
}

// TestClose: every client sees 1001, no function is told, invocations end, and
// it takes less than half a second even with clients that do not answer.
func TestClose(t *testing.T) {
	events, called := make(chan []byte, 9), make(chan struct{})
	f := serve(t, testAPI(map[string]Route{disconnectKey: {Function: "f"}, "hang": {Function: "hangs"}}), functions{
		"f": records(events),
		"hangs": func(ctx context.Context, payload []byte) ([]byte, bool, error) {
			close(called)
			return hangs(ctx, payload)
		},
	}, Options{})
	reads, deaf := f.dial(nil), f.dial(nil)
	reads.say(`{"action":"hang"}`)
	<-called
	code := make(chan websocket.StatusCode, 1)
	go func() {
		got, _ := reads.closed()
		code <- got
	}()
	began := time.Now()
	f.g.Close()
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("took %v", took)
	}
	if got := <-code; got != websocket.StatusGoingAway {
		t.Errorf("closed with %d", got)
	}
	if got, _ := deaf.closed(); got != websocket.StatusGoingAway {
		t.Errorf("deaf client closed with %d", got)
	}
	if len(events) != 0 {
		t.Errorf("told %s", <-events)
	}
	if u := f.g.Usage().Connections; u.Open != 0 || u.Closed[1001] != 2 {
		t.Errorf("%+v", u)
	}
	if response := f.refused(nil); response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("after Close: %d", response.StatusCode)
	}
	f.g.Close()
}

// TestClientLeavesDuringConnect: $connect has run, so $disconnect runs too.
func TestClientLeavesDuringConnect(t *testing.T) {
	events, proceed, called := make(chan []byte, 9), make(chan struct{}), make(chan struct{})
	f := serve(t, testAPI(map[string]Route{connectKey: {Function: "connect"}, disconnectKey: {Function: "f"}}), functions{
		"f": records(events),
		"connect": func(context.Context, []byte) ([]byte, bool, error) {
			close(called)
			<-proceed
			return []byte(ok200), false, nil
		},
	}, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if ws, _, err := websocket.Dial(ctx, f.url, nil); err == nil {
			_ = ws.CloseNow()
		}
	}()
	<-called
	cancel()
	<-gone
	close(proceed)
	if got := requestContextOf(next(t, events)); got["disconnectStatusCode"] != 1006.0 {
		t.Errorf("told %v", got)
	}
}

// TestCut: the client loses its connection without a close frame, and $disconnect tells 1006.
func TestCut(t *testing.T) {
	f := serve(t, testAPI(nil), functions{}, Options{})
	ws := f.dial(nil)
	id := f.id()
	if !f.g.Cut(id) || f.g.Cut(nobody) {
		t.Error("it is not cut, or one that is not there is")
	}
	if _, _, err := ws.Read(t.Context()); websocket.CloseStatus(err) != -1 || err == nil {
		t.Errorf("the client sees %v", err)
	}
	for end := time.Now().Add(10 * time.Second); f.g.Usage().Connections.Closed[1006] != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("closed are %v", f.g.Usage().Connections.Closed)
		}
	}
}
