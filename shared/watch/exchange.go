package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
)

// Peer is the client at the other end of a connection.
type Peer interface {
	// Post sends it a frame.
	Post(frame []byte) error
	// Close closes the connection; that it is closed already is no error.
	Close() error
}

// exchange is one request of a connection and the answer to it. It knows what all requests have
// in common, those that an [Answerer] carries out and those that a [Renewer] does.
type exchange struct {
	store  ConnectionStore
	logger *slog.Logger
	bill   *bill
	peer   Peer
	c      Connection
	r      events.Request
	order  Order // of r
	out    outbox
}

func newExchange(store ConnectionStore, logger *slog.Logger, bill *bill, c Connection, peer Peer) exchange {
	return exchange{store: store, logger: logger, bill: bill, peer: peer, c: c, out: outbox{post: peer.Post}}
}

// run reads the request, brings the connection up to date, says what the client has to do soon,
// has the request carried out, and charges for it. It gives the last frame of the answer, as
// [Answerer.Answer] says.
func (x *exchange) run(ctx context.Context, m Message, carryOut func(context.Context) error) []byte {
	err := x.prepare(ctx, m)
	if err == nil {
		now := time.Now()
		if delay, due := handover(x.c, now); due {
			x.out.send(&events.Reconnect{DelayMs: delay.Milliseconds()})
		}
		if x.c.expiring(now) {
			x.out.send(&events.Expiring{At: events.Time(x.c.Expires)})
		}
		if slices.Contains(actions, x.r.Action) {
			err = carryOut(ctx)
		} else {
			err = &events.Error{Code: events.CodeUnknownAction, Message: fmt.Sprintf("action is %q, known are %s", clip(x.r.Action), strings.Join(actions, ", "))}
		}
		if err := x.bill.settleNow(ctx); err != nil && !errors.Is(err, ErrTooManyRequests) {
			x.logger.Warn("request not charged", "connection", x.c.ID, "err", err)
		}
	}
	x.out.flush()
	if err != nil && x.out.err == nil {
		x.out.send(x.refusal(err))
	}
	if closes(err) {
		x.disconnect()
		return nil
	}
	if x.out.err != nil {
		return x.undelivered()
	}
	return x.out.last
}

// prepare reads the request, and brings the connection up to date: it may have had another token
// since it was made, or it may not have been admitted. A ping without cursors costs no read, if
// neither can be the case.
func (x *exchange) prepare(ctx context.Context, m Message) (err error) {
	if x.r, err = events.ParseRequest(m.Body); err != nil {
		return err
	}
	x.order = orderOf(x.r, m)
	plain := x.r.Action == events.ActionPing && len(x.r.Cursors) == 0
	if plain && !x.c.ToldInside && !x.c.expiring(time.Now()) {
		return nil
	}
	if err := x.bill.allowance.check(x.c.Key); err != nil {
		return err
	}
	session, err := x.store.Session(ctx, x.c.Key)
	if errors.Is(err, ErrNotConnected) && x.c.turnedAway(time.Now()) {
		return ErrTooManyConnections
	}
	if err != nil {
		return err
	}
	x.c.watches, x.c.shards, x.c.subscribes = session.Topics, session.Shards, session.Subscribes
	if session.Access != nil {
		x.c.Access = *session.Access
	}
	if x.c.lapsed(time.Now()) {
		return ErrTokenExpired
	}
	return nil
}

// undelivered gives the last frame when a post has failed. It tells the client to ask again, because
// the client does not get the rest. A client that is gone gets none.
func (x *exchange) undelivered() []byte {
	x.logger.Warn("answer not delivered", "connection", x.c.ID, "request", loggable(x.r), "err", x.out.err)
	if errors.Is(x.out.err, ErrGone) {
		return nil
	}
	frame, _ := WireError(ErrUnavailable)
	last := *frame
	last.ID, last.Topic = x.r.ID, clip(x.r.Topic)
	body, _ := events.Encode(&last) // strings always encode
	return body
}

// disconnect sends the rest of the answer, if the client can still be reached, and closes the
// connection.
func (x *exchange) disconnect() {
	err := x.out.err
	if err == nil {
		err = x.peer.Post(x.out.last)
	}
	if err := errors.Join(err, x.peer.Close()); err != nil {
		x.logger.Warn("connection not closed", "connection", x.c.ID, "err", err)
	}
}

// refusal makes the error frame for a request, and logs what only the operator
// can mend.
func (x *exchange) refusal(err error) *events.Error {
	frame, known := WireError(err)
	if !known || frame.Code == events.CodeUnavailable {
		x.logger.Error("request failed", "connection", x.c.ID, "request", loggable(x.r), "err", err)
	}
	refused := *frame
	refused.Message = clip(refused.Message)
	if refused.ID == "" {
		refused.ID = x.r.ID
	}
	refused.Topic = clip(x.r.Topic)
	return &refused
}

// loggable is what is logged of a request: its action and its topic, if they are names that the
// service knows. Anything else may hold a token.
func loggable(r events.Request) string {
	if !slices.Contains(actions, r.Action) {
		return "unknown"
	}
	topic, err := events.ParsePattern(r.Topic)
	if err != nil || r.Action == events.ActionPing || r.Action == events.ActionAuth { // which are of no topic
		return r.Action
	}
	return r.Action + " " + string(topic)
}

// actions are all actions that a client can ask for.
var actions = []string{
	events.ActionSubscribe, events.ActionUnsubscribe, events.ActionSnapshot, events.ActionPublish, events.ActionPing, events.ActionAuth,
}

// maxRepeated bounds what is repeated of a client's own words, in bytes.
const maxRepeated = 512

// clip bounds a text that repeats a client's words.
func clip(s string) string {
	if len(s) <= maxRepeated {
		return s
	}
	return strings.ToValidUTF8(s[:maxRepeated], "") + "…"
}
