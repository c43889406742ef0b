// Chaos runs the local stack with every fault switched on, while many watchers follow what is
// written. It checks each watcher for the promise: every change once and in order, or a plain word
// to start over and then the current state of the table. At the end, clients leave and rejoin
// topics, and the last request of each must count. Everything is drawn from seeds, which are
// printed.
//
// A run counts how often invocations and messages really overtook each other. It fails if one of
// these ways never happened, because it then proves too little.
//
// With --hostile one watcher in ten does all it can against the others. The promise to the others
// stays the same.
//
// With --crowd all watch one topic. Its audience has shards and lanes of 20, which double as
// watchers come.
//
// With --wander one watcher in four changes between WebSocket, Server-Sent Events, long polls and
// plain GETs after every few changes, and keeps one cursor. The service may only refuse for a time.
// The run fails if one of the faults of HTTP never happened, or one way was never taken.
//
// With --webhooks nobody watches, and the changes are delivered to receivers that fail, time out, answer
// late, want to be left alone or are down. The promise to them: every change at least once, each topic
// in order, a repeated message with the same id and body. Their times are shorter than the service's.
//
//	go run ./localstack/chaos [--hostile | --wander | --crowd | --webhooks] [--seeds 20] [--first 1] [--watchers 200] [--changes 10000]
//	                          [--faults …] [--mutant NAME] [--soak 30m]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/shared/build"
	"github.com/watchroute/watchroute/shared/flags"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // what the stack reports is what is meant to happen
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		stop()
		os.Exit(1)
	}
}

// harsh is every kind of fault, the rarer ones more often than by default: a run is
// short.
const harsh = "all,kill=0.03,abandon=0.03,duplicate=0.2,delay=0.1,bisect=0.1,partial=0.1,reslice=0.3,reappear=0.2,redeliver=0.2,post-timeout=0.001," +
	"lose-frame=0.005,drop-socket=0.001,overtake=0.3,split-shard=0.5,forget=1,pause-dynamodb=0.15,slow-dynamodb=0.05,cut-off=0.002,late-write=0.05," +
	"http-429=0.03,http-500=0.03,http-502=0.03,http-504=0.03,tear-stream=0.03,idle-cut=0.02,kill-hold=0.1,stale-read=0.3"

// livePause is the pause between two changes of a writer where wanderers are to catch a mutant. It
// keeps them near the heads of topics, even on a slow machine.
const livePause = 100 * time.Millisecond

// hookPause is the pause between two changes of a writer where they are delivered to webhooks, so
// that messages do not have all of them.
const hookPause = 25 * time.Millisecond

// hookFaults are other rates for deliveries. A message that a queue has shown ten times is set aside,
// which must not happen by chance.
const hookFaults = ",reappear=0.1,redeliver=0.05"

