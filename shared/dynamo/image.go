package dynamo

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/watchroute/watchroute/events"
)

// state is an item as a stream record has it.
type state struct {
	data json.RawMessage                 // as itemData gives it of an item that was read
	own  map[string]types.AttributeValue // what is not data: the reserved attributes, as far as scalars reads them
}

// readImage reads an image. Each value of it is an object of its type and itself:
// {"price":{"N":"9.5"}}. It is read once, as the largest decide how long a batch takes: no
// value of the data is kept but in its final form.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
func readImage(image json.RawMessage) (s state, err error) {
	if len(image) == 0 {
		return s, errNoImage
	}
	r := imageReader{jsontext.NewDecoder(bytes.NewBuffer(image)), map[string]jsontext.Value{}}
	if s.data, err = r.appendMap(make([]byte, 0, len(image)/2), events.ReservedAttributes()); err != nil {
		return state{}, err
	}
	s.own, err = scalars(r.reserved)
	return s, err
}

var errNoImage = errors.New("record has no image of the item, the stream must be of type NEW_AND_OLD_IMAGES")

// imageReader reads an image value by value.
type imageReader struct {
	*jsontext.Decoder
	reserved map[string]jsontext.Value // the values that are left out of the data
}

// member is a name, and where it and its value were written.
type member struct {
	name     string
	from, to int
}

// appendMap reads an object of attributes and appends those that are not reserved, sorted by
// name.
func (r imageReader) appendMap(dst []byte, reserved []string) ([]byte, error) {
	if err := r.open('{'); err != nil {
		return nil, err
	}
	dst = append(dst, '{')
	begin := len(dst)
	var members []member
	for r.PeekKind() != '}' {
		token, err := r.ReadToken()
		if err != nil {
			return nil, err
		}
		m := member{name: token.String(), from: len(dst)}
		if slices.Contains(reserved, m.name) {
			value, err := r.ReadValue()
			if err != nil {
				return nil, err
			}
			r.reserved[m.name] = value.Clone()
			continue
		}
		dst = append(appendString(dst, m.name), ':')
		if dst, err = r.appendTyped(dst); err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		dst = append(dst, ',')
		m.to = len(dst)
		members = append(members, m)
	}
	sortMembers(dst, begin, members)
	return append(bytes.TrimSuffix(dst, []byte(",")), '}'), r.close()
}

// sortMembers orders what was written since begin by its names.
func sortMembers(dst []byte, begin int, members []member) {
	byName := func(a, b member) int { return strings.Compare(a.name, b.name) }
	if slices.IsSortedFunc(members, byName) {
		return
	}
	written := bytes.Clone(dst[begin:])
	slices.SortFunc(members, byName)
	at := begin
	for _, m := range members {
		at += copy(dst[at:], written[m.from-begin:m.to-begin])
	}
}

// appendTyped reads a value with its type.
func (r imageReader) appendTyped(dst []byte) ([]byte, error) {
	if err := r.open('{'); err != nil {
		return nil, err
	}
	kind, err := r.ReadToken()
	if err != nil {
		return nil, err
	}
	if dst, err = r.appendOf(kind.String(), dst); err != nil {
		return nil, err
	}
	return dst, r.close()
}

func (r imageReader) appendOf(kind string, dst []byte) ([]byte, error) {
	switch kind {
	case "S", "B": // binary is base64 in both
		return r.appendText(dst)
	case "N":
		return r.appendDigits(dst)
	case "BOOL":
		return r.appendRaw(dst, 't', 'f')
	case "NULL":
		_, err := r.ReadValue()
		return append(dst, "null"...), err
	case "M":
		return r.appendMap(dst, nil)
	case "L":
		return r.appendList(dst, r.appendTyped)
	case "NS":
		return r.appendList(dst, r.appendDigits)
	case "SS":
		return r.appendStrings(dst, slices.Sort)
	case "BS":
		return r.appendStrings(dst, sortBinary)
	}
	return nil, fmt.Errorf("attribute type %q is not known", kind)
}

