package apigateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// sayInFrames sends one message in frames of the given size, as far as the
// server lets it. The client does not compress, so a frame's size is its text's.
func (c *client) sayInFrames(message string, size int) {
	w, err := c.Writer(c.f.Context(), websocket.MessageText)
	if err != nil {
		return
	}
	for len(message) > 0 {
		n := min(size, len(message))
		if _, err := w.Write([]byte(message[:n])); err != nil {
			return
		}
		message = message[n:]
	}
	_ = w.Close()
}

// TestSizes holds the limits: a frame of 32 KB, a message of 128 KB.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name        string
		size, frame int
		want        websocket.StatusCode // 0 for accepted
	}{
		{"frame of 32 KB: accepted", FrameLimit, FrameLimit, 0},
		{"frame of 32 KB and a byte: 1009", FrameLimit + 1, FrameLimit + 1, 1009},
		{"frame of 1 MB: 1009", 1 << 20, 1 << 20, 1009},
		{"message of 128 KB: accepted", MessageLimit, FrameLimit, 0},
		{"message of 128 KB and a byte: 1009", MessageLimit + 1, FrameLimit, 1009},
		{"message of 1 MB in small frames: 1009", 1 << 20, 1 << 10, 1009},
		{"second frame too large: 1009", 100 << 10, 100 << 10, 1009},
	} {
		t.Run(c.name, func(t *testing.T) {
			events := make(chan []byte, 2)
			f := serve(t, testAPI(map[string]Route{defaultKey: {Function: "f"}, disconnectKey: {Function: "f"}}), functions{"f": records(events)}, Options{})
			ws := f.dial(nil)
			message := strings.Repeat("x", c.size)
			go ws.sayInFrames(message, c.frame)
			if c.want == 0 {
				if got := next(t, events)["body"]; got != message {
					t.Errorf("body of %d bytes", len(got.(string)))
				}
				return
			}
			if code, reason := ws.closed(); code != c.want {
				t.Errorf("closed with %d %q, want %d", code, reason, c.want)
			}
			if got := requestContextOf(next(t, events))["disconnectStatusCode"]; got != float64(c.want) {
				t.Errorf("disconnectStatusCode %v, want %d", got, c.want)
			}
		})
	}
}

// TestSizeBehindMessages: what came whole before a too large frame is served.
func TestSizeBehindMessages(t *testing.T) {
	events := make(chan []byte, 9)
	f := serve(t, testAPI(map[string]Route{defaultKey: {Function: "f"}}), functions{"f": records(events)}, Options{})
	ws := f.dial(nil)
	for range 5 {
		ws.say("fine")
	}
	ws.say(strings.Repeat("x", FrameLimit+1))
	if code, _ := ws.closed(); code != websocket.StatusMessageTooBig {
		t.Errorf("closed with %d", code)
	}
	for range 5 {
		if got := next(t, events)["body"]; got != "fine" {
			t.Errorf("body %v", got)
		}
	}
}

// TestCompression: the frame limit is for the wire, the message limit is not.
func TestCompression(t *testing.T) {
	events := make(chan []byte, 1)
	f := serve(t, testAPI(map[string]Route{defaultKey: {Function: "f"}}), functions{"f": records(events)}, Options{})
	ws := f.dial(&websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover})
	text := strings.Repeat("watch ", 20_000) // 120 KB, far less on the wire
	ws.say(text)
	if got := next(t, events)["body"]; got != text {
		t.Errorf("body of %d bytes", len(got.(string)))
	}
	if response := f.manage(http.MethodPost, f.id(), text); response.StatusCode != 200 {
		t.Fatalf("post: %d", response.StatusCode)
	}
	if got := ws.hear(); got != text {
		t.Errorf("heard %d bytes", len(got))
	}
	ws.say(strings.Repeat("x", MessageLimit+1))
	if code, _ := ws.closed(); code != websocket.StatusMessageTooBig {
		t.Errorf("closed with %d", code)
	}
}

func TestNoCompression(t *testing.T) {
	f := serve(t, testAPI(nil), nil, Options{NoCompression: true})
	ws := f.dial(&websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover})
	if got := ws.response.Header.Get("Sec-WebSocket-Extensions"); got != "" {
		t.Errorf("extensions %q", got)
	}
}

// TestBadText holds what else a client must not send.
func TestBadText(t *testing.T) {
	for name, c := range map[string]struct {
		kind    websocket.MessageType
		message string
		want    websocket.StatusCode
	}{
		"binary: 1003":    {websocket.MessageBinary, "\x00\x01", websocket.StatusUnsupportedData},
		"not UTF-8: 1007": {websocket.MessageText, "\xff\xfe", websocket.StatusInvalidFramePayloadData},
	} {
		t.Run(name, func(t *testing.T) {
			events := make(chan []byte, 1)
			f := serve(t, testAPI(map[string]Route{disconnectKey: {Function: "f"}}), functions{"f": records(events)}, Options{})
			ws := f.dial(nil)
			if err := ws.Write(t.Context(), c.kind, []byte(c.message)); err != nil {
				t.Fatal(err)
			}
			if code, _ := ws.closed(); code != c.want {
				t.Errorf("closed with %d, want %d", code, c.want)
			}
			if got := requestContextOf(next(t, events))["disconnectStatusCode"]; got != float64(c.want) {
				t.Errorf("disconnectStatusCode %v, want %d", got, c.want)
			}
		})
	}
}

