package dynamodb

import (
	"math"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/expression"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// Values of Select.
const (
	selectAll       = "ALL_ATTRIBUTES"
	selectProjected = "ALL_PROJECTED_ATTRIBUTES"
	selectSpecific  = "SPECIFIC_ATTRIBUTES"
	selectCount     = "COUNT"
)

// pageInput is what Query and Scan share.
type pageInput struct {
	legacy
	placeholders
	TableName              *string
	IndexName              *string
	Select                 string
	ProjectionExpression   *string
	FilterExpression       *string
	Limit                  *int
	ExclusiveStartKey      item.Item
	ConsistentRead         bool
	ReturnConsumedCapacity string
}

// reading is a Query or a Scan made ready: which rows to look at, and what of
// them to answer.
type reading struct {
	table      *table
	index      *index // nil for the table itself
	span       span
	after      *location
	limit      int
	filter     *expression.Condition
	projection *expression.Projection
	nested     []string // attributes that the expressions look into
	counting   bool     // answer no items
	fetching   bool     // complete the rows of a local index from the table
	consistent bool
	queries    bool   // it is a Query
	asked      string // ReturnConsumedCapacity
}

// check adds what breaks the API's model in what Query and Scan share.
func (in *pageInput) check(c *constraints) {
	c.table("tableName", in.TableName)
	checkReturnCapacity(c, in.ReturnConsumedCapacity)
	c.oneOf("select", in.Select, selectSpecific, selectCount, selectAll, selectProjected)
	c.between("limit", in.Limit, 1, math.MaxInt32)
}

// checkSelect checks Select against the other parameters.
func (in *pageInput) checkSelect() error {
	projects := in.ProjectionExpression != nil
	switch {
	case in.Select == selectProjected && in.IndexName == nil:
		return invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	case in.Select == selectSpecific && !projects:
		return invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case in.Select == selectCount && projects:
		return invalid("Cannot specify the ProjectionExpression when choosing to get only the Count")
	case in.Select != "" && in.Select != selectSpecific && projects:
		return invalid("Cannot specify the ProjectionExpression when choosing to get %s", in.Select)
	}
	return nil
}

// read reads the filter and the projection, the last expressions of a request.
func (in *pageInput) read(s *expression.Scope) (*reading, error) {
	r := &reading{limit: math.MaxInt, counting: in.Select == selectCount,
		consistent: in.ConsistentRead, asked: in.ReturnConsumedCapacity}
	if in.Limit != nil {
		r.limit = *in.Limit
	}
	var err error
	if r.filter, err = condition(s, "FilterExpression", in.FilterExpression); err != nil {
		return nil, err
	}
	if r.projection, err = projected(s, in.ProjectionExpression); err != nil {
		return nil, err
	}
	r.nested = s.Nested()
	return r, s.Unused()
}

// locate finds the table and the index, and checks the request against them.
func (in *pageInput) locate(e *Engine, r *reading) (err error) {
	if r.table, err = e.lookup(in.TableName); err != nil {
		return err
	}
	if in.IndexName != nil {
		if r.index = r.table.index(*in.IndexName); r.index == nil {
			return invalid("The table does not have the specified index: %s", *in.IndexName)
		}
	}
	if in.ConsistentRead && r.index != nil && !r.index.local {
		return invalid("Consistent reads are not supported on global secondary indexes")
	}
	if x := r.index; in.Select == selectAll && x != nil && !x.local && x.kept != nil {
		return invalidParameter("Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", x.name)
	}
	return in.start(r)
}

// key is the key of what is read.
func (r *reading) key() key {
	if r.index != nil {
		return r.index.key
	}
	return r.table.key
}

// start reads ExclusiveStartKey: the table's key and, on an index, its key too.
func (in *pageInput) start(r *reading) error {
	if in.ExclusiveStartKey == nil {
		return nil
	}
	names := startAttributes(r.table.key, r.key())
	if len(in.ExclusiveStartKey) != len(names) {
		return invalid("Exclusive Start Key must have same size as table's key schema")
	}
	after, err := r.table.key.ofKey(r.table.key.of(in.ExclusiveStartKey))
	if err != nil {
		return errStartKey
	}
	if r.index != nil {
		base := after.id()
		if after, err = r.index.key.ofKey(r.index.key.of(in.ExclusiveStartKey)); err != nil {
			return errStartKey
		}
		after.base = base
	}
	r.after = &after
	return nil
}

// startAttributes are the names that make up a start key of an index.
func startAttributes(table, index key) map[string]bool {
	names := map[string]bool{}
	for _, a := range append(table.attributes(), index.attributes()...) {
		names[a.name] = true
	}
	return names
}

// expressions checks the filter and the projection against the keys, and against what an
// index holds.
func (in *pageInput) expressions(r *reading) error {
	if err := r.table.scalar(r.nested); err != nil || r.index == nil {
		return err
	}
	return in.projected(r)
}

// projected checks the filter and the projection against what the index holds. A
// local index gets what it lacks for the projection from the table.
func (in *pageInput) projected(r *reading) error {
	if r.filter != nil {
		if lacks := r.index.lacks(r.filter.Attributes()); len(lacks) > 0 {
			return invalidParameter("Secondary index %s does not project one or more filter attributes: %s", r.index.name, sortedNames(lacks))
		}
	}
	var lacks map[string]bool
	if r.projection != nil {
		lacks = r.index.lacks(r.projection.Attributes())
	}
	if len(lacks) > 0 && !r.index.local {
		return invalidParameter("Global secondary index %s does not project %s", r.index.name, sortedNames(lacks))
	}
	r.fetching = len(lacks) > 0 || in.Select == selectAll && r.index.kept != nil
	return nil
}

// lacks are those of the names that the index does not hold.
func (x *index) lacks(names []string) map[string]bool {
	lacks := map[string]bool{}
	for _, name := range names {
		if !x.keeps(name) {
			lacks[name] = true
		}
	}
	return lacks
}
