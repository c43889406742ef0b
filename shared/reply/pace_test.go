package reply

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/watch"
)

// of is a connection of an anonymous client.
func of(id watch.ConnectionID) watch.Key { return watch.Key{Subject: watch.Anonymous, ID: id} }

// allowed is how many of n messages that come at once may be answered.
func (p *pace) allowed(key watch.Key, n int) int {
	allowed := 0
	for range n {
		if p.allows(key) {
			allowed++
		}
	}
	return allowed
}

func TestPace(t *testing.T) {
	const perSecond = 10
	synctest.Test(t, func(t *testing.T) {
		p := newPace(perSecond)
		for _, c := range []struct {
			after time.Duration
			id    watch.ConnectionID
			want  int
		}{
			{0, "a", perSecond + atOnce},
			{0, "a", 0},
			{0, "b", perSecond + atOnce}, // what others send does not count
			{99 * time.Millisecond, "a", 0},
			{time.Millisecond, "a", 1},
			{time.Second, "a", perSecond},
			{5 * time.Second, "a", 5 * perSecond},
			{time.Hour, "a", perSecond + atOnce}, // what was not sent is not saved up
			{0, "b", perSecond + atOnce},
		} {
			time.Sleep(c.after)
			if got := p.allowed(of(c.id), 1000); got != c.want {
				t.Errorf("%v later %d messages of %s are answered, want %d", c.after, got, c.id, c.want)
			}
		}
	})
}

// TestConnectionsOfASubjectShareItsPace: with a hundred of them nobody sends a hundred times
// as much.
func TestConnectionsOfASubjectShareItsPace(t *testing.T) {
	const perSecond = 10
	synctest.Test(t, func(t *testing.T) {
		p := newPace(perSecond)
		everyone := func(subject string, n int) (allowed int) {
			for id := range 100 {
				allowed += p.allowed(watch.Key{Subject: subject, ID: watch.ConnectionID(fmt.Sprint(subject, id))}, n)
			}
			return allowed
		}
		if got, want := everyone("mallory", 50), subjectFactor*(perSecond+atOnce); got != want {
			t.Errorf("%d messages at once are answered, want %d", got, want)
		}
		time.Sleep(time.Second)
		if got, want := everyone("mallory", perSecond), subjectFactor*perSecond; got != want {
			t.Errorf("%d messages are answered a second later, want %d", got, want)
		}
		if got, want := everyone("alice", 5), 500; got != want {
			t.Errorf("%d messages of another subject are answered, want %d", got, want)
		}
	})
}

// TestPaceLetsASteadyClientBe: who keeps the pace is never refused.
func TestPaceLetsASteadyClientBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(10)
		for n := range 10_000 {
			if time.Sleep(100 * time.Millisecond); !p.allows(of("a")) {
				t.Fatalf("message %d is refused", n)
			}
		}
	})
}

// TestPaceForgets: however many connections come, a bounded number is counted.
func TestPaceForgets(t *testing.T) {
	p := newPace(1)
	for n := range 3*paceKept + 1 {
		if p.allows(of(watch.ConnectionID(fmt.Sprint(n)))); len(p.connections) > paceKept {
			t.Fatalf("%d connections are counted", len(p.connections))
		}
	}
	if len(p.connections) != 1 {
		t.Errorf("%d connections are counted at last, want the newest alone", len(p.connections))
	}
}

// wire notes what is sent besides answers.
type wire struct{ sent []string }

func (w *wire) Post(_ context.Context, _ watch.ConnectionID, frame watch.Frame) error {
	w.sent = append(w.sent, string(frame.Body))
	return nil
}

func (w *wire) Close(_ context.Context, id watch.ConnectionID) error {
	w.sent = append(w.sent, "close "+string(id))
	return nil
}

// table notes what is written.
type table struct {
	watch.Store
	put int
}

func (tb *table) Session(context.Context, watch.Key) (watch.Session, error) {
	return watch.Session{}, nil
}

func (tb *table) Put(context.Context, watch.Publication) error {
	tb.put++
	return nil
}

// TestWhatComesTooFastIsNotCarriedOut: it is refused, the connection stays, and
// others are answered.
func TestWhatComesTooFastIsNotCarriedOut(t *testing.T) {
	w, tb := &wire{}, &table{}
	h := New(identity.Reader{Open: true}, watch.Answerer{Store: tb, Sealer: seal.Fixed(make([]byte, seal.MinSecretBytes))}, w, 0, slog.New(slog.DiscardHandler)) // nothing but what may come at once
	for n := range atOnce + 3 {
		got := publish(t, h, "c1")
		if tooFast := strings.Contains(got, `"code":"too_many_requests"`); tooFast != (n >= atOnce) {
			t.Fatalf("message %d is answered %s", n, got)
		}
	}
	if tb.put != atOnce || len(w.sent) > 0 {
		t.Errorf("%d messages are carried out, and sent is %q", tb.put, w.sent)
	}
	if got := publish(t, h, "c2"); !strings.Contains(got, `"type":"published"`) {
		t.Errorf("another connection is answered %s", got)
	}
}

func publish(t *testing.T, h Handler, id string) string {
	t.Helper()
	event := awsevents.APIGatewayWebsocketProxyRequest{Body: `{"action":"publish","id":"q","topic":"a","item":{"id":"i"}}`}
	event.RequestContext.ConnectionID, event.RequestContext.ConnectedAt = id, time.Now().UnixMilli()
	answer, err := h.Reply(t.Context(), event)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("answer %+v, %v", answer, err)
	}
	return answer.Body
}
