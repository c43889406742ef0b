package dynamodb

import (
	"context"
	"slices"

	"github.com/watchroute/watchroute/localstack/dynamodb/expression"
	"github.com/watchroute/watchroute/localstack/dynamodb/item"
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
	table      *table
	place      place
	projection *expression.Projection
}

// getItem reads an item by its key; without one the answer has no Item.
func (e *Engine) getItem(_ context.Context, in *getItemInput) (any, error) {
	if err := checkReturnCapacity(in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	l, err := in.get.lookup(e)
	if err != nil {
		return nil, err
	}
	var found *row
	if err := l.table.reading(func() { found = l.table.rows.get(l.place) }); err != nil {
		return nil, err
	}
	used := capacity{table: readUnits(sizeOf(found), in.ConsistentRead)}
	e.usage.read(l.table, "GetItem", used)
	return getItemAnswer{
		Item:             apply(l.projection, image(found)),
		ConsumedCapacity: used.shown(l.table.name, in.ReturnConsumedCapacity),
	}, nil
}

// lookup reads the get.
func (g *get) lookup(e *Engine) (l lookup, err error) {
	if l.table, l.place, err = e.locate(g.TableName, g.Key); err != nil {
		return l, err
	}
	l.projection, err = l.table.key.projection(g.ProjectionExpression, g.ExpressionAttributeNames)
	return l, err
}

// projection reads the projection of a request that has no other expression, on a
// table with this key.
func (k key) projection(text *string, names map[string]string) (*expression.Projection, error) {
	p := placeholders{ExpressionAttributeNames: names}
	s, err := p.scope([]string{"ProjectionExpression"}, text)
	if err != nil {
		return nil, err
	}
	projection, err := projected(s, text)
	if err != nil {
		return nil, err
	}
	if err := k.scalar(projection); err != nil {
		return nil, err
	}
	return projection, s.Unused()
}

// scalar refuses a projection of something inside a key attribute: it names the
// attribute, and yet finds nothing in a key.
func (k key) scalar(p *expression.Projection) error {
	if p == nil {
		return nil
	}
	for _, a := range k.attributes() {
		found := p.Apply(item.Item{a.name: item.Value{Kind: a.kind}})
		if len(found) == 0 && slices.Contains(p.Attributes(), a.name) {
			return invalid("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: %s", a.name)
		}
	}
	return nil
}