// command does what the flags say.
func command(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("chaos", flag.ContinueOnError)
	s := settings{root: ".", topics: 20, writers: 8, patience: 2 * time.Minute}
	seeds := set.Int("seeds", 20, "how many `seeds` to run")
	first := set.Uint64("first", 1, "the first `seed`")
	set.IntVar(&s.watchers, "watchers", 200, "how many `watchers`, of two topics each")
	set.BoolVar(&s.hostile, "hostile", false, "let one watcher in ten be hostile")
	set.BoolVar(&s.wander, "wander", false, "let one watcher in four change between WebSocket, SSE, long poll and GET")
	set.BoolVar(&s.crowd, "crowd", false, "let all watch one topic, with shards and lanes of "+crowdBound)
	set.StringVar(&s.browser, "browser", "", "let the watchers be clients of shared/browser, which `run in` node or chromium")
	set.BoolVar(&s.webhooks, "webhooks", false, "let the watchers be receivers of webhooks")
	set.IntVar(&s.changes, "changes", 10_000, "how many `changes` over 20 topics")
	plan := set.String("faults", harsh, "`faults`, as go run ./localstack takes them")
	mutant := set.String("mutant", "", "break the service on purpose and expect to be told so: "+mutantNames())
	mutated := set.Bool("mutated", false, "this is the mutant: succeed when a promise is broken")
	soakTime := set.Duration("soak", 0, "write at 200 changes a second for this `time` instead, and watch the memory")
	if err := flags.Parse(set, args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if s.webhooks {
		s.interval = hookPause
		*plan += hookFaults
	}
	var err error
	if s.plan, err = fault.Parse(*plan); err != nil {
		return err
	}
	if *mutant != "" {
		return runMutant(ctx, *mutant, args)
	}
	if s.build, err = os.MkdirTemp("", "watchroute-chaos-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.build)
	if *soakTime > 0 {
		return soak(ctx, s, *first, *soakTime)
	}
	if err := build.Functions(ctx, s.root, s.build, build.Host(), os.Stderr); err != nil {
		return err
	}
	if *mutated {
		s.hasty = true
		switch {
		case s.wander:
			s.interval = livePause
		case s.webhooks:
			s.patience = time.Minute // what is lost does not come later
		}
		return expectBroken(ctx, s, *first, *seeds)
	}
	return runSeeds(ctx, s, *first, *seeds)
}

// runSeeds runs one seed after another. The error is a broken promise.
func runSeeds(ctx context.Context, s settings, first uint64, seeds int) error {
	fmt.Printf("%d seeds, each with %d watchers of two topics%s and %d changes of %d topics\n", seeds, s.watchers, s.shape(), s.changes, s.topics)
	total, broken := map[fault.Kind]int64{}, 0
	overlaps := map[fault.Overlap]int64{}
	for seed := first; seed < first+uint64(seeds); seed++ {
		r, err := chaos(ctx, s, seed)
		if err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
		r.print(seed)
		broken += len(r.broken)
		for kind, n := range r.faults {
			total[kind] += n
		}
		for overlap, n := range r.overlaps {
			overlaps[overlap] += n
		}
	}
	fmt.Println("faults injected:")
	printFaults(total)
	printOverlaps(overlaps)
	if broken > 0 {
		return fmt.Errorf("%d watchers saw something else than the promise", broken)
	}
	fmt.Println("nothing lost, nothing repeated, nothing out of order")
	return nil
}

// expectBroken runs seeds, each of which is to break a promise.
func expectBroken(ctx context.Context, s settings, first uint64, seeds int) error {
	for seed := first; seed < first+uint64(seeds); seed++ {
		r, err := chaos(ctx, s, seed)
		if err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
		r.print(seed)
		if len(r.broken) == 0 {
			return fmt.Errorf("not caught by seed %d", seed)
		}
	}
	fmt.Printf("caught by each of %d seeds\n", seeds)
	return nil
}

// brokenShown bounds the broken promises that are printed of a run.
const brokenShown = 5

func (r result) print(seed uint64) {
	var faults int64
	for _, n := range r.faults {
		faults += n
	}
	fmt.Printf("seed %-3d %6.1f s   %d deliveries   %d faults   %d broken promises\n", seed, r.took.Seconds(), r.deliveries, faults, len(r.broken))
	fmt.Printf("    the clients   %s\n", r.tally)
	if r.post.received > 0 {
		fmt.Printf("    receivers     %s\n", r.post)
	}
	if r.journey.counts != nil {
		fmt.Printf("    wanderers     %s\n", r.journey)
	}
	if r.mischief.sent > 0 {
		fmt.Printf("    hostile ones  %s\n", r.mischief)
	}
	for _, overlap := range slices.Sorted(maps.Keys(r.overlaps)) {
		fmt.Printf("    %6d × %s\n", r.overlaps[overlap], overlap)
	}
	for _, err := range r.broken[:min(len(r.broken), brokenShown)] {
		fmt.Println("    BROKEN       ", err)
	}
}

// printOverlaps prints how often each dangerous overlap really happened.
func printOverlaps(counts map[fault.Overlap]int64) {
	fmt.Println("overlaps that happened:")
	for _, overlap := range slices.Sorted(maps.Keys(counts)) {
		fmt.Printf("  %-40s %d\n", overlap, counts[overlap])
	}
}

func printFaults(counts map[fault.Kind]int64) {
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		fmt.Printf("  %-15s %d\n", kind, counts[kind])
	}
}
