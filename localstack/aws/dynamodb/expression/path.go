package expression

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// path leads from an item to a value in it: an attribute, then keys of maps and
// indexes of lists.
type path []step

// step is a key of a map, or an index of a list if it has no name.
type step struct {
	name  string
	index int
}

func (s step) isIndex() bool { return s.name == "" }

func (s step) compare(t step) int {
	return cmp.Or(cmp.Compare(s.name, t.name), cmp.Compare(s.index, t.index))
}

func (p path) compare(q path) int { return slices.CompareFunc(p, q, step.compare) }

func (p path) equal(q path) bool { return slices.Equal(p, q) }

// String writes the path as DynamoDB's errors do: [a, [0], b].
func (p path) String() string {
	steps := make([]string, len(p))
	for n, s := range p {
		steps[n] = s.name
		if s.isIndex() {
			steps[n] = "[" + strconv.Itoa(s.index) + "]"
		}
	}
	return "[" + strings.Join(steps, ", ") + "]"
}

// value finds what the path leads to.
func (p path) value(it item.Item) (v item.Value, ok bool) {
	v = document(it)
	for _, s := range p {
		if v, ok = child(v, s); !ok {
			return item.Value{}, false
		}
	}
	return v, true
}

// kind is not known before there is an item.
func (p path) kind() item.Kind { return 0 }

// document is the whole item as a Map, where paths begin.
func document(it item.Item) item.Value { return item.Value{Kind: item.Map, M: it} }

// child takes one step from a value.
func child(v item.Value, s step) (item.Value, bool) {
	switch {
	case v.Kind == item.Map && !s.isIndex():
		c, ok := v.M[s.name]
		return c, ok
	case v.Kind == item.List && s.isIndex() && s.index < len(v.L):
		return v.L[s.index], true
	}
	return item.Value{}, false
}
