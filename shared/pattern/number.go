package pattern

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// number is 0.digits times ten to the power of point. Each value has one form, so
// that == compares values.
type number struct {
	negative bool
	digits   string // without zeros at either end; empty for zero
	point    int
}

// parseNumber reads a number as JSON has it; ok is false for exponents beyond 32 bits.
func parseNumber(text json.Number) (n number, ok bool) {
	unsigned, negative := strings.CutPrefix(text.String(), "-")
	exponent := int64(0)
	mantissa := unsigned
	if e := max(strings.IndexByte(unsigned, 'e'), strings.IndexByte(unsigned, 'E')); e >= 0 {
		var err error
		if exponent, err = strconv.ParseInt(unsigned[e+1:], 10, 32); err != nil {
			return number{}, false
		}
		mantissa = unsigned[:e]
	}
	whole, fraction, ok := strings.Cut(mantissa, ".")
	all := mantissa
	if ok {
		all = whole + fraction
	}
	digits := strings.TrimLeft(all, "0")
	n = number{negative, strings.TrimRight(digits, "0"), int(exponent) + len(whole) - (len(all) - len(digits))}
	if n.digits == "" {
		return number{}, true
	}
	return n, true
}

// checkNumber reads a number of a pattern, which must be one that DynamoDB can hold:
// up to [MaxDigits] digits, from 1e-130 to less than 1e126.
func checkNumber(operand any, at string) (number, error) {
	text, ok := operand.(json.Number)
	if !ok {
		return number{}, fmt.Errorf("%s: %v is no number", at, operand)
	}
	n, ok := parseNumber(text)
	switch {
	case !ok || n.point < -129 || n.point > 126:
		return number{}, fmt.Errorf("%s: %s is out of range", at, text)
	case len(n.digits) > MaxDigits:
		return number{}, fmt.Errorf("%s: a number has %d digits, at most %d are allowed", at, len(n.digits), MaxDigits)
	}
	return n, nil
}

// compare gives -1, 0 or 1 as n is less than, equal to or greater than m.
func (n number) compare(m number) int {
	if order := cmp.Compare(n.sign(), m.sign()); order != 0 {
		return order
	}
	return n.sign() * cmp.Or(cmp.Compare(n.point, m.point), strings.Compare(n.digits, m.digits))
}

func (n number) sign() int {
	switch {
	case n.digits == "":
		return 0
	case n.negative:
		return -1
	}
	return 1
}
