package expression

import (
	"fmt"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// rank is when DynamoDB looks for a kind of fault. Faults of syntax come before
// all of these.
type rank int

const (
	operatorCount rank = iota + 1
	redundantParentheses
	unusableName // of a function or an attribute
	misusedFunction
	repeatedSection
	undefinedPlaceholder
	unusablePath
	operandCount
	operandDistinct
	operandType
)

// faults keeps the fault that DynamoDB would report: of those with the lowest
// rank, the first.
type faults struct {
	rank rank
	text string
}

func (f *faults) add(r rank, format string, args ...any) {
	if f.rank == 0 || r < f.rank {
		f.rank, f.text = r, fmt.Sprintf(format, args...)
	}
}

// invalid is a ValidationException.
func invalid(format string, args ...any) error {
	return awsjson.Errorf("ValidationException", format, args...)
}
