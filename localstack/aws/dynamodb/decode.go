package dynamodb

import (
	"context"
	"encoding/json"
	"reflect"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
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
	if name := given(*l); name != "" {
		return refusedLegacy(name)
	}
	return nil
}

func refusedLegacy(name string) error {
	return invalid("The legacy parameter %s is not supported here; use expressions instead", name)
}

// unsupported holds the changes of a table that have nothing here to change.
type unsupported struct {
	GlobalTableWitnessUpdates json.RawMessage
	MultiRegionConsistency    json.RawMessage
	OnDemandThroughput        json.RawMessage
	ReplicaUpdates            json.RawMessage
	SSESpecification          json.RawMessage
	TableClass                json.RawMessage
	WarmThroughput            json.RawMessage
}

func (u *unsupported) refuse() error {
	if name := given(*u); name != "" {
		return invalid("The parameter %s is not supported here", name)
	}
	return nil
}

// given is the name of the first parameter that is given of a struct of nothing but
// parameters, each a json.RawMessage; "" if none is.
func given(parameters any) string {
	v := reflect.ValueOf(parameters)
	for i := range v.NumField() {
		if raw := v.Field(i).Bytes(); len(raw) > 0 && string(raw) != "null" {
			return v.Type().Field(i).Name
		}
	}
	return ""
}

// constraint is the error of AWS's front door for a member that breaks its model.
func constraint(value, field, must string) error {
	return invalid("1 validation error detected: %s", broken(value, field, must))
}

// missing is the error for a required member that is not there.
func missing(field string) error { return constraint("null", field, mustNotBeNull) }
