package apigateway

import (
	"context"
	"log"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/coder/websocket"
)

// pipes is a network in memory, for tests whose time is synctest's: it accepts
// the server's end of a pipe for each dial. A pipe holds no bytes at all, so a
// client that does not read blocks the very first write.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// memory is a fixture on pipes.
type memory struct {
	*fixture
	http *http.Client
}

// network serves a gateway on pipes, within a synctest bubble.
func network(t *testing.T, api API, f functions, o Options) *memory {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	g := New(api, f, o)
	listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: g, ErrorLog: log.New(log.Writer(), "", 0)}
	go func() { _ = server.Serve(listener) }()
	transport := &http.Transport{DialContext: listener.dial}
	t.Cleanup(func() {
		g.Close()
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	return &memory{&fixture{T: t, g: g, url: "http://gateway/" + api.Stage}, &http.Client{Transport: transport}}
}

func (m *memory) dial(options *websocket.DialOptions) *client {
	m.Helper()
	if options == nil {
		options = &websocket.DialOptions{}
	}
	options.HTTPClient = m.http
	return m.fixture.dial(options)
}
