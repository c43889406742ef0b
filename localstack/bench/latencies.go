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
	return fmt.Sprintf("p50 %6.1f ms   p99 %7.1f ms", ms(l.quantile(0.50)), ms(l.quantile(0.99)))
}

// What the others' latency is held to while mallory does what she can: a p99 within three
// times its quiet value, or no more than 20 ms above it. Bench prints whether it is, and
// does not fail if it is not: the machine may be busy with other things.
const (
	goalTimes = 3
	goalAbove = 20 * time.Millisecond
)

// compared are latencies beside those in quiet.
func compared(l, quiet latencies) string {
	p99, before := l.quantile(0.99), quiet.quantile(0.99)
	verdict := "OVER"
	if p99 <= goalTimes*before || p99 <= before+goalAbove {
		verdict = "within"
	}
	return fmt.Sprintf("%s   %s the goal: %.1f times the quiet p99, %+.0f ms", l, verdict, float64(p99)/float64(max(before, 1)), ms(p99-before))
}
