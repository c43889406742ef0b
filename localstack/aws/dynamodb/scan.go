package dynamodb

import (
	"context"
	"math"
	"strconv"
)

// maxSegments is into how many segments a Scan may be divided.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
const maxSegments = 1000000

type scanInput struct {
	pageInput
	Segment       *int
	TotalSegments *int
}

// scan reads a table or an index, or one segment of it, a page at a time.
func (e *Engine) scan(_ context.Context, in *scanInput) (any, error) {
	r, err := in.prepare()
	if err != nil {
		return nil, err
	}
	if err = in.locate(e, r); err == errStartKey {
		err = errScanStartKey
	}
	if err != nil {
		return nil, err
	}
	if err := in.segment(r); err != nil {
		return nil, err
	}
	if err := in.expressions(r); err != nil {
		return nil, err
	}
	return e.run("Scan", r)
}

// prepare makes the reading, as far as that needs no table.
func (in *scanInput) prepare() (*reading, error) {
	var c constraints
	in.pageInput.check(&c)
	c.between("totalSegments", in.TotalSegments, 1, maxSegments)
	c.between("segment", in.Segment, 0, maxSegments-1)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := in.checkSelect(); err != nil {
		return nil, err
	}
	switch {
	case in.Segment != nil && in.TotalSegments == nil:
		return nil, invalid("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case in.Segment == nil && in.TotalSegments != nil:
		return nil, invalid("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case in.Segment != nil && *in.Segment >= *in.TotalSegments:
		return nil, invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: "+
			"Segment: %d is not less than TotalSegments: %d", *in.Segment, *in.TotalSegments)
	}
	s, err := in.scope([]string{"FilterExpression"}, in.FilterExpression, in.ProjectionExpression)
	if err != nil {
		return nil, err
	}
	return in.read(s)
}

// segment spans the segment, or everything if none is asked for.
func (in *scanInput) segment(r *reading) error {
	r.span = span{last: location{token: math.MaxUint64, edge: afterToken}}
	if in.Segment == nil {
		return nil
	}
	r.span.first.token, r.span.last.token = segment(uint64(*in.Segment), uint64(*in.TotalSegments))
	if r.after != nil && !r.span.contains(*r.after) {
		return invalid("The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. "+
			"TotalSegments: %s Segment: %s", strconv.Itoa(*in.TotalSegments), strconv.Itoa(*in.Segment))
	}
	return nil
}
