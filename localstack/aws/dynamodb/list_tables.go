package dynamodb

import (
	"context"
	"slices"
)

// maxListed is the most names one ListTables gives, and its default.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListTables.html
const maxListed = 100

type listTablesInput struct {
	ExclusiveStartTableName *string
	Limit                   *int
}

type listTablesOutput struct {
	TableNames             []string
	LastEvaluatedTableName string `json:",omitempty"`
}

// listTables gives the tables' names in order, a page at a time.
func (e *Engine) listTables(_ context.Context, in *listTablesInput) (any, error) {
	limit := maxListed
	if in.Limit != nil {
		var c constraints
		if c.between("limit", in.Limit, 1, maxListed); c.err() != nil {
			return nil, c.err()
		}
		limit = *in.Limit
	}
	names := []string{}
	for _, t := range e.all() {
		if in.ExclusiveStartTableName == nil || t.name > *in.ExclusiveStartTableName {
			names = append(names, t.name)
		}
	}
	slices.Sort(names)
	if len(names) <= limit {
		return listTablesOutput{TableNames: names}, nil
	}
	return listTablesOutput{TableNames: names[:limit], LastEvaluatedTableName: names[limit-1]}, nil
}
