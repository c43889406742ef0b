package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// quietTime is how long the latency in quiet is measured before an attack.
const quietTime = 5 * time.Second

// measure makes an attack on a stack of its own, and prints what it does to the others and
// what it costs. It is an error if a watcher misses a change, if a function fails, or if
// mallory gets what the service should have bounded.
func (a attack) measure(ctx context.Context, dir string) error {
	return withOthers(ctx, dir, "hostile-"+a.name, func(s *stackProcess, others *audience) error {
		fmt.Printf("\nhostile/%s\n  %s\n%s", a.name, a.what, surroundings(others))
		quiet, err := s.quiet(ctx, others, quietTime)
		if err != nil {
			return err
		}
		fmt.Printf("    in quiet             %s\n", quiet.latencies)
		if a.writes {
			alone, err := s.under(ctx, others, unwatched+a.name)
			if err != nil {
				return err
			}
			fmt.Printf("    her items unwatched  %s\n", alone.latencies)
		}
		attacked, err := s.under(ctx, others, a.name)
		if err != nil {
			return err
		}
		fmt.Printf("    under attack         %s\n", compared(attacked.latencies, quiet.latencies))
		fmt.Printf("    got every change     %d of %d watchers, %d changes\n", others.complete(s.next), len(others.members), attacked.changes)
		cost := attacked.used.without(quiet.used.times(float64(attacked.changes) / float64(quiet.changes)))
		attacked.outcome.print(cost, attacked.processor)
		return errors.Join(attacked.missed, a.unbounded(attacked.outcome, cost))
	})
}

// attacked is a period in which mallory did something.
type attacked struct {
	period
	outcome   *outcome
	processor time.Duration // that her process took
}

// under has mallory do something, once she has prepared it.
func (s *stackProcess) under(ctx context.Context, others *audience, what string) (attacked, error) {
	m, err := s.startMallory(ctx, what)
	if err != nil {
		return attacked{}, err
	}
	defer m.end()
	lines := json.NewDecoder(m.out)
	if err := m.prepared(lines); err != nil {
		return attacked{}, err
	}
	var o *outcome
	p, err := s.during(ctx, others, func() (err error) { o, err = m.attack(lines); return err })
	if err != nil {
		return attacked{}, err
	}
	return attacked{p, o, m.processor()}, nil
}

// print tells what mallory did, what came of it and what it cost beyond what the others
// cost in quiet.
func (o *outcome) print(cost usage, processor time.Duration) {
	fmt.Printf("  mallory\n")
	fmt.Printf("    did                  %d requests and %d items put, answered after %.1f s (%.1f s of processor time in her process)\n", o.Sent, o.Put, o.Took.Seconds(), processor.Seconds())
	if len(o.Notes) > 0 {
		fmt.Printf("    used                 %s\n", strings.Join(o.Notes, ", "))
	}
	fmt.Printf("    was answered         %s\n", o.answers())
	fmt.Printf("    frames marked costly %d\n", o.Costly)
	fmt.Printf("    cost                 %s\n", cost)
}

// unbounded tells what the service should not have let mallory get.
func (a attack) unbounded(o *outcome, cost usage) error {
	var errs []error
	if cost.errors > 0 {
		errs = append(errs, fmt.Errorf("functions failed %.0f times, %.0f of them as their time was over", cost.errors, cost.timeouts))
	}
	if n := o.Answers[noAnswer]; n > 0 {
		errs = append(errs, fmt.Errorf("%d requests have no answer", n))
	}
	if a.excess != nil {
		errs = append(errs, a.excess(o, cost))
	}
	return errors.Join(errs...)
}
