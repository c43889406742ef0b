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
	// Subscribe makes the connection watch the topic, or changes how, and tells whether
	// it did already. ErrNotConnected, ErrTooManySubscriptions and ErrTooManyRequests
	// change nothing.
	Subscribe(context.Context, Subscription) (already bool, err error)
	// Unsubscribe ends it; doing so twice is no error.
	Unsubscribe(context.Context, Key, events.Topic) error
	// Subscriptions reads those of the topics that the connection is subscribed to.
	Subscriptions(context.Context, Key, []events.Topic) ([]Subscription, error)
}

// Sessions keeps what has become of connections since they were made.
type Sessions interface {
	// Session reads it. ErrNotConnected means that nothing is known of the connection.
	Session(context.Context, Key) (Session, error)
	// Refresh has the connection go by another token from now on.
	Refresh(context.Context, Key, Access) error
}

// Session is what has become of a connection since it was made.
type Session struct {
	Topics  []events.Topic // that it watches
	Access  *Access        // by its latest token; nil if that is the one it was made with
	SealKey []byte         // SealBytes long, random, the same all its life
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
	// Put writes an item. ErrBadItem says what the table refuses in it.
	Put(context.Context, events.Topic, events.Item) error
	// Remove deletes an item; one that does not exist is no error.
	Remove(ctx context.Context, topic events.Topic, id string) error
	// Page reads items of a topic as they are at this moment, in the order of
	// their ids, after the id given, at most limit. next is empty on the last page.
	Page(ctx context.Context, topic events.Topic, after string, limit int) (items []events.Item, next string, err error)
}

// History is the log as clients resume from it.
type History interface {
	// Head reads a topic's head as it is at this moment.
	Head(context.Context, events.Topic) (Head, error)
	// Since reads entries with a seq above from, up to to, in order. It leaves out
	// those whose retention has passed, and may stop short while there are more.
	Since(ctx context.Context, topic events.Topic, from, to int64) ([]Entry, error)
	// Below reads which topics of a pattern have had a change, up to limit of them, in no
	// order. more says that there are others.
	Below(ctx context.Context, pattern events.Topic, limit int) (topics []events.Topic, more bool, err error)
}

// Answerer carries out clients' requests: auth if it has Tokens, all others if it has Items
// and History. What it cannot, it refuses.
type Answerer struct {
	Sessions      Sessions
	Subscriptions Subscriptions
	Items         Items
	History       History
	Tokens        Authenticator
	Limits        Limits
	Logger        *slog.Logger
}

// Peer is the client at the other end of a connection.
type Peer interface {
	// Post sends it a frame.
	Post(frame []byte) error
	// Close closes the connection; that it is closed already is no error.
	Close() error
}

// Answer carries out one request of a client. Every answer ends in one frame, which
// is returned encoded; the frames before it, if any, are posted in order. A request
// that fails is answered with an error frame. If a post fails the rest of the answer
// is not sent, and the frame returned is nil; so it is if the connection was closed.
// An answer to a connection that will be cut soon, or whose token expires soon,
// begins by saying so.
func (a Answerer) Answer(ctx context.Context, c Connection, body []byte, peer Peer) []byte {
	out := outbox{post: peer.Post}
	request, err := events.ParseRequest(body)
	if err == nil {
		c, err = a.present(ctx, c, request)
	}
	if err == nil {
		notify(c, &out)
		err = a.carryOut(ctx, c, request, &out)
	}
	if err != nil && out.err == nil {
		out.send(a.refusal(c, request, err))
	}
	if closes(err) {
		return a.hangUp(c, &out, peer)
	}
	if out.err != nil {
		a.Logger.Warn("answer not delivered", "connection", c.ID, "request", loggable(request), "err", out.err)
		return nil
	}
	return out.last
}

// present brings the connection up to date: it may have had another token since it
// was made. A ping that asks for nothing, of a client that cannot have, costs no read.
func (a Answerer) present(ctx context.Context, c Connection, r events.Request) (Connection, error) {
	if plain := r.Action == events.ActionPing && len(r.Cursors) == 0; plain && !c.expiring(time.Now()) {
		return c, nil
	}
	session, err := a.Sessions.Session(ctx, c.Key)
	if err != nil {
		return c, err
	}
	c.watches, c.sealKey = session.Topics, session.SealKey
	if session.Access != nil {
		c.Access = *session.Access
	}
	if c.lapsed(time.Now()) {
		return c, ErrTokenExpired
	}
	return c, nil
}

// notify says what the client has to do soon.
func notify(c Connection, out *outbox) {
	now := time.Now()
	if delay, due := handover(c, now); due {
		out.send(&events.Reconnect{DelayMs: delay.Milliseconds()})
	}
	if c.expiring(now) {
		out.send(&events.Expiring{At: events.Time(c.Expires)})
	}
}

