package watch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/pattern"
	"github.com/watchroute/watchroute/shared/watch"
)

// requests are those about a topic, %[1]q, each with the actions that it needs.
var requests = map[string][]string{
	`{"action":"subscribe","id":"q","topic":%[1]q}`:                               {"subscribe"},
	`{"action":"subscribe","id":"q","topic":%[1]q,"after":"e:0"}`:                 {"subscribe"},
	`{"action":"subscribe","id":"q","topic":%[1]q,"snapshot":true}`:               {"subscribe", "read"},
	`{"action":"snapshot","id":"q","topic":%[1]q}`:                                {"read"},
	`{"action":"publish","id":"q","topic":%[1]q,"item":{"id":"i"}}`:               {"publish"},
	`{"action":"publish","id":"q","topic":%[1]q,"op":"remove","item":{"id":"i"}}`: {"publish"},
}

// fill gives a topic items and changes.
func (c *client) fill(topic events.Topic, data ...string) {
	c.items, c.log = map[events.Topic][]events.Item{}, map[events.Topic][]watch.Entry{}
	for i, d := range data {
		item := events.Item{ID: fmt.Sprint(i), Data: json.RawMessage(d)}
		c.items[topic] = append(c.items[topic], item)
		c.log[topic] = append(c.log[topic], watch.Entry{Change: events.Change{
			Topic: topic, Epoch: "e", Seq: int64(i + 1), Op: events.Added, ID: item.ID, Data: item.Data,
		}})
	}
}

func (c *client) lastFrame() string { return string(c.frames[len(c.frames)-1]) }

// TestEachActionIsAskedOfTheGrant tries every request with every set of actions, on a
// topic that is there.
func TestEachActionIsAskedOfTheGrant(t *testing.T) {
	for set := 1; set < 8; set++ {
		var actions []string
		for i, action := range []string{"subscribe", "read", "publish"} {
			if set>>i&1 == 1 {
				actions = append(actions, action)
			}
		}
		list, _ := json.Marshal(actions)
		for request, needed := range requests {
			c := newClient(t, fmt.Sprintf(`{"topics":["a"],"actions":%s}`, list))
			c.fill("a", `{"n":1}`)
			got := c.ask(t, fmt.Sprintf(request, "a"))
			allowed := !slices.ContainsFunc(needed, func(a string) bool { return !slices.Contains(actions, a) })
			if refused := got == "error forbidden"; refused == allowed || refused && len(c.asked) > 0 || strings.Contains(got, "error") && allowed {
				t.Errorf("%v: %s is answered %s after %q", actions, request, got, c.asked)
			}
		}
	}
}

// TestRefusalsTellNothing asks for a topic that is there and one that is not: the
// answers are the same, byte for byte, and made without a look.
func TestRefusalsTellNothing(t *testing.T) {
	c := newClient(t, `{"topics":["mine/**"],"actions":["subscribe","read","publish"]}`)
	c.fill("there", `{"n":1}`, `{"n":2}`)
	for request := range requests {
		c.expect(t, fmt.Sprintf(request, "there"), "error forbidden")
		there := c.lastFrame()
		c.expect(t, fmt.Sprintf(request, "never"), "error forbidden")
		if never := c.lastFrame(); there != strings.ReplaceAll(never, "never", "there") {
			t.Errorf("%s is answered %s and %s", request, there, never)
		}
	}
	if len(c.asked) > 0 || len(c.subs) > 0 {
		t.Errorf("asked was %q, subscribed %v", c.asked, c.subs)
	}
}

// TestPingTellsOfOwnTopicsOnly: only what is subscribed to, whatever the grant would allow.
func TestPingTellsOfOwnTopicsOnly(t *testing.T) {
	c := newClient(t, `{"topics":["mine","other"],"actions":["subscribe"]}`)
	c.fill("other", `{"n":1}`)
	c.ask(t, `{"action":"subscribe","topic":"mine"}`)
	c.asked = nil
	c.expect(t, `{"action":"ping","cursors":{"mine":":0","other":"e:0","secret":"e:0"}}`, "pong map[mine::0]")
	if want := []string{"head mine"}; !slices.Equal(c.asked, want) {
		t.Errorf("asked was %q, want %q", c.asked, want)
	}
}

