package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// patron uses the Go client.
type patron struct {
	client *client.Client
	name   string
	topic  events.Topic
	random *rand.Rand

	leave  context.CancelFunc // the watch that is going on
	cursor events.Cursor      // of the last watch
	begun  bool               // there was one
	events chan client.Event  // of the watch that is going on; closed at its end
	ended  error              // why; set before
}

func newPatron(ctx context.Context, url string, w *wallet, topic events.Topic) (*patron, error) {
	c, err := client.Dial(ctx, url, client.Options{Token: w.token})
	if err != nil {
		return nil, err
	}
	return &patron{client: c, name: w.subject, topic: topic, random: w.random, leave: func() {}}, nil
}

func (p *patron) close() {
	p.leave()
	p.client.Close()
}

// watch begins a watch where the last one was left.
func (p *patron) watch(ctx context.Context) {
	o := client.WatchOptions{}
	if p.begun {
		cursor := p.cursor
		o.After = &cursor
	}
	ctx, p.leave = context.WithCancel(ctx)
	out := make(chan client.Event, 100)
	p.events = out
	go func() {
		defer close(out)
		for event, err := range p.client.Watch(ctx, p.topic, o) {
			if err != nil {
				p.ended = err
				return
			}
			out <- event
		}
	}()
}

// rejoin leaves and watches again a few times, and waits for the last watch to begin.
func (p *patron) rejoin(ctx context.Context) error {
	for range 1 + p.random.IntN(3) {
		p.leave()
		if p.events != nil {
			for e := range p.events {
				p.cursor, p.begun = e.Cursor, true
			}
		}
		p.watch(ctx)
		if p.random.IntN(2) == 0 {
			pause(ctx, p.random, 20*time.Millisecond)
		}
	}
	if err := p.next(ctx, time.Minute); err != nil {
		return fmt.Errorf("%s: watch of %s does not begin: %w", p.name, p.topic, err)
	}
	return nil
}

// next takes the next event in.
func (p *patron) next(ctx context.Context, within time.Duration) error {
	select {
	case e, ok := <-p.events:
		if !ok {
			return fmt.Errorf("the watch has ended: %w", p.ended)
		}
		p.cursor, p.begun = e.Cursor, true
		return nil
	case <-time.After(within):
		return context.DeadlineExceeded
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *patron) hears(ctx context.Context, seq int64) error {
	for p.cursor.Seq < seq {
		if err := p.next(ctx, prompt); err != nil {
			return fmt.Errorf("%s: watches %s again, and has not heard change %d: %w", p.name, p.topic, seq, err)
		}
	}
	return nil
}

func (p *patron) silent(int64) error { return nil }
