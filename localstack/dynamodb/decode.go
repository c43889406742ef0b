package dynamodb

import (
	"context"
	"encoding/json"

	"github.com/watchroute/watchroute/localstack/awsjson"
)

// operation reads the input of an operation and calls it.
func operation[In any](do func(context.Context, *In) (any, error)) awsjson.Operation {
	return func(ctx context.Context, body []byte) (any, error) {
		in := new(In)
		if err := awsjson.Decode(body, in); err != nil {
			return nil, err
		}
		if l, ok := any(in).(interface{ refuse() error }); ok {
			if err := l.refuse(); err != nil {
				return nil, err
			}
		}
		return do(ctx, in)
	}
}

// legacy holds the parameters that expressions replaced in 2014. This engine
// refuses them by name rather than ignore them.
type legacy struct {
	Expected            json.RawMessage
	AttributeUpdates    json.RawMessage
	AttributesToGet     json.RawMessage
	KeyConditions       json.RawMessage
	QueryFilter         json.RawMessage
	ScanFilter          json.RawMessage
	ConditionalOperator json.RawMessage
}

func (l *legacy) refuse() error {
	for _, p := range []struct {
		name  string
		value json.RawMessage
	}{
		{"Expected", l.Expected}, {"AttributeUpdates", l.AttributeUpdates},
		{"AttributesToGet", l.AttributesToGet}, {"KeyConditions", l.KeyConditions},
		{"QueryFilter", l.QueryFilter}, {"ScanFilter", l.ScanFilter},
		{"ConditionalOperator", l.ConditionalOperator},
	} {
		if len(p.value) > 0 && string(p.value) != "null" {
			return refusedLegacy(p.name)
		}
	}
	return nil
}

func refusedLegacy(name string) error {
	return invalid("The legacy parameter %s is not supported here; use expressions instead", name)
}

// constraint is the error of AWS's front door for a member that breaks its model.
func constraint(value, field, must string) error {
	return invalid("1 validation error detected: %s", broken(value, field, must))
}

// missing is the error for a required member that is not there.
func missing(field string) error { return constraint("null", field, mustNotBeNull) }
