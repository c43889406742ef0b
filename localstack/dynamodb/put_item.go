package dynamodb

import (
	"context"

	"github.com/watchroute/watchroute/localstack/dynamodb/item"
)

// Values of ReturnValues and of ReturnValuesOnConditionCheckFailure.
const (
	returnNone       = "NONE"
	returnAllOld     = "ALL_OLD"
	returnUpdatedOld = "UPDATED_OLD"
	returnAllNew     = "ALL_NEW"
	returnUpdatedNew = "UPDATED_NEW"
)

// conditional is what all writes of one item share.
type conditional struct {
	placeholders
	ConditionExpression                 *string
	ReturnValuesOnConditionCheckFailure string
}

// answering is what PutItem, UpdateItem and DeleteItem may be asked to answer.
type answering struct {
	ReturnValues                string
	ReturnConsumedCapacity      string
	ReturnItemCollectionMetrics string // accepted and not answered: collections are not estimated here
}

type putItemInput struct {
	legacy
	answering
	put
}

// put is a Put, alone or in a transaction.
type put struct {
	conditional
	TableName *string
	Item      item.Item
}

type writeAnswer struct {
	Attributes       item.Item         `json:",omitzero"`
	ConsumedCapacity *consumedCapacity `json:",omitempty"`
}

// putItem puts a whole item in the place of the one with its key, if any.
func (e *Engine) putItem(_ context.Context, in *putItemInput) (any, error) {
	if err := in.answering.check(false); err != nil {
		return nil, err
	}
	m, err := e.prepare(in.put.mutation)
	if err != nil {
		return nil, err
	}
	return e.write("PutItem", m, in.answering, nil)
}

// prepare makes a request's mutation. A request that is refused whatever the item
// is fails here, not in its turn, as only a transaction reports that by item.
func (e *Engine) prepare(build func(*Engine) (*mutation, error)) (*mutation, error) {
	m, err := build(e)
	if err != nil {
		return nil, err
	}
	return m, m.refused
}

// mutation reads the put.
func (p *put) mutation(e *Engine) (*mutation, error) {
	t, err := e.lookup(p.TableName)
	if err != nil {
		return nil, err
	}
	if p.Item == nil {
		return nil, missing("item")
	}
	m := &mutation{table: t, hint: p.Item.Size()}
	if m.place, err = t.key.ofItem(p.Item); err != nil {
		return nil, err
	}
	if m.hint > maxItemBytes {
		return nil, errItemTooLarge
	}
	m.next = func(item.Item) (item.Item, error) { return p.Item, nil }
	return m, p.conditional.into(m)
}

// into reads the condition of a write that has no other expression.
func (c *conditional) into(m *mutation) error {
	s, err := c.scope([]string{"ConditionExpression"}, c.ConditionExpression)
	if err != nil {
		return err
	}
	if m.condition, err = condition(s, "ConditionExpression", c.ConditionExpression); err != nil {
		return err
	}
	if err := c.show(m); err != nil {
		return err
	}
	return s.Unused()
}

func (c *conditional) show(m *mutation) error {
	m.showItem = c.ReturnValuesOnConditionCheckFailure == returnAllOld
	return oneOf("returnValuesOnConditionCheckFailure", c.ReturnValuesOnConditionCheckFailure, returnAllOld, returnNone)
}

// check checks what is to be answered; only an update answers new values.
func (a *answering) check(update bool) error {
	if err := checkReturnCapacity(a.ReturnConsumedCapacity); err != nil {
		return err
	}
	if err := oneOf("returnItemCollectionMetrics", a.ReturnItemCollectionMetrics, "SIZE", "NONE"); err != nil {
		return err
	}
	if err := oneOf("returnValues", a.ReturnValues,
		returnAllNew, returnUpdatedOld, returnAllOld, returnNone, returnUpdatedNew); err != nil {
		return err
	}
	if !update && a.ReturnValues != "" && a.ReturnValues != returnNone && a.ReturnValues != returnAllOld {
		return invalid("ReturnValues can only be ALL_OLD or NONE")
	}
	return nil
}

// write carries out a mutation and answers. updated picks the updated attributes
// out of an item; only an update has any.
func (e *Engine) write(operation string, m *mutation, a answering, updated func(item.Item) item.Item) (any, error) {
	out, err := m.run()
	e.usage.wrote(m.table, operation, out.used)
	if err != nil {
		return nil, err
	}
	answer := writeAnswer{ConsumedCapacity: out.used.shown(m.table.name, a.ReturnConsumedCapacity)}
	switch a.ReturnValues {
	case returnAllOld:
		answer.Attributes = image(out.old)
	case returnAllNew:
		answer.Attributes = image(out.next)
	case returnUpdatedOld:
		answer.Attributes = some(updated(image(out.old)))
	case returnUpdatedNew:
		answer.Attributes = some(updated(image(out.next)))
	}
	return answer, nil
}

// some is the item, or nil if it has no attributes.
func some(it item.Item) item.Item {
	if len(it) == 0 {
		return nil
	}
	return it
}
