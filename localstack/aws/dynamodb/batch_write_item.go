package dynamodb

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
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
	UnprocessedItems      map[string][]writeRequest // always empty: nothing is throttled here
	ConsumedCapacity      []*consumedCapacity       `json:",omitempty"`
	ItemCollectionMetrics collections               `json:",omitempty"`
}

// batchWriteItem puts and deletes many items, each on its own. What is wrong with
// any of them is found before the first is written, unless it has to do with the
// stored items.
func (e *Engine) batchWriteItem(_ context.Context, in *batchWriteItemInput) (any, error) {
	mutations, err := in.prepare(e)
	if err != nil {
		return nil, err
	}
	answer := batchWriteItemAnswer{UnprocessedItems: map[string][]writeRequest{}}
	used := bill{}
	for _, m := range mutations {
		out, failed := m.run()
		used.add(m.table, out.used, 1)
		if err = failed; err != nil {
			break
		}
		answer.ItemCollectionMetrics.add(in.ReturnItemCollectionMetrics, m.table, out)
	}
	for t, c := range used {
		e.usage.wrote(t, "BatchWriteItem", *c)
	}
	if err != nil {
		return nil, err
	}
	answer.ConsumedCapacity = used.shown(in.ReturnConsumedCapacity)
	return answer, nil
}

func (in *batchWriteItemInput) prepare(e *Engine) ([]*mutation, error) {
	if err := in.check(); err != nil {
		return nil, err
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

func (in *batchWriteItemInput) check() error {
	var c constraints
	a := answering{ReturnConsumedCapacity: in.ReturnConsumedCapacity, ReturnItemCollectionMetrics: in.ReturnItemCollectionMetrics}
	a.check(&c)
	names := slices.Sorted(maps.Keys(in.RequestItems))
	c.tables("requestItems", names)
	for _, name := range names {
		for i, w := range in.RequestItems[name] {
			at := fmt.Sprintf("requestItems.%s.member.%d.member.", name, i+1)
			switch {
			case w.PutRequest != nil:
				c.require(at+"putRequest.item", w.PutRequest.Item != nil)
			case w.DeleteRequest != nil:
				c.require(at+"deleteRequest.key", w.DeleteRequest.Key != nil)
			}
		}
	}
	return c.err()
}

// mutations reads all parts before it looks up the first table.
func (in *batchWriteItemInput) mutations(e *Engine) ([]*mutation, error) {
	var mutations []*mutation
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		for _, w := range in.RequestItems[name] {
			p, err := w.part(name)
			if err != nil {
				return nil, err
			}
			m, err := p.read()
			if err != nil {
				return nil, err
			}
			mutations = append(mutations, m)
		}
	}
	seen := make(map[target]bool, len(mutations))
	for _, m := range mutations {
		if err := e.locateAlone(&m.subject); err != nil {
			return nil, err
		}
		if seen[m.target()] {
			return nil, errDuplicateKeys
		}
		seen[m.target()] = true
	}
	return mutations, nil
}

func (w writeRequest) part(table string) (part, error) {
	switch {
	case (w.PutRequest == nil) == (w.DeleteRequest == nil):
		return nil, invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	case w.PutRequest != nil:
		return &put{TableName: &table, Item: w.PutRequest.Item}, nil
	default:
		return &deletion{TableName: &table, Key: w.DeleteRequest.Key}, nil
	}
}
