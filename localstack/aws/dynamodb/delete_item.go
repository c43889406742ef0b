package dynamodb

import (
	"context"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
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
	m, err := e.prepare(&in.deletion, in.answering, false)
	if err != nil {
		return nil, err
	}
	return e.write("DeleteItem", m, in.answering, nil)
}

func (d *deletion) check(c *constraints, at string) {
	c.table(at+"tableName", d.TableName)
	c.require(at+"key", d.Key != nil)
	d.conditional.check(c, at)
}

func (d *deletion) read() (*mutation, error) {
	m := d.keyed(d.TableName, d.Key)
	m.next = func(item.Item) (item.Item, error) { return nil, nil }
	return m, d.conditional.into(m)
}
