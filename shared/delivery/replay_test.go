package delivery_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/delivery"
)

// replayed gives what a replay from a time brings: a reset, and the numbers of the changes.
func (w *world) replayed(d delivery.Destination, from time.Time) (got string) {
	w.t.Helper()
	if err := w.registrar.ReplayFrom(w.t.Context(), d, "a", from); err != nil {
		w.t.Fatal(err)
	}
	w.taken = nil
	w.pass(0)
	for _, m := range w.taken {
		switch {
		case m.Reset != nil:
			got += "reset " + string(m.Reset.Reason) + " "
		case m.Items != nil:
			got += "items "
		}
		for _, c := range m.Changes {
			got += fmt.Sprint(c.Seq, " ")
		}
	}
	return got
}

// TestReplayFromATimeDeliversTheChangesSince, and up to a second more. Before the beginning of the log a
// reset and the items come, unless the log has all there ever was.
func TestReplayFromATimeDeliversTheChangesSince(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a")
		w.store.Retention = 26 * time.Hour
		w.pass(0)
		began := time.Now()
		if got := w.replayed(d, began); got != "" {
			t.Errorf("a topic without any change brings %s", got)
		}
		for n := range 7 { // an hour apart
			w.write("a", "i", fmt.Sprintf(`{"n":%d}`, n))
			time.Sleep(time.Hour)
		}
		w.pass(0)
		for after, want := range map[time.Duration]string{
			-1000 * time.Hour:                   "1 2 3 4 5 6 7 ",
			0:                                   "1 2 3 4 5 6 7 ",
			2 * time.Second:                     "2 3 4 5 6 7 ",
			time.Hour:                           "2 3 4 5 6 7 ",
			3*time.Hour + 900*time.Millisecond:  "4 5 6 7 ", // the second before counts
			3*time.Hour + 1100*time.Millisecond: "5 6 7 ",
			6 * time.Hour:                       "7 ",
			6*time.Hour + time.Minute:           "",
		} {
			if got := w.replayed(d, began.Add(after)); got != want {
				t.Errorf("from %s it brings %s, want %s", after, got, want)
			}
		}
		err := w.registrar.ReplayFrom(t.Context(), d, "a", time.Now().Add(time.Minute))
		if wire := (*events.Error)(nil); !errors.As(err, &wire) || wire.Code != events.CodeBadRequest {
			t.Errorf("from the future: %v", err)
		}
		if err := w.registrar.ReplayFrom(t.Context(), d, "b", began); err == nil {
			t.Error("a topic that it does not watch is replayed")
		}
		w.sweeps = time.Hour
		w.pass(time.Until(began.Add(29*time.Hour - time.Minute))) // the first four are not kept any more
		for after, want := range map[time.Duration]string{
			0:             "reset expired items ",
			2 * time.Hour: "reset expired items ",
			// The first that is kept. What was before is not known, and may have been later than the time.
			3*time.Hour + time.Minute: "reset expired items ",
			5 * time.Hour:             "6 7 ",
			12 * time.Hour:            "",
		} {
			if got := w.replayed(d, began.Add(after)); got != want {
				t.Errorf("after 29 hours, from %s it brings %s, want %s", after, got, want)
			}
		}
		w.pass(30 * time.Hour)
		if got := w.replayed(d, time.Now().Add(-time.Hour)); got != "" {
			t.Errorf("of a topic that has been quiet for days, the last hour brings %s", got)
		}
		if got := w.replayed(d, time.Now().Add(-27*time.Hour)); got != "reset expired items " {
			t.Errorf("beyond what the log is kept for at least, it brings %s", got)
		}
	})
}

// TestCostOfAReplayFromATime is a read for each time that the log can be halved, of a log of any length.
func TestCostOfAReplayFromATime(t *testing.T) {
	costly(t, func(t *testing.T, w *world) {
		d := w.destination("a")
		for range 10 {
			w.batch(100)
			time.Sleep(time.Minute)
		}
		w.pass(0)
		got := w.costs(func() {
			if err := w.registrar.ReplayFrom(t.Context(), d, "a", time.Now().Add(-5*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}, dynamotest.Tables.Changes)
		if got.reads < 2 || got.reads > 1+10 || got.writes != 0 {
			t.Errorf("of 1,000 changes it costs %+v", got)
		}
	})
}
