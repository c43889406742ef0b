package client

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchroute/watchroute/events"
)

// brokenAfter is how many requests in a row may get no answer from the service before the exchange
// ends.
const brokenAfter = 4

// exchange is a link over HTTP. It carries out each request of the engine with HTTP requests, and
// answers with the frames that a WebSocket would bring. The engine therefore keeps its promises in
// the same way over both.
//
// The exchange follows the topics that the engine is subscribed to: by a stream, or by polls while
// no stream brings the topic. Each topic has a cursor. The changes up to it were handed to the
// engine, and every stream or poll continues from it. It therefore does not matter which request
// brings a change. The exchange also answers pings from the cursors, without a request. It asks the
// service only if the engine has dropped changes, or a stream has left some out.
//
// The goroutine of run owns all state. Requests run in goroutines of their own, and leave the
// handling of their answers to run.
type exchange struct {
	*web

	mu      sync.Mutex
	queue   []events.Request
	waiting chan struct{} // has one element if the queue may not be empty
	closing chan struct{} // closed when the exchange is to end
	closed  sync.Once
	mode    atomic.Value // the Transport

	// The fields below belong to run.
	life     context.Context
	tasks    sync.WaitGroup
	done     chan func()
	out      chan<- incoming
	logger   *slog.Logger
	failures int   // requests in a row to which the service has not answered
	err      error // why the exchange ends

	follows  map[events.Topic]*follow
	patterns map[events.Topic]*pattern
	streams  streams
	polls    polls
}

// dialExchange makes a link over HTTP, if the service answers there and accepts the token. No route
// exists for this check: dialExchange asks for a topic without a name and looks for the service's
// own error. A refusal is a *HandshakeError.
func dialExchange(ctx context.Context, o Options) (link, error) {
	x := &exchange{
		web: newWeb(o.HTTPURL, o), waiting: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan func()),
		follows: map[events.Topic]*follow{}, patterns: map[events.Topic]*pattern{}, streams: streams{blockFor: o.BetterInterval},
	}
	err := x.fetch(ctx, call{method: http.MethodGet, path: "/topics"}, new(any), nil)
	refused := (*refusal)(nil)
	switch {
	case errors.As(err, &refused) && refused.code != nil && refused.code.Code == events.CodeNotFound:
		x.setMode(time.Now())
		return x, nil
	case errors.As(err, &refused):
		return nil, &HandshakeError{Status: refused.status, pause: refused.pause}
	case err == nil:
		return nil, &HandshakeError{Status: http.StatusOK}
	}
	return nil, err
}

func (x *exchange) transport() Transport { return x.mode.Load().(Transport) }

func (x *exchange) ordered() bool { return false }

func (x *exchange) write(r events.Request) error {
	x.mu.Lock()
	x.queue = append(x.queue, r)
	x.mu.Unlock()
	select {
	case x.waiting <- struct{}{}:
	default:
	}
	return nil
}

// written takes the requests out of the queue.
func (x *exchange) written() (queue []events.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	queue, x.queue = x.queue, nil
	return queue
}

// close ends all requests. HTTP has no closing handshake.
func (x *exchange) close() { x.closed.Do(func() { close(x.closing) }) }

func (x *exchange) abort() { x.close() }

func (x *exchange) run(ctx context.Context, out chan<- incoming, logger *slog.Logger) {
	ctx, cancel := context.WithCancel(ctx)
	defer x.tasks.Wait()
	defer cancel()
	x.life, x.out, x.logger = ctx, out, logger
	alarm := newAlarm()
	defer alarm.Stop()
	due := alarm.C
	for x.err == nil {
		select {
		case <-ctx.Done():
			return
		case <-x.closing:
			return
		case <-x.waiting:
			for _, r := range x.written() {
				x.carryOut(r)
			}
		case do := <-x.done:
			do()
		case <-due:
		}
		due = alarm.at(x.arrange(time.Now()))
	}
	x.give(incoming{err: x.err})
}

// give hands an incoming frame to the engine.
func (x *exchange) give(in incoming) {
	in.link = x
	select {
	case x.out <- in:
	case <-x.life.Done():
	case <-x.closing:
	}
}

func (x *exchange) answer(f events.Frame) { x.give(incoming{frame: f}) }

