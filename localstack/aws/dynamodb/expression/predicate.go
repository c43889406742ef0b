package expression

import (
	"strings"
	"unicode/utf16"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// predicate is what holds for an item or does not.
type predicate interface{ holds(it item.Item) bool }

type (
	both     struct{ left, right predicate }
	either   struct{ left, right predicate }
	negation struct{ of predicate }
	never    struct{} // stands for what could not be parsed
)

func (b both) holds(it item.Item) bool     { return b.left.holds(it) && b.right.holds(it) }
func (e either) holds(it item.Item) bool   { return e.left.holds(it) || e.right.holds(it) }
func (n negation) holds(it item.Item) bool { return !n.of.holds(it) }
func (never) holds(item.Item) bool         { return false }

// comparison is one of = <> < <= > >=.
type comparison struct {
	operator    string
	left, right operand
}

// holds is false for every operator but <> if there is nothing to compare.
func (c comparison) holds(it item.Item) bool {
	left, ok := valueOf(c.left, it)
	right, alsoOK := valueOf(c.right, it)
	switch equal := ok && alsoOK && item.Equal(left, right); {
	case c.operator == "=":
		return equal
	case c.operator == "<>":
		return !equal
	}
	order, ok := item.Compare(left, right)
	return ok && inOrder(c.operator, order)
}

func inOrder(operator string, order int) bool {
	switch operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	default:
		return order >= 0
	}
}

type between struct{ of, low, high operand }

func (b between) holds(it item.Item) bool {
	return comparison{">=", b.of, b.low}.holds(it) && comparison{"<=", b.of, b.high}.holds(it)
}

// membership is IN.
type membership struct {
	of   operand
	list []operand
}

func (m membership) holds(it item.Item) bool {
	for _, o := range m.list {
		if (comparison{"=", m.of, o}).holds(it) {
			return true
		}
	}
	return false
}

func (c *call) holds(it item.Item) bool {
	first, exists := valueOf(c.args[0], it)
	switch c.name {
	case "attribute_exists":
		return exists
	case "attribute_not_exists":
		return !exists
	}
	second, ok := valueOf(c.args[len(c.args)-1], it)
	if !exists || !ok {
		return false
	}
	switch c.name {
	case "attribute_type":
		return first.Kind.String() == second.S
	case "begins_with":
		return isText(first) && first.Kind == second.Kind && strings.HasPrefix(first.S, second.S)
	case "contains":
		return contains(first, second)
	}
	return false
}

// valueOf gives the value of an operand of a condition; ok is false without one.
func valueOf(o operand, it item.Item) (v item.Value, ok bool) {
	switch o := o.(type) {
	case literal:
		return o.v, true
	case path:
		return o.value(it)
	case *call:
		if of, ok := valueOf(o.args[0], it); ok && o.name == "size" {
			return size(of)
		}
	}
	return item.Value{}, false
}

// size counts the elements of a set, a List or a Map, the bytes of a Binary or
// the UTF-16 units of a String, as Java does. Other values have no size.
func size(v item.Value) (item.Value, bool) {
	n := 0
	switch v.Kind {
	case item.String:
		for _, r := range v.S {
			n += utf16.RuneLen(r)
		}
	case item.Binary:
		n = len(v.S)
	case item.List:
		n = len(v.L)
	case item.Map:
		n = len(v.M)
	case item.StringSet, item.NumberSet, item.BinarySet:
		n = len(v.Set)
	default:
		return item.Value{}, false
	}
	return item.Int(int64(n)), true
}

// contains looks for a part of a text, or an element of a set or a List.
func contains(in, v item.Value) bool {
	switch in.Kind {
	case item.String, item.Binary:
		return in.Kind == v.Kind && strings.Contains(in.S, v.S)
	case item.List:
		return containsEqual(in.L, v)
	}
	return in.Has(v)
}

func containsEqual(list []item.Value, v item.Value) bool {
	for _, e := range list {
		if item.Equal(e, v) {
			return true
		}
	}
	return false
}

func isText(v item.Value) bool { return v.Kind == item.String || v.Kind == item.Binary }
