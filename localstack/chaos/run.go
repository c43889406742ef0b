package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/aws/eventbridge"
	"github.com/watchroute/watchroute/localstack/contract"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/issuer"
	"github.com/watchroute/watchroute/localstack/stack"
	"golang.org/x/sync/errgroup"
)

// result is what came of a run.
type result struct {
	tally
	mischief mischief
	faults   map[fault.Kind]int64
	overlaps map[fault.Overlap]int64
	took     time.Duration
	kept     contract.Kept
	broken   []error // promises, at most one of each watcher
}

// run is one stack with its watchers and writers.
type run struct {
	settings
	seed      uint64
	clock     *eventbridge.Hand // of the sweep of deliveries; nil for the machine's
	stack     *stack.Stack
	wire      *wire
	driver    *driver // nil if the clients are in Go
	faults    *fault.Faults
	issuer    issuer.Issuer
	topics    []events.Topic
	ledger    *ledger
	watchers  []*watcher
	office    *office // of receivers
	hostiles  []*hostile
	writers   []*writer
	rejoiners []rejoiner
	// told has the changes told to wanderers that see all of them, and narrowTold those told to the
	// others.
	told, narrowTold told
	// unsubscribed says which rejoiners heard something else than what they last asked for.
	unsubscribed error
}

// newRun starts a stack that is broken by the seed, and makes everyone, who do nothing
// yet.
func newRun(ctx context.Context, s settings, seed uint64) (*run, error) {
	r := &run{settings: s, seed: seed, faults: fault.New(s.plan, seed)}
	logs := s.log
	if logs == nil {
		logs = io.Discard
	}
	var err error
	if s.crowd {
		if s.template, err = withSettings(s.root, s.build, map[string]string{"SHARD_SIZE": crowdBound, "MAX_BATCH_POSTS": crowdBound}); err != nil {
			return nil, err
		}
	}
	if s.wander {
		if s.template, err = withSettings(s.root, s.build, map[string]string{streamSetting: wanderStream}); err != nil {
			return nil, err
		}
	}
	var origins []string
	if s.browser != "" {
		if r.driver, err = startDriver(ctx, s.root, s.browser); err != nil {
			return nil, err
		}
		if r.driver.origin != "" {
			origins = append(origins, r.driver.origin)
		}
	}
	if s.webhooks {
		if s.template, err = hastyTemplate(s.root, s.build); err != nil {
			return nil, err
		}
		if s.build, err = buildHasty(ctx, s); err != nil {
			return nil, err
		}
		r.clock = eventbridge.NewHand(time.Now())
	}
	if r.wire, err = newWire(); err != nil {
		r.close()
		return nil, err
	}
	o := stack.Options{
		Built: true, Clock: r.schedules(),
		Addr: "127.0.0.1:0", Root: s.root, BuildDir: s.build, Template: s.template, Log: logs, Logger: slog.New(slog.DiscardHandler),
		Shards: 4, MaxProcesses: processes(s), StreamRetention: s.streamRetention, Faults: r.faults, AllowOrigins: origins,
		Gateway: apigateway.Options{Account: apigateway.Throttle{Rate: -1}, Logger: slog.New(slog.DiscardHandler)},
	}
	r.wire.watch(&o)
	r.stack, err = stack.Start(ctx, o)
	if err != nil {
		r.close()
		return nil, err
	}
	for n := range s.topics {
		r.topics = append(r.topics, events.Topic(fmt.Sprintf("chaos/%d", n)))
	}
	r.ledger = newLedger(r.topics)
	random := rand.New(rand.NewPCG(seed, 0))
	if r.issuer, err = issuer.Open(ctx, r.stack.URL()); err != nil {
		r.close()
		return nil, err
	}
	db := newDatabase(r.stack)
	for n := range s.writers {
		r.writers = append(r.writers, &writer{number: n, db: db, table: r.stack.Outputs["EventsTable"], ledger: r.ledger, topics: r.topics, enough: r.enough,
			random: rand.New(rand.NewPCG(random.Uint64(), 0))})
	}
	if s.webhooks {
		return r, r.open(random)
	}
	for n := range s.watchers {
		r.add(n, random)
	}
	return r, nil
}

