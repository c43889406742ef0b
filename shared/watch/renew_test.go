package watch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// tokens is an Authenticator that knows these; all others are not valid.
type tokens map[string]known

type known struct {
	access watch.Access
	err    error
	later  error // once the connection goes by it
}

func (all tokens) Authenticate(_ context.Context, raw string) (string, watch.Access, error) {
	t, ok := all[raw]
	if !ok {
		return "", watch.Access{}, watch.ErrUnauthorized
	}
	return t.access.Grant.Subject(), t.access, t.err
}

func (all tokens) Check(_ context.Context, _ string, access watch.Access) error {
	return all[access.TokenID].later
}

// The rules of tokens, for the topics a, b and c.
const (
	allowsA     = `{"topics":["a"],"actions":["subscribe"]}`
	allowsB     = `{"topics":["b"],"actions":["subscribe"]}`
	allowsAll   = `{"topics":["*"],"actions":["subscribe"]}`
	allowsLess  = `{"topics":["a"],"actions":["subscribe"],"mask":{"omit":["cost"]}},{"topics":["c"],"actions":["subscribe"],"filter":{"public":[true]}}`
	authRequest = `{"action":"auth","id":"q","token":"next"}`
)

// lasting gives what a token of a subject allows from now on for some time.
func lasting(t *testing.T, subject, rules string, d time.Duration) known {
	t.Helper()
	return known{access: watch.Access{Grant: granted(t, subject, rules), TokenID: "next", Issued: time.Now(), Expires: time.Now().Add(d)}}
}

// expect asks and compares the answer.
func (c *client) expect(t *testing.T, request, want string) {
	t.Helper()
	if got := c.ask(t, request); got != want {
		t.Errorf("%s\n got %s\nwant %s", request, got, want)
	}
}

func TestAuthReplacesTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, allowsA)
		c.renewer.Tokens = tokens{"next": lasting(t, "s", allowsB, time.Hour)}
		c.expect(t, `{"action":"subscribe","topic":"b"}`, "error forbidden")
		c.expect(t, authRequest, `{"type":"authorized","id":"q","expires":"2000-01-01T01:00:00.000Z"}`)
		if c.access == nil || c.access.TokenID != "next" || c.access.Grant.String() != granted(t, "s", allowsB).String() {
			t.Errorf("kept is %+v", c.access)
		}
		// API Gateway goes on repeating what the first token gave.
		c.expect(t, `{"action":"subscribe","topic":"b"}`, "subscribed :0 recovered false")
		c.expect(t, `{"action":"subscribe","topic":"a"}`, "error forbidden")
		if until := c.subs["b"].Until; !until.Equal(time.Now().Add(61 * time.Minute)) {
			t.Errorf("the subscription ends at %v", until)
		}
	})
}

func TestAuthThatIsRefusedChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		known watch.Authenticator
		want  string
	}{
		"of another subject":  {tokens{"next": lasting(t, "other", allowsB, time.Hour)}, "error bad_token"},
		"not valid":           {tokens{}, "error bad_token"},
		"cannot be verified":  {tokens{"next": {err: watch.ErrUnavailable}}, "error unavailable"},
		"there are no tokens": {nil, "error bad_token"},
		"fails":               {tokens{"next": {err: errors.New("key of 12 bytes")}}, "error internal"},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, allowsA)
			client.renewer.Tokens = c.known
			client.expect(t, `{"action":"subscribe","topic":"a"}`, "subscribed :0 recovered false")
			before := client.subs["a"]
			client.expect(t, authRequest, c.want)
			if after := client.subs["a"]; client.access != nil || after.View != before.View || after.Until != before.Until {
				t.Errorf("kept is %+v, the subscription %+v", client.access, after)
			}
		})
	}
}

// TestRenewerTakesTokensOnly: it refuses what it was not made for, as an Answerer refuses auth.
func TestRenewerTakesTokensOnly(t *testing.T) {
	c := newClient(t, `{"topics":["a"],"actions":["subscribe","read","publish"]}`)
	c.renewer.Tokens = tokens{"next": lasting(t, "s", allowsB, time.Hour)}
	for request := range requests {
		request = fmt.Sprintf(request, "a")
		if got := c.askOf(t, c.renewer, request); got != "error bad_request" {
			t.Errorf("%s is answered %s", request, got)
		}
	}
	if got := c.askOf(t, c.renewer, `{"action":"ping"}`); got != "error bad_request" {
		t.Errorf("a ping is answered %s", got)
	}
	if len(c.asked) > 0 {
		t.Errorf("asked was %q", c.asked)
	}
	if c.ask(t, authRequest); c.access == nil {
		t.Error("auth is refused as well")
	}
}

