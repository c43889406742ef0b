package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

// steadyRate is how many changes a second are written where their latency is measured.
const steadyRate = 20

// period is a time in which changes are written steadily.
type period struct {
	latencies latencies
	changes   int
	used      usage // from its begin until all watchers have all changes
	missed    error // nil if they have
}

// during writes changes while something is done, and waits until all watchers have them.
func (s *stackProcess) during(ctx context.Context, a *audience, do func() error) (period, error) {
	before, err := s.usage(ctx)
	if err != nil {
		return period{}, err
	}
	a.reset()
	first := s.next
	done, written := make(chan struct{}), make(chan error, 1)
	go func() { written <- s.putEvery(ctx, time.Second/steadyRate, done) }()
	err = do()
	close(done)
	if err := errors.Join(err, <-written); err != nil {
		return period{}, err
	}
	p := period{changes: s.next - first}
	p.missed = a.await(ctx, p.changes*len(a.members))
	p.latencies = a.takeLatencies()
	after, err := s.usage(ctx)
	p.used = after.without(before)
	return p, err
}

// quiet writes changes for a while in which nothing else is done.
func (s *stackProcess) quiet(ctx context.Context, a *audience, d time.Duration) (period, error) {
	p, err := s.during(ctx, a, func() error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return p, errors.Join(err, p.missed)
}

// putEvery writes an item every interval until stop is closed, each on time, however long those
// before it take.
func (s *stackProcess) putEvery(ctx context.Context, interval time.Duration, stop <-chan struct{}) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var puts errgroup.Group
	for {
		select {
		case <-tick.C:
			item := s.item()
			puts.Go(func() error { return s.putItem(ctx, item) })
		case <-stop:
			return puts.Wait()
		}
	}
}
