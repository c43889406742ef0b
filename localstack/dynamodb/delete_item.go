package dynamodb

import (
	"context"

	"github.com/watchroute/watchroute/localstack/dynamodb/item"
)

type deleteItemInput struct {
	legacy
	answering
	deletion
}

// deletion is a Delete, alone or in a transaction.
type deletion struct {
	conditional
	TableName *string
	Key       item.Item
}

// deleteItem deletes an item. Deleting one that is not there succeeds, and costs
// a write unit.
func (e *Engine) deleteItem(_ context.Context, in *deleteItemInput) (any, error) {
	if err := in.answering.check(false); err != nil {
		return nil, err
	}
	m, err := e.prepare(in.deletion.mutation)
	if err != nil {
		return nil, err
	}
	return e.write("DeleteItem", m, in.answering, nil)
}

// mutation reads the deletion.
func (d *deletion) mutation(e *Engine) (*mutation, error) {
	m, err := e.keyed(d.TableName, d.Key)
	if err != nil {
		return nil, err
	}
	m.next = func(item.Item) (item.Item, error) { return nil, nil }
	return m, d.conditional.into(m)
}

// keyed starts a mutation of the item with a key.
func (e *Engine) keyed(tableName *string, key item.Item) (*mutation, error) {
	t, at, err := e.locate(tableName, key)
	if err != nil {
		return nil, err
	}
	return &mutation{table: t, place: at}, nil
}

// locate finds the table and the place of an item by its key.
func (e *Engine) locate(tableName *string, key item.Item) (*table, place, error) {
	t, err := e.lookup(tableName)
	if err != nil {
		return nil, place{}, err
	}
	if key == nil {
		return nil, place{}, missing("key")
	}
	at, err := t.key.ofKey(key)
	return t, at, err
}
