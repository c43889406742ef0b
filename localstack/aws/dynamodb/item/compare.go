package item

import (
	"slices"
	"strings"
)

// Equal reports whether two values are the same. Sets are equal if they have the
// same elements, in any order; values of different kinds never are.
func Equal(a, b Value) bool {
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case Bool:
		return a.Bool == b.Bool
	case List:
		return slices.EqualFunc(a.L, b.L, Equal)
	case Map:
		return equalItems(a.M, b.M)
	case StringSet, NumberSet, BinarySet:
		return len(a.Set) == len(b.Set) && slices.Equal(slices.Sorted(slices.Values(a.Set)), slices.Sorted(slices.Values(b.Set)))
	default:
		return a.S == b.S
	}
}

func equalItems(a, b Item) bool {
	if len(a) != len(b) {
		return false
	}
	for name, v := range a {
		if w, ok := b[name]; !ok || !Equal(v, w) {
			return false
		}
	}
	return true
}

// Compare orders two values as DynamoDB does: Strings and Binaries by their
// bytes, Numbers by what they are worth. ok is false for values of different or
// other kinds, which have no order.
func Compare(a, b Value) (order int, ok bool) {
	if a.Kind != b.Kind {
		return 0, false
	}
	switch a.Kind {
	case String, Binary:
		return strings.Compare(a.S, b.S), true
	case Number:
		return compareNumbers(a.S, b.S), true
	}
	return 0, false
}

func compareNumbers(a, b string) int {
	if a == b {
		return 0
	}
	return strings.Compare(numberKey(a), numberKey(b))
}

// KeyBytes encodes a String, Number or Binary so that the encodings of two values
// of one kind compare, byte by byte, as Compare orders the values. Any other kind
// gives "".
func (v Value) KeyBytes() string {
	switch v.Kind {
	case String, Binary:
		return v.S
	case Number:
		return numberKey(v.S)
	}
	return ""
}

// First byte of a number's key.
const (
	negativeKey = 'a' + iota
	zeroKey
	positiveKey
)

// numberKey writes sign, magnitude in one byte (DynamoDB has exactly 256 of them)
// and digits. Trailing zeros are gone, so of two numbers that agree as far as the
// shorter goes, the longer is the larger. For a negative number everything is
// complemented, and ended by a byte above all digits.
func numberKey(canonical string) string {
	d := decimalOf(canonical)
	if d.digits == "" {
		return string(rune(zeroKey))
	}
	magnitude := byte(d.magnitude() - minMagnitude)
	key := make([]byte, 0, len(d.digits)+3)
	if !d.negative {
		return string(append(append(key, positiveKey, magnitude), d.digits...))
	}
	key = append(key, negativeKey, ^magnitude)
	for _, digit := range []byte(d.digits) {
		key = append(key, '0'+'9'-digit)
	}
	return string(append(key, 0xFF))
}