func TestAuthByARevokedTokenCloses(t *testing.T) {
	c := newClient(t, allowsA)
	c.renewer.Tokens = tokens{"next": {err: watch.ErrRevoked}}
	if c.expect(t, authRequest, "error revoked; closed"); c.access != nil {
		t.Errorf("kept is %+v", c.access)
	}
}

// TestAuthByATokenThatIsRevokedMeanwhile closes too. If the connection cannot be closed, it is
// subscribed to nothing any more, and its next request is refused and closes it.
func TestAuthByATokenThatIsRevokedMeanwhile(t *testing.T) {
	c := newClient(t, allowsA)
	next := lasting(t, "s", allowsA, time.Hour)
	next.later = watch.ErrRevoked
	c.renewer.Tokens = tokens{"next": next}
	c.expect(t, `{"action":"subscribe","topic":"a"}`, "subscribed :0 recovered false")
	c.unclosable = true
	c.expect(t, authRequest, "error revoked")
	if len(c.subs) > 0 {
		t.Errorf("it is still subscribed to %v", c.subs)
	}
	c.unclosable = false
	c.expect(t, `{"action":"snapshot","topic":"a"}`, "error not_connected; closed")
}

// TestCloseNeedsNoFrames: who is cut off is, though nothing can be told to it.
func TestCloseNeedsNoFrames(t *testing.T) {
	c := newClient(t, allowsA)
	c.connection.Expires = time.Now().Add(time.Minute) // the answer begins by saying so
	c.renewer.Tokens = tokens{"next": {err: watch.ErrRevoked}}
	c.deaf = errors.New("throttled")
	c.expect(t, authRequest, "closed")
}

// TestAuthNarrows: what the client asked of a subscription stays, as far as the token
// allows; the rest ends, and the client is told before it is authorized, as it is of what
// is seen otherwise.
func TestAuthNarrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, allowsAll)
		c.renewer.Tokens = tokens{"next": lasting(t, "s", allowsLess, time.Hour)}
		c.ask(t, `{"action":"subscribe","topic":"a","latest":true}`)
		c.ask(t, `{"action":"subscribe","topic":"b"}`)
		c.ask(t, `{"action":"subscribe","topic":"c","filter":{"n":[1]},"fields":["n"],"delta":true}`)
		c.expect(t, authRequest, `reset  view; {"type":"unsubscribed","topic":"b","reason":"forbidden"}; reset  view; `+
			`{"type":"authorized","id":"q","expires":"2000-01-01T01:00:00.000Z","views":{"a":"902635a3","c":"55920010"}}`)
		for topic, want := range map[events.Topic]string{
			"a": `{"omit":["cost"]}`,
			"c": `{"must":{"public":[true]},"filter":{"n":[1]},"fields":["n"]}`,
		} {
			sub := c.subs[topic]
			if sub.View.String() != want || !sub.Until.Equal(time.Now().Add(61*time.Minute)) || sub.Delta != (topic == "c") || sub.Latest != (topic == "a") {
				t.Errorf("%s is seen as %s until %v, delta %t, latest %t; want %s", topic, sub.View, sub.Until, sub.Delta, sub.Latest, want)
			}
		}
		if _, still := c.subs["b"]; still {
			t.Error("b is still subscribed to")
		}
	})
}

// hasty is a store whose client unsubscribes from a while its subscriptions are renewed.
type hasty struct{ *memoryStore }

func (h hasty) Subscriptions(ctx context.Context, key watch.Key, topics []events.Topic, shards map[events.Topic]int) ([]watch.Subscription, error) {
	subs, err := h.memoryStore.Subscriptions(ctx, key, topics, shards)
	delete(h.subs, "a")
	return subs, err
}

// TestAuthBringsNothingBack that the client has ended meanwhile.
func TestAuthBringsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, allowsAll)
		c.renewer.Tokens = tokens{"next": lasting(t, "s", allowsAll, time.Hour)}
		c.ask(t, `{"action":"subscribe","topic":"a"}`)
		c.ask(t, `{"action":"subscribe","topic":"b"}`)
		c.renewer.Store = hasty{c.memoryStore}
		c.expect(t, authRequest, `{"type":"authorized","id":"q","expires":"2000-01-01T01:00:00.000Z","views":{"b":""}}`)
		if _, back := c.subs["a"]; back {
			t.Error("a is subscribed to again")
		}
	})
}

func TestAuthWidens(t *testing.T) {
	c := newClient(t, allowsLess)
	c.renewer.Tokens = tokens{"next": lasting(t, "s", allowsAll, time.Hour)}
	c.ask(t, `{"action":"subscribe","topic":"a"}`)
	c.ask(t, `{"action":"subscribe","topic":"c","filter":{"n":[1]}}`)
	c.ask(t, authRequest)
	if a, b := c.subs["a"].View, c.subs["c"].View; !a.IsZero() || b.String() != `{"filter":{"n":[1]}}` {
		t.Errorf("a is seen as %q, c as %q", a, b)
	}
}

