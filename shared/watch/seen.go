package watch

import (
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// change is an entry that is seen in several views, for which it is decoded once.
type change struct {
	Entry
	inView *grant.Change
}

// changesOf prepares entries to be seen. An item whose data is too large for the log, and
// so missing, is not there for a view that would have to look into it.
func changesOf(entries []Entry) []change {
	changes := make([]change, len(entries))
	for i, e := range entries {
		changes[i] = change{e, grant.NewLapsing(e.Op, e.Before, e.Data, e.Lapse)}
	}
	return changes
}

// seen adds what a view shows of changes of one topic, in their order. Changes that it does
// not show are skipped, so that the numbers stay dense without a word of what they were. So
// are those that it is too costly for, which are marked, and with [Options].Latest those that
// later ones supersede.
func seen(shown []events.Change, view grant.View, o Options, changes []change, budget *grant.Budget) []events.Change {
	t := newTelling(shown, o, nil)
	for _, c := range changes {
		t.see(c, view, o.Delta, budget)
	}
	return t.told()
}

// unseen tells of changes of one topic by their numbers alone.
func unseen(changes []change) (shown []events.Change) {
	for _, c := range changes {
		shown = skip(shown, c, true)
	}
	return shown
}

// skip adds a change that is skipped.
func skip(shown []events.Change, c change, costly bool) []events.Change {
	return skipTo(shown, skipped(c.Change, costly))
}

// skipped gives what is told of a change that is skipped.
func skipped(c events.Change, costly bool) events.Change {
	return events.Change{Topic: c.Topic, Epoch: c.Epoch, Seq: c.Seq, Op: events.Skipped, Costly: costly}
}

// skipTo adds changes that are skipped. They join those before if these are skipped as well and
// have the numbers before: what lies between two numbers may have been shown in another batch.
func skipTo(shown []events.Change, c events.Change) []events.Change {
	if n := len(shown); n > 0 {
		last := &shown[n-1]
		if last.Op == events.Skipped && last.Costly == c.Costly && last.Cursor() == (events.Cursor{Epoch: c.Epoch, Seq: c.Seq - 1}) {
			last.To = c.Cursor().Seq
			return shown
		}
	}
	return append(shown, c)
}

// seen is what a view shows of the change. The error is that it is too costly to tell.
func (c change) seen(view grant.View, delta bool, budget *grant.Budget) (shown events.Change, visible bool, err error) {
	seen, err := c.inView.In(view, budget)
	if err != nil || !seen.Visible() {
		return events.Change{}, false, err
	}
	shown = c.Change
	shown.Op, shown.Data = seen.Op, seen.Data
	if !view.IsZero() {
		shown.Large, shown.Expired = false, c.Expired && c.Op == events.Removed
	}
	if seen.Expired {
		shown.Large, shown.Expired = seen.Data == nil, true
	}
	if delta {
		if patch, ok := seen.Delta(budget); ok {
			shown.Data, shown.Patch = nil, patch
		}
	}
	if len(shown.Data) > events.MaxDataBytes { // as a mask may have made it longer
		shown.Data, shown.Large = nil, true
	}
	return shown, true, nil
}
