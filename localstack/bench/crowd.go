package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/watchroute/watchroute/shared/build"
	"golang.org/x/sync/errgroup"
)

const (
	// crowdSize is how many watch one topic. All of their sockets are in this process, and again in
	// the stack's. They fit into the ports of one loopback address, which are 28,232 on Linux.
	crowdSize    = 20_000
	crowdChanges = 200
	// crowdRate is how many changes a second are written to the crowd, and growingRate how many
	// while it gathers.
	crowdRate   = 10
	growingRate = 2
	// joinsAtOnce is how many of the crowd connect at a time. API Gateway lets 500 a second in.
	joinsAtOnce = 32
	// crowdTime bounds the wait for a change to reach the crowd.
	crowdTime = 2 * time.Minute
	// wantedDoublings is how often the shards have to double while the crowd gathers.
	wantedDoublings = 4
)

// growing has a crowd subscribe to a topic while it is written, and writes 200 changes then. It
// prints what these cost. A change that one of the crowd does not get, or gets after a later one,
// is an error.
func growing(ctx context.Context, dir string) error {
	return withCrowd(ctx, dir, func(s *stackProcess, c *crowd) error {
		fmt.Printf("\n%d watchers of one topic, which gather while %d changes a second are written (load average %s)\n", c.size, growingRate, load())
		done, written := make(chan struct{}), make(chan error, 1)
		go func() { written <- s.putEvery(ctx, time.Second/growingRate, done) }()
		err := c.gather(ctx, s)
		close(done)
		if err := errors.Join(err, <-written); err != nil {
			return err
		}
		if err := c.await(ctx, s.next); err != nil {
			return err
		}
		c.takeLatencies()
		if err := c.change(ctx, s, crowdChanges, crowdRate); err != nil {
			return err
		}
		if c.doublings < wantedDoublings {
			return fmt.Errorf("the shards doubled %d times while the crowd gathered, want %d", c.doublings, wantedDoublings)
		}
		return c.verdict()
	})
}

// gathered has a crowd subscribe to a topic that nobody writes, and prints what the first changes
// cost.
func gathered(ctx context.Context, dir string) error {
	return withCrowd(ctx, dir, func(s *stackProcess, c *crowd) error {
		fmt.Printf("\n%d watchers of one topic, which gather before anything is written (load average %s)\n", c.size, load())
		if err := c.gather(ctx, s); err != nil {
			return err
		}
		for range 3 {
			if err := c.change(ctx, s, 1, 1); err != nil {
				return err
			}
		}
		return c.verdict()
	})
}

// withCrowd runs do with a stack, and with a crowd that has not come yet.
func withCrowd(ctx context.Context, dir string, do func(*stackProcess, *crowd) error) error {
	size, err := crowdRoom()
	if err != nil {
		return err
	}
	s, err := startStack(ctx, filepath.Join(dir, build.Executable))
	if err != nil {
		return err
	}
	c := &crowd{size: size}
	defer func() { s.stop(); c.leave() }() // in this order, or all $disconnects would be under way
	return do(s, c)
}

// crowd are many watchers of one topic.
type crowd struct {
	size      int
	watchers  []*onlooker
	doublings int // of the shards, while the crowd gathered
}

