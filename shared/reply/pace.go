package reply

import (
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
	"golang.org/x/time/rate"
)

// paceKept bounds the connections that are counted; beyond, all begin anew.
const paceKept = 10_000

// atOnce is how many messages may come at once, besides those of a second: a client that
// connects anew subscribes to all its topics.
const atOnce = events.MaxSubscriptions

// pace bounds how fast a connection may send. It counts in this process, so that it
// costs no write: a connection whose messages are spread over n processes gets n times
// as much, of which API Gateway's throttling of the route bounds the sum. Lambda has
// a process answer one message at a time, so nothing here is locked.
type pace struct {
	perSecond   int
	connections map[watch.ConnectionID]*rate.Limiter
}

func newPace(perSecond int) *pace {
	return &pace{perSecond: perSecond, connections: map[watch.ConnectionID]*rate.Limiter{}}
}

// allows counts a message, and reports whether it may be answered.
func (p *pace) allows(id watch.ConnectionID) bool {
	limiter, ok := p.connections[id]
	if !ok {
		if len(p.connections) >= paceKept {
			clear(p.connections)
		}
		limiter = rate.NewLimiter(rate.Limit(p.perSecond), p.perSecond+atOnce)
		p.connections[id] = limiter
	}
	return limiter.Allow()
}
