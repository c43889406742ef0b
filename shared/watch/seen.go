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
		changes[i] = change{e, grant.NewChange(e.Op, e.Before, e.Data)}
	}
	return changes
}

// seen is what a view shows of changes of one topic, in their order. Changes that it
// does not show are one that is skipped, so that the numbers stay dense without a word
// of what they were.
func seen(view grant.View, delta bool, changes []change) []events.Change {
	var shown []events.Change
	for _, c := range changes {
		if s, visible := c.seen(view, delta); visible {
			shown = append(shown, s)
			continue
		}
		if n := len(shown); n > 0 && shown[n-1].Op == events.Skipped {
			shown[n-1].To = c.Seq
			continue
		}
		shown = append(shown, events.Change{Topic: c.Topic, Epoch: c.Epoch, Seq: c.Seq, Op: events.Skipped})
	}
	return shown
}

// seen is what a view shows of the change.
func (c change) seen(view grant.View, delta bool) (shown events.Change, visible bool) {
	shown = c.Change
	seen, err := c.inView.In(view, nil)
	if err != nil {
		return events.Change{Topic: c.Topic, Epoch: c.Epoch, Seq: c.Seq, Op: events.Skipped, Costly: true}, true
	}
	if !seen.Visible() {
		return events.Change{}, false
	}
	shown.Op, shown.Data = seen.Op, seen.Data
	if !view.IsZero() {
		shown.Large = false
		shown.Expired = c.Expired && c.Op == events.Removed
	}
	if delta {
		if patch, ok := seen.Delta(nil); ok {
			shown.Data, shown.Patch = nil, patch
		}
	}
	return shown, true
}
