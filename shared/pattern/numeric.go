package pattern

import (
	"encoding/json"
	"fmt"
)

// bound is one comparison of a numeric expression.
type bound struct {
	number float64
	holds  func(value, number float64) bool
}

// parseNumeric takes ["=", 5] or [">", 0, "<=", 5]. DynamoDB's numbers are
// strings in the event, so a numeric expression never matches one.
func parseNumeric(operand any, at string) (matcher, error) {
	list, ok := operand.([]any)
	if !ok || len(list) != 2 && len(list) != 4 {
		return nil, fmt.Errorf("%s is no list of one or two comparisons", at)
	}
	var bounds []bound
	for i := 0; i < len(list); i += 2 {
		b, err := parseBound(list[i], list[i+1], at)
		if err != nil {
			return nil, err
		}
		bounds = append(bounds, b)
	}
	return func(value any, present bool) bool {
		number, ok := numberOf(value)
		for _, b := range bounds {
			ok = ok && b.holds(number, b.number)
		}
		return present && ok
	}, nil
}

func parseBound(operator, operand any, at string) (bound, error) {
	holds := comparison(operator)
	if holds == nil {
		return bound{}, fmt.Errorf("%s: %v is no comparison", at, operator)
	}
	number, ok := numberOf(operand)
	if !ok {
		return bound{}, fmt.Errorf("%s: %v is no number", at, operand)
	}
	return bound{number, holds}, nil
}

func comparison(operator any) func(a, b float64) bool {
	switch operator {
	case "<":
		return func(a, b float64) bool { return a < b }
	case "<=":
		return func(a, b float64) bool { return a <= b }
	case "=":
		return func(a, b float64) bool { return a == b }
	case ">=":
		return func(a, b float64) bool { return a >= b }
	case ">":
		return func(a, b float64) bool { return a > b }
	}
	return nil
}

// numberOf gives a number with the precision of a double, which is also what
// EventBridge compares with.
func numberOf(value any) (float64, bool) {
	text, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	number, err := text.Float64()
	return number, err == nil
}
