package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/watchroute/watchroute/shared/build"
)

// How long and how fast is written in each measurement.
const (
	burstTime  = 5 * time.Second
	steadyTime = 10 * time.Second // at steadyRate
)

// deliveries prints how fast changes come to few and to many watchers of one topic.
func deliveries(ctx context.Context, dir string) error {
	for _, watchers := range []int{1, 100, 1_000} {
		if err := deliverTo(ctx, filepath.Join(dir, build.Executable), watchers); err != nil {
			return fmt.Errorf("with %d watchers: %w", watchers, err)
		}
	}
	return nil
}

// deliverTo measures with one number of watchers.
func deliverTo(ctx context.Context, executable string, watchers int) error {
	s, err := startStack(ctx, executable)
	if err != nil {
		return err
	}
	audience, err := s.gather(ctx, watchers)
	defer func() { s.stop(); audience.leave() }() // in this order, or a thousand $disconnects would be under way
	if err != nil {
		return err
	}
	if err := s.burst(ctx, audience, 1, time.Second); err != nil { // warms up
		return err
	}
	fmt.Printf("\n%d watchers of one topic, items of 256 bytes (stack ready after %d ms)\n", watchers, s.ready.Milliseconds())
	idle := s.memory()
	for _, together := range []int{1, 10} {
		if err := s.report(ctx, audience, together); err != nil {
			return err
		}
	}
	steady, err := s.quiet(ctx, audience, steadyTime)
	if err != nil {
		return err
	}
	fmt.Printf("  PutItem to frame at %d/s         %s\n", steadyRate, steady.latencies)
	fmt.Printf("  memory of all processes         %6.0f MB after warm-up, %.0f MB at the end (%s)\n", idle.total(), s.memory().total(), s.memory())
	return nil
}

// report bursts and prints what came of it.
func (s *stackProcess) report(ctx context.Context, a *audience, together int) error {
	before, err := s.usage(ctx)
	if err != nil {
		return err
	}
	a.reset()
	began, worked := time.Now(), s.cpuTime()
	if err := s.burst(ctx, a, together, burstTime); err != nil {
		return err
	}
	took, work := time.Since(began), s.cpuTime()-worked
	after, err := s.usage(ctx)
	if err != nil {
		return err
	}
	used := after.without(before)
	changes := float64(a.delivered()) / float64(len(a.members))
	fmt.Printf("  written %2d at a time            %6.0f deliveries/s, %.1f µs of CPU time each (stack and functions), %.2f posts a change and watcher, %d new TCP connections\n",
		together, float64(a.delivered())/took.Seconds(), work.Seconds()*1e6/float64(a.delivered()), used.taken/changes/float64(len(a.members)), int(used.connections))
	return nil
}
