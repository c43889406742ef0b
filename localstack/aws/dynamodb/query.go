package dynamodb

import (
	"context"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/expression"
)

type queryInput struct {
	pageInput
	KeyConditionExpression *string
	ScanIndexForward       *bool
}

// query reads a partition of a table or an index in the order of its sort key, a
// page at a time. It looks at no row outside the partition but one.
func (e *Engine) query(_ context.Context, in *queryInput) (any, error) {
	r, condition, err := in.prepare()
	if err != nil {
		return nil, err
	}
	if err := in.locate(e, r); err != nil {
		return nil, err
	}
	bounds, err := condition.Bounds(r.key().hash.expressed(), r.key().sort.expressed())
	if err != nil {
		return nil, err
	}
	whole := partition(bounds.Hash.KeyBytes())
	whole.backward = in.ScanIndexForward != nil && !*in.ScanIndexForward
	r.span = narrowed(whole, bounds)
	if err := in.expressions(r); err != nil {
		return nil, err
	}
	if err := r.checkFilter(); err != nil {
		return nil, err
	}
	if err := r.checkStart(bounds); err != nil {
		return nil, err
	}
	return e.run("Query", r)
}

// prepare makes the reading, as far as that needs no table.
func (in *queryInput) prepare() (*reading, *expression.KeyCondition, error) {
	var c constraints
	in.pageInput.check(&c)
	if err := c.err(); err != nil {
		return nil, nil, err
	}
	if err := in.checkSelect(); err != nil {
		return nil, nil, err
	}
	if in.KeyConditionExpression == nil {
		return nil, nil, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	s, err := in.scope([]string{"KeyConditionExpression", "FilterExpression"},
		in.KeyConditionExpression, in.FilterExpression, in.ProjectionExpression)
	if err != nil {
		return nil, nil, err
	}
	condition, err := s.KeyCondition(*in.KeyConditionExpression)
	if err != nil {
		return nil, nil, err
	}
	r, err := in.read(s)
	if err != nil {
		return nil, nil, err
	}
	r.queries = true
	return r, condition, nil
}

// checkFilter refuses a filter on the key, which is the key condition's business.
func (r *reading) checkFilter() error {
	if r.filter == nil {
		return nil
	}
	for _, name := range r.filter.Attributes() {
		if r.key().has(name) {
			return invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", name)
		}
	}
	return nil
}

// checkStart refuses a start key the query cannot have ended at. A table without sort key
// has one row in a partition at most, and no query ends before it.
func (r *reading) checkStart(b expression.Bounds) error {
	if r.after == nil {
		return nil
	}
	outside := r.after.hash != r.span.first.hash
	probe := *r.after
	probe.token, probe.hash = r.span.first.token, r.span.first.hash
	switch {
	case r.single():
		return errRestart
	case b.Operator != expression.None && !r.span.contains(probe):
		return invalid("The provided starting key does not match the range key predicate")
	case b.Operator != expression.None && outside:
		return errRestart
	case outside:
		return invalid("The provided starting key is outside query boundaries based on provided conditions")
	}
	return nil
}

// single reports whether a partition of what is read has one row at most.
func (r *reading) single() bool { return r.index == nil && !r.table.key.sorted() }

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
