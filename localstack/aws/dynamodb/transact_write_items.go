package dynamodb

import (
	"cmp"
	"context"
	"fmt"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
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
	ConsumedCapacity      []*consumedCapacity `json:",omitempty"`
	ItemCollectionMetrics collections         `json:",omitempty"`
}

// transactWriteItems does all its writes or none, at one moment. With a
// ClientRequestToken it does them once, however often it is called in 10 minutes.
func (e *Engine) transactWriteItems(_ context.Context, in *transactWriteItemsInput) (any, error) {
	parts, err := in.check()
	if err != nil {
		return nil, err
	}
	var answer transactWriteItemsAnswer
	run := func() (used, reads bill, err error) {
		used, reads, answer.ItemCollectionMetrics, err = in.run(e, parts)
		return used, reads, err
	}
	if in.ClientRequestToken == nil || *in.ClientRequestToken == "" {
		used, _, err := run()
		answer.ConsumedCapacity = used.wrote(in.ReturnConsumedCapacity)
		return answer, err
	}
	done, err := e.tokens.once(*in.ClientRequestToken, in.fingerprint(), e.now, run)
	if err != nil {
		return nil, err
	}
	if !done.repeated {
		answer.ConsumedCapacity = done.wrote.wrote(in.ReturnConsumedCapacity)
		return answer, nil
	}
	e.bill("TransactWriteItems", done.reads, e.usage.read)
	return transactWriteItemsAnswer{ConsumedCapacity: done.reads.read(in.ReturnConsumedCapacity)}, nil
}

// check checks the request against the API's model and gives its parts.
func (in *transactWriteItemsInput) check() ([]part, error) {
	var c constraints
	a := answering{ReturnConsumedCapacity: in.ReturnConsumedCapacity, ReturnItemCollectionMetrics: in.ReturnItemCollectionMetrics}
	a.check(&c)
	if t := in.ClientRequestToken; t != nil {
		c.length("clientRequestToken", *t, len(*t), 0, maxTokenLength)
	}
	checkTransaction(&c, len(in.TransactItems))
	parts := make([]part, len(in.TransactItems))
	var failed error
	for i := range in.TransactItems {
		p, name, err := in.TransactItems[i].part()
		if err != nil {
			failed = cmp.Or(failed, err)
			continue
		}
		p.check(&c, fmt.Sprintf("transactItems.%d.member.%s.", i+1, name))
		parts[i] = p
	}
	return parts, cmp.Or(c.err(), failed)
}

// bill counts what a transaction consumed on each table.
func (e *Engine) bill(operation string, used bill, count func(*table, string, capacity)) {
	for t, c := range used {
		count(t, operation, *c)
	}
}

// run carries the transaction out. It tells what it consumed, also if it was
// cancelled, and what reading its items would, which is the price of a repetition.
func (in *transactWriteItemsInput) run(e *Engine, parts []part) (used, reads bill, metrics collections, err error) {
	mutations, err := e.mutations(parts)
	if err != nil {
		return nil, nil, nil, err
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
			m.commit(&outcomes[i])
		}
		return nil
	})
	used, reads = bill{}, bill{}
	for i, out := range outcomes {
		used.add(mutations[i].table, out.used, transactional)
		reads.add(mutations[i].table, capacity{table: readUnits(sizeOf(out.next), true)}, transactional)
		metrics.add(in.ReturnItemCollectionMetrics, mutations[i].table, out)
	}
	e.bill("TransactWriteItems", used, e.usage.wrote)
	return used, reads, metrics, err
}

// evaluateAll works out what every mutation comes to. The caller holds the locks
// of all their tables.
func evaluateAll(mutations []*mutation) ([]outcome, error) {
	outcomes, reasons := make([]outcome, len(mutations)), make([]reason, len(mutations))
	failed := false
	for i, m := range mutations {
		out, err := m.evaluate()
		why, ok := reasonOf(err)
		if !ok {
			return nil, err
		}
		outcomes[i], reasons[i] = out, why
		failed = failed || err != nil
	}
	if failed {
		return outcomes, cancelled(reasons)
	}
	return outcomes, nil
}

// mutations reads all parts before it looks up the first table.
func (e *Engine) mutations(parts []part) ([]*mutation, error) {
	mutations, subjects := make([]*mutation, len(parts)), make([]*subject, len(parts))
	sent := 0
	for i, p := range parts {
		m, err := p.read()
		if err != nil {
			return nil, err
		}
		mutations[i], subjects[i] = m, &m.subject
		sent += m.sent
	}
	if sent > maxTransactionBytes {
		return nil, errSentTooMuch
	}
	return mutations, e.locateAll(subjects)
}

// part gives the one write that this is, and the name of its member.
func (w *transactWriteItem) part() (p part, name string, err error) {
	count := 0
	take := func(there bool, one part, member string) {
		if there {
			p, name = one, member
			count++
		}
	}
	take(w.ConditionCheck != nil, w.ConditionCheck, "conditionCheck")
	take(w.Put != nil, w.Put, "put")
	take(w.Update != nil, (*transactedUpdate)(w.Update), "update")
	take(w.Delete != nil, w.Delete, "delete")
	switch count {
	case 0:
		err = invalid("Invalid Request: TransactWriteRequest should contain Delete or Put or Update request")
	case 1:
	default:
		err = invalid("TransactItems can only contain one of Check, Put, Update or Delete")
	}
	return p, name, err
}

// transactedUpdate is an update that must have an expression.
type transactedUpdate update

func (u *transactedUpdate) check(c *constraints, at string) {
	c.require(at+"updateExpression", u.UpdateExpression != nil)
	(*update)(u).check(c, at)
}

func (u *transactedUpdate) read() (*mutation, error) { return (*update)(u).read() }

func (k *conditionCheck) check(c *constraints, at string) {
	c.table(at+"tableName", k.TableName)
	c.require(at+"key", k.Key != nil)
	c.require(at+"conditionExpression", k.ConditionExpression != nil)
	k.conditional.check(c, at)
}

func (k *conditionCheck) read() (*mutation, error) {
	m := k.keyed(k.TableName, k.Key)
	m.check = true
	return m, k.conditional.into(m)
}