// TestBadViewsAreRefused before anything is done.
func TestBadViewsAreRefused(t *testing.T) {
	for name, view := range map[string]string{
		"a filter without conditions":     `"filter":{}`,
		"a filter that is no object":      `"filter":[1]`,
		"a filter of an unknown operator": `"filter":{"a":[{"like":"b"}]}`,
		"a filter that is too large":      `"filter":{"a":["` + strings.Repeat("b", 1024) + `"]}`,
		"too many fields":                 `"fields":["a"` + strings.Repeat(`,"a"`, 32) + `]`,
		"fields that are too long":        `"fields":["a` + strings.Repeat(`","`+strings.Repeat(`\u0001`, 100), 7) + `"]`,
		"a field that is too long":        `"fields":["` + strings.Repeat("a", 257) + `"]`,
		"a field without a name":          `"fields":["a..b"]`,
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, `{"topics":["*"],"actions":["subscribe","read"]}`)
			c.expect(t, `{"action":"subscribe","topic":"a",`+view+`}`, "error bad_request")
			c.expect(t, `{"action":"snapshot","topic":"a",`+view+`}`, "error bad_request")
			if len(c.asked) > 0 || len(c.subs) > 0 {
				t.Errorf("asked was %q, subscribed %v", c.asked, c.subs)
			}
		})
	}
}

// stocks are items that the views below tell apart.
var stocks = []string{
	`{"n":1,"public":true,"cost":7}`, `{"n":2,"public":true,"cost":8}`, `{"n":2,"public":false,"cost":7}`,
	`{"n":1}`, `{"public":true,"cost":7,"more":[1]}`, `{}`,
}

// TestClientsOnlyNarrow holds what a client sees with each of its views against what it
// sees without one: of that the items that its filter matches, and of these its fields.
func TestClientsOnlyNarrow(t *testing.T) {
	for _, rule := range []string{
		``, `,"filter":{"public":[true]}`, `,"mask":{"omit":["cost"]}`, `,"mask":{"replace":{"cost":"****"}}`,
		`,"filter":{"cost":[7]},"mask":{"omit":["cost","public"]}`,
	} {
		for _, filter := range []string{
			`null`, `{"n":[2]}`, `{"cost":[7]}`, `{"cost":["****"]}`, `{"public":[false]}`,
			`{"public":[{"exists":false}]}`, `{"$or":[{"n":[1]},{"public":[true,false]}]}`,
		} {
			for _, fields := range []string{``, `"n"`, `"cost","n"`, `"nothing"`} {
				c := newClient(t, `{"topics":["a"],"actions":["subscribe","read"]`+rule+`}`)
				c.fill("a", stocks...)
				all := c.visible(t, `null`, ``)
				if _, open := all["0"]["cost"].(json.Number); open == strings.Contains(rule, "mask") {
					t.Errorf("by %q is seen %v", rule, all)
				}
				want := map[string]map[string]any{}
				for id, item := range all {
					if matches(t, filter, item) {
						want[id] = only(item, fields)
					}
				}
				if got := c.visible(t, filter, fields); !reflect.DeepEqual(got, want) {
					t.Errorf("by %q, %s and [%s] are seen\n got %v\nwant %v", rule, filter, fields, got, want)
				}
			}
		}
	}
}

// visible gives the items that a client sees with its view, by their ids, after it has
// seen that it gets the same in all ways.
func (c *client) visible(t *testing.T, filter, fields string) map[string]map[string]any {
	t.Helper()
	view := fmt.Sprintf(`"topic":"a","filter":%s,"fields":[%s]}`, filter, fields)
	c.ask(t, `{"action":"snapshot",`+view)
	items := c.shownItems(t)
	c.ask(t, `{"action":"subscribe","snapshot":true,`+view)
	if again := c.shownItems(t); !reflect.DeepEqual(again, items) {
		t.Errorf("subscribed with a snapshot are seen %v, without %v", again, items)
	}
	c.ask(t, `{"action":"subscribe","after":"e:0",`+view)
	if resumed := c.shownItems(t); !reflect.DeepEqual(resumed, items) {
		t.Errorf("resumed are seen %v, by snapshot %v", resumed, items)
	}
	return items
}

