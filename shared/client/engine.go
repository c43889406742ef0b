package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
)

const (
	// firstBackoff bounds the first pause after something failed.
	firstBackoff = 500 * time.Millisecond
	// retireTime is how long a connection that was replaced stays for what is under
	// way on it, at most.
	retireTime = 10 * time.Second
	// lateAttempt is where back-off begins after a close that asks for it: up to 4 s.
	lateAttempt = 3
	// unauthorizedAttempts is how many handshakes in a row are refused with 401, at least,
	// before that is final.
	unauthorizedAttempts = 5
	// longestMove bounds how long the service may put the move to another connection off:
	// no connection is older.
	longestMove = 2 * time.Hour
)

// engine is the one goroutine that all state of a client belongs to. It waits for
// frames, commands and deadlines, and after each does whatever has become due.
type engine struct {
	client *Client
	o      Options

	connected chan struct{} // closed when the first connection stands
	incoming  chan incoming
	dialled   chan dialled
	tasks     sync.WaitGroup // readers, diallers and closers
	life      context.Context

	routes   routes    // the ways to connect
	link     link      // the connection in use, nil if there is none
	retiring link      // the one that link has replaced
	retireAt time.Time // when retiring is closed at the latest
	since    time.Time // when link was made
	heard    time.Time // when the last frame came over link

	dialling bool
	attempt  int       // dials that failed and connections that did not last, in a row
	dialAt   time.Time // when to dial next, if there is no link
	moveAt   time.Time // when to replace link; zero if it is not to be

	pingAt    time.Time     // when the next regular ping is due
	pingEvery time.Duration // between regular pings
	pingDue   time.Time     // since when one is due, while none is sent; zero if it is not
	calm      bool          // since the last, no ping has failed, and nothing was missing
	pace      pace

	warned            bool      // the token of link expires
	renewal           attempt   // to replace the token of link
	unauthorized      int       // handshakes refused with 401, in a row
	unauthorizedSince time.Time // when the first of them was

	watches      []*watch // those of pattern watches among them
	patterns     []*patternWatch
	departures   []*departure // from link
	publications []*publication
	requests     map[string]*request // outstanding on link, by id
	lastID       int
}

func newEngine(c *Client, ways []dialer, o Options) *engine {
	return &engine{
		client: c, o: o, pingEvery: o.PingInterval, routes: newRoutes(ways, o),
		connected: make(chan struct{}), incoming: make(chan incoming), dialled: make(chan dialled),
		requests: map[string]*request{},
	}
}

// run lives as long as the client, and says why it ended.
func (e *engine) run(ctx context.Context) error {
	var stop context.CancelFunc
	e.life, stop = context.WithCancel(context.WithoutCancel(ctx)) // ends after the goodbyes
	defer e.tasks.Wait()
	defer stop()
	alarm := newAlarm()
	defer alarm.Stop()
	due := alarm.at(time.Now())
	for {
		select {
		case <-ctx.Done():
			return e.end(context.Cause(ctx))
		case command := <-e.client.commands:
			command(e)
		case in := <-e.incoming:
			if err := e.receive(in); err != nil {
				return e.end(err)
			}
		case d := <-e.dialled:
			if err := e.adoptLink(d); err != nil {
				return e.end(err)
			}
		case <-due:
		}
		now := time.Now()
		e.act(now)
		due = alarm.at(e.next(now))
	}
}

// end tells everyone who waits, and says goodbye to the service.
func (e *engine) end(err error) error {
	for _, w := range e.watches {
		if w.pattern == nil {
			w.fail(err)
		}
	}
	for _, f := range e.patterns {
		f.fail(err)
	}
	for _, p := range e.publications {
		p.answer <- err
	}
	var goodbyes sync.WaitGroup
	for _, l := range []link{e.link, e.retiring} {
		if l != nil {
			goodbyes.Go(l.close)
		}
	}
	goodbyes.Wait()
	return err
}

// act does what is due.
func (e *engine) act(now time.Time) {
	e.connect(now)
	e.expire(now)
	e.returns()
	if e.link == nil {
		return
	}
	for _, w := range e.watches {
		w.notice(now, e.o.HoleTime)
	}
	e.ask(now)
	e.renew(now)
	if e.retiring != nil && (e.settled() || !now.Before(e.retireAt)) {
		e.retire()
	}
}

// next is when something is due.
func (e *engine) next(now time.Time) time.Time {
	at := now.Add(time.Hour)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	if e.link == nil {
		if !e.dialling {
			sooner(e.dialAt)
		}
		return at
	}
	if !e.dialling {
		sooner(e.moveAt)
		sooner(e.routes.betterAt)
	}
	if e.retiring != nil {
		sooner(e.retireAt)
	}
	for _, r := range e.requests {
		sooner(r.deadline)
	}
	if e.warned && !e.renewal.asked {
		sooner(e.renewal.notBefore)
	}
	sooner(e.askAt(now))
	return at
}

// connect dials if there is no connection, if the connection is to be replaced, or if a better
// transport is to be tried.
func (e *engine) connect(now time.Time) {
	isDue := func(at time.Time) bool { return e.link != nil && !at.IsZero() && !now.Before(at) }
	way := -1
	switch {
	case e.dialling:
	case e.link == nil && !now.Before(e.dialAt):
		way = e.routes.at
	case isDue(e.moveAt):
		way = e.routes.using
	case isDue(e.routes.betterAt):
		way = 0
	}
	if way < 0 {
		return
	}
	e.dialling = true
	e.tasks.Go(func() {
		l, err := e.routes.ways[way](e.life)
		select {
		case e.dialled <- dialled{l, err, way}:
		case <-e.life.Done():
			if err == nil {
				l.abort()
			}
		}
	})
}

