package grant

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"pgregory.net/rapid"
)

func parse(t testing.TB, claim, subject string) Grant {
	t.Helper()
	g, err := Parse([]byte(claim), subject)
	if err != nil {
		t.Fatalf("%s: %v", claim, err)
	}
	return g
}

func TestAllows(t *testing.T) {
	g := parse(t, `{"v":1,"allow":[
		{"topics":["stocks/secret"],"actions":["read"]},
		{"topics":["stocks/*","users/{sub}/**"],"actions":["subscribe","read"],"mask":{"omit":["secret"]}},
		{"topics":["stocks/**"],"actions":["subscribe","publish"]}]}`, "anna")
	for _, c := range []struct {
		action Action
		topic  events.Topic
		want   bool
		shows  string
	}{
		{Read, "stocks/secret", true, ``},
		{Subscribe, "stocks/secret", true, `{"omit":["secret"]}`},
		{Publish, "stocks/secret", true, ``},
		{Subscribe, "stocks/AAPL", true, `{"omit":["secret"]}`},
		{Subscribe, "stocks/AAPL/trades", true, ``},
		{Read, "stocks/AAPL/trades", false, ``},
		{Subscribe, "users/anna", true, `{"omit":["secret"]}`},
		{Subscribe, "users/anna/inbox", true, `{"omit":["secret"]}`},
		{Publish, "users/anna/inbox", false, ``},
		{Subscribe, "users/Anna/inbox", false, ``},
		{Subscribe, "users/annabel/inbox", false, ``},
		{Subscribe, "users/{sub}/inbox", false, ``},
		{Subscribe, "Stocks/AAPL", false, ``},
		{"", "stocks/AAPL", false, ``},
		{"Subscribe", "stocks/AAPL", false, ``},
	} {
		if view, ok := g.Allows(c.action, c.topic); ok != c.want || view.String() != c.shows {
			t.Errorf("%s %s: %v with view %q, want %v with %q", c.action, c.topic, ok, view, c.want, c.shows)
		}
	}
}

// TestSubjectsNeverWiden tries subjects that would mean more, were they taken for a
// part of a pattern as they are.
func TestSubjectsNeverWiden(t *testing.T) {
	claim := `{"v":1,"allow":[{"topics":["users/{sub}/**","{sub}","public"],"actions":["subscribe"]}]}`
	for _, subject := range []string{
		"", "*", "**", "a/b", "a/**", "/", "..", ".", "{sub}", "a b", "a%2fb", "a:2Fb", "ａ", "а", "auth0|1", "@a", "a\x00", "a*", strings.Repeat("x", 256), strings.Repeat("ж", 128),
	} {
		g := parse(t, claim, subject)
		for _, topic := range append(smallTopics(), "users", "users/a", "users/a/b", "users/*", "users/**", "users/..", "@a", events.ReservedAttributes()[0]) {
			if _, ok := g.Allows(Subscribe, events.Topic(topic)); ok {
				t.Errorf("subject %.20q: %s is allowed", subject, topic)
			}
		}
		if _, ok := g.Covers(Subscribe, "users/**"); ok {
			t.Errorf("subject %.20q: users/** is covered", subject)
		}
		if _, ok := g.Allows(Subscribe, "public"); !ok {
			t.Errorf("subject %.20q: what does not depend on it is not allowed", subject)
		}
	}
}

