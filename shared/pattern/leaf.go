package pattern

import "encoding/json"

// leaf is a value that is no object or list, in the one form in which it equals others.
type leaf struct {
	text     string // of a number, its digits
	point    int    // of a number, as negative is
	kind     kind
	negative bool
}

type kind uint8

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

func (l leaf) number() number { return number{l.negative, l.text, l.point} }

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
			return leaf{n.digits, n.point, digits, n.negative}
		}
	}
	return leaf{kind: other}
}
