package dynamodb

import (
	"context"
	"maps"
	"slices"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/expression"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// Limits of BatchGetItem.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
const (
	maxBatchGets     = 100
	maxBatchGetBytes = 16 << 20
)

type batchGetItemInput struct {
	RequestItems           map[string]*keysAndAttributes
	ReturnConsumedCapacity string
}

type keysAndAttributes struct {
	AttributesToGet          []string          `json:",omitempty"`
	Keys                     []item.Item       `json:",omitempty"`
	ConsistentRead           bool              `json:",omitempty"`
	ProjectionExpression     *string           `json:",omitempty"`
	ExpressionAttributeNames map[string]string `json:",omitempty"`
}

type batchGetItemAnswer struct {
	Responses        map[string]itemList
	UnprocessedKeys  map[string]*keysAndAttributes
	ConsumedCapacity []*consumedCapacity `json:",omitempty"`
}

// tableGets are the gets of a batch on one table.
type tableGets struct {
	name       string // as the request has it
	asked      *keysAndAttributes
	table      *table
	locations  []location
	projection *expression.Projection
	nested     []string // attributes that the projection looks into
}

// batchGetItem reads many items, each on its own: the batch is no snapshot.
// What exceeds 16 MB comes back as UnprocessedKeys.
func (e *Engine) batchGetItem(_ context.Context, in *batchGetItemInput) (any, error) {
	gets, err := in.prepare(e)
	if err != nil {
		return nil, err
	}
	answer := batchGetItemAnswer{Responses: map[string]itemList{}, UnprocessedKeys: map[string]*keysAndAttributes{}}
	used, room := bill{}, maxBatchGetBytes
	for _, g := range gets {
		if room, err = g.run(room, &answer, used); err != nil {
			return nil, err
		}
	}
	for t, c := range used {
		e.usage.read(t, "BatchGetItem", *c)
	}
	answer.ConsumedCapacity = used.shown(in.ReturnConsumedCapacity)
	return answer, nil
}

func (in *batchGetItemInput) prepare(e *Engine) ([]*tableGets, error) {
	names := slices.Sorted(maps.Keys(in.RequestItems))
	var c constraints
	checkReturnCapacity(&c, in.ReturnConsumedCapacity)
	c.tables("requestItems", names)
	if err := c.err(); err != nil {
		return nil, err
	}
	count := 0
	for _, name := range names {
		if asked := in.RequestItems[name]; asked == nil || len(asked.Keys) == 0 {
			return nil, invalid("The list of keys in RequestItems for BatchGetItem is required: %s has empty list", name)
		}
		count += len(in.RequestItems[name].Keys)
	}
	if count > maxBatchGets {
		return nil, invalid("Too many items requested for the BatchGetItem call")
	}
	var gets []*tableGets
	for _, name := range names {
		g, err := in.RequestItems[name].read(name)
		if err != nil {
			return nil, err
		}
		gets = append(gets, g)
	}
	for _, g := range gets {
		if err := g.locate(e); err != nil {
			return nil, err
		}
	}
	return gets, nil
}

// read makes the gets, as far as that needs no table.
func (k *keysAndAttributes) read(name string) (g *tableGets, err error) {
	if k.AttributesToGet != nil {
		return nil, refusedLegacy("AttributesToGet")
	}
	g = &tableGets{name: name, asked: k}
	if g.projection, g.nested, err = projecting(k.ProjectionExpression, k.ExpressionAttributeNames); err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(k.Keys))
	for _, key := range k.Keys {
		text := string(key.AppendJSON(nil))
		if seen[text] {
			return nil, errDuplicateKeys
		}
		seen[text] = true
	}
	return g, nil
}

// locate finds the table and the locations of the items.
func (g *tableGets) locate(e *Engine) error {
	for _, key := range g.asked.Keys {
		s := subject{tableName: &g.name, given: key, nested: g.nested}
		if err := e.locateAlone(&s); err != nil {
			return err
		}
		g.table = s.table
		g.locations = append(g.locations, s.location)
	}
	return nil
}

// run reads the items as long as there is room for them, and tells how much is
// left.
func (g *tableGets) run(room int, answer *batchGetItemAnswer, used bill) (int, error) {
	items := itemList{}
	for i, at := range g.locations {
		var found *row
		if err := g.table.reading(func() { found = g.table.rows.get(at) }); err != nil {
			return room, err
		}
		if sizeOf(found) > room {
			rest := *g.asked
			rest.Keys = rest.Keys[i:]
			answer.UnprocessedKeys[g.name] = &rest
			room = 0
			break
		}
		room -= sizeOf(found)
		used.add(g.table, capacity{table: readUnits(sizeOf(found), g.asked.ConsistentRead)}, 1)
		if found != nil {
			items = append(items, apply(g.projection, found.item))
		}
	}
	answer.Responses[g.name] = items
	return room, nil
}
