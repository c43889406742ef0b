package item

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// scanner reads JSON without reflection. It is strict where values are read; what
// is skipped has been checked by encoding/json before.
type scanner struct {
	data []byte
	at   int
}

// errSyntax is the answer to what is not JSON at all.
func (s *scanner) errSyntax() error {
	return mistyped("unexpected token at byte %d", s.at)
}

// mistyped is the error for JSON of the wrong shape, as AWS's front door words it.
func mistyped(format string, args ...any) error {
	return awsjson.Errorf("SerializationException", format, args...)
}

// peek gives the next byte that is not white space, or 0 at the end.
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

// take consumes c if it comes next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// null consumes a null if it comes next.
func (s *scanner) null() bool {
	if s.peek() != 'n' {
		return false
	}
	return s.word() == "null"
}

// word consumes a literal or a number.
func (s *scanner) word() string {
	s.peek()
	start := s.at
	for s.at < len(s.data) && isWord(s.data[s.at]) {
		s.at++
	}
	return string(s.data[start:s.at])
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'E'
}

// object calls member with each name; member must read the value.
func (s *scanner) object(member func(name string) error) error {
	if !s.take('{') {
		return s.errSyntax()
	}
	return s.members('}', func() error {
		name, err := s.quoted()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return s.errSyntax()
		}
		return member(name)
	})
}

// array calls element for each element, which it must read.
func (s *scanner) array(element func() error) error {
	if !s.take('[') {
		return s.errSyntax()
	}
	return s.members(']', element)
}

// members reads what is between brackets, the opening one being read already.
func (s *scanner) members(end byte, member func() error) error {
	if s.take(end) {
		return nil
	}
	for {
		if err := member(); err != nil {
			return err
		}
		if s.take(end) {
			return nil
		}
		if !s.take(',') {
			return s.errSyntax()
		}
	}
}

// quoted reads a JSON string. One without escapes is taken as it stands.
func (s *scanner) quoted() (string, error) {
	if !s.take('"') {
		return "", s.errSyntax()
	}
	start := s.at
	for ; s.at < len(s.data); s.at++ {
		switch s.data[s.at] {
		case '"':
			s.at++
			return unquote(s.data[start-1 : s.at])
		case '\\':
			s.at++
		}
	}
	return "", s.errSyntax()
}

// unquote gives the text of a JSON string with its quotes.
func unquote(literal []byte) (string, error) {
	inner := literal[1 : len(literal)-1]
	if isPlain(inner) {
		return string(inner), nil
	}
	var text string
	if err := json.Unmarshal(literal, &text); err != nil {
		return "", mistyped("%v", err)
	}
	return text, nil
}

func isPlain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c == '\\' {
			return false
		}
	}
	return utf8.Valid(text)
}

// skip passes over one value of any shape.
func (s *scanner) skip() error {
	for depth := 0; ; {
		switch c := s.peek(); c {
		case '{', '[':
			depth++
			s.at++
		case '}', ']':
			depth--
			s.at++
		case ',', ':':
			s.at++
		case '"':
			if _, err := s.quoted(); err != nil {
				return err
			}
		default:
			if s.word() == "" {
				return s.errSyntax()
			}
		}
		if depth <= 0 {
			return nil
		}
	}
}
