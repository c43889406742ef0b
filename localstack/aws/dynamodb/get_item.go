package dynamodb

import (
	"context"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/expression"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

type getItemInput struct {
	legacy
	get
	ConsistentRead         bool
	ReturnConsumedCapacity string
}

// get is a Get, alone or in a transaction.
type get struct {
	TableName                *string
	Key                      item.Item
	ProjectionExpression     *string
	ExpressionAttributeNames map[string]string
}

type getItemAnswer struct {
	Item             item.Item         `json:",omitzero"`
	ConsumedCapacity *consumedCapacity `json:",omitempty"`
}

// lookup is a get made ready: which item, and what of it.
type lookup struct {
	subject
	projection *expression.Projection
}

// getItem reads an item by its key; without one the answer has no Item.
func (e *Engine) getItem(_ context.Context, in *getItemInput) (any, error) {
	l, err := in.prepare(e)
	if err != nil {
		return nil, err
	}
	var found *row
	if err := l.table.reading(func() { found = l.table.rows.get(l.location) }); err != nil {
		return nil, err
	}
	used := capacity{table: readUnits(sizeOf(found), in.ConsistentRead)}
	e.usage.read(l.table, "GetItem", used)
	return getItemAnswer{
		Item:             apply(l.projection, image(found)),
		ConsumedCapacity: used.shown(l.table.name, in.ReturnConsumedCapacity),
	}, nil
}

func (in *getItemInput) prepare(e *Engine) (*lookup, error) {
	var c constraints
	checkReturnCapacity(&c, in.ReturnConsumedCapacity)
	in.get.check(&c, "")
	if err := c.err(); err != nil {
		return nil, err
	}
	l, err := in.get.read()
	if err != nil {
		return nil, err
	}
	return l, e.locateAlone(&l.subject)
}

func (g *get) check(c *constraints, at string) {
	c.table(at+"tableName", g.TableName)
	c.require(at+"key", g.Key != nil)
}

// read makes the lookup, as far as that needs no table.
func (g *get) read() (*lookup, error) {
	l := &lookup{subject: subject{tableName: g.TableName, given: g.Key}}
	var err error
	l.projection, l.nested, err = projecting(g.ProjectionExpression, g.ExpressionAttributeNames)
	return l, err
}

// projecting reads the projection of a request that has no other expression, and which
// attributes it looks into.
func projecting(text *string, names map[string]string) (p *expression.Projection, nested []string, err error) {
	holders := placeholders{ExpressionAttributeNames: names}
	s, err := holders.scope([]string{"ProjectionExpression"}, text)
	if err != nil {
		return nil, nil, err
	}
	if p, err = projected(s, text); err != nil {
		return nil, nil, err
	}
	return p, s.Nested(), s.Unused()
}