// task runs do in a goroutine of its own; run then calls the function that do returns.
func (x *exchange) task(do func() (then func())) {
	x.tasks.Go(func() {
		then := do()
		select {
		case x.done <- then:
		case <-x.life.Done():
		case <-x.closing:
		}
	})
}

// working gives a function that tells the engine, now and then, that a long answer is still
// arriving.
func (x *exchange) working(r events.Request) func() {
	last := time.Now()
	return func() {
		if time.Since(last) >= time.Second {
			last = time.Now()
			x.give(incoming{working: r.ID})
		}
	}
}

// carryOut carries out a request of the engine.
func (x *exchange) carryOut(r events.Request) {
	topic := events.Topic(r.Topic)
	switch {
	case topic.IsPattern() && r.Action == events.ActionSubscribe:
		x.task(func() func() { return x.subscribeBelow(r) })
	case r.Action == events.ActionSubscribe:
		x.task(func() func() { return x.subscribe(r) })
	case r.Action == events.ActionSnapshot:
		x.task(func() func() { return x.snapshot(r) })
	case r.Action == events.ActionPublish:
		x.task(func() func() { return x.put(r) })
	case r.Action == events.ActionPing:
		x.ping(r)
	case r.Action == events.ActionUnsubscribe:
		delete(x.follows, topic)
		delete(x.patterns, topic)
		x.answer(&events.Unsubscribed{ID: r.ID, Topic: topic})
	default: // such as an auth: each HTTP request carries a token
		x.refuse(r, localRefusal(r.Topic, "HTTP has no request "+r.Action))
	}
}

// subscribe begins to follow a topic: with what was missed, with its items, or from now on. It
// reads the topic's cursor first, so no change is lost in between.
func (x *exchange) subscribe(r events.Request) func() {
	now := r
	now.After, now.View = "now", ""
	var brought news
	var err error
	if r.After != "" {
		brought, err = x.changes(x.life, r, 0, x.working(r))
	}
	reset := brought.reset
	if r.After == "" || reset != "" {
		brought, err = x.changes(x.life, now, 0, x.working(r))
	}
	if err != nil {
		return func() { x.refuse(r, err) }
	}
	if reset == "" && (r.After != "" || !r.Snapshot) {
		return func() { x.subscribed(r, brought) }
	}
	page, err := x.page(x.life, r, x.working(r))
	if err != nil {
		return func() { x.refuse(r, err) }
	}
	return func() {
		x.answered()
		x.follow(r, page.Cursor, brought.viewID)
		x.answer(&events.Subscribed{ID: r.ID, Topic: page.Topic, Cursor: brought.cursor, View: brought.viewID})
		if reset != "" {
			x.answer(&events.Reset{ID: r.ID, Topic: page.Topic, Reason: reset})
		}
		x.answer(page)
	}
}

// subscribed answers a subscribe that asks for no items.
func (x *exchange) subscribed(r events.Request, brought news) {
	x.answered()
	at, stands := brought.cursor, brought.cursor
	if r.After != "" {
		at, _ = events.ParseCursor(r.After) // the engine's cursor
		if stands.Epoch == at.Epoch && stands.Seq < at.Seq {
			x.refuse(r, errors.New("the answer is older than the requested cursor"))
			return
		}
		for _, c := range brought.changes { // there may be earlier changes than the topic's cursor
			at = c.Cursor()
		}
	}
	if f := x.follow(r, at, brought.viewID); f.cursor.Epoch == stands.Epoch && f.cursor.Seq > stands.Seq { // another watch follows the topic already
		stands = f.cursor
	}
	x.answer(&events.Subscribed{ID: r.ID, Topic: events.Topic(r.Topic), Cursor: stands, Recovered: r.After != "", View: brought.viewID})
	if len(brought.changes) > 0 {
		x.answer(&events.Changes{Changes: brought.changes})
	}
}

// snapshot reads a page of a topic's items.
func (x *exchange) snapshot(r events.Request) func() {
	page, err := x.page(x.life, r, x.working(r))
	if err != nil {
		return func() { x.refuse(r, err) }
	}
	return func() { x.answered(); x.answer(page) }
}