func (r imageReader) appendList(dst []byte, appendElement func([]byte) ([]byte, error)) ([]byte, error) {
	if err := r.open('['); err != nil {
		return nil, err
	}
	dst = append(dst, '[')
	for i := 0; r.PeekKind() != ']'; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendElement(dst); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), r.close()
}

// appendStrings reads a set of strings and appends them in order.
func (r imageReader) appendStrings(dst []byte, sort func([]string)) ([]byte, error) {
	var set []string
	if _, err := r.appendList(nil, func([]byte) ([]byte, error) {
		s, err := r.text()
		set = append(set, s)
		return nil, err
	}); err != nil {
		return nil, err
	}
	sort(set)
	return appendList(dst, set, infallible(appendString))
}

// sortBinary orders texts in base64 by what they stand for.
func sortBinary(set []string) {
	slices.SortFunc(set, func(a, b string) int {
		x, _ := base64.StdEncoding.DecodeString(a)
		y, _ := base64.StdEncoding.DecodeString(b)
		return bytes.Compare(x, y)
	})
}

// appendText reads a string. Most have the same form in both JSONs.
func (r imageReader) appendText(dst []byte) ([]byte, error) {
	raw, err := r.ReadValue()
	if err != nil || raw.Kind() == '"' && !bytes.ContainsRune(raw, '\\') {
		return append(dst, raw...), err
	}
	s, err := jsontext.AppendUnquote(nil, raw)
	return appendString(dst, string(s)), err
}

func (r imageReader) appendDigits(dst []byte) ([]byte, error) {
	raw, err := r.ReadValue()
	if err != nil {
		return nil, err
	}
	digits := bytes.Trim(raw, `"`)
	if len(digits)+2 != len(raw) {
		return nil, fmt.Errorf("number %s is not a string", raw)
	}
	return appendNumber(dst, digits)
}

// appendRaw reads a value of one of some kinds as it is.
func (r imageReader) appendRaw(dst []byte, kinds ...jsontext.Kind) ([]byte, error) {
	raw, err := r.ReadValue()
	if err == nil && !slices.Contains(kinds, raw.Kind()) {
		err = fmt.Errorf("%s is not of the type that it says", raw)
	}
	return append(dst, raw...), err
}

func (r imageReader) text() (string, error) {
	token, err := r.ReadToken()
	if err == nil && token.Kind() != '"' {
		err = fmt.Errorf("%s is not a string", token)
	}
	return token.String(), err
}

// open reads the beginning of an object or a list.
func (r imageReader) open(kind jsontext.Kind) error {
	token, err := r.ReadToken()
	if err == nil && token.Kind() != kind {
		err = fmt.Errorf("%s is no %q", token, kind)
	}
	return err
}

// close reads its end.
func (r imageReader) close() error {
	token, err := r.ReadToken()
	if err == nil && token.Kind() != '}' && token.Kind() != ']' {
		err = fmt.Errorf("%s is more than one type", token)
	}
	return err
}

// scalars gives the strings and numbers among typed values, and the maps of such.
func scalars(values map[string]jsontext.Value) (map[string]types.AttributeValue, error) {
	row := map[string]types.AttributeValue{}
	for name, value := range values {
		var typed struct {
			S, N *string
			M    map[string]jsontext.Value
		}
		if err := json.Unmarshal(value, &typed); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if typed.S != nil {
			row[name] = str(*typed.S)
		}
		if typed.N != nil {
			row[name] = &types.AttributeValueMemberN{Value: *typed.N}
		}
		if typed.M != nil {
			m, err := scalars(typed.M)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			row[name] = &types.AttributeValueMemberM{Value: m}
		}
	}
	return row, nil
}

// rowOf gives the strings and numbers of an image, for who needs no others.
func rowOf(image json.RawMessage) (map[string]types.AttributeValue, error) {
	if len(image) == 0 {
		return nil, errNoImage
	}
	var values map[string]jsontext.Value
	if err := json.Unmarshal(image, &values); err != nil {
		return nil, err
	}
	return scalars(values)
}
