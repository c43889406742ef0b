package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
)

// caller sends requests as they come, without waiting for answers.
type caller struct {
	conn     *websocket.Conn
	name     string
	topic    events.Topic
	numbered bool
	random   *rand.Rand
	stored   func(context.Context, events.Topic) (version string, err error)
	sent     int
	last     events.Request // that was sent

	mu      sync.Mutex
	answers map[string]events.Frame
	heard   []events.Change
	err     error         // that ended the connection
	news    chan struct{} // closed and made anew with each frame
}

// newCaller connects. It needs to be told its habits.
func newCaller(ctx context.Context, url string, w *wallet, topic events.Topic) (*caller, error) {
	token, err := w.token(ctx)
	if err != nil {
		return nil, err
	}
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1)
	c := &caller{conn: conn, name: w.subject, topic: topic, random: w.random, answers: map[string]events.Frame{}, news: make(chan struct{})}
	go c.read()
	return c, nil
}

func (c *caller) close() { _ = c.conn.CloseNow() }

func (c *caller) read() {
	for {
		_, data, err := c.conn.Read(context.Background())
		var frame events.Frame
		if err == nil {
			frame, err = events.Decode(data)
		}
		c.mu.Lock()
		c.receive(frame)
		c.err = err
		close(c.news)
		c.news = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *caller) receive(frame events.Frame) {
	switch f := frame.(type) {
	case *events.Subscribed:
		c.answers[f.ID] = f
	case *events.Unsubscribed:
		c.answers[f.ID] = f
	case *events.Published:
		c.answers[f.ID] = f
	case *events.Error:
		c.answers[f.ID] = f
	case *events.Changes:
		c.heard = append(c.heard, f.Changes...)
	}
}

// await waits until something holds, which is asked with the lock held.
func (c *caller) await(ctx context.Context, holds func() bool) error {
	for {
		c.mu.Lock()
		done, err, news := holds(), c.err, c.news
		c.mu.Unlock()
		if done || err != nil {
			return err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// rejoin leaves and rejoins the topic, and publishes.
func (c *caller) rejoin(ctx context.Context) error {
	if err := c.hop(ctx); err != nil {
		return err
	}
	return c.publish(ctx)
}

// hop sends a few requests about the topic. One that was overtaken by another that was sent
// before it shares its place with a topic that was left, and is sent again.
func (c *caller) hop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var ids []string
	for range 2 + c.random.IntN(3) {
		r := events.Request{Action: events.ActionUnsubscribe, Topic: string(c.topic)}
		if c.random.IntN(3) > 0 {
			r.Action, r.Fields = events.ActionSubscribe, [][]string{nil, {"v"}, {"v", "pad"}}[c.random.IntN(3)]
		}
		id, err := c.send(ctx, r)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	for range 5 {
		if err := c.answered(ctx, ids); err != nil {
			return err
		}
		if !c.overtaken(c.last.ID) {
			return nil
		}
		id, err := c.send(ctx, c.last)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	return fmt.Errorf("%s: its last request is overtaken all the time", c.name)
}

// send sends a request, which has a number or is taken at another time than the one before:
// API Gateway answers a WebSocket ping when it has taken what came before the ping.
func (c *caller) send(ctx context.Context, r events.Request) (id string, err error) {
	c.sent++
	r.ID, r.Order = strconv.Itoa(c.sent), 0
	if c.numbered {
		r.Order = int64(c.sent)
	}
	c.last = r
	err = c.conn.Write(ctx, websocket.MessageText, []byte(encoded(r)))
	if err == nil && !c.numbered {
		err = c.conn.Ping(ctx)
		time.Sleep(2 * time.Millisecond)
	}
	return r.ID, err
}

// answered waits for the answers to requests. The error is one that means something else
// than that another request counts.
func (c *caller) answered(ctx context.Context, ids []string) error {
	missing := func() []string {
		return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return c.answers[id] != nil })
	}
	if err := c.await(ctx, func() bool { return len(missing()) == 0 }); err != nil {
		return fmt.Errorf("%s: requests %s: %w", c.name, strings.Join(missing(), ", "), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if refused, ok := c.answers[id].(*events.Error); ok && refused.Code != events.CodeOvertaken {
			return fmt.Errorf("%s: request %s: %w", c.name, id, refused)
		}
	}
	return nil
}

func (c *caller) overtaken(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, refused := c.answers[id].(*events.Error)
	return refused
}

// publish puts one item a few times. The table then has what was put last.
func (c *caller) publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	subscribed := c.last
	defer func() { c.last = subscribed }()
	own := events.Topic("rejoin/" + c.name)
	var ids []string
	for range 2 + c.random.IntN(2) {
		item := &events.Item{ID: "item", Data: fmt.Appendf(nil, `{"v":%d}`, c.sent+1)}
		id, err := c.send(ctx, events.Request{Action: events.ActionPublish, Topic: string(own), Item: item})
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if err := c.answered(ctx, ids); err != nil {
		return err
	}
	version, err := c.stored(ctx, own)
	if err == nil && version != ids[len(ids)-1] {
		err = fmt.Errorf("%s: published version %s of its item last, and the table has version %s", c.name, ids[len(ids)-1], version)
	}
	return err
}

func (c *caller) subscribed() bool { return c.last.Action == events.ActionSubscribe }

// change gives the change with a number, if it was heard. The lock is held.
func (c *caller) change(seq int64) *events.Change {
	for i := range c.heard {
		if c.heard[i].Topic == c.topic && c.heard[i].Seq == seq {
			return &c.heard[i]
		}
	}
	return nil
}

func (c *caller) hears(ctx context.Context, seq int64) error {
	if !c.subscribed() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, prompt)
	defer cancel()
	if err := c.await(ctx, func() bool { return c.change(seq) != nil }); err != nil {
		return fmt.Errorf("%s: subscribed to %s last, and has not heard change %d: %w", c.name, c.topic, seq, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	data := string(c.change(seq).Data)
	if want := c.last.Fields == nil || slices.Contains(c.last.Fields, "pad"); strings.Contains(data, `"pad"`) != want {
		return fmt.Errorf("%s: subscribed to %s with the fields %q last, and change %d shows %.60s", c.name, c.topic, c.last.Fields, seq, data)
	}
	return nil
}

func (c *caller) silent(seq int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.subscribed() && c.change(seq) != nil {
		return fmt.Errorf("%s: unsubscribed from %s last, and has heard change %d", c.name, c.topic, seq)
	}
	return nil
}

// stored reads the version of the item that a rejoiner publishes.
func (w *writer) stored(ctx context.Context, topic events.Topic) (version string, err error) {
	out, err := w.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &w.table, ConsistentRead: aws.Bool(true), Key: map[string]types.AttributeValue{
		"topic": &types.AttributeValueMemberS{Value: string(topic)}, "id": &types.AttributeValueMemberS{Value: "item"},
	}})
	if err != nil {
		return "", err
	}
	if v, ok := out.Item["v"].(*types.AttributeValueMemberN); ok {
		return v.Value, nil
	}
	return "none", nil
}
