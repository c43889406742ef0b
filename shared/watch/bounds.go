package watch

import (
	"context"

	"github.com/watchroute/watchroute/events"
)

// What one answer may cost, besides what the bounds of names, topics and data imply. Before
// each read that may be large, the answer looks whether it may go on.
const (
	// maxAnswerReads is how many read units an answer may have consumed when it begins
	// another read. That is enough for all that one answer brings of missed changes: 5 MB
	// of data, as much of the states before, and what 10,000 rows have around it.
	maxAnswerReads = 3_500
	// maxListReads is how many an answer may have consumed when it begins to read the topics
	// of another pattern. So there is room for 500 heads and for some of what was missed, and a
	// client with many patterns comes further with every ping.
	maxListReads = 1_500
	// maxReadOnce is the most that a single read consumes: 1 MB, and a row that goes
	// beyond it.
	//
	// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
	maxReadOnce = 256 + 100
)

// Bound is the most that one request may cost.
type Bound struct {
	Reads  int // read units of DynamoDB, of 4 KB
	Writes int // write units, of 1 KB
	Bytes  int // that are sent to the client
}

// What rows take at most, in KB. A connection's row has its topics and a grant, a
// subscription's row has a view, and in it the claim's and the client's part.
const (
	connectionKB   = (events.MaxSubscriptions*(events.MaxTopicBytes+1) + 8<<10) >> 10
	subscriptionKB = 24
)

// sessionReads are the units of reading a connection's row.
const sessionReads = connectionKB/4 + 1

// Bounds are the most that a request of each action may cost, whatever it says and whatever
// is stored. A test tries the worst inputs.
func Bounds() map[string]Bound {
	const subscribing = connectionKB + subscriptionKB + 2
	answer := maxAnswerReads + maxReadOnce
	return map[string]Bound{
		events.ActionSubscribe:   {Reads: 2*sessionReads + 1 + answer, Writes: 2 * subscribing, Bytes: 2 * events.MaxResumeBytes},
		events.ActionUnsubscribe: {Reads: sessionReads, Writes: subscribing},
		events.ActionSnapshot:    {Reads: sessionReads + 1 + maxReadOnce, Bytes: 2 << 20},
		events.ActionPublish:     {Reads: sessionReads, Writes: events.MaxFrameBytes >> 10},
		events.ActionPing:        {Reads: sessionReads + answer, Bytes: 2 * events.MaxResumeBytes},
		events.ActionAuth:        {Reads: 2*sessionReads + events.MaxSubscriptions*subscriptionKB/4, Writes: events.MaxSubscriptions * subscribing},
	}
}

// afford reports whether the answer may begin another read, as it has consumed fewer units
// than most. ErrTooManyRequests means that the subject has spent what it may.
func (a *answer) afford(ctx context.Context, most float64) (bool, error) {
	if err := a.settle(ctx); err != nil {
		return false, err
	}
	reads, _ := a.meter.Units()
	return reads < most, nil
}

// settle charges the subject for what the answer has cost since it was last settled.
func (a *answer) settle(ctx context.Context) error {
	spent := a.meter.spent()
	owed := spent - a.settled
	a.settled = spent
	return a.Allowance.charge(ctx, a.c.Key, owed)
}
