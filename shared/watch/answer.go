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

// Subscriptions keeps who watches what.
type Subscriptions interface {
	// Subscribe makes the connection watch the topic, or changes how it does. It gives where the
	// subscription is kept. ErrNotConnected, ErrTooManySubscriptions, ErrTooManyRequests and
	// ErrOvertaken change nothing. If an unsubscribe overtakes it while it runs, the subscription
	// may be written and not count. Then the session lacks it, and the caller withdraws it.
	Subscribe(context.Context, Subscription) (Kept, error)
	// Renew replaces a subscription that is there with the same Order and no higher Auth, and
	// tells whether it is; if not, nothing is written.
	Renew(context.Context, Subscription) (there bool, err error)
	// Unsubscribe ends the subscription to a topic, if there is one, and refuses those of a
	// lower Order from now on. ErrOvertaken means that one of a higher Order is there.
	Unsubscribe(context.Context, Key, events.Topic, Order) error
	// Withdraw takes back subscriptions of one connection, each only if it still has the same
	// Order; doing so twice is no error.
	Withdraw(context.Context, Key, ...Subscription) error
	// Subscriptions reads the connection's subscriptions to the topics, from the shards that its
	// session has for them.
	Subscriptions(ctx context.Context, key Key, topics []events.Topic, shards map[events.Topic]int) ([]Subscription, error)
}

// Sessions keeps what has become of connections since they were made.
type Sessions interface {
	// Session reads it. ErrNotConnected means that nothing is known of the connection.
	Session(context.Context, Key) (Session, error)
	// Refresh has the connection go by another token from now on. ErrOvertaken means that it
	// goes by the token of a later auth.
	Refresh(context.Context, Key, Access) error
	// Forget removes a connection with all its subscriptions.
	Forget(context.Context, Key, []Subscription) error
}

// Session is what has become of a connection since it was made.
type Session struct {
	Topics     []events.Topic         // that it watches
	Orders     map[events.Topic]Order // of the subscribe that counts for each
	Shards     map[events.Topic]int   // the shard of the subscription to each topic, unless it is shard 0
	Subscribes int                    // how many there were
	Access     *Access                // by its latest token; nil if that is the one it was made with
}

// Authenticator knows what a token gives.
type Authenticator interface {
	// Authenticate verifies a token. ErrUnauthorized, ErrRevoked and ErrUnavailable say
	// what is wrong with it.
	Authenticate(ctx context.Context, token string) (subject string, access Access, err error)
	// Check gives ErrRevoked if what a token gave is taken back by now.
	Check(ctx context.Context, subject string, access Access) error
}

// Items is the users' own table.
type Items interface {
	// Put writes an item, unless it is there by the same publication. ErrBadItem says what the
	// table refuses in it. ErrOvertaken means that the item is there by a publication of the
	// same publisher with a higher order.
	Put(context.Context, Publication) error
	// Remove deletes an item; one that does not exist is no error. ErrOvertaken means the same.
	Remove(context.Context, Publication) error
	// Page reads rows of a topic as they are at this moment, in the order of
	// their ids, after the id given, at most limit. next is empty on the last page.
	Page(ctx context.Context, topic events.Topic, after string, limit int) (rows []Row, next string, err error)
}

// Row is a row of the users' own table.
type Row struct {
	events.Item
	// Void says that the row is shown to nobody, because it has expired or its id breaks the
	// rules. In the latter case it has no data. Views are evaluated on it like on others, so
	// that a page does not tell which of the hidden rows are void.
	Void bool
	// Expires is when the row will expire; zero if it has no such time, or has expired.
	Expires time.Time
}

