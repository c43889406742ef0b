package handshake

import "golang.org/x/time/rate"

// How many refusals one function process tells inside a connection. Further ones are
// answered at the handshake. A connection that is told costs three more calls of functions, and
// can send messages until it is closed: without a bound, whoever has no token at all could
// use up the rate of the routes.
const (
	toldPerSecond = 5
	toldAtOnce    = 20
	// The same of one source address or one subject. A page that reconnects with back-off
	// stays below.
	toldEachPerSecond = 0.5
	toldEachAtOnce    = 5
	// tellerKept bounds those who are counted; beyond, all begin anew.
	tellerKept = 10_000
)

// Teller bounds how many refusals are told inside connections. It counts in this process.
// Lambda has a process answer one event at a time, so nothing here is locked.
type Teller struct {
	all  *rate.Limiter
	each map[string]*rate.Limiter
}

// NewTeller makes a teller that has told nobody yet.
func NewTeller() *Teller {
	return &Teller{all: rate.NewLimiter(toldPerSecond, toldAtOnce), each: map[string]*rate.Limiter{}}
}

// Tells counts one refusal of whom, a source address or a subject, and reports whether it
// may be told inside.
func (t *Teller) Tells(whom string) bool {
	own, ok := t.each[whom]
	if !ok {
		if len(t.each) >= tellerKept {
			clear(t.each)
		}
		own = rate.NewLimiter(toldEachPerSecond, toldEachAtOnce)
		t.each[whom] = own
	}
	return own.Allow() && t.all.Allow()
}
