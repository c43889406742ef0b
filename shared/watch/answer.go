package watch

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/watchroute/watchroute/events"
)

// Subscriptions keeps who watches what.
type Subscriptions interface {
	// Subscribe makes the connection watch the topic, and tells whether it did
	// already. ErrNotConnected and ErrTooManySubscriptions change nothing.
	Subscribe(context.Context, Subscription) (already bool, err error)
	// Unsubscribe ends it; doing so twice is no error.
	Unsubscribe(context.Context, ConnectionID, events.Topic) error
	// Topics tells what a connection watches. ErrNotConnected means that nothing is
	// known of it.
	Topics(context.Context, ConnectionID) ([]events.Topic, error)
}

// Items is the users' own table.
type Items interface {
	// Put writes an item. ErrBadItem says what the table refuses in it.
	Put(context.Context, events.Topic, events.Item) error
	// Remove deletes an item; one that does not exist is no error.
	Remove(ctx context.Context, topic events.Topic, id string) error
	// Page reads items of a topic as they are at this moment, in the order of
	// their ids, after the id given. next is empty on the last page.
	Page(ctx context.Context, topic events.Topic, after string) (items []events.Item, next string, err error)
}

// History is the log as clients resume from it.
type History interface {
	// Head reads a topic's head as it is at this moment.
	Head(context.Context, events.Topic) (Head, error)
	// Since reads changes with a seq above from, up to to, in order. It leaves out
	// those whose retention has passed, and may stop short while there are more.
	Since(ctx context.Context, topic events.Topic, from, to int64) ([]events.Change, error)
}

// Answerer carries out clients' requests.
type Answerer struct {
	Subscriptions Subscriptions
	Items         Items
	History       History
	Logger        *slog.Logger
}

// Answer carries out one request of a client. Every answer ends in one frame, which
// is returned encoded; the frames before it, if any, are handed to post in order.
// A request that fails is answered with an error frame. If post fails the rest of
// the answer is not sent, and the frame returned is nil. An answer to a connection
// that will be cut soon begins with reconnect.
func (a Answerer) Answer(ctx context.Context, c Connection, body []byte, post func([]byte) error) []byte {
	out := outbox{post: post}
	if delay, due := handover(c, time.Now()); due {
		out.send(&events.Reconnect{DelayMs: delay.Milliseconds()})
	}
	request, err := events.ParseRequest(body)
	if err == nil {
		err = a.carryOut(ctx, c, request, &out)
	}
	if err != nil && out.err == nil {
		out.send(a.refusal(c, request, err))
	}
	if out.err != nil {
		a.Logger.Warn("answer not delivered", "connection", c.ID, "action", request.Action, "err", out.err)
		return nil
	}
	return out.last
}

func (a Answerer) carryOut(ctx context.Context, c Connection, r events.Request, out *outbox) error {
	switch r.Action {
	case events.ActionPing:
		return a.ping(ctx, c, r, out)
	case events.ActionSubscribe, events.ActionUnsubscribe, events.ActionSnapshot, events.ActionPublish:
	default:
		return &events.Error{Code: events.CodeUnknownAction, Message: fmt.Sprintf("action is %q, known are subscribe, unsubscribe, snapshot, publish and ping", clip(r.Action))}
	}
	topic, err := events.ParseTopic(r.Topic)
	if err != nil {
		return &events.Error{Code: events.CodeBadTopic, Message: err.Error()}
	}
	switch r.Action {
	case events.ActionSubscribe:
		return a.subscribe(ctx, c, topic, r, out)
	case events.ActionUnsubscribe:
		return a.unsubscribe(ctx, c, topic, r, out)
	case events.ActionSnapshot:
		return a.snapshot(ctx, topic, r, out)
	default:
		return a.publish(ctx, topic, r, out)
	}
}

// refusal makes the error frame for a request, and logs what only the operator
// can mend.
func (a Answerer) refusal(c Connection, r events.Request, err error) *events.Error {
	frame, known := wireError(err)
	if !known || frame.Code == events.CodeUnavailable {
		a.Logger.Error("request failed", "connection", c.ID, "action", clip(r.Action), "topic", clip(r.Topic), "err", err)
	}
	answer := *frame
	if answer.ID == "" {
		answer.ID = r.ID
	}
	answer.Topic = clip(r.Topic)
	return &answer
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

// sendChanges sends changes in as few frames as hold them.
func (o *outbox) sendChanges(changes []events.Change) error {
	frames, err := events.PackChanges(changes)
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
