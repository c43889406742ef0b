package fault

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// How long a pause lasts.
const (
	shortestPause = 200 * time.Millisecond
	longestPause  = 1500 * time.Millisecond
	// longestOvertaken is the most that Slow lets an operation wait.
	longestOvertaken = 250 * time.Millisecond
	// How long a process is cut off.
	shortestCut = time.Second
	longestCut  = 5 * time.Second
)

// outage is a pause that is going on.
type outage struct {
	ended  chan struct{}  // closed at its end
	answer *awsjson.Error // what functions are told; nil: everybody waits
}

// pauses are the kinds of outages, of which each is as likely as the others: two in
// three make operations wait.
var pauses = []*awsjson.Error{
	nil, nil, nil, nil,
	brokenDown,
	{Type: "ThrottlingException", Message: "Rate of requests exceeds the allowed throughput."},
}

// brokenDown is DynamoDB's answer for a fault of its own.
var brokenDown = &awsjson.Error{Status: http.StatusInternalServerError, Type: "InternalServerError", Message: "Internal server error"}

// cuts are the processes that are cut off, with the time until which they are.
type cuts struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// cutOff tells whether a process is cut off, which may begin now.
func (f *Faults) cutOff(c *Caller) bool {
	f.cuts.mu.Lock()
	defer f.cuts.mu.Unlock()
	now := time.Now()
	if until, cut := f.cuts.until[c.Process]; cut && now.Before(until) {
		return f.on(CutOff)
	}
	maps.DeleteFunc(f.cuts.until, func(_ string, until time.Time) bool { return now.After(until) })
	if !f.Hit(CutOff) {
		return false
	}
	if f.cuts.until == nil {
		f.cuts.until = map[string]time.Time{}
	}
	f.cuts.until[c.Process] = now.Add(f.Duration(CutOff, shortestCut, longestCut))
	return true
}

// pause may let DynamoDB be out for a while, or until ctx ends.
func (f *Faults) pause(ctx context.Context) {
	if !f.Hit(Pause) {
		return
	}
	o := &outage{ended: make(chan struct{}), answer: pauses[f.IntN(Pause, len(pauses))]}
	f.outage.Store(o)
	sleep(ctx, f.Duration(Pause, shortestPause, longestPause))
	f.outage.Store(nil)
	close(o.ended)
}

// WrapService gives the service with operations that begin when no pause is on, and some of which
// others overtake: Pause, Slow, CutOff, LateWrite and StaleRead. caller gives the calling function
// from an operation's context, or nil for any other caller. An operation always waits to the end:
// as on AWS, it is carried out although its caller has left.
func (f *Faults) WrapService(service *awsjson.Service, caller func(context.Context) *Caller) *awsjson.Service {
	if f == nil {
		return service
	}
	wrapped := *service
	wrapped.Operations = map[string]awsjson.Operation{}
	for name, operation := range service.Operations {
		wrapped.Operations[name] = func(ctx context.Context, body []byte) (any, error) {
			if f.Calm() {
				return operation(ctx, body)
			}
			c := caller(ctx)
			if refused := f.admit(c != nil); refused != nil {
				return nil, refused
			}
			if c == nil {
				return operation(ctx, body)
			}
			if f.cutOff(c) {
				return nil, brokenDown
			}
			if f.Hit(Slow) {
				time.Sleep(f.Duration(Slow, 0, longestOvertaken))
			}
			return f.carryOut(c, name, body, func() (any, error) { return operation(ctx, body) })
		}
	}
	return &wrapped
}

// carryOut carries out an operation of a function's process, late perhaps.
func (f *Faults) carryOut(c *Caller, name string, body []byte, operation func() (any, error)) (any, error) {
	switch name {
	case "TransactWriteItems":
		return f.transact(c, transactionOf(body), operation)
	case "UpdateItem":
		if of, step := stepIn(body); step != nothing {
			return f.step(c, of, step, operation)
		}
		return f.transact(c, moveOf(body), operation)
	case "PutItem":
		f.oversleepRow(c, rowOf(body))
	}
	if before, ok := f.staleRead(name, body); ok {
		return before, nil
	}
	result, err := operation()
	if err == nil {
		f.stale.keep(name, body, result)
	}
	if err == nil {
		for _, item := range read(name, body) {
			f.seen.read(c.Process, item)
		}
	}
	return result, err
}

// admit waits for a pause to be over, unless it gives the answer of one.
func (f *Faults) admit(function bool) *awsjson.Error {
	o := f.outage.Load()
	switch {
	case o == nil:
	case o.answer == nil:
		<-o.ended
	case function && f.on(Pause):
		return o.answer
	}
	return nil
}
