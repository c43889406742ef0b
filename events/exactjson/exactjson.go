// Package exactjson is the only place that knows how to read JSON whose member names
// count with their case. It needs the standard library only.
//
// encoding/json takes a member for a field whose name it has in another case, such as
// "ACTION" for Action. Nobody else who reads a frame or an AWS request does so: API
// Gateway, DynamoDB and JavaScript tell the two apart. What one reader takes and another
// passes over is a way around the second, so [Unmarshal] passes over it too.
//
// encoding/json/v2 will do this by itself. Then this package goes.
package exactjson

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// filler stands in the place of a name that is no field's. No field can have a comma in
// its name, because a comma ends the name in a tag.
const filler = ','

// maxDepth is how deep encoding/json reads; it refuses what is nested deeper.
const maxDepth = 10_000

// Unmarshal is json.Unmarshal, except that a member belongs to a field of a struct only
// if its name is exactly the field's. Any other member of a struct is ignored. Errors are
// those of json.Unmarshal. Types that decode themselves (json.Unmarshaler) see their text
// as it is.
func Unmarshal(data []byte, v any) error {
	s := scanner{data: data}
	s.value(reflect.TypeOf(v), 0)
	return json.Unmarshal(s.data, v)
}

// scanner walks over JSON together with the type that it will be decoded into, and fills
// the names of members that are no fields. The text keeps its length, so that offsets in
// errors stay true. It stops anywhere in text that is not JSON: json.Unmarshal then
// refuses the text, whatever names are in it.
type scanner struct {
	data  []byte
	at    int
	owned bool // data is a copy, which may change
}

// value passes over one value that t will take; nil takes any.
func (s *scanner) value(t reflect.Type, depth int) {
	t = walked(t)
	switch c := s.peek(); {
	case t == nil || depth > maxDepth:
		s.skip()
	case c == '{' && t.Kind() == reflect.Struct:
		known := fieldsOf(t)
		s.object(func(name []byte, start, end int) {
			field, found := known[string(name)]
			if !found {
				s.fill(start, end)
			}
			s.value(field, depth+1)
		})
	case c == '{' && t.Kind() == reflect.Map:
		s.object(func([]byte, int, int) { s.value(t.Elem(), depth+1) })
	case c == '[' && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array):
		s.array(func() { s.value(t.Elem(), depth+1) })
	default:
		s.skip()
	}
}

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// walked is the type that a value is decoded into behind all pointers; nil if it decodes
// itself.
func walked(t reflect.Type) reflect.Type {
	for t != nil {
		if p := reflect.PointerTo(t); p.Implements(unmarshaler) || p.Implements(textUnmarshaler) ||
			t.Implements(unmarshaler) || t.Implements(textUnmarshaler) {
			return nil
		}
		if t.Kind() != reflect.Pointer {
			return t
		}
		t = t.Elem()
	}
	return nil
}

// object visits the members of an object: with each name as text, and where it stands
// between its quotes. visit passes over the value.
func (s *scanner) object(visit func(name []byte, start, end int)) {
	s.at++
	for s.peek() == '"' {
		start := s.at + 1
		s.text()
		end := s.at - 1
		if end < start || s.peek() != ':' {
			return
		}
		name, ok := decoded(s.data[start:end])
		if !ok {
			return
		}
		s.at++
		visit(name, start, end)
		if s.peek() != ',' {
			break
		}
		s.at++
	}
	if s.peek() == '}' {
		s.at++
	}
}

// array visits the elements of an array. visit passes over one.
func (s *scanner) array(visit func()) {
	s.at++
	for c := s.peek(); c != ']' && c != 0; c = s.peek() {
		before := s.at
		visit()
		if s.peek() == ',' {
			s.at++
		}
		if s.at == before {
			return // not JSON
		}
	}
	if s.peek() == ']' {
		s.at++
	}
}

// fill puts the filler in the place of a name.
func (s *scanner) fill(start, end int) {
	if !s.owned {
		s.data, s.owned = bytes.Clone(s.data), true
	}
	for i := start; i < end; i++ {
		s.data[i] = filler
	}
}

// peek gives the next byte that is not white space; 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// skip passes over a value of any shape.
func (s *scanner) skip() {
	for depth := 0; ; {
		switch s.peek() {
		case 0:
			return
		case '{', '[':
			depth++
			s.at++
		case '}', ']':
			depth--
			if depth < 0 {
				return
			}
			s.at++
		case '"':
			s.text()
		case ',', ':':
			if depth == 0 {
				return
			}
			s.at++
			continue
		default:
			s.word()
		}
		if depth == 0 {
			return
		}
	}
}

// text passes over a string with its quotes. Strings are most of a text, so they are
// searched rather than walked.
func (s *scanner) text() {
	s.at++
	for start := s.at; ; {
		quote := bytes.IndexByte(s.data[s.at:], '"')
		if quote < 0 {
			s.at = len(s.data)
			return
		}
		before := s.data[start : s.at+quote]
		s.at += quote + 1
		if escapes := len(before) - len(bytes.TrimRight(before, `\`)); escapes%2 == 0 {
			return
		}
	}
}

// word passes over a number, true, false or null.
func (s *scanner) word() {
	end := bytes.IndexAny(s.data[s.at:], " \t\r\n,:\"{}[]")
	if end < 0 {
		end = len(s.data) - s.at
	}
	s.at += end
}

// decoded gives the text of a name without its quotes; ok is false if it is no JSON.
func decoded(literal []byte) (name []byte, ok bool) {
	if !slices.ContainsFunc(literal, func(c byte) bool { return c < ' ' || c == '\\' }) {
		return literal, true
	}
	var text string
	err := json.Unmarshal(append(append([]byte{'"'}, literal...), '"'), &text)
	return []byte(text), err == nil
}

// known caches fieldsOf.
var known sync.Map // reflect.Type to map[string]reflect.Type

// fieldsOf gives the types of a struct's fields by the names that they have in JSON.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if found, ok := known.Load(t); ok {
		return found.(map[string]reflect.Type)
	}
	fields := map[string]reflect.Type{}
	collect(t, fields, map[reflect.Type]bool{})
	known.Store(t, fields)
	return fields
}

// collect adds the fields of a struct and then, below them, those of structs that are
// embedded in it.
func collect(t reflect.Type, into map[string]reflect.Type, seen map[reflect.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	var embedded []reflect.Type
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case tag == "-":
		case f.Anonymous && name == "" && inner.Kind() == reflect.Struct:
			embedded = append(embedded, inner)
		case !f.IsExported():
		default:
			if name == "" {
				name = f.Name
			}
			if _, shadowed := into[name]; !shadowed {
				into[name] = f.Type
			}
		}
	}
	for _, e := range embedded {
		collect(e, into, seen)
	}
}
