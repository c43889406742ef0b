package watch_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// item gives a write to another item than i.
func item(id string, w watch.Write) watch.Write {
	w.ID = id
	return w
}

// TestLatestTellsOneStateOfEachItem: of what comes in one batch.
func TestLatestTellsOneStateOfEachItem(t *testing.T) {
	public, err := grant.View{}.Narrow([]byte(`{"p":[true]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	const shown, hidden = `{"n":1,"p":true}`, `{"n":2}`
	for name, c := range map[string]struct {
		view   grant.View
		writes []watch.Write
		want   []string
	}{
		"one change":         {writes: []watch.Write{modified(`{"n":1}`, `{"n":2}`)}, want: []string{`1 modified {"n":2}`}},
		"modified and again": {writes: []watch.Write{modified(`{"n":1}`, `{"n":2}`), modified(`{"n":2}`, `{"n":3}`), modified(`{"n":3}`, `{"n":4}`)}, want: []string{`1-2 skipped`, `3 modified {"n":4}`}},
		"added and modified": {writes: []watch.Write{added(`{"n":1}`), modified(`{"n":1}`, `{"n":2}`)}, want: []string{`1 skipped`, `2 added {"n":2}`}},
		"added and removed, as it may have been told before that it was added": {
			writes: []watch.Write{added(`{"n":1}`), removed(`{"n":1}`)}, want: []string{`1 skipped`, `2 removed {"n":1}`}},
		"removed and added": {writes: []watch.Write{removed(`{"n":1}`), added(`{"n":2}`)}, want: []string{`1 skipped`, `2 added {"n":2}`}},
		"items in turn": {
			writes: []watch.Write{item("x", added(`{"n":1}`)), item("y", added(`{"n":2}`)), item("x", modified(`{"n":1}`, `{"n":3}`)), item("z", added(`{"n":4}`)), item("y", removed(`{"n":2}`))},
			want:   []string{`1-2 skipped`, `3 added {"n":3}`, `4 added {"n":4}`, `5 removed {"n":2}`}},
		"leaves the view": {view: public,
			writes: []watch.Write{modified(shown, `{"n":3,"p":true}`), modified(`{"n":3,"p":true}`, hidden), modified(hidden, `{"n":4}`)},
			want:   []string{`1 skipped`, `2 removed {"n":3,"p":true}`, `3 skipped`}},
		"leaves the view and comes back": {view: public,
			writes: []watch.Write{modified(shown, hidden), modified(hidden, shown)},
			want:   []string{`1 skipped`, `2 added {"n":1,"p":true}`}},
		"comes into the view and is modified": {view: public,
			writes: []watch.Write{modified(hidden, shown), modified(shown, `{"n":5,"p":true}`)},
			want:   []string{`1 skipped`, `2 added {"n":5,"p":true}`}},
		"never in the view": {view: public, writes: []watch.Write{added(hidden), modified(hidden, `{"n":3}`), removed(`{"n":3}`)}, want: []string{`1-3 skipped`}},
		"too large at last": {writes: []watch.Write{added(`{"n":1}`), modified(`{"n":1}`, tooLarge)}, want: []string{`1 skipped`, `2 added large`}},
	} {
		t.Run(name, func(t *testing.T) {
			got := changesInShort(pushedTo(t, c.view, watch.Options{Latest: true}, newStory().tell(t, c.writes...)))
			if !slices.Equal(got, c.want) {
				t.Errorf("told is %q, want %q", got, c.want)
			}
		})
	}
}

// TestLatestOfTopicsBesideEachOther: an item of one topic is none of another, also if the ids are
// the same.
func TestLatestOfTopicsBesideEachOther(t *testing.T) {
	m := &memoryWatchers{}
	for _, topic := range []events.Topic{"a", "b"} {
		sub := subscribed("c", topic, grant.View{}, time.Hour)
		sub.Latest = true
		m.subs = append(m.subs, sub)
	}
	a, b := newStory().tell(t, added(`{"n":1}`), modified(`{"n":1}`, `{"n":2}`)), newStory().tell(t, added(`{"n":3}`))
	b[0].Topic = "b"
	if _, _, err := (watch.Pusher{Subscribers: m, Poster: m}).Push(t.Context(), []watch.Numbered{{Topic: "a", Entries: a}, {Topic: "b", Entries: b}}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, post := range m.posts["c"] {
		got = append(got, changesInShort(decoded(t, []byte(post)).(*events.Changes).Changes)...)
	}
	if want := []string{`1 skipped`, `2 added {"n":2}`, `1 added {"n":3}`}; !slices.Equal(got, want) {
		t.Errorf("told is %q, want %q", got, want)
	}
}

// TestPushEncodesLatestOnce: who asked for latest is a group beside the others of the same view.
func TestPushEncodesLatestOnce(t *testing.T) {
	m := &memoryWatchers{}
	for n := range 20 {
		sub := subscribed(watch.ConnectionID(fmt.Sprint(n)), "a", grant.View{}, time.Hour)
		sub.Latest = n%2 == 0
		m.subs = append(m.subs, sub)
	}
	batch := newStory().tell(t, added(`{"n":1}`), modified(`{"n":1}`, `{"n":2}`))
	if _, _, err := (watch.Pusher{Subscribers: m, Poster: m}).Push(t.Context(), []watch.Numbered{{Topic: "a", Entries: batch}}); err != nil {
		t.Fatal(err)
	}
	encoded := map[*byte]bool{}
	for _, body := range m.bodies {
		encoded[&body[0]] = true
	}
	if len(encoded) != 2 {
		t.Errorf("%d frames were encoded for 2 ways", len(encoded))
	}
	for n, want := range [][]string{{`1 skipped`, `2 added {"n":2}`}, {`1 added {"n":1}`, `2 modified {"n":2}`}} {
		got := changesInShort(decoded(t, []byte(m.posts[watch.ConnectionID(fmt.Sprint(n))][0])).(*events.Changes).Changes)
		if !slices.Equal(got, want) {
			t.Errorf("%d was told %q, want %q", n, got, want)
		}
	}
}

// TestLatestIsMissedAsPushed: a subscribe with a cursor and a ping bring what one push would.
func TestLatestIsMissedAsPushed(t *testing.T) {
	entries := newStory().tell(t, added(`{"n":1}`), item("j", added(`{"n":2}`)), modified(`{"n":1}`, `{"n":3}`), item("j", removed(`{"n":2}`)))
	c := newClient(t, `{"topics":["a"],"actions":["subscribe"]}`)
	c.log = map[events.Topic][]watch.Entry{"a": entries}
	for _, request := range []string{
		`{"action":"subscribe","topic":"a","latest":true,"after":":0"}`,
		fmt.Sprintf(`{"action":"ping","cursors":{"a":"%s:0"}}`, entries[0].Epoch),
	} {
		c.ask(t, request)
		var missed []events.Change
		for _, data := range c.frames {
			if frame, ok := decoded(t, data).(*events.Changes); ok {
				missed = append(missed, frame.Changes...)
			}
		}
		got, want := changesInShort(missed), []string{`1-2 skipped`, `3 added {"n":3}`, `4 removed {"n":2}`}
		if !slices.Equal(got, want) {
			t.Errorf("%s brings %q, want %q", request, got, want)
		}
	}
}

// TestLatestAndDelta: they exclude each other, and so do what was told by one of them and what
// follows by the other.
func TestLatestAndDelta(t *testing.T) {
	entries := newStory().tell(t, added(`{"n":1}`), modified(`{"n":1}`, `{"n":2}`))
	c := newClient(t, `{"topics":["a"],"actions":["subscribe","read"]}`)
	c.log = map[events.Topic][]watch.Entry{"a": entries}
	told := func(request string) events.Frame {
		t.Helper()
		c.ask(t, request)
		return decoded(t, c.frames[min(1, len(c.frames)-1)])
	}
	if refused, ok := told(`{"action":"subscribe","topic":"a","latest":true,"delta":true}`).(*events.Error); !ok || refused.Code != events.CodeBadRequest || len(c.subs) > 0 {
		t.Errorf("both are answered with %+v, subscriptions are %v", refused, c.subs)
	}
	c.ask(t, `{"action":"subscribe","topic":"a","latest":true}`)
	latest := decoded(t, c.frames[0]).(*events.Subscribed).View
	if latest == "" {
		t.Error("latest has no view of its own")
	}
	for name, r := range map[string]struct {
		options, viewID string
		reset           bool
	}{
		"latest goes on":                  {`"latest":true`, latest, false},
		"latest goes on from all":         {`"latest":true`, "whole", false},
		"all go on from latest":           {`"delta":false`, latest, false},
		"delta goes on from all":          {`"delta":true`, "whole", false},
		"delta cannot from latest":        {`"delta":true`, latest, true},
		"latest cannot from another":      {`"latest":true`, "1a2b3c4d", true},
		"latest of a filter cannot":       {`"latest":true,"filter":{"n":[1]}`, latest, true},
		"without a view nothing is asked": {`"delta":true`, "", false},
	} {
		frame := told(fmt.Sprintf(`{"action":"subscribe","topic":"a",%s,"view":%q,"after":"%s:1"}`, r.options, r.viewID, entries[0].Epoch))
		if reset, ok := frame.(*events.Reset); ok != r.reset || ok && reset.Reason != events.ResetView {
			t.Errorf("%s: told %+v, want a reset: %t", name, frame, r.reset)
		}
	}
}

// TestLatestProperty has a watcher be told only the latest, in a view and of changes of any kind.
// They come in ranges that overlap, and some are cut off amid their frames, after which the watcher
// resumes. Every range names each of its numbers once and in order, and an item at most once. At the
// end of a range that no other reaches beyond, the watcher holds what one holds that is told all.
func TestLatestProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		view, states := drawView(t), map[string]state{}
		var writes []watch.Write
		lapses := false
		for range rapid.IntRange(1, 24).Draw(t, "writes") {
			pass(t, states)
			w, lapse := drawWrite(t, states)
			writes, lapses = append(writes, w), lapses || lapse
		}
		entries := newStory().tell(t, writes...)
		all := []map[string]any{{}} // what one holds that is told all, by seq
		for _, c := range pushedTo(t, view, watch.Options{}, entries) {
			for seq := c.Seq; seq <= c.Cursor().Seq; seq++ {
				all = append(all, maps.Clone(all[len(all)-1]))
			}
			applyWhole(t, all[len(all)-1], c)
		}
		held, at, furthest, cut := map[string]any{}, 0, 0, false
		for at < len(entries) {
			from := rapid.IntRange(0, at).Draw(t, "from") // before the first
			until := rapid.IntRange(at+1, len(entries)).Draw(t, "until")
			told := pushedTo(t, view, watch.Options{Latest: true}, entries[from:until])
			checkRange(t, told, from, until)
			if rapid.IntRange(0, 2).Draw(t, "cut off") == 0 {
				told = told[:rapid.IntRange(0, len(told)).Draw(t, "frames")]
			}
			furthest = max(furthest, until)
			for _, c := range told {
				if int(c.Cursor().Seq) <= at {
					continue
				}
				if _, has := held[c.ID]; c.Op == events.Modified && !has && !cut && !lapses {
					t.Fatalf("told is %+v, while it holds %v", c, held)
				}
				applyWhole(t, held, c)
				at = int(c.Cursor().Seq)
			}
			cut = cut || at < until
			if at == furthest && !reflect.DeepEqual(held, all[at]) {
				t.Fatalf("in %s it holds %v at %d, want %v", view, held, at, all[at])
			}
		}
	})
}

// checkRange finds what is wrong with what is told of the entries after from, up to until.
func checkRange(t *rapid.T, told []events.Change, from, until int) {
	items := map[string]bool{}
	for _, c := range told {
		switch {
		case int(c.Seq) != from+1:
			t.Fatalf("after %d comes %d of %+v", from, c.Seq, told)
		case c.Patch != nil || items[c.ID]:
			t.Fatalf("%s is told again, or as a patch: %+v", c.ID, told)
		}
		if from = int(c.Cursor().Seq); c.Op != events.Skipped {
			items[c.ID] = true
		}
	}
	if from != until {
		t.Fatalf("told is %+v, want it to end at %d", told, until)
	}
}

// applyWhole carries out what is told to a watcher that holds whole states.
func applyWhole(t *rapid.T, held map[string]any, c events.Change) {
	switch {
	case c.Op == events.Skipped:
	case c.Op == events.Removed:
		delete(held, c.ID)
	case c.Large:
		held[c.ID] = large
	default:
		held[c.ID] = object(t, c.Data)
	}
}
