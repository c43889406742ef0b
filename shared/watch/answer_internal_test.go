package watch

import (
	"testing"

	"github.com/watchroute/watchroute/events"
)

// TestWhatIsLoggedOfARequest is never what a client can put where the service does not look:
// a ping and auth are of no topic, so what stands there may be a secret that looks like one.
func TestWhatIsLoggedOfARequest(t *testing.T) {
	for want, r := range map[string]events.Request{
		"subscribe stocks/*": {Action: events.ActionSubscribe, ID: "secret", Topic: "stocks/*"},
		"snapshot":           {Action: events.ActionSnapshot, Topic: "se//cret"},
		"publish a":          {Action: events.ActionPublish, Topic: "a"},
		"ping":               {Action: events.ActionPing, Topic: "secret"},
		"auth":               {Action: events.ActionAuth, Topic: "secret"},
		"unknown":            {Action: "secret", Topic: "a"},
	} {
		if got := loggable(r); got != want {
			t.Errorf("of %+v is logged %q, want %q", r, got, want)
		}
	}
}
