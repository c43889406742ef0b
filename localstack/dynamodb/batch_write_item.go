package dynamodb

import (
	"context"
	"maps"
	"slices"

	"github.com/watchroute/watchroute/localstack/dynamodb/item"
)

// maxBatchWrites is the most writes a batch may hold. A batch over 16 MB is
// refused before it comes here, by awsjson.MaxRequestBytes.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
const maxBatchWrites = 25

type batchWriteItemInput struct {
	RequestItems                map[string][]writeRequest
	ReturnConsumedCapacity      string
	ReturnItemCollectionMetrics string
}

type writeRequest struct {
	PutRequest    *struct{ Item item.Item }
	DeleteRequest *struct{ Key item.Item }
}

type batchWriteItemAnswer struct {
	UnprocessedItems map[string][]writeRequest // always empty: nothing is throttled here
	ConsumedCapacity []*consumedCapacity       `json:",omitempty"`
}

// batchWriteItem puts and deletes many items, each on its own. What is wrong with
// any of them is found before the first is written, unless it has to do with the
// stored items.
func (e *Engine) batchWriteItem(_ context.Context, in *batchWriteItemInput) (any, error) {
	mutations, err := in.prepare(e)
	if err != nil {
		return nil, err
	}
	used := bill{}
	for _, m := range mutations {
		out, failed := m.run()
		used.add(m.table, out.used, 1)
		if err = failed; err != nil {
			break
		}
	}
	for t, c := range used {
		e.usage.wrote(t, "BatchWriteItem", *c)
	}
	if err != nil {
		return nil, err
	}
	return batchWriteItemAnswer{UnprocessedItems: map[string][]writeRequest{},
		ConsumedCapacity: used.shown(in.ReturnConsumedCapacity)}, nil
}

func (in *batchWriteItemInput) prepare(e *Engine) ([]*mutation, error) {
	a := answering{ReturnConsumedCapacity: in.ReturnConsumedCapacity, ReturnItemCollectionMetrics: in.ReturnItemCollectionMetrics}
	if err := a.check(false); err != nil {
		return nil, err
	}
	if len(in.RequestItems) == 0 {
		return nil, constraint("'{}'", "requestItems", "Member must have length greater than or equal to 1")
	}
	count := 0
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		if len(in.RequestItems[name]) == 0 {
			return nil, invalid("The batch write request list for a table cannot be null or empty: %s", name)
		}
		count += len(in.RequestItems[name])
	}
	if count > maxBatchWrites {
		return nil, invalid("Too many items requested for the BatchWriteItem call")
	}
	return in.mutations(e)
}

func (in *batchWriteItemInput) mutations(e *Engine) ([]*mutation, error) {
	var mutations []*mutation
	seen := map[target]bool{}
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		for _, w := range in.RequestItems[name] {
			m, err := w.mutation(e, name)
			if err != nil {
				return nil, err
			}
			if seen[m.target()] {
				return nil, errDuplicateKeys
			}
			seen[m.target()] = true
			mutations = append(mutations, m)
		}
	}
	return mutations, nil
}

func (w writeRequest) mutation(e *Engine, table string) (*mutation, error) {
	switch {
	case (w.PutRequest == nil) == (w.DeleteRequest == nil):
		return nil, invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	case w.PutRequest != nil:
		p := put{TableName: &table, Item: w.PutRequest.Item}
		return p.mutation(e)
	default:
		d := deletion{TableName: &table, Key: w.DeleteRequest.Key}
		return d.mutation(e)
	}
}
