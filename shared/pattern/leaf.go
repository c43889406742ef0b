package pattern

import "encoding/json"

// leaf is a value that is no object or list, in the one form in which it equals others.
type leaf struct {
	kind   kind
	text   string
	number number
}

type kind int

const (
	nothing kind = iota // the event has no value here
	null
	yes
	no
	text
	digits
	other // a number that is too large for a [number]; it equals nothing in a pattern
)

func (l leaf) present() bool { return l.kind != nothing }

// bytes is how long the leaf is where it is compared.
func (l leaf) bytes() int { return len(l.text) + len(l.number.digits) }

// leafOf reads a value of an event or a pattern.
func leafOf(value any) leaf {
	switch value := value.(type) {
	case nil:
		return leaf{kind: null}
	case bool:
		if value {
			return leaf{kind: yes}
		}
		return leaf{kind: no}
	case string:
		return leaf{kind: text, text: value}
	case json.Number:
		if n, ok := parseNumber(value); ok {
			return leaf{kind: digits, number: n}
		}
	}
	return leaf{kind: other}
}
