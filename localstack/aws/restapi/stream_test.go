package restapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const ok = `{"statusCode":200}` + nulls

// expect reads so much of a body.
func expect(t *testing.T, body io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(body, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got, err, want)
	}
}

// cut reads the rest of a body, which must have no end, and gives it.
func cut(t *testing.T, body io.Reader) string {
	t.Helper()
	rest, err := io.ReadAll(body)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %q, %v, want a cut", rest, err)
	}
	return string(rest)
}

// D: the answer begins with valid metadata and the delimiter, and the payload goes on as it comes.
func TestStreamPassesOnAsItComes(t *testing.T) {
	next := make(chan struct{})
	f := serve(t, testAPI(streamed), functions{"f": writes(func(w *io.PipeWriter) {
		_, _ = io.WriteString(w, `{"statusCode":201,"headers":{"Content-Type":"text/event-stream","WWW-Authenticate":"Bearer"},`)
		<-next
		_, _ = io.WriteString(w, `"multiValueHeaders":{"X-Two":["1","2"]},"cookies":["a=1","b=2"]}`+nulls[:3])
		<-next
		_, _ = io.WriteString(w, nulls[3:])
		<-next
		_, _ = io.WriteString(w, ": hello\n")
		<-next
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = w.Close()
	})}, Options{})
	go func() { next <- struct{}{}; next <- struct{}{} }()
	response := f.get("/topics/a") // comes before the body
	want := http.Header{"Content-Type": {"text/event-stream"}, "X-Two": {"1", "2"}, "Set-Cookie": {"a=1", "b=2"}, "X-Amzn-Remapped-Www-Authenticate": {"Bearer"}}
	for name, values := range want {
		if got := response.Header.Values(name); !reflect.DeepEqual(got, values) {
			t.Errorf("%s is %v, want %v", name, got, values)
		}
	}
	if u := f.g.Usage(); response.StatusCode != 201 || u.Streams.Open != 1 {
		t.Errorf("status %d, used %+v", response.StatusCode, u)
	}
	next <- struct{}{}
	expect(t, response.Body, ": hello\n")
	next <- struct{}{}
	f.wants(response, 201, "data: 1\n\n")
	f.g.Close() // waits for the request to be counted
	if u := f.g.Usage(); u.Streams != (StreamUsage{Begun: 1}) || u.BytesOut != 17 || u.Requests != 1 {
		t.Errorf("used %+v", u)
	}
}

// A connection serves later requests after a stream, whose limit it does not keep.
func TestStreamsShareAConnection(t *testing.T) {
	const idle = 100 * time.Millisecond
	f := serve(t, testAPI(streamed), functions{"f": streams(ok + "body")}, Options{IdleTimeout: idle})
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(f.url, "http://"), "/live"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for _, asked := range []struct {
		path string
		want int
	}{{"topics/a", 200}, {"other", 403}, {"topics/b", 200}} {
		path, want := asked.path, asked.want
		if _, err := io.WriteString(conn, "GET /live/"+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if body, err := io.ReadAll(response.Body); response.StatusCode != want || err != nil {
			t.Errorf("%s is answered %d %s, %v", path, response.StatusCode, body, err)
		}
		time.Sleep(2 * idle)
	}
	f.wants(f.do("HEAD", "/topics/a", nil, ""), 200, "")
}

// Answers without a body end, whatever the function writes.
func TestStreamWithoutABody(t *testing.T) {
	for _, status := range []string{"204", "304"} {
		f := serve(t, testAPI(streamed), functions{"f": streams(`{"statusCode":` + status + `}` + nulls + "no")}, Options{})
		if response := f.get("/topics/a"); response.Header.Get("Transfer-Encoding") != "" {
			t.Errorf("%s has headers %v", status, response.Header)
		}
		if u := f.g.Usage(); u.Streams.Cut != 0 {
			t.Errorf("used %+v", u)
		}
	}
}

// U: which status malformed metadata gives; buffered answers give 502. D: the delimiter comes
// within 16 KB.
func TestMalformedMetadata(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":             "",
		"no delimiter":        `{"statusCode":200}`,
		"a short delimiter":   `{"statusCode":200}` + nulls[1:] + "body",
		"no JSON":             "hello" + nulls,
		"empty":               nulls,
		"a proxy answer":      `{"statusCode":200,"body":"x"}` + nulls,
		"no status":           `{}` + nulls,
		"a late delimiter":    `{"statusCode":200,"headers":{"x":"` + strings.Repeat("x", maxMetadata) + `"}}` + nulls,
		"status is no status": `{"statusCode":99}` + nulls,
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, testAPI(streamed), functions{"f": streams(answer)}, Options{})
			f.wants(f.get("/topics/a"), 502, `{"message": "Internal server error"}`)
		})
	}
	f := serve(t, testAPI(streamed), functions{"f": streams(`{}` + nulls + "body")}, Options{LenientMetadata: true})
	f.wants(f.get("/topics/a"), 200, "body")
}

