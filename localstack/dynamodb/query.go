package dynamodb

import (
	"context"

	"github.com/watchroute/watchroute/localstack/dynamodb/expression"
)

type queryInput struct {
	pageInput
	KeyConditionExpression *string
	ScanIndexForward       *bool
}

// query reads a partition of a table or an index in the order of its sort key, a
// page at a time. It looks at no row outside the partition but one.
func (e *Engine) query(_ context.Context, in *queryInput) (any, error) {
	r, err := in.prepare(e)
	if err != nil {
		return nil, err
	}
	if in.KeyConditionExpression == nil {
		return nil, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	s, err := in.scope([]string{"KeyConditionExpression", "FilterExpression"},
		in.KeyConditionExpression, in.FilterExpression, in.ProjectionExpression)
	if err != nil {
		return nil, err
	}
	keys := r.table.key
	if r.index != nil {
		keys = r.index.key
	}
	if r.span, err = in.span(s, keys); err != nil {
		return nil, err
	}
	if err := in.expressions(r, s); err != nil {
		return nil, err
	}
	if err := s.Unused(); err != nil {
		return nil, err
	}
	if err := r.checkQuery(keys); err != nil {
		return nil, err
	}
	return e.run("Query", r)
}

// checkQuery refuses a filter on the key, which is the key condition's business,
// and a start key the query cannot have ended at.
func (r *reading) checkQuery(keys key) error {
	if r.filter != nil {
		for _, name := range r.filter.Attributes() {
			if keys.has(name) {
				return invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", name)
			}
		}
	}
	switch {
	case r.after == nil || r.span.contains(*r.after):
		return nil
	case r.after.hash != r.span.first.hash:
		return invalid("The provided starting key is outside query boundaries based on provided conditions")
	default:
		return invalid("The provided starting key does not match the range key predicate")
	}
}

// span reads the key condition as a range of rows.
func (in *queryInput) span(s *expression.Scope, keys key) (span, error) {
	condition, err := s.KeyCondition(*in.KeyConditionExpression)
	if err != nil {
		return span{}, err
	}
	bounds, err := condition.Bounds(keys.hash.expressed(), keys.sort.expressed())
	if err != nil {
		return span{}, err
	}
	whole := partition(bounds.Hash.KeyBytes())
	whole.backward = in.ScanIndexForward != nil && !*in.ScanIndexForward
	return narrowed(whole, bounds), nil
}

func (a keyAttribute) expressed() expression.Attribute {
	return expression.Attribute{Name: a.name, Kind: a.kind}
}

// narrowed keeps of a partition what the bounds say of the sort key.
func narrowed(whole span, b expression.Bounds) span {
	low, high := b.Low.KeyBytes(), b.High.KeyBytes()
	switch b.Operator {
	case expression.EQ:
		return whole.from(low, true).to(low, true)
	case expression.LT:
		return whole.to(low, false)
	case expression.LE:
		return whole.to(low, true)
	case expression.GT:
		return whole.from(low, false)
	case expression.GE:
		return whole.from(low, true)
	case expression.Between:
		return whole.from(low, true).to(high, true)
	case expression.BeginsWith:
		return whole.prefixed(low)
	}
	return whole
}