// TestTimers holds the idle and the absolute limit, in synctest's time. A
// client that does something every nine minutes lives to the two hours.
func TestTimers(t *testing.T) {
	for _, c := range []struct {
		name string
		keep func(n *memory, ws *client) // done every nine minutes; nil for never
		want time.Duration
	}{
		{"silence: 10 min", nil, IdleTimeout},
		{"pings do not count: 10 min", func(n *memory, ws *client) { go func() { _ = ws.Ping(n.Context()) }() }, IdleTimeout},
		{"messages count: 2 h", func(_ *memory, ws *client) { ws.say("{}") }, MaxDuration},
		{"posts count: 2 h", func(n *memory, _ *client) { n.post("{}") }, MaxDuration},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				events := make(chan []byte, 1)
				n := network(t, testAPI(map[string]Route{disconnectKey: {Function: "f"}, defaultKey: {}}), functions{"f": records(events)}, Options{})
				ws := n.dial(nil)
				began, stop := time.Now(), make(chan struct{})
				if c.keep != nil {
					go every(9*time.Minute, stop, func() { c.keep(n, ws) })
				}
				code, reason := ws.closed()
				close(stop)
				if code != websocket.StatusGoingAway || reason != "Going away" {
					t.Errorf("closed with %d %q", code, reason)
				}
				if lived := time.Since(began); lived != c.want {
					t.Errorf("lived %v, want %v", lived, c.want)
				}
				if got := requestContextOf(decode(t, <-events)); got["disconnectStatusCode"] != 1001.0 || got["disconnectReason"] != "Going away" {
					t.Errorf("%v", got)
				}
			})
		})
	}
}

func every(d time.Duration, stop <-chan struct{}, do func()) {
	for {
		select {
		case <-time.After(d):
			do()
		case <-stop:
			return
		}
	}
}

// post posts to the only connection through ServeHTTP.
func (m *memory) post(message string) int {
	request, err := http.NewRequestWithContext(m.Context(), http.MethodPost, m.url+"/@connections/"+m.id(), strings.NewReader(message))
	if err != nil {
		m.Fatal(err)
	}
	sign(request)
	response, err := m.http.Do(request)
	if err != nil {
		m.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// TestPing: a ping is answered, and the server starts none of its own.
func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := network(t, testAPI(nil), nil, Options{})
		var pinged bool
		ws := n.dial(&websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool { pinged = true; return true }})
		go func() { ws.closed() }()
		if err := ws.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(IdleTimeout - time.Second) // of synctest
		synctest.Wait()
		if pinged {
			t.Error("the server pings")
		}
		_ = ws.Close(websocket.StatusNormalClosure, "")
	})
}

func TestIgnorePings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := network(t, testAPI(nil), nil, Options{IgnorePings: true})
		ws := n.dial(nil)
		go func() { ws.closed() }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := ws.Ping(ctx); err == nil {
			t.Error("a pong came")
		}
	})
}

// FuzzFrames: however the bytes of frames are cut up, the scanner finds the
// same frames, and the bytes in front of a too large one pass unchanged.
func FuzzFrames(f *testing.F) {
	seed, _ := hex.DecodeString("8185010203046069656a6e" + "890401020304" + "82fe0080")
	f.Add(seed, 1)
	f.Add(append([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4}, make([]byte, 300)...), 7)
	random := make([]byte, 64)
	_, _ = rand.Read(random)
	f.Add(random, 3)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		whole := &wire{frameLimit: 1 << 10}
		pass := whole.scan(stream)
		if !whole.tooBig && pass != len(stream) {
			t.Fatalf("%d of %d bytes pass", pass, len(stream))
		}
		pieces, got, size := &wire{frameLimit: 1 << 10}, []byte{}, max(1, cut&0xff)
		for rest := stream; len(rest) > 0; {
			piece := rest[:min(size, len(rest))]
			got = append(got, piece[:pieces.scan(piece)]...)
			rest = rest[len(piece):]
		}
		// In pieces, part of the too large frame's header may be through.
		if pieces.tooBig != whole.tooBig || pieces.ended != whole.ended || len(got) < pass || len(got) >= pass+longHeader {
			t.Errorf("in pieces of %d: %d bytes pass, too big %v; at once %d, %v", size, len(got), pieces.tooBig, pass, whole.tooBig)
		}
		if !bytes.HasPrefix(stream, got) {
			t.Error("the bytes changed")
		}
	})
}
