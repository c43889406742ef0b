package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/build"
	"github.com/watchroute/watchroute/shared/client"
)

// resumes is how often each resume is measured.
const resumes = 5

// resume prints how long a client that is connected takes to get what it missed.
func resume(ctx context.Context, dir string) error {
	s, err := startStack(ctx, filepath.Join(dir, build.Executable))
	if err != nil {
		return err
	}
	defer s.stop()
	c, err := client.Dial(ctx, "ws://"+s.addr+"/live", client.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Printf("\nresume of missed changes, items of 256 bytes (median of %d)\n", resumes)
	for _, missed := range []int{10, 1_000, 10_000} {
		if err := s.writeTo(ctx, missed); err != nil {
			return err
		}
		var times []time.Duration
		for range resumes {
			took, err := catchUp(ctx, c, int64(missed))
			if err != nil {
				return err
			}
			times = append(times, took)
		}
		slices.Sort(times)
		fmt.Printf("  %6d changes                  %8.1f ms\n", missed, ms(times[len(times)/2]))
	}
	return nil
}

// catchUp resumes from before the first change, and gives the time to the last.
func catchUp(ctx context.Context, c *client.Client, last int64) (time.Duration, error) {
	began := time.Now()
	for event, err := range c.Watch(ctx, topic, client.WatchOptions{After: &events.Cursor{}}) {
		switch {
		case err != nil:
			return 0, err
		case event.Page != nil:
			return 0, fmt.Errorf("resume of %d changes ended in a snapshot", last)
		case event.Cursor.Seq == last:
			return time.Since(began), nil
		}
	}
	return 0, ctx.Err()
}

// writeTo writes until the topic has that many changes, and they are numbered.
func (s *stackProcess) writeTo(ctx context.Context, changes int) error {
	for s.next < changes {
		if err := s.put(ctx, min(100, changes-s.next)); err != nil {
			return err
		}
	}
	return awaitHead(ctx, s.db, topic, changes)
}
