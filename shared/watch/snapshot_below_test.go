package watch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// keep has a topic hold items, with ids from 0, each by a change of its own.
func (c *client) keep(topic events.Topic, data ...string) {
	if c.items == nil {
		c.items = map[events.Topic][]events.Item{}
	}
	for i, d := range data {
		c.items[topic] = append(c.items[topic], events.Item{ID: fmt.Sprintf("%03d", i), Data: json.RawMessage(d)})
		c.change(topic, d)
	}
}

// TestDashboardNeedsOneRequest: a subscribe to a pattern brings the items of its topics, each
// topic as it is sent alone, and then says that these were all.
func TestDashboardNeedsOneRequest(t *testing.T) {
	c := newClient(t, `{"topics":["**"],"actions":["subscribe","read"],"filter":{"hidden":[{"exists":false}]},"mask":{"omit":["secret"]}}`)
	c.keep("a/x", `{"n":1,"secret":1}`, `{"hidden":1}`)
	c.keep("a/y", `{"n":2}`)
	c.keep("a/z/deep", `{"n":3}`)
	c.keep("other", `{"n":4}`)
	const want = `{"type":"subscribed","id":"q","topic":"a/*","epoch":"","seq":0,"view":"ad06b1b0","cursors":{"a/x":"e:2","a/y":"e:1"}}
{"type":"snapshot","id":"q","topic":"a/x","epoch":"e","seq":2,"items":[{"id":"000","data":{"n":1}}],"more":false}
{"type":"snapshot","id":"q","topic":"a/y","epoch":"e","seq":1,"items":[{"id":"000","data":{"n":2}}],"more":false}
{"type":"snapshot","id":"q","topic":"a/*","epoch":"","seq":0,"items":[],"more":false}`
	c.ask(t, `{"action":"subscribe","id":"q","topic":"a/*","snapshot":true}`)
	var frames []string
	for _, frame := range c.frames {
		frames = append(frames, string(frame))
	}
	got, view := strings.Join(frames, "\n"), decoded(t, c.frames[0]).(*events.Subscribed).View
	if got != strings.Replace(want, "ad06b1b0", view, 1) {
		t.Errorf("answer is\n%s\nwant\n%s", got, want)
	}
	if heads := slices.DeleteFunc(slices.Clone(c.asked), func(what string) bool { return !strings.HasPrefix(what, "head") }); len(heads) != 2 {
		t.Errorf("asked is %q", c.asked)
	}
	c.ask(t, `{"action":"snapshot","id":"q","topic":"a/*"}`)
	if len(c.frames) != 3 || string(c.frames[0]) != frames[1] || string(c.frames[2]) != frames[3] {
		t.Errorf("snapshot without a subscription: %q", c.frames)
	}
}

// TestPatternSnapshotIsOfOneRule: items are read only where they are seen as changes are, and
// where one rule covers all topics.
func TestPatternSnapshotIsOfOneRule(t *testing.T) {
	for rules, want := range map[string][2]string{
		`{"topics":["a/*"],"actions":["subscribe","read"]}`:                                                                       {"subscribed", "snapshot"},
		`{"topics":["a/*"],"actions":["subscribe"]}`:                                                                              {"error forbidden", "error forbidden"},
		`{"topics":["a/*"],"actions":["read"]}`:                                                                                   {"error forbidden", "snapshot"},
		`{"topics":["a/*"],"actions":["subscribe"]},{"topics":["a/*"],"actions":["read"],"filter":{"x":[1]}}`:                     {"error forbidden", "snapshot"},
		`{"topics":["a/x"],"actions":["read"]},{"topics":["a/*"],"actions":["subscribe"]},{"topics":["a/**"],"actions":["read"]}`: {"error forbidden", "error forbidden"},
	} {
		c := newClient(t, rules)
		c.keep("a/x", `{}`)
		for i, request := range []string{`{"action":"subscribe","topic":"a/*","snapshot":true}`, `{"action":"snapshot","topic":"a/*"}`} {
			if got := c.ask(t, request); !strings.HasPrefix(got, want[i]) {
				t.Errorf("with %s, %s is answered %s, want %s", rules, request, got, want[i])
			}
		}
		if _, kept := c.subs["a/*"]; kept != (want[0] == "subscribed") {
			t.Errorf("with %s: subscribed %v", rules, kept)
		}
	}
}

// dashboard follows all bookmarks of a pattern's snapshots, and those of its topics.
func (c *client) dashboard(t *testing.T, request events.Request) (shown map[events.Topic][]string, answers int) {
	t.Helper()
	shown = map[events.Topic][]string{}
	for ask := []events.Request{request}; len(ask) > 0; answers++ {
		if answers > 500 {
			t.Fatal("the snapshots do not end")
		}
		body, _ := json.Marshal(ask[0])
		asked := ask[0]
		ask = ask[1:]
		c.ask(t, string(body))
		for i, frame := range c.frames {
			f, ok := decoded(t, frame).(*events.Snapshot)
			if !ok {
				if _, ok := decoded(t, frame).(*events.Subscribed); !ok || i > 0 {
					t.Fatalf("%s is answered %s", body, frame)
				}
				continue
			}
			for _, item := range f.Items {
				shown[f.Topic] = append(shown[f.Topic], item.ID)
			}
			if f.Next != "" && !f.More {
				next := request
				next.Action, next.Snapshot, next.Topic, next.Next = events.ActionSnapshot, false, string(f.Topic), f.Next
				ask = append(ask, next)
			}
			if last := i == len(c.frames)-1; last && f.Topic != events.Topic(asked.Topic) {
				t.Fatalf("%s ends in a frame of %s", body, f.Topic)
			}
		}
	}
	return shown, answers
}

