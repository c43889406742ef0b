package pattern

import "fmt"

// bound is one comparison of a numeric expression.
type bound struct {
	number number
	holds  func(order int) bool // of the value against number
}

// parseNumeric takes ["=", 5] or [">", 0, "<=", 5]. DynamoDB's numbers are
// strings in a stream's event, so a numeric expression never matches one there.
func parseNumeric(operand any, at string) (matcher, error) {
	list, ok := operand.([]any)
	if !ok || len(list) != 2 && len(list) != 4 {
		return matcher{}, fmt.Errorf("%s is no list of one or two comparisons", at)
	}
	var bounds []bound
	for i := 0; i < len(list); i += 2 {
		b, err := parseBound(list[i], list[i+1], at)
		if err != nil {
			return matcher{}, err
		}
		bounds = append(bounds, b)
	}
	return matcher{func(l leaf) bool {
		ok := l.kind == digits
		for _, b := range bounds {
			ok = ok && b.holds(l.number().compare(b.number))
		}
		return ok
	}, 1, MaxDigits}, nil
}

func parseBound(operator, operand any, at string) (bound, error) {
	holds := comparison(operator)
	if holds == nil {
		return bound{}, fmt.Errorf("%s: %v is no comparison", at, operator)
	}
	n, err := checkNumber(operand, at)
	return bound{n, holds}, err
}

func comparison(operator any) func(order int) bool {
	switch operator {
	case "<":
		return func(order int) bool { return order < 0 }
	case "<=":
		return func(order int) bool { return order <= 0 }
	case "=":
		return func(order int) bool { return order == 0 }
	case ">=":
		return func(order int) bool { return order >= 0 }
	case ">":
		return func(order int) bool { return order > 0 }
	}
	return nil
}
