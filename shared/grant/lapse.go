package grant

import "github.com/watchroute/watchroute/events"

// Lapse says what has expired of an item when it was added or modified. The zero Lapse is
// nothing. Expiry hides an item from whoever reads it, but not from whoever held it already.
type Lapse string

// What can have expired. The texts are equally long, so that what is stored of a change does
// not tell one from the other by its size.
const (
	// Renewed is an item that was modified when its state before had expired. Whether a
	// watcher was shown that state is not known. The new state is seen whole, as added,
	// also if it looks the same as the one before.
	Renewed Lapse = "r"
	// Ended is an item whose new state has expired already, so that nobody is to see it. The
	// state before is seen as removed.
	Ended Lapse = "e"
	// AlreadyEnded is the same of an item that had expired before, and whose time to live was left as
	// it is. If nothing else has changed of what a view shows, nothing is seen.
	AlreadyEnded Lapse = "o"
)

// unnoticed reports whether a change that leaves what is seen as it was is not seen.
func (l Lapse) unnoticed() bool { return l == "" || l == AlreadyEnded }

// told gives what is seen of the states if a view shows them, or does not.
func (c *Change) told(states *pair, was, is bool) Seen {
	switch {
	case c.lapse == Renewed && is:
		return states.told(false, true)
	case c.lapse != "" && is: // otherwise the view hides it anyway, and does not tell why
		seen := states.told(was, false)
		seen.Expired = was
		return seen
	}
	return states.told(was, is)
}

// wholeLapsing is what the zero View shows of a change with a Lapse.
func (c *Change) wholeLapsing() Seen {
	switch {
	case c.lapse == Renewed:
		return Seen{Op: events.Added, Data: c.data}
	case c.op == events.Added:
		return Seen{}
	}
	return Seen{Op: events.Removed, Data: c.before, Expired: true}
}
