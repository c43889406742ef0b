package item

import (
	"cmp"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

func TestNumbers(t *testing.T) {
	nines := strings.Repeat("9", 38)
	for numeral, want := range map[string]string{
		"0": "0", "-0": "0", "+0.00": "0", "0e9999": "0",
		"1": "1", "007": "7", "-12": "-12", "+1.50": "1.5", ".5": "0.5", "5.": "5",
		"1E+2": "100", "1e-2": "0.01", "-1.5e1": "-15", "12.3400": "12.34", "1200e-4": "0.12",
		"1e125":  "1" + strings.Repeat("0", 125),
		"1e-130": "0." + strings.Repeat("0", 129) + "1",
		nines:    nines, "-" + nines + "e87": "-" + nines + strings.Repeat("0", 87),
		nines + "000": nines + "000",
	} {
		if v, err := N(numeral); err != nil || v.S != want {
			t.Errorf("%s: %q, %v; want %q", numeral, v.S, err, want)
		}
	}
}

func TestNumbersRefused(t *testing.T) {
	const (
		notNumeric = "The parameter cannot be converted to a numeric value"
		overflow   = "Number overflow. Attempting to store a number with magnitude larger than supported range"
		underflow  = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
		precision  = "Attempting to store more than 38 significant digits in a Number"
	)
	for numeral, want := range map[string]string{
		"": notNumeric, "-": notNumeric + ": -", ".": notNumeric + ": .", "e5": notNumeric + ": e5",
		" 1": notNumeric + ":  1", "1 ": notNumeric + ": 1 ", "1e": notNumeric + ": 1e", "0x10": notNumeric + ": 0x10",
		"NaN": notNumeric + ": NaN", "1_000": notNumeric + ": 1_000", "--1": notNumeric + ": --1", "1e1.5": notNumeric + ": 1e1.5",
		"1e99999999999": notNumeric + ": 1e99999999999",
		"1e126":         overflow, "10e125": overflow, "-9e126": overflow, "1e2147483647": overflow,
		"1e-131": underflow, "0.1e-130": underflow, "1e-2147483648": underflow,
		"1" + strings.Repeat("0", 37) + "1": precision, strings.Repeat("9", 39): precision,
	} {
		_, err := N(numeral)
		var e *awsjson.Error
		if !errors.As(err, &e) || e.Type != "ValidationException" || e.Message != want {
			t.Errorf("%q: %v, want %s", numeral, err, want)
		}
	}
}

// numerals draws numbers of every size and precision that DynamoDB takes.
func numerals() *rapid.Generator[Value] {
	return rapid.Custom(func(t *rapid.T) Value {
		// Few digits near one another, integers about the size of an int64, and all there is.
		digits := rapid.OneOf(
			rapid.StringMatching(`-?[0-9]{1,2}`),
			rapid.StringMatching(`-?9[0-9]{17,19}`),
			rapid.StringMatching(`-?[0-9]{1,38}`)).Draw(t, "digits")
		exp := rapid.OneOf(rapid.Just(0), rapid.IntRange(-2, 2), rapid.IntRange(-130, 87)).Draw(t, "exponent")
		v, err := N(digits + "e" + big.NewInt(int64(exp)).String())
		if err != nil {
			t.Fatalf("%se%d: %v", digits, exp, err)
		}
		return v
	})
}

func rat(t *rapid.T, v Value) *big.Rat {
	r, ok := new(big.Rat).SetString(v.S)
	if !ok {
		t.Fatalf("not a number: %q", v.S)
	}
	return r
}

func TestArithmeticIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := numerals().Draw(t, "a"), numerals().Draw(t, "b")
		same(t, "+", a, b, Add, (*big.Rat).Add)
		same(t, "-", a, b, Sub, (*big.Rat).Sub)
	})
}

