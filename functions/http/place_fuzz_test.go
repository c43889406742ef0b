package main

import (
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// FuzzPlace reads ids of streams. Each accepted id is written in one form, which has the same meaning
// and fits into a line of a stream. An id of our own is written unchanged.
func FuzzPlace(f *testing.F) {
	for _, id := range []string{"", ":0", "abc:1", "abc:1~", "~", ",", ":0,:0~", ":0,abc:7~", ":0~00000000", "abc:01", "abc:-1", "*", "-", "abc:1~AAAA", "abc:1\n", "abc:1\r\nevent: x", "\x00", strings.Repeat(":0,", 2000)} {
		for topics := range 3 {
			f.Add(id, topics+1, true, false)
			f.Add(id, topics+1, false, true)
		}
	}
	f.Fuzz(func(t *testing.T, id string, topics int, whole, ours bool) {
		if topics < 1 || topics > 5 {
			t.Skip()
		}
		begin := func() (follows []watch.Follow) {
			for _, topic := range []events.Topic{"a", "b", "c/d", "@x/e", "f"}[:topics] {
				view := "1a2b3c4d"
				if whole {
					view = events.WholeView
				}
				follows = append(follows, watch.Follow{Query: watch.Query{Topic: topic}, ViewID: view})
			}
			return follows
		}
		if ours { // with the hash of this list and view
			_, hash, _ := strings.Cut(placeOf(begin()), "~")
			id = strings.TrimSuffix(id, "~") + "~" + hash
		}
		follows := begin()
		if err := resume(follows, id); err != nil || follows[0].ViewID == otherViews {
			return
		}
		written := placeOf(follows)
		if strings.ContainsAny(written, "\r\n\x00") || ours && (topics > 1 || !whole) && written != id {
			t.Errorf("%q is written as %q", id, written)
		}
		again := begin()
		if err := resume(again, written); err != nil || again[0].ViewID == otherViews || placeOf(again) != written {
			t.Errorf("%q is written as %q, which is written as %q, %v", id, written, placeOf(again), err)
		}
	})
}
