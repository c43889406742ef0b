package grant

import (
	"bytes"
	"encoding/json"
	"sync"

	"github.com/watchroute/watchroute/events"
)

// Change is what happened to an item, decoded at most once for all views that it is
// seen in. Safe for concurrent use.
type Change struct {
	op           events.Op
	before, data json.RawMessage // as given
	was, is      *state
}

// NewChange takes what [View.Change] does. The data must not be written to any more.
func NewChange(op events.Op, before, data json.RawMessage) *Change {
	c := &Change{op: op, before: before, data: data}
	switch op {
	case events.Added:
		before = nil
	case events.Removed:
		before, data = data, nil
	}
	c.was, c.is = newState(before), newState(data)
	return c
}

// In is [View.Change].
func (c *Change) In(v View) (seenOp events.Op, seenBefore, seen json.RawMessage, visible bool) {
	if v.IsZero() {
		return c.op, c.before, c.data, true
	}
	before, was := v.see(c.was)
	data, is := v.see(c.is)
	switch {
	case was && is && bytes.Equal(before, data), !was && !is:
		return "", nil, nil, false
	case !is:
		return events.Removed, nil, before, true
	case !was:
		return events.Added, nil, data, true
	}
	return events.Modified, before, data, true
}

// state is the data that an item has at a time, decoded and encoded again when this is
// first asked for.
type state struct {
	object func() map[string]any // nil if there is no item
	whole  func() json.RawMessage
}

func newState(data json.RawMessage) *state {
	object := sync.OnceValue(func() map[string]any {
		object, _ := decodeObject(data)
		return object
	})
	whole := sync.OnceValue(func() json.RawMessage { return encode(object()) })
	return &state{object, whole}
}
