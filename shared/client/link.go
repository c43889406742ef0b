package client

import (
	"context"
	"log/slog"
	"time"

	"github.com/watchroute/watchroute/events"
)

// link is a way to the service. Whatever carries it, requests are answered by frames as package
// events has them, so the engine knows nothing of what a link is made of.
type link interface {
	// run works until the link is closed or has ended, or ctx ends. It hands on what comes, and
	// at last how the link ended.
	run(ctx context.Context, out chan<- incoming, logger *slog.Logger)
	// write has a request be sent, after those before it. It fails if that cannot be sent as
	// it is.
	write(events.Request) error
	// close says goodbye. It returns after goodbyeTime at the latest.
	close()
	// hangUp ends the link without a goodbye.
	hangUp()
	// transport is what the link uses now. It may be called at any time.
	transport() Transport
	// ordered reports whether the service carries publications about an item out in the order
	// in which they were written.
	ordered() bool
}

// incoming is what came over a link: one of data, frame, lapsed, working and err.
type incoming struct {
	link    link
	data    []byte        // a frame as the service sent it
	frame   events.Frame  // one that the link made of the service's answer
	pause   time.Duration // with frame: that the service wants before it is asked again
	lapsed  events.Topic  // is not subscribed any more, and has to be subscribed again, but for a topic of a pattern, whose changes cannot be told
	working string        // the id of a request whose answer is long, and on its way
	err     error         // how the link ended
}

// dialled is a new link, or why there is none.
type dialled struct {
	link link
	err  error
	way  int // by which of the ways it was dialled
}
