package apigw

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/watchroute/watchroute/shared/kept"
)

const (
	// answerLimit bounds the bytes that are read of an answer. Answers of API Gateway have a few
	// hundred bytes.
	answerLimit = 64 << 10
	// oneWrite is the largest body, in bytes, that is written together with the headers.
	oneWrite = 16 << 10
)

// direct makes calls over kept connections, without a proxy.
type direct struct{ *kept.Pool }

func (d direct) do(ctx context.Context, c call) (got answer, err error) {
	err = d.Do(ctx, time.Now().Add(attemptTime), func(conn *kept.Conn) (whole bool, err error) {
		if err := send(conn, c); err != nil {
			return false, err
		}
		got, whole, err = receive(conn, c.method)
		return whole, err
	})
	if err != nil {
		return answer{}, err
	}
	return got, nil
}

// requests are buffers to write requests in.
var requests = sync.Pool{New: func() any { return new([]byte) }}

// send writes a call.
func send(conn *kept.Conn, c call) error {
	buffer := requests.Get().(*[]byte)
	defer requests.Put(buffer)
	b := append(append((*buffer)[:0], c.method...), ' ')
	b = append(append(b, c.path...), c.id...)
	b = append(append(b, " HTTP/1.1\r\nHost: "...), c.host...)
	b = append(b, "\r\nUser-Agent: watchroute\r\n"...)
	if typed(c.method) {
		b = append(b, "Content-Type: "+mediaType+"\r\nContent-Length: "...)
		b = append(strconv.AppendInt(b, int64(len(c.body)), 10), "\r\n"...)
	}
	b = append(append(b, "X-Amz-Date: "...), c.signature.date...)
	if c.signature.token != "" {
		b = append(append(b, "\r\nX-Amz-Security-Token: "...), c.signature.token...)
	}
	b = append(append(b, "\r\nAuthorization: "...), c.signature.authorization...)
	b = append(b, "\r\n\r\n"...)
	rest := c.body
	if len(rest) <= oneWrite {
		b, rest = append(b, rest...), nil
	}
	*buffer = b
	_, err := conn.Write(b)
	if err == nil && rest != nil {
		_, err = conn.Write(rest)
	}
	return err
}

// receive reads the answer to a call with a method. whole is true if another call can follow on the
// connection.
func receive(conn *kept.Conn, method string) (got answer, whole bool, err error) {
	response, err := conn.Answer(&http.Request{Method: method}, answerLimit)
	if err != nil {
		return answer{}, false, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	whole = err == nil && conn.Whole(response)
	return answerTo(response), whole, nil // the status counts, even if reading the rest fails
}