// shownItems gives the items of the latest answer, as it shows or adds them.
func (c *client) shownItems(t *testing.T) map[string]map[string]any {
	t.Helper()
	items := map[string]map[string]any{}
	for _, data := range c.frames {
		switch frame := decoded(t, data).(type) {
		case *events.Snapshot:
			for _, item := range frame.Items {
				items[item.ID] = object(t, item.Data)
			}
		case *events.Changes:
			for _, change := range frame.Changes {
				if change.Op == events.Added {
					items[change.ID] = object(t, change.Data)
				}
			}
		}
	}
	return items
}

func matches(t *testing.T, filter string, item map[string]any) bool {
	t.Helper()
	if filter == "null" {
		return true
	}
	p, err := pattern.Parse(filter)
	if err != nil {
		t.Fatal(err)
	}
	return p.MatchObject(item, nil)
}

// only gives the members of an item that are listed; an empty list is all.
func only(item map[string]any, fields string) map[string]any {
	item = maps.Clone(item)
	maps.DeleteFunc(item, func(name string, _ any) bool { return fields != "" && !strings.Contains(fields, `"`+name+`"`) })
	return item
}

// TestResumeNeedsReadWhereRetentionHasPassed: who may not read cannot start over, and is
// not left subscribed with a hole.
func TestResumeNeedsReadWhereRetentionHasPassed(t *testing.T) {
	c := newClient(t, `{"topics":["a"],"actions":["subscribe"]}`)
	c.fill("a", `{}`, `{}`)
	if got := c.ask(t, `{"action":"subscribe","topic":"a","after":"other:1"}`); got != "error forbidden" || len(c.subs) > 0 {
		t.Errorf("answer %s, subscribed to %v", got, c.subs)
	}
	if got := c.ask(t, `{"action":"subscribe","topic":"a","after":"e:1"}`); !strings.HasPrefix(got, "subscribed") {
		t.Errorf("answer %s", got)
	}
	if got := c.ask(t, `{"action":"subscribe","topic":"a","after":"other:1"}`); got != "error forbidden" || len(c.subs) != 1 {
		t.Errorf("again: answer %s, subscribed to %v", got, c.subs)
	}
}

// TestResumeInTheSameView: what was seen before goes on only if it is seen so now.
func TestResumeInTheSameView(t *testing.T) {
	c := newClient(t, `{"topics":["a"],"actions":["subscribe","read"],"mask":{"omit":["x"]}},{"topics":["b"],"actions":["subscribe","read"]},
		{"topics":["c"],"actions":["subscribe"]},{"topics":["c"],"actions":["read"],"mask":{"omit":["x"]}}`)
	c.fill("a", `{"n":1}`, `{"n":2}`)
	c.ask(t, `{"action":"subscribe","topic":"a"}`)
	view := decoded(t, []byte(c.lastFrame())).(*events.Subscribed).View
	for request, want := range map[string]string{
		`{"action":"subscribe","topic":"a","after":"e:1","view":"` + view + `"}`:                "recovered true; changes 2-2",
		`{"action":"subscribe","topic":"a","after":"e:1"}`:                                      "recovered true; changes 2-2",
		`{"action":"subscribe","topic":"a","after":"e:1","view":"whole"}`:                       "recovered false; reset  view; snapshot",
		`{"action":"subscribe","topic":"a","after":"e:2","view":"00000000"}`:                    "recovered false; reset  view; snapshot",
		`{"action":"subscribe","topic":"a","after":"e:1","fields":["n"],"view":"` + view + `"}`: "recovered false; reset  view; snapshot",
		`{"action":"subscribe","topic":"b","after":":0","view":"whole"}`:                        "recovered true",
		`{"action":"subscribe","topic":"b","after":":0","view":"` + view + `"}`:                 "recovered false; reset  view; snapshot",
		`{"action":"subscribe","topic":"c","snapshot":true}`:                                    "error forbidden", // as items are seen otherwise than changes
		`{"action":"subscribe","topic":"c","after":":0","view":"` + view + `"}`:                 "error forbidden",
	} {
		if got := c.ask(t, request); !strings.Contains(got, want) {
			t.Errorf("%s is answered %s, want %s", request, got, want)
		}
	}
}

