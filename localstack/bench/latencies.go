package main

import (
	"fmt"
	"slices"
	"time"
)

// latencies are how long changes took, each to each watcher.
type latencies []time.Duration

// quantile gives 0 if there are none.
func (l latencies) quantile(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l))
	return sorted[int(q*float64(len(l)-1))]
}

func (l latencies) String() string {
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", ms(l.quantile(0.50)), ms(l.quantile(0.99)))
}
