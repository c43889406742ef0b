package restapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// delimiter stands between the metadata of a streamed answer and its body.
var delimiter = make([]byte, 8)

// streamMetadata is what stands before the delimiter.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
type streamMetadata struct {
	metadata
	Cookies []string `json:"cookies"`
}

// Why a stream ended before its function's answer did.
var (
	errIdle = errors.New("idle")
	errGone = errors.New("client has gone")
	errTorn = errors.New("cut on purpose")
	errSlow = errors.New("client takes nothing")
)

// stream runs the method's function and passes its answer on as it comes. It answers with instead,
// if given. An error means that nothing has been answered. A later failure cuts the connection.
func (g *Gateway) stream(w http.ResponseWriter, c *call, instead *refusal) error {
	payload, err := json.Marshal(g.event(c))
	if err != nil {
		return fmt.Errorf("encode event for %s: %w", c.method.Function, err)
	}
	timed, cancel := context.WithTimeout(g.ctx, c.method.Timeout)
	defer cancel()
	ctx, end := context.WithCancelCause(timed)
	defer end(nil)
	idle := time.AfterFunc(g.options.IdleTimeout, func() { end(errIdle) })
	defer idle.Stop()
	defer context.AfterFunc(c.r.Context(), func() { end(errGone) })()

	answer, failure, err := g.invoker.InvokeStream(ctx, c.method.Function, payload)
	switch {
	case err != nil:
		return g.notBegun(ctx, c, err)
	case failure != nil:
		g.log.Warn("function failed", "function", c.method.Function)
		return errFunction
	}
	defer answer.Close()
	head, rest, err := g.readMetadata(answer)
	switch {
	case ctx.Err() != nil:
		return g.notBegun(ctx, c, ctx.Err())
	case err != nil:
		g.log.Error("malformed streamed Lambda proxy response", "function", c.method.Function, "error", err)
		return errFunction
	case instead != nil:
		return instead
	}
	for _, cookie := range head.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	g.head(w, c, head.metadata)
	g.meter.streaming(1)
	defer g.meter.streaming(-1)
	passing := &passage{g: g, w: w, control: http.NewResponseController(w), idle: idle, ctx: ctx}
	g.end(c, passing.copy(io.MultiReader(bytes.NewReader(rest), answer)))
	return nil
}

// notBegun is the answer of a stream that has not begun. Silence is as good as a timeout.
func (g *Gateway) notBegun(ctx context.Context, c *call, err error) error {
	if errors.Is(context.Cause(ctx), errIdle) {
		return errTimeout
	}
	return g.notRun(ctx, c.method.Function, err)
}

// end ends a stream: whole if err is nil, otherwise by cutting the connection, which a client
// sees as an answer without its end.
func (g *Gateway) end(c *call, err error) {
	if g.options.InvokeAfterStream { // nobody sees the answer
		g.running.Go(func() { _, _ = g.invoke(c.method.Function, IntegrationTimeout, struct{}{}) })
	}
	if err == nil {
		return
	}
	g.meter.cut()
	g.log.Info("stream cut", "function", c.method.Function, "reason", err)
	panic(http.ErrAbortHandler)
}

// readMetadata reads up to the delimiter, and gives what it has read after that.
func (g *Gateway) readMetadata(answer io.Reader) (head streamMetadata, rest []byte, err error) {
	read := make([]byte, 0, maxMetadata)
	for {
		n, err := answer.Read(read[len(read):cap(read)])
		read = read[:len(read)+n]
		if before, after, ok := bytes.Cut(read, delimiter); ok {
			head, err := g.parseMetadata(before)
			return head, after, err
		}
		if err != nil {
			return head, nil, fmt.Errorf("no delimiter in %d bytes: %w", len(read), err)
		}
		if len(read) == cap(read) {
			return head, nil, fmt.Errorf("no delimiter in the first %d bytes", maxMetadata)
		}
	}
}

func (g *Gateway) parseMetadata(text []byte) (streamMetadata, error) {
	var head streamMetadata
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&head); err != nil {
		return head, fmt.Errorf("metadata: %w", err)
	}
	if head.Status == 0 && !g.options.LenientMetadata {
		return head, errors.New("metadata has no statusCode")
	}
	if head.Status == 0 {
		head.Status = http.StatusOK
	}
	return head, nil
}

// passage is the way of a stream's body to the client.
type passage struct {
	g       *Gateway
	w       http.ResponseWriter
	control *http.ResponseController
	idle    *time.Timer
	ctx     context.Context

	sent  int64
	began time.Time // when the free bytes were used up
}

// copy passes on what comes until the answer ends. The error tells why the connection is to
// be cut.
func (p *passage) copy(body io.Reader) error {
	if err := p.control.Flush(); err != nil { // the status and the headers come first
		return errGone
	}
	piece := make([]byte, 32<<10)
	for {
		n, err := body.Read(piece)
		if n > 0 {
			p.idle.Reset(p.g.options.IdleTimeout)
			if err := p.pass(piece[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil && p.ctx.Err() != nil:
			return context.Cause(p.ctx)
		case err != nil && p.g.options.EndFailedStreams:
			return nil
		case err != nil:
			return fmt.Errorf("function failed: %w", err)
		}
	}
}

// pass sends a piece at once.
func (p *passage) pass(piece []byte) error {
	size, cut := p.g.options.Passing(p.ctx, piece)
	if size == 0 {
		return errTorn
	}
	piece = piece[:size]
	if err := p.control.SetWriteDeadline(time.Now().Add(p.g.options.IdleTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errGone
	}
	n, err := p.w.Write(piece)
	p.g.meter.streamed(p.sent, n)
	p.sent += int64(n)
	if err == nil {
		err = p.control.Flush()
	}
	switch {
	case errors.Is(err, http.ErrBodyNotAllowed): // 204, 304
		return nil
	case err != nil && p.ctx.Err() == nil:
		return errSlow
	case err != nil:
		return context.Cause(p.ctx)
	case cut:
		return errTorn
	}
	return p.hold()
}

// hold waits so long that no more than 2 MB a second follow the first 10 MB.
func (p *passage) hold() error {
	excess := p.sent - freeBytes
	if excess <= 0 {
		return nil
	}
	if p.began.IsZero() {
		p.began = time.Now()
	}
	due := p.began.Add(time.Duration(excess) * time.Second / bytesPerSecond)
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		p.idle.Reset(p.g.options.IdleTimeout)
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}