// TestPatternSnapshotGoesOn where an answer has no room: for more topics, items, bytes or
// units. Every item comes once.
func TestPatternSnapshotGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		topics, items int
		data          string
		limits        watch.Limits
		answers       int // at least
	}{
		"topics":      {250, 1, `{}`, watch.Limits{}, 3},
		"items":       {10, 5, `{}`, watch.Limits{SnapshotItems: 7}, 8},
		"single item": {4, 3, `{}`, watch.Limits{SnapshotItems: 1}, 12},
		"bytes":       {9, 5, `{"x":"` + strings.Repeat("x", 100_000) + `"}`, watch.Limits{}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, `{"topics":["**"],"actions":["subscribe","read"]}`)
			client.answerer.Limits = c.limits
			want := map[events.Topic][]string{}
			for n := range c.topics {
				topic := events.Topic(fmt.Sprintf("a/%03d", n))
				client.keep(topic, slices.Repeat([]string{c.data}, c.items)...)
				for i := range c.items {
					want[topic] = append(want[topic], fmt.Sprintf("%03d", i))
				}
			}
			shown, answers := client.dashboard(t, events.Request{Action: events.ActionSubscribe, Topic: "a/**", Snapshot: true})
			if !maps.EqualFunc(shown, want, slices.Equal) || answers < c.answers {
				t.Errorf("%d topics in %d answers", len(shown), answers)
			}
		})
	}
}

// dearPages is a store in which each page of items costs so many units.
type dearPages struct {
	*memoryStore
	units float64
}

func (d dearPages) Page(ctx context.Context, topic events.Topic, after string, limit int) ([]watch.Row, string, error) {
	watch.MeterOf(ctx).Spend(d.units, 0)
	return d.memoryStore.Page(ctx, topic, after, limit)
}

// TestPatternSnapshotIsBounded in what it reads: a pattern of many large topics comes in as
// many answers as it takes.
func TestPatternSnapshotIsBounded(t *testing.T) {
	a := newAsker(t, dearLog{head: 1, list: 10})
	a.connection.Grant = grant.All()
	for n := range 60 {
		a.keep(events.Topic(fmt.Sprintf("a/%02d", n)), `{}`)
	}
	a.answerer.Store = dearPages{a.memoryStore, 250}
	shown, answers := a.dashboard(t, events.Request{Action: events.ActionSubscribe, Topic: "a/*", Snapshot: true})
	if len(shown) != 60 || answers < 60*250/1_750 {
		t.Errorf("%d topics in %d answers", len(shown), answers)
	}
}

// TestBookmarkInPatternIsSealed for its pattern, view, subject and kind.
func TestBookmarkInPatternIsSealed(t *testing.T) {
	c := newClient(t, `{"topics":["**"],"actions":["subscribe","read"]}`)
	c.answerer.Limits.SnapshotItems = 1
	for _, topic := range []events.Topic{"a/x", "a/y", "b/x", "b/y"} {
		c.keep(topic, `{"n":1}`, `{"n":2}`)
	}
	next := func(request string) string {
		c.ask(t, request)
		return decoded(t, []byte(c.lastFrame())).(*events.Snapshot).Next
	}
	ofPattern, ofTopic := next(`{"action":"snapshot","topic":"a/*"}`), next(`{"action":"snapshot","topic":"a/x"}`)
	for request, want := range map[string]string{
		`{"action":"snapshot","topic":"a/*","next":"` + ofPattern + `"}`:                        "snapshot",
		`{"action":"snapshot","topic":"a/**","next":"` + ofPattern + `"}`:                       "error bad_cursor",
		`{"action":"snapshot","topic":"b/*","next":"` + ofPattern + `"}`:                        "error bad_cursor",
		`{"action":"snapshot","topic":"a/x","next":"` + ofPattern + `"}`:                        "error bad_cursor",
		`{"action":"snapshot","topic":"a/*","next":"` + ofTopic + `"}`:                          "error bad_cursor",
		`{"action":"snapshot","topic":"a/*","filter":{"n":[1]},"next":"` + ofPattern + `"}`:     "error bad_cursor",
		`{"action":"snapshot","topic":"a/*","next":"` + ofPattern[:len(ofPattern)-4] + `AAAA"}`: "error bad_cursor",
		`{"action":"snapshot","topic":"a/*","next":":0~AAAA"}`:                                  "error bad_cursor",
		`{"action":"snapshot","topic":"a/*","next":"a/x"}`:                                      "error bad_cursor",
	} {
		if got := c.ask(t, request); !strings.HasPrefix(got, want) {
			t.Errorf("%s is answered %s, want %s", request, got, want)
		}
	}
	c.connection.Subject = "mallory"
	if got := c.ask(t, `{"action":"snapshot","topic":"a/*","next":"`+ofPattern+`"}`); got != "error bad_cursor" {
		t.Errorf("another subject's bookmark is answered %s", got)
	}
	if short, long := next(`{"action":"snapshot","topic":"b/*"}`), ofPattern; len(short) != len(long) {
		t.Errorf("bookmarks have %d and %d bytes", len(short), len(long))
	}
}
