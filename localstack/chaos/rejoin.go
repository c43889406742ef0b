package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/fault"
	"golang.org/x/sync/errgroup"
)

// How clients leave topics and join them again, once all is written and seen.
const (
	rejoinRounds = 5
	mostRounds   = 30 // if no message has overtaken another
	fewestRejoin = 9  // rejoiners, or one for ten watchers
	// prompt is how soon a change is heard by who is subscribed. Who is not, and asks by a
	// ping, hears of it after two minutes.
	prompt = 30 * time.Second
)

// rejoiner leaves a topic and joins it again, several times at once.
type rejoiner interface {
	// rejoin does so, and returns when all of it has been answered. The error is a broken promise.
	rejoin(ctx context.Context) error
	// hears waits for a change that was made since, if it is subscribed. The error is a broken
	// promise.
	hears(ctx context.Context, seq int64) error
	// silent is a broken promise if it has heard a change though it is not subscribed.
	silent(seq int64) error
	close()
}

// rejoin lets clients leave and rejoin topics while messages overtake each other and nothing
// is lost. Then each topic gets a change, which those hear promptly, and only those, whose last
// request was to subscribe. The error is a run that proves nothing.
func (r *run) rejoin(ctx context.Context) error {
	r.faults.Only(fault.Overtake, fault.Slow)
	if err := r.join(ctx); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	defer func() { _ = each(r.rejoiners, func(_ int, j rejoiner) error { j.close(); return nil }) }()
	for round := 0; round < rejoinRounds || round < mostRounds && r.faults.Overlaps()[fault.Overtaken] == 0; round++ {
		if r.unsubscribed = each(r.rejoiners, func(_ int, j rejoiner) error { return j.rejoin(ctx) }); r.unsubscribed != nil {
			return ctx.Err()
		}
		for _, topic := range r.topics {
			if err := r.writers[0].one(topic); err != nil {
				return err
			}
		}
		broken := each(r.rejoiners, func(n int, j rejoiner) error { return j.hears(ctx, r.ledger.total(r.topicOf(n))) })
		time.Sleep(grace)
		silent := each(r.rejoiners, func(n int, j rejoiner) error { return j.silent(r.ledger.total(r.topicOf(n))) })
		if r.unsubscribed = errors.Join(broken, silent); r.unsubscribed != nil {
			return ctx.Err()
		}
	}
	return nil
}

// each does something with all rejoiners at once.
func each(all []rejoiner, do func(n int, j rejoiner) error) error {
	errs := make([]error, len(all))
	var doing sync.WaitGroup
	for n, j := range all {
		doing.Go(func() { errs[n] = do(n, j) })
	}
	doing.Wait()
	return errors.Join(errs...)
}

// join makes and connects the rejoiners: some use the Go client, some send requests that are
// numbered, and some requests that are not.
func (r *run) join(ctx context.Context) error {
	var joining errgroup.Group
	r.rejoiners = make([]rejoiner, max(fewestRejoin, r.settings.watchers/10))
	for n := range r.rejoiners {
		random := rand.New(rand.NewPCG(r.seed, uint64(n)))
		wallet := &wallet{issuer: r.issuer, subject: "rejoiner-" + strconv.Itoa(n), grant: rejoining, random: random, sound: true}
		joining.Go(func() (err error) {
			if n%3 == 0 {
				r.rejoiners[n], err = newPatron(ctx, r.stack.WebSocketURL(), wallet, r.topicOf(n))
				return err
			}
			c, err := newCaller(ctx, r.stack.WebSocketURL(), wallet, r.topicOf(n))
			if err != nil {
				return err
			}
			c.numbered, c.stored = n%3 == 1, r.writers[0].stored
			r.rejoiners[n] = c
			return nil
		})
	}
	return joining.Wait()
}

// topicOf is the topic of the n-th rejoiner.
func (r *run) topicOf(n int) events.Topic {
	return r.topics[n%len(r.topics)]
}
