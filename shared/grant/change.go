package grant

import (
	"encoding/json"
	"sync"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/pattern"
)

// Change is what happened to an item. It is decoded at most once for all views that it is
// seen in, and a grant's filter and mask are applied at most once for all views that have
// the same. Safe for concurrent use.
type Change struct {
	op           events.Op
	before, data json.RawMessage // as given
	lapse        Lapse
	was, is      *state

	mu     sync.Mutex
	masked map[string]*pair // by the text of the mask
}

// NewChange takes an item's old data, nil if it was added, and the new one, or the last
// one if it was removed. The data must not be written to any more.
func NewChange(op events.Op, before, data json.RawMessage) *Change {
	return NewLapsing(op, before, data, "")
}

// NewLapsing is NewChange for an item that expires.
func NewLapsing(op events.Op, before, data json.RawMessage, l Lapse) *Change {
	c := &Change{op: op, before: before, data: data, lapse: l, masked: map[string]*pair{}}
	switch op {
	case events.Added:
		before = nil
	case events.Removed:
		before, data = data, nil
	}
	c.was, c.is = newState(before), newState(data)
	return c
}

// In gives what is seen of the change in a view. An item that begins to be visible is seen
// as added, one that ceases to be as removed with what was last seen of it. Data that is
// no JSON object is not visible, except to the zero View.
//
// A modification that changes nothing of what is seen is not visible either, as it would
// tell that something hidden has changed. The zero View shows it, and so does every view if
// the item was renewed, see [Lapse].
//
// What the client chose is charged to the budget. The only error is [ErrCostly]; the next
// change is evaluated as usual.
func (c *Change) In(v View, b *Budget) (Seen, error) {
	if v.IsZero() {
		return c.whole(), nil
	}
	was, err := c.was.has(v.must)
	if err != nil {
		return Seen{}, err
	}
	is, err := c.is.has(v.must)
	if err != nil || !was && !is {
		return Seen{}, err
	}
	states := c.under(v)
	if was && is && c.lapse.unnoticed() && states.same() { // which must not look costly either
		return Seen{}, nil
	}
	if v.Weight() == 0 {
		return c.told(states, was, is), nil
	}
	var seen Seen
	done := b.spend(MaxStepsPerChange, func(steps *pattern.Steps) {
		was = was && v.passes(states.was.object(), steps)
		is = is && v.passes(states.is.object(), steps)
		if v.fields != nil {
			states = states.narrow(v.fields, steps)
		}
		seen = c.told(states, was, is)
	})
	if !done {
		return Seen{}, ErrCostly
	}
	return seen, nil
}

// whole is what the zero View shows.
func (c *Change) whole() Seen {
	if c.lapse != "" {
		return c.wholeLapsing()
	}
	s := Seen{Op: c.op, Data: c.data}
	if c.op == events.Modified {
		s.patch = func(b *Budget) json.RawMessage { return c.under(View{}).patch(b) }
	}
	return s
}

// under gives the change as the view's mask leaves it.
func (c *Change) under(v View) *pair {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.masked[v.maskText]
	if p == nil {
		p = newPair(c.was.under(v.mask), c.is.under(v.mask))
		c.masked[v.maskText] = p
	}
	return p
}

// state is the data that an item has at a time.
type state struct {
	bytes  int
	object func() map[string]any // decoded when first asked for; nil if there is no item

	mu    sync.Mutex
	holds map[string]bool // grants' filters, by their text
}

func newState(data json.RawMessage) *state {
	object := sync.OnceValue(func() map[string]any {
		object, _ := decodeObject(data)
		return object
	})
	return &state{bytes: len(data), object: object, holds: map[string]bool{}}
}

// has tells whether there is an item and a grant's filter holds for it. Whether that is
// too costly to tell depends on the size of the data alone.
func (s *state) has(must *pattern.Pattern) (bool, error) {
	switch {
	case must == nil:
		return s.object() != nil, nil
	case must.Weight()*s.bytes > FullMustWeight*events.MaxDataBytes:
		return false, ErrCostly
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	holds, known := s.holds[must.String()]
	if !known {
		object := s.object()
		holds = object != nil && must.MatchObject(object, nil)
		s.holds[must.String()] = holds
	}
	return holds, nil
}

// under gives what a mask leaves of the state.
func (s *state) under(mask *tree) lazy {
	object := s.object
	if mask != nil {
		object = sync.OnceValue(func() map[string]any { return mask.mask(s.object()).(map[string]any) })
	}
	return lazy{object, sync.OnceValue(func() json.RawMessage { return encode(object()) })}
}
