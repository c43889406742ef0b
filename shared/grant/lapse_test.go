package grant

import (
	"fmt"
	"testing"

	"github.com/watchroute/watchroute/events"
)

// TestLapse: an item that was hidden since it had expired is seen whole when it is renewed,
// and one that is left expired ceases to be seen. That a state has expired which the view
// hides anyway is not told.
func TestLapse(t *testing.T) {
	view := narrow(t, forced(t, `{"public":[true]}`, `{"omit":["secret"]}`), `{"n":[{"numeric":["<",10]}]}`)
	const one, two, masked = `{"n":1,"public":true,"secret":1}`, `{"n":2,"public":true,"secret":1}`, `{"n":1,"public":true,"secret":2}`
	const hidden, refused = `{"public":false,"n":1}`, `{"public":true,"n":11}`
	for _, c := range []struct {
		lapse        Lapse
		op           events.Op
		before, data string
		want         string // op, data and whether it is expired; empty if nothing is seen
	}{
		{Renewed, events.Modified, one, two, `added {"n":2,"public":true} false`},
		{Renewed, events.Modified, one, one, `added {"n":1,"public":true} false`},
		{Renewed, events.Modified, one, masked, `added {"n":1,"public":true} false`},
		{Renewed, events.Modified, hidden, two, `added {"n":2,"public":true} false`},
		{Renewed, events.Modified, one, hidden, `removed {"n":1,"public":true} false`},
		{Renewed, events.Modified, one, refused, `removed {"n":1,"public":true} false`},
		{Renewed, events.Modified, hidden, refused, ``},
		{Renewed, events.Modified, ``, two, `added {"n":2,"public":true} false`},
		{Ended, events.Modified, one, two, `removed {"n":1,"public":true} true`},
		{Ended, events.Modified, one, masked, `removed {"n":1,"public":true} true`},
		{Ended, events.Modified, one, hidden, `removed {"n":1,"public":true} false`},
		{Ended, events.Modified, one, refused, `removed {"n":1,"public":true} false`},
		{Ended, events.Modified, hidden, two, ``},
		{Ended, events.Added, ``, two, ``},
		{AlreadyEnded, events.Modified, one, two, `removed {"n":1,"public":true} true`},
		{AlreadyEnded, events.Modified, one, masked, ``},
		{AlreadyEnded, events.Modified, hidden, two, ``},
	} {
		change := NewLapsing(c.op, raw(c.before), raw(c.data), c.lapse)
		seen, err := change.In(view, NewBudget(1_000))
		got := ""
		if seen.Visible() {
			got = fmt.Sprintf("%s %s %t", seen.Op, seen.Data, seen.Expired)
		}
		if _, patched := seen.Delta(NewBudget(1_000)); got != c.want || err != nil || patched {
			t.Errorf("%s of %s to %s, %q, is seen as %s, %v (patched %t), want %s", c.op, c.before, c.data, c.lapse, got, err, patched, c.want)
		}
	}
}

// TestLapseInTheZeroView, which shows everything.
func TestLapseInTheZeroView(t *testing.T) {
	one, two := raw(`{"n":1}`), raw(`{"n":2}`)
	for _, c := range []struct {
		change *Change
		want   string
	}{
		{NewLapsing(events.Modified, one, two, Renewed), `added {"n":2} false`},
		{NewLapsing(events.Modified, one, one, Renewed), `added {"n":1} false`},
		{NewLapsing(events.Modified, one, two, Ended), `removed {"n":1} true`},
		{NewLapsing(events.Modified, one, two, AlreadyEnded), `removed {"n":1} true`},
		{NewLapsing(events.Added, nil, two, Ended), `  false`},
	} {
		seen, err := c.change.In(View{}, nil)
		_, patched := seen.Delta(nil)
		if got := fmt.Sprintf("%s %s %t", seen.Op, seen.Data, seen.Expired); got != c.want || err != nil || patched {
			t.Errorf("seen is %s, %v (patched %t), want %s", got, err, patched, c.want)
		}
	}
}
