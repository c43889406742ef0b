package pattern

import (
	"encoding/json"
	"fmt"
	"strings"
)

// matcher judges one value of the event; present is false if there is none.
type matcher func(value any, present bool) bool

func parseMatchers(list []any, at string) ([]matcher, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("%s is an empty list", at)
	}
	var matchers []matcher
	for _, element := range list {
		m, err := parseMatcher(element, at)
		if err != nil {
			return nil, err
		}
		matchers = append(matchers, m)
	}
	return matchers, nil
}

func parseMatcher(element any, at string) (matcher, error) {
	operator, ok := element.(map[string]any)
	if !ok {
		return parseExact(element, at)
	}
	if len(operator) != 1 {
		return nil, fmt.Errorf("%s has a match expression of %d operators, one is needed", at, len(operator))
	}
	for name, operand := range operator {
		return parseOperator(name, operand, at+"."+name)
	}
	return nil, nil // not reached: there is one
}

func parseOperator(name string, operand any, at string) (matcher, error) {
	switch name {
	case "exists":
		return parseExists(operand, at)
	case "prefix":
		return parseText(operand, at, strings.HasPrefix)
	case "suffix":
		return parseText(operand, at, strings.HasSuffix)
	case "equals-ignore-case":
		return parseText(operand, at, strings.EqualFold)
	case "anything-but":
		return parseAnythingBut(operand, at)
	case "numeric":
		return parseNumeric(operand, at)
	}
	return nil, fmt.Errorf("%s: the operator is not supported", at)
}

// parseExact makes the matcher of a plain value. Numbers are compared by value:
// 300 matches 3.0e2.
func parseExact(want any, at string) (matcher, error) {
	switch want := want.(type) {
	case json.Number:
		wanted, ok := numberOf(want)
		if !ok {
			return nil, fmt.Errorf("%s: %s is out of range", at, want)
		}
		return func(value any, present bool) bool {
			number, ok := numberOf(value)
			return present && ok && number == wanted
		}, nil
	case string, bool, nil:
		return func(value any, present bool) bool { return present && value == want }, nil
	}
	return nil, fmt.Errorf("%s has an element that is no string, number, boolean, null or match expression", at)
}

func parseExists(operand any, at string) (matcher, error) {
	want, ok := operand.(bool)
	if !ok {
		return nil, fmt.Errorf("%s is neither true nor false", at)
	}
	return func(_ any, present bool) bool { return present == want }, nil
}

func parseText(operand any, at string, holds func(value, operand string) bool) (matcher, error) {
	text, ok := operand.(string)
	if !ok {
		return nil, fmt.Errorf("%s is no string", at)
	}
	return func(value any, present bool) bool {
		s, ok := value.(string)
		return present && ok && holds(s, text)
	}, nil
}

// parseAnythingBut takes a value, a list of values, or a prefix, suffix or
// equals-ignore-case expression. The field must be there.
func parseAnythingBut(operand any, at string) (matcher, error) {
	list, ok := operand.([]any)
	if !ok {
		list = []any{operand}
	}
	matchers, err := parseMatchers(list, at)
	if err != nil {
		return nil, err
	}
	return func(value any, present bool) bool {
		for _, m := range matchers {
			if m(value, present) {
				return false
			}
		}
		return present
	}, nil
}