// History is the log as clients resume from it.
type History interface {
	// Head reads a topic's head as it is at this moment.
	Head(context.Context, events.Topic) (Head, error)
	// Since reads entries with a seq above from, up to to, in order. It leaves out
	// those whose retention has passed, and may stop short while there are more.
	Since(ctx context.Context, topic events.Topic, from, to int64) ([]Entry, error)
	// Below reads which topics of a pattern have had a change, up to limit of them, after one
	// of them or from the first if that is empty. They are in an order of their own, which
	// does not change. more says that there are others after them.
	Below(ctx context.Context, pattern, after events.Topic, limit int) (topics []events.Topic, more bool, err error)
}

// Answerer carries out clients' requests: auth if it has Tokens, all others if it has
// Topics. What it cannot, it refuses.
type Answerer struct {
	Topics
	Sessions      Sessions
	Subscriptions Subscriptions
	Tokens        Authenticator
	Logger        *slog.Logger
}

// Peer is the client at the other end of a connection.
type Peer interface {
	// Post sends it a frame.
	Post(frame []byte) error
	// Close closes the connection; that it is closed already is no error.
	Close() error
}

// answer is one request being carried out.
type answer struct {
	Answerer
	work
	c     Connection
	r     events.Request
	order Order // of r
	out   outbox
}

// Answer carries out one request of a client. Every answer ends in one frame, which is
// returned encoded; the frames before it, if any, are posted in order. No frame is over
// [events.MaxFrameBytes]. A request that fails is answered with an error frame, also if the
// context ends before it is done; peer must have time for that. If a post fails the rest of
// the answer is not sent. The frame returned is nil if the connection is gone or was closed.
// An answer to a connection that will be cut soon, or whose token expires soon, begins by
// saying so.
func (a Answerer) Answer(ctx context.Context, c Connection, m Message, peer Peer) []byte {
	ctx, work := a.begin(ctx, c.Key)
	answer := answer{Answerer: a, work: work, c: c, out: outbox{post: peer.Post}}
	err := answer.give(ctx, m)
	answer.out.flush()
	if err != nil && answer.out.err == nil {
		answer.out.send(answer.refusal(err))
	}
	if closes(err) {
		return answer.hangUp(peer)
	}
	if answer.out.err != nil {
		return answer.undelivered()
	}
	return answer.out.last
}

