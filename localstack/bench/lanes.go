package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/watchroute/watchroute/shared/build"
)

const (
	few  = 5
	many = 5_000
	// The bounds for the few watchers: how many times longer they may wait while the topic of the
	// many is written.
	laneTimesP50 = 3
	laneTimesP99 = 8
)

// lanes prints how long the few watchers of one topic wait while another topic with many watchers
// is written as often.
func lanes(ctx context.Context, dir string) error {
	small, err := startStack(ctx, filepath.Join(dir, build.Executable))
	if err != nil {
		return err
	}
	large := small.about("bench/large")
	a, err := small.gather(ctx, few)
	var b *audience
	if err == nil {
		b, err = large.gather(ctx, many)
	}
	defer func() {
		small.stop()
		for _, audience := range []*audience{a, b} {
			if audience != nil {
				audience.leave()
			}
		}
	}()
	if err != nil {
		return err
	}
	for range 20 { // until there are enough lanes
		if err := large.put(ctx, 1); err != nil {
			return err
		}
		if err := b.await(ctx, large.next*many); err != nil {
			return err
		}
	}
	if _, err := large.quiet(ctx, b, burstTime); err != nil { // and until there are enough processes
		return err
	}
	quiet, err := small.quiet(ctx, a, steadyTime)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d watchers of one topic, %d of another, each with %d changes a second (load average %s)\n", few, many, steadyRate, load())
	fmt.Printf("  the few, while nothing else is written    %s\n", quiet.latencies)
	var beside period
	busy, err := large.during(ctx, b, func() (err error) {
		beside, err = small.quiet(ctx, a, steadyTime)
		return err
	})
	if err = errors.Join(err, busy.missed); err != nil {
		return err
	}
	p50 := float64(beside.latencies.quantile(0.5)) / float64(quiet.latencies.quantile(0.5))
	p99 := float64(beside.latencies.quantile(0.99)) / float64(quiet.latencies.quantile(0.99))
	verdict := "within"
	if p50 > laneTimesP50 || p99 > laneTimesP99 {
		verdict = "OVER"
	}
	fmt.Printf("  the few, while the other is written       %s   %s the goal: %.1f times the quiet p50, %.1f times the p99\n", beside.latencies, verdict, p50, p99)
	fmt.Printf("  the many                                  %s   all %d deliveries of %d changes, %.2f posts a change and watcher\n",
		busy.latencies, len(busy.latencies), busy.changes, busy.used.taken/float64(busy.changes*many))
	return nil
}
