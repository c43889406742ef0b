package expression

import (
	"slices"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// Operator is how a key condition bounds the sort key.
type Operator string

// The operators, by the names they have in DynamoDB's older parameters.
const (
	None       Operator = "" // the whole partition
	EQ         Operator = "="
	LT         Operator = "<"
	LE         Operator = "<="
	GT         Operator = ">"
	GE         Operator = ">="
	Between    Operator = "BETWEEN" // both ends included
	BeginsWith Operator = "begins_with"
)

// KeyCondition is a KeyConditionExpression.
type KeyCondition struct {
	conditions []keyTerm // one or two, of different attributes
}

// keyTerm compares one attribute with one value, or for Between with two.
type keyTerm struct {
	attribute string
	operator  Operator
	values    []item.Value
}

// Attribute is a key attribute as a table or an index defines it.
type Attribute struct {
	Name string // "" for no attribute
	Kind item.Kind
}

// Bounds are what a Query reads: the partition of Hash, and in it the sort keys
// that Operator finds in relation to Low or, for Between, to Low and High.
type Bounds struct {
	Hash      item.Value
	Operator  Operator
	Low, High item.Value
}

// KeyCondition parses a key condition: an attribute equal to a value, and
// optionally one more comparison.
func (s *Scope) KeyCondition(text string) (*KeyCondition, error) {
	p, err := s.open(conditionGrammar, "KeyConditionExpression", text)
	if err != nil {
		return nil, err
	}
	parsed := p.condition()
	if err := p.end(); err != nil {
		return nil, err
	}
	k := &KeyCondition{}
	if err := k.add(parsed); err != nil {
		return nil, err
	}
	if len(k.conditions) > 2 {
		return nil, invalid("Conditions can be of length 1 or 2 only")
	}
	return k, nil
}

// add takes in a condition, and both sides of an AND.
func (k *KeyCondition) add(p predicate) error {
	if b, ok := p.(both); ok {
		if err := k.add(b.left); err != nil {
			return err
		}
		return k.add(b.right)
	}
	t, err := keyTermOf(p)
	if err != nil {
		return err
	}
	for _, other := range k.conditions {
		if other.attribute == t.attribute {
			return invalid("KeyConditionExpressions must only contain one condition per key")
		}
	}
	k.conditions = append(k.conditions, t)
	return nil
}

func keyTermOf(p predicate) (keyTerm, error) {
	switch p := p.(type) {
	case comparison:
		if p.operator == "<>" {
			return keyTerm{}, unusable("<>")
		}
		if _, ok := p.left.(path); !ok {
			return newKeyTerm(mirrored(p.operator), p.right, p.left)
		}
		return newKeyTerm(Operator(p.operator), p.left, p.right)
	case between:
		return newKeyTerm(Between, p.of, p.low, p.high)
	case *call:
		if p.name == "begins_with" {
			return newKeyTerm(BeginsWith, p.args[0], p.args[1])
		}
		return keyTerm{}, unusable(p.name)
	case either:
		return keyTerm{}, unusable("OR")
	case negation:
		return keyTerm{}, unusable("NOT")
	}
	return keyTerm{}, unusable("IN")
}

func unusable(operator string) error {
	return invalid("Invalid operator used in KeyConditionExpression: %s", operator)
}

// mirrored is the operator for operands the other way round.
func mirrored(operator string) Operator {
	switch Operator(operator) {
	case LT:
		return GT
	case LE:
		return GE
	case GT:
		return LT
	case GE:
		return LE
	}
	return EQ
}

// newKeyTerm makes a term of an attribute and its values, if they are that.
func newKeyTerm(operator Operator, attribute operand, values ...operand) (keyTerm, error) {
	t := keyTerm{operator: operator}
	if isCall(attribute) || slices.ContainsFunc(values, isCall) {
		return t, invalid("KeyConditionExpressions cannot contain nested operations")
	}
	name, ok := attribute.(path)
	switch {
	case !ok && (operator == Between || operator == BeginsWith):
		return t, invalid("Invalid condition in KeyConditionExpression: %s operator must have the key attribute as its first operand", operator)
	case !ok:
		return t, invalid("Invalid condition in KeyConditionExpression: No key attribute specified")
	case len(name) > 1:
		return t, invalid("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: %s", name[0].name)
	}
	t.attribute = name[0].name
	for _, o := range values {
		l, ok := o.(literal)
		if !ok {
			return t, invalid("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
		}
		t.values = append(t.values, l.v)
	}
	return t, nil
}

func isCall(o operand) bool {
	_, is := o.(*call)
	return is
}

// Bounds fits the condition to a key. Its errors are those of a Query whose
// condition asks for other attributes, types or comparisons than the key allows.
func (k *KeyCondition) Bounds(hash, sort Attribute) (Bounds, error) {
	onHash, ok := k.on(hash.Name)
	if !ok {
		return Bounds{}, missed(hash.Name)
	}
	onSort, sorted := k.on(sort.Name)
	switch {
	case len(k.conditions) == 2 && sort.Name == "", onHash.operator != EQ:
		return Bounds{}, invalid("Query key condition not supported")
	case len(k.conditions) == 2 && !sorted:
		return Bounds{}, missed(sort.Name)
	}
	if err := onHash.fits(hash); err != nil {
		return Bounds{}, err
	}
	b := Bounds{Hash: onHash.values[0]}
	if !sorted {
		return b, nil
	}
	b.Operator, b.Low, b.High = onSort.operator, onSort.values[0], onSort.values[len(onSort.values)-1]
	return b, onSort.fits(sort)
}

func missed(name string) error {
	return invalid("Query condition missed key schema element: %s", name)
}

// on finds the condition on an attribute.
func (k *KeyCondition) on(name string) (keyTerm, bool) {
	for _, t := range k.conditions {
		if t.attribute == name {
			return t, true
		}
	}
	return keyTerm{}, false
}

// fits checks the term's values against the attribute that they are compared with.
func (t keyTerm) fits(a Attribute) error {
	for _, v := range t.values {
		if v.Kind != a.Kind {
			return invalid("One or more parameter values were invalid: Condition parameter type does not match schema type")
		}
		if v.Kind != item.Number && v.S == "" {
			return emptyKey(a)
		}
	}
	return nil
}

func emptyKey(a Attribute) error {
	kind := "string"
	if a.Kind == item.Binary {
		kind = "binary"
	}
	return invalid("One or more parameter values are not valid. "+
		"The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", kind, a.Name)
}
