package awsquery

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/watchroute/watchroute/events/exactjson"
	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// maxDepth is how many parts the name of a parameter has at most: more than any operation needs.
const maxDepth = 32

// node is a part of a form: by the next part of their names, other nodes or strings.
type node map[string]any

func errForm(name string) error {
	return awsjson.Errorf("MalformedQueryString", "The parameter %s is not as expected.", name)
}

// put adds a parameter.
func (n node) put(name, value string) error {
	parts := strings.Split(name, ".")
	if len(parts) > maxDepth {
		return errForm(name)
	}
	for _, part := range parts[:len(parts)-1] {
		if n[part] == nil {
			n[part] = node{}
		}
		child, ok := n[part].(node)
		if !ok {
			return errForm(name)
		}
		n = child
	}
	last := parts[len(parts)-1]
	if n[last] != nil {
		return errForm(name)
	}
	n[last] = value
	return nil
}

// value is what a node stands for: a list, a map, or an object.
func (n node) value() (any, error) {
	if len(n) == 1 {
		if list, ok := n["member"].(node); ok {
			return list.list()
		}
		if entries, ok := n["entry"].(node); ok {
			return entries.pairs()
		}
	}
	object := map[string]any{}
	for name, child := range n {
		value, err := valueOf(child)
		if err != nil {
			return nil, err
		}
		object[name] = value
	}
	return object, nil
}

func valueOf(child any) (any, error) {
	if n, ok := child.(node); ok {
		return n.value()
	}
	return child, nil
}

// list gives numbered children in their order.
func (n node) list() ([]any, error) {
	list := []any{}
	for _, number := range slices.SortedFunc(maps.Keys(n), byNumber) {
		if _, err := strconv.ParseUint(number, 10, 32); err != nil {
			return nil, errForm(number)
		}
		value, err := valueOf(n[number])
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, nil
}

// byNumber compares numbers without leading zeros, which are written so.
func byNumber(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// pairs gives the map that numbered pairs are. Services call the parts of a pair key and value, or
// Name and Value.
func (n node) pairs() (map[string]any, error) {
	list, err := n.list()
	if err != nil {
		return nil, err
	}
	pairs := map[string]any{}
	for _, element := range list {
		pair, _ := element.(map[string]any)
		key, named := pair["key"].(string)
		value := pair["value"]
		if !named {
			key, named = pair["Name"].(string)
			value = pair["Value"]
		}
		if !named {
			return nil, errForm("entry")
		}
		pairs[key] = value
	}
	return pairs, nil
}

// List is a list as an operation takes it: one without elements is written as an empty string in a
// form.
type List[T any] []T

// UnmarshalJSON reads a list or an empty string.
func (l *List[T]) UnmarshalJSON(value []byte) error {
	if string(value) == `""` {
		*l = List[T]{}
		return nil
	}
	return exactjson.Unmarshal(value, (*[]T)(l))
}
