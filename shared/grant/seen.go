package grant

import (
	"encoding/json"
	"sync"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/pattern"
)

// Seen is what a view shows of a change. The zero Seen is nothing.
type Seen struct {
	Op   events.Op       // empty if nothing is seen
	Data json.RawMessage // the new state, or if it is removed the last one that was seen
	// Expired says that the item is removed because its new state has expired.
	Expired bool

	patch func(*Budget) json.RawMessage // nil unless it is modified
}

// Visible tells whether anything is seen.
func (s Seen) Visible() bool { return s.Op != "" }

// Delta gives the merge patch (RFC 7396) that turns what was seen before into Data. ok is
// false if the change is no modification, or if the budget has not enough for a patch. It is
// also false if no patch is smaller than Data: merge patches cannot set a member to null, and
// they repeat lists. The watcher then gets Data.
//
// The patch makes exactly Data, digit for digit.
func (s Seen) Delta(b *Budget) (patch json.RawMessage, ok bool) {
	if s.patch == nil {
		return nil, false
	}
	patch = s.patch(b)
	if patch == nil || len(patch) >= len(s.Data) {
		return nil, false
	}
	return patch, true
}

// pair is the two states of a change as views look at them.
type pair struct {
	was, is lazy
	same    func() bool
	patch   func(*Budget) json.RawMessage // nil if there is none
}

// lazy is a state that is made, and encoded, when this is first asked for.
type lazy struct {
	object func() map[string]any
	text   func() json.RawMessage
}

// newPair is to be shared by all views that look at the states.
func newPair(was, is lazy) *pair {
	patch := sync.OnceValue(func() json.RawMessage { return mergePatch(was.object(), is.object(), nil) })
	return &pair{
		was: was, is: is,
		same:  sync.OnceValue(func() bool { return equal(was.object(), is.object(), nil) }),
		patch: func(*Budget) json.RawMessage { return patch() },
	}
}

// narrow gives what a client's fields show of the states, for the given steps.
func (p *pair) narrow(fields *tree, steps *pattern.Steps) *pair {
	was, is := p.was.narrow(fields, steps), p.is.narrow(fields, steps)
	return &pair{
		was: was, is: is,
		same: func() bool { return equal(was.object(), is.object(), steps) },
		patch: func(b *Budget) (patch json.RawMessage) {
			b.spend(steps.Left(), func(steps *pattern.Steps) { patch = mergePatch(was.object(), is.object(), steps) })
			return patch
		},
	}
}

func (l lazy) narrow(fields *tree, steps *pattern.Steps) lazy {
	object := sync.OnceValue(func() map[string]any { return fields.projectObject(l.object(), steps) })
	return lazy{object, func() json.RawMessage { return encodeWithin(object(), steps) }}
}

// told gives what is seen if a view shows the states, or does not.
func (p *pair) told(was, is bool) Seen {
	switch {
	case !was && !is, was && is && p.same():
		return Seen{}
	case !is:
		return Seen{Op: events.Removed, Data: p.was.text()}
	case !was:
		return Seen{Op: events.Added, Data: p.is.text()}
	}
	return Seen{Op: events.Modified, Data: p.is.text(), patch: p.patch}
}
