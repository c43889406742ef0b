package item

import (
	"encoding/base64"
	"slices"
	"unicode/utf8"
)

// MarshalJSON gives the JSON form of AppendJSON.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// MarshalJSON gives the JSON form of AppendJSON.
func (i Item) MarshalJSON() ([]byte, error) { return i.AppendJSON(nil), nil }

// AppendJSON appends the item as a JSON object of its attributes, by name; a nil
// item is an empty object.
func (i Item) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for n, name := range i.names() {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, name), ':')
		dst = i[name].AppendJSON(dst)
	}
	return append(dst, '}')
}

// names are the item's attributes in order. It takes one allocation: all answers
// pass through here.
func (i Item) names() []string {
	names := make([]string, 0, len(i))
	for name := range i {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// AppendJSON appends the value as DynamoDB writes it, such as {"N":"1.5"}. The
// zero Value is an empty object.
func (v Value) AppendJSON(dst []byte) []byte {
	if v.Kind == 0 {
		return append(dst, "{}"...)
	}
	dst = append(dst, '{', '"')
	dst = append(dst, v.Kind.String()...)
	dst = append(dst, '"', ':')
	return append(v.appendContent(dst), '}')
}

func (v Value) appendContent(dst []byte) []byte {
	switch v.Kind {
	case Bool:
		if !v.Bool {
			return append(dst, "false"...)
		}
		return append(dst, "true"...)
	case Null:
		return append(dst, "true"...)
	case Map:
		return v.M.AppendJSON(dst)
	case List:
		return appendList(dst, v.L, func(dst []byte, e Value) []byte { return e.AppendJSON(dst) })
	case StringSet, NumberSet, BinarySet:
		kind := v.Kind.element()
		return appendList(dst, v.Set, func(dst []byte, e string) []byte { return appendScalar(dst, kind, e) })
	default:
		return appendScalar(dst, v.Kind, v.S)
	}
}

func appendList[E any](dst []byte, elements []E, appendElement func([]byte, E) []byte) []byte {
	dst = append(dst, '[')
	for n, e := range elements {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = appendElement(dst, e)
	}
	return append(dst, ']')
}

// appendScalar appends a String, Number or Binary as a JSON string.
func appendScalar(dst []byte, kind Kind, s string) []byte {
	switch kind {
	case Number:
		return append(append(append(dst, '"'), s...), '"')
	case Binary:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), []byte(s))
		return append(dst, '"')
	default:
		return appendString(dst, s)
	}
}

// appendString appends a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r >= ' ':
			dst = utf8.AppendRune(dst, r)
		case r == '\n':
			dst = append(dst, '\\', 'n')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&0xF])
		}
	}
	return append(dst, '"')
}
