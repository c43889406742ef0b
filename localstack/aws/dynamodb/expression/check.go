package expression

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// grammar is the kind of expression that a function belongs to.
type grammar string

const (
	conditionGrammar  grammar = "a condition expression"
	updateGrammar     grammar = "an update expression"
	projectionGrammar grammar = "a projection expression"
)

// function is where a function may be used, and how many operands it takes.
type function struct {
	grammar grammar
	args    int
}

func functionNamed(name string) (f function, ok bool) {
	switch name {
	case "attribute_exists", "attribute_not_exists", "size":
		return function{conditionGrammar, 1}, true
	case "attribute_type", "begins_with", "contains":
		return function{conditionGrammar, 2}, true
	case "if_not_exists", "list_append":
		return function{updateGrammar, 2}, true
	}
	return function{}, false
}

// function finds a function that may be used here.
func (p *parser) function(name string) function {
	f, known := functionNamed(name)
	switch {
	case !known:
		p.faults.add(unusableName, "Invalid function name; function: %s", name)
	case f.grammar != p.grammar:
		p.faults.add(unusableName, "The function is not allowed in %s; function: %s", p.grammar, name)
	}
	return f
}

// checkCall checks a function's operands, and gives it those it lacks.
func (p *parser) checkCall(c *call, f function) {
	if f.args != len(c.args) {
		p.faults.add(operandCount, "Incorrect number of operands for operator or function; "+
			"operator or function: %s, number of operands: %d", c.name, len(c.args))
	}
	for len(c.args) < f.args {
		c.args = append(c.args, literal{})
	}
	p.checkArguments(c)
}

func (p *parser) checkArguments(c *call) {
	switch c.name {
	case "attribute_exists", "attribute_not_exists", "if_not_exists":
		if _, ok := c.args[0].(path); !ok {
			p.faults.add(operandType, "Operator or function requires a document path; operator or function: %s", c.name)
		}
	case "attribute_type":
		p.checkTypeName(c.args[1])
	case "begins_with":
		p.allow(c.name, c.args, item.String, item.Binary)
	case "size":
		p.allow(c.name, c.args, item.String, item.Binary, item.List, item.Map,
			item.StringSet, item.NumberSet, item.BinarySet)
	case "list_append":
		p.allow(c.name, c.args, item.List)
	}
	p.checkValues(c.args...)
	if p.grammar == conditionGrammar {
		p.checkDistinct(c.name, c.args)
	}
}

// allow checks the kinds of operands as far as they are known.
func (p *parser) allow(operator string, args []operand, kinds ...item.Kind) {
	for _, a := range args {
		if k := a.kind(); k != 0 && !slices.Contains(kinds, k) {
			p.wrongType(operator, k.String())
			return
		}
	}
}

func (p *parser) wrongType(operator, kind string) {
	p.faults.add(operandType, "Incorrect operand type for operator or function; operator or function: %s, operand type: %s",
		operator, kind)
}

// checkTypeName checks the second operand of attribute_type.
func (p *parser) checkTypeName(o operand) {
	name, ok := o.(literal)
	switch {
	case !ok:
		p.wrongType("attribute_type", "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")
	case name.v.Kind == 0: // undefined, which is reported already
	case name.v.Kind != item.String:
		p.wrongType("attribute_type", name.v.Kind.String())
	default:
		if _, known := item.KindOf(name.v.S); !known {
			p.faults.add(operandType, "Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", name.v.S)
		}
	}
}

// checkValues refuses functions that cannot be operands: in a condition all but
// size, in an update all but if_not_exists.
func (p *parser) checkValues(args ...operand) {
	for _, a := range args {
		if c, ok := a.(*call); ok && c.name != "size" && c.name != "if_not_exists" {
			p.misused(c)
		}
	}
}

func (p *parser) misused(c *call) {
	p.faults.add(misusedFunction, "The function is not allowed to be used this way in an expression; function: %s", c.name)
}

// checkDistinct refuses an operator whose first operand is a path that comes
// again among the others.
func (p *parser) checkDistinct(operator string, args []operand) {
	first, ok := args[0].(path)
	if !ok {
		return
	}
	for _, a := range args[1:] {
		if other, ok := a.(path); ok && first.equal(other) {
			p.faults.add(operandDistinct, "The first operand must be distinct from the remaining operands "+
				"for this operator or function; operator: %s, first operand: %s", operator, first)
		}
	}
}

// checkOrdered checks the operands of an operator that needs an order.
func (p *parser) checkOrdered(operator string, args ...operand) {
	p.allow(operator, args, item.String, item.Number, item.Binary)
}

// checkBounds checks the bounds of BETWEEN, if both are known.
func (p *parser) checkBounds(lower, upper operand) {
	low, ok := lower.(literal)
	high, alsoOK := upper.(literal)
	if !ok || !alsoOK || low.v.IsZero() || high.v.IsZero() {
		return
	}
	requires := "same data type for lower and upper bounds"
	if low.v.Kind == high.v.Kind {
		if order, ok := item.Compare(low.v, high.v); !ok || order <= 0 {
			return
		}
		requires = "upper bound to be greater than or equal to lower bound"
	}
	p.faults.add(operandType, "The BETWEEN operator requires %s; lower bound operand: AttributeValue: {%s}, "+
		"upper bound operand: AttributeValue: {%s}", requires, shown(low.v), shown(high.v))
}

// shown writes a value as it appears in errors.
func shown(v item.Value) string {
	text := v.S
	switch {
	case v.Kind == item.Binary:
		text = base64.StdEncoding.EncodeToString([]byte(v.S))
	case v.Kind.IsSet():
		text = "[" + strings.Join(v.Set, ", ") + "]"
	}
	return v.Kind.String() + ":" + text
}
