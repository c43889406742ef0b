package client

import (
	"context"
	"log/slog"
	"time"

	"github.com/watchroute/watchroute/events"
)

// link is a connection to the service over any transport. It answers requests with the frames of
// package events, so the engine does not depend on the transport.
type link interface {
	// run works until the link is closed or has ended, or ctx ends. It hands on what arrives, and
	// at last how the link ended.
	run(ctx context.Context, out chan<- incoming, logger *slog.Logger)
	// write queues a request. It fails if the request cannot be sent over this link.
	write(events.Request) error
	// close says goodbye. It returns after goodbyeTime at the latest.
	close()
	// abort ends the link without a goodbye.
	abort()
	// transport is what the link uses now. It may be called at any time.
	transport() Transport
	// ordered reports whether the service carries out publications about an item in the order in
	// which they were written.
	ordered() bool
}

// incoming is what came over a link. One of data, frame, lapsed, working and err is set.
type incoming struct {
	link    link
	data    []byte        // a frame as the service sent it
	frame   events.Frame  // one that the link made of the service's answer
	pause   time.Duration // with frame: the pause that the service asks for before the next request
	lapsed  events.Topic  // is not subscribed any more; the engine subscribes again. For a pattern's topic: its changes are not available
	working string        // the id of a request whose long answer is arriving
	err     error         // how the link ended
}

// dialled is a new link, or why there is none.
type dialled struct {
	link link
	err  error
	way  int // index of the way that dialled it
}
