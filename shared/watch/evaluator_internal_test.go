package watch

import (
	"fmt"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// TestViewsAreNotEvaluatedBeyondTheirTime: who sees all of a topic still gets all of it, and
// everybody else the numbers.
func TestViewsAreNotEvaluatedBeyondTheirTime(t *testing.T) {
	g, err := grant.Parse([]byte(`{"v":1,"allow":[{"topics":["a"],"actions":["subscribe"],"filter":{"n":[1]}}]}`), "s")
	if err != nil {
		t.Fatal(err)
	}
	forced, _ := g.Allows(grant.Subscribe, "a")
	entry := Entry{Change: events.Change{Topic: "a", Epoch: "e", Seq: 1, Op: events.Added, ID: "i", Data: []byte(`{"n":1}`)}}
	for _, late := range []bool{false, true} {
		e := newEvaluator([]Numbered{{Topic: "a", Entries: []Entry{entry}}})
		if late {
			e.took = maxEvaluation + 1
		}
		for view, want := range map[grant.View]string{{}: "added false", forced: "added false"} {
			if late && !view.IsZero() {
				want = "skipped true"
			}
			seen := e.seen(&group{watched: []watched{{0, Subscription{View: view}}}, connections: []watcher{{Key: Key{Subject: "s"}}}})
			if got := fmt.Sprint(seen[0].Op, " ", seen[0].Costly); got != want {
				t.Errorf("late %t, view %q: %s, want %s", late, view, got, want)
			}
		}
	}
}
