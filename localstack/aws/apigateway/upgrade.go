package apigateway

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// The library's buffers. It reads and writes what is larger past them, so they
// only need to hold frame headers and small messages; net/http's own, which
// are 4 KB each, are given back.
const (
	readBuffer  = 512
	writeBuffer = 2 << 10
)

// upgrader hands the WebSocket library a wire in place of the bare connection.
type upgrader struct {
	http.ResponseWriter
	c *connection
}

// Hijack takes the connection over from the HTTP server.
func (u *upgrader) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over connection %s: %w", u.c.id, err)
	}
	early, err := buffered.Reader.Peek(buffered.Reader.Buffered())
	if err != nil {
		return nil, nil, fmt.Errorf("read ahead of connection %s: %w", u.c.id, err)
	}
	o := u.c.g.options
	u.c.wire = &wire{
		Conn:       conn,
		early:      bytes.Clone(early),
		frameLimit: uint64(o.FrameLimit),
		blocked:    o.BlockedLimit,
		backlogMax: o.SendBuffer + overhead,
		spawn:      u.c.g.spawn,
	}
	return u.c.wire, bufio.NewReadWriter(
		bufio.NewReaderSize(u.c.wire, readBuffer),
		bufio.NewWriterSize(u.c.wire, writeBuffer),
	), nil
}

// upgrade answers 101. The subprotocol is only what $connect chose, whether or
// not the client offered it; no other header of its answer is passed on.
func (c *connection) upgrade(w http.ResponseWriter, r *http.Request, subprotocol string) error {
	if subprotocol != "" {
		w.Header().Set("Sec-WebSocket-Protocol", subprotocol)
	}
	options := &websocket.AcceptOptions{
		InsecureSkipVerify: true, // origins are the business of $connect and its authorizer
		CompressionMode:    websocket.CompressionNoContextTakeover,
	}
	if c.g.options.NoCompression {
		options.CompressionMode = websocket.CompressionDisabled
	}
	if c.g.options.IgnorePings {
		options.OnPingReceived = func(context.Context, []byte) bool { return false }
	}
	ws, err := websocket.Accept(&upgrader{w, c}, r, options)
	if err != nil {
		return fmt.Errorf("upgrade connection %s: %w", c.id, err)
	}
	ws.SetReadLimit(-1) // connection.read keeps the limit, and says 1009 itself
	c.ws = ws
	return nil
}
