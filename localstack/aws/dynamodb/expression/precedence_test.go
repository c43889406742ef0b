package expression

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// formula is a condition with the value it must have.
type formula struct {
	text  string
	value bool
	level int // 0 OR, 1 AND, 2 NOT, 3 what needs no parentheses
}

// in gives the formula's text for a place that takes the given level.
func (f formula) in(level int) string {
	if f.level < level {
		return "(" + f.text + ")"
	}
	return f.text
}

func leaf(t *rapid.T) formula {
	return rapid.SampledFrom([]formula{
		{"one = :one", true, 3},
		{"one > :two", false, 3},
		{"one BETWEEN :one AND :two", true, 3},
		{"(one) between :two and :two", false, 3},
		{"one IN (:two, :one)", true, 3},
		{"attribute_exists(one)", true, 3},
		{"attribute_exists(two)", false, 3},
	}).Draw(t, "leaf")
}

// grow makes a formula with parentheses only where precedence needs them.
func grow(t *rapid.T, depth int) formula {
	if depth == 0 {
		return leaf(t)
	}
	left := grow(t, depth-1)
	switch rapid.IntRange(0, 3).Draw(t, "operator") {
	case 0:
		right := grow(t, depth-1)
		return formula{left.in(0) + " OR " + right.in(1), left.value || right.value, 0}
	case 1:
		right := grow(t, depth-1)
		return formula{left.in(1) + " and " + right.in(2), left.value && right.value, 1}
	case 2:
		return formula{"NOT " + left.in(2), !left.value, 2}
	}
	return left
}

// NOT binds closer than AND, AND closer than OR, and the AND of BETWEEN is its own.
func TestPrecedence(t *testing.T) {
	values := item.Item{":one": item.Int(1), ":two": item.Int(2)}
	it := item.Item{"one": item.Int(1)}
	rapid.Check(t, func(t *rapid.T) {
		f := grow(t, rapid.IntRange(0, 5).Draw(t, "depth"))
		c, err := NewScope(nil, values).Condition("ConditionExpression", f.text)
		if err != nil {
			t.Fatalf("%s: %v", f.text, err)
		}
		if c.Match(it) != f.value {
			t.Fatalf("%s: want %v", f.text, f.value)
		}
	})
}
