package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/apigateway"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/issuer"
	"github.com/watchroute/watchroute/localstack/stack"
	"golang.org/x/sync/errgroup"
)

// settings say how large a run is.
type settings struct {
	root     string // the module's folder
	build    string // takes the functions' executables
	template string // a file; the module's if empty
	plan     fault.Plan
	watchers int
	hostile  bool // one watcher in ten is
	// hostileMessages are how many a second all hostile watchers send together; 10 if 0. One
	// may keep a function busy for a second where two processors do everything; on AWS each
	// function would have its own.
	hostileMessages int
	changes         int
	topics          int
	writers         int
	patience        time.Duration // for the watchers to have seen all, once all is written

	progress        io.Writer     // of building the functions; nobody is told if nil
	log             io.Writer     // what the functions write; dropped if nil
	streamRetention time.Duration // AWS's if 0
}

// shape names what is not as usual.
func (s settings) shape() string {
	if s.hostile {
		return ", one in ten of them hostile,"
	}
	return ""
}

// result is what came of a run.
type result struct {
	tally
	mischief mischief
	faults   map[fault.Kind]int64
	overlaps map[fault.Overlap]int64
	took     time.Duration
	broken   []error // promises, at most one of each watcher
}

// run is one stack with its watchers and writers.
type run struct {
	settings
	stack    *stack.Stack
	faults   *fault.Faults
	ledger   *ledger
	watchers []*watcher
	hostiles []*hostile
	writers  []*writer
}

// newRun starts a stack that is broken by the seed, and makes everyone, who do nothing
// yet.
func newRun(ctx context.Context, s settings, seed uint64) (*run, error) {
	r := &run{settings: s, faults: fault.New(s.plan, seed)}
	logs := s.log
	if logs == nil {
		logs = io.Discard
	}
	var err error
	r.stack, err = stack.Start(ctx, stack.Options{
		Addr: "127.0.0.1:0", Root: s.root, BuildDir: s.build, Template: s.template, Progress: s.progress, Log: logs, Logger: slog.New(slog.DiscardHandler),
		Shards: 4, MaxProcesses: 8, StreamRetention: s.streamRetention, Faults: r.faults,
		Gateway: apigateway.Options{Account: apigateway.Throttle{Rate: -1}, Logger: slog.New(slog.DiscardHandler)},
	})
	if err != nil {
		return nil, err
	}
	var topics []events.Topic
	for n := range s.topics {
		topics = append(topics, events.Topic(fmt.Sprintf("chaos/%d", n)))
	}
	r.ledger = newLedger(topics)
	random := rand.New(rand.NewPCG(seed, 0))
	tokens, err := issuer.Open(ctx, r.stack.URL())
	if err != nil {
		r.stack.Close()
		return nil, err
	}
	db := newDatabase(r.stack)
	for n := range s.writers {
		r.writers = append(r.writers, &writer{number: n, db: db, table: r.stack.Outputs["EventsTable"], ledger: r.ledger, topics: topics,
			random: rand.New(rand.NewPCG(random.Uint64(), 0))})
	}
	for n := range s.watchers {
		r.add(n, tokens, topics, random)
	}
	return r, nil
}

// add makes the n-th watcher, which may be a hostile one.
func (r *run) add(n int, tokens issuer.Issuer, topics []events.Topic, random *rand.Rand) {
	wallet := &wallet{issuer: tokens, subject: fmt.Sprint("watcher-", n), grant: everything, random: rand.New(rand.NewPCG(random.Uint64(), 0))}
	own := rand.New(rand.NewPCG(random.Uint64(), 0))
	if r.hostile && n%10 == hostileDigit {
		wallet.grant = hostileGrant
		pause := 2 * time.Duration(r.settings.watchers/10) * time.Second / time.Duration(cmp.Or(r.hostileMessages, 10))
		r.hostiles = append(r.hostiles, &hostile{url: r.stack.WebSocketURL(), wallet: wallet, random: own, others: topics, pause: pause})
		return
	}
	r.watchers = append(r.watchers, &watcher{url: r.stack.WebSocketURL(), wallet: wallet, habit: habitOf(n), random: own,
		checkers: []*checker{newChecker(topics[n%len(topics)]), newChecker(topics[(n+7)%len(topics)])}})
}

// hostileDigit ends the numbers of the watchers that are hostile, if any are.
const hostileDigit = 9

// habitOf lets one watcher in ten have each of the habits, and the rest be steady.
func habitOf(n int) habit {
	if h := habit(n % 10); h < habits {
		return h
	}
	return steady
}

// chaos runs to the end: everyone watches, all is written, all is seen or the
// patience is over. The error is a run that proves nothing.
func chaos(ctx context.Context, s settings, seed uint64) (result, error) {
	r, err := newRun(ctx, s, seed)
	if err != nil {
		return result{}, err
	}
	defer r.stack.Close()
	began := time.Now()
	err = r.watched(ctx, func() error { return r.write(ctx, s.changes/s.writers, 0) })
	return r.result(time.Since(began)), err
}

// watched has everyone watch while something is written, and until they have seen all
// of it or the patience is over; then they leave.
func (r *run) watched(ctx context.Context, write func() error) error {
	watching, leave := context.WithCancel(ctx)
	defer leave()
	written := make(chan struct{})
	var watchers sync.WaitGroup
	for _, w := range r.watchers {
		watchers.Go(func() { w.run(watching, written) })
	}
	for _, h := range r.hostiles {
		watchers.Go(func() { h.run(watching) })
	}
	err := r.await(ctx, "watching", (*watcher).begun)
	if err == nil {
		err = write()
	}
	close(written)
	if err == nil {
		err = r.await(ctx, "at the end", func(w *watcher) bool { return w.complete(r.ledger) })
		if errors.Is(err, errPatience) {
			err = nil // the verdicts say what is missing
		}
	}
	time.Sleep(grace)
	leave()
	watchers.Wait()
	return err
}

// grace is how long is waited for what must not come any more.
const grace = time.Second

// errPatience ends a wait that took too long.
var errPatience = errors.New("not in time")

// await waits until something holds for every watcher. One whose promise is broken
// is not waited for.
func (r *run) await(ctx context.Context, what string, holds func(*watcher) bool) error {
	for deadline := time.Now().Add(r.patience); ; {
		waiting := 0
		for _, w := range r.watchers {
			if w.broken() == nil && !holds(w) {
				waiting++
			}
		}
		switch {
		case waiting == 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%d watchers are not %s: %w", waiting, what, errPatience)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// write has every writer make n changes, one in each interval unless that is 0.
func (r *run) write(ctx context.Context, n int, interval time.Duration) error {
	var writing errgroup.Group
	for _, w := range r.writers {
		writing.Go(func() error { return w.write(ctx, n, interval) })
	}
	return writing.Wait()
}

// result is the verdict on all watchers, who must have left.
func (r *run) result(took time.Duration) result {
	res := result{faults: r.faults.Counts(), overlaps: r.faults.Overlaps(), took: took}
	for _, w := range r.watchers {
		w.tally(&res.tally)
		if err := w.verdict(r.ledger); err != nil {
			res.broken = append(res.broken, fmt.Errorf("%s: %w", w.wallet.subject, err))
		}
	}
	for _, h := range r.hostiles {
		did, err := h.verdict()
		res.mischief.add(did)
		if err != nil {
			res.broken = append(res.broken, fmt.Errorf("%s, who is hostile: %w", h.wallet.subject, err))
		}
	}
	return res
}
