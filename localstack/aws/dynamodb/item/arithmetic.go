package item

import (
	"math/big"
	"strconv"
)

// Add gives a + b, exactly. Both must be Numbers. A sum outside DynamoDB's range
// or precision is its ValidationException.
func Add(a, b Value) (Value, error) { return sum(a, b, false) }

// Sub gives a - b, exactly; otherwise it is like Add.
func Sub(a, b Value) (Value, error) { return sum(a, b, true) }

func sum(a, b Value, subtract bool) (Value, error) {
	if a.Kind != Number || b.Kind != Number {
		return Value{}, invalid("An operand in the update expression has an incorrect data type")
	}
	if n, ok := smallSum(a.S, b.S, subtract); ok {
		return Value{Kind: Number, S: strconv.FormatInt(n, 10)}, nil
	}
	d := bigSum(decimalOf(a.S), decimalOf(b.S), subtract)
	if err := d.check(); err != nil {
		return Value{}, err
	}
	return Value{Kind: Number, S: d.text()}, nil
}

// smallSum adds integers far inside 64 bits, as counters are.
func smallSum(a, b string, subtract bool) (n int64, ok bool) {
	const safe = 18 // characters; 10^18 + 10^18 fits an int64
	if len(a) > safe || len(b) > safe || !isPlainInteger(a) || !isPlainInteger(b) {
		return 0, false
	}
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	if subtract {
		y = -y
	}
	return x + y, errX == nil && errY == nil
}

// bigSum brings both numbers to the smaller exponent and adds their digits, at
// most 38 + 255 of them.
func bigSum(a, b decimal, subtract bool) decimal {
	exp := min(a.exp, b.exp)
	x, y := a.scaled(exp), b.scaled(exp)
	if subtract {
		y.Neg(y)
	}
	x.Add(x, y)
	d := decimal{negative: x.Sign() < 0, exp: exp, digits: x.Abs(x).String()}
	return d.trimmed()
}

// scaled gives the number in units of 10^exp; exp must not be above its own.
func (d decimal) scaled(exp int) *big.Int {
	n := new(big.Int)
	if d.digits == "" {
		return n
	}
	n.SetString(d.digits, 10)
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d.exp-exp)), nil)
	n.Mul(n, unit)
	if d.negative {
		n.Neg(n)
	}
	return n
}