// adoptLink begins to use a new connection, on which everything is asked for anew. The
// error is a refusal for good.
func (e *engine) adoptLink(d dialled) error {
	e.dialling = false
	now := time.Now()
	if d.err != nil && e.link != nil && d.way != e.routes.using {
		e.o.Logger.Info("no better connection", "err", d.err)
		e.routes.later(now)
		return nil
	}
	if d.err != nil {
		return e.refused(d)
	}
	e.client.stats.count(func(s *Stats) { s.Connections++ })
	e.o.Logger.Info("connected", "by", d.link.transport(), "replacing", e.link != nil)
	if e.retiring != nil {
		e.retire()
	}
	if e.link != nil && e.lasted(now) {
		e.attempt = 0
	}
	e.retiring, e.retireAt = e.link, now.Add(retireTime)
	if d.way != e.routes.using { // it has yet to show that it works
		e.retireAt = now.Add(retireTime + e.o.AnswerTime)
	}
	e.routes.connected(d.way, now)
	e.use(d.link)
	e.since, e.heard, e.moveAt, e.unauthorized = now, now, time.Time{}, 0
	e.pingAt, e.pingDue = now.Add(e.interval()), time.Time{}
	e.forget()
	e.tasks.Go(func() { d.link.run(e.life, e.incoming, e.o.Logger) })
	if !e.wasConnected() {
		close(e.connected)
	}
	return nil
}

// use makes l the connection in use; nil means none.
func (e *engine) use(l link) {
	e.link = l
	e.client.mu.Lock()
	e.client.link = l
	e.client.mu.Unlock()
}

// refused decides what a dial that failed means.
func (e *engine) refused(d dialled) error {
	now := time.Now()
	if !e.routes.refused(d.way, d.err, e.passes(d.err, now)) {
		return d.err
	}
	e.o.Logger.Warn("not connected", "err", d.err)
	again := now.Add(max(e.pause(), pauseOf(d.err)))
	e.dialAt = again
	if e.link != nil { // it is to be replaced, and still there
		e.moveAt = again
	}
	return nil
}

// passes reports whether another dial may do better than one that failed. For 401 it follows
// [events.UnauthorizedTime]. A token that was never good, and cannot be replaced, does not
// become good.
func (e *engine) passes(err error, now time.Time) bool {
	var refusal *HandshakeError
	if !errors.As(err, &refusal) || refusal.Status != http.StatusUnauthorized {
		e.unauthorized = 0
		return refusal == nil || events.HandshakeRemedy(refusal.Status) == events.RetryLater
	}
	if e.o.Token == nil && !e.wasConnected() {
		return false
	}
	if e.unauthorized == 0 {
		e.unauthorizedSince = now
	}
	e.unauthorized++
	return e.unauthorized < unauthorizedAttempts || now.Sub(e.unauthorizedSince) < events.UnauthorizedTime
}

// wasConnected reports whether there has been a connection.
func (e *engine) wasConnected() bool {
	select {
	case <-e.connected:
		return true
	default:
		return false
	}
}

// lose gives the connection up and has another one dialled.
func (e *engine) lose(err error) {
	e.o.Logger.Info("connection lost", "err", err)
	now, l := time.Now(), e.link
	e.routes.lost(e.lasted(now))
	e.use(nil)
	e.moveAt = time.Time{}
	e.pingEvery, e.calm = e.o.PingInterval, false
	e.tasks.Go(l.close)
	e.forget()
	if e.lasted(now) {
		e.attempt = 0
	}
	if events.CloseRemedy(closeCode(err)) != events.RetryNow {
		e.attempt = max(e.attempt, lateAttempt)
	}
	e.dialAt = now.Add(e.pause())
}

// lasted reports whether the connection in use has lasted at a time. Only then are pauses
// short again: a server that answers and then closes would otherwise be dialled again and again.
// As a connection that lasts stands for the longest pause, connections are no more frequent than
// pauses make them.
func (e *engine) lasted(at time.Time) bool { return at.Sub(e.since) >= e.o.MaxBackoff }

// pause is the time before the next dial, later each time.
func (e *engine) pause() time.Duration {
	pause := e.backoff(e.attempt)
	e.attempt++
	return pause
}

// move has the connection in use be replaced after a delay. One that has not lasted by then
// is replaced later, as if it were lost.
func (e *engine) move(delay time.Duration) {
	if !e.moveAt.IsZero() {
		return
	}
	e.moveAt = time.Now().Add(delay)
	if !e.lasted(e.moveAt) {
		e.moveAt = e.moveAt.Add(e.pause())
	}
}

// retire closes the connection that was replaced.
func (e *engine) retire() {
	e.tasks.Go(e.retiring.close)
	e.retiring = nil
}

// forget drops what was asked on a connection that is not used any more.
func (e *engine) forget() {
	clear(e.requests)
	e.departures = nil
	e.warned, e.renewal = false, attempt{}
	for _, f := range e.patterns {
		f.joined, f.attempt, f.probe = false, attempt{}, probe{}
	}
	for _, w := range e.watches {
		w.joined, w.attempt, w.probe = false, attempt{}, probe{}
	}
	for _, p := range e.publications {
		p.attempt = attempt{}
	}
}

// settled reports whether all watches are subscribed on the connection in use.
func (e *engine) settled() bool {
	for _, w := range e.watches {
		if !w.joined {
			return false
		}
	}
	return !slices.ContainsFunc(e.patterns, func(f *patternWatch) bool { return !f.joined })
}

// backoff is a random part of a time that doubles with each attempt.
//
// Source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
func (e *engine) backoff(attempt int) time.Duration {
	return rand.N(min(firstBackoff<<min(attempt, 16), e.o.MaxBackoff))
}
