package watch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// change adds a change to a topic's log.
func (c *client) change(topic events.Topic, data string) {
	if c.log == nil {
		c.log = map[events.Topic][]watch.Entry{}
	}
	n := int64(len(c.log[topic]) + 1)
	c.log[topic] = append(c.log[topic], watch.Entry{Change: events.Change{
		Topic: topic, Epoch: "e", Seq: n, Op: events.Added, ID: fmt.Sprint(n), Data: []byte(data),
	}})
}

// TestPatternsStandWithinTheGrant: a pattern is allowed if every topic of it is, in one
// view.
func TestPatternsStandWithinTheGrant(t *testing.T) {
	const rules = `{"topics":["stocks/*","users/{sub}/**"],"actions":["subscribe"]},
		{"topics":["news/secret"],"actions":["read"]},
		{"topics":["shops/x"],"actions":["subscribe"],"filter":{"open":[true]}},
		{"topics":["shops/**"],"actions":["subscribe"]}`
	for pattern, want := range map[string]string{
		"stocks/*": "subscribed", "users/s/**": "subscribed", "users/s/*": "subscribed", "users/s/inbox/**": "subscribed", "shops/y/**": "subscribed",
		"stocks/**": "error forbidden", "users/*": "error forbidden", "users/**": "error forbidden", "users/t/**": "error forbidden",
		"news/*": "error forbidden", "news/secret/**": "error forbidden", "none/*": "error forbidden",
		"shops/*": "error forbidden", "shops/**": "error forbidden", // of which one topic is seen in another view
		"*": "error bad_topic", "**": "error bad_topic", "stocks/*/x": "error bad_topic", "*/AAPL": "error bad_topic", "stocks/**/*": "error bad_topic",
		"stocks/***": "error bad_topic", "stocks/A*": "error bad_topic", "/*": "error bad_topic", "stocks//*": "error bad_topic", "users/../**": "error bad_topic",
		"a/b/c/d/e/f/g/h/*": "error bad_topic",
	} {
		c := newClient(t, rules)
		if got := c.ask(t, fmt.Sprintf(`{"action":"subscribe","topic":%q}`, pattern)); !strings.HasPrefix(got, want) {
			t.Errorf("%s is answered %s, want %s", pattern, got, want)
		}
		if _, stored := c.subs[events.Topic(pattern)]; stored != (want == "subscribed") {
			t.Errorf("%s is stored: %v", pattern, stored)
		}
	}
}

func TestWhatIsNotOfPatterns(t *testing.T) {
	c := newClient(t, `{"topics":["**"],"actions":["subscribe","read","publish"]}`)
	for request, want := range map[string]string{
		`{"action":"subscribe","topic":"a/*","after":"e:1"}`:                 "error bad_request",
		`{"action":"subscribe","topic":"a/*","after":"e:1","snapshot":true}`: "error bad_request",
		`{"action":"snapshot","topic":"a/*","filter":{"x":"y"}}`:             "error bad_request",
		`{"action":"publish","topic":"a/**","item":{"id":"i"}}`:              "error bad_topic",
		`{"action":"subscribe","topic":"a/*","filter":{"x":"y"}}`:            "error bad_request",
	} {
		if got := c.ask(t, request); got != want || len(c.asked) > 0 {
			t.Errorf("%s is answered %s after %q, want %s", request, got, c.asked, want)
		}
	}
}

