package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// Reasons as $disconnect events have been seen to carry them on AWS.
const (
	reasonDeleted   = "Connection Closed Normally"
	reasonGoingAway = "Going away"
	reasonNoStatus  = "Client-side close frame status not set"
)

// connection is one client, from its handshake to its $disconnect.
type connection struct {
	g           *Gateway
	id          string
	connectedAt time.Time
	identity    identity
	authorizer  json.RawMessage // requestContext.authorizer
	lastActive  atomic.Int64    // Unix nanoseconds of the last data, in or out

	opened chan struct{} // closed when the fields below are set, or stay nil
	ws     *websocket.Conn
	wire   *wire
	timer  *time.Timer

	sending sync.Mutex              // makes finding room and writing one step
	cause   atomic.Pointer[closure] // how this side ended it, nil if it did not
}

// closure is why a connection ended: a WebSocket status and a reason.
type closure struct {
	code   websocket.StatusCode
	reason string
}

func (c *closure) Error() string { return c.reason }

func (g *Gateway) newConnection(h *handshake) *connection {
	now := time.Now()
	c := &connection{g: g, id: newID(), connectedAt: now, identity: h.identity(), opened: make(chan struct{})}
	c.lastActive.Store(now.UnixNano())
	return c
}

// open registers the connection and upgrades it. It is found from the moment
// the client can know of it; whoever finds it earlier waits for the upgrade.
func (c *connection) open(w http.ResponseWriter, r *http.Request, subprotocol string) {
	err := c.upgrade(w, r, subprotocol)
	if err == nil {
		c.timer = time.AfterFunc(c.untilExpiry(), c.expire)
	}
	close(c.opened)
	if err != nil {
		c.g.log.Warn("client left during the handshake", "error", err)
		c.ended(&closure{code: websocket.StatusAbnormalClosure})
		return
	}
	go c.serve()
}

// serve reads until the connection ends, however it does.
func (c *connection) serve() {
	err := c.receive()
	if broken := violation(err); broken != nil {
		c.close(broken)
	}
	c.timer.Stop()
	_ = c.ws.CloseNow()
	c.ended(c.outcome(err))
}

// violation is what the client did wrong, nil if it just left.
func violation(err error) *closure {
	var broken *closure
	var network net.Error
	switch {
	case errors.As(err, &broken):
		return broken
	case errors.Is(err, errFrameTooLarge):
		return &closure{websocket.StatusMessageTooBig, "Frame too long"}
	case websocket.CloseStatus(err) != -1, errors.As(err, &network),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return nil
	}
	return &closure{websocket.StatusProtocolError, "Protocol error"}
}

// outcome is what $disconnect tells: this side's reason if it closed, else the
// client's, else 1006 for a connection that was lost.
func (c *connection) outcome(err error) *closure {
	if cause := c.cause.Load(); cause != nil {
		return cause
	}
	var received websocket.CloseError
	switch {
	case !errors.As(err, &received):
		return &closure{code: websocket.StatusAbnormalClosure}
	case received.Code == websocket.StatusNoStatusRcvd:
		return &closure{received.Code, reasonNoStatus}
	}
	return &closure{received.Code, received.Reason}
}

// ended counts the end and tells $disconnect, unless that is left out; nobody waits
// for its answer.
// Every registered connection comes here once.
func (c *connection) ended(why *closure) {
	defer c.g.running.Done()
	c.g.forget(c)
	c.g.meter.closed(int(why.code), c.connectedAt)
	if c.g.ctx.Err() != nil {
		return
	}
	if skip := c.g.options.NoDisconnect; skip != nil && skip() {
		return
	}
	c.disconnect(why)
}

// disconnect runs $disconnect.
func (c *connection) disconnect(why *closure) {
	_, err := c.g.integrate(c.g.routes[disconnectKey], c.disconnectEvent(newID(), int(why.code), why.reason))
	if err != nil {
		c.g.log.Warn("$disconnect failed", "connection", c.id, "error", err)
	}
}

// condemn decides how the connection ends, if nothing has yet. From here on
// posts to it are answered 410.
func (c *connection) condemn(why *closure) bool {
	return c.cause.CompareAndSwap(nil, why)
}

// close condemns the connection and does the closing handshake, for which the
// library gives the client 5 s.
func (c *connection) close(why *closure) {
	if c.condemn(why) {
		_ = c.ws.Close(why.code, why.reason)
	}
}

// leave closes the connection in the little time that Gateway.Close has.
func (c *connection) leave() {
	<-c.opened
	if c.ws == nil {
		return
	}
	_ = c.wire.SetReadDeadline(time.Now().Add(closeGrace))
	c.close(&closure{websocket.StatusGoingAway, reasonGoingAway})
}

// touch records data in either direction. Control frames do not count.
func (c *connection) touch() { c.lastActive.Store(time.Now().UnixNano()) }

// untilExpiry is the time left until the idle or the absolute limit.
func (c *connection) untilExpiry() time.Duration {
	idle := time.Unix(0, c.lastActive.Load()).Add(c.g.options.IdleTimeout)
	return min(time.Until(idle), time.Until(c.connectedAt.Add(c.g.options.MaxDuration)))
}

// expire closes the connection, or waits on if there was data meanwhile. So
// data costs no timer, and a connection has one for both limits.
func (c *connection) expire() {
	<-c.opened // by then c.timer is set
	if left := c.untilExpiry(); left > 0 {
		c.timer.Reset(left)
		return
	}
	c.g.spawn(func() { c.close(&closure{websocket.StatusGoingAway, reasonGoingAway}) })
}

// send puts one text message on its way without waiting for the client. It
// fails with errBufferFull if too much waits already, with errGone if the
// connection is over.
func (c *connection) send(message []byte) error {
	<-c.opened
	if c.ws == nil {
		return errGone
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.wire.waiting()+len(message) > c.g.options.SendBuffer {
		return errBufferFull
	}
	if err := c.write(message); err != nil {
		return errGone
	}
	c.touch()
	c.g.meter.sent(len(message))
	return nil
}

// write lets a message meet its fate.
func (c *connection) write(message []byte) error {
	if sent := c.g.options.Sent; sent != nil {
		sent(message)
	}
	switch decided(c.g.options.Sending) {
	case Lost:
		return nil
	case Cut:
		return c.wire.Close()
	}
	return c.ws.Write(context.Background(), websocket.MessageText, message)
}