func TestStreamThatDoesNotBegin(t *testing.T) {
	for name, c := range map[string]struct {
		f          function
		wantStatus int
		wantBody   string
	}{
		"function fails":       {fails("boom"), 502, `{"message": "Internal server error"}`},
		"function has no room": {full(), 500, `{"message": "Internal server error"}`},
		"function hangs":       {hangs(), 504, `{"message": "Endpoint request timed out"}`},
		"half of the metadata": {writes(func(w *io.PipeWriter) { _, _ = io.WriteString(w, `{"statusCode"`) }), 504, `{"message": "Endpoint request timed out"}`},
		"function fails while it writes the metadata": {writes(func(w *io.PipeWriter) {
			_, _ = io.WriteString(w, `{"statusCode"`)
			_ = w.CloseWithError(errors.New("killed"))
		}), 502, `{"message": "Internal server error"}`},
	} {
		t.Run(name, func(t *testing.T) {
			if c.wantStatus != 504 {
				f := serve(t, testAPI(streamed), functions{"f": c.f}, Options{})
				f.wants(f.get("/topics/a"), c.wantStatus, c.wantBody)
				return
			}
			f := serve(t, testAPI(func(m *Method) { m.Stream, m.Timeout = true, minTimeout }), functions{"f": c.f}, Options{})
			f.wants(f.get("/topics/a"), 504, c.wantBody)
			f = serve(t, testAPI(streamed), functions{"f": c.f}, Options{IdleTimeout: minTimeout})
			f.wants(f.get("/topics/a"), 504, c.wantBody)
		})
	}
}

// I: a function that fails after it has begun cuts the connection, as a timeout does (D: curl 18).
func TestStreamOfAFunctionThatFails(t *testing.T) {
	dies := writes(func(w *io.PipeWriter) {
		_, _ = io.WriteString(w, ok+"half of a li")
		_ = w.CloseWithError(errors.New("killed"))
	})
	f := serve(t, testAPI(streamed), functions{"f": dies}, Options{})
	if got := cut(t, f.get("/topics/a").Body); got != "half of a li" {
		t.Errorf("read %q", got)
	}
	f.g.Close() // waits for the request to be counted
	if u := f.g.Usage(); u.Streams != (StreamUsage{Begun: 1, Cut: 1}) {
		t.Errorf("used %+v", u)
	}
	f = serve(t, testAPI(streamed), functions{"f": dies}, Options{EndFailedStreams: true})
	f.wants(f.get("/topics/a"), 200, "half of a li")
}

// D: a stream is cut when it is silent for the idle timeout.
func TestSilentStreamIsCut(t *testing.T) {
	f := serve(t, testAPI(streamed), functions{"f": writes(func(w *io.PipeWriter) { _, _ = io.WriteString(w, ok+"once") })}, Options{IdleTimeout: 50 * time.Millisecond})
	if got := cut(t, f.get("/topics/a").Body); got != "once" {
		t.Errorf("read %q", got)
	}
}

// A client that takes nothing is cut too, once the kernel holds no more for it.
func TestAClientThatTakesNothingIsCut(t *testing.T) {
	ended := make(chan error, 1)
	f := serve(t, testAPI(streamed), functions{"f": writes(func(w *io.PipeWriter) {
		piece := strings.Repeat("x", 64<<10)
		_, err := io.WriteString(w, ok)
		for err == nil {
			_, err = io.WriteString(w, piece)
		}
		ended <- err
	})}, Options{IdleTimeout: 500 * time.Millisecond})
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(f.url, "http://"), "/live"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /live/topics/a HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	within(t, "the stream is cut", ended)
	f.g.Close()
	if u := f.g.Usage(); u.Streams != (StreamUsage{Begun: 1, Cut: 1}) {
		t.Errorf("used %+v", u)
	}
}

// Comments keep a stream open beyond the idle timeout.
func TestAStreamThatSpeaksIsNotIdle(t *testing.T) {
	const idle = 400 * time.Millisecond
	f := serve(t, testAPI(streamed), functions{"f": writes(func(w *io.PipeWriter) {
		_, _ = io.WriteString(w, ok)
		for range 8 {
			time.Sleep(idle / 4)
			_, _ = io.WriteString(w, ":\n")
		}
		_ = w.Close()
	})}, Options{IdleTimeout: idle})
	f.wants(f.get("/topics/a"), 200, strings.Repeat(":\n", 8))
}