// TestPagesDoNotNameWhatIsHidden: where a page ends at an item that the view hides, the
// bookmark goes on all the same, and says nothing of it.
func TestPagesDoNotNameWhatIsHidden(t *testing.T) {
	c := newClient(t, `{"topics":["a"],"actions":["subscribe","read"],"filter":{"n":[1]}}`)
	c.items = map[events.Topic][]events.Item{"a": {{ID: "hidden1", Data: []byte(`{"n":2}`)}, {ID: "hidden2", Data: []byte(`{"n":2}`)}, {ID: "shown", Data: []byte(`{"n":1}`)}}}
	c.answerer.Limits = watch.Limits{SnapshotItems: 1}
	var frames, shown []string
	for next, pages := "", 0; pages == 0 || next != "" && pages < 5; pages++ {
		c.ask(t, fmt.Sprintf(`{"action":"snapshot","topic":"a","next":%q}`, next))
		frames = append(frames, c.lastFrame())
		page := decoded(t, []byte(c.lastFrame())).(*events.Snapshot)
		if page.From != next {
			t.Errorf("page begins at %q, asked for was %q", page.From, next)
		}
		for _, item := range page.Items {
			shown = append(shown, item.ID)
		}
		next = page.Next
	}
	if fmt.Sprint(shown) != "[shown]" || strings.Contains(strings.Join(frames, ""), "hidden") {
		t.Errorf("shown %q in %q", shown, frames)
	}
	for _, next := range []string{"e:0/hidden1", "e:0/", "e:0~", "e:0~x", "e:0~AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "e:0~=", "e:0", "e:0/" + strings.Repeat("x", 1025)} {
		if got := c.ask(t, fmt.Sprintf(`{"action":"snapshot","topic":"a","next":%q}`, next)); got != "error bad_cursor" {
			t.Errorf("%.60s is answered %s", next, got)
		}
	}
}

// TestBookmarksAreOnlyTakenAsTheyWereGiven: a bookmark is repeated in the answer. Zeros before a
// number and line ends in base64 do not change its meaning, but make the frame too long.
func TestBookmarksAreOnlyTakenAsTheyWereGiven(t *testing.T) {
	c := newClient(t, `{"topics":["a"],"actions":["read"]}`)
	c.fill("a", `{"n":1}`, `{"n":2}`)
	c.answerer.Limits = watch.Limits{SnapshotItems: 1}
	const hidden = `"filter":{"n":[0]}`
	bookmark := c.nextBookmark(t, `{"action":"snapshot","topic":"a",`+hidden+`}`)
	most := events.MaxFrameBytes - len(`{"action":"snapshot","topic":"a",`+hidden+`,"next":""}`) - len(bookmark)
	for _, longer := range []string{
		strings.Replace(bookmark, ":", ":"+strings.Repeat("0", most), 1), strings.Replace(bookmark, ":", ":+", 1),
		bookmark + strings.Repeat(`\n`, most/2), strings.Replace(bookmark, "~", `~\r`, 1),
	} {
		c.expect(t, `{"action":"snapshot","topic":"a",`+hidden+`,"next":"`+longer+`"}`, "error bad_cursor")
	}
}

// nextBookmark gives the bookmark at which a snapshot's first page ends.
func (c *client) nextBookmark(t *testing.T, request string) string {
	t.Helper()
	c.ask(t, request)
	return decoded(t, []byte(c.lastFrame())).(*events.Snapshot).Next
}

