package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/watchroute/watchroute/events"
)

// Subscriptions keeps who watches what.
type Subscriptions interface {
	// Subscribe makes the connection watch the topic, and tells whether it did
	// already. ErrNotConnected and ErrTooManySubscriptions change nothing.
	Subscribe(context.Context, Subscription) (already bool, err error)
	// Unsubscribe ends it; doing so twice is no error.
	Unsubscribe(context.Context, ConnectionID, events.Topic) error
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

// Answerer carries out clients' requests.
type Answerer struct {
	Subscriptions Subscriptions
	Items         Items
	Log           Log
	Logger        *slog.Logger
}

// Answer carries out one request of a client. Every answer ends in one frame, which
// is returned encoded; the frames before it, if any, are handed to post in order.
// A request that fails is answered with an error frame. If post fails the rest of
// the answer is not sent, and the frame returned is nil.
func (a Answerer) Answer(ctx context.Context, c Connection, body []byte, post func([]byte) error) []byte {
	out := outbox{post: post}
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
		out.send(&events.Pong{ID: r.ID})
		return nil
	case events.ActionSubscribe, events.ActionUnsubscribe, events.ActionPublish:
	default:
		return &events.Error{Code: events.CodeUnknownAction, Message: fmt.Sprintf("action is %q, known are subscribe, unsubscribe, publish and ping", clip(r.Action))}
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
	default:
		return a.publish(ctx, topic, r, out)
	}
}

// subscribe writes the subscription before it reads the head, so that every change
// after the cursor it answers with finds the subscription.
func (a Answerer) subscribe(ctx context.Context, c Connection, topic events.Topic, r events.Request, out *outbox) error {
	already, err := a.Subscriptions.Subscribe(ctx, Subscription{Connection: c, Topic: topic})
	if err != nil {
		return err
	}
	head, err := a.Log.Head(ctx, topic)
	if err != nil {
		a.undo(ctx, c, topic, already)
		return err
	}
	out.send(&events.Subscribed{ID: r.ID, Topic: topic, Cursor: head.Cursor})
	if r.Snapshot {
		return a.snapshot(ctx, topic, events.Snapshot{ID: r.ID, Topic: topic, Cursor: head.Cursor}, out)
	}
	return nil
}

// undo takes back a subscription that the client is told has failed.
func (a Answerer) undo(ctx context.Context, c Connection, topic events.Topic, already bool) {
	if already {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := a.Subscriptions.Unsubscribe(ctx, c.ID, topic); err != nil {
		a.Logger.Error("subscription left behind", "connection", c.ID, "topic", topic, "err", err)
	}
}

// snapshot sends the topic's items. They are read after the head, so they hold all
// changes up to its cursor.
func (a Answerer) snapshot(ctx context.Context, topic events.Topic, page events.Snapshot, out *outbox) error {
	for after := ""; ; {
		items, next, err := a.Items.Page(ctx, topic, after)
		if err != nil {
			return err
		}
		page.Items, page.More = withoutLargeData(items), next != ""
		frames, err := events.PackSnapshot(page)
		if err != nil {
			return err
		}
		for _, frame := range frames {
			out.sendEncoded(frame)
		}
		if next == "" || out.err != nil {
			return out.err
		}
		after = next
	}
}

// withoutLargeData marks items whose data does not fit into a frame.
func withoutLargeData(items []events.Item) []events.Item {
	items = slices.Clone(items)
	for i, item := range items {
		if len(item.Data) > events.MaxDataBytes {
			items[i] = events.Item{ID: item.ID, Large: true}
		}
	}
	return items
}

func (a Answerer) unsubscribe(ctx context.Context, c Connection, topic events.Topic, r events.Request, out *outbox) error {
	if err := a.Subscriptions.Unsubscribe(ctx, c.ID, topic); err != nil {
		return err
	}
	out.send(&events.Unsubscribed{ID: r.ID, Topic: topic})
	return nil
}

// publish writes to the Events table; the change then takes the way of every other.
func (a Answerer) publish(ctx context.Context, topic events.Topic, r events.Request, out *outbox) error {
	item, err := publishedItem(r)
	if err != nil {
		return err
	}
	if r.Op == events.OpRemove {
		err = a.Items.Remove(ctx, topic, item.ID)
	} else {
		err = a.Items.Put(ctx, topic, item)
	}
	if err != nil {
		return err
	}
	out.send(&events.Published{ID: r.ID, Topic: topic, Item: events.Item{ID: item.ID}})
	return nil
}

// publishedItem checks what publish is given.
func publishedItem(r events.Request) (events.Item, error) {
	var item events.Item
	if r.Item != nil {
		item = events.Item{ID: r.Item.ID, Data: r.Item.Data}
	}
	switch {
	case r.Op != "" && r.Op != events.OpRemove:
		return item, &events.Error{Code: events.CodeBadRequest, Message: `op must be "remove" or left out`}
	case r.Item == nil:
		return item, &events.Error{Code: events.CodeBadRequest, Message: "item is missing"}
	case r.Op == "" && item.ID == "":
		item.ID = ulid.Make().String()
	}
	if err := events.CheckItemID(item.ID); err != nil {
		return item, &events.Error{Code: events.CodeBadItem, Message: err.Error()}
	}
	return item, checkData(item.Data)
}

// checkData wants an object without the names that the table keeps for itself.
func checkData(data json.RawMessage) error {
	if data == nil {
		return nil
	}
	var attributes map[string]json.RawMessage
	if err := json.Unmarshal(data, &attributes); err != nil || attributes == nil {
		return &events.Error{Code: events.CodeBadItem, Message: "item data is not a JSON object"}
	}
	for _, name := range events.ReservedAttributes() {
		if _, ok := attributes[name]; ok {
			return &events.Error{Code: events.CodeBadItem, Message: fmt.Sprintf("item data has the reserved attribute %s", name)}
		}
	}
	return nil
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
	o.sendEncoded(body)
}

func (o *outbox) sendEncoded(frame []byte) {
	if o.err == nil && o.last != nil {
		o.err = o.post(o.last)
	}
	o.last = frame
}
