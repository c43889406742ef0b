package fault

import (
	"context"

	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
)

// WrapQueue is the Wrap of a queue's mapping: Delay, Reappear and Redeliver. A FIFO queue accepts a
// message only once within its deduplication interval, but may deliver it twice.
func (f *Faults) WrapQueue(ctx context.Context, d mapping.QueueDelivery) (mapping.Answer, error) {
	if f.Hit(Delay) && !sleep(ctx, f.Duration(Delay, 0, longestDelay)) {
		return mapping.Answer{}, ctx.Err()
	}
	if f.Hit(Reappear) && f.shown(Reappear, d) && !sleep(ctx, f.Duration(Reappear, 0, longestDelay)) {
		return mapping.Answer{}, ctx.Err()
	}
	answer, err := d.Invoke(ctx)
	if err == nil && !answer.FunctionError && complete(answer.Output) && f.Hit(Redeliver) && f.shown(Redeliver, d) {
		answer.FunctionError, answer.Output = true, []byte(untrue)
	}
	return answer, err
}

// shown shows a batch again, and reports whether that was possible. If not, the fault did not
// happen.
func (f *Faults) shown(kind Kind, d mapping.QueueDelivery) bool {
	if d.Show() != nil {
		f.Miss(kind)
		return false
	}
	return true
}
