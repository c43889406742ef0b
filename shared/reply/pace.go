package reply

import (
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
	"golang.org/x/time/rate"
)

// paceKept bounds the connections, and the subjects, that are counted; beyond, all begin anew.
const paceKept = 10_000

// atOnce is how many messages may come at once, besides those of a second: a client that
// connects anew subscribes to all its topics.
const atOnce = events.MaxSubscriptions

// subjectFactor is how many connections' worth of messages all those of one subject may send.
const subjectFactor = 10

// pace bounds how fast a connection and a subject may send. It counts in this process, so
// that it costs no write: a connection whose messages are spread over n processes gets n
// times as much. API Gateway's throttling of the route bounds the sum, and the subject's
// allowance bounds what the messages cost. Lambda has a process answer one message at a time,
// so nothing here is locked.
type pace struct {
	perSecond   int
	connections limiters[watch.ConnectionID]
	subjects    limiters[string]
}

func newPace(perSecond int) *pace {
	return &pace{perSecond: perSecond, connections: limiters[watch.ConnectionID]{}, subjects: limiters[string]{}}
}

// allows counts a message, and reports whether it may be answered. Anonymous clients are
// counted by connection alone, because they share a subject.
func (p *pace) allows(key watch.Key) bool {
	if !p.connections.of(key.ID, rate.Limit(p.perSecond), p.perSecond+atOnce).Allow() {
		return false
	}
	return key.Subject == watch.Anonymous || p.subjects.of(key.Subject, rate.Limit(subjectFactor*p.perSecond), subjectFactor*(p.perSecond+atOnce)).Allow()
}

// limiters count by key.
type limiters[K comparable] map[K]*rate.Limiter

func (l limiters[K]) of(key K, perSecond rate.Limit, burst int) *rate.Limiter {
	limiter, ok := l[key]
	if !ok {
		if len(l) >= paceKept {
			clear(l)
		}
		limiter = rate.NewLimiter(perSecond, burst)
		l[key] = limiter
	}
	return limiter
}
