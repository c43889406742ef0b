package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"sync"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// watchClient is a client of any language that keeps the promise.
type watchClient interface {
	Watch(context.Context, events.Topic, client.WatchOptions) iter.Seq2[client.Event, error]
	Stats() client.Stats
	Close()
}

// driver runs the clients of shared/browser in a program, as clients.js describes.
type driver struct {
	program
	ended chan struct{}

	mu      sync.Mutex
	last    int
	calls   map[int]chan reply
	clients map[int]*driven
	err     error // why the program has ended
}

// reply is a line of the program.
type reply struct {
	N     int             `json:"n"`
	Value json.RawMessage `json:"value"`
	Error *struct {
		Code    events.Code `json:"code"`
		Message string      `json:"message"`
	} `json:"error"`
	Ask    int `json:"ask"` // for a token
	Client int `json:"client"`
}

// startDriver starts a program: node, or chromium.
func startDriver(ctx context.Context, root, name string) (*driver, error) {
	p, err := startProgram(ctx, root, name)
	if err != nil {
		return nil, err
	}
	d := &driver{program: p, ended: make(chan struct{}), calls: map[int]chan reply{}, clients: map[int]*driven{}}
	go d.read(p.out)
	return d, nil
}

func (d *driver) read(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		var a reply
		if err == nil {
			err = json.Unmarshal(line, &a)
		}
		if err != nil {
			d.mu.Lock()
			d.err = fmt.Errorf("the program of the clients has ended: %w", err)
			d.mu.Unlock()
			close(d.ended)
			return
		}
		d.accept(a)
	}
}

func (d *driver) accept(a reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.Ask != 0 {
		go d.give(a.Ask, d.clients[a.Client])
		return
	}
	d.calls[a.N] <- a
	delete(d.calls, a.N)
}

// give gives a client the token that it asks for, or none.
func (d *driver) give(ask int, c *driven) {
	line := map[string]any{"do": "token", "ask": ask}
	if token, err := c.token(context.Background()); err == nil {
		line["token"] = token
	}
	_ = d.write(line) // the client asks again
}

func (d *driver) write(line map[string]any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err = d.in.Write(append(text, '\n'))
	return err
}

// call has the program do something. into may be nil. The error is an *events.Error if the service
// refuses.
func (d *driver) call(ctx context.Context, do string, line map[string]any, into any) error {
	answered := make(chan reply, 1)
	d.mu.Lock()
	d.last++
	line["n"], line["do"] = d.last, do
	d.calls[d.last] = answered
	d.mu.Unlock()
	if err := d.write(line); err != nil {
		return err
	}
	select {
	case a := <-answered:
		if a.Error != nil {
			return &events.Error{Code: a.Error.Code, Message: a.Error.Message}
		}
		if into == nil {
			return nil
		}
		return json.Unmarshal(a.Value, into)
	case <-ctx.Done():
		return ctx.Err()
	case <-d.ended:
		return d.err
	}
}

// driven is a client in the program.
type driven struct {
	*driver
	id    int
	token func(context.Context) (string, error)
	stats client.Stats // when it was closed
}

// number gives the next number of a client or a watch.
func (d *driver) number() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	return d.last
}

// overHTTPEvery is how many clients there are for one that only uses streams over HTTP. As many only
// use long polls, and as many fall back to HTTP where WebSockets fail. In a page there are none, because
// a browser has six connections to a server without HTTP/2.
const overHTTPEvery = 8

// dial makes a client. It does not wait until that is connected.
func (d *driver) dial(ctx context.Context, url, rest string, o client.Options) (*driven, error) {
	c := &driven{driver: d, id: d.number(), token: o.Token}
	d.mu.Lock()
	d.clients[c.id] = c
	d.mu.Unlock()
	options := map[string]any{
		"pingInterval": o.PingInterval.Milliseconds(), "maxPingInterval": o.MaxPingInterval.Milliseconds(), "holeTime": o.HoleTime.Milliseconds(),
		"answerTime": o.AnswerTime.Milliseconds(), "maxBackoff": o.MaxBackoff.Milliseconds(),
	}
	if o.Buffer > 0 {
		options["buffer"] = o.Buffer
	}
	line := map[string]any{"client": c.id, "url": url, "options": options}
	if n := c.id % overHTTPEvery; n < 3 && d.origin == "" {
		line["http"] = map[string]any{"url": rest, "only": n < 2, "streams": n > 0, "betterInterval": 1000}
	}
	return c, d.call(ctx, "dial", line, nil)
}

// event is an event of a watch in the program, and whether the watch has ended instead.
type event struct {
	Topic  events.Topic   `json:"topic"`
	Cursor string         `json:"cursor"`
	Change *events.Change `json:"change"`
	Page   *client.Page   `json:"page"`
	Costly bool           `json:"costly"`
	Done   bool           `json:"done"`
}

// Watch is that of client.Client.
func (c *driven) Watch(ctx context.Context, topic events.Topic, o client.WatchOptions) iter.Seq2[client.Event, error] {
	return func(yield func(client.Event, error) bool) {
		id := c.number()
		options := map[string]any{"snapshot": o.Snapshot, "latest": o.Latest, "filter": o.Filter, "fields": o.Fields}
		if o.Filter == nil {
			delete(options, "filter")
			delete(options, "fields")
		}
		if o.After != nil {
			options["after"] = o.After.String()
		}
		if err := c.call(ctx, "watch", map[string]any{"watch": id, "client": c.id, "topic": topic, "options": options}, nil); err != nil {
			yield(client.Event{}, err)
			return
		}
		defer func() { _ = c.call(context.WithoutCancel(ctx), "leave", map[string]any{"watch": id}, nil) }()
		for {
			var e event
			err := c.call(ctx, "next", map[string]any{"watch": id}, &e)
			if err == nil && e.Done {
				err = client.ErrClosed
			}
			got := client.Event{Topic: e.Topic, Change: e.Change, Page: e.Page, Costly: e.Costly}
			if err == nil && e.Cursor != "" {
				got.Cursor, err = events.ParseCursor(e.Cursor)
			}
			if !yield(got, err) || err != nil {
				return
			}
		}
	}
}

// Close is that of client.Client.
func (c *driven) Close() {
	_ = c.call(context.Background(), "close", map[string]any{"client": c.id}, &c.stats)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.clients, c.id)
}

// Stats gives what the client went through, after it was closed.
func (c *driven) Stats() client.Stats { return c.stats }
