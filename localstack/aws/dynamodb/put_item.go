package dynamodb

import (
	"context"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/expression"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
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
	ReturnItemCollectionMetrics string
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
	Attributes            item.Item          `json:",omitzero"`
	ConsumedCapacity      *consumedCapacity  `json:",omitempty"`
	ItemCollectionMetrics *collectionMetrics `json:",omitempty"`
}

// part is one write: a request of its own, or one of a batch or of a transaction.
type part interface {
	// check adds what breaks the API's model. at is where the part is, with a dot, or "".
	check(c *constraints, at string)
	// read makes the mutation, as far as that needs no table.
	read() (*mutation, error)
}

// putItem puts a whole item in the place of the one with its key, if any.
func (e *Engine) putItem(_ context.Context, in *putItemInput) (any, error) {
	m, err := e.prepare(&in.put, in.answering, false)
	if err != nil {
		return nil, err
	}
	return e.write("PutItem", m, in.answering, nil)
}

// prepare makes the mutation of a request that is one write; only an update answers new
// values.
func (e *Engine) prepare(p part, a answering, update bool) (*mutation, error) {
	var c constraints
	a.check(&c)
	p.check(&c, "")
	if err := c.err(); err != nil {
		return nil, err
	}
	if !update && a.ReturnValues != "" && a.ReturnValues != returnNone && a.ReturnValues != returnAllOld {
		return nil, invalid("ReturnValues can only be ALL_OLD or NONE")
	}
	m, err := p.read()
	if err != nil {
		return nil, err
	}
	return m, e.locateAlone(&m.subject)
}

func (p *put) check(c *constraints, at string) {
	c.table(at+"tableName", p.TableName)
	c.require(at+"item", p.Item != nil)
	p.conditional.check(c, at)
}

func (p *put) read() (*mutation, error) {
	size := p.Item.Size()
	m := &mutation{subject: subject{tableName: p.TableName, given: p.Item, whole: true}, hint: size, sent: size + p.ExpressionAttributeValues.Size()}
	m.next = func(item.Item) (item.Item, error) { return p.Item, nil }
	if err := p.conditional.into(m); err != nil {
		return nil, err
	}
	if size > maxItemBytes {
		return nil, errItemTooLarge
	}
	return m, nil
}

// keyed starts the mutation of an item that is named by its key.
func (c *conditional) keyed(tableName *string, key item.Item) *mutation {
	return &mutation{subject: subject{tableName: tableName, given: key}, sent: key.Size() + c.ExpressionAttributeValues.Size()}
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
	return c.finish(m, s)
}

// finish ends the reading of a write whose expressions are all parsed.
func (c *conditional) finish(m *mutation, s *expression.Scope) error {
	m.showItem = c.ReturnValuesOnConditionCheckFailure == returnAllOld
	m.nested = s.Nested()
	return s.Unused()
}

func (c *conditional) check(to *constraints, at string) {
	to.oneOf(at+"returnValuesOnConditionCheckFailure", c.ReturnValuesOnConditionCheckFailure, returnAllOld, returnNone)
}

func (a *answering) check(c *constraints) {
	checkReturnCapacity(c, a.ReturnConsumedCapacity)
	c.oneOf("returnItemCollectionMetrics", a.ReturnItemCollectionMetrics, metricsSize, metricsNone)
	c.oneOf("returnValues", a.ReturnValues, returnAllNew, returnUpdatedOld, returnAllOld, returnNone, returnUpdatedNew)
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
	if a.ReturnItemCollectionMetrics == metricsSize {
		answer.ItemCollectionMetrics = out.collection
	}
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
