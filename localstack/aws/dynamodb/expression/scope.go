package expression

import (
	"maps"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// MaxBytes is how long an expression may be, in bytes; MaxOperators how many
// operators and functions it may have; maxOperands how many IN may choose from;
// maxPlaceholder how many bytes a placeholder may have.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-expression-parameters
const (
	MaxBytes     = 4096
	MaxOperators = 300
	maxOperands  = 100

	maxPlaceholder = 255
)

// Scope is the placeholders of one request, and which of them its expressions have
// used. It is for one goroutine.
type Scope struct {
	names      map[string]string
	values     item.Item
	usedNames  map[string]bool
	usedValues map[string]bool
	nested     []string
}

// NewScope takes a request's ExpressionAttributeNames and
// ExpressionAttributeValues, either of which may be nil. Placeholders that are
// malformed are reported by the first expression.
func NewScope(names map[string]string, values item.Item) *Scope {
	return &Scope{names: names, values: values, usedNames: map[string]bool{}, usedValues: map[string]bool{}}
}

// check finds a placeholder that is malformed.
func (s *Scope) check() error {
	for _, name := range slices.Sorted(maps.Keys(s.names)) {
		if len(name) > maxPlaceholder {
			return tooLong("ExpressionAttributeNames", name)
		}
		if !isPlaceholder(name, nameToken) {
			return invalid("ExpressionAttributeNames contains invalid key: Syntax error; key: %q", name)
		}
		if s.names[name] == "" {
			return invalid("ExpressionAttributeNames contains invalid value: Empty attribute name for key %s", name)
		}
		if len(s.names[name]) > item.MaxNameBytes {
			return invalid("ExpressionAttributeNames contains invalid value: "+item.NameTooLong+" for key %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		if len(name) > maxPlaceholder {
			return tooLong("ExpressionAttributeValues", name)
		}
		if !isPlaceholder(name, valueToken) {
			return invalid("ExpressionAttributeValues contains invalid key: Syntax error; key: %q", name)
		}
	}
	return nil
}

func tooLong(parameter, placeholder string) error {
	return invalid("%s contains invalid key: The expression attribute map contains a key that is too long; size of key: %d",
		parameter, len(placeholder))
}

func isPlaceholder(text string, want tokenKind) bool {
	if text == "" {
		return false
	}
	kind, length := next(text)
	return kind == want && length == len(text)
}

// Nested are the top-level attributes that the expressions parsed so far look into, for
// an element of a list or a member of a map, once each.
func (s *Scope) Nested() []string { return s.nested }

// Unused reports placeholders that no expression parsed so far has used. Call it
// when all of the request's expressions are parsed.
func (s *Scope) Unused() error {
	if rest := unused(s.names, s.usedNames); rest != "" {
		return invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", rest)
	}
	if rest := unused(s.values, s.usedValues); rest != "" {
		return invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", rest)
	}
	return nil
}

func unused[V any](given map[string]V, used map[string]bool) string {
	if len(used) == len(given) {
		return ""
	}
	var rest []string
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !used[name] {
			rest = append(rest, name)
		}
	}
	return strings.Join(rest, ", ")
}
