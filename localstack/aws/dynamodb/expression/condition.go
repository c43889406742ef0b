package expression

import "github.com/watchroute/watchroute/localstack/aws/dynamodb/item"

// Condition is a ConditionExpression or a FilterExpression.
type Condition struct {
	holds      predicate
	attributes []string
}

// Condition parses a condition; kind is the name of its parameter, for errors.
func (s *Scope) Condition(kind, text string) (*Condition, error) {
	p, err := s.open(conditionGrammar, kind, text)
	if err != nil {
		return nil, err
	}
	c := &Condition{holds: p.condition(), attributes: p.attributes}
	if err := p.end(); err != nil {
		return nil, err
	}
	return c, nil
}

// Match reports whether the condition holds for an item; nil is an item without
// attributes. Values that cannot be compared are not an error: they are only
// unequal.
func (c *Condition) Match(it item.Item) bool { return c.holds.holds(it) }

// Attributes are the top-level attributes that the condition looks at.
func (c *Condition) Attributes() []string { return c.attributes }

// term is a piece of a condition that may be an operand, a predicate or, if it is
// a function, both.
type term struct {
	operand   operand
	predicate predicate
	grouped   bool // it stands in parentheses
}

// condition reads a whole condition:
//
//	or      = and { OR and }
//	and     = not { AND not }
//	not     = NOT not | simple
//	simple  = primary [ comparator operand | BETWEEN operand AND operand | IN "(" operands ]
//	primary = "(" or ")" | operand
func (p *parser) condition() predicate { return p.predicate(p.or()) }

func (p *parser) or() term {
	t := p.and()
	for p.comes("OR") {
		left := p.predicate(t)
		p.operator()
		t = term{predicate: either{left, p.predicate(p.and())}}
	}
	return t
}

func (p *parser) and() term {
	t := p.not()
	for p.comes("AND") {
		left := p.predicate(t)
		p.operator()
		t = term{predicate: both{left, p.predicate(p.not())}}
	}
	return t
}

func (p *parser) not() term {
	if !p.comes("NOT") {
		return p.simple()
	}
	p.operator()
	return term{predicate: negation{p.predicate(p.not())}}
}

// predicate is what t is as a predicate. An operand is none: what comes next is
// in the place of an operator.
func (p *parser) predicate(t term) predicate {
	if t.predicate == nil {
		p.unexpected()
		return never{}
	}
	if c, ok := t.predicate.(*call); ok && c.name == "size" {
		p.misused(c)
	}
	return t.predicate
}

func (p *parser) simple() term {
	t := p.primary()
	if t.operand == nil {
		return t
	}
	switch next := p.peek(); {
	case isComparator(next):
		p.operator()
		return p.comparison(t.operand, next.text)
	case p.comes("BETWEEN"):
		p.operator()
		return p.between(t.operand)
	case p.comes("IN"):
		p.operator()
		return p.membership(t.operand)
	}
	return t
}

func isComparator(t token) bool {
	if t.kind != symbolToken {
		return false
	}
	switch t.text {
	case "=", "<>", "<", "<=", ">", ">=":
		return true
	}
	return false
}

// operator consumes an operator, of which there may only be so many.
func (p *parser) operator() {
	p.operators++
	p.skip()
}

func (p *parser) comparison(left operand, operator string) term {
	right := p.operand()
	p.checkValues(left, right)
	p.checkDistinct(operator, []operand{left, right})
	if operator != "=" && operator != "<>" {
		p.checkOrdered(operator, left, right)
	}
	return term{predicate: comparison{operator, left, right}}
}

func (p *parser) between(o operand) term {
	low := p.operand()
	if !p.keyword("AND") {
		p.unexpected()
	}
	high := p.operand()
	p.checkValues(o, low, high)
	p.checkDistinct("BETWEEN", []operand{o, low, high})
	p.checkBounds(low, high)
	p.checkOrdered("BETWEEN", o, low, high)
	return term{predicate: between{o, low, high}}
}

func (p *parser) membership(o operand) term {
	p.expect("(")
	list := p.operands()
	if len(list) > maxOperands {
		p.faults.add(operandCount, "The IN operator is provided with too many operands; number of operands: %d", len(list))
	}
	all := append([]operand{o}, list...)
	p.checkValues(all...)
	p.checkDistinct("IN", all)
	return term{predicate: membership{o, list}}
}

func (p *parser) primary() term {
	if p.symbol("(") {
		return p.group()
	}
	o := p.plainOperand()
	if c, ok := o.(*call); ok {
		return term{operand: c, predicate: c}
	}
	return term{operand: o}
}

// group reads what stands in parentheses. Two pairs around the same thing are a
// fault.
func (p *parser) group() term {
	t := p.or()
	p.expect(")")
	if t.grouped {
		p.faults.add(redundantParentheses, "The expression has redundant parentheses;")
	}
	t.grouped = true
	return t
}
