package stack_test

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
)

// The names of topics have the word filled. With filled they have an item and changes;
// with vacant, which is as long, they have nothing.
const (
	filled = "filled"
	vacant = "vacant"
)

// otherTopics are good names that ofAlice does not grant at all.
var otherTopics = []string{
	"users/bob/filled", "users/bob/inbox/filled", "users/alice2/filled", "users/alic/filled", "users/Alice/filled", "users/ALICE/filled",
	"USERS/alice/filled", "Users/alice/filled", "users/alice:/filled", "users/alice./filled", "users/.alice/filled", "users/alice@x/filled",
	"users/.../filled", "users/filled", "users/filled/alice", "alice/filled", "private/filled", "private/users/alice/filled", "users", "filled",
	"stocks/filled/b", "stocks", "stock/filled", "Stocks/filled", "stocks:filled", "stocks/filled/..a", "news.filled", "users/anonymous/filled",
}

// partTopics are granted but for what is not named.
var partTopics = map[string][]string{
	"news/filled": {"snapshot"}, "news/filled/a/b": {"snapshot"}, "news/alice/filled": {"snapshot"},
	"stocks/filled": {"subscribe", "snapshot"}, "stocks/alice.filled": {"subscribe", "snapshot"},
}

// wildTopics name topics of which some are not granted.
var wildTopics = []string{
	"*", "**", "*/filled", "*/*", "*/**", "users/*", "users/**", "users/*/filled", "users/*/*", "users/bob/*", "users/bob/**", "users/alice2/**",
	"private/*", "private/**", "private/filled/**", "stocks/**", "stocks/*/filled", "filled/**",
}

// badTopics are no names, though they may be those of items in the table.
var badTopics = []string{
	"users/alice/../bob/filled", "users/alice/./filled", "users//filled", "users/bob//filled", "/users/alice/filled", "users/alice/filled/",
	"//filled", "./filled", "../filled", "users/alice/..", "users%2fbob%2ffilled", "users/%2e%2e/bob/filled", `users\bob\filled`, `users/alice\..\bob/filled`,
	"users/{sub}/filled", "{sub}/filled", "users/alice*/filled", "users/**/filled", "users/***", "users/+/filled", "#", "users/#", "users/bob/filled#0",
	"users/\u0430lice/filled", "users/\uff41lice/filled", "users/al\u0131ce/filled", "users/alice\u0301/filled", "users/\u212Aarl/filled",
	"users\uff0fbob\uff0ffilled", "users\u2215bob\u2215filled", "users/alice\u200d/filled", "users/\u202ealice/filled", "\ufeffusers/alice/filled",
	"users/alice\x00/filled", "users/bob/filled\x00", "users/alice/filled\n", "users/alice/filled ", " users/alice/filled", "users/alice/\ufffd/filled",
	"users/bob?filled", "users/bob;filled", "users/bob,filled", "users/\"bob\"/filled", "users/<bob>/filled", "users/~bob/filled",
	"users/alice/filled" + strings.Repeat("/x", 6), "users/alice/filled" + strings.Repeat("x", 239),
}

// requests are all requests about a topic, as frames and, by requestsFor, over HTTP. polite is the
// answer of those that are not refused, because they reveal and do nothing.
var requests = []struct{ action, rest, polite string }{
	{"subscribe", `"topic":TOPIC`, ""},
	{"subscribe", `"topic":TOPIC,"after":":0"`, ""},
	{"subscribe", `"topic":TOPIC,"after":"EPOCH:1"`, ""},
	{"subscribe", `"topic":TOPIC,"snapshot":true`, ""},
	{"subscribe", `"topic":TOPIC,"after":"EPOCH:99","snapshot":true,"delta":true`, ""},
	{"subscribe", `"topic":TOPIC,"snapshot":true,"filter":{"text":[{"exists":true}]},"fields":["text"]`, ""},
	{"snapshot", `"topic":TOPIC`, ""},
	{"snapshot", `"topic":TOPIC,"next":":0/"`, ""},
	{"snapshot", `"topic":TOPIC,"next":"EPOCH:1/a"`, ""},
	{"snapshot", `"topic":TOPIC,"next":NEXT`, ""},
	{"snapshot", `"topic":TOPIC,"ifNoneMatch":ETAG`, ""},
	{"snapshot", `"topic":TOPIC,"next":NEXT,"ifNoneMatch":ETAG`, ""},
	{"subscribe", `"topic":TOPIC,"lastEventId":"EPOCH:1"`, ""},
	{"subscribe", `"topic":TOPIC,"after":"EPOCH:1","view":"1a2b3c4d","lastEventId":"EPOCH:9"`, ""},
	{"publish", `"topic":TOPIC,"item":{"id":"mine","data":{"text":"mine"}}`, ""},
	{"publish", `"topic":TOPIC,"item":{"data":{"topic":"reserved"}}`, ""},
	{"publish", `"topic":TOPIC,"op":"remove","item":{"id":"` + planted + `"}`, ""},
	{"ping", `"cursors":{TOPIC:":0"}`, "pong"},
	{"ping", `"cursors":{TOPIC:"EPOCH:1"}`, "pong"},
	{"unsubscribe", `"topic":TOPIC`, "unsubscribed"},
}

