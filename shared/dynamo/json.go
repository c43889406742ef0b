package dynamo

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/watchroute/watchroute/events"
)

// itemData gives an item's data as package events documents it: a JSON object of
// the attributes that are not reserved, sorted by name.
func itemData(item map[string]types.AttributeValue) (json.RawMessage, error) {
	data := maps.Clone(item)
	for _, name := range events.ReservedAttributes() {
		delete(data, name)
	}
	return appendMap(nil, data)
}

func appendMap(dst []byte, m map[string]types.AttributeValue) ([]byte, error) {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, name), ':')
		var err error
		if dst, err = appendValue(dst, m[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return append(dst, '}'), nil
}

func appendValue(dst []byte, value types.AttributeValue) ([]byte, error) {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return appendString(dst, v.Value), nil
	case *types.AttributeValueMemberN:
		return appendNumber(dst, v.Value)
	case *types.AttributeValueMemberBOOL:
		return fmt.Appendf(dst, "%t", v.Value), nil
	case *types.AttributeValueMemberNULL:
		return append(dst, "null"...), nil
	case *types.AttributeValueMemberB:
		return appendBinary(dst, v.Value), nil
	case *types.AttributeValueMemberM:
		return appendMap(dst, v.Value)
	case *types.AttributeValueMemberL:
		return appendList(dst, v.Value, appendValue)
	case *types.AttributeValueMemberSS:
		return appendList(dst, slices.Sorted(slices.Values(v.Value)), infallible(appendString))
	case *types.AttributeValueMemberNS:
		return appendList(dst, v.Value, appendNumber[string])
	case *types.AttributeValueMemberBS:
		return appendList(dst, slices.SortedFunc(slices.Values(v.Value), bytes.Compare), infallible(appendBinary))
	}
	return nil, fmt.Errorf("attribute type %T is not known", value)
}

func appendList[E any](dst []byte, list []E, appendElement func([]byte, E) ([]byte, error)) ([]byte, error) {
	dst = append(dst, '[')
	for i, element := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendElement(dst, element); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func infallible[E any](appendElement func([]byte, E) []byte) func([]byte, E) ([]byte, error) {
	return func(dst []byte, e E) ([]byte, error) { return appendElement(dst, e), nil }
}

// appendNumber keeps the digits as they are: DynamoDB's numbers have up to 38 of
// them, a float64 only 15.
func appendNumber[Digits []byte | string](dst []byte, digits Digits) ([]byte, error) {
	if !isInteger(digits) && !isNumber(digits) {
		return nil, fmt.Errorf("number %q is not one in JSON", digits)
	}
	return append(dst, digits...), nil
}

// isInteger finds what most numbers are, which needs no parser.
func isInteger[Digits []byte | string](digits Digits) bool {
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return false
		}
	}
	return len(digits) == 1 || len(digits) > 1 && digits[0] != '0'
}

// isNumber has JSON's own parser look, which would also take spaces around a number.
func isNumber[Digits []byte | string](digits Digits) bool {
	value := jsontext.Value(digits)
	return value.Kind() == '0' && value.IsValid() && (isDigit(digits[0]) || digits[0] == '-') && isDigit(digits[len(digits)-1])
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func appendBinary(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// appendString escapes what JSON wants escaped, and nothing else. What is not UTF-8, which
// DynamoDB has nowhere, becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

// attributes turns published data, a JSON object, into attributes: numbers digit
// for digit, objects as maps, arrays as lists.
func attributes(data json.RawMessage) (map[string]types.AttributeValue, error) {
	if data == nil {
		return map[string]types.AttributeValue{}, nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var object map[string]any
	if err := dec.Decode(&object); err != nil {
		return nil, fmt.Errorf("item data is not a JSON object: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("item data has something after its object")
	}
	return attributeMap(object), nil
}

func attributeMap(object map[string]any) map[string]types.AttributeValue {
	m := make(map[string]types.AttributeValue, len(object))
	for name, value := range object {
		m[name] = attribute(value)
	}
	return m
}

// attribute turns what encoding/json decodes into an attribute.
func attribute(value any) types.AttributeValue {
	switch v := value.(type) {
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case json.Number:
		return &types.AttributeValueMemberN{Value: v.String()}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case map[string]any:
		return &types.AttributeValueMemberM{Value: attributeMap(v)}
	case []any:
		list := make([]types.AttributeValue, len(v))
		for i, element := range v {
			list[i] = attribute(element)
		}
		return &types.AttributeValueMemberL{Value: list}
	}
	return &types.AttributeValueMemberNULL{Value: true} // null, which is all that is left in JSON
}
