package reply

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/watch"
)

// everyAction is one message for each thing that a client can ask for, and two that are none.
var everyAction = []string{
	`{"action":"subscribe","id":"q","topic":"a"}`, `{"action":"subscribe","id":"q","topic":"*"}`, `{"action":"unsubscribe","id":"q","topic":"a"}`,
	`{"action":"snapshot","id":"q","topic":"a"}`, `{"action":"publish","id":"q","topic":"a","item":{"id":"i","data":{}}}`,
	`{"action":"ping","id":"q"}`, `{"action":"ping","id":"q","cursors":{"a":":0"}}`, `{"action":"auth","id":"q","token":"good"}`,
	`{"action":"dance","id":"q"}`, `no JSON`,
}

// TestRefusedClientIsToldAndReachesNothing: the answerer has no stores, so that a request
// which were carried out would panic.
func TestRefusedClientIsToldAndReachesNothing(t *testing.T) {
	for _, c := range []struct {
		why  error
		code events.Code
	}{{watch.ErrUnauthorized, events.CodeBadToken}, {watch.ErrRevoked, events.CodeRevoked}} {
		for _, body := range everyAction {
			p := &posts{}
			h := New(identity.Reader{}, watch.Answerer{}, p, 20, slog.New(slog.DiscardHandler))
			event := awsevents.APIGatewayWebsocketProxyRequest{Body: body}
			context := identity.Refused(c.why)
			context["principalId"] = "refused"
			event.RequestContext.ConnectionID, event.RequestContext.Authorizer = "c1", context
			for range 3 { // messages that were under way when the connection was closed
				if got, err := h.Reply(t.Context(), event); err != nil || got.StatusCode != 200 || got.Body != "" {
					t.Errorf("%s is answered %+v, %v", body, got, err)
				}
			}
			if p.closed != 1 || len(p.frames) != 1 {
				t.Fatalf("%s: %d frames were posted, closed %d times", body, len(p.frames), p.closed)
			}
			frame, err := events.Decode([]byte(p.frames[0]))
			if got, ok := frame.(*events.Error); err != nil || !ok || got.Code != c.code || (got.ID == "q") != (body != "no JSON") {
				t.Errorf("%s: told is %s", body, p.frames[0])
			}
		}
	}
}

// TestClientThatWasTurnedAwayIsTold: no row is kept of its connection, which is how it is
// known. A minute later the service must have forgotten it.
func TestClientThatWasTurnedAwayIsTold(t *testing.T) {
	for age, code := range map[time.Duration]events.Code{0: events.CodeTooManyConnections, 61 * time.Second: events.CodeNotConnected} {
		for _, body := range everyAction[:8] {
			d := newDesk(t)
			c := watch.Connection{Key: watch.Key{Subject: "anna", ID: "c1"}, Connected: time.Now().Add(-age), ToldInside: true,
				Access: watch.Access{Grant: granted(t, "anna", `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read","publish"]}]}`), Expires: time.Now().Add(time.Hour)}}
			frames := d.ask(c, body)
			if len(frames) != 1 || d.posts.closed != 1 {
				t.Fatalf("%s is answered %q, closed %d times", body, frames, d.posts.closed)
			}
			frame, err := events.Decode([]byte(frames[0]))
			if got, ok := frame.(*events.Error); err != nil || !ok || got.Code != code || got.ID != "q" {
				t.Errorf("%s: told is %s, want %s", body, frames[0], code)
			}
			if rows, _, err := d.store.Page(t.Context(), "a", "", 10); err != nil || len(rows) > 0 {
				t.Errorf("%s: the topic has %v, %v", body, rows, err)
			}
		}
	}
}

// TestAdmittedClientIsNotTurnedAway, where refusals are told inside, as soon as it is there.
func TestAdmittedClientIsNotTurnedAway(t *testing.T) {
	d := newDesk(t)
	c := d.connect("anna", "c1", `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe"]}]}`)
	c.Connected, c.ToldInside = time.Now(), true
	if frames := d.ask(c, `{"action":"ping"}`); !slices.Equal(frames, []string{`{"type":"pong"}`}) {
		t.Errorf("ping is answered %q", frames)
	}
}
