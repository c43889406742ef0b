package expression

import (
	"slices"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// Update is an UpdateExpression.
type Update struct {
	actions    []action // in the order they are carried out
	paths      tree
	attributes []string
}

// action is one change at one path.
type action struct {
	verb  verb
	path  path
	value operand // none for REMOVE
}

// verb is the section that an action stands in.
type verb string

const (
	setVerb    verb = "SET"
	removeVerb verb = "REMOVE"
	addVerb    verb = "ADD"
	deleteVerb verb = "DELETE"
)

// arithmetic is + or -.
type arithmetic struct {
	operator    string
	left, right operand
}

func (arithmetic) kind() item.Kind { return item.Number }

// Update parses an update.
func (s *Scope) Update(text string) (*Update, error) {
	p, err := s.open(updateGrammar, "UpdateExpression", text)
	if err != nil {
		return nil, err
	}
	u := &Update{}
	seen := map[verb]bool{}
	for more := true; more; more = p.peek().kind != endToken {
		v := p.verb()
		if seen[v] {
			p.faults.add(repeatedSection, "The \"%s\" section can only be used once in an update expression;", v)
		}
		seen[v] = true
		p.section(v, u)
	}
	u.attributes = p.attributes
	if err := p.end(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(u.actions, action.compare)
	return u, nil
}

// verb reads the keyword that opens a section.
func (p *parser) verb() verb {
	for _, v := range []verb{setVerb, removeVerb, addVerb, deleteVerb} {
		if p.keyword(string(v)) {
			return v
		}
	}
	p.unexpected()
	return ""
}

func (p *parser) section(v verb, u *Update) {
	for more := true; more; more = p.symbol(",") {
		a := action{verb: v, path: p.path()}
		p.insert(&u.paths, a.path)
		switch v {
		case setVerb:
			p.expect("=")
			a.value, _ = p.sum()
		case addVerb:
			a.value = p.actionValue(v, item.Number, item.StringSet, item.NumberSet, item.BinarySet)
		case deleteVerb:
			a.value = p.actionValue(v, item.StringSet, item.NumberSet, item.BinarySet)
		}
		u.actions = append(u.actions, a)
	}
}

// actionValue reads the :value of ADD or DELETE.
func (p *parser) actionValue(v verb, kinds ...item.Kind) operand {
	if p.peek().kind != valueToken {
		p.unexpected()
		return literal{}
	}
	l := p.literal(p.peek().text)
	p.skip()
	if k := l.kind(); k != 0 && !slices.Contains(kinds, k) {
		p.faults.add(operandType, "Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND",
			v, longName(k), v)
	}
	return l
}

// longName is what DynamoDB calls a kind in errors of ADD and DELETE.
func longName(k item.Kind) string {
	switch k {
	case item.String:
		return "STRING"
	case item.Number:
		return "NUMBER"
	case item.Binary:
		return "BINARY"
	case item.Bool:
		return "BOOLEAN"
	case item.List:
		return "LIST"
	case item.Map:
		return "MAP"
	}
	return k.String()
}

// sum reads what SET may assign: an operand, or two with + or - between them.
// Parentheses may stand around either; grouped says that they stood around all.
func (p *parser) sum() (o operand, grouped bool) {
	if p.symbol("(") {
		o, grouped = p.sum()
		p.expect(")")
		if grouped {
			p.faults.add(redundantParentheses, "The expression has redundant parentheses;")
		}
		grouped = true
	} else {
		o = p.plainOperand()
	}
	if _, done := o.(arithmetic); done || !p.isSymbol("+") && !p.isSymbol("-") {
		return o, grouped
	}
	operator := p.peek().text
	p.operator()
	a := arithmetic{operator, o, p.operand()}
	p.checkValues(a.left, a.right)
	p.allow(a.operator, []operand{a.left, a.right}, item.Number)
	return a, false
}

// compare puts actions in the order in which they do not disturb each other:
// first what adds elements to lists, by ascending index, as DynamoDB appends
// them; then what takes elements away, by descending index.
func (a action) compare(b action) int {
	switch {
	case a.removes() && b.removes():
		return b.path.compare(a.path)
	case a.removes():
		return 1
	case b.removes():
		return -1
	}
	return a.path.compare(b.path)
}

func (a action) removes() bool { return a.verb == removeVerb || a.verb == deleteVerb }

// Attributes are the top-level attributes that the update looks at or changes, in
// the order they come in.
func (u *Update) Attributes() []string { return u.attributes }

// Changed are the top-level attributes that the update changes, or changes something in.
func (u *Update) Changed() []string {
	var names []string
	for s := range u.paths.children {
		names = append(names, s.name)
	}
	return names
}

// Removes reports whether the update only takes away, by REMOVE and DELETE. Such an update
// does not make an item that is not there, and is no error then.
func (u *Update) Removes() bool {
	return !slices.ContainsFunc(u.actions, func(a action) bool { return !a.removes() })
}

// Touched gives what the update's paths lead to in an item: with the item before
// the update what UPDATED_OLD returns, with the item after it UPDATED_NEW.
func (u *Update) Touched(it item.Item) item.Item { return u.paths.project(it) }
