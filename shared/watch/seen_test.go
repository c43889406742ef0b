package watch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// tooLarge is data that is not kept in the log.
var tooLarge = `{"public":true,"blob":"` + strings.Repeat("x", events.MaxDataBytes) + `"}`

// story is a topic whose changes are told one by one.
type story struct{ log *memoryLog }

func newStory() story { return story{newLog()} }

// tell numbers what happens to items, in one batch.
func (s story) tell(t rapid.TB, writes ...watch.Write) []watch.Entry {
	t.Helper()
	for i := range writes {
		writes[i].Topic = "a"
		writes[i].Position = watch.Position(fmt.Sprint(int(s.log.head.Seq) + i + 1))
	}
	numbered, err := watch.Numberer{Log: s.log}.Number(context.Background(), stream1, writes)
	entries := numbered.Entries
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// pushed gives what a subscriber is pushed of entries.
func pushed(t rapid.TB, view grant.View, delta bool, entries []watch.Entry) []events.Change {
	t.Helper()
	return pushedTo(t, view, watch.Options{Delta: delta}, entries)
}

// pushedTo gives the same for a subscriber with options.
func pushedTo(t rapid.TB, view grant.View, o watch.Options, entries []watch.Entry) []events.Change {
	t.Helper()
	m := &memoryWatchers{subs: []watch.Subscription{{
		Key: watch.Key{ID: "c"}, Topic: "a", View: view, Options: o, Until: time.Now().Add(time.Hour),
	}}}
	if _, _, err := (watch.Pusher{Subscribers: m, Poster: m}).Push(context.Background(), []watch.Numbered{{Topic: "a", Entries: entries}}); err != nil {
		t.Fatal(err)
	}
	var changes []events.Change
	for _, post := range m.posts["c"] {
		frame, err := events.Decode([]byte(post))
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, frame.(*events.Changes).Changes...)
	}
	return changes
}

// changesInShort gives each change as its number, what it is, and what it carries.
func changesInShort(changes []events.Change) []string {
	var short []string
	for _, c := range changes {
		words := []string{fmt.Sprint(c.Seq), string(c.Op)}
		if c.To > 0 {
			words[0] += fmt.Sprintf("-%d", c.To)
		}
		if c.Data != nil {
			words = append(words, string(c.Data))
		}
		if c.Patch != nil {
			words = append(words, "patch", string(c.Patch))
		}
		if c.Expired {
			words = append(words, "expired")
		}
		if c.Large {
			words = append(words, "large")
		}
		short = append(short, strings.Join(words, " "))
	}
	return short
}

func added(data string) watch.Write {
	return watch.Write{ID: "i", Op: events.Added, Data: json.RawMessage(data)}
}

func modified(before, data string) watch.Write {
	return watch.Write{ID: "i", Op: events.Modified, Before: json.RawMessage(before), Data: json.RawMessage(data)}
}

func removed(data string) watch.Write {
	return watch.Write{ID: "i", Op: events.Removed, Data: json.RawMessage(data)}
}

func expired(w watch.Write) watch.Write {
	w.Expired = true
	return w
}

func lapsed(l grant.Lapse, w watch.Write) watch.Write {
	w.Lapse = l
	return w
}

