package watch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// marked publishes, and gives the mark that is answered, which is also what is stored.
func (c *client) marked(t *testing.T, m watch.Message) string {
	t.Helper()
	frame, ok := decoded(t, c.answerer.Answer(t.Context(), c.connection, m, c)).(*events.Published)
	if !ok {
		t.Fatalf("publish is answered %T", frame)
	}
	if stored := c.published[len(c.published)-1].Mark; stored != frame.Mark {
		t.Errorf("mark is %q, stored is %q", frame.Mark, stored)
	}
	return frame.Mark
}

// TestMarksTellPublicationsApart, and nothing else: not who publishes, and not that the same one
// publishes two items.
func TestMarksTellPublicationsApart(t *testing.T) {
	const publish = `{"action":"publish","topic":"%s","item":{"id":"%s","data":{}}%s}`
	const rules = `{"topics":["**"],"actions":["publish"]}`
	alice, again, bob := newClient(t, rules), newClient(t, rules), newClient(t, rules)
	again.connection.ID, bob.connection.ID, bob.connection.Subject = "another", "bobs", "bob"
	of := func(c *client, n int, topic, id, more string) string {
		return c.marked(t, message(fmt.Sprintf(publish, topic, id, more), n))
	}
	keyed := of(alice, 1, "a", "i", `,"key":"k"`)
	if len(keyed) != 16 || strings.ContainsFunc(keyed, func(r rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", r)
	}) {
		t.Errorf("mark is %q", keyed)
	}
	for name, mark := range map[string]string{
		"repeated": of(alice, 2, "a", "i", `,"key":"k","order":7`), "over another connection": of(again, 3, "a", "i", `,"key":"k"`),
	} {
		if mark != keyed {
			t.Errorf("%s it is %q, want %q", name, mark, keyed)
		}
	}
	seen := map[string]string{keyed: "keyed"}
	for name, mark := range map[string]string{
		"of another key": of(alice, 4, "a", "i", `,"key":"l"`), "of another item": of(alice, 5, "a", "j", `,"key":"k"`), "of another topic": of(alice, 6, "b", "i", `,"key":"k"`),
		"of another subject": of(bob, 7, "a", "i", `,"key":"k"`), "without key": of(alice, 8, "a", "i", ""), "without key, later": of(alice, 9, "a", "i", ""),
		"numbered": of(alice, 10, "a", "i", `,"order":8`), "numbered, of another connection": of(again, 11, "a", "i", `,"order":8`),
	} {
		if other, twice := seen[mark]; twice {
			t.Errorf("the mark %s is that %s", name, other)
		}
		seen[mark] = name
	}
	if a, b := of(alice, 12, "a", "i", `,"order":9`), of(alice, 13, "a", "i", `,"order":9`); a != b {
		t.Errorf("repeated with its order it is %q and %q", a, b)
	}
	frame, ok := decoded(t, alice.answerer.Answer(t.Context(), alice.connection, message(`{"action":"publish","op":"remove","topic":"a","item":{"id":"i"}}`, 14), alice)).(*events.Published)
	if !ok || frame.Mark != "" {
		t.Errorf("a removal is answered %+v", frame)
	}
}

// TestPublishedItemsExpireAhead: a time that is over would hide the item at once, and one in
// milliseconds would keep it for ever.
func TestPublishedItemsExpireAhead(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		at      int64
		refused bool
	}{
		"never": {0, false}, "soon": {now.Unix() + 60, false}, "in ten years": {now.Add(events.MaxExpiry).Unix() - 60, false},
		"now": {now.Unix() - 1, true}, "long past": {1, true}, "negative": {-1, true}, "in milliseconds": {now.UnixMilli(), true}, "later": {now.Add(events.MaxExpiry).Unix() + 60, true},
	} {
		client := newClient(t, `{"topics":["a"],"actions":["publish"]}`)
		answer := client.ask(t, fmt.Sprintf(`{"action":"publish","topic":"a","expiresAt":%d,"item":{"id":"i","data":{}}}`, c.at))
		if refused := answer == "error bad_item"; refused != c.refused || refused == (len(client.published) == 1) {
			t.Errorf("%s: answered %s, published %v", name, answer, client.published)
		}
	}
	client := newClient(t, `{"topics":["a"],"actions":["publish"]}`)
	for _, bad := range []string{`"key":"` + strings.Repeat("k", 129) + `"`, `"expiresAt":"x"`, `"expiresAt":1.5`, `"order":-1`, `"order":9007199254740992`, `"order":"1"`, `"order":1.5`} {
		if answer := client.ask(t, `{"action":"publish","topic":"a",`+bad+`,"item":{"id":"i","data":{}}}`); answer != "error bad_request" {
			t.Errorf("%s is answered %s", bad, answer)
		}
	}
	if answer := client.ask(t, `{"action":"publish","topic":"a","item":{"id":"i","data":{"watchroute":1}}}`); answer != "error bad_item" {
		t.Errorf("the attribute of publications is answered %s", answer)
	}
}

// TestMarksAreSeen live and by who resumes, in every view that shows the change, and in no other.
func TestMarksAreSeen(t *testing.T) {
	c := newClient(t, `{"topics":["a"],"actions":["subscribe","read"],"mask":{"omit":["secret"]}}`)
	c.fill("a", `{"n":1,"secret":1}`, `{"n":2}`)
	for n := range c.log["a"] {
		c.log["a"][n].Mark = fmt.Sprint("mark", n)
	}
	c.ask(t, `{"action":"subscribe","topic":"a","after":"e:0"}`)
	if got := c.lastFrame(); !strings.Contains(got, `"data":{"n":1},"mark":"mark0"`) || !strings.Contains(got, `"mark":"mark1"`) {
		t.Errorf("missed changes are %s", got)
	}
	c.ask(t, `{"action":"subscribe","topic":"a","after":"e:0","filter":{"n":[2]}}`)
	if got := c.lastFrame(); strings.Contains(got, "mark0") || !strings.Contains(got, "mark1") {
		t.Errorf("missed changes are %s", got)
	}
}