// hangUp sends what is left of the answer, as the last word, if the client can be told, and
// closes the connection.
func (a Answerer) hangUp(c Connection, out *outbox, peer Peer) []byte {
	err := out.err
	if err == nil {
		err = peer.Post(out.last)
	}
	if err := errors.Join(err, peer.Close()); err != nil {
		a.Logger.Warn("connection not closed", "connection", c.ID, "err", err)
	}
	return nil
}

func (a Answerer) carryOut(ctx context.Context, c Connection, r events.Request, out *outbox) error {
	switch {
	case !slices.Contains(actions, r.Action):
		return &events.Error{Code: events.CodeUnknownAction, Message: fmt.Sprintf("action is %q, known are %s", clip(r.Action), strings.Join(actions, ", "))}
	case r.Action == events.ActionAuth:
		return a.auth(ctx, c, r, out)
	case a.Items == nil || a.History == nil:
		return errMisrouted
	}
	if r.Action == events.ActionPing {
		return a.ping(ctx, c, r, out)
	}
	topic, err := parseTopic(r)
	if err != nil {
		return &events.Error{Code: events.CodeBadTopic, Message: err.Error()}
	}
	switch r.Action {
	case events.ActionSubscribe:
		if isPattern(topic) {
			return a.subscribeBelow(ctx, c, topic, r, out)
		}
		return a.subscribe(ctx, c, topic, r, out)
	case events.ActionUnsubscribe:
		return a.unsubscribe(ctx, c, topic, r, out)
	case events.ActionSnapshot:
		return a.snapshot(ctx, c, topic, r, out)
	default:
		return a.publish(ctx, c, topic, r, out)
	}
}

// parseTopic reads the topic of a request, or the pattern if it may be one.
func parseTopic(r events.Request) (events.Topic, error) {
	if r.Action == events.ActionSubscribe || r.Action == events.ActionUnsubscribe {
		return events.ParsePattern(r.Topic)
	}
	return events.ParseTopic(r.Topic)
}

// errMisrouted answers a frame that names two actions, of which API Gateway took another
// than we do.
var errMisrouted = &events.Error{Code: events.CodeBadRequest, Message: "action is not clear"}

// refusal makes the error frame for a request, and logs what only the operator
// can mend.
func (a Answerer) refusal(c Connection, r events.Request, err error) *events.Error {
	frame, known := wireError(err)
	if !known || frame.Code == events.CodeUnavailable {
		a.Logger.Error("request failed", "connection", c.ID, "request", loggable(r), "err", err)
	}
	answer := *frame
	if answer.ID == "" {
		answer.ID = r.ID
	}
	answer.Topic = clip(r.Topic)
	return &answer
}

// loggable is what is logged of a request: what it asks for and of which topic, as far as
// they are names that the service knows. All else may be anything, a token among it.
func loggable(r events.Request) string {
	if !slices.Contains(actions, r.Action) {
		return "unknown"
	}
	topic, err := events.ParsePattern(r.Topic)
	if err != nil {
		return r.Action
	}
	return r.Action + " " + string(topic)
}

// actions are all there are.
var actions = []string{
	events.ActionSubscribe, events.ActionUnsubscribe, events.ActionSnapshot, events.ActionPublish, events.ActionPing, events.ActionAuth,
}

// clip bounds what is repeated of a client's own words.
func clip(s string) string {
	if len(s) <= events.MaxTopicBytes {
		return s
	}
	return s[:events.MaxTopicBytes] + "…"
}

// outbox holds each frame of an answer back until the next is due, so that the last
// can be returned instead of posted.
type outbox struct {
	post func([]byte) error
	last []byte
	err  error // the first that occurred; nothing is sent after it
}

func (o *outbox) send(f events.Frame) {
	body, err := events.Encode(f)
	if err != nil {
		o.err = err
		return
	}
	_ = o.sendEncoded(body) // kept in err
}

// sendEntries sends what a subscription shows of entries, in as few frames as hold it.
func (o *outbox) sendEntries(sub Subscription, entries []Entry) error {
	frames, err := events.PackChanges(seen(sub.View, sub.Delta, changesOf(entries)))
	if err != nil {
		return err
	}
	return o.sendEncoded(frames...)
}

// sendEncoded gives the first error that there was.
func (o *outbox) sendEncoded(frames ...[]byte) error {
	for _, frame := range frames {
		if o.err == nil && o.last != nil {
			o.err = o.post(o.last)
		}
		o.last = frame
	}
	return o.err
}