// gather connects and subscribes all of the crowd. Meanwhile it looks how many shards there are.
func (c *crowd) gather(ctx context.Context, s *stackProcess) error {
	before, err := s.usage(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	looking, done := make(chan error, 1), make(chan struct{})
	go func() { looking <- c.countDoublings(ctx, s, done) }()
	var tasks errgroup.Group
	tasks.SetLimit(joinsAtOnce)
	for range c.size {
		o := &onlooker{}
		c.watchers = append(c.watchers, o)
		tasks.Go(func() error { return o.join(ctx, s) })
	}
	err = tasks.Wait()
	took := time.Since(began)
	close(done)
	if err = errors.Join(err, <-looking); err != nil {
		return err
	}
	after, err := s.usage(ctx)
	if err != nil {
		return err
	}
	used := after.without(before)
	fmt.Printf("  all subscribed after            %6.1f s, %.0f a second; %.2f read and %.2f write units each\n",
		took.Seconds(), float64(c.size)/took.Seconds(), used.readUnits/float64(c.size), used.writeUnits/float64(c.size))
	fmt.Printf("  shards of subscriptions         %6d, doubled %d times while they subscribed\n", 1<<c.doublings, c.doublings)
	fmt.Printf("  memory of all processes         %6.0f MB (%s)\n", s.memory().total(), s.memory())
	return nil
}

// countDoublings counts how often the shards double until over is closed.
func (c *crowd) countDoublings(ctx context.Context, s *stackProcess, done <-chan struct{}) error {
	for {
		n, err := s.shards(ctx)
		if err != nil {
			return err
		}
		for 1<<c.doublings < n {
			c.doublings++
		}
		select {
		case <-done:
			return nil
		case <-time.After(time.Second):
		}
	}
}

// change writes changes, waits until all of the crowd have them, and prints what that took.
func (c *crowd) change(ctx context.Context, s *stackProcess, changes, rate int) error {
	before, err := s.usage(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for n := range changes {
		if n > 0 {
			<-tick.C
		}
		if err := s.put(ctx, 1); err != nil {
			return err
		}
	}
	if err := c.await(ctx, s.next); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := s.settled(ctx)
	if err != nil {
		return err
	}
	used, per := after.without(before), float64(changes)
	what := fmt.Sprintf("change %d", s.next)
	if changes > 1 {
		what = fmt.Sprintf("%d changes, %d a second", changes, rate)
	}
	fmt.Printf("  %-31s %6.1f s until all have it   %s\n", what, took.Seconds(), c.takeLatencies())
	fmt.Printf("    a change                      %6.1f write and %.0f read units, %.1f messages, %.0f posts (%.2f a watcher), %.0f invocations of push\n",
		used.writeUnits/per, used.readUnits/per, used.messages/per, used.taken/per, used.taken/per/float64(c.size), used.pushes/per)
	fmt.Printf("    fan-out                       %6.0f ms in %.0f batches\n", used.fanoutTime, used.fanouts)
	fullest, shards, lanes, err := s.division(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("    then                          %6d lanes, %d shards, %d subscriptions in the fullest\n", lanes, shards, fullest)
	if used.errors > 0 {
		return fmt.Errorf("functions failed %.0f times, %.0f of them as their time was over", used.errors, used.timeouts)
	}
	return nil
}

// await waits until all of the crowd have all changes up to the last.
func (c *crowd) await(ctx context.Context, last int) error {
	ctx, cancel := context.WithTimeout(ctx, crowdTime)
	defer cancel()
	for {
		behind := 0
		for _, o := range c.watchers {
			if o.last() < int64(last) {
				behind++
			}
		}
		if behind == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%d of %d watchers do not have change %d", behind, c.size, last), c.verdict())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// verdict tells what the crowd should not have got: a change before an earlier one.
func (c *crowd) verdict() error {
	delivered, repeats := 0, 0
	var gaps []string
	for n, o := range c.watchers {
		o.mu.Lock()
		delivered, repeats = delivered+o.delivered, repeats+o.repeats
		if o.gap != "" {
			gaps = append(gaps, fmt.Sprintf("watcher %d %s", n, o.gap))
		}
		o.mu.Unlock()
	}
	if len(gaps) > 0 {
		return fmt.Errorf("%d watchers missed a change: %s", len(gaps), strings.Join(gaps[:min(5, len(gaps))], ", "))
	}
	fmt.Printf("  all of them got every change    %d deliveries in order and without a gap, and %d repeats\n", delivered, repeats)
	return nil
}

func (c *crowd) takeLatencies() (all latencies) {
	for _, o := range c.watchers {
		o.mu.Lock()
		all = append(all, o.latencies...)
		o.latencies = o.latencies[:0]
		o.mu.Unlock()
	}
	return all
}

func (c *crowd) leave() {
	for _, o := range c.watchers {
		if o.conn != nil {
			_ = o.conn.CloseNow()
		}
	}
}
