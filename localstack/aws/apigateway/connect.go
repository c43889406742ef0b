package apigateway

import (
	"errors"
	"net/http"

	"github.com/coder/websocket"
)

// connect takes a client through the handshake. Nothing is upgraded until all
// of it has succeeded, so a refused client sees an HTTP status.
func (g *Gateway) connect(w http.ResponseWriter, r *http.Request) {
	h := newHandshake(r)
	c := g.newConnection(h)
	result, err := c.admit(h)
	if err == nil && !g.register(c) {
		err = errThrottled
	}
	if err != nil {
		g.refuse(w, c, h, err)
		return
	}
	g.meter.accepted()
	c.open(w, r, result.subprotocol())
}

// admit runs everything that can refuse a client, in API Gateway's order.
func (c *connection) admit(h *handshake) (proxyResult, error) {
	if err := h.verify(); err != nil {
		return proxyResult{}, err
	}
	r := c.g.routes[connectKey]
	if !c.g.connects.Take() || !c.g.account.Take() || (r != nil && !r.bucket.Take()) {
		return proxyResult{}, errThrottled
	}
	if err := c.authorize(r, h); err != nil {
		return proxyResult{}, err
	}
	result, err := c.g.integrate(r, c.connectEvent(h))
	if err == nil && !result.ok() {
		err = &refusal{int(result.StatusCode), "", http.StatusText(int(result.StatusCode))}
		if c.g.options.DisconnectRefused {
			c.g.spawn(func() { c.disconnect(&closure{code: websocket.StatusAbnormalClosure}) })
		}
	}
	return result, err
}

// refuse answers a handshake with a failure's status. The body is like an
// error frame; browsers show neither.
func (g *Gateway) refuse(w http.ResponseWriter, c *connection, h *handshake, err error) {
	var refused *refusal
	if !errors.As(err, &refused) {
		g.log.Error("handshake failed", "error", err)
		refused = errNotPermitted
	}
	g.meter.refused(refused.status)
	header := w.Header()
	if refused == errNoUpgrade {
		header.Set("Connection", "Upgrade")
		header.Set("Upgrade", "websocket")
	}
	if refused == errBadRequest {
		header.Set("Sec-WebSocket-Version", "13")
	}
	writeFailure(w, refused, h.requestID, refused.frame(c.id, h.requestID))
}

// writeFailure answers with a failure, its type where the SDKs look for it.
func writeFailure(w http.ResponseWriter, refused *refusal, requestID string, body []byte) {
	header := w.Header()
	header.Set("X-Amzn-RequestId", requestID)
	if refused.kind != "" {
		header.Set("X-Amzn-ErrorType", refused.kind)
	}
	if len(body) > 0 {
		header.Set("Content-Type", "application/json")
	}
	w.WriteHeader(refused.status)
	_, _ = w.Write(body)
}
