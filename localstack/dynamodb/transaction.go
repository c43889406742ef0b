package dynamodb

import (
	"cmp"
	"slices"

	"github.com/watchroute/watchroute/localstack/awsjson"
)

// Limits of a transaction, and what it costs: every item is read or written twice,
// once to prepare and once to commit.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
const (
	maxTransactionItems = 100
	maxTransactionBytes = 4 << 20
	transactional       = 2
)

var errTransactionTooLarge = invalid("Collective size of items in transaction exceeds limit of 4 MB")

// target is which item a request is about.
type target struct {
	table *table
	place place
}

func (m *mutation) target() target { return target{m.table, m.place} }

// checkTransaction checks how many items a transaction has.
func checkTransaction(count int) error {
	switch {
	case count == 0:
		return constraint("'[]'", "transactItems", "Member must have length greater than or equal to 1")
	case count > maxTransactionItems:
		return invalid("1 validation error detected: Value '[%d items]' at 'transactItems' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", count, maxTransactionItems)
	}
	return nil
}

// together runs f while every one of the tables is locked by lock, each once and
// in the order of their numbers, so that two transactions never wait for each other.
func together(tables []*table, lock func(*table, func() error) error, f func() error) error {
	tables = slices.Clone(tables)
	slices.SortFunc(tables, func(a, b *table) int { return cmp.Compare(a.number, b.number) })
	for _, t := range slices.Backward(slices.Compact(tables)) {
		inner := f
		f = func() error { return lock(t, inner) }
	}
	return f()
}

// reason says what a transaction's write came to, when the transaction failed.
type reason struct {
	Code    string
	Message string `json:",omitempty"`
	Item    any    `json:",omitempty"`
}

// reasonOf translates the error a write would have on its own; nil is the reason
// of a write that would have succeeded.
func reasonOf(err error) (reason, bool) {
	e, ok := err.(*awsjson.Error)
	if !ok {
		return reason{Code: "None"}, err == nil
	}
	switch e.Type {
	case "ConditionalCheckFailedException":
		return reason{Code: "ConditionalCheckFailed", Message: e.Message, Item: e.Fields["Item"]}, true
	case "ValidationException":
		return reason{Code: "ValidationError", Message: e.Message}, true
	case errCollection.Type:
		return reason{Code: "ItemCollectionSizeLimitExceeded", Message: e.Message}, true
	}
	return reason{}, false
}

// cancelled is the answer to a transaction that failed, with a reason for each of
// its writes.
func cancelled(reasons []reason) error {
	text := "Transaction cancelled, please refer cancellation reasons for specific reasons ["
	for i, r := range reasons {
		if i > 0 {
			text += ", "
		}
		text += r.Code
	}
	e := awsjson.Errorf("TransactionCanceledException", "%s]", text)
	e.Fields = map[string]any{"CancellationReasons": reasons}
	return e
}

// read shows the bill of a transaction of reads, which names the units' kind.
func (b bill) read(asked string) []*consumedCapacity {
	shown := b.shown(asked)
	for _, c := range shown {
		c.ReadCapacityUnits = c.CapacityUnits
	}
	return shown
}

// wrote shows the bill of a transaction of writes, which names the units' kind.
func (b bill) wrote(asked string) []*consumedCapacity {
	shown := b.shown(asked)
	for _, c := range shown {
		c.WriteCapacityUnits = c.CapacityUnits
	}
	return shown
}