func TestSeen(t *testing.T) {
	const public, masked = `,"filter":{"public":[true]}`, `,"mask":{"omit":["cost"]}`
	for name, c := range map[string]struct {
		rule   string
		delta  bool
		writes []watch.Write
		want   []string
	}{
		"begins and ceases to match": {public, false, []watch.Write{
			added(`{"public":false}`), modified(`{"public":false}`, `{"public":true}`), modified(`{"public":true}`, `{"n":1,"public":true}`),
			modified(`{"n":1,"public":true}`, `{"n":2}`), removed(`{"n":2}`), added(`{"public":true}`), removed(`{"public":true}`),
		}, []string{
			`1 skipped`, `2 added {"public":true}`, `3 modified {"n":1,"public":true}`,
			`4 removed {"n":1,"public":true}`, `5 skipped`, `6 added {"public":true}`, `7 removed {"public":true}`,
		}},
		"runs are one": {public, false, []watch.Write{
			added(`{"n":1}`), modified(`{"n":1}`, `{"n":2}`), removed(`{"n":2}`), added(`{"public":true}`),
			modified(`{"public":true}`, `{}`), modified(`{}`, `{"n":1}`), added(`{"n":3}`),
		}, []string{`1-3 skipped`, `4 added {"public":true}`, `5 removed {"public":true}`, `6-7 skipped`}},
		"masked": {masked, false, []watch.Write{
			added(`{"cost":1,"n":1}`), modified(`{"cost":1,"n":1}`, `{"cost":2,"n":1}`), modified(`{"cost":2,"n":1}`, `{"cost":2,"n":2}`), removed(`{"cost":2,"n":2}`),
		}, []string{`1 added {"n":1}`, `2 skipped`, `3 modified {"n":2}`, `4 removed {"n":2}`}},
		"not patched unless asked for": {"", false, []watch.Write{
			modified(`{"name":"Apple Inc.","n":1}`, `{"name":"Apple Inc.","n":2}`),
		}, []string{`1 modified {"name":"Apple Inc.","n":2}`}},
		"patched": {"", true, []watch.Write{
			added(`{"name":"Apple Inc.","n":1}`), modified(`{"name":"Apple Inc.","n":1}`, `{"name":"Apple Inc.","n":2}`), modified(`{"name":"Apple Inc.","n":2}`, `{"n":3}`),
		}, []string{`1 added {"name":"Apple Inc.","n":1}`, `2 modified patch {"n":2}`, `3 modified {"n":3}`}},
		"patched as masked": {masked, true, []watch.Write{
			modified(`{"cost":1,"name":"Apple Inc.","n":1}`, `{"cost":2,"name":"Apple Inc.","n":2}`), modified(`{"cost":"much, much","n":1}`, `{"cost":"much, much","n":2}`),
		}, []string{`1 modified patch {"n":2}`, `2 modified {"n":2}`}},
		"begins to match, with delta": {public, true, []watch.Write{
			modified(`{"name":"Apple Inc.","public":false}`, `{"name":"Apple Inc.","public":true}`),
		}, []string{`1 added {"name":"Apple Inc.","public":true}`}},
		"too large to be looked into": {public, true, []watch.Write{
			added(tooLarge), modified(tooLarge, `{"public":true}`), modified(`{"public":true}`, tooLarge), modified(tooLarge, tooLarge), removed(tooLarge),
		}, []string{`1 skipped`, `2 added {"public":true}`, `3 removed {"public":true}`, `4-5 skipped`}},
		"too large": {"", true, []watch.Write{
			added(tooLarge), modified(tooLarge, `{"n":1}`), modified(`{"n":1}`, tooLarge), removed(tooLarge),
		}, []string{`1 added large`, `2 modified {"n":1}`, `3 modified large`, `4 removed large`}},
		"expired": {public, false, []watch.Write{
			expired(removed(`{"public":true}`)), expired(removed(`{"n":1}`)), expired(modified(`{"public":true}`, `{"n":1}`)),
		}, []string{`1 removed {"public":true} expired`, `2 skipped`, `3 removed {"public":true}`}},
		"renewed": {"", true, []watch.Write{
			lapsed(grant.Renewed, modified(`{"name":"Apple Inc.","n":1}`, `{"name":"Apple Inc.","n":2}`)),
			lapsed(grant.Renewed, modified(`{"n":2}`, `{"n":2}`)), lapsed(grant.Renewed, modified(tooLarge, `{"n":3}`)), lapsed(grant.Renewed, modified(`{"n":3}`, tooLarge)),
		}, []string{`1 added {"name":"Apple Inc.","n":2}`, `2 added {"n":2}`, `3 added {"n":3}`, `4 added large`}},
		"renewed, as far as it is seen": {public, true, []watch.Write{
			lapsed(grant.Renewed, modified(`{"public":true}`, `{"public":true}`)), lapsed(grant.Renewed, modified(`{"public":true}`, `{}`)),
			lapsed(grant.Renewed, modified(`{}`, `{"public":true}`)), lapsed(grant.Renewed, modified(`{}`, `{}`)),
		}, []string{`1 added {"public":true}`, `2 removed {"public":true}`, `3 added {"public":true}`, `4 skipped`}},
		"left expired": {"", true, []watch.Write{
			lapsed(grant.Ended, added(`{"n":1}`)), lapsed(grant.Ended, modified(`{"n":1}`, `{"n":2}`)), lapsed(grant.AlreadyEnded, modified(`{"n":2}`, `{"n":2}`)),
			lapsed(grant.Ended, modified(tooLarge, `{"n":3}`)), lapsed(grant.Ended, modified(`{"n":3}`, tooLarge)), expired(removed(tooLarge)),
		}, []string{`1 skipped`, `2 removed {"n":1} expired`, `3 removed {"n":2} expired`, `4 removed expired large`, `5 removed {"n":3} expired`, `6 removed expired large`}},
		"left expired, as far as it is seen": {public, true, []watch.Write{
			lapsed(grant.Ended, modified(`{"public":true}`, `{"n":1,"public":true}`)), lapsed(grant.Ended, modified(`{"public":true}`, `{}`)),
			lapsed(grant.AlreadyEnded, modified(`{"public":true}`, `{"public":true}`)), lapsed(grant.Ended, modified(`{}`, `{"public":true}`)),
		}, []string{`1 removed {"public":true} expired`, `2 removed {"public":true}`, `3-4 skipped`}},
		"expired, all seen": {"", false, []watch.Write{expired(removed(`{"n":1}`))}, []string{`1 removed {"n":1} expired`}},
	} {
		t.Run(name, func(t *testing.T) {
			view, _ := granted(t, "s", `{"topics":["a"],"actions":["subscribe"]`+c.rule+`}`).Allows(grant.Subscribe, "a")
			got := changesInShort(pushed(t, view, c.delta, newStory().tell(t, c.writes...)))
			if !slices.Equal(got, c.want) {
				t.Errorf("seen is\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestSkippedSaysNothing of what was skipped, not even when.
func TestSkippedSaysNothing(t *testing.T) {
	view, err := grant.View{}.Narrow([]byte(`{"public":[true]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	hidden := added(`{"n":1}`)
	hidden.Time = time.Now()
	entries := newStory().tell(t, hidden, expired(removed(`{"n":1}`)))
	got, want := pushed(t, view, true, entries), events.Change{Topic: "a", Epoch: entries[0].Epoch, Seq: 1, To: 2, Op: events.Skipped}
	if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("told is %+v, want %+v", got, want)
	}
}

// TestMissedIsSeenAsLive: a subscribe with a cursor and a ping bring what was pushed.
func TestMissedIsSeenAsLive(t *testing.T) {
	entries := newStory().tell(t, added(`{"cost":1}`), modified(`{"cost":1}`, `{"cost":2,"name":"Apple Inc.","public":true}`),
		modified(`{"cost":2,"name":"Apple Inc.","public":true}`, `{"cost":3,"n":1,"name":"Apple Inc.","public":true}`), removed(`{"n":1}`))
	c := newClient(t, `{"topics":["a"],"actions":["subscribe"],"mask":{"omit":["cost"]}}`)
	c.log = map[events.Topic][]watch.Entry{"a": entries}
	for _, request := range []string{
		`{"action":"subscribe","topic":"a","filter":{"public":[true]},"delta":true,"after":":0"}`,
		fmt.Sprintf(`{"action":"ping","cursors":{"a":"%s:0"}}`, entries[0].Epoch),
	} {
		c.ask(t, request)
		var missed []events.Change
		for _, data := range c.frames {
			if frame, ok := decoded(t, data).(*events.Changes); ok {
				missed = append(missed, frame.Changes...)
			}
		}
		got, want := changesInShort(missed), changesInShort(pushed(t, c.subs["a"].View, true, entries))
		if !slices.Equal(got, want) || len(want) != 4 || want[2] != `3 modified patch {"n":1}` {
			t.Errorf("%s brings %q, pushed was %q", request, got, want)
		}
	}
}

// TestSeenProperty has watchers keep what they are told, in a view and of changes of any
// kind: after each change, and at each number that is skipped, they hold exactly what the
// view shows of the items. One is there from the beginning. Others come later and are not
// shown what has expired by then. Of an item that has expired they may hold what they did.
func TestSeenProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		view, delta := drawView(t), rapid.Bool().Draw(t, "delta")
		story, states := newStory(), map[string]state{}
		var want []scenery // by seq
		watchers, seq := []map[string]any{{}}, int64(0)
		for range rapid.IntRange(1, 4).Draw(t, "batches") {
			var batch []watch.Write
			for range rapid.IntRange(1, 8).Draw(t, "writes") {
				pass(t, states)
				w, lapse := drawWrite(t, states)
				batch = append(batch, w)
				now := visibleOf(t, view, states, lapse)
				if w.Lapse == grant.Ended {
					now.expired[w.ID] = false // nobody holds it any more
				}
				want = append(want, now)
			}
			for _, c := range pushed(t, view, delta, story.tell(t, batch...)) {
				if c.Seq != seq+1 || c.Patch != nil && !delta {
					t.Fatalf("after %d comes %d, with the patch %q", seq, c.Seq, c.Patch)
				}
				for _, held := range watchers {
					apply(t, held, c, want[c.Seq-1])
				}
				for ; seq < c.Cursor().Seq; seq++ {
					for _, held := range watchers {
						if !want[seq].is(held) {
							t.Fatalf("%s (delta %t) holds %v at %d, want %+v", view, delta, held, seq+1, want[seq])
						}
					}
				}
			}
			if int(seq) != len(want) {
				t.Fatalf("told up to %d of %d", seq, len(want))
			}
			pass(t, states)
			watchers = append(watchers, visibleOf(t, view, states, false).shown)
		}
	})
}

// state is an item in the table.
type state struct {
	data    string
	expired bool
}

// scenery is what a view shows of the items after a write, but for those that have expired.
type scenery struct {
	shown   map[string]any
	expired map[string]bool
	lapse   bool // the write was to an item that had expired, or has by now
}

// is reports whether a watcher holds what is shown, and else only what has expired.
func (s scenery) is(held map[string]any) bool {
	for id, seen := range held {
		if shown, ok := s.shown[id]; !s.expired[id] && !(ok && reflect.DeepEqual(seen, shown)) {
			return false
		}
	}
	for id := range s.shown {
		if _, has := held[id]; !has {
			return false
		}
	}
	return true
}

// pass lets items expire, which nobody is told.
func pass(t *rapid.T, states map[string]state) {
	for _, id := range slices.Sorted(maps.Keys(states)) {
		if rapid.IntRange(0, 5).Draw(t, "expires") == 5 {
			states[id] = state{states[id].data, true}
		}
	}
}

// drawView draws the view of a grant's rule and of what a client asks.
func drawView(t *rapid.T) grant.View {
	filters := rapid.SampledFrom([]string{`null`, `{"a":[1]}`, `{"b":[{"exists":false}]}`, `{"a":[{"exists":true}],"o":{"c":["x"]}}`, `{"$or":[{"a":["*"]},{"b":[2]}]}`})
	rule := `{"topics":["a"],"actions":["subscribe"]`
	if filter := filters.Draw(t, "filter"); filter != "null" {
		rule += `,"filter":` + filter
	}
	rule += rapid.SampledFrom([]string{``, `,"mask":{"omit":["a"]}`, `,"mask":{"omit":["o.c"],"replace":{"a":"*"}}`}).Draw(t, "mask") + `}`
	g, err := grant.Parse([]byte(`{"v":1,"allow":[`+rule+`]}`), "s")
	if err != nil {
		t.Fatal(err)
	}
	view, _ := g.Allows(grant.Subscribe, "a")
	fields := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "o.c", "o.d"}), 0, 2, rapid.ID).Draw(t, "fields")
	if view, err = view.Narrow([]byte(filters.Draw(t, "own filter")), fields); err != nil {
		t.Fatal(err)
	}
	return view
}

// drawWrite draws what happens next to one of two items, and carries it out. lapse says that
// the item had expired, or has now.
func drawWrite(t *rapid.T, states map[string]state) (w watch.Write, lapse bool) {
	id := rapid.SampledFrom([]string{"i", "j\uffff"}).Draw(t, "id")
	before, there := states[id]
	w = watch.Write{ID: id, Op: events.Added, Data: json.RawMessage(drawData(t))}
	switch {
	case there && rapid.IntRange(0, 3).Draw(t, "remove") == 0:
		delete(states, id)
		w.Op, w.Data, w.Expired = events.Removed, json.RawMessage(before.data), before.expired && rapid.Bool().Draw(t, "by time to live")
		return w, before.expired
	case there:
		w.Op, w.Before = events.Modified, json.RawMessage(before.data)
		if rapid.IntRange(0, 3).Draw(t, "only the time to live") == 0 {
			w.Data = w.Before
		}
	}
	ends := rapid.SampledFrom([]string{"later", "later", "later", "now", "as before"}).Draw(t, "ends")
	switch {
	case ends == "now":
		w.Lapse = grant.Ended
	case before.expired && ends == "as before":
		w.Lapse = grant.AlreadyEnded
	case before.expired:
		w.Lapse = grant.Renewed
	}
	states[id] = state{string(w.Data), w.Lapse == grant.Ended || w.Lapse == grant.AlreadyEnded}
	return w, w.Lapse != ""
}

// drawData draws data of a few members, now and then more than the log keeps.
func drawData(t *rapid.T) string {
	if rapid.IntRange(0, 9).Draw(t, "large") == 9 {
		return strings.Replace(tooLarge, "{", `{"a":1,`, 1)
	}
	member := func(name string, values ...string) string {
		if value := rapid.SampledFrom(append(values, "")).Draw(t, name); value != "" {
			return fmt.Sprintf(",%q:%s", name, value)
		}
		return ""
	}
	inner := member("c", `"x"`, "\"\uffff\ufdd0\"", `null`, `[1,null]`) + member("d", "\"a long text \ufffe, the longer the better for patches\"", `1.50`)
	members := member("a", `1`, `"*"`, `null`, `12345678901234567890.1`) + member("b", `1`, `2`, `[2,"y"]`, `{"e":null}`) + `,"o":{` + strings.TrimPrefix(inner, ",") + `}`
	return "{" + strings.TrimPrefix(members, ",") + "}"
}

// large stands for data that a watcher knows to be too large.
const large = "large"

// visibleOf gives what a view shows of the items after a write. Of those that are too large
// only the view of everything shows anything, and then not what they are.
func visibleOf(t *rapid.T, view grant.View, states map[string]state, lapse bool) scenery {
	s := scenery{shown: map[string]any{}, expired: map[string]bool{}, lapse: lapse}
	for id, state := range states {
		isLarge := len(state.data) > events.MaxDataBytes
		if s.expired[id] = state.expired; state.expired {
			continue
		}
		if isLarge && view.IsZero() {
			s.shown[id] = large
		}
		if seen, ok, _ := view.Item([]byte(state.data), nil); ok && !isLarge {
			s.shown[id] = object(t, seen)
		}
	}
	return s
}

// apply is the watcher. It holds an item that is added, and does not hold one that is removed
// or modified, only if the item has expired meanwhile. It never misses a state to patch.
func apply(t *rapid.T, held map[string]any, c events.Change, at scenery) {
	_, has := held[c.ID]
	switch {
	case c.Op == events.Skipped && c.ID == "" && c.Data == nil && c.Patch == nil:
	case c.Op == events.Added && has && !at.lapse, c.Op == events.Removed && !has && !at.lapse, c.Op == events.Modified && !has:
		t.Fatalf("told is %+v, while it holds %v", c, held)
	case c.Op == events.Removed:
		delete(held, c.ID)
	case c.Large:
		held[c.ID] = large
	case c.Patch != nil:
		before, err := json.Marshal(held[c.ID])
		if err != nil {
			t.Fatal(err)
		}
		patched, err := jsonpatch.MergePatch(before, c.Patch)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Patch) >= len(patched) {
			t.Fatalf("patch %s is no shorter than %s", c.Patch, patched)
		}
		held[c.ID] = object(t, patched)
	default:
		held[c.ID] = object(t, c.Data)
	}
}

// TestSkippedCoversOnlyWhatIsInTheBatch: a batch that is delivered late may have changes 1 and 3
// of a topic. Change 2, which another batch brought, must not be taken for skipped.
func TestSkippedCoversOnlyWhatIsInTheBatch(t *testing.T) {
	view, err := grant.View{}.Narrow([]byte(`{"public":[true]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	batch := newStory().tell(t, added(`{}`), added(`{}`), added(`{}`))
	got := changesInShort(pushed(t, view, false, slices.Delete(batch, 1, 2)))
	if want := []string{"1 skipped", "3 skipped"}; !slices.Equal(got, want) {
		t.Errorf("told is %q, want %q", got, want)
	}
}