// close ends what the run has started.
func (r *run) close() {
	if r.office != nil {
		r.office.close()
	}
	if r.driver != nil {
		r.driver.stop()
	}
	if r.stack != nil {
		r.stack.Close()
	}
}

// add makes the n-th watcher, which may be a hostile one.
func (r *run) add(n int, random *rand.Rand) {
	topics := r.topics
	wallet := &wallet{issuer: r.issuer, subject: fmt.Sprint("watcher-", n), grant: everything, random: rand.New(rand.NewPCG(random.Uint64(), 0))}
	own := rand.New(rand.NewPCG(random.Uint64(), 0))
	if r.hostile && n%10 == hostileDigit {
		wallet.grant = hostileGrant
		pause := 2 * time.Duration(r.settings.watchers/10) * time.Second / time.Duration(cmp.Or(r.hostileMessages, 10))
		r.hostiles = append(r.hostiles, &hostile{url: r.stack.WebSocketURL(), wallet: wallet, random: own, others: topics, pause: pause})
		return
	}
	habit, second := habitOf(n), n+7
	if r.wander && n%4 == wanderRest {
		habit, second = wandering, n+1 // one stream brings both topics, so they must differ
	}
	first := topics[n%len(topics)]
	if r.crowd {
		first, topics = topics[0], topics[1:]
	}
	told, narrow := &r.told, n%8 == wanderRest
	if narrow {
		told = &r.narrowTold
	}
	checkers := []*checker{newChecker(first), newChecker(topics[second%len(topics)])}
	latest := habit != wandering && own.IntN(3) == 0 // of both topics, which may be the same
	for _, k := range checkers {
		k.latest = latest
	}
	r.watchers = append(r.watchers, &watcher{url: r.stack.WebSocketURL(), rest: r.stack.HTTPURL(), told: told, narrow: narrow, wallet: wallet, habit: habit, random: own, driver: r.driver, checkers: checkers})
}

// party is somebody to whom the promise is made: a watcher, or a receiver of webhooks.
type party interface {
	name() string
	run(ctx context.Context, written <-chan struct{})
	begun() bool
	complete(*ledger) bool
	progress() int64
	broken() error         // the first broken promise
	verdict(*ledger) error // the same, at the end
	tally(*tally)
}

// parties are all watchers and receivers.
func (r *run) parties() []party {
	var all []party
	for _, w := range r.watchers {
		all = append(all, w)
	}
	if r.office != nil {
		for _, one := range r.office.receivers {
			all = append(all, one)
		}
	}
	return all
}

// chaos runs to the end: everyone watches, all is written, all is seen or the
// patience is over. The error is a run that proves nothing.
func chaos(ctx context.Context, s settings, seed uint64) (result, error) {
	r, err := newRun(ctx, s, seed)
	if err != nil {
		return result{}, err
	}
	defer r.close()
	more := r.rejoin
	if s.webhooks {
		more = r.interrupt
	}
	began := time.Now()
	err = r.watched(ctx, func() error { return r.writeAll(ctx) }, func() error { return more(ctx) })
	res := r.result(time.Since(began))
	if err == nil && s.webhooks {
		var given error
		if given, err = r.givenUp(ctx); given != nil {
			res.broken = append(res.broken, given)
		}
	}
	if err == nil && len(res.broken) == 0 {
		err = cmp.Or(proves(res.overlaps), r.provesHTTP())
	}
	if usage := r.stack.Usage(); err == nil && s.crowd && usage.Lambda.Functions["Push"].Invocations < 2 {
		err = errors.New("push was never invoked twice, so this run proves too little")
	}
	return res, err
}