var (
	forbidden = []string{"forbidden"}
	badTopic  = []string{"bad_topic"}
	wildTopic = []string{"forbidden", "bad_topic", "bad_request"}
)

// private makes all requests about a topic except the allowed ones, for a filled and a vacant
// topic, with several clients, and wants the same answers. stolen has values of a client that may
// see it.
func private(t *testing.T, topic string, stolen *strings.Replacer, allowed, want []string, clients ...asking) {
	t.Helper()
	for _, r := range requests {
		if slices.Contains(allowed, r.action) {
			continue
		}
		rest := stolen.Replace(strings.ReplaceAll(r.rest, "TOPIC", quote(topic)))
		frame := `{"action":"` + r.action + `","id":"q",` + rest + `}`
		for _, c := range clients {
			full, none := c.asks(frame), c.asks(strings.ReplaceAll(frame, filled, vacant))
			for i, got := range full {
				if !got.is(answers(want, r.polite)...) {
					t.Errorf("%s, by %s, is answered %s", frame, got.how, got.text)
				}
				if got.text != strings.ReplaceAll(none[i].text, vacant, filled) {
					t.Errorf("%s, by %s, is answered\n%s, but if there is nothing\n%s", frame, got.how, got.text, none[i].text)
				}
			}
		}
	}
}

// thief has values that were given to a client that may see a topic: its epoch, the next of a page,
// and an ETag.
func thief(epoch, next, etag string) *strings.Replacer {
	return strings.NewReplacer("EPOCH", epoch, "NEXT", quote(next), "ETAG", quote(etag))
}

// answers has polite in place of forbidden.
func answers(want []string, polite string) []string {
	want = slices.Clone(want)
	if i := slices.Index(want, "forbidden"); i >= 0 && polite != "" {
		want[i] = polite
	}
	return want
}

// TestRefusedTopics has all topics watched by an admin, whose changes tell when those of
// alice would have come, too.
func TestRefusedTopics(t *testing.T) {
	t.Parallel()
	s, _ := strict(t, nil)
	f := s.ownForger(t)
	names := slices.Concat(otherTopics, slices.Collect(maps.Keys(partTopics)))
	admin := s.connectWith(t, f.token(claims{"sub": "admin", "watchroute": raw(all)}))
	for _, topic := range names {
		admin.subscribe(topic)
	}
	for _, topic := range slices.Concat(names, wildTopics, badTopics) {
		s.plant(t, topic)
	}
	epochs := map[string]string{}
	for _, c := range admin.changes(len(names)) {
		epochs[string(c.Topic)] = c.Epoch
	}

	stolen := map[string]*strings.Replacer{}
	thieves := s.caller(t, f.token(claims{"sub": "admin", "watchroute": raw(all)}))
	for _, topic := range names {
		page := s.request(t, "GET", "/topics/"+url.PathEscape(topic)+"?limit=1", thieves.token)
		stolen[topic] = thief(epochs[topic], read[events.TopicItems](t, page, 200).Next, page.header.Get("ETag"))
	}
	nothing := thief("", ":0~AAAA", `W/":0~AAAA"`)
	web := s.caller(t, f.token(nil))
	web.sparing = true
	alice := s.asker(t, f.token(nil))
	s.ResetUsage()
	for _, topic := range otherTopics {
		private(t, topic, stolen[topic], nil, forbidden, alice, web)
	}
	for topic, allowed := range partTopics {
		private(t, topic, stolen[topic], allowed, forbidden, alice, web)
	}
	for _, topic := range wildTopics {
		private(t, topic, nothing, nil, wildTopic, alice, web)
	}
	for _, topic := range badTopics {
		private(t, topic, nothing, nil, badTopic, alice, web)
	}
	s.readNothing(t, "Events", "Changes")

	for _, topic := range names {
		s.plant(t, topic)
		s.has(t, "Subscriptions", topic+"#0", 1)
	}
	admin.changes(len(names))
	if got := answer(alice.ask(`{"action":"ping"}`)); got != "pong" {
		t.Errorf("ping is answered %s after changes of what was refused", got)
	}
	for _, topic := range slices.Concat(names, wildTopics, badTopics) {
		s.has(t, "Events", topic, 1)
		if nothing := strings.ReplaceAll(topic, filled, vacant); nothing != topic {
			s.has(t, "Events", nothing, 0)
		}
	}
	for _, c := range []asking{alice, web} {
		c.mayNotHave(append(slices.Collect(maps.Values(epochs)), planted, `"seq"`, `"epoch"`, `"cursors"`, `"items"`, `"changes"`, "Etag", "event:")...)
	}
	if got := string(alice.ask(`{"action":"snapshot","topic":"news/filled"}`)); !strings.Contains(got, planted) {
		t.Errorf("what is allowed has nothing planted: %s", got)
	}
}
