package apigateway

import (
	"context"
	"errors"
	"io"
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
		if c.g.options.Serial {
			c.handle(body)
		} else {
			c.g.spawn(func() { c.handle(body) })
		}
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

// handle runs the message's route and answers the sender as far as the API
// itself answers.
func (c *connection) handle(body string) {
	requestID := newID()
	response, err := c.answer(requestID, body)
	if c.g.ctx.Err() != nil {
		return
	}
	var refused *refusal
	if errors.As(err, &refused) {
		if refused == errThrottled && c.g.options.CloseThrottled {
			c.close(&closure{websocket.StatusPolicyViolation, refused.message})
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

// answer gives what the sender of a message is sent back, nil for nothing. The
// statusCode of a message's function never reaches a client.
func (c *connection) answer(requestID, body string) ([]byte, error) {
	r := c.g.route(body)
	if r == nil {
		return nil, errForbidden
	}
	if !r.bucket.take() || !c.g.account.take() {
		return nil, errThrottled
	}
	result, err := c.g.integrate(r, c.messageEvent(r.key, requestID, body))
	if err != nil || !r.TwoWay || (result.Body == "" && !c.g.options.EmptyResponses) {
		return nil, err
	}
	return []byte(result.Body), nil
}

// deliver sends a frame of the API's own, for which nobody can be told 429.
func (c *connection) deliver(frame []byte) {
	if err := c.send(frame); errors.Is(err, errBufferFull) {
		c.g.log.Warn("answer dropped: the client does not read", "connection", c.id)
	}
}
