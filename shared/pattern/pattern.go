// Package pattern is the only place that knows EventBridge's event patterns, as
// far as Lambda's event filtering takes them.
//
// A pattern is an object shaped like the event; its leaves are lists of which
// one element must match the event's value:
//
//	{"eventName":["INSERT"],"dynamodb":{"NewImage":{"size":{"N":[{"exists":true}]}}}}
//
// Supported: exact strings, numbers, booleans and null, {"exists":…},
// {"prefix":…}, {"suffix":…}, {"equals-ignore-case":…}, {"anything-but":…},
// {"numeric":[…]} and "$or". An array in the event matches if one of its
// elements does.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
package pattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxBytes is the size of a pattern, at most.
const MaxBytes = 4096

// Pattern is a parsed pattern. Safe for concurrent use.
type Pattern struct{ root object }

// object holds the conditions on one object of the event, all of which must hold.
type object struct {
	fields []field
	or     []object // if there are any, one must hold
}

// field is the condition on one member: either object or a list of matchers.
type field struct {
	name     string
	object   *object
	matchers []matcher
}

// Parse reads a pattern. The error says what is wrong and where.
func Parse(text string) (*Pattern, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("pattern has %d bytes, at most %d are allowed", len(text), MaxBytes)
	}
	value, err := decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("pattern is no JSON: %w", err)
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("pattern is no JSON object")
	}
	root, err := parseObject(fields, "pattern")
	if err != nil {
		return nil, err
	}
	return &Pattern{root}, nil
}

// Match tells whether an event, as JSON, has the pattern. What is no JSON object
// has none.
func (p *Pattern) Match(event []byte) bool {
	value, err := decode(event)
	if err != nil {
		return false
	}
	fields, ok := value.(map[string]any)
	return ok && p.root.match(fields)
}

// decode reads one JSON value, keeping numbers as they are written.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the value")
	}
	return value, nil
}

func parseObject(fields map[string]any, at string) (object, error) {
	if len(fields) == 0 {
		return object{}, fmt.Errorf("%s is empty", at)
	}
	var o object
	for name, value := range fields {
		var err error
		if alternatives, ok := value.([]any); ok && name == "$or" {
			o.or, err = parseOr(alternatives, at+".$or")
		} else {
			err = o.parseField(name, value, at+"."+name)
		}
		if err != nil {
			return object{}, err
		}
	}
	return o, nil
}

func parseOr(alternatives []any, at string) ([]object, error) {
	if len(alternatives) < 2 {
		return nil, fmt.Errorf("%s needs two alternatives", at)
	}
	var or []object
	for _, alternative := range alternatives {
		fields, ok := alternative.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s has an alternative that is no object", at)
		}
		o, err := parseObject(fields, at)
		if err != nil {
			return nil, err
		}
		or = append(or, o)
	}
	return or, nil
}

func (o *object) parseField(name string, value any, at string) error {
	switch value := value.(type) {
	case map[string]any:
		child, err := parseObject(value, at)
		if err != nil {
			return err
		}
		o.fields = append(o.fields, field{name: name, object: &child})
	case []any:
		matchers, err := parseMatchers(value, at)
		if err != nil {
			return err
		}
		o.fields = append(o.fields, field{name: name, matchers: matchers})
	default:
		return fmt.Errorf("%s is neither an object nor a list", at)
	}
	return nil
}

func (o object) match(event map[string]any) bool {
	for _, f := range o.fields {
		value, present := event[f.name]
		if !f.match(value, present) {
			return false
		}
	}
	for _, alternative := range o.or {
		if alternative.match(event) {
			return true
		}
	}
	return len(o.or) == 0
}

func (f field) match(value any, present bool) bool {
	if f.object != nil {
		return f.object.matchAny(value)
	}
	if list, ok := value.([]any); ok && len(list) > 0 {
		for _, element := range list {
			if f.matchLeaf(element, true) {
				return true
			}
		}
		return false
	}
	return f.matchLeaf(value, present)
}

// matchLeaf applies the matchers; an object in the event is no leaf, so for them
// there is nothing at this place.
func (f field) matchLeaf(value any, present bool) bool {
	switch value.(type) {
	case map[string]any, []any:
		value, present = nil, false
	}
	for _, m := range f.matchers {
		if m(value, present) {
			return true
		}
	}
	return false
}

// matchAny applies an object's conditions to an object, to any object of a list,
// or to nothing, where only the wish for absence can hold.
func (o object) matchAny(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		return o.match(value)
	case []any:
		for _, element := range value {
			if fields, ok := element.(map[string]any); ok && o.match(fields) {
				return true
			}
		}
		return false
	}
	return o.match(nil)
}