// TestTokenExpires goes through the life of a token of an hour: nothing, warnings from
// 5 minutes before, the end a minute after.
func TestTokenExpires(t *testing.T) {
	const warning = `{"type":"expiring","at":"2000-01-01T01:00:00.000Z"}; `
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		for _, at := range []struct {
			age    time.Duration
			before string // each answer
			ended  bool
		}{
			{0, "", false},
			{55*time.Minute - 1, "", false},
			{55 * time.Minute, warning, false},
			{60 * time.Minute, warning, false},
			{61*time.Minute - 1, warning, false},
			{61 * time.Minute, "", true},
		} {
			time.Sleep(time.Until(begun.Add(at.age)))
			for request, want := range map[string]string{
				`{"action":"ping"}`:                             "pong map[]",
				`{"action":"ping","cursors":{"a":"e:1"}}`:       "pong map[]",
				`{"action":"subscribe","topic":"a"}`:            "subscribed :0 recovered false",
				`{"action":"unsubscribe","id":"q","topic":"b"}`: `{"type":"unsubscribed","id":"q","topic":"b"}`,
				`{"action":"publish","topic":"a"}`:              "error forbidden",
				`{"action":"auth","token":"no"}`:                "error bad_token",
			} {
				c := newClient(t, allowsA)
				c.renewer.Tokens = tokens{}
				c.connection.Connected, c.connection.Expires = begun, begun.Add(time.Hour)
				if want = at.before + want; at.ended {
					want = "error token_expired; closed"
				}
				if c.expect(t, request, want); at.ended && len(c.asked) > 0 {
					t.Errorf("%s is carried out: %q", request, c.asked)
				}
			}
		}
	})
}

func TestAuthEndsTheWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, allowsA)
		c.connection.Expires = time.Now().Add(time.Minute)
		c.renewer.Tokens = tokens{"next": lasting(t, "s", allowsA, time.Hour)}
		c.expect(t, authRequest, `{"type":"expiring","at":"2000-01-01T00:01:00.000Z"}; {"type":"authorized","id":"q","expires":"2000-01-01T01:00:00.000Z"}`)
		c.expect(t, `{"action":"ping"}`, "pong map[]")
		time.Sleep(5 * time.Minute) // beyond what the first token had
		c.expect(t, `{"action":"ping"}`, "pong map[]")
		time.Sleep(time.Hour)
		c.expect(t, `{"action":"ping"}`, "error token_expired; closed")
	})
}

// TestExpiredIsClosedUntold: that the last word cannot be posted keeps no connection open.
func TestExpiredIsClosedUntold(t *testing.T) {
	c := newClient(t, allowsA)
	c.connection.Expires, c.deaf = time.Now().Add(-time.Hour), errors.New("throttled")
	c.expect(t, `{"action":"ping"}`, "closed")
}

// overlapping runs something while the connection is about to go by a token.
type overlapping struct {
	tokens
	by   string
	once func()
}

func (o *overlapping) Check(ctx context.Context, subject string, access watch.Access) error {
	if do := o.once; do != nil && access.TokenID == o.by {
		o.once = nil
		do()
	}
	return o.tokens.Check(ctx, subject, access)
}

// TestTheLaterOfTwoAuthsCounts: an earlier one that is still at work shows nothing that the later
// one's token hides.
func TestTheLaterOfTwoAuthsCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, allowsAll)
		c.ask(t, `{"action":"subscribe","topic":"a","order":1}`)
		token := func(id, rules string) known {
			k := lasting(t, "s", rules, time.Hour)
			k.access.TokenID = id
			return k
		}
		o := &overlapping{tokens: tokens{"wide": token("wide", allowsAll), "narrow": token("narrow", allowsLess)}, by: "wide"}
		c.renewer.Tokens = o
		o.once = func() {
			other := &client{memoryStore: c.memoryStore, connection: c.connection, answerer: c.answerer, renewer: c.renewer}
			if got := other.ask(t, `{"action":"auth","token":"narrow","order":3}`); !strings.Contains(got, "authorized") && !strings.Contains(got, "views") {
				t.Errorf("the later auth is answered %s", got)
			}
		}
		c.expect(t, `{"action":"auth","id":"q","token":"wide","order":2}`, "error overtaken")
		c.expect(t, `{"action":"auth","id":"q","token":"wide","order":1}`, "error overtaken")
		session, err := c.Session(t.Context(), c.connection.Key)
		if err != nil || session.Access.TokenID != "narrow" {
			t.Errorf("the connection goes by %+v, %v", session.Access, err)
		}
		if view := c.subs["a"].View.String(); !strings.Contains(view, "cost") {
			t.Errorf("a is seen as %q", view)
		}
	})
}
