package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/watchroute/watchroute/events"
)

// floodCommand has mallory flood.
const floodCommand = "flood"

// flood prints how long changes take while mallory sends as much as she can, beside how
// long they take in quiet, and what she is answered. It is an error if she is not limited,
// or if a watcher misses a change; how long changes take is not.
func flood(ctx context.Context, dir string) error {
	return withOthers(ctx, dir, floodCommand, func(s *stackProcess, a *audience) error {
		fmt.Printf("\nflood: one client sends as much as it can\n%s", surroundings(a))
		quiet, err := s.quiet(ctx, a, steadyTime)
		if err != nil {
			return err
		}
		fmt.Printf("    in quiet                              %s\n", quiet.latencies)
		return s.flooded(ctx, a, quiet)
	})
}

// flooded has mallory flood while changes are written.
func (s *stackProcess) flooded(ctx context.Context, a *audience, quiet period) error {
	m, err := s.startMallory(ctx, floodCommand)
	if err != nil {
		return err
	}
	defer m.end()
	var all latencies
	var limited error
	flooded, err := s.during(ctx, a, func() error {
		all, limited = follow(m.out, a)
		return m.cmd.Wait()
	})
	if err != nil {
		return err
	}
	flooded.latencies = append(all, flooded.latencies...)
	fmt.Printf("    all of it                             %s\n", compared(flooded.latencies, quiet.latencies))
	fmt.Printf("    got every change                      %d of %d watchers, %d changes\n", a.complete(s.next), len(a.members), flooded.changes)
	fmt.Printf("  mallory's process took %.1f s of processor time; %.0f posts were throttled\n", m.processor().Seconds(), flooded.used.refused)
	return errors.Join(limited, flooded.missed)
}

// follow prints each part of the flood when it is over, and gives how long all changes
// took meanwhile. The error is a part that is not limited.
func follow(parts io.Reader, a *audience) (all latencies, err error) {
	for lines := json.NewDecoder(parts); ; {
		o := newOutcome("")
		if lines.Decode(o) != nil {
			return all, err // her exit tells if she failed
		}
		took := a.takeLatencies()
		all = append(all, took...)
		fmt.Printf("    while she sends %6d %-10s %4.1f s %s   she is answered %s\n", o.Sent, o.Name, o.Took.Seconds(), took, o.answers())
		err = errors.Join(err, o.limited())
	}
}

// mostConnects is what one subject may have at most: the stack's default MaxConnections,
// and a few that came at the same moment as the last of them.
const mostConnects = 100 + 10

// limited is an error unless the service or API Gateway refused what was too much.
func (o *outcome) limited() error {
	held := false
	switch o.Name {
	case "connects":
		held = o.Answers["101"] <= mostConnects && o.Answers["429"] > 0
	case "subscribes":
		held = o.Answers["subscribed"] <= subscribers*events.MaxSubscriptions &&
			o.Answers[string(events.CodeTooManySubscriptions)] > 0 && o.tooMany() > 0
	case "messages":
		held = o.tooMany() > 0
	}
	if !held {
		return fmt.Errorf("flood of %s is not limited", o.Name)
	}
	return nil
}
