package item

import (
	"strconv"
	"strings"
)

// Limits of a Number, by digits and by the exponent of its first digit.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-data-types-number
const (
	maxDigits    = 38
	maxMagnitude = 125
	minMagnitude = -130
)

// decimal is the number ±digits × 10^exp. The digits neither begin nor end with
// a zero; zero has none.
type decimal struct {
	negative bool
	digits   string
	exp      int
}

// magnitude is the exponent of the first digit, as in d.ddd × 10^magnitude.
func (d decimal) magnitude() int { return len(d.digits) + d.exp - 1 }

// canonical gives a numeral as DynamoDB returns it.
func canonical(numeral string) (string, error) {
	if isPlainInteger(numeral) {
		return numeral, nil
	}
	d, err := parseDecimal(numeral)
	if err != nil {
		return "", err
	}
	if err := d.check(); err != nil {
		return "", err
	}
	return d.text(), nil
}

// isPlainInteger reports whether s is an integer in canonical form already: most
// numbers are.
func isPlainInteger(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if len(digits) == 0 || len(digits) > maxDigits || digits[0] == '0' {
		return s == "0"
	}
	return allDigits(digits)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// parseDecimal reads [+-]digits[.digits][e[+-]digits], of any length.
func parseDecimal(numeral string) (decimal, error) {
	if numeral == "" {
		return decimal{}, invalid("The parameter cannot be converted to a numeric value")
	}
	d, ok := scanDecimal(numeral)
	if !ok {
		return decimal{}, invalid("The parameter cannot be converted to a numeric value: %s", numeral)
	}
	return d, nil
}

func scanDecimal(s string) (d decimal, ok bool) {
	if s[0] == '-' || s[0] == '+' {
		d.negative, s = s[0] == '-', s[1:]
	}
	if at := strings.IndexAny(s, "eE"); at >= 0 {
		// Atoi takes a sign, and refuses an exponent that overflows: so does
		// Amazon, whose numbers are Java's BigDecimals.
		exp, err := strconv.Atoi(s[at+1:])
		if err != nil || exp > 1<<31-1 || exp < -1<<31 {
			return d, false
		}
		d.exp, s = exp, s[:at]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	if len(whole)+len(fraction) == 0 || !allDigits(whole) || !allDigits(fraction) {
		return d, false
	}
	d.digits, d.exp = whole+fraction, d.exp-len(fraction)
	return d.trimmed(), true
}

// trimmed drops zeros at both ends of the digits. Zero has no sign and no
// exponent.
func (d decimal) trimmed() decimal {
	digits := strings.TrimRight(d.digits, "0")
	d.exp += len(d.digits) - len(digits)
	d.digits = strings.TrimLeft(digits, "0")
	if d.digits == "" {
		return decimal{}
	}
	return d
}

// check holds a number to DynamoDB's range and precision.
func (d decimal) check() error {
	switch {
	case d.digits == "":
		return nil
	case d.magnitude() > maxMagnitude:
		return invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case d.magnitude() < minMagnitude:
		return invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	case len(d.digits) > maxDigits:
		return invalid("Attempting to store more than %d significant digits in a Number", maxDigits)
	}
	return nil
}

// text writes the number without an exponent, as DynamoDB does. Only for numbers
// that pass check, as others could be very long.
func (d decimal) text() string {
	if d.digits == "" {
		return "0"
	}
	sign := ""
	if d.negative {
		sign = "-"
	}
	switch point := len(d.digits) + d.exp; {
	case d.exp >= 0:
		return sign + d.digits + strings.Repeat("0", d.exp)
	case point > 0:
		return sign + d.digits[:point] + "." + d.digits[point:]
	default:
		return sign + "0." + strings.Repeat("0", -point) + d.digits
	}
}

// decimalOf reads a number that is canonical already.
func decimalOf(canonical string) decimal {
	d, _ := scanDecimal(canonical)
	return d
}