// TestBookmarksHoldForWhatTheyWereGivenFor: not for another topic, view, epoch or subject. They
// do hold on another connection.
func TestBookmarksHoldForWhatTheyWereGivenFor(t *testing.T) {
	const rules = `{"topics":["*"],"actions":["read"]}`
	c := newClient(t, rules)
	items := []events.Item{{ID: "1", Data: []byte(`{"n":1}`)}, {ID: "2", Data: []byte(`{"n":1}`)}}
	c.items = map[events.Topic][]events.Item{"a": items, "b": items}
	c.answerer.Limits = watch.Limits{SnapshotItems: 1}
	bookmark := c.nextBookmark(t, `{"action":"snapshot","topic":"a","filter":{"n":[1]}}`)
	ask := func(topic, more, bookmark string) string {
		return fmt.Sprintf(`{"action":"snapshot","topic":%q,%s"next":%q}`, topic, more, bookmark)
	}
	const filter = `"filter":{"n":[1]},`
	c.connection.ID = "another"
	c.expect(t, ask("a", filter, bookmark), `snapshot :0 from ":0~…" of 1 next ""`)
	for name, request := range map[string]string{
		"topic":  ask("b", filter, bookmark),
		"filter": ask("a", `"filter":{"n":[2]},`, bookmark),
		"fields": ask("a", filter+`"fields":["n"],`, bookmark),
		"none":   ask("a", "", bookmark),
		"epoch":  ask("a", filter, "e"+bookmark),
		"seq":    ask("a", filter, strings.Replace(bookmark, ":0", ":1", 1)),
	} {
		if got := c.ask(t, request); got != "error bad_cursor" {
			t.Errorf("with another %s: %s", name, got)
		}
	}
	c.connection.Subject = "other"
	c.expect(t, ask("a", filter, bookmark), "error bad_cursor")
	c.connection.Subject, c.connection.Grant = "s", granted(t, "s", `{"topics":["*"],"actions":["read"],"mask":{"omit":["m"]}}`)
	c.expect(t, ask("a", filter, bookmark), "error bad_cursor")
}

// TestBookmarksAreOfOneLength, whatever the id is that they hide, also if it breaks the rules.
func TestBookmarksAreOfOneLength(t *testing.T) {
	lengths := map[int]bool{}
	for _, id := range []string{"a", strings.Repeat("a", events.MaxItemIDBytes), strings.Repeat("a", events.MaxItemIDBytes+1), strings.Repeat("a", 1024)} {
		c := newClient(t, `{"topics":["a"],"actions":["read"]}`)
		c.items = map[events.Topic][]events.Item{"a": {{ID: id, Data: []byte(`{}`)}, {ID: "b", Data: []byte(`{}`)}}}
		c.answerer.Limits = watch.Limits{SnapshotItems: 1}
		lengths[len(c.nextBookmark(t, `{"action":"snapshot","topic":"a"}`))] = true
	}
	if len(lengths) != 1 {
		t.Errorf("bookmarks have the lengths %v", lengths)
	}
}

// TestPagesDoNotTellThatAHiddenItemHasExpired: they are the same as if it had not.
func TestPagesDoNotTellThatAHiddenItemHasExpired(t *testing.T) {
	some := func(n int, element string) string { return strings.TrimSuffix(strings.Repeat(element+",", n), ",") }
	never := some(15, `{"equals-ignore-case":"never"}`)
	costly := []byte(`{"n":1,"l":[` + some(9_000, "1") + `]}`) // too costly; an answer has the steps for seven
	var after []events.Item
	for n := range 10 {
		after = append(after, events.Item{ID: fmt.Sprint("z", n), Data: []byte(`{"n":1}`)})
	}
	var steps []events.Item // the last two are one too many
	for n := range 7 {
		steps = append(steps, events.Item{ID: fmt.Sprint("a", n), Data: costly})
	}
	hidden := events.Item{ID: "hidden", Data: []byte(`{"n":2}`)}
	for name, c := range map[string]struct {
		filter, own string
		items       []events.Item
	}{
		"too costly for the grant's filter": {`{"n":[1],"$or":[{"a":[1]},{"l":[` + some(100, `{"equals-ignore-case":"never"}`) + `]}]}`, `{"n":[1]}`,
			[]events.Item{{ID: "hidden", Data: []byte(`{"n":2,"l":[` + some(5_000, "1") + `]}`)}}},
		"the last before the answer's steps are spent": {`{"n":[1]}`, `{"l":[` + never + `]}`,
			slices.Concat(steps, []events.Item{hidden, {ID: "i", Data: costly}}, after)},
	} {
		t.Run(name, func(t *testing.T) {
			pages := map[bool]string{}
			for _, void := range []bool{false, true} {
				client := newClient(t, `{"topics":["a"],"actions":["read"],"filter":`+c.filter+`}`)
				client.items, client.void = map[events.Topic][]events.Item{"a": c.items}, map[string]bool{"hidden": void}
				client.answerer.Limits = watch.Limits{SnapshotItems: 9}
				for next, page := "", 0; page == 0 || next != ""; page++ {
					next = client.nextBookmark(t, fmt.Sprintf(`{"action":"snapshot","topic":"a","filter":%s,"next":%q}`, c.own, next))
					for _, frame := range client.frames {
						pages[void] += sealedText.ReplaceAllString(string(frame), "") + "\n"
					}
				}
			}
			if pages[true] != pages[false] || !strings.Contains(pages[true], `"costly"`) {
				t.Errorf("pages are\n%s\nand if it has expired\n%s", pages[false], pages[true])
			}
		})
	}
}

