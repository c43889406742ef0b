package client

import (
	"fmt"
	"slices"
	"testing"

	"github.com/watchroute/watchroute/events"
	"pgregory.net/rapid"
)

func changeAt(epoch string, seq int64) events.Change {
	return events.Change{Topic: "a", Epoch: epoch, Seq: seq, Data: []byte(`{"n":1}`)}
}

// handOut takes what is due, at most n.
func handOut(o *order, n int) (seqs []int64) {
	for c, ok := o.next(); ok && len(seqs) < n; c, ok = o.next() {
		o.advance(c)
		seqs = append(seqs, c.Seq)
	}
	return seqs
}

// TestOrderProperty brings a topic's changes in any order, several times, with little
// room, to a consumer that takes them when it likes; what is behind is brought again,
// as the service does. Each must be handed out once, in order.
func TestOrderProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(1, 40).Draw(t, "changes")
		o := order{maxCount: rapid.IntRange(1, 10).Draw(t, "room"), maxBytes: 1 << 20}
		var got []int64
		begin := rapid.Int64Range(0, total).Draw(t, "begin")
		startAt := rapid.IntRange(0, 59).Draw(t, "start after")
		steps := rapid.SliceOfN(rapid.Int64Range(1, total), 60, 120).Draw(t, "arrivals")
		for i, seq := range steps {
			if i == startAt {
				at := events.Cursor{Epoch: "e", Seq: begin}
				if begin == 0 && rapid.Bool().Draw(t, "new topic") {
					at = events.Cursor{}
				}
				o.begin(at)
			}
			o.offer(changeAt("e", seq))
			got = append(got, handOut(&o, rapid.IntRange(0, 3).Draw(t, "taken"))...)
		}
		o.learn(events.Cursor{Epoch: "e", Seq: total})
		for range total + 1 { // resumes until nothing is behind
			got = append(got, handOut(&o, 100)...)
			if !o.behind() {
				break
			}
			for seq := o.cursor.Seq + 1; seq <= total; seq++ {
				o.offer(changeAt("e", seq))
			}
		}
		var want []int64
		for seq := begin + 1; seq <= total; seq++ {
			want = append(want, seq)
		}
		if !slices.Equal(got, want) || o.early.Len() != 0 || o.bytes != 0 {
			t.Fatalf("handed out %v, want %v; %d left with %d bytes", got, want, o.early.Len(), o.bytes)
		}
	})
}

func TestOrderHoldsNoMoreThanItsRoom(t *testing.T) {
	o := order{maxCount: 1000, maxBytes: 70}
	o.begin(events.Cursor{Epoch: "e"})
	verdicts := map[verdict]int{}
	for seq := int64(100); seq > 1; seq-- {
		verdicts[o.offer(changeAt("e", seq))]++
		if o.bytes > 70 || o.early.Len() > 10 {
			t.Fatalf("%d changes wait with %d bytes", o.early.Len(), o.bytes)
		}
	}
	if verdicts[kept] != 10 || verdicts[dropped] != 89 {
		t.Errorf("verdicts %v", verdicts)
	}
	o.offer(changeAt("e", 1))
	if got := handOut(&o, 100); fmt.Sprint(got) != "[1 2 3 4 5 6 7 8 9 10]" || !o.behind() {
		t.Errorf("handed out %v, behind %v: the earliest must be kept", got, o.behind())
	}
}

func TestOrderTellsEpochsApart(t *testing.T) {
	o := order{maxCount: 10, maxBytes: 1000}
	o.offer(changeAt("old", 7))
	o.offer(changeAt("new", 2))
	o.begin(events.Cursor{Epoch: "new", Seq: 1})
	if got := handOut(&o, 9); fmt.Sprint(got) != "[2]" {
		t.Errorf("handed out %v", got)
	}
	if v := o.offer(changeAt("newer", 1)); v != foreign || !o.behind() {
		t.Errorf("a later epoch's change: %v, behind %v", v, o.behind())
	}
	o.learn(events.Cursor{Epoch: "new", Seq: 2})
	if o.behind() {
		t.Error("behind, though the service says that the epoch stands")
	}
}

func TestOrderWaitsForASnapshot(t *testing.T) {
	o := order{maxCount: 10, maxBytes: 1000}
	o.begin(events.Cursor{Epoch: "e", Seq: 3})
	o.held = true
	for seq := int64(1); seq < 6; seq++ {
		o.offer(changeAt("e", seq))
	}
	if got := handOut(&o, 9); got != nil || o.behind() {
		t.Errorf("handed out %v, behind %v", got, o.behind())
	}
	o.held = false
	if got := handOut(&o, 9); fmt.Sprint(got) != "[4 5]" {
		t.Errorf("handed out %v", got)
	}
}
