package dynamodb

import (
	"context"
	"fmt"

	"github.com/watchroute/watchroute/localstack/dynamodb/item"
)

// maxTokenLength is how long a ClientRequestToken may be.
const maxTokenLength = 36

type transactWriteItemsInput struct {
	TransactItems               []transactWriteItem
	ClientRequestToken          *string
	ReturnConsumedCapacity      string
	ReturnItemCollectionMetrics string
}

type transactWriteItem struct {
	ConditionCheck *conditionCheck
	Put            *put
	Update         *update
	Delete         *deletion
}

// conditionCheck is a write that changes nothing and fails unless its condition
// holds.
type conditionCheck struct {
	conditional
	TableName *string
	Key       item.Item
}

type transactWriteItemsAnswer struct {
	ConsumedCapacity []*consumedCapacity `json:",omitempty"`
}

// transactWriteItems does all its writes or none, at one moment. With a
// ClientRequestToken it does them once, however often it is called in 10 minutes.
func (e *Engine) transactWriteItems(_ context.Context, in *transactWriteItemsInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.ClientRequestToken == nil || *in.ClientRequestToken == "" {
		used, _, err := in.run(e)
		return transactWriteItemsAnswer{used.wrote(in.ReturnConsumedCapacity)}, err
	}
	done, err := e.tokens.once(*in.ClientRequestToken, in.fingerprint(), e.now, func() (bill, bill, error) { return in.run(e) })
	if err != nil {
		return nil, err
	}
	if !done.repeated {
		return transactWriteItemsAnswer{done.wrote.wrote(in.ReturnConsumedCapacity)}, nil
	}
	e.bill("TransactWriteItems", done.reads, e.usage.read)
	return transactWriteItemsAnswer{done.reads.read(in.ReturnConsumedCapacity)}, nil
}

func (in *transactWriteItemsInput) check() error {
	a := answering{ReturnConsumedCapacity: in.ReturnConsumedCapacity, ReturnItemCollectionMetrics: in.ReturnItemCollectionMetrics}
	if err := a.check(false); err != nil {
		return err
	}
	if t := in.ClientRequestToken; t != nil && len(*t) > maxTokenLength {
		return constraint("'"+*t+"'", "clientRequestToken", fmt.Sprintf("Member must have length less than or equal to %d", maxTokenLength))
	}
	return checkTransaction(len(in.TransactItems))
}

// bill counts what a transaction consumed on each table.
func (e *Engine) bill(operation string, used bill, count func(*table, string, capacity)) {
	for t, c := range used {
		count(t, operation, *c)
	}
}

// run carries the transaction out. It tells what it consumed, also if it was
// cancelled, and what reading its items would, which is the price of a repetition.
func (in *transactWriteItemsInput) run(e *Engine) (used, reads bill, err error) {
	mutations, err := in.mutations(e)
	if err != nil {
		return nil, nil, err
	}
	tables := make([]*table, 0, len(mutations))
	for _, m := range mutations {
		tables = append(tables, m.table)
	}
	var outcomes []outcome
	err = together(tables, (*table).writing, func() (err error) {
		if outcomes, err = evaluateAll(mutations); err != nil {
			return err
		}
		for i, m := range mutations {
			m.commit(outcomes[i])
		}
		return nil
	})
	used, reads = bill{}, bill{}
	for i, out := range outcomes {
		used.add(mutations[i].table, out.used, transactional)
		reads.add(mutations[i].table, capacity{table: readUnits(sizeOf(out.next), true)}, transactional)
	}
	e.bill("TransactWriteItems", used, e.usage.wrote)
	return used, reads, err
}

// evaluateAll works out what every mutation comes to. The caller holds the locks
// of all their tables.
func evaluateAll(mutations []*mutation) ([]outcome, error) {
	outcomes, reasons := make([]outcome, len(mutations)), make([]reason, len(mutations))
	failed, size := false, 0
	for i, m := range mutations {
		out, err := m.evaluate()
		why, ok := reasonOf(err)
		if !ok {
			return nil, err
		}
		outcomes[i], reasons[i] = out, why
		failed = failed || err != nil
		size += max(sizeOf(out.old), sizeOf(out.next))
	}
	switch {
	case failed:
		return outcomes, cancelled(reasons)
	case size > maxTransactionBytes:
		return outcomes, errTransactionTooLarge
	}
	return outcomes, nil
}

func (in *transactWriteItemsInput) mutations(e *Engine) ([]*mutation, error) {
	mutations := make([]*mutation, 0, len(in.TransactItems))
	seen := make(map[target]bool, len(in.TransactItems))
	for i := range in.TransactItems {
		m, err := in.TransactItems[i].mutation(e, i+1)
		if err != nil {
			return nil, err
		}
		if seen[m.target()] {
			return nil, errSameItemTwice
		}
		seen[m.target()] = true
		mutations = append(mutations, m)
	}
	return mutations, nil
}

// mutation reads one write of a transaction, the number'th.
func (w *transactWriteItem) mutation(e *Engine, number int) (*mutation, error) {
	var build []func(*Engine) (*mutation, error)
	if w.ConditionCheck != nil {
		build = append(build, func(e *Engine) (*mutation, error) { return w.ConditionCheck.mutation(e, number) })
	}
	if w.Put != nil {
		build = append(build, w.Put.mutation)
	}
	if w.Update != nil {
		build = append(build, func(e *Engine) (*mutation, error) { return w.Update.transacted(e, number) })
	}
	if w.Delete != nil {
		build = append(build, w.Delete.mutation)
	}
	switch len(build) {
	case 0:
		return nil, invalid("Invalid Request: TransactWriteRequest should contain Delete or Put or Update request")
	case 1:
		return build[0](e)
	}
	return nil, invalid("TransactItems can only contain one of Check, Put, Update or Delete")
}

// transacted is the mutation of an update that must have an expression.
func (u *update) transacted(e *Engine, number int) (*mutation, error) {
	if u.UpdateExpression == nil {
		return nil, missing(fmt.Sprintf("transactItems.%d.member.update.updateExpression", number))
	}
	return u.mutation(e)
}

func (c *conditionCheck) mutation(e *Engine, number int) (*mutation, error) {
	if c.ConditionExpression == nil {
		return nil, missing(fmt.Sprintf("transactItems.%d.member.conditionCheck.conditionExpression", number))
	}
	m, err := e.keyed(c.TableName, c.Key)
	if err != nil {
		return nil, err
	}
	m.check = true
	return m, c.conditional.into(m)
}