// sealedText is what is sealed of a bookmark.
var sealedText = regexp.MustCompile(`~[A-Za-z0-9_-]+`)

// overtaken has another token come amid a subscribe, once.
type overtaken struct {
	*memoryStore
	by watch.Access
}

func (o *overtaken) Subscribe(ctx context.Context, sub watch.Subscription) (watch.Kept, error) {
	if o.access == nil {
		o.access = &o.by
	}
	return o.memoryStore.Subscribe(ctx, sub)
}

// TestSubscribeOvertakenByAToken is written anew by that one, or taken back.
func TestSubscribeOvertakenByAToken(t *testing.T) {
	for rules, want := range map[string]string{
		`{"topics":["a"],"actions":["subscribe"],"mask":{"omit":["x"]}}`: `subscribed; {"omit":["x"]}`,
		`{"topics":["b"],"actions":["subscribe"]}`:                       "error forbidden; none",
	} {
		for _, topic := range []string{"a", "a/*"} {
			rules := strings.ReplaceAll(rules, `["a"]`, fmt.Sprintf("[%q]", topic))
			c := newClient(t, fmt.Sprintf(`{"topics":[%q],"actions":["subscribe"]}`, topic))
			c.answerer.Store = &overtaken{c.memoryStore, watch.Access{Grant: granted(t, "s", rules), TokenID: "next", Expires: time.Now().Add(time.Hour)}}
			answer, _, _ := strings.Cut(c.ask(t, fmt.Sprintf(`{"action":"subscribe","topic":%q}`, topic)), " :0")
			view := "none"
			if sub, ok := c.subs[events.Topic(topic)]; ok {
				view = sub.View.String()
			}
			if got := answer + "; " + view; got != want {
				t.Errorf("%s: got %s, want %s", topic, got, want)
			}
		}
	}
}

// TestMaskThatLengthensIsToldAsLarge: of 96 KB in the table the mask makes more than a frame
// holds. The topic can be watched all the same, live, from a cursor and from a snapshot.
func TestMaskThatLengthensIsToldAsLarge(t *testing.T) {
	data := `{"rows":[` + strings.TrimSuffix(strings.Repeat(`{"pin":"1"},`, 8_000), ",") + `]}`
	c := newClient(t, `{"topics":["a"],"actions":["subscribe","read"],"mask":{"replace":{"rows.pin":"`+strings.Repeat("*", 42)+`"}}}`)
	c.fill("a", data, `{"rows":[]}`)
	const large = `{"topic":"a","epoch":"e","seq":1,"op":"added","id":"0","large":true}`
	if got := c.ask(t, `{"action":"subscribe","topic":"a","after":"e:0"}`); got != "subscribed e:2 recovered true; changes 1-2" || !strings.Contains(c.lastFrame(), large) {
		t.Errorf("resume is answered %s: %.300s", got, c.lastFrame())
	}
	if got := c.ask(t, `{"action":"snapshot","topic":"a"}`); got != `snapshot e:2 from "" of 2 next ""` || !strings.Contains(c.lastFrame(), `{"id":"0","large":true},{"id":"1","data":{"rows":[]}}`) {
		t.Errorf("snapshot is answered %s: %.300s", got, c.lastFrame())
	}
	view, _ := c.connection.Grant.Allows(grant.Subscribe, "a")
	if told := changesInShort(pushed(t, view, false, newStory().tell(t, added(data)))); fmt.Sprint(told) != "[1 added large]" {
		t.Errorf("live it is told as %.300q", told)
	}
}