// same holds a sum to that of big.Rat, unless it is too precise or too large.
func same(t *rapid.T, operator string, a, b Value, do func(a, b Value) (Value, error), exactly func(z, a, b *big.Rat) *big.Rat) {
	want := exactly(new(big.Rat), rat(t, a), rat(t, b))
	got, err := do(a, b)
	if err == nil && rat(t, got).Cmp(want) != 0 {
		t.Fatalf("%s %s %s = %s, want %s", a.S, operator, b.S, got.S, want.FloatString(170))
	}
	if text := want.FloatString(170); err != nil && significant(text) <= maxDigits && len(text) < 126+171 {
		t.Fatalf("%s %s %s: %v, want %s", a.S, operator, b.S, err, text)
	}
	if again, err := N(got.S); got.Kind != 0 && (err != nil || again.S != got.S) {
		t.Fatalf("%s is not canonical: %s, %v", got.S, again.S, err)
	}
}

// significant counts digits without zeros at the ends.
func significant(text string) int {
	return len(strings.Trim(strings.ReplaceAll(strings.TrimLeft(text, "-"), ".", ""), "0"))
}

func TestArithmeticLimits(t *testing.T) {
	huge, tiny, one := number(t, "9e125"), number(t, "1e-130"), Int(1)
	if _, err := Add(huge, huge); err == nil || !strings.Contains(err.Error(), "overflow") {
		t.Errorf("9e125 + 9e125: %v", err)
	}
	if _, err := Sub(one, tiny); err == nil || !strings.Contains(err.Error(), "38 significant digits") {
		t.Errorf("1 - 1e-130: %v", err)
	}
	if v, err := Sub(huge, huge); err != nil || v.S != "0" {
		t.Errorf("9e125 - 9e125 = %s, %v", v.S, err)
	}
	if v, err := Add(Int(math.MaxInt64), Int(math.MaxInt64)); err != nil || v.S != "18446744073709551614" {
		t.Errorf("twice the largest int64 = %s, %v", v.S, err)
	}
	if _, err := Add(one, S("1")); err == nil {
		t.Error("1 + a String: no error")
	}
}

// Neighbours of every sort: signs, magnitudes, more digits, other digits.
func TestOrderOfNumbers(t *testing.T) {
	ascending := []string{
		"-9e125", "-10", "-9.99", "-2", "-1.5", "-1.45", "-1.4", "-1.04", "-1", "-0.99", "-0.1", "-1e-130",
		"0", "1e-130", "0.1", "0.99", "1", "1.04", "1.4", "1.45", "1.5", "2", "9.99", "10", "9e125",
	}
	for i, a := range ascending {
		for j, b := range ascending {
			x, y := number(t, a), number(t, b)
			if got, ok := Compare(x, y); !ok || got != cmp.Compare(i, j) {
				t.Errorf("Compare(%s, %s) = %d, %v", a, b, got, ok)
			}
			if got := strings.Compare(x.KeyBytes(), y.KeyBytes()); got != cmp.Compare(i, j) {
				t.Errorf("keys of %s and %s compare as %d", a, b, got)
			}
		}
	}
}

func number(t *testing.T, numeral string) Value {
	t.Helper()
	v, err := N(numeral)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := numerals().Draw(t, "a"), numerals().Draw(t, "b")
		ordered(t, a, b, rat(t, a).Cmp(rat(t, b)))
		x, y := rapid.SliceOf(rapid.Byte()).Draw(t, "x"), rapid.SliceOf(rapid.Byte()).Draw(t, "y")
		ordered(t, B(x), B(y), strings.Compare(string(x), string(y)))
		ordered(t, S(string(x)), S(string(y)), strings.Compare(string(x), string(y)))
	})
}

// ordered checks that values compare as they should, and their keys likewise.
func ordered(t *rapid.T, a, b Value, want int) {
	if got, ok := Compare(a, b); !ok || got != want {
		t.Fatalf("Compare(%q, %q) = %d, %v; want %d", a.S, b.S, got, ok, want)
	}
	if got := strings.Compare(a.KeyBytes(), b.KeyBytes()); got != want {
		t.Fatalf("keys of %q and %q compare as %d, want %d", a.S, b.S, got, want)
	}
	if Equal(a, b) != (want == 0) {
		t.Fatalf("Equal(%q, %q) is %v", a.S, b.S, want != 0)
	}
}
