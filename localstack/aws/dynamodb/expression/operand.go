package expression

import (
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// operand is what an operator or a function works on.
type operand interface {
	// kind is the kind of the operand's values as far as DynamoDB knows it before
	// there is an item, otherwise 0.
	kind() item.Kind
}

// literal is a :value.
type literal struct {
	name string
	v    item.Value
}

func (l literal) kind() item.Kind { return l.v.Kind }

// call is a function with its operands, as many as it takes.
type call struct {
	name string
	args []operand
}

func (c *call) kind() item.Kind {
	if c.name == "size" {
		return item.Number
	}
	return 0
}

// operand reads an operand, which may stand in parentheses.
func (p *parser) operand() operand {
	if !p.symbol("(") {
		return p.plainOperand()
	}
	if p.isSymbol("(") {
		p.faults.add(redundantParentheses, "The expression has redundant parentheses;")
	}
	o := p.operand()
	p.expect(")")
	return o
}

func (p *parser) isSymbol(text string) bool {
	t := p.peek()
	return t.kind == symbolToken && t.text == text
}

// plainOperand reads an operand that does not stand in parentheses.
func (p *parser) plainOperand() operand {
	t := p.peek()
	switch {
	case t.kind == valueToken:
		p.skip()
		return p.literal(t.text)
	case p.comesCall():
		return p.call()
	}
	return p.path()
}

func (p *parser) literal(name string) literal {
	v, ok := p.scope.values[name]
	if !ok {
		p.faults.add(undefinedPlaceholder,
			"An expression attribute value used in expression is not defined; attribute value: %s", name)
	} else {
		p.scope.usedValues[name] = true
	}
	return literal{name: name, v: v}
}

// comesCall reports whether a function comes next.
func (p *parser) comesCall() bool {
	t := p.peek()
	if t.kind != wordToken || isKeyword(t.text) {
		return false
	}
	after := p.tokens[p.at+1] // there is one: a word is not the end
	return after.kind == symbolToken && after.text == "("
}

func (p *parser) call() *call {
	c := &call{name: p.peek().text}
	p.skip()
	p.expect("(")
	f := p.function(c.name)
	c.args = p.operands()
	p.operators++
	p.checkCall(c, f)
	return c
}

// operands reads one operand or several, and the parenthesis that ends them.
func (p *parser) operands() []operand {
	list := []operand{p.operand()}
	for p.symbol(",") {
		list = append(list, p.operand())
	}
	p.expect(")")
	return list
}
