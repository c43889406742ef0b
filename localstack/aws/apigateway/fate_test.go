package apigateway

import (
	"context"
	"net/http"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
)

// fates decide one after the other; once there are none left, messages arrive.
func fates(all ...Fate) func() Fate {
	var n atomic.Int32
	return func() Fate {
		if i := int(n.Add(1)); i <= len(all) {
			return all[i-1]
		}
		return Arrives
	}
}

// echoAPI has a two-way route that gives "echo", and tells of messages and ends.
func echoAPI(t *testing.T, o Options) (f *fixture, messages, ends chan []byte) {
	messages, ends = make(chan []byte, 9), make(chan []byte, 9)
	record := records(messages)
	f = serve(t, testAPI(map[string]Route{defaultKey: {Function: "f", TwoWay: true}, disconnectKey: {Function: "end"}}), functions{
		"f": func(ctx context.Context, payload []byte) ([]byte, bool, error) {
			_, _, _ = record(ctx, payload)
			return []byte(`{"statusCode":200,"body":"echo"}`), false, nil
		},
		"end": records(ends),
	}, o)
	return f, messages, ends
}

func TestLostMessages(t *testing.T) {
	f, messages, _ := echoAPI(t, Options{Receiving: fates(Lost), Sending: fates(Lost, Lost)})
	ws := f.dial(nil)
	ws.say("in is lost")
	ws.say("out is lost")
	if got := next(t, messages)["body"]; got != "out is lost" {
		t.Errorf("the function got %q", got)
	}
	// The first two to be sent are lost: one of these posts, at least.
	for range 2 {
		if response := f.manage(http.MethodPost, f.id(), "post"); response.StatusCode != http.StatusOK {
			t.Errorf("the post is answered %s", response.Status)
		}
	}
	f.manage(http.MethodPost, f.id(), "the end")
	var heard []string
	for len(heard) == 0 || heard[len(heard)-1] != "the end" {
		heard = append(heard, ws.hear())
	}
	if len(heard) != 2 {
		t.Errorf("the client heard %q, want one of three and the end", heard)
	}
	if u := f.g.Usage(); u.Messages.In != 2 || u.Messages.Out != 4 {
		t.Errorf("%+v were counted, want those that were lost too", u.Messages)
	}
}

func TestMessageThatCutsTheConnection(t *testing.T) {
	for name, o := range map[string]Options{"in": {Receiving: fates(Cut)}, "out": {Sending: fates(Cut)}} {
		t.Run(name, func(t *testing.T) {
			f, messages, ends := echoAPI(t, o)
			ws := f.dial(nil)
			ws.say("hello")
			if code, reason := ws.closed(); code != websocket.StatusAbnormalClosure {
				t.Errorf("closed with %d %q, want no close frame", code, reason)
			}
			if got := next(t, messages)["body"]; got != "hello" {
				t.Errorf("the function got %q", got)
			}
			if got := requestContextOf(next(t, ends))["disconnectStatusCode"]; got != 1006.0 {
				t.Errorf("$disconnect was told %v", got)
			}
		})
	}
}

func TestPostThatCutsTheConnectionIsTaken(t *testing.T) {
	f, _, ends := echoAPI(t, Options{Sending: fates(Cut)})
	ws := f.dial(nil)
	if response := f.manage(http.MethodPost, f.id(), "post"); response.StatusCode != http.StatusOK {
		t.Errorf("the post is answered %s", response.Status)
	}
	if code, _ := ws.closed(); code != websocket.StatusAbnormalClosure {
		t.Errorf("closed with %d, want no close frame", code)
	}
	next(t, ends)
}

func TestDisconnectLeftOut(t *testing.T) {
	var asked atomic.Int32
	f, _, ends := echoAPI(t, Options{NoDisconnect: func() bool { return asked.Add(1) == 1 }})
	for range 2 {
		_ = f.dial(nil).Close(websocket.StatusNormalClosure, "")
		for len(f.g.Connections()) > 0 { // until the end is known
			runtime.Gosched()
		}
	}
	next(t, ends)
	f.g.Close()
	if asked.Load() != 2 || len(ends) != 0 {
		t.Errorf("asked %d times, told %d times too often", asked.Load(), len(ends))
	}
}

// passages let the first message wait until the second has been answered.
type passages struct {
	came     []string
	answered chan struct{}
}

type passing struct {
	wait  <-chan struct{}
	ended func()
}

func (p passing) Wait() {
	if p.wait != nil {
		<-p.wait
	}
}

func (p passing) Ended() { p.ended() }

func (p *passages) passing(connection, body string) Passage {
	p.came = append(p.came, connection+" "+body)
	if len(p.came) == 1 {
		return passing{p.answered, func() {}}
	}
	return passing{nil, func() { close(p.answered) }}
}

// TestLaterMessageOvertakes: a message that is held up gets to its function after the one
// behind it has been answered.
func TestLaterMessageOvertakes(t *testing.T) {
	p := &passages{answered: make(chan struct{})}
	f, messages, _ := echoAPI(t, Options{Passing: p.passing})
	ws := f.dial(nil)
	ws.say("first")
	ws.say("second")
	for _, want := range []string{"second", "first"} {
		if got := next(t, messages)["body"]; got != want {
			t.Errorf("the function got %q, want %q", got, want)
		}
		ws.hear()
	}
	if want := []string{f.id() + " first", f.id() + " second"}; !slices.Equal(p.came, want) {
		t.Errorf("messages came as %q, want %q", p.came, want)
	}
}
