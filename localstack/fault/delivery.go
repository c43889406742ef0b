package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
)

const (
	// longestDelay is the most that Delay lets a batch wait.
	longestDelay = 500 * time.Millisecond
	// mostRepeated is how many records Reslice puts before a batch, at most: a batch by
	// Lambda's default.
	mostRepeated = 100
)

// untrue replaces a success by a function error.
const untrue = `{"errorType":"Fault","errorMessage":"the function succeeded, but the fault reports a failure"}`

// lane disturbs the deliveries of one lane of a shard, which come one after the other.
type lane struct {
	*Faults
	next   mapping.Delivery
	before []stream.Record // the latest that were delivered, at most mostRepeated
}

// WrapDelivery is a mapping's Wrap: Delay, Reslice, Duplicate, Bisect and Partial.
func (f *Faults) WrapDelivery(_ string, next mapping.Delivery) mapping.Delivery {
	return (&lane{Faults: f, next: next}).deliver
}

func (l *lane) deliver(ctx context.Context, records []stream.Record) (mapping.Answer, error) {
	if l.Hit(Delay) && !sleep(ctx, l.Duration(Delay, 0, longestDelay)) {
		return mapping.Answer{}, ctx.Err()
	}
	batch := append(l.repeated(records), records...)
	if l.Hit(Duplicate) {
		go func() { _, _ = l.next(ctx, batch) }() // nobody waits for a poller that is thought dead
	}
	answer, err := l.next(ctx, batch)
	if err != nil {
		return answer, err
	}
	return l.spoiled(answer, records), nil
}

// repeated gives the records to put before a batch, none if it is left as it is.
func (l *lane) repeated(records []stream.Record) []stream.Record {
	earlier := l.earlier(records[0].SequenceNumber)
	l.before = latest(append(earlier, records...))
	if len(earlier) == 0 || !l.Hit(Reslice) {
		return nil
	}
	tail := earlier[l.IntN(Reslice, len(earlier)):]
	for len(tail) > 0 && mapping.EventSize(tail)+mapping.EventSize(records) > mapping.MaxEvent {
		tail = tail[1:]
	}
	if len(tail) == 0 {
		l.Miss(Reslice)
	}
	return tail[:len(tail):len(tail)]
}

// earlier gives what was delivered and is before a sequence number. What is not is the
// batch itself, coming again.
func (l *lane) earlier(number string) []stream.Record {
	n := 0
	for n < len(l.before) && l.before[n].SequenceNumber < number {
		n++
	}
	return l.before[:n:n]
}

func latest(records []stream.Record) []stream.Record {
	return records[max(0, len(records)-mostRepeated):]
}

// spoiled gives the answer that the mapping sees for the records.
func (l *lane) spoiled(answer mapping.Answer, records []stream.Record) mapping.Answer {
	switch {
	case answer.FunctionError:
	case l.Hit(Bisect):
		answer.FunctionError = true
		answer.Output = []byte(untrue)
	case complete(answer.Output) && l.Hit(Partial):
		first := records[l.IntN(Partial, len(records))].SequenceNumber
		answer.Output = fmt.Appendf(nil, `{"batchItemFailures":[{"itemIdentifier":%q}]}`, first)
	}
	return answer
}

// complete tells whether the answer reports no record as failed: another report in
// place of one that does would make failed records pass for done.
func complete(output []byte) bool {
	var report struct {
		Failures []json.RawMessage `json:"batchItemFailures"`
	}
	return len(output) == 0 || json.Unmarshal(output, &report) == nil && len(report.Failures) == 0
}

// sleep waits for d; false if ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
