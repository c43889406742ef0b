package iam

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// scanner walks over JSON and skips what it is not asked for, which costs a tenth of
// decoding. It does not check what it skips: the service that gets the request does,
// and refuses what is no JSON.
type scanner struct {
	text []byte
	at   int
}

// members visits the members of an object, in order, repeated names too. It ends at
// what is no member.
func members(object []byte, visit func(name string, value []byte)) {
	s := scanner{text: object}
	for more := s.take('{'); more; more = s.take(',') {
		name := s.value()
		if !s.take(':') {
			return
		}
		value := s.value()
		if len(value) == 0 {
			return
		}
		visit(unquote(name), value)
	}
}

// elements visits the elements of an array.
func elements(array []byte, visit func(value []byte)) {
	s := scanner{text: array}
	for more := s.take('['); more; more = s.take(',') {
		value := s.value()
		if len(value) == 0 {
			return
		}
		visit(value)
	}
}

// unquote gives a string's value, "" for what is none.
func unquote(raw []byte) string {
	n := len(raw)
	if n >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : n-1])
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return ""
	}
	return text
}

// take passes over white space and the byte, if that comes next.
func (s *scanner) take(c byte) bool {
	for s.at < len(s.text) {
		switch next := s.text[s.at]; next {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			if next == c {
				s.at++
			}
			return next == c
		}
	}
	return false
}

// value passes over the next value and gives its text, empty if there is none.
func (s *scanner) value() []byte {
	s.take(0) // white space alone
	start, depth := s.at, 0
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case '"':
			s.skipString()
			if depth == 0 {
				return s.text[start:s.at]
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.at++
			}
			if depth <= 0 {
				return s.text[start:s.at]
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return s.text[start:s.at]
			}
		}
		s.at++
	}
	return s.text[start:]
}

// skipString passes over a string, from its first quote to behind its last. Strings
// are most of a request, so they are searched rather than walked.
func (s *scanner) skipString() {
	s.at++
	for start := s.at; ; {
		quote := bytes.IndexByte(s.text[s.at:], '"')
		if quote < 0 {
			s.at = len(s.text)
			return
		}
		s.at += quote + 1
		if !escapes(s.text[start : s.at-1]) {
			return
		}
	}
}

// escapes reports whether the text ends in a backslash that is not itself escaped.
func escapes(text []byte) bool {
	return (len(text)-len(bytes.TrimRight(text, `\`)))%2 == 1
}
