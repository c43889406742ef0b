package mapping

import (
	"context"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/feed"
)

// result is what one invocation did for its records.
type result struct {
	answer Answer
	ran    bool // false: the function did not run
	done   int  // so many records, from the first, need not come again
	// reported says that the function named the record which failed; otherwise
	// it failed as a whole.
	reported bool
}

// deliver brings records to the function until all of them have succeeded or
// are discarded. failures counts the attempts that they have consumed.
func (l *lane) deliver(ctx context.Context, records []feed.Record, failures int) {
	pause := l.o.Backoff
	for ctx.Err() == nil {
		if records = l.discardOld(ctx, records, failures); len(records) == 0 {
			return
		}
		r := l.attempt(ctx, records)
		if r.done > 0 {
			records, pause = records[r.done:], l.o.Backoff
		}
		if len(records) == 0 {
			return
		}
		switch first := l.split(records, r); {
		case !r.ran: // throttled or not there: no attempt
		case first == len(records): // split where the function said: no attempt
			continue
		case first > 0:
			l.deliver(ctx, records[:first], failures)
			records = records[first:]
			continue
		default:
			if failures++; l.m.MaxRetries >= 0 && failures > l.m.MaxRetries {
				l.discard(ctx, records, retriesExhausted, failures, &r.answer)
				return
			}
		}
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, l.o.MaxBackoff)
	}
}

// split gives how many of the records that have to come again make the first
// part if they are bisected: all of them if the split has been made by what
// succeeded before them, none if they cannot be split.
func (l *lane) split(records []feed.Record, r result) int {
	switch {
	case !l.m.Bisect || !r.ran:
		return 0
	case r.done > 0:
		return len(records)
	case r.reported && !l.o.HalveAtFirst:
		return 0
	}
	return len(records) / 2
}

// attempt invokes the function once.
func (l *lane) attempt(ctx context.Context, records []feed.Record) result {
	if EventSize(records) > MaxEvent { // one record alone: it can never be delivered
		return result{ran: true}
	}
	answer, err := l.send(ctx, records)
	if err != nil {
		if ctx.Err() == nil {
			l.o.Logger.Warn("function did not run", "shard", l.shardID, "records", len(records), "err", err)
		}
		return result{}
	}
	r := result{answer: answer, ran: true}
	if !answer.FunctionError {
		r.done, r.reported = l.succeeded(answer.Output, records)
	}
	return r
}

// succeeded reads from the function's answer how many records succeeded.
func (l *lane) succeeded(output []byte, records []feed.Record) (done int, reported bool) {
	if !l.m.ReportBatchItemFailures {
		return len(records), false
	}
	done, err := firstFailure(output, records)
	if err != nil {
		l.o.Logger.Warn("function reported failures in a way that fails the batch", "shard", l.shardID, "err", err)
		return 0, false
	}
	return done, true
}

// discardOld gives up the records that are too old and returns the others.
func (l *lane) discardOld(ctx context.Context, records []feed.Record, failures int) []feed.Record {
	n := 0
	for n < len(records) && time.Since(records[n].Appended) > l.m.MaxRecordAge {
		n++
	}
	if n > 0 {
		l.discard(ctx, records[:n], ageExceeded, failures, nil)
	}
	return records[n:]
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