// TestPatternTellsWhereItsTopicsStand, and a ping what was missed of each, seen as the
// pattern's subscription has it, those among them that the client has never heard of.
func TestPatternTellsWhereItsTopicsStand(t *testing.T) {
	c := newClient(t, `{"topics":["**"],"actions":["subscribe"],"mask":{"omit":["secret"]}}`)
	c.change("a/x", `{"n":1,"secret":2}`)
	c.change("a/x", `{"n":2,"secret":2}`)
	c.change("a/b/y", `{"n":3}`)
	c.change("other", `{"n":4}`)
	c.ask(t, `{"action":"subscribe","topic":"a/*"}`)
	if got, want := c.lastFrame(), `{"type":"subscribed","topic":"a/*","epoch":"","seq":0,"view":"ad06b1b0","cursors":{"a/x":"e:2"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	c.ask(t, `{"action":"ping","cursors":{"a/*":":0","a/x":"e:1","a/b/y":":0","other":":0"}}`)
	if got, want := c.lastFrame(), `{"type":"pong","cursors":{"a/*":":0","a/x":"e:2"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if missed := string(c.frames[0]); len(c.frames) != 2 || !strings.Contains(missed, `"seq":2`) || !strings.Contains(missed, `"data":{"n":2}`) {
		t.Errorf("missed is %s", missed)
	}
	c.ask(t, `{"action":"subscribe","topic":"a/**","fields":["n"]}`)
	if got, want := c.lastFrame(), `{"type":"subscribed","topic":"a/**","epoch":"","seq":0,"view":"ff7192df","cursors":{"a/b/y":"e:1","a/x":"e:2"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	c.ask(t, `{"action":"unsubscribe","topic":"a/*"}`)
	if got := fmt.Sprint(len(c.subs)); got != "1" {
		t.Errorf("%s subscriptions are left", got)
	}
}

// TestPatternOfManyTopics names as many as one frame holds, and says that there are more.
func TestPatternOfManyTopics(t *testing.T) {
	for name, c := range map[string]struct{ topics, bytes int }{"few": {3, 10}, "many": {events.MaxCursors + 1, 10}, "long": {events.MaxCursors, 240}} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, `{"topics":["**"],"actions":["subscribe"]}`)
			for n := range c.topics {
				client.change(events.Topic(fmt.Sprintf("a/%0*d", c.bytes, n)), `{}`)
			}
			client.ask(t, `{"action":"subscribe","topic":"a/**"}`)
			frame, err := events.Decode(client.frames[0])
			if err != nil {
				t.Fatal(err)
			}
			got := frame.(*events.Subscribed)
			if whole := name == "few"; got.More == whole || whole && len(got.Cursors) != c.topics {
				t.Errorf("%d cursors, more: %v", len(got.Cursors), got.More)
			}
			if len(client.frames[0]) > events.MaxFrameBytes || len(got.Cursors) < 3 {
				t.Errorf("%d cursors in %d bytes", len(got.Cursors), len(client.frames[0]))
			}
		})
	}
}

// TestNewTokenEndsPatterns that it does not cover, though it may name some of the topics.
func TestNewTokenEndsPatterns(t *testing.T) {
	c := newClient(t, `{"topics":["**"],"actions":["subscribe"]}`)
	c.ask(t, `{"action":"subscribe","topic":"a/*"}`)
	c.ask(t, `{"action":"subscribe","topic":"b/*"}`)
	tokens := tokens{"narrow": {access: watch.Access{Grant: granted(t, "s", `{"topics":["a/x","b/*"],"actions":["subscribe"]}`), Expires: time.Now().Add(time.Hour)}}}
	c.renewer.Tokens = tokens
	if got := c.ask(t, `{"action":"auth","token":"narrow"}`); !strings.HasPrefix(got, `{"type":"unsubscribed","topic":"a/*","reason":"forbidden"}; {"type":"authorized"`) {
		t.Errorf("answered %s", got)
	}
}

// TestPushReachesPatterns: whoever watches a topic in several ways gets a change once, as
// the closest of them shows it.
func TestPushReachesPatterns(t *testing.T) {
	fields := func(name string) grant.View {
		view, err := grant.View{}.Narrow(nil, []string{name})
		if err != nil {
			t.Fatal(err)
		}
		return view
	}
	m := &memoryWatchers{}
	watches := func(id watch.ConnectionID, topic events.Topic, field string) {
		m.subs = append(m.subs, subscribed(id, topic, fields(field), time.Hour))
	}
	watches("all", "a/**", "n")
	watches("level", "a/b/*", "n")
	watches("self", "a/b/c/**", "n")
	watches("topic", "a/b/c", "n")
	watches("three", "a/**", "other")
	watches("three", "a/b/*", "other")
	watches("three", "a/b/c", "n")
	watches("two", "a/**", "other")
	watches("two", "a/b/*", "n")
	watches("two", "a/b/**", "other")
	watches("above", "a/b", "n")
	watches("aside", "a/*", "n")
	watches("below", "a/b/c/*", "n")
	batch := newStory().tell(t, added(`{"n":1,"other":2}`))
	for i := range batch {
		batch[i].Topic = "a/b/c"
	}
	pushed, _, err := watch.Pusher{Subscribers: m, Poster: m}.Push(t.Context(), []watch.Numbered{{Topic: "a/b/c", Entries: batch}})
	if err != nil || pushed != (watch.Pushed{Frames: 6}) {
		t.Errorf("pushed %+v, %v", pushed, err)
	}
	for _, id := range []watch.ConnectionID{"all", "level", "self", "topic", "three", "two"} {
		if posts := m.posts[id]; len(posts) != 1 || !strings.Contains(posts[0], `"data":{"n":1}`) {
			t.Errorf("%s was posted %s", id, posts)
		}
	}
}

// TestPushNeedsAllLevels: a topic whose watchers cannot all be read is not pushed to some.
func TestPushNeedsAllLevels(t *testing.T) {
	m := &memoryWatchers{unread: "a"}
	m.subs = append(m.subs, subscribed("1", "a/b", grant.View{}, time.Hour), subscribed("1", "c", grant.View{}, time.Hour))
	batch := newStory().tell(t, added(`{}`))
	pushed, unread, err := watch.Pusher{Subscribers: m, Poster: m}.Push(t.Context(), []watch.Numbered{{Topic: "a/b", Entries: batch}, {Topic: "c", Entries: batch}})
	if err == nil || len(unread) != 1 || unread[0] != "a/b" || pushed.Frames != 1 {
		t.Errorf("pushed %+v, unread %v, %v", pushed, unread, err)
	}
}
