package watch_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// TestWhoCannotBePresent: a refusal says why, and writes nothing.
func TestWhoCannotBePresent(t *testing.T) {
	const presence = `"presence":{"name":"Ada"}`
	longest := strings.Repeat("x", events.MaxPresenceBytes)
	for name, c := range map[string]struct{ subject, request, want string }{
		"without join":           {"s", `"topic":"other",` + presence, "error forbidden"},
		"without a token":        {watch.Anonymous, `"topic":"a",` + presence, "error forbidden"},
		"a pattern":              {"s", `"topic":"a/*",` + presence, "error bad_request"},
		"a reserved topic":       {"s", `"topic":"@presence/a",` + presence, "error bad_request"},
		"a topic too long":       {"s", fmt.Sprintf(`"topic":"%sx",%s`, longest, presence), "error bad_request"},
		"a subject without item": {strings.Repeat("/", 256), `"topic":"a",` + presence, "error bad_request"},
		"no name":                {"s", `"topic":"a","presence":{}`, "error bad_request"},
		"no name, of a pattern":  {"s", `"topic":"a/*","presence":{}`, "error bad_request"},
		"a name too long":        {"s", fmt.Sprintf(`"topic":"a","presence":{"name":"%s"}`, strings.Repeat("é", 65)), "error bad_request"},
		"a control character":    {"s", `"topic":"a","presence":{"name":"A\n"}`, "error bad_request"},
		"a list":                 {"s", `"topic":"a","presence":["Ada"]`, "error bad_request"},
	} {
		client := newClient(t, `{"topics":["a","a/*","`+longest+`x"],"actions":["subscribe","join"]},{"topics":["other","@presence/a"],"actions":["subscribe"]}`)
		client.connection.Subject = c.subject
		if got := client.ask(t, `{"action":"subscribe",`+c.request+`}`); got != c.want || len(client.subs)+client.member.wrote > 0 {
			t.Errorf("%s: answered %s, subscribed to %v", name, got, client.subs)
		}
	}
	client := newClient(t, `{"topics":["`+longest+`"],"actions":["subscribe","join"]}`)
	if got := client.ask(t, fmt.Sprintf(`{"action":"subscribe","topic":%q,"presence":{"name":"%s"}}`, longest, strings.Repeat("é", 64))); strings.HasPrefix(got, "error") {
		t.Errorf("the longest topic and name are answered %s", got)
	}
	if _, err := events.ParseTopic(string(events.Topic(longest).Presence())); err != nil {
		t.Error(err)
	}
	if _, err := events.ParseTopic(string(events.Topic("1/2/3/4/5/6/7/8").Presence())); err != nil {
		t.Errorf("a topic of 8 segments: %v", err)
	}
}

// TestPresenceIsRenewedByPings about the topic, at most once in half a lease, and by no others.
func TestPresenceIsRenewedByPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, `{"topics":["a"],"actions":["subscribe","join"]}`)
		c.ask(t, `{"action":"subscribe","topic":"a","presence":{"name":"Ada"}}`)
		until := c.member.until
		for minute := range 30 {
			time.Sleep(time.Minute)
			c.ask(t, `{"action":"ping","cursors":{"a":":0"}}`)
			if !c.member.until.After(time.Now().Add(events.PresenceLease/2 - 2*time.Second)) {
				t.Fatalf("after minute %d the lease has %v left", minute+1, time.Until(c.member.until))
			}
		}
		if wrote := c.member.wrote; wrote != 1+30/5 || !c.member.until.After(until) {
			t.Errorf("the item was written %d times in 30 minutes", wrote)
		}
		before := c.member.wrote
		time.Sleep(events.PresenceLease)
		for _, ping := range []string{`{"action":"ping"}`, `{"action":"ping","cursors":{"b":":0"}}`} {
			c.ask(t, ping)
		}
		if c.member.wrote != before {
			t.Error("a ping about another topic renews")
		}
	})
}

// TestAMemberPaysForWhatItBrings: for the write of its item, and for numbering its coming and going.
func TestAMemberPaysForWhatItBrings(t *testing.T) {
	for request, want := range map[string]int{
		`{"action":"subscribe","topic":"a"}`:                             0,
		`{"action":"subscribe","topic":"a","presence":{"name":"Ada"}}`:   1 + 2*4,
		`{"action":"subscribe","topic":"a","presence":{"name":"Other"}}`: 1 + 2*4,
	} {
		purses := &memoryPurses{}
		c := newClient(t, `{"topics":["a"],"actions":["subscribe","join"]}`)
		c.answerer.Allowance = watch.NewAllowance(purses, 1<<30)
		const times = 1_000
		for range times {
			c.ask(t, request)
		}
		spent := 0
		for _, units := range purses.draws {
			spent += units
		}
		if each := float64(spent) / times / 5; each > float64(want) || each < 0.95*float64(want) {
			t.Errorf("%s pays for %v write units, want %d", request, each, want)
		}
	}
}

// TestAnotherTokenMayEndPresence: the subscription ends with it, and the client is told.
func TestAnotherTokenMayEndPresence(t *testing.T) {
	c := newClient(t, `{"topics":["a"],"actions":["subscribe","join"]}`)
	c.ask(t, `{"action":"subscribe","topic":"a","presence":{"name":"Ada"}}`)
	c.renewer.Tokens = another{"s", watch.Access{Grant: granted(t, "s", `{"topics":["a"],"actions":["subscribe"]}`), TokenID: "another"}}
	got := c.ask(t, `{"action":"auth","token":"x"}`)
	if !strings.Contains(got, "unsubscribed") || len(c.subs)+len(c.member.by) > 0 {
		t.Errorf("answered %s, subscribed to %v, present by %v", got, c.subs, c.member.by)
	}
}
