package watch_test

import (
	"context"
	"sync"
	"testing"

	"github.com/watchroute/watchroute/shared/watch"
)

// TestMeterCountsFromManyAtOnce: an answer reads several heads at a time.
func TestMeterCountsFromManyAtOnce(t *testing.T) {
	ctx, meter := watch.Metered(t.Context())
	var calls sync.WaitGroup
	for range 100 {
		calls.Go(func() { watch.MeterOf(ctx).Spend(0.5, 2) })
	}
	calls.Wait()
	if reads, writes := meter.Units(); reads != 50 || writes != 200 {
		t.Errorf("%v reads and %v writes are counted, want 50 and 200", reads, writes)
	}
}

// TestMetersAreOfOneRequest: one within another counts for itself, and without one nothing is
// counted.
func TestMetersAreOfOneRequest(t *testing.T) {
	outerCtx, outer := watch.Metered(t.Context())
	innerCtx, inner := watch.Metered(outerCtx)
	watch.MeterOf(innerCtx).Spend(1, 0)
	watch.MeterOf(context.WithoutCancel(outerCtx)).Spend(0, 1)
	watch.MeterOf(t.Context()).Spend(7, 7)
	if reads, writes := inner.Units(); reads != 1 || writes != 0 {
		t.Errorf("the inner one has %v reads and %v writes", reads, writes)
	}
	if reads, writes := outer.Units(); reads != 0 || writes != 1 {
		t.Errorf("the outer one has %v reads and %v writes", reads, writes)
	}
}
