// Package trickle is the only place that knows how to read slower than what comes, as a phone
// on a bad line does, or a client that means harm.
package trickle

import (
	"context"
	"net"
	"net/http"
	"time"
)

// pause is between two reads.
const pause = 100 * time.Millisecond

// Client makes an HTTP client for handshakes, whose connections each read at most so many
// bytes a second, of which 10 is the least. On loopback the kernel holds about 4 MB for one
// that does not read, before the sender sees it.
func Client(bytesPerSecond int) *http.Client {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return conn{c, bytesPerSecond / int(time.Second/pause)}, nil
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial}}
}

// conn reads a few bytes after each pause.
type conn struct {
	net.Conn
	atOnce int
}

func (c conn) Read(p []byte) (int, error) {
	time.Sleep(pause)
	return c.Conn.Read(p[:min(len(p), c.atOnce)])
}
