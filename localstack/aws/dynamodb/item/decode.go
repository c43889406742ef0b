package item

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// MaxDepth is how many levels a value may be nested, itself included.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-attributes-nested-depth
const MaxDepth = 32

// MaxNameBytes is how many bytes the name of an attribute may have.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.NamingRules
const MaxNameBytes = 65535

// NameTooLong is DynamoDB's text about a longer one.
const NameTooLong = "Attribute name is too large, must be less than 65536 bytes"

// Decode reads an item from its JSON form. Every error is an *awsjson.Error: a
// SerializationException for JSON of the wrong shape, else a ValidationException.
func Decode(data []byte) (Item, error) {
	var it Item
	err := json.Unmarshal(data, &it)
	var e *awsjson.Error
	if err != nil && !errors.As(err, &e) {
		return nil, mistyped("%v", err)
	}
	return it, err
}

// UnmarshalJSON reads an item as Decode does; null gives nil. Its errors pass
// through json.Unmarshal, so that errors.As finds the *awsjson.Error.
func (i *Item) UnmarshalJSON(data []byte) (err error) {
	s := scanner{data: data}
	if s.null() {
		*i = nil
		return nil
	}
	*i, err = s.item(0)
	return err
}

// UnmarshalJSON reads one value such as {"N":"1.5"}, with the errors of Decode.
func (v *Value) UnmarshalJSON(data []byte) (err error) {
	s := scanner{data: data}
	*v, err = s.value(1)
	return err
}

// item reads the attributes of an item or a Map that is itself at the given depth.
func (s *scanner) item(depth int) (Item, error) {
	if err := s.expect('{'); err != nil {
		return nil, err
	}
	it := Item{}
	err := s.object(func(name string) error {
		if name == "" {
			return invalid("Empty attribute name")
		}
		if len(name) > MaxNameBytes {
			return invalid(NameTooLong)
		}
		v, err := s.value(depth + 1)
		it[name] = v
		return err
	})
	return it, err
}

// value reads one attribute value: an object with exactly one member that says
// something. Members AWS does not know are ignored, as everywhere in its APIs.
func (s *scanner) value(depth int) (v Value, err error) {
	if depth > MaxDepth {
		return v, invalid("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
	}
	if s.null() {
		return v, invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	}
	switch s.peek() {
	case '{':
	case '[':
		return v, mistyped("Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue")
	default:
		return v, mistyped("Unexpected value type in payload")
	}
	err = s.object(func(name string) error {
		kind, known := KindOf(name)
		if s.null() {
			return nil
		}
		if !known {
			return s.skip()
		}
		if v.Kind != 0 {
			return invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
		}
		v.Kind = kind
		return s.content(&v, depth)
	})
	if err == nil && v.Kind == 0 {
		err = invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	}
	return v, err
}

// content reads what the kind of v calls for.
func (s *scanner) content(v *Value, depth int) (err error) {
	switch v.Kind {
	case Bool:
		v.Bool, err = s.boolean()
	case Null:
		err = s.isNull()
	case Map:
		v.M, err = s.item(depth)
	case List:
		v.L, err = s.list(depth)
	case StringSet, NumberSet, BinarySet:
		v.Set, err = s.set(v.Kind)
	default:
		v.S, err = s.scalar(v.Kind)
	}
	return err
}

func (s *scanner) boolean() (bool, error) {
	switch s.peek() {
	case 't', 'f':
		return s.word() == "true", nil
	case '{', '[':
		return false, s.expect('t')
	}
	return false, mistyped("Unexpected token received from parser")
}

func (s *scanner) isNull() error {
	is, err := s.boolean()
	if err == nil && !is {
		return invalid("One or more parameter values were invalid: Null attribute value types must have the value of true")
	}
	return err
}

func (s *scanner) list(depth int) ([]Value, error) {
	if err := s.expect('['); err != nil {
		return nil, err
	}
	elements := []Value{}
	err := s.array(func() error {
		e, err := s.value(depth + 1)
		elements = append(elements, e)
		return err
	})
	return elements, err
}

// scalar reads the text of a String, a Number or a Binary.
func (s *scanner) scalar(kind Kind) (string, error) {
	if err := s.expect('"'); err != nil {
		return "", err
	}
	text, err := s.quoted()
	if err != nil {
		return "", err
	}
	switch kind {
	case Number:
		return canonical(text)
	case Binary:
		return blob(text)
	}
	return text, nil
}

// blob reads base64.
func blob(text string) (string, error) {
	if len(text)%4 != 0 {
		return "", mistyped("Base64 encoded length is expected a multiple of 4 bytes but found: %d", len(text))
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", mistyped("Invalid Base64: %v", err)
	}
	return string(raw), nil
}

// expect checks what comes next by its first byte, and names what came instead as
// AWS's front door does.
func (s *scanner) expect(first byte) error {
	switch c := s.peek(); {
	case c == first:
		return nil
	case c == '{':
		return mistyped("Start of structure or map found where not expected")
	case c == '[':
		return mistyped("Unrecognized collection type class java.lang.String")
	case first != '"':
		return mistyped("Unexpected field type")
	case c == 't' || c == 'f':
		return mistyped("%s_VALUE cannot be converted to String", strings.ToUpper(s.word()))
	}
	return mistyped("NUMBER_VALUE cannot be converted to String")
}
