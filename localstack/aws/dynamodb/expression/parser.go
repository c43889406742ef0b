package expression

import (
	"slices"
	"strconv"
	"strings"

	"github.com/truora/minidyn/interpreter/language"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// parser reads one expression by recursive descent. After a fault of syntax it
// sees only the end of the text, so that every loop comes to an end; what was
// parsed then is meaningless and end gives the error. It nests no deeper than an
// expression has bytes, at most MaxBytes.
type parser struct {
	scope      *Scope
	grammar    grammar
	kind       string // such as "FilterExpression"
	text       string
	tokens     []token
	at         int
	syntax     error
	faults     faults
	operators  int
	attributes []string // the top-level attributes of all paths, once each
}

// open starts parsing.
func (s *Scope) open(g grammar, kind, text string) (*parser, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if text == "" {
		return nil, invalid("Invalid %s: The expression can not be empty;", kind)
	}
	if len(text) > MaxBytes {
		return nil, invalid("Invalid %s: Expression size has exceeded the maximum allowed size; expression size: %d", kind, len(text))
	}
	return &parser{scope: s, grammar: g, kind: kind, text: text, tokens: lex(text)}, nil
}

// end gives the error to report, once everything is parsed.
func (p *parser) end() error {
	if p.peek().kind != endToken {
		p.unexpected()
	}
	if p.syntax != nil {
		return p.syntax
	}
	if p.operators > MaxOperators {
		p.faults.add(operatorCount, "The expression contains too many operators; operator count: %d", MaxOperators+1)
	}
	if p.faults.rank != 0 {
		return invalid("Invalid %s: %s", p.kind, p.faults.text)
	}
	return nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

// skip passes over a token, but never the last.
func (p *parser) skip() {
	if p.at < len(p.tokens)-1 {
		p.at++
	}
}

// unexpected makes the next token a fault of syntax, and leaves nothing to parse.
// The error shows the token with its neighbours.
func (p *parser) unexpected() {
	if p.syntax != nil {
		return
	}
	start := 0
	if p.at > 0 {
		start = p.tokens[p.at-1].start
	}
	end := p.tokens[min(p.at+1, len(p.tokens)-1)].end
	p.syntax = invalid("Invalid %s: Syntax error; token: \"%s\", near: \"%s\"", p.kind, p.peek().text, p.text[start:end])
	p.at = len(p.tokens) - 1
}

// symbol consumes a symbol if it comes next.
func (p *parser) symbol(text string) bool {
	if t := p.peek(); t.kind != symbolToken || t.text != text {
		return false
	}
	p.skip()
	return true
}

// expect consumes a symbol that must come next.
func (p *parser) expect(text string) {
	if !p.symbol(text) {
		p.unexpected()
	}
}

// comes reports whether a keyword comes next; keywords have no case.
func (p *parser) comes(keyword string) bool {
	t := p.peek()
	return t.kind == wordToken && strings.EqualFold(t.text, keyword)
}

// keyword consumes a keyword if it comes next.
func (p *parser) keyword(keyword string) bool {
	if !p.comes(keyword) {
		return false
	}
	p.skip()
	return true
}

// keywords of all grammars can stand for nothing else in any of them.
var keywords = []string{"AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE"}

func isKeyword(word string) bool {
	return slices.ContainsFunc(keywords, func(k string) bool { return strings.EqualFold(k, word) })
}

// path reads a document path.
func (p *parser) path() path {
	steps := path{{name: p.name()}}
	for {
		switch {
		case p.symbol("."):
			steps = append(steps, step{name: p.name()})
		case p.symbol("["):
			steps = append(steps, step{index: p.index()})
			p.expect("]")
		default:
			return p.checked(steps)
		}
	}
}

func (p *parser) checked(steps path) path {
	if len(steps) > item.MaxDepth {
		p.faults.add(unusablePath, "The document path has too many nesting levels; nesting levels: %d", len(steps))
	}
	if !slices.Contains(p.attributes, steps[0].name) {
		p.attributes = append(p.attributes, steps[0].name)
	}
	if len(steps) > 1 && !slices.Contains(p.scope.nested, steps[0].name) {
		p.scope.nested = append(p.scope.nested, steps[0].name)
	}
	return steps
}

// name reads one name of a path.
func (p *parser) name() string {
	t := p.peek()
	switch {
	case t.kind == nameToken:
		p.skip()
		return p.resolve(t.text)
	case t.kind == wordToken && !isKeyword(t.text):
		p.skip()
		if language.IsReservedWord(strings.ToUpper(t.text)) {
			p.faults.add(unusableName, "Attribute name is a reserved keyword; reserved keyword: %s", t.text)
		}
		return t.text
	}
	p.unexpected()
	return ""
}

// resolve gives the name that a placeholder stands for.
func (p *parser) resolve(placeholder string) string {
	name, ok := p.scope.names[placeholder]
	if !ok {
		p.faults.add(undefinedPlaceholder,
			"An expression attribute name used in the document path is not defined; attribute name: %s", placeholder)
		return placeholder
	}
	p.scope.usedNames[placeholder] = true
	return name
}

// index reads the index of a list, which is a 32-bit number.
func (p *parser) index() int {
	t := p.peek()
	if t.kind != numberToken {
		p.unexpected()
		return 0
	}
	p.skip()
	n, err := strconv.ParseInt(t.text, 10, 32)
	if err != nil {
		p.faults.add(unusablePath, "List index is not within the allowable range; index: [%s]", t.text)
	}
	return int(n)
}
