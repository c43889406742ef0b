package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
)

const (
	// frameBytes is where a message is cut into WebSocket frames: API Gateway
	// refuses frames over 32 KB.
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
	frameBytes = 16 << 10
	// writeTime bounds the writing of one message.
	writeTime = 10 * time.Second
	// goodbyeTime bounds the closing handshake.
	goodbyeTime = time.Second
)

// link is one WebSocket.
type link struct {
	conn *websocket.Conn
}

// incoming is a frame that came over a link, or how the link ended.
type incoming struct {
	link *link
	data []byte
	err  error
}

// dialled is a new link, or why there is none.
type dialled struct {
	link *link
	err  error
}

// dial makes a link. A refusal by the service is a *HandshakeError.
func dial(ctx context.Context, address string, o Options) (*link, error) {
	header, err := o.header(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.AnswerTime)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: o.HTTPClient, HTTPHeader: header})
	if err != nil && response != nil && response.StatusCode != http.StatusSwitchingProtocols {
		return nil, &HandshakeError{Status: response.StatusCode}
	}
	if err != nil {
		return nil, fmt.Errorf("dial: %w", withoutURL(err))
	}
	conn.SetReadLimit(events.MaxFrameBytes)
	return &link{conn: conn}, nil
}

// header is what a handshake is sent with.
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

// withoutURL takes the URL out of an error, as there may be a token in its query.
func withoutURL(err error) error {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// read hands on every frame, and at last how the link ended.
func (l *link) read(ctx context.Context, out chan<- incoming) {
	for {
		_, data, err := l.conn.Read(ctx)
		select {
		case out <- incoming{l, data, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// write sends one message, in frames that API Gateway takes.
func (l *link) write(ctx context.Context, message []byte) error {
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

// close says goodbye, and hangs up if there is no answer. A nil link is closed.
func (l *link) close() {
	if l == nil {
		return
	}
	hangUp := time.AfterFunc(goodbyeTime, func() { _ = l.conn.CloseNow() })
	defer hangUp.Stop()
	_ = l.conn.Close(websocket.StatusNormalClosure, "") // the service may have left before
}

// closeCode is the WebSocket close code that ended a link; 1006 if there was none.
//
// Source: RFC 6455, section 7.4.1
func closeCode(err error) int {
	if code := websocket.CloseStatus(err); code != -1 {
		return int(code)
	}
	return int(websocket.StatusAbnormalClosure)
}
