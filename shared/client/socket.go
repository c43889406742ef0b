package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
)

const (
	// frameBytes is the size of the WebSocket frames that a message is cut into. API Gateway
	// refuses frames over 32 KB.
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
	frameBytes = 16 << 10
	// writeTime bounds the writing of one message.
	writeTime = 10 * time.Second
	// maxRedirects bounds how often one handshake is redirected.
	maxRedirects = 2
	// goodbyeTime bounds the closing handshake.
	goodbyeTime = time.Second
)

// socket is a link over one WebSocket. Messages wait in a queue, so a service that does not read
// blocks no caller.
type socket struct {
	conn *websocket.Conn
	wire net.Conn // below conn, to abort the link; nil if HTTPClient hides it

	mu      sync.Mutex
	queue   [][]byte      // messages that are to be sent
	waiting chan struct{} // has one element if the queue may not be empty
}

// dialSocket makes a link over a WebSocket. A refusal by the service is a *HandshakeError.
func dialSocket(ctx context.Context, address string, o Options) (link, error) {
	header, err := o.header(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.AnswerTime)
	defer cancel()
	var wire net.Conn
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) { wire = got.Conn }})
	conn, response, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: o.handshaker(), HTTPHeader: header})
	if err != nil && response != nil && response.StatusCode != http.StatusSwitchingProtocols {
		return nil, &HandshakeError{Status: response.StatusCode, pause: retryAfter(response.Header)}
	}
	if err != nil {
		return nil, fmt.Errorf("dial: %w", withoutURL(err))
	}
	conn.SetReadLimit(events.MaxFrameBytes)
	return &socket{conn: conn, wire: wire, waiting: make(chan struct{}, 1)}, nil
}

// handshaker is HTTPClient with the bound maxRedirects, because package websocket replaces the
// bound of net/http.
func (o Options) handshaker() *http.Client {
	h := *o.HTTPClient
	h.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errors.New("redirected too often")
		}
		if o.HTTPClient.CheckRedirect != nil {
			return o.HTTPClient.CheckRedirect(r, via)
		}
		return nil
	}
	return &h
}

// header gives the header of a handshake.
func (o Options) header(ctx context.Context) (http.Header, error) {
	token, err := o.token(ctx)
	if token == "" || err != nil {
		return o.Header, err
	}
	header := http.Header{}
	maps.Copy(header, o.Header)
	header.Set("Authorization", "Bearer "+token)
	return header, nil
}

// withoutURL removes the URL from an error, because its query may contain a token.
func withoutURL(err error) error {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// run reads and sends until the link or ctx ends.
func (l *socket) run(ctx context.Context, out chan<- incoming, logger *slog.Logger) {
	sending, stop := context.WithCancel(ctx)
	var sender sync.WaitGroup
	sender.Go(func() {
		if err := l.sendAll(sending); err != nil {
			logger.Warn("request not sent", "err", err) // the reader sees the end, or the deadline passes
		}
	})
	l.read(ctx, out)
	stop()
	sender.Wait()
}

// read hands on every frame, and at last how the link ended.
func (l *socket) read(ctx context.Context, out chan<- incoming) {
	for {
		_, data, err := l.conn.Read(ctx)
		select {
		case out <- incoming{link: l, data: data, err: err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (l *socket) write(r events.Request) error {
	message, err := events.Marshal(r)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.queue = append(l.queue, message)
	l.mu.Unlock()
	select {
	case l.waiting <- struct{}{}:
	default:
	}
	return nil
}

func (l *socket) transport() Transport { return WebSocket }

func (l *socket) ordered() bool { return true }

// sendAll sends the queue, until ctx ends or a message cannot be sent.
func (l *socket) sendAll(ctx context.Context) error {
	for {
		select {
		case <-l.waiting:
		case <-ctx.Done():
			return nil
		}
		l.mu.Lock()
		queue := l.queue
		l.queue = nil
		l.mu.Unlock()
		for _, message := range queue {
			if err := l.send(ctx, message); err != nil {
				return err
			}
		}
	}
}

// send sends one message, in frames that API Gateway accepts.
func (l *socket) send(ctx context.Context, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	w, err := l.conn.Writer(ctx, websocket.MessageText)
	if err != nil {
		return err
	}
	for len(message) > frameBytes {
		if _, err := w.Write(message[:frameBytes]); err != nil {
			return err
		}
		message = message[frameBytes:]
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	return w.Close()
}

// close says goodbye, and aborts the link if there is no answer.
func (l *socket) close() {
	timer := time.AfterFunc(goodbyeTime, l.abort)
	defer timer.Stop()
	_ = l.conn.Close(websocket.StatusNormalClosure, "") // the service may have closed it before
}

// abort ends a link whose goodbye is not answered. CloseNow is not enough, because it waits up to
// ten seconds for the goodbye.
func (l *socket) abort() {
	switch wire := l.wire.(type) {
	case nil:
		_ = l.conn.CloseNow()
	case *tls.Conn: // it says goodbye as well, and may wait for that
		_ = wire.NetConn().Close()
	default:
		_ = wire.Close()
	}
}

// closeCode gives the WebSocket close code that ended a link; 1006 if there was none.
//
// Source: RFC 6455, section 7.4.1
func closeCode(err error) int {
	if code := websocket.CloseStatus(err); code != -1 {
		return int(code)
	}
	return int(websocket.StatusAbnormalClosure)
}
