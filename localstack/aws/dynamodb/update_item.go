package dynamodb

import (
	"context"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/expression"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

type updateItemInput struct {
	legacy
	answering
	update
}

// update is an Update, alone or in a transaction.
type update struct {
	conditional
	TableName        *string
	Key              item.Item
	UpdateExpression *string

	parsed *expression.Update // nil without an expression
}

// updateItem changes attributes of an item, which it makes if there is none and the
// update gives it any. An update without an expression makes the item, if need be, and
// changes nothing.
func (e *Engine) updateItem(_ context.Context, in *updateItemInput) (any, error) {
	m, err := e.prepare(&in.update, in.answering, true)
	if err != nil {
		return nil, err
	}
	return e.write("UpdateItem", m, in.answering, in.update.touched)
}

func (u *update) check(c *constraints, at string) {
	c.table(at+"tableName", u.TableName)
	c.require(at+"key", u.Key != nil)
	u.conditional.check(c, at)
}

func (u *update) read() (*mutation, error) {
	m := u.keyed(u.TableName, u.Key)
	m.update = true
	m.next = u.apply
	s, err := u.scope([]string{"UpdateExpression", "ConditionExpression"}, u.UpdateExpression, u.ConditionExpression)
	if err != nil {
		return nil, err
	}
	if u.UpdateExpression != nil {
		if u.parsed, err = s.Update(*u.UpdateExpression); err != nil {
			return nil, err
		}
		m.changed = u.parsed.Changed()
	}
	if m.condition, err = condition(s, "ConditionExpression", u.ConditionExpression); err != nil {
		return nil, err
	}
	return m, u.finish(m, s)
}

// apply makes the updated item. What only takes away makes none of nothing.
func (u *update) apply(old item.Item) (item.Item, error) {
	switch {
	case old == nil && u.parsed != nil && u.parsed.Removes():
		return nil, nil
	case old == nil:
		old = u.Key
	}
	if u.parsed == nil {
		return old, nil
	}
	return u.parsed.Apply(old)
}

// touched picks what the update's paths lead to out of an item.
func (u *update) touched(it item.Item) item.Item {
	if u.parsed == nil || it == nil {
		return nil
	}
	return u.parsed.Touched(it)
}
