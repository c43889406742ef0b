package dynamodb

import (
	"context"

	"github.com/watchroute/watchroute/localstack/dynamodb/expression"
	"github.com/watchroute/watchroute/localstack/dynamodb/item"
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

// updateItem changes attributes of an item, which it makes if there is none. An
// update without an expression makes the item, if need be, and changes nothing.
func (e *Engine) updateItem(_ context.Context, in *updateItemInput) (any, error) {
	if err := in.answering.check(true); err != nil {
		return nil, err
	}
	m, err := e.prepare(in.update.mutation)
	if err != nil {
		return nil, err
	}
	return e.write("UpdateItem", m, in.answering, in.update.touched)
}

// mutation reads the update.
func (u *update) mutation(e *Engine) (*mutation, error) {
	m, err := e.keyed(u.TableName, u.Key)
	if err != nil {
		return nil, err
	}
	m.update = true
	if err := u.parse(m); err != nil {
		return nil, err
	}
	m.refused = u.keepsKey(m.table.key)
	m.next = u.apply
	return m, u.show(m)
}

func (u *update) parse(m *mutation) error {
	s, err := u.scope([]string{"UpdateExpression", "ConditionExpression"}, u.UpdateExpression, u.ConditionExpression)
	if err != nil {
		return err
	}
	if u.UpdateExpression != nil {
		if u.parsed, err = s.Update(*u.UpdateExpression); err != nil {
			return err
		}
	}
	if m.condition, err = condition(s, "ConditionExpression", u.ConditionExpression); err != nil {
		return err
	}
	return s.Unused()
}

// keepsKey refuses an update of an attribute of the table's key. Reading one is fine.
func (u *update) keepsKey(k key) error {
	if u.parsed == nil {
		return nil
	}
	changed := u.parsed.Touched(u.Key)
	for _, a := range k.attributes() {
		if _, ok := changed[a.name]; ok {
			return invalidParameter("Cannot update attribute %s. This attribute is part of the key", a.name)
		}
	}
	return nil
}

// apply makes the updated item.
func (u *update) apply(old item.Item) (item.Item, error) {
	if old == nil {
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
