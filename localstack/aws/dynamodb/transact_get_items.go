package dynamodb

import (
	"context"
	"fmt"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
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
		return nil, errReadTooMuch
	}
	answer.ConsumedCapacity = used.read(in.ReturnConsumedCapacity)
	return answer, nil
}

func (in *transactGetItemsInput) prepare(e *Engine) ([]*lookup, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	var lookups []*lookup
	var subjects []*subject
	for _, it := range in.TransactItems {
		l, err := it.Get.read()
		if err != nil {
			return nil, err
		}
		lookups, subjects = append(lookups, l), append(subjects, &l.subject)
	}
	return lookups, e.locateAll(subjects)
}

func (in *transactGetItemsInput) check() error {
	var c constraints
	checkReturnCapacity(&c, in.ReturnConsumedCapacity)
	checkTransaction(&c, len(in.TransactItems))
	for i, it := range in.TransactItems {
		at := fmt.Sprintf("transactItems.%d.member.get", i+1)
		if c.require(at, it.Get != nil); it.Get != nil {
			it.Get.check(&c, at+".")
		}
	}
	return c.err()
}

// snapshot finds the rows of all lookups while nobody writes to their tables.
func snapshot(lookups []*lookup) ([]*row, error) {
	tables := make([]*table, 0, len(lookups))
	for _, l := range lookups {
		tables = append(tables, l.table)
	}
	found := make([]*row, len(lookups))
	err := together(tables, (*table).sharing, func() error {
		for i, l := range lookups {
			found[i] = l.table.rows.get(l.location)
		}
		return nil
	})
	return found, err
}