// writeAll writes what a run is to have, and then some more if the functions did not get in
// each other's way yet.
func (r *run) writeAll(ctx context.Context) error {
	err := r.write(ctx, r.changes/r.settings.writers, r.interval)
	if r.hasty && r.webhooks {
		return err // a mutant may write in another way, which is not seen as an overlap
	}
	for range moreWrites {
		overlaps := r.overlaps()
		delete(overlaps, fault.Overtaken) // comes later
		if err != nil || proves(overlaps) == nil && len(r.unmet()) == 0 {
			break
		}
		err = r.write(ctx, writesMore, writeSlowly)
	}
	return err
}

// How much more is written, at most: so many times, so many changes of each writer.
const (
	moreWrites  = 40
	writesMore  = 20
	writeSlowly = 50 * time.Millisecond
)

// watched has everyone watch while something is written, and until they have seen all
// of it or the patience is over; then they leave. If all was seen, more is done before.
func (r *run) watched(ctx context.Context, write, more func() error) error {
	watching, leave := context.WithCancel(ctx)
	defer leave()
	written := make(chan struct{})
	var watchers sync.WaitGroup
	for _, w := range r.parties() {
		watchers.Go(func() { w.run(watching, written) })
	}
	for _, h := range r.hostiles {
		watchers.Go(func() { h.run(watching) })
	}
	err := r.await(ctx, "watching", party.begun)
	if err == nil {
		err = write()
	}
	close(written)
	if err == nil {
		err = r.end(ctx, more)
	}
	time.Sleep(grace)
	leave()
	watchers.Wait()
	return err
}

// end waits for the watchers to have seen all, does more if they have, and waits again. If the
// patience is over, the verdicts say what is missing.
func (r *run) end(ctx context.Context, more func() error) error {
	atEnd := func() error {
		return r.await(ctx, "at the end", func(w party) bool { return w.complete(r.ledger) })
	}
	err := atEnd()
	if err == nil && !r.anyBroken() {
		if err := more(); err != nil {
			return err
		}
		err = atEnd()
	}
	if errors.Is(err, errPatience) {
		return nil
	}
	return err
}

// grace is how long is waited for what must not come any more.
const grace = time.Second

// errPatience ends a wait that took too long.
var errPatience = errors.New("not in time")

// await waits until something holds for every watcher, and as long as any of them gets on.
// One whose promise is broken is not waited for.
func (r *run) await(ctx context.Context, what string, holds func(party) bool) error {
	var seen int64
	limit := time.Now().Add(10 * r.patience)
	if r.hasty && !r.wander { // a client that does not heal gets missing changes with its next connection, and continues for long
		limit = time.Now().Add(r.patience)
	}
	for deadline := time.Now(); ; {
		waiting := 0
		for _, w := range r.parties() {
			if w.broken() == nil && !holds(w) {
				waiting++
			}
		}
		if now := r.progress(); now != seen {
			seen, deadline = now, time.Now().Add(r.patience)
		}
		switch {
		case waiting == 0 || r.enough():
			return nil
		case time.Now().After(deadline) || time.Now().After(limit):
			return fmt.Errorf("%d watchers are not %s: %w", waiting, what, errPatience)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// progress grows with what watchers see.
func (r *run) progress() (sum int64) {
	sum = 1
	for _, w := range r.parties() {
		sum += w.progress()
	}
	return sum
}

// enough reports whether a hasty run is over.
func (r *run) enough() bool { return r.hasty && r.anyBroken() }

func (r *run) anyBroken() bool {
	return slices.ContainsFunc(r.parties(), func(w party) bool { return w.broken() != nil })
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
	res := result{faults: r.faults.Counts(), overlaps: r.overlaps(), took: took, kept: r.wire.Kept()}
	early := r.enough() // then nobody had the time to see all
	for _, w := range r.parties() {
		w.tally(&res.tally)
		err := w.broken()
		if !early {
			err = w.verdict(r.ledger)
		}
		if err != nil {
			res.broken = append(res.broken, fmt.Errorf("%s: %w", w.name(), err))
		}
	}
	if err := r.wire.broken(); err != nil {
		res.broken = append(res.broken, err)
	}
	if r.unsubscribed != nil {
		res.broken = append(res.broken, r.unsubscribed)
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