// TestSubjectsAsIssuersMakeThem have topics of their own, and nobody else's.
func TestSubjectsAsIssuersMakeThem(t *testing.T) {
	claim := `{"v":1,"allow":[{"topics":["users/{sub}/**"],"actions":["subscribe"]}]}`
	own := map[string]string{ // by subject
		"anna":                     "users/anna",
		"anna@example.com":         "users/anna@example.com",
		"b0c4-11":                  "users/b0c4-11",
		"auth0|5f7c":               "users/auth0:7C5f7c",
		"google-oauth2|1082":       "users/google-oauth2:7C1082",
		"bob+tag@example.org":      "users/bob:2Btag@example.org",
		"repo:o/r":                 "users/repo:3Ao:2Fr",
		"spiffe://example.org/api": "users/spiffe:3A:2F:2Fexample.org:2Fapi",
		"dGVzdA==":                 "users/dGVzdA:3D:3D",
		"Anna Maria":               "users/Anna:20Maria",
		"Zoë":                      "users/Zo:C3:AB",
		"a/b":                      "users/a:2Fb",
		"a:2Fb":                    "users/a:3A2Fb",
		"a%2Fb":                    "users/a:252Fb",
		"..":                       "users/:2E.",
		"*":                        "users/:2A",
		"{sub}":                    "users/:7Bsub:7D",
	}
	for subject := range own {
		g := parse(t, claim, subject)
		for other, topic := range own {
			if _, ok := g.Allows(Subscribe, events.Topic(topic+"/inbox")); ok != (subject == other) {
				t.Errorf("subject %q: %s is allowed: %t", subject, topic, ok)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	rule := func(members string) string { return `{"v":1,"allow":[{` + members + `}]}` }
	with := func(members string) string { return rule(`"topics":["a"],"actions":["read"],` + members) }
	for claim, want := range map[string]string{
		``:                     `claim is no JSON object`,
		`null`:                 `claim is no JSON object`,
		`[]`:                   `claim is no JSON object`,
		`{"v":1,"allow":[]}{}`: `claim is no JSON object`,
		"{\"v\":1,\"\xff\":0}": `claim has text that is not UTF-8`,
		`{"v":1,"allow":[{"topics":["a"],"actions":["read"],"mask":{"omit":["\udc00"]}}]}`: `claim has half of a UTF-16 pair alone, \udc00`,
		`{"allow":[]}`:                             `claim has the version none, known is 1`,
		`{"v":2,"allow":[]}`:                       `claim has the version 2, known is 1`,
		`{"v":"1","allow":[]}`:                     `claim has the version "1", known is 1`,
		`{"v":1}`:                                  `claim.allow is no list of rules`,
		`{"v":1,"allow":[]}`:                       `claim.allow is no list of rules`,
		`{"v":1,"allow":{}}`:                       `claim.allow is no list of rules`,
		`{"v":1,"v":1,"allow":[]}`:                 `claim has a member twice`,
		with(`"actions":["read"]`):                 `allow[0] has a member twice`,
		`{"v":1,"allow":[],"deny":[]}`:             `claim has the unknown member "deny"`,
		`{"v":1,"Allow":[]}`:                       `claim has the unknown member "Allow"`,
		`{"v":1,"allow":[null]}`:                   `allow[0] is no JSON object`,
		rule(``):                                   `allow[0].topics is no list of strings`,
		rule(`"topics":[]`):                        `allow[0].topics is no list of strings`,
		rule(`"topics":"a"`):                       `allow[0].topics is no list of strings`,
		rule(`"topics":[null]`):                    `allow[0].topics is no list of strings`,
		rule(`"topics":["a","b//c"]`):              `allow[0].topics[1]: topic has an empty segment`,
		rule(`"topics":["**/a"]`):                  `allow[0].topics[0]: topic has the segment ** before its end`,
		rule(`"topics":["x{sub}"]`):                `allow[0].topics[0]: topic has the character '{', allowed are letters, digits and _ - . : @`,
		rule(`"topics":["a"]`):                     `allow[0].actions is no list of strings`,
		rule(`"topics":["a"],"actions":[]`):        `allow[0].actions is no list of strings`,
		rule(`"topics":["a"],"actions":["write"]`): `allow[0].actions has the unknown action "write"`,
		rule(`"topics":["a"],"actions":["publish"],"mask":{"omit":["x"]}`):        `allow[0] has a filter or a mask, but shows nothing`,
		rule(`"topics":["a"],"actions":["publish","join"],"mask":{"omit":["x"]}`): `allow[0] has a filter or a mask, but shows nothing`,
		with(`"filters":{}`):                `allow[0] has the unknown member "filters"`,
		with(`"filter":null`):               `allow[0].filter: pattern is no JSON object`,
		with(`"filter":{}`):                 `allow[0].filter: pattern is empty`,
		with(`"filter":{"a":[{"x":1}]}`):    `allow[0].filter: pattern.a.x: the operator is not supported`,
		with(`"mask":null`):                 `allow[0].mask is no JSON object`,
		with(`"mask":{}`):                   `allow[0].mask is empty`,
		with(`"mask":{"hide":["a"]}`):       `allow[0].mask has the unknown member "hide"`,
		with(`"mask":{"omit":[]}`):          `allow[0].mask.omit is no list of strings`,
		with(`"mask":{"omit":null}`):        `allow[0].mask.omit is no list of strings`,
		with(`"mask":{"omit":["a..b"]}`):    `allow[0].mask.omit: path "a..b" has an empty name`,
		with(`"mask":{"omit":[""]}`):        `allow[0].mask.omit: path "" has an empty name`,
		with(`"mask":{"omit":["a\\"]}`):     `allow[0].mask.omit: path "a\\" ends in a backslash`,
		with(`"mask":{"omit":["a\\b"]}`):    `allow[0].mask.omit: path "a\\b" has a backslash before neither a dot nor a backslash`,
		with(`"mask":{"replace":{}}`):       `allow[0].mask.replace is no object with members`,
		with(`"mask":{"replace":{"a":[]}}`): `allow[0].mask.replace: the value for path "a" is no string, number, boolean or null`,
		with(`"mask":{"replace":{"a":"` + strings.Repeat("x", 127) + `"}}`): `allow[0].mask.replace: the value for path "a" has 129 bytes, at most 128 are allowed`,
		`{"v":1,"allow":[]` + strings.Repeat(" ", 4096) + `}`:               `claim has 4114 bytes, at most 4096 are allowed`,
	} {
		if _, err := Parse([]byte(claim), "anna"); err == nil || err.Error() != want {
			t.Errorf("%.80s gives %v, want %q", claim, err, want)
		}
	}
	for subject, want := range map[string]string{
		strings.Repeat("s", 257): "subject has 257 bytes, at most 256 are allowed",
		"\xff":                   "subject is not UTF-8",
	} {
		if _, err := Parse(All().claim, subject); err == nil || err.Error() != want {
			t.Errorf("subject %.20q gives %v, want %q", subject, err, want)
		}
	}
}

func TestAllAndNothing(t *testing.T) {
	decoded, err := Decode(All().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range []Action{Subscribe, Read, Publish} {
		for _, all := range []Grant{All(), decoded} {
			if view, ok := all.Covers(action, "**"); !ok || !view.IsZero() {
				t.Errorf("All does not cover to %s everything", action)
			}
		}
		if _, ok := (Grant{}).Allows(action, "a"); ok {
			t.Errorf("the zero Grant allows to %s", action)
		}
	}
}

// TestReservedTopicsAreWatchedAndReadOnly, and only by who may watch and read them by name.
func TestReservedTopicsAreWatchedAndReadOnly(t *testing.T) {
	everything := `{"v":1,"allow":[{"topics":[%q],"actions":["subscribe","read","publish","deliver","join"]}]}`
	named, wild := parse(t, fmt.Sprintf(everything, "@destinations/**"), "op"), parse(t, fmt.Sprintf(everything, "**"), "op")
	for action, want := range map[Action]bool{Subscribe: true, Read: true, Publish: false, Deliver: false, Join: false} {
		for name, c := range map[string]struct {
			Grant
			want bool
		}{"a rule that names them": {named, want}, "a wildcard": {wild, false}, "no authentication": {All(), false}} {
			if _, ok := c.Allows(action, "@destinations/a"); ok != c.want {
				t.Errorf("%s: %s of a reserved topic is allowed: %t", name, action, ok)
			}
			if _, ok := c.Covers(action, "@destinations/**"); ok != c.want {
				t.Errorf("%s: %s of reserved topics is covered: %t", name, action, ok)
			}
		}
		if _, ok := wild.Covers(action, "**"); !ok {
			t.Errorf("%s of everything does not cover all topics that a wildcard names", action)
		}
	}
}

func TestGrantText(t *testing.T) {
	worst := parse(t, `{"v":1, "allow":[{"topics":["{sub}"],"actions":["read"],"mask":{"omit":["`+strings.Repeat("\u2028<", 1000)+`"]}}]}`, strings.Repeat("\x01", MaxSubjectBytes))
	if n := len(worst.String()); n > 6<<10 {
		t.Errorf("a grant's text has %d bytes", n)
	}
	for _, g := range []Grant{{}, All(), worst, parse(t, ` {"v":1, "allow":[ {"topics":["a/{sub}"], "actions":["read"]} ]} `, `"quoted" <ü>`)} {
		again, err := Decode(g.String())
		if err != nil || again.String() != g.String() || again.Subject() != g.Subject() || len(again.rules) != len(g.rules) {
			t.Errorf("%.100s is decoded as %.100s, %v", g, again, err)
		}
	}
	for _, s := range []string{`{}`, `null`, `{"sub":"anna"}`, `{"sub":1,"claim":{}}`, `{"sub":"a","claim":{"v":1,"allow":[]}}`, `x`} {
		if g, err := Decode(s); err == nil {
			t.Errorf("%s is decoded as %s", s, g)
		}
	}
}

// TestForHowLongADestinationLives is what the claim says, in seconds, within bounds. It survives the
// way from the authorizer to the functions.
func TestForHowLongADestinationLives(t *testing.T) {
	with := func(life string) string {
		return `{"v":1,"allow":[{"topics":["a"],"actions":["deliver"]}],"deliverFor":` + life + `}`
	}
	for life, want := range map[string]time.Duration{"60": time.Minute, "604800": 7 * 24 * time.Hour, "31536000": 365 * 24 * time.Hour} {
		g, err := Decode(parse(t, with(life), "anna").String())
		if err != nil || g.DeliverFor() != want {
			t.Errorf("%s gives %s, %v", life, g.DeliverFor(), err)
		}
	}
	if a, b := All().DeliverFor(), parse(t, `{"v":1,"allow":[{"topics":["a"],"actions":["read"]}]}`, "anna").DeliverFor(); a != 720*time.Hour || b != a {
		t.Errorf("without it the claim gives %s and %s", a, b)
	}
	for _, life := range []string{"59", "0", "-60", "31536001", "1e3", "60.5", `"60"`, "null", "true", "[60]", "99999999999999999999"} {
		if _, err := Parse([]byte(with(life)), "anna"); err == nil || err.Error() != "claim.deliverFor is a whole number of seconds from 60 to 31536000" {
			t.Errorf("%s gives %v", life, err)
		}
	}
}

// TestCoversAgainstBruteForce draws rules over small patterns: what Covers says of a
// pattern must be what Allows says of each of its topics.
func TestCoversAgainstBruteForce(t *testing.T) {
	patterns, topics := smallPatterns(t), smallTopics()
	rapid.Check(t, func(t *rapid.T) {
		var g Grant
		for i := range rapid.IntRange(1, 4).Draw(t, "rules") {
			view, _ := View{}.Narrow(nil, []string{fmt.Sprint(i)})
			g.rules = append(g.rules, rule{
				topics:  rapid.SliceOfN(rapid.SampledFrom(patterns), 0, 2).Draw(t, "topics"),
				actions: rapid.SliceOfN(rapid.SampledFrom([]Action{Read, Publish}), 1, 2).Draw(t, "actions"),
				view:    view,
			})
		}
		p := rapid.SampledFrom(patterns).Draw(t, "pattern")
		view, ok := g.Covers(Read, p)
		for _, topic := range topics {
			one, allowed := g.Allows(Read, events.Topic(topic))
			switch {
			case !p.Matches(events.Topic(topic)):
			case ok && (!allowed || one.String() != view.String()):
				t.Fatalf("%s is covered with %q, %s of it is allowed: %v with %q", p, view, topic, allowed, one)
			case p.IsTopic() && (ok != allowed || one.String() != view.String()):
				t.Fatalf("%s is covered: %v with %q, but allowed: %v with %q", p, ok, view, allowed, one)
			}
		}
		first := slices.IndexFunc(g.rules, func(r rule) bool {
			return slices.Contains(r.actions, Read) && slices.ContainsFunc(r.topics, p.overlaps)
		})
		if !ok && first >= 0 && slices.Contains(g.rules[first].topics, p) {
			t.Fatalf("%s is not covered by a rule that names it", p)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(`{"v":1,"allow":[{"topics":["stocks/*","users/{sub}/**"],"actions":["subscribe","read","publish"],
		"filter":{"public":[true]},"mask":{"omit":["secret","address.street"],"replace":{"card":"****"}}}]}`, "anna")
	f.Add(string(All().claim), "*")
	f.Fuzz(func(t *testing.T, claim, subject string) {
		g, err := Parse([]byte(claim), subject)
		if err != nil {
			return
		}
		again, err := Decode(g.String())
		if err != nil || again.String() != g.String() || again.Subject() != subject {
			t.Fatalf("%s is decoded as %s, %v", g, again, err)
		}
		for _, r := range g.rules {
			view, err := DecodeView(r.view.String())
			if err != nil || view.String() != r.view.String() {
				t.Fatalf("view %s is decoded as %s, %v", r.view, view, err)
			}
			for _, p := range r.topics {
				if _, err := ParsePattern(string(p)); err != nil {
					t.Fatalf("pattern %q: %v", p, err)
				}
			}
		}
	})
}
