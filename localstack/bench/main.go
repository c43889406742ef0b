// Bench measures the local stack as a user meets it: a child process, reached over
// loopback by real WebSockets and the AWS SDK. Its figures are this machine's, and
// say nothing about AWS.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"github.com/watchroute/watchroute/shared/build"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	work := run
	if slices.Contains(os.Args[1:], "mallory") {
		work = mallory // who is a process of her own
	}
	if err := work(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "watchroute-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := functions(ctx, dir); err != nil {
		return err
	}
	if err := build.Function(ctx, ".", "localstack", dir, build.Host()); err != nil {
		return err
	}
	for _, watchers := range []int{1, 100, 1_000} {
		if err := measure(ctx, filepath.Join(dir, build.Executable), watchers); err != nil {
			return fmt.Errorf("with %d watchers: %w", watchers, err)
		}
	}
	if err := resume(ctx, filepath.Join(dir, build.Executable)); err != nil {
		return err
	}
	return flood(ctx, dir)
}

// bounds of each measurement.
const (
	burstTime  = 5 * time.Second
	steadyTime = 10 * time.Second
	steadyRate = 20 // changes a second
)

// measure runs every measurement of the stack with one number of watchers.
func measure(ctx context.Context, executable string, watchers int) error {
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
	if err := s.steady(ctx, audience); err != nil {
		return err
	}
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
	began := time.Now()
	if err := s.burst(ctx, a, together, burstTime); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := s.usage(ctx)
	if err != nil {
		return err
	}
	changes := float64(a.delivered()) / float64(len(a.members))
	posts := float64(after.Posts() - before.Posts())
	fmt.Printf("  written %2d at a time            %6.0f deliveries/s, %.2f posts a change and watcher, %d new TCP connections\n",
		together, float64(a.delivered())/took.Seconds(), posts/changes/float64(len(a.members)), after.TCPConnections-before.TCPConnections)
	return nil
}

// steady puts at a fixed rate for a while and prints how long changes take.
func (s *stackProcess) steady(ctx context.Context, a *audience) error {
	took, err := s.latencies(ctx, a, steadyTime)
	if err != nil {
		return err
	}
	fmt.Printf("  PutItem to frame at %d/s         %s\n", steadyRate, took)
	return nil
}

// latencies puts at a fixed rate for a while and gives how long changes take.
func (s *stackProcess) latencies(ctx context.Context, a *audience, duration time.Duration) (latencies, error) {
	a.reset()
	before := s.next
	enough, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	if err := s.putSteadily(ctx, enough.Done()); err != nil {
		return nil, err
	}
	err := a.await(ctx, (s.next-before)*len(a.members))
	return a.takeLatencies(), err
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
