package client

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/watchroute/watchroute/events"
	"pgregory.net/rapid"
)

// cut makes one frame of the seqs from to to as a view shows them, of which view[seq-1]
// tells whether it shows seq.
func cut(view []bool, from, to int64) (frame []events.Change) {
	for seq := from; seq <= to; seq++ {
		c := changeAt("e", seq)
		if n := len(frame); !view[seq-1] && n > 0 && frame[n-1].Op == events.Skipped {
			frame[n-1].To = seq
			continue
		}
		if !view[seq-1] {
			c = events.Change{Topic: "a", Epoch: "e", Seq: seq, Op: events.Skipped}
		}
		frame = append(frame, c)
	}
	return frame
}

// recut cuts all of a view into frames at random places.
func recut(t *rapid.T, view []bool) (frames [][]events.Change) {
	for from := int64(1); from <= int64(len(view)); {
		to := min(from+rapid.Int64Range(0, 5).Draw(t, "frame"), int64(len(view)))
		frames = append(frames, cut(view, from, to))
		from = to + 1
	}
	return frames
}

// consumer takes what an order hands out, and checks that it never goes back.
type consumer struct {
	order order
	shown []int64
}

func (c *consumer) offer(t *rapid.T, frame []events.Change) {
	for _, change := range frame {
		c.order.offer(change)
	}
	c.check(t)
}

// take takes what is due, at most n.
func (c *consumer) take(t *rapid.T, n int) {
	for change, ok := c.order.next(); ok && n > 0; change, ok = c.order.next() {
		if change.Seq != c.order.cursor.Seq+1 || change.Cursor().Seq < change.Seq {
			t.Fatalf("%d to %d is handed out after %d", change.Seq, change.To, c.order.cursor.Seq)
		}
		if change.Op != events.Skipped {
			c.shown = append(c.shown, change.Seq)
		}
		c.order.advance(change)
		c.check(t)
		n--
	}
}

// check holds what waits to its rules.
func (c *consumer) check(t *rapid.T) {
	end, bytes, seqs := c.order.cursor.Seq, 0, int64(0)
	c.order.early.Scan(func(seq int64, e events.Change) bool {
		if seq != e.Seq || seq <= end {
			t.Fatalf("%d to %d waits after %d", seq, e.To, end)
		}
		end = e.Cursor().Seq
		bytes += len(e.Data)
		seqs += end - seq + 1
		return true
	})
	if bytes != c.order.bytes || seqs != c.order.seqs || c.order.early.Len() > c.order.maxCount {
		t.Fatalf("%d changes wait with %d bytes and %d seqs, counted %d and %d", c.order.early.Len(), bytes, seqs, c.order.bytes, c.order.seqs)
	}
}

// heal offers everything after the cursor, as the service does, until nothing is behind.
func (c *consumer) heal(t *rapid.T, view []bool) {
	end := int64(len(view))
	c.order.learn(events.Cursor{Epoch: "e", Seq: end})
	for c.take(t, 1000); c.order.behind(); c.take(t, 1000) {
		before := c.order.cursor.Seq
		c.offer(t, cut(view, before+1, end))
		if c.take(t, 1); c.order.cursor.Seq == before {
			t.Fatalf("stuck at %d of %d", before, end)
		}
	}
	if c.order.cursor.Seq != end || c.order.early.Len() != 0 || c.order.lacks() {
		t.Fatalf("ends at %d of %d, with %d left", c.order.cursor.Seq, end, c.order.early.Len())
	}
}

// TestOrderOfAViewProperty brings what a view shows in frames that are cut differently
// each time, lost, repeated and out of order, with little room. What it shows must be
// handed out once and in order, and the cursor must come to the end.
func TestOrderOfAViewProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		view := rapid.SliceOfN(rapid.Bool(), 1, 40).Draw(t, "view")
		c := consumer{order: order{maxCount: rapid.IntRange(1, 10).Draw(t, "room"), maxBytes: 1 << 20}}
		frames := append(recut(t, view), recut(t, view)...)
		begin := rapid.Int64Range(0, int64(len(view))).Draw(t, "begin")
		arrivals := rapid.SliceOfN(rapid.SampledFrom(frames), 0, 40).Draw(t, "arrivals")
		startAt := rapid.IntRange(0, len(arrivals)).Draw(t, "start after")
		for i, frame := range arrivals {
			if i == startAt {
				c.order.begin(events.Cursor{Epoch: "e", Seq: begin})
			}
			c.offer(t, frame)
			c.take(t, rapid.IntRange(0, 3).Draw(t, "taken"))
		}
		if startAt == len(arrivals) {
			c.order.begin(events.Cursor{Epoch: "e", Seq: begin})
		}
		c.heal(t, view)
		var want []int64
		for seq := begin + 1; seq <= int64(len(view)); seq++ {
			if view[seq-1] {
				want = append(want, seq)
			}
		}
		if !slices.Equal(c.shown, want) {
			t.Fatalf("handed out %v, want %v", c.shown, want)
		}
	})
}

