// Bench measures the local stack as a user meets it: a child process, reached over
// loopback by real WebSockets and the AWS SDK. Its figures are this machine's, and
// say nothing about AWS.
//
//	go run ./localstack/bench [-part NAME]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/watchroute/watchroute/shared/build"
	"github.com/watchroute/watchroute/shared/flags"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// part is something that is measured and printed.
type part struct {
	name    string
	measure func(ctx context.Context, dir string) error // dir holds the executable of the local stack
}

// parts are all of them, in the order in which they are measured.
func parts() []part {
	all := []part{
		{"functions", functions},
		{"deliveries", deliveries},
		{"lanes", lanes},
		{"topics", topics},
		{"crowd/growing", growing},
		{"crowd/gathered", gathered},
		{"resume", resume},
		{"http/gets", gets},
		{"http/resume", resumeByGet},
		{"http/streams", streams},
		{"http/beside", besideStreams},
		{"webhooks", webhooks},
		{"flood", flood},
	}
	for _, a := range attacks() {
		all = append(all, part{"hostile/" + a.name, a.measure})
	}
	return all
}

// command does what the arguments say.
func command(ctx context.Context, args []string) error {
	if len(args) == 2 && args[0] == malloryCommand {
		return mallory(ctx, args[1])
	}
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := set.String("part", "", "measure this `part` alone: "+names(parts())+", or crowd, http or hostile for all below it (default: everything)")
	if err := flags.Parse(set, args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	chosen := choose(*only)
	if len(chosen) == 0 {
		return fmt.Errorf("no part %q: there are %s", *only, names(parts()))
	}
	dir, err := os.MkdirTemp("", "watchroute-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := build.Function(ctx, ".", "localstack", dir, build.Host()); err != nil {
		return err
	}
	return measureAll(ctx, chosen, dir)
}

// partTime bounds a part, so that a part that waits in vain ends with an error.
const partTime = 10 * time.Minute

// measureAll measures one part after another. One that fails does not keep the others
// from being measured.
func measureAll(ctx context.Context, parts []part, dir string) error {
	var failed []error
	for _, p := range parts {
		if err := p.bounded(ctx, dir); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", p.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

// bounded measures the part within partTime.
func (p part) bounded(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, partTime)
	defer cancel()
	return p.measure(ctx, dir)
}

// choose gives the part of a name, the parts below it, or all parts for the empty name.
func choose(name string) []part {
	var chosen []part
	for _, p := range parts() {
		if name == "" || p.name == name || strings.HasPrefix(p.name, name+"/") {
			chosen = append(chosen, p)
		}
	}
	return chosen
}

func names(parts []part) string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
