package grant

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/watchroute/watchroute/events"
	"pgregory.net/rapid"
)

func TestChange(t *testing.T) {
	view := narrow(t, forced(t, `{"public":[true]}`, `{"omit":["secret"]}`), `{"n":[{"numeric":["<",10]}]}`)
	for _, c := range []struct {
		op           events.Op
		before, data string
		want         string // op and data that are seen; empty if nothing is
	}{
		{events.Added, ``, `{"public":true,"n":1,"secret":1}`, `added {"n":1,"public":true}`},
		{events.Added, ``, `{"public":false,"n":1}`, ``},
		{events.Added, ``, `{"public":true,"n":10}`, ``},
		{events.Modified, `{"public":true,"n":1}`, `{"public":true,"n":2}`, `modified {"n":2,"public":true}`},
		{events.Modified, `{"public":true,"n":1,"secret":1}`, `{"public":false,"n":2,"secret":2}`, `removed {"n":1,"public":true}`},
		{events.Modified, `{"public":true,"n":1}`, `{"public":true,"n":11}`, `removed {"n":1,"public":true}`},
		{events.Modified, `{"public":false,"n":1}`, `{"public":true,"n":2,"secret":2}`, `added {"n":2,"public":true}`},
		{events.Modified, `{"public":false,"n":1}`, `{"public":false,"n":2}`, ``},
		{events.Modified, `{"public":true,"n":1,"secret":1}`, `{"public":true,"n":1,"secret":2}`, ``},
		{events.Modified, ``, `{"public":true,"n":1}`, `added {"n":1,"public":true}`},
		{events.Modified, `{"public":true,"n":1}`, ``, `removed {"n":1,"public":true}`},
		{events.Removed, `{"public":true,"n":1,"secret":1}`, `{"public":true,"n":1,"secret":1}`, `removed {"n":1,"public":true}`},
		{events.Removed, ``, `{"public":true,"n":1,"secret":1}`, `removed {"n":1,"public":true}`},
		{events.Removed, `{"public":false,"n":1}`, `{"public":false,"n":1}`, ``},
	} {
		seen := changeIn(t, view, c.op, raw(c.before), raw(c.data))
		got := ""
		if seen.Visible() {
			got = fmt.Sprintf("%s %s", seen.Op, seen.Data)
		} else if seen.Data != nil {
			t.Errorf("%s of %s to %s is not visible, but gives %s", c.op, c.before, c.data, seen.Data)
		}
		if got != c.want {
			t.Errorf("%s of %s to %s is seen as %s, want %s", c.op, c.before, c.data, got, c.want)
		}
	}
}

// TestHiddenModificationIsNotCostly: it takes no steps, and is not visible without any left.
// Else it would be told from a modification of an item that the grant hides.
func TestHiddenModificationIsNotCostly(t *testing.T) {
	view := narrow(t, forced(t, `{"public":[true]}`, `{"omit":["secret"]}`), `{"n":[1]}`)
	for _, public := range []string{"true", "false"} {
		before, data := raw(`{"public":`+public+`,"n":1,"secret":1}`), raw(`{"public":`+public+`,"n":1,"secret":2}`)
		if seen, err := NewChange(events.Modified, before, data).In(view, NewBudget(0)); err != nil || seen.Visible() {
			t.Errorf("modification of %s to %s is seen as %q, %v", before, data, seen.Op, err)
		}
	}
}

func TestZeroViewPassesEverythingOn(t *testing.T) {
	for _, o := range []events.Op{events.Added, events.Modified, events.Removed} {
		seen := changeIn(t, View{}, o, raw(`{ "a":1}`), raw(`{ "a":1}`))
		if seen.Op != o || string(seen.Data) != `{ "a":1}` {
			t.Errorf("%s is seen as %s %s", o, seen.Op, seen.Data)
		}
	}
}

// TestChangesAddUp follows an item through states, of which nil is none. A watcher that
// keeps what changes tell it must hold at any time what a snapshot would show, and must
// be told nothing that makes no difference.
func TestChangesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		view := views(t)
		if view.IsZero() {
			t.Skip("it shows everything")
		}
		var state, held json.RawMessage
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			op, before, data := nextState(t, state)
			if state = data; op == events.Removed {
				state = nil
			}
			held = follow(t, held, NewChange(op, before, data), view)
			want, _ := itemIn(t, view, state)
			if string(held) != string(want) {
				t.Fatalf("%s holds %s of %s, want %s", view, held, state, want)
			}
		}
	})
}

// nextState draws what happens to an item next.
func nextState(t *rapid.T, state json.RawMessage) (op events.Op, before, data json.RawMessage) {
	switch {
	case state == nil:
		return events.Added, nil, objects(t)
	case rapid.IntRange(0, 3).Draw(t, "remove") == 0:
		return events.Removed, state, state
	}
	return events.Modified, state, objects(t)
}

// follow is the watcher: it gives what it holds after a change, patched if it can be.
func follow(t *rapid.T, held json.RawMessage, c *Change, view View) json.RawMessage {
	seen, err := c.In(view, nil)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case !seen.Visible():
		return held
	case seen.Op == events.Added && held == nil:
		return seen.Data
	case seen.Op == events.Removed && string(seen.Data) == string(held):
		return nil
	case seen.Op == events.Modified && held != nil && string(seen.Data) != string(held):
		if patch, ok := seen.Delta(nil); ok {
			return encode(applyRFC7396(object(held), object(patch)))
		}
		return seen.Data
	}
	t.Fatalf("%s is told %s of %s, while it holds %s", view, seen.Op, seen.Data, held)
	return nil
}

func object(data json.RawMessage) any {
	o, _ := decodeObject(data)
	return o
}

// BenchmarkChange shows one change in 100 different views.
func BenchmarkChange(b *testing.B) {
	before := json.RawMessage(`{"price":150.75,"name":"Apple","secret":{"a":1},"tags":["a","b"],"n":0}`)
	data := json.RawMessage(`{"price":151,"name":"Apple","secret":{"a":2},"tags":["a","b"],"n":0}`)
	for name, mask := range map[string]string{"filter": ``, "mask": `{"omit":["secret"]}`} {
		var views []View
		for i := range 100 {
			views = append(views, narrow(b, forced(b, ``, mask), fmt.Sprintf(`{"n":[{"numeric":["<",%d]}]}`, i)))
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c := NewChange(events.Modified, before, data)
				for _, v := range views {
					if _, err := c.In(v, nil); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
