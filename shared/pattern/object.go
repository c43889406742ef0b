package pattern

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// object holds the conditions on one object of the event, all of which must hold.
type object struct {
	fields []field
	or     []object // if there are any, one must hold
}

// field is the condition on one member: either object or a list of matchers.
type field struct {
	name     string
	object   *object
	matchers []matcher
	absence  bool // it asks for absence only
}

func parseObject(fields map[string]any, at string, depth int) (object, error) {
	switch {
	case len(fields) == 0:
		return object{}, fmt.Errorf("%s is empty", at)
	case depth > MaxDepth:
		return object{}, fmt.Errorf("pattern nests deeper than the %d levels that are allowed", MaxDepth)
	}
	var o object
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		var err error
		if alternatives, ok := fields[name].([]any); ok && name == "$or" {
			o.or, err = parseOr(alternatives, at+".$or", depth+1)
		} else {
			err = o.parseField(name, fields[name], at+"."+name, depth+1)
		}
		if err != nil {
			return object{}, err
		}
	}
	return o, nil
}

func parseOr(alternatives []any, at string, depth int) ([]object, error) {
	if len(alternatives) < 2 {
		return nil, fmt.Errorf("%s needs two alternatives", at)
	}
	var or []object
	for _, alternative := range merged(alternatives) {
		fields, ok := alternative.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s has an alternative that is no object", at)
		}
		o, err := parseObject(fields, at, depth)
		if err != nil {
			return nil, err
		}
		or = append(or, o)
	}
	return or, nil
}

func (o *object) parseField(name string, value any, at string, depth int) error {
	switch value := value.(type) {
	case map[string]any:
		child, err := parseObject(value, at, depth)
		if err != nil {
			return err
		}
		o.fields = append(o.fields, field{name: name, object: &child, absence: child.absence()})
	case []any:
		matchers, err := parseMatchers(value, at)
		if err != nil {
			return err
		}
		o.fields = append(o.fields, field{name: name, matchers: matchers, absence: asksAbsence(value)})
	default:
		return fmt.Errorf("%s is neither an object nor a list", at)
	}
	return nil
}

// absence tells whether nothing but absence is asked for.
func (o object) absence() bool {
	return len(o.or) == 0 && !slices.ContainsFunc(o.fields, func(f field) bool { return !f.absence })
}

// asksAbsence tells whether a list of match expressions is [{"exists":false}].
func asksAbsence(list []any) bool {
	for _, element := range list {
		operator, _ := element.(map[string]any)
		if operator["exists"] != false {
			return false
		}
	}
	return true
}

// weight is how many conditions the object has.
func (o object) weight() int {
	sum := 0
	for _, f := range o.fields {
		sum += f.weight()
	}
	for _, alternative := range o.or {
		sum += 1 + alternative.weight()
	}
	return sum
}

func (f field) weight() int {
	if f.object != nil {
		return 1 + f.object.weight()
	}
	sum := 1
	for _, m := range f.matchers {
		sum += m.weight
	}
	return sum
}

func (o object) match(event map[string]any, steps *Steps) bool {
	for _, f := range o.fields {
		value, present := event[f.name]
		if !f.match(value, present, steps) {
			return false
		}
	}
	for _, alternative := range o.or {
		if !steps.Take(1) {
			return false
		}
		if alternative.match(event, steps) {
			return true
		}
	}
	return len(o.or) == 0
}

// match applies the condition to each value at its place that is of its kind, of
// which one must meet it, or all if it asks for absence. Objects are of the kind of
// object, all others of the kind of matchers; without any, nothing is there.
func (f field) match(value any, present bool, steps *Steps) bool {
	if !present {
		return steps.Take(1) && f.matchNothing(steps)
	}
	found := false
	for element := range elements(value, steps) {
		members, isObject := element.(map[string]any)
		if isObject != (f.object != nil) {
			continue
		}
		found = true
		if matched := f.matchElement(members, element, steps); matched != f.absence {
			return matched
		}
	}
	if !found {
		return f.matchNothing(steps)
	}
	return f.absence
}

func (f field) matchElement(members map[string]any, element any, steps *Steps) bool {
	if f.object != nil {
		return f.object.match(members, steps)
	}
	if n, ok := element.(json.Number); ok && !steps.Take(len(n)/StepBytes) {
		return false
	}
	return f.matchLeaf(leafOf(element), steps)
}

func (f field) matchNothing(steps *Steps) bool {
	if f.object != nil {
		return f.object.match(nil, steps)
	}
	return f.matchLeaf(leaf{}, steps)
}

func (f field) matchLeaf(l leaf, steps *Steps) bool {
	for _, m := range f.matchers {
		if !steps.Take(m.cost(l)) {
			return false
		}
		if m.holds(l) {
			return true
		}
	}
	return false
}

// elements gives the elements of a list, those of lists in it too, or the one value
// that is no list. It ends early when the steps are spent: each value takes one, lists
// too.
func elements(value any, steps *Steps) iter.Seq[any] {
	return func(yield func(any) bool) { visit(value, steps, yield) }
}

func visit(value any, steps *Steps, yield func(any) bool) bool {
	if !steps.Take(1) {
		return false
	}
	list, ok := value.([]any)
	if !ok {
		return yield(value)
	}
	for _, element := range list {
		if !visit(element, steps, yield) {
			return false
		}
	}
	return true
}
