package dynamodb

import (
	"context"

	"github.com/watchroute/watchroute/localstack/dynamodb/item"
)

type transactGetItemsInput struct {
	TransactItems          []struct{ Get *get }
	ReturnConsumedCapacity string
}

type transactGetItemsAnswer struct {
	Responses        []getResponse
	ConsumedCapacity []*consumedCapacity `json:",omitempty"`
}

type getResponse struct {
	Item item.Item `json:",omitzero"`
}

// transactGetItems reads many items as they are at one moment.
func (e *Engine) transactGetItems(_ context.Context, in *transactGetItemsInput) (any, error) {
	lookups, err := in.prepare(e)
	if err != nil {
		return nil, err
	}
	found, err := snapshot(lookups)
	if err != nil {
		return nil, err
	}
	answer, used := transactGetItemsAnswer{Responses: []getResponse{}}, bill{}
	size := 0
	for i, l := range lookups {
		size += sizeOf(found[i])
		used.add(l.table, capacity{table: readUnits(sizeOf(found[i]), true)}, transactional)
		answer.Responses = append(answer.Responses, getResponse{apply(l.projection, image(found[i]))})
	}
	for t, c := range used {
		e.usage.read(t, "TransactGetItems", *c)
	}
	if size > maxTransactionBytes {
		return nil, errTransactionTooLarge
	}
	answer.ConsumedCapacity = used.read(in.ReturnConsumedCapacity)
	return answer, nil
}

func (in *transactGetItemsInput) prepare(e *Engine) ([]lookup, error) {
	if err := checkReturnCapacity(in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	if err := checkTransaction(len(in.TransactItems)); err != nil {
		return nil, err
	}
	lookups := make([]lookup, 0, len(in.TransactItems))
	seen := map[target]bool{}
	for _, it := range in.TransactItems {
		if it.Get == nil {
			return nil, missing("transactItems.1.member.get")
		}
		l, err := it.Get.lookup(e)
		if err != nil {
			return nil, err
		}
		at := target{l.table, l.place}
		if seen[at] {
			return nil, errSameItemTwice
		}
		seen[at] = true
		lookups = append(lookups, l)
	}
	return lookups, nil
}

// snapshot finds the rows of all lookups while nobody writes to their tables.
func snapshot(lookups []lookup) ([]*row, error) {
	tables := make([]*table, 0, len(lookups))
	for _, l := range lookups {
		tables = append(tables, l.table)
	}
	found := make([]*row, len(lookups))
	err := together(tables, (*table).sharing, func() error {
		for i, l := range lookups {
			found[i] = l.table.rows.get(l.place)
		}
		return nil
	})
	return found, err
}
