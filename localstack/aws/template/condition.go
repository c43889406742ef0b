package template

import (
	"slices"
	"strings"
)

// holds tells whether what carries the condition is to be created; without a
// condition it is.
func (r *resolver) holds(name string) (bool, error) {
	if name == "" {
		return true, nil
	}
	return r.condition(name, in("Conditions"))
}

// condition evaluates a named condition once.
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/conditions-section-structure.html
func (r *resolver) condition(name string, at location) (bool, error) {
	if holds, ok := r.conditions[name]; ok {
		return holds, nil
	}
	written, ok := r.template.conditions[name]
	if !ok {
		return false, at.errorf("no condition %q", name)
	}
	if slices.Contains(r.evaluating, name) {
		return false, at.errorf("condition %q depends on itself: %s", name,
			strings.Join(append(r.evaluating, name), " -> "))
	}
	r.evaluating = append(r.evaluating, name)
	holds, err := r.evaluate(written, in("Conditions."+name))
	r.evaluating = r.evaluating[:len(r.evaluating)-1]
	if err != nil {
		return false, err
	}
	r.conditions[name] = holds
	return holds, nil
}

// evaluate evaluates a condition function.
func (r *resolver) evaluate(written any, at location) (bool, error) {
	call, _ := written.(map[string]any)
	if len(call) != 1 {
		return false, at.errorf("is not a condition function")
	}
	for name, argument := range call {
		at = at.key(name)
		switch name {
		case "Condition":
			other, _ := argument.(string)
			return r.condition(other, at)
		case "Fn::Equals":
			return r.equal(argument, at)
		case "Fn::Not":
			return r.not(argument, at)
		case "Fn::And":
			return r.fold(argument, true, at)
		case "Fn::Or":
			return r.fold(argument, false, at)
		}
	}
	return false, at.errorf("is not a condition function")
}

func (r *resolver) equal(argument any, at location) (bool, error) {
	list, err := arguments(argument, 2, at)
	if err != nil {
		return false, err
	}
	left, err := r.text(list[0], at.index(0))
	if err != nil {
		return false, err
	}
	right, err := r.text(list[1], at.index(1))
	return left == right, err
}

func (r *resolver) not(argument any, at location) (bool, error) {
	list, err := arguments(argument, 1, at)
	if err != nil {
		return false, err
	}
	holds, err := r.evaluate(list[0], at.index(0))
	return !holds, err
}

// fold is Fn::And (all must hold) or Fn::Or (one must). All are evaluated, so
// that a fault in one does not depend on the others.
func (r *resolver) fold(argument any, all bool, at location) (bool, error) {
	list, _ := argument.([]any)
	if len(list) < 2 || len(list) > 10 {
		return false, at.errorf("does not have a list of 2 to 10 conditions")
	}
	result := all
	for i, element := range list {
		holds, err := r.evaluate(element, at.index(i))
		if err != nil {
			return false, err
		}
		if holds != all {
			result = !all
		}
	}
	return result, nil
}