// give reads the request and carries it out.
func (a *answer) give(ctx context.Context, m Message) (err error) {
	if a.r, err = events.ParseRequest(m.Body); err != nil {
		return err
	}
	a.order = orderOf(a.r, m)
	if err := a.present(ctx); err != nil {
		return err
	}
	a.notify()
	err = a.carryOut(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err := a.settle(ctx); err != nil && !errors.Is(err, ErrTooManyRequests) {
		a.Logger.Warn("request not charged", "connection", a.c.ID, "err", err)
	}
	return err
}

// settleTime is how long an answer may take to be charged for, also when the time for it is
// over. The answer is sent after that.
const settleTime = 500 * time.Millisecond

// undelivered is the last word when a post has failed: the client is told to ask again, as
// it does not get what was left. Nothing can be told to who is gone.
func (a *answer) undelivered() []byte {
	a.Logger.Warn("answer not delivered", "connection", a.c.ID, "request", loggable(a.r), "err", a.out.err)
	if errors.Is(a.out.err, ErrGone) {
		return nil
	}
	frame, _ := WireError(ErrUnavailable)
	last := *frame
	last.ID, last.Topic = a.r.ID, clip(a.r.Topic)
	body, _ := events.Encode(&last) // strings always encode
	return body
}

// present brings the connection up to date: it may have had another token since it was
// made, or it may not have been admitted. A ping that asks for nothing, of a client that
// cannot have another token and is not told such things inside, costs no read.
func (a *answer) present(ctx context.Context) error {
	plain := a.r.Action == events.ActionPing && len(a.r.Cursors) == 0
	if plain && !a.c.ToldInside && !a.c.expiring(time.Now()) {
		return nil
	}
	if err := a.Allowance.check(a.c.Key); err != nil {
		return err
	}
	session, err := a.Sessions.Session(ctx, a.c.Key)
	if errors.Is(err, ErrNotConnected) && a.c.turnedAway(time.Now()) {
		return ErrTooManyConnections
	}
	if err != nil {
		return err
	}
	a.c.watches, a.c.shards, a.c.subscribes = session.Topics, session.Shards, session.Subscribes
	if session.Access != nil {
		a.c.Access = *session.Access
	}
	if a.c.lapsed(time.Now()) {
		return ErrTokenExpired
	}
	return nil
}

// notify says what the client has to do soon.
func (a *answer) notify() {
	now := time.Now()
	if delay, due := handover(a.c, now); due {
		a.out.send(&events.Reconnect{DelayMs: delay.Milliseconds()})
	}
	if a.c.expiring(now) {
		a.out.send(&events.Expiring{At: events.Time(a.c.Expires)})
	}
}

// hangUp sends what is left of the answer, as the last word, if the client can be told, and
// closes the connection.
func (a *answer) hangUp(peer Peer) []byte {
	err := a.out.err
	if err == nil {
		err = peer.Post(a.out.last)
	}
	if err := errors.Join(err, peer.Close()); err != nil {
		a.Logger.Warn("connection not closed", "connection", a.c.ID, "err", err)
	}
	return nil
}

func (a *answer) carryOut(ctx context.Context) error {
	switch {
	case !slices.Contains(actions, a.r.Action):
		return &events.Error{Code: events.CodeUnknownAction, Message: fmt.Sprintf("action is %q, known are %s", clip(a.r.Action), strings.Join(actions, ", "))}
	case a.r.Action == events.ActionAuth:
		return a.auth(ctx)
	case a.Items == nil || a.History == nil || a.Places == nil: // as only auth needs no Reader
		return errMisrouted
	}
	if a.r.Action == events.ActionPing {
		return a.ping(ctx)
	}
	topic, err := parseTopic(a.r)
	if err != nil {
		return &events.Error{Code: events.CodeBadTopic, Message: err.Error()}
	}
	switch a.r.Action {
	case events.ActionSubscribe:
		if topic.IsPattern() {
			return a.subscribeBelow(ctx, topic)
		}
		return a.subscribe(ctx, topic)
	case events.ActionUnsubscribe:
		return a.unsubscribe(ctx, topic)
	case events.ActionSnapshot:
		if topic.IsPattern() {
			return a.snapshotBelow(ctx, topic)
		}
		return a.snapshot(ctx, topic)
	default:
		return a.publish(ctx, topic)
	}
}

// parseTopic reads the topic of a request, or the pattern if it may be one.
func parseTopic(r events.Request) (events.Topic, error) {
	if r.Action == events.ActionPublish {
		return events.ParseTopic(r.Topic)
	}
	return events.ParsePattern(r.Topic)
}

// errMisrouted answers a frame that names two actions, of which API Gateway took another
// than we do.
var errMisrouted = &events.Error{Code: events.CodeBadRequest, Message: "action is not clear"}

// refusal makes the error frame for a request, and logs what only the operator
// can mend.
func (a *answer) refusal(err error) *events.Error {
	frame, known := WireError(err)
	if !known || frame.Code == events.CodeUnavailable {
		a.Logger.Error("request failed", "connection", a.c.ID, "request", loggable(a.r), "err", err)
	}
	refused := *frame
	refused.Message = clip(refused.Message)
	if refused.ID == "" {
		refused.ID = a.r.ID
	}
	refused.Topic = clip(a.r.Topic)
	return &refused
}

// loggable is what is logged of a request: what it asks for and of which topic, as far as
// they are names that the service knows. All else may be anything, a token among it.
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

// clip bounds a text that a client has a part in.
func clip(s string) string {
	if len(s) <= maxRepeated {
		return s
	}
	return strings.ToValidUTF8(s[:maxRepeated], "") + "…"
}
