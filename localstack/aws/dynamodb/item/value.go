// Package item is the only place that knows DynamoDB's attribute values: their
// JSON form, sizes, ordering and decimal numbers.
//
// Values are immutable: once made, the L, M and Set of a value are never changed,
// so values may be shared freely, also between goroutines. An Item is an ordinary
// map; Clone it before changing one that somebody else can see.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
package item

import (
	"maps"
	"strconv"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// Kind is the type of a value.
type Kind byte

// The kinds of values. The zero Kind belongs to the zero Value, which is no value.
const (
	String Kind = iota + 1
	Number
	Binary
	Bool
	Null
	Map
	List
	StringSet
	NumberSet
	BinarySet
)

// names are the kinds as DynamoDB writes them.
var names = [...]string{
	String: "S", Number: "N", Binary: "B", Bool: "BOOL", Null: "NULL",
	Map: "M", List: "L", StringSet: "SS", NumberSet: "NS", BinarySet: "BS",
}

// KindOf finds a kind by DynamoDB's name for it, such as "SS"; ok is false if
// there is none of that name.
func KindOf(name string) (kind Kind, ok bool) {
	switch name {
	case "S":
		return String, true
	case "N":
		return Number, true
	case "B":
		return Binary, true
	case "BOOL":
		return Bool, true
	case "NULL":
		return Null, true
	case "M":
		return Map, true
	case "L":
		return List, true
	case "SS":
		return StringSet, true
	case "NS":
		return NumberSet, true
	case "BS":
		return BinarySet, true
	}
	return 0, false
}

// String gives DynamoDB's name of the kind, such as "SS"; the zero Kind is "".
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return ""
}

// IsSet reports whether values of this kind are sets.
func (k Kind) IsSet() bool { return k == StringSet || k == NumberSet || k == BinarySet }

// element is the kind of a set's elements.
func (k Kind) element() Kind { return k - StringSet + String }

// Value is one attribute value. Only the fields of its Kind count.
type Value struct {
	Kind Kind
	S    string   // String: the text; Number: canonical decimal text; Binary: the raw bytes
	Bool bool     // Bool
	L    []Value  // List
	M    Item     // Map
	Set  []string // the elements of a set, each as S would hold it
}

// Item is a whole item, or the content of a Map.
type Item map[string]Value

// S makes a String.
func S(text string) Value { return Value{Kind: String, S: text} }

// B makes a Binary.
func B(raw []byte) Value { return Value{Kind: Binary, S: string(raw)} }

// N makes a Number from a decimal numeral such as "-1.50e3", which it keeps as
// DynamoDB returns it: "-1500". More than 38 significant digits and magnitudes
// outside 1E-130 to 9.9…E+125 are DynamoDB's ValidationException.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.DataTypes.Number
func N(numeral string) (Value, error) {
	text, err := canonical(numeral)
	if err != nil {
		return Value{}, err
	}
	return Value{Kind: Number, S: text}, nil
}

// Int makes a Number of an integer.
func Int(n int64) Value { return Value{Kind: Number, S: strconv.FormatInt(n, 10)} }

// IsZero reports whether v is no value at all.
func (v Value) IsZero() bool { return v.Kind == 0 }

// Clone copies the item. As values are immutable it shares them with the copy;
// a nil item stays nil.
func (i Item) Clone() Item { return maps.Clone(i) }

// invalid is a ValidationException, DynamoDB's answer to most mistakes.
func invalid(format string, args ...any) error {
	return awsjson.Errorf("ValidationException", format, args...)
}
