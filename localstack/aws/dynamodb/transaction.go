package dynamodb

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// Limits of a transaction, and what it costs: every item is read or written twice,
// once to prepare and once to commit.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
const (
	maxTransactionItems = 100
	maxTransactionBytes = 4 << 20
	transactional       = 2
)

var (
	// errSentTooMuch is about what a transaction sends, not about what is stored: it may
	// delete more than it could put.
	errSentTooMuch = invalid("Transaction payload size cannot exceed %d bytes", maxTransactionBytes)
	errReadTooMuch = invalid("Collective size of items in transaction exceeds limit of 4 MB")
)

// checkTransaction checks how many items a transaction has.
func checkTransaction(c *constraints, count int) {
	shown := "[]"
	if count > 0 {
		shown = fmt.Sprintf("[%d items]", count)
	}
	c.length("transactItems", shown, count, 1, maxTransactionItems)
}

// locateAll finds the items of a transaction. If something is wrong with one of them the
// transaction is cancelled with the first such reason, before any condition is looked at.
func (e *Engine) locateAll(subjects []*subject) error {
	for _, s := range subjects {
		if err := e.locate(s); err != nil {
			return err
		}
	}
	seen := make(map[target]bool, len(subjects))
	for _, s := range subjects {
		if s.refused == nil && seen[s.target()] {
			return errSameItemTwice
		}
		seen[s.target()] = s.refused == nil
	}
	reasons := make([]reason, len(subjects))
	for i := range reasons {
		reasons[i], _ = reasonOf(nil)
	}
	for i, s := range subjects {
		if s.refused != nil {
			reasons[i], _ = reasonOf(s.refused)
			return cancelled(reasons)
		}
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
	if !ofItem(err) {
		return reason{Code: "None"}, err == nil
	}
	e := err.(*awsjson.Error)
	switch e.Type {
	case conditionFailedType:
		return reason{Code: "ConditionalCheckFailed", Message: e.Message, Item: e.Fields["Item"]}, true
	case errCollection.Type:
		return reason{Code: "ItemCollectionSizeLimitExceeded", Message: e.Message}, true
	}
	return reason{Code: "ValidationError", Message: e.Message}, true
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
