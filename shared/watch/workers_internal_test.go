package watch

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWorkersRunEverythingWithinTheirBound, and as many at once as they may.
func TestWorkersRunEverythingWithinTheirBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bound, tasks = 8, 100
		var ran, running, most atomic.Int32
		w := newWorkers(bound)
		began := time.Now()
		for range tasks {
			w.do(func() {
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(time.Second)
				running.Add(-1)
				ran.Add(1)
			})
		}
		w.wait()
		if ran.Load() != tasks || most.Load() != bound || time.Since(began) != 13*time.Second {
			t.Errorf("%d ran, %d at once, in %v", ran.Load(), most.Load(), time.Since(began))
		}
		newWorkers(bound).wait() // with nothing to do
	})
}
