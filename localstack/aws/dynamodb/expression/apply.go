package expression

import (
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// Errors of updates that the item is not fit for.
var (
	errAbsent  = invalid("The provided expression refers to an attribute that does not exist in the item")
	errOperand = invalid("An operand in the update expression has an incorrect data type")
	errPath    = invalid("The document path provided in the update expression is invalid for update")
	errNesting = invalid("Nesting Levels have exceeded supported limits")
)

// Apply gives the updated item; old, which may be nil, stays as it is and shares
// values with it. All values are computed from old, and nothing is done if one
// action fails.
func (u *Update) Apply(old item.Item) (item.Item, error) {
	now := document(old)
	for _, a := range u.actions {
		next, err := a.apply(now, old)
		if err != nil {
			return nil, err
		}
		now = next
	}
	return now.M, nil
}

// apply carries out one action on the item as it is now.
func (a action) apply(now item.Value, old item.Item) (item.Value, error) {
	if a.verb == removeVerb {
		return remove(now, a.path)
	}
	v, err := result(a.value, old)
	if err != nil {
		return now, err
	}
	switch a.verb {
	case addVerb:
		v, err = a.add(old, v)
	case deleteVerb:
		if v, err = a.subtract(old, v); err == nil && len(v.Set) == 0 {
			return remove(now, a.path)
		}
	}
	if err != nil {
		return now, err
	}
	if len(a.path)-1+v.Depth() > item.MaxDepth {
		return now, errNesting
	}
	return set(now, a.path, v)
}

// add gives the sum of a number, or the union of a set, with what is there.
func (a action) add(old item.Item, v item.Value) (item.Value, error) {
	have, ok := a.path.value(old)
	switch {
	case !ok:
		return v, nil
	case have.Kind != v.Kind:
		return v, errOperand
	case v.Kind == item.Number:
		return item.Add(have, v)
	}
	return item.Union(have, v), nil
}

// subtract gives the set that is there without the elements of v. No set is an
// empty one.
func (a action) subtract(old item.Item, v item.Value) (item.Value, error) {
	have, ok := a.path.value(old)
	switch {
	case !ok:
		return item.Value{}, nil
	case have.Kind != v.Kind:
		return v, errOperand
	}
	return item.Difference(have, v), nil
}

// result gives the value of an operand of an update.
func result(o operand, old item.Item) (item.Value, error) {
	switch o := o.(type) {
	case literal:
		return o.v, nil
	case path:
		if v, ok := o.value(old); ok {
			return v, nil
		}
		return item.Value{}, errAbsent
	case arithmetic:
		return o.result(old)
	case *call:
		return o.result(old)
	}
	return item.Value{}, errOperand
}

func (a arithmetic) result(old item.Item) (item.Value, error) {
	left, err := result(a.left, old)
	if err != nil {
		return left, err
	}
	right, err := result(a.right, old)
	if err != nil {
		return right, err
	}
	if a.operator == "-" {
		return item.Sub(left, right)
	}
	return item.Add(left, right)
}

func (c *call) result(old item.Item) (item.Value, error) {
	first, err := result(c.args[0], old)
	if c.name == "if_not_exists" {
		if err == nil {
			return first, nil
		}
		return result(c.args[1], old)
	}
	if err != nil {
		return first, err
	}
	second, err := result(c.args[1], old)
	if err != nil {
		return second, err
	}
	return listAppend(first, second)
}

func listAppend(a, b item.Value) (item.Value, error) {
	if a.Kind != item.List || b.Kind != item.List {
		return item.Value{}, errOperand
	}
	joined := make([]item.Value, 0, len(a.L)+len(b.L))
	return item.Value{Kind: item.List, L: append(append(joined, a.L...), b.L...)}, nil
}
