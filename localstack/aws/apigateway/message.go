package apigateway

import (
	"context"
	"errors"
	"io"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// receive dispatches messages until the connection fails or the client breaks
// a rule, which a *closure says.
func (c *connection) receive() error {
	for {
		body, err := c.read()
		if err != nil {
			return err
		}
		c.touch()
		c.g.meter.received(len(body))
		switch decided(c.g.options.Receiving) {
		case Lost:
			continue
		case Cut:
			_ = c.wire.Close() // the next read sees it
		}
		c.handle(body)
	}
}

// read gives the next message whole.
func (c *connection) read() (string, error) {
	kind, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return "", err
	}
	if kind == websocket.MessageBinary {
		return "", &closure{websocket.StatusUnsupportedData, "Binary frames are not supported"}
	}
	buffer := c.g.buffer()
	defer c.g.release(buffer)
	limit := c.g.options.MessageLimit
	n, err := buffer.ReadFrom(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return "", err
	case int(n) > limit:
		return "", &closure{websocket.StatusMessageTooBig, "Message too long"}
	case !utf8.Valid(buffer.Bytes()):
		return "", &closure{websocket.StatusInvalidFramePayloadData, "Text is not UTF-8"}
	}
	return buffer.String(), nil
}

// refusedPause is how long the next message of a client stays unread after one that was
// refused. AWS documents none. Here it keeps a client that floods from taking this
// machine's processors from all others.
const refusedPause = 4 * time.Millisecond

// handle runs the message's route and answers the sender as far as the API itself
// answers. It waits for the function only if messages are served one by one.
func (c *connection) handle(body string) {
	run := c.dispatch(body)
	switch {
	case run == nil:
		time.Sleep(refusedPause)
	case c.g.options.Serial:
		run()
	default:
		c.g.spawn(run)
	}
}

// dispatch does what a message costs before its function runs, and gives the rest; nil
// if there is none. It does so for one message of the API at a time. A flood of them,
// each a goroutine from the start, would keep every thread of the process busy, and Go
// looks for what has arrived for others only when a thread has nothing to do.
func (c *connection) dispatch(body string) (run func()) {
	c.g.dispatching.Lock()
	defer c.g.dispatching.Unlock()
	requestID := newID()
	r, err := c.admitMessage(body)
	if err != nil {
		c.respond(requestID, nil, err)
		return nil
	}
	e, passage := c.messageEvent(r.key, requestID, body), c.passage(body)
	return func() {
		passage.Wait()
		response, err := c.answer(r, e)
		passage.Ended()
		if told := c.g.options.Answered; told != nil && err == nil {
			told(body, response)
		}
		c.respond(requestID, response, err)
	}
}

// admitMessage finds the message's route, unless there is none or it is throttled.
func (c *connection) admitMessage(body string) (*route, error) {
	r := c.g.route(body)
	if r == nil {
		return nil, errForbidden
	}
	if !r.bucket.Take() || !c.g.account.Take() {
		return nil, errThrottled
	}
	return r, nil
}

// answer gives what the sender of a message is sent back, nil for nothing. The
// statusCode of a message's function never reaches a client.
func (c *connection) answer(r *route, e event) ([]byte, error) {
	result, err := c.g.integrate(r, e)
	if err != nil || !r.TwoWay || (result.Body == "" && !c.g.options.EmptyResponses) {
		return nil, err
	}
	if limit := c.g.options.MessageLimit; len(result.Body) > limit && !c.g.options.LargeResponses {
		c.g.log.Error("route response exceeds the message limit", "function", r.Function, "connection", c.id, "bytes", len(result.Body), "limit", limit)
		c.g.meter.lost()
		return nil, errFunction
	}
	return []byte(result.Body), nil
}

// respond sends what a message is answered, or the error frame that stands for it.
func (c *connection) respond(requestID string, response []byte, err error) {
	if c.g.ctx.Err() != nil {
		return
	}
	var refused *refusal
	if errors.As(err, &refused) {
		if refused == errThrottled && c.g.options.CloseThrottled {
			c.g.spawn(func() { c.close(&closure{websocket.StatusPolicyViolation, refused.message}) })
			return
		}
		c.deliver(refused.frame(c.id, requestID))
		return
	}
	if err != nil {
		c.g.log.Error("message failed", "connection", c.id, "error", err)
		return
	}
	if response != nil {
		c.deliver(response)
	}
}

// deliver sends a frame of the API's own, for which nobody can be told 429.
func (c *connection) deliver(frame []byte) {
	if err := c.send(frame); errors.Is(err, errBufferFull) {
		c.g.log.Warn("answer dropped: the client does not read", "connection", c.id)
	}
}
