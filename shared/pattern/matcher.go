package pattern

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
)

// matcher judges one leaf of the event.
type matcher struct {
	holds  func(leaf) bool
	weight int // how many conditions it counts as
	bytes  int // of a leaf, at most, are compared
}

// cost is what it takes to judge a leaf.
func (m matcher) cost(l leaf) int { return m.weight * (1 + min(len(l.text), m.bytes)/StepBytes) }

// parseMatchers makes one matcher of all plain values, so that a long list costs no
// more than a short one, and one of each match expression.
func parseMatchers(list []any, at string) ([]matcher, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("%s is an empty list", at)
	}
	var matchers []matcher
	exact := values{}
	for _, element := range list {
		operator, ok := element.(map[string]any)
		if !ok {
			if err := exact.add(element, at); err != nil {
				return nil, err
			}
			continue
		}
		m, err := parseExpression(operator, at)
		if err != nil {
			return nil, err
		}
		matchers = append(matchers, m)
	}
	if len(exact) > 0 {
		matchers = append(matchers, matcher{exact.has, 1, math.MaxInt})
	}
	return matchers, nil
}

// values is a set of leaves.
type values map[leaf]bool

func (v values) has(l leaf) bool { return v[l] }

func (v values) add(element any, at string) error {
	switch element := element.(type) {
	case json.Number:
		if _, err := checkNumber(element, at); err != nil {
			return err
		}
	case string, bool, nil:
	default:
		return fmt.Errorf("%s has an element that is no string, number, boolean, null or match expression", at)
	}
	v[leafOf(element)] = true
	return nil
}

func parseExpression(operator map[string]any, at string) (matcher, error) {
	name, operand, err := only(operator, at)
	if err != nil {
		return matcher{}, err
	}
	return parseOperator(name, operand, at+"."+name)
}

// only gives the one operator of a match expression.
func only(operator map[string]any, at string) (name string, operand any, err error) {
	if len(operator) != 1 {
		return "", nil, fmt.Errorf("%s has a match expression of %d operators, one is needed", at, len(operator))
	}
	for name, operand = range operator {
	}
	return name, operand, nil
}

// textOperator compares strings.
type textOperator struct {
	holds  func(value, operand string) bool
	weight func(operand string) int
}

var texts = map[string]textOperator{
	"prefix":             {strings.HasPrefix, func(string) int { return 1 }},
	"suffix":             {strings.HasSuffix, func(string) int { return 1 }},
	"equals-ignore-case": {strings.EqualFold, foldWeight},
}

// foldWeight is what comparing without case weighs: letters are compared one by one, and
// those beyond ASCII are looked up in tables.
func foldWeight(operand string) int {
	if strings.ContainsFunc(operand, func(r rune) bool { return r > unicode.MaxASCII }) {
		return 8
	}
	return 2
}

func parseOperator(name string, operand any, at string) (matcher, error) {
	if o, ok := texts[name]; ok {
		return parseText(operand, at, o)
	}
	switch name {
	case "exists":
		return parseExists(operand, at)
	case "anything-but":
		return parseAnythingBut(operand, at)
	case "numeric":
		return parseNumeric(operand, at)
	}
	return matcher{}, fmt.Errorf("%s: the operator is not supported", at)
}

func parseExists(operand any, at string) (matcher, error) {
	want, ok := operand.(bool)
	if !ok {
		return matcher{}, fmt.Errorf("%s is neither true nor false", at)
	}
	return matcher{func(l leaf) bool { return l.present() == want }, 1, 0}, nil
}

func parseText(operand any, at string, o textOperator) (matcher, error) {
	want, ok := operand.(string)
	if !ok {
		return matcher{}, fmt.Errorf("%s is no string", at)
	}
	return matcher{func(l leaf) bool { return l.kind == text && o.holds(l.text, want) }, o.weight(want), len(want)}, nil
}

// parseAnythingBut takes a string or a number, a list of either, or an expression
// that compares strings, with one string or a list of them. The field must be there.
func parseAnythingBut(operand any, at string) (matcher, error) {
	excluded, err := parseExcluded(operand, at)
	if err != nil {
		return matcher{}, err
	}
	m := matcher{holds: func(l leaf) bool {
		return l.present() && !slices.ContainsFunc(excluded, func(m matcher) bool { return m.holds(l) })
	}}
	for _, e := range excluded {
		m.weight += e.weight
		m.bytes = max(m.bytes, e.bytes)
	}
	return m, nil
}

func parseExcluded(operand any, at string) ([]matcher, error) {
	operator, ok := operand.(map[string]any)
	if !ok {
		return parseExcludedValues(listOf(operand), at)
	}
	name, operand, err := only(operator, at)
	if err != nil {
		return nil, err
	}
	at += "." + name
	o, ok := texts[name]
	if !ok {
		return nil, fmt.Errorf("%s: the operator is not supported", at)
	}
	list := listOf(operand)
	if len(list) == 0 {
		return nil, fmt.Errorf("%s is an empty list", at)
	}
	var excluded []matcher
	for _, text := range list {
		m, err := parseText(text, at, o)
		if err != nil {
			return nil, err
		}
		excluded = append(excluded, m)
	}
	return excluded, nil
}

// parseExcludedValues wants strings or numbers, not both, as EventBridge does.
func parseExcludedValues(list []any, at string) ([]matcher, error) {
	numbers := 0
	for _, element := range list {
		switch element.(type) {
		case json.Number:
			numbers++
		case string:
		default:
			return nil, fmt.Errorf("%s has an element that is no string or number", at)
		}
	}
	if numbers != 0 && numbers != len(list) {
		return nil, fmt.Errorf("%s has both strings and numbers", at)
	}
	return parseMatchers(list, at)
}

// listOf gives a list, or a list of one value.
func listOf(operand any) []any {
	if list, ok := operand.([]any); ok {
		return list
	}
	return []any{operand}
}