// TestOrderOfTwoViewsProperty mixes the frames of two views, as when another token shows
// more or less. A change that came before the cursor was past it must be handed out,
// whatever skips it, and none that neither view shows.
func TestOrderOfTwoViewsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		views := rapid.SliceOfN(rapid.SliceOfN(rapid.Bool(), 20, 20), 2, 2).Draw(t, "views")
		c := consumer{order: order{maxCount: 1000, maxBytes: 1 << 20}}
		c.order.begin(events.Cursor{Epoch: "e"})
		frames := append(recut(t, views[0]), recut(t, views[1])...)
		due := map[int64]bool{}
		for _, frame := range rapid.SliceOfN(rapid.SampledFrom(frames), 0, 40).Draw(t, "arrivals") {
			for _, change := range frame {
				if change.Op != events.Skipped && change.Seq > c.order.cursor.Seq {
					due[change.Seq] = true
				}
			}
			c.offer(t, frame)
			c.take(t, rapid.IntRange(0, 2).Draw(t, "taken"))
		}
		c.heal(t, views[1])
		for seq := range due {
			if !slices.Contains(c.shown, seq) {
				t.Fatalf("handed out %v, not %d", c.shown, seq)
			}
		}
		for _, seq := range c.shown {
			if !views[0][seq-1] && !views[1][seq-1] {
				t.Fatalf("handed out %d, which no view shows", seq)
			}
		}
	})
}

// cutLatest makes one frame of the seqs from to to for a watch of the latest. items[seq-1] is the
// item that seq is of, or 0 if the view does not show it.
func cutLatest(items []int, from, to int64) []events.Change {
	last := map[int]int64{}
	for seq := from; seq <= to; seq++ {
		last[items[seq-1]] = seq
	}
	told := make([]bool, to)
	for seq := from; seq <= to; seq++ {
		item := items[seq-1]
		told[seq-1] = item != 0 && last[item] == seq
	}
	frame := cut(told, from, to)
	for i, c := range frame {
		if c.Op != events.Skipped {
			frame[i].ID = fmt.Sprint(items[c.Seq-1])
		}
	}
	return frame
}

// TestOrderOfLatestProperty brings the latest of several items in frames that overlap, and of which
// parts are lost, repeated and out of order. What is handed out rises, and at the end the consumer
// has the latest of each item.
func TestOrderOfLatestProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(rapid.IntRange(0, 3), 1, 40).Draw(t, "items")
		end := int64(len(items))
		c := consumer{order: order{maxCount: rapid.IntRange(1, 10).Draw(t, "room"), maxBytes: 1 << 20, latest: rapid.Bool().Draw(t, "latest")}}
		c.order.begin(events.Cursor{Epoch: "e"})
		for range rapid.IntRange(0, 20).Draw(t, "frames") {
			from := rapid.Int64Range(1, end).Draw(t, "from")
			frame := cutLatest(items, from, rapid.Int64Range(from, end).Draw(t, "to"))
			lost := rapid.IntRange(0, len(frame)).Draw(t, "lost")
			kept := frame[:len(frame)-lost]
			if rapid.Bool().Draw(t, "the end arrives") {
				kept = frame[lost:]
			}
			c.offer(t, kept)
			c.take(t, rapid.IntRange(0, 3).Draw(t, "taken"))
		}
		c.order.learn(events.Cursor{Epoch: "e", Seq: end})
		for c.take(t, 1000); c.order.behind(); c.take(t, 1000) {
			before := c.order.cursor.Seq
			c.offer(t, cutLatest(items, before+1, end))
			if c.take(t, 1); c.order.cursor.Seq == before {
				t.Fatalf("stuck at %d of %d", before, end)
			}
		}
		want, got := map[int]int64{}, map[int]int64{}
		for i, item := range items {
			want[item] = int64(i + 1)
		}
		for i, seq := range c.shown {
			if i > 0 && seq <= c.shown[i-1] {
				t.Fatalf("handed out %v", c.shown)
			}
			got[items[seq-1]] = seq
		}
		delete(want, 0)
		if !maps.Equal(got, want) {
			t.Fatalf("handed out %v, the latest are %v, want %v", c.shown, got, want)
		}
	})
}