// put publishes or removes an item, and stops when the engine no longer waits. A publication that
// the engine has given up must not be carried out after a later one.
func (x *exchange) put(r events.Request) func() {
	ctx, cancel := context.WithTimeoutCause(x.life, x.o.AnswerTime, errNoAnswer)
	defer cancel()
	mark, err := x.publish(ctx, r)
	if err != nil {
		return func() { x.refuse(r, err) }
	}
	return func() {
		x.answered()
		x.answer(&events.Published{ID: r.ID, Topic: events.Topic(r.Topic), Item: events.Item{ID: r.Item.ID}, Mark: mark})
	}
}

// ping answers with the cursors of topics. It reads changes that the engine has dropped or was
// never given.
func (x *exchange) ping(r events.Request) {
	behind := map[*follow]events.Request{}
	for name, at := range r.Cursors {
		if f := x.following(events.Topic(name)); f != nil && (f.lost || at != f.cursor.String()) {
			ask := f.request()
			ask.ID, ask.After = r.ID, at
			behind[f] = ask
		}
	}
	if len(behind) == 0 {
		x.pong(r, nil)
		return
	}
	x.task(func() func() {
		brought := map[*follow]news{}
		for f, ask := range behind {
			n, err := x.changes(x.life, ask, 0, x.working(r))
			if err != nil {
				return func() {
					if lapses(err) {
						x.lapse(f)
					}
					x.refuse(r, err)
				}
			}
			brought[f] = n
		}
		return func() { x.answered(); x.pong(r, brought) }
	})
}

// pong answers a ping with what was read for it. The engine takes a topic that it does not name as
// not subscribed.
func (x *exchange) pong(r events.Request, brought map[*follow]news) {
	pong := &events.Pong{ID: r.ID, Below: events.Below{Cursors: map[events.Topic]string{}}}
	for name := range r.Cursors {
		topic := events.Topic(name)
		if f := x.following(topic); f != nil {
			pong.Cursors[topic] = f.cursor.String()
		}
		if p := x.patterns[topic]; p != nil {
			p.tell(&pong.Below)
		}
	}
	for f, n := range brought {
		switch {
		case !x.current(f):
			delete(pong.Cursors, f.topic)
		case n.reset != "" && f.of == nil:
			delete(x.follows, f.topic)
			delete(pong.Cursors, f.topic)
			x.answer(&events.Reset{ID: pong.ID, Topic: f.topic, Reason: n.reset})
		case n.reset != "":
			x.answer(&events.Reset{ID: pong.ID, Topic: f.topic, Reason: n.reset})
		default:
			x.bring(f, n.changes)
			pong.Cursors[f.topic] = n.cursor.String()
		}
	}
	x.answer(pong)
}

// refuse answers a request that was not carried out. An error that concerns all requests ends the
// exchange, and the engine makes another.
func (x *exchange) refuse(r events.Request, err error) {
	f := &events.Error{ID: r.ID, Code: events.CodeUnavailable, Message: err.Error(), Topic: r.Topic}
	if refused := (*refusal)(nil); errors.As(err, &refused) && refused.code != nil {
		f.Code, f.Message = refused.code.Code, cmp.Or(refused.code.Message, f.Message)
	}
	if x.failed(err); x.err == nil {
		x.give(incoming{frame: f, pause: pauseOf(err)})
	}
}

// answered notes that the service has answered.
func (x *exchange) answered() { x.failures = 0 }

// failed notes why a request failed.
func (x *exchange) failed(err error) {
	refused := (*refusal)(nil)
	switch known := errors.As(err, &refused) && refused.code != nil; {
	case known && refused.unauthorized():
		x.err = refused.code
	case known:
		x.answered()
		if refused.code.Code.Remedy() == events.GiveUp {
			x.answer(refused.code)
		}
	default:
		if x.failures++; x.failures >= brokenAfter {
			x.err = err
		}
	}
}

// lapses reports whether an error means that a topic cannot be followed any more in this way. The
// engine then subscribes again, and the answer tells it why.
func lapses(err error) bool {
	refused := (*refusal)(nil)
	return errors.As(err, &refused) && refused.code != nil && !refused.unauthorized() &&
		(refused.reset != "" || refused.code.Code.Remedy() == events.FixRequest)
}
