package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
	"github.com/watchroute/watchroute/events"
)

// publication is an item on its way into the Events table.
type publication struct {
	frame  events.Request
	answer chan error // has room for the one answer
	mark   string     // of the change; valid after the answer
	attempt
}

// PublishOptions say more about a publication. The zero value is that of [Client.Publish].
type PublishOptions struct {
	// Key names the publication: who publishes the same item under the same Key again, also with
	// another client, makes no second change. It must be random, or others of the same
	// subject may use it by chance. Default: one that is made up.
	Key string
	// ExpiresAt is when the item expires, within [events.MaxExpiry]; seconds count. Default: when
	// the item in its place expires, or never.
	ExpiresAt time.Time
	// NeverExpires takes away the time that the item in its place expires at. ExpiresAt is
	// ignored then.
	NeverExpires bool
}

// Published is what became of a publication.
type Published struct {
	ID string // of the item
	// Mark is that of the change that was made, see events.Change. It is empty if a later
	// Publish or Remove of this client has overtaken it, so that no change was made.
	Mark string
}

// Publish puts an item and returns its id when the service has it in its table; its
// change is then on its way to the watchers. An item without an id gets one that sorts
// by time, which appends it to a feed.
//
// Until there is an answer it is tried again, over a new connection if need be, so the
// item may be put more than once; that makes one change, unless another was put between.
// Of several calls about one item the last one counts, as far as they go over one connection.
// The error is that of ctx, whatever ended the client, or an [*events.Error] that says what the
// service refuses. After an error other than the last the item may be in the table.
//
// Data is sent as it is given. Text that is none in Unicode, see [events.CheckText], is
// refused with events.CodeBadItem: it would arrive as another.
func (c *Client) Publish(ctx context.Context, topic events.Topic, item events.Item) (id string, err error) {
	p, err := c.PublishWith(ctx, topic, item, PublishOptions{})
	return p.ID, err
}

// PublishWith is [Client.Publish] with options. It tells which change it has made.
func (c *Client) PublishWith(ctx context.Context, topic events.Topic, item events.Item, o PublishOptions) (Published, error) {
	if item.ID == "" {
		item.ID = ulid.Make().String()
	}
	frame := events.Request{Action: events.ActionPublish, Topic: string(topic), Item: &item, Key: cmp.Or(o.Key, rand.Text())}
	if seconds := o.ExpiresAt.Unix(); o.NeverExpires || !o.ExpiresAt.IsZero() {
		if o.NeverExpires {
			seconds = 0
		}
		frame.ExpiresAt = &seconds
	}
	mark, err := c.publish(ctx, frame)
	return Published{ID: item.ID, Mark: mark}, err
}

// Remove deletes an item; one that does not exist is no error. Otherwise it is like
// [Client.Publish].
func (c *Client) Remove(ctx context.Context, topic events.Topic, id string) error {
	_, err := c.publish(ctx, events.Request{Action: events.ActionPublish, Topic: string(topic), Op: events.OpRemove, Item: &events.Item{ID: id}})
	return err
}

func (c *Client) publish(ctx context.Context, frame events.Request) (mark string, err error) {
	if _, err := events.ParseTopic(frame.Topic); err != nil {
		return "", &events.Error{Code: events.CodeBadTopic, Message: err.Error(), Topic: frame.Topic}
	}
	if err := events.CheckItemID(frame.Item.ID); err != nil {
		return "", &events.Error{Code: events.CodeBadItem, Message: err.Error(), Topic: frame.Topic}
	}
	if err := checkFrame(frame, events.CodeBadItem); err != nil {
		return "", err
	}
	p := &publication{frame: frame, answer: make(chan error, 1)}
	if !c.do(func(e *engine) { e.publish(p) }) {
		return "", c.err
	}
	select {
	case err := <-p.answer:
		return p.mark, err
	case <-ctx.Done():
		c.do(func(e *engine) { e.withdraw(p) })
		return "", ctx.Err()
	}
}

// publish takes a publication over. Its order is that of the calls: whenever it is sent again,
// it does not count more than what was published since.
func (e *engine) publish(p *publication) {
	e.lastID++
	p.frame.Order = int64(e.lastID)
	e.publications = append(e.publications, p)
}

// sendable gives the publications that may be sent. If the link keeps no order, a publication waits
// until all earlier ones about the same item are answered.
func (e *engine) sendable() []*publication {
	if e.link == nil || e.link.ordered() {
		return e.publications
	}
	type item struct{ topic, id string }
	taken := map[item]bool{}
	return slices.DeleteFunc(slices.Clone(e.publications), func(p *publication) bool {
		i := item{p.frame.Topic, p.frame.Item.ID}
		later := taken[i]
		taken[i] = true
		return later
	})
}

// checkFrame refuses, with a code, what cannot be sent as it is, and what API Gateway would
// close the connection for.
func checkFrame(frame events.Request, code events.Code) error {
	refuse := func(what string) error {
		return &events.Error{Code: code, Message: frame.Action + " " + what, Topic: frame.Topic}
	}
	message, err := events.Marshal(frame)
	switch {
	case err != nil:
		return refuse("is not JSON: " + err.Error())
	case len(message)+events.MaxRequestIDBytes > events.MaxFrameBytes:
		return refuse(fmt.Sprintf("takes %d bytes, at most %d are allowed", len(message)+events.MaxRequestIDBytes, events.MaxFrameBytes))
	}
	if err := events.CheckText(message); err != nil {
		return refuse(err.Error())
	}
	for _, field := range frame.Fields {
		if !utf8.ValidString(field) { // which is U+FFFD in the message
			return refuse("has a field that is not UTF-8")
		}
	}
	return nil
}

func (e *engine) published(f *events.Published) {
	if r := e.answered(f.ID); r != nil && r.publication != nil {
		r.publication.mark = f.Mark
		e.conclude(r.publication, nil)
	}
}

// conclude answers whoever publishes.
func (e *engine) conclude(p *publication, err error) {
	e.withdraw(p)
	p.answer <- err
}

// withdraw forgets a publication that nobody waits for.
func (e *engine) withdraw(p *publication) {
	e.publications = slices.DeleteFunc(e.publications, func(o *publication) bool { return o == p })
	for id, r := range e.requests {
		if r.publication == p {
			delete(e.requests, id)
		}
	}
}