// TestOrderOfCostlyChangesProperty has frames skip changes, some of them as costly, and show
// others. What a frame shows must be handed out, and what is only ever skipped as costly must
// be handed out in a run that says so.
func TestOrderOfCostlyChangesProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SampledFrom([]string{"shown", "skipped", "costly"})
		const end = 20
		o := order{maxCount: 1000, maxBytes: 1 << 20}
		o.begin(events.Cursor{Epoch: "e"})
		offered, costly := map[int64]map[string]bool{}, false
		for range rapid.IntRange(1, 30).Draw(t, "frames") {
			c := changeAt("e", rapid.Int64Range(1, end).Draw(t, "seq"))
			kind := kinds.Draw(t, "kind")
			if kind != "shown" {
				to := rapid.Int64Range(c.Seq, end).Draw(t, "to")
				c = events.Change{Topic: "a", Epoch: "e", Seq: c.Seq, To: to, Op: events.Skipped, Costly: kind == "costly"}
			}
			for seq := c.Seq; seq <= c.Cursor().Seq; seq++ {
				if offered[seq] == nil {
					offered[seq] = map[string]bool{}
				}
				offered[seq][kind] = true
			}
			costly = costly || c.Costly
			o.offer(c)
		}
		for c, ok := o.next(); ok; c, ok = o.next() {
			o.advance(c)
			for seq := c.Seq; seq <= c.Cursor().Seq; seq++ {
				switch kinds := offered[seq]; {
				case kinds["shown"] && c.Op == events.Skipped:
					t.Fatalf("%d is skipped, though a frame shows it", seq)
				case len(kinds) == 1 && kinds["costly"] && !c.Costly:
					t.Fatalf("%d to %d is not costly, though %d is", c.Seq, c.Cursor().Seq, seq)
				}
			}
			if c.Costly && !costly {
				t.Fatalf("%d to %d is costly, though nothing is", c.Seq, c.Cursor().Seq)
			}
		}
	})
}

// TestOrderKeepsTheRestOfWhatIsSkipped when a change or the cursor comes to stand in it.
func TestOrderKeepsTheRestOfWhatIsSkipped(t *testing.T) {
	o := order{maxCount: 10, maxBytes: 1000}
	o.offer(events.Change{Topic: "a", Epoch: "e", Seq: 1, To: 9, Op: events.Skipped})
	o.begin(events.Cursor{Epoch: "e", Seq: 2})
	o.offer(changeAt("e", 6))
	var got []string
	for c, ok := o.next(); ok; c, ok = o.next() {
		o.advance(c)
		got = append(got, fmt.Sprint(c.Op, c.Seq, "-", c.Cursor().Seq))
	}
	if fmt.Sprint(got) != "[skipped3-5 6-6 skipped7-9]" || o.behind() {
		t.Errorf("handed out %v, behind %v", got, o.behind())
	}
}

// TestOrderOfCostlyRuns: a run is costly if any part of it is, also what is left of it when
// the cursor or a change comes to stand in it.
func TestOrderOfCostlyRuns(t *testing.T) {
	skipped := func(from, to int64, costly bool) events.Change {
		return events.Change{Topic: "a", Epoch: "e", Seq: from, To: to, Op: events.Skipped, Costly: costly}
	}
	for name, c := range map[string]struct {
		offers []events.Change
		want   string
	}{
		"joined to one that is not": {[]events.Change{skipped(1, 2, false), skipped(3, 4, true)}, "[1-4 costly]"},
		"joined to one that is":     {[]events.Change{skipped(1, 2, true), skipped(3, 4, false)}, "[1-4 costly]"},
		"replaced by the change":    {[]events.Change{skipped(1, 1, true), changeAt("e", 1)}, "[1-1]"},
		"after the change":          {[]events.Change{changeAt("e", 1), skipped(1, 1, true)}, "[1-1]"},
		"around a change":           {[]events.Change{skipped(1, 3, true), changeAt("e", 2)}, "[1-1 costly 2-2 3-3 costly]"},
		"behind the cursor":         {[]events.Change{skipped(-1, 2, true)}, "[1-2 costly]"},
	} {
		t.Run(name, func(t *testing.T) {
			o := order{maxCount: 10, maxBytes: 1000}
			for _, offer := range c.offers {
				o.offer(offer)
			}
			o.begin(events.Cursor{Epoch: "e"})
			var got []string
			for c, ok := o.next(); ok; c, ok = o.next() {
				o.advance(c)
				run := fmt.Sprint(c.Seq, "-", c.Cursor().Seq)
				if c.Costly {
					run += " costly"
				}
				got = append(got, run)
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("handed out %v, want %s", got, c.want)
			}
		})
	}
}

// TestOrderJoinsWhatIsSkipped: a slow consumer of a view that shows little keeps little.
func TestOrderJoinsWhatIsSkipped(t *testing.T) {
	o := order{maxCount: 10, maxBytes: 1000}
	o.begin(events.Cursor{Epoch: "e"})
	for seq := int64(1); seq <= 1000; seq++ {
		o.offer(events.Change{Topic: "a", Epoch: "e", Seq: seq, Op: events.Skipped})
	}
	c, ok := o.next()
	if !ok || c.Cursor().Seq != 1000 || o.early.Len() != 1 {
		t.Errorf("%d wait, due is %+v", o.early.Len(), c)
	}
	if o.advance(c); o.behind() {
		t.Error("behind at the end")
	}
}
