package stack_test

import (
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
)

// otherSubjects are not alice, whose connection their tokens must not widen.
var otherSubjects = []string{
	"bob", "Alice", "ALICE", "alice2", "alic", "alice ", " alice", "alice/", "alice/..", "*", "**", "{sub}", "admin",
	"\u0430lice", "\uff41lice", "alice\u200d", "alic\u00e9", "alice\u0301",
}

// subjectsLikePatterns want {sub} to be something else than the subject's one segment.
var subjectsLikePatterns = []string{
	"*", "**", "..", ".", "bob/", "/bob", "bob/filled", "bob/**", "../bob", "alice/../bob", "{sub}", "bob ", "Bob", "BOB", "bob\u200d", `bob\`, "b%6fb", "b:6Fb", "bo:62", "bob:", "bob#0", `"bob"`, `","bob`,
}

func TestRefusedWidening(t *testing.T) {
	s, _ := strict(t, nil)
	f := s.ownForger(t)
	s.plant(t, "users/bob/filled")
	alice := s.asker(t, f.token(nil))
	for _, subject := range otherSubjects {
		if got := answer(alice.ask(auth(f.token(claims{"sub": subject, "watchroute": raw(all)})))); got != "bad_token" {
			t.Errorf("auth as %q is answered %s", subject, got)
		}
	}
	stolen := thief("x", ":0~AAAA", `W/"x:1~AAAA"`)
	private(t, "users/bob/filled", stolen, nil, forbidden, alice, s.caller(t, f.token(nil)))
	if got := answer(alice.ask(`{"action":"snapshot","topic":"users/alice/x"}`)); got != "snapshot" {
		t.Errorf("what was allowed is answered %s after that", got)
	}
	for _, subject := range subjectsLikePatterns {
		other := s.asker(t, f.token(claims{"sub": subject}))
		web := s.caller(t, f.token(claims{"sub": subject}))
		web.sparing = true
		for _, c := range []asking{other, web} {
			private(t, "users/bob/filled", stolen, nil, forbidden, c)
			c.mayNotHave(planted, `"seq"`)
		}
	}
	s.revoke(t, "alice", "stolen")
	if got := answer(alice.ask(auth(f.token(claims{"jti": "stolen", "watchroute": raw(all)})))); got != "revoked" {
		t.Errorf("auth with a revoked token is answered %s", got)
	}
	if _, _, err := alice.conn.Read(t.Context()); err == nil {
		t.Error("the connection goes on after revoked")
	}
	alice.mayNotHave(planted)
}

// TestNarrowing has a connection go by a token that allows less, and then by the first
// again, which is valid until it expires or is revoked.
func TestNarrowing(t *testing.T) {
	s, _ := strict(t, nil)
	f := s.ownForger(t)
	narrow := f.token(claims{"watchroute": raw(`{"v":1,"allow":[{"topics":["users/{sub}/kept"],"actions":["subscribe","read"]}]}`)})
	alice, web := s.asker(t, f.token(nil)), s.caller(t, narrow)
	alice.subscribe("users/alice/kept")
	alice.subscribe("users/alice/filled")
	s.put(t, "users/alice/filled", "i", "1")
	epoch := alice.changes(1)[0].Epoch

	if got := string(alice.ask(auth(narrow))); got != `{"type":"unsubscribed","topic":"users/alice/filled","reason":"forbidden"}` {
		t.Errorf("auth with a narrower token is answered %s first", got)
	}
	if got := answer(alice.hear()); got != "authorized" {
		t.Errorf("auth with a narrower token is answered %s last", got)
	}
	s.plant(t, "users/alice/filled")
	page := s.request(t, "GET", "/topics/users/alice/filled?limit=1", f.token(nil))
	stolen := thief(epoch, read[events.TopicItems](t, page, 200).Next, page.header.Get("ETag"))
	private(t, "users/alice/filled", stolen, nil, forbidden, alice, web)
	s.put(t, "users/alice/kept", "i", "1")
	if got := string(alice.hear()); !strings.Contains(got, `"topic":"users/alice/kept"`) {
		t.Errorf("what is still allowed is followed by %s", got)
	}
	for _, c := range []asking{alice, web} {
		c.mayNotHave(planted, epoch, `"topic":"users/alice/filled","epoch"`)
	}

	if got := answer(alice.ask(auth(f.token(claims{"watchroute": nil})))); got != "unsubscribed" {
		t.Errorf("auth with a token that grants nothing is answered %s first", got)
	}
	alice.hear()
	for _, topic := range []string{"users/alice/kept", "users/alice/filled", "stocks/filled"} {
		private(t, topic, stolen, nil, forbidden, alice, s.caller(t, f.token(claims{"watchroute": nil})))
	}
	if got := answer(alice.ask(auth(f.token(nil)))); got != "authorized" {
		t.Errorf("auth with the first token is answered %s", got)
	}
	alice.ask(`{"action":"subscribe","topic":"users/alice/filled","after":"` + epoch + `:1"}`)
	if got := string(alice.hear()); !strings.Contains(got, planted) {
		t.Errorf("resumed by the first token, and got %s", got)
	}
}