// D: a stream is cut when its time is over, 15 minutes at most.
func TestLongStreamIsCut(t *testing.T) {
	endless := writes(func(w *io.PipeWriter) {
		_, err := io.WriteString(w, ok)
		for err == nil {
			_, err = io.WriteString(w, "more\n")
			time.Sleep(time.Millisecond)
		}
	})
	f := serve(t, testAPI(func(m *Method) { m.Stream, m.Timeout = true, 100*time.Millisecond }), functions{"f": endless}, Options{})
	response := f.get("/topics/a")
	expect(t, response.Body, "more\n")
	cut(t, response.Body)
}

// D: when the client closes the connection, the function may go on running: the gateway only
// reads no more. That the function then goes on is Lambda's.
func TestAClientThatLeavesEndsTheReading(t *testing.T) {
	ended := make(chan error, 1)
	f := serve(t, testAPI(streamed), functions{"f": writes(func(w *io.PipeWriter) {
		_, err := io.WriteString(w, ok+"hold")
		for err == nil {
			time.Sleep(time.Millisecond)
			_, err = io.WriteString(w, ":\n")
		}
		ended <- err
	})}, Options{})
	response := f.get("/topics/a")
	expect(t, response.Body, "hold")
	_ = response.Body.Close()
	within(t, "the reading ends", ended)
	for deadline := time.Now().Add(patience); f.g.Usage().Streams.Open > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("used %+v", f.g.Usage())
		}
	}
}

// D: the first 10 MB go at once, then 2 MB a second; and each begun 10 MB counts as a request.
func TestAStreamIsHeldBackAfter10MB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Gateway{options: Options{}.withDefaults()}
		p := &passage{g: g, ctx: t.Context(), idle: time.NewTimer(time.Hour)}
		began := time.Now()
		for p.sent = 0; p.sent < freeBytes+4<<20; p.sent += 1 << 20 {
			if err := p.hold(); err != nil {
				t.Fatal(err)
			}
			if p.sent <= freeBytes && time.Since(began) != 0 {
				t.Fatalf("%d bytes took %v", p.sent, time.Since(began))
			}
		}
		if took := time.Since(began); took != 1500*time.Millisecond { // before the last MB was counted
			t.Errorf("3 MB more took %v", took)
		}
	})
}

func TestLargeStreamCountsSeveralTimes(t *testing.T) {
	m := newMeter()
	m.request()
	m.streamed(0, 10<<20)
	if m.snapshot().Requests != 1 {
		t.Errorf("10 MB count as %d requests", m.snapshot().Requests)
	}
	m.streamed(10<<20, 1)
	m.streamed(10<<20+1, 15<<20)
	if m.snapshot().Requests != 3 {
		t.Errorf("25 MB count as %d requests", m.snapshot().Requests)
	}
}

// Faults tear a piece in the middle, or cut before it.
func TestTornAndCutPieces(t *testing.T) {
	for size, want := range map[int]string{3: "first,sec", 0: "first,", 6: "first,second"} {
		asked := 0
		f := serve(t, testAPI(streamed), functions{"f": writes(func(w *io.PipeWriter) {
			_, _ = io.WriteString(w, ok+"first,")
			_, err := io.WriteString(w, "second")
			for err == nil {
				_, err = io.WriteString(w, "third")
			}
		})}, Options{Passing: func(_ context.Context, piece []byte) (int, bool) {
			if asked++; asked == 2 {
				return size, true
			}
			return len(piece), false
		}})
		if got := cut(t, f.get("/topics/a").Body); got != want {
			t.Errorf("cut after %d bytes: read %q, want %q", size, got, want)
		}
	}
}

// U: a library claims that the function is invoked once more after a stream, with an event that
// is no proxy event.
func TestOneMoreInvocationAfterAStream(t *testing.T) {
	events := make(chan []byte, 1)
	f := streams(ok + "body")
	f.answer = records(events).answer
	served := serve(t, testAPI(streamed), functions{"f": f}, Options{InvokeAfterStream: true})
	served.wants(served.get("/topics/a"), 200, "body")
	if event := within(t, "one more event", events); string(event) != "{}" {
		t.Errorf("the event is %s", event)
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"statusCode":200,"headers":{"a":true},"cookies":["x"]}` + nulls + "body"))
	f.Add([]byte(nulls))
	f.Fuzz(func(t *testing.T, answer []byte) {
		g := &Gateway{}
		head, _, err := g.readMetadata(strings.NewReader(string(answer)))
		if err == nil && (head.Status < 200 || head.Status > 599) {
			t.Errorf("status %d", head.Status)
		}
	})
}
