package shortcut

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// exchange holds the buffers for a connection's requests and answers, one after another.
type exchange struct {
	conn     net.Conn
	reader   *bufio.Reader
	first    bool
	request  *http.Request
	values   [16]string // of the request's headers
	body     io.LimitedReader
	response response
	out      []byte
}

func newExchange(ctx context.Context, c net.Conn) *exchange {
	e := &exchange{conn: c, reader: bufio.NewReaderSize(c, headSize), first: true}
	e.body.R = e.reader
	e.request = (&http.Request{Method: http.MethodPost, URL: &url.URL{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(&e.body), RemoteAddr: c.RemoteAddr().String()}).WithContext(ctx)
	e.response.header = http.Header{}
	return e
}

// next reads the head of the next request. If the request is not plain, this shows at the end of
// its head at the latest, and all that was read is unread.
func (e *exchange) next(o Options) (plain bool, err error) {
	if !e.first { // as net/http does, which ignores some line ends after a POST
		begin, err := e.reader.Peek(4)
		if len(begin) == 0 {
			return false, err
		}
		_, _ = e.reader.Discard(len(begin) - len(bytes.TrimLeft(begin, "\r\n"))) // these bytes are buffered
	}
	head, plain, err := e.head("POST " + o.Prefix)
	if err != nil || !plain || !e.parse(string(head), o) {
		return false, err
	}
	e.first = false
	_, err = e.reader.Discard(len(head) + len("\r\n"))
	return true, err
}

// head waits for a head that begins like this, and gives its lines. plain is false if the head
// begins otherwise, or is larger than allowed.
func (e *exchange) head(begin string) (lines []byte, plain bool, err error) {
	waited := false
	for n := e.reader.Buffered(); ; n = e.reader.Buffered() + 1 {
		if n > headSize {
			return nil, false, nil
		}
		if n > e.reader.Buffered() && !waited {
			waited = true
			if err := e.conn.SetReadDeadline(time.Now().Add(headTime)); err != nil {
				return nil, false, err
			}
		}
		if _, err := e.reader.Peek(n); err != nil {
			return nil, false, err
		}
		read, _ := e.reader.Peek(e.reader.Buffered()) // these bytes are buffered
		if beginning := min(len(read), len(begin)); string(read[:beginning]) != begin[:beginning] {
			return nil, false, nil
		}
		if end := bytes.Index(read, []byte("\r\n\r\n")); end >= 0 {
			if waited {
				err = e.conn.SetReadDeadline(time.Time{})
			}
			return read[:end+len("\r\n")], true, err
		}
	}
}

// unread gives the bytes that were read and not served.
func (e *exchange) unread() []byte {
	read, _ := e.reader.Peek(e.reader.Buffered())
	return bytes.Clone(read) // a copy, because the reader's buffer is larger, and a WebSocket lives for hours
}

// knownHeaders are the headers that a plain request may have.
var knownHeaders = map[string]bool{
	"Host": true, "User-Agent": true, "Content-Length": true, "Content-Type": true, "Accept-Encoding": true,
	"Authorization": true, "X-Amz-Date": true, "X-Amz-Security-Token": true, "X-Amz-Target": true,
	"Amz-Sdk-Invocation-Id": true, "Amz-Sdk-Request": true, "X-Amzn-Trace-Id": true,
}

// parse reads a head, and reports whether it is a plain request.
func (e *exchange) parse(head string, o Options) bool {
	line, rest, _ := strings.Cut(head, "\r\n")
	target, plain := strings.CutSuffix(strings.TrimPrefix(line, "POST "), " HTTP/1.1")
	if !plain || o.Pass != nil && o.Pass() || !strings.HasPrefix(target, o.Prefix) || !strings.Contains(target, o.Contains) || !e.address(target) {
		return false
	}
	clear(e.request.Header)
	e.request.Host, e.request.ContentLength = "", -1
	for n := 0; rest != ""; n++ {
		line, rest, _ = strings.Cut(rest, "\r\n")
		name, value, _ := strings.Cut(line, ": ")
		if !knownHeaders[name] || !printable(value) || e.request.Header[name] != nil || n == len(e.values) {
			return false
		}
		e.values[n] = value
		e.request.Header[name] = e.values[n : n+1 : n+1]
	}
	return e.headers()
}

// headers removes the headers that net/http removes or reads.
func (e *exchange) headers() bool {
	h := e.request.Header
	if h["Host"] == nil || h["Content-Length"] == nil {
		return false
	}
	length, err := strconv.ParseUint(h["Content-Length"][0], 10, 31)
	if err != nil || length > bodySize {
		return false
	}
	e.request.Host, e.request.ContentLength, e.body.N = h["Host"][0], int64(length), int64(length)
	delete(h, "Host")
	e.response.reset()
	return true
}

// address reads a request's target. It must have no escapes except that of "=".
func (e *exchange) address(target string) bool {
	path := strings.ReplaceAll(target, "%3D", "=")
	for _, c := range []byte(path) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/-_.@=", c) >= 0) {
			return false
		}
	}
	e.request.RequestURI = target
	*e.request.URL = url.URL{Path: path}
	if path != target {
		e.request.URL.RawPath = target
	}
	return true
}

// printable reports whether a value can be used unchanged: ASCII without control characters, and
// without spaces around it.
func printable(value string) bool {
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return value != "" && value[0] != ' ' && value[len(value)-1] != ' '
}

// response keeps an answer until the handler has returned.
type response struct {
	header http.Header
	status int
	body   []byte
}

func (r *response) reset() {
	clear(r.header)
	r.status, r.body = 0, r.body[:0]
}

func (r *response) Header() http.Header { return r.header }

func (r *response) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *response) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	r.body = append(r.body, p...)
	return len(p), nil
}

// reply sends the answer.
func (e *exchange) reply() error {
	r := &e.response
	r.WriteHeader(http.StatusOK)
	if len(r.body) > 0 && r.header["Content-Type"] == nil {
		r.header.Set("Content-Type", http.DetectContentType(r.body))
	}
	b := append(strconv.AppendInt(append(e.out[:0], "HTTP/1.1 "...), int64(r.status), 10), ' ')
	b = append(append(b, http.StatusText(r.status)...), "\r\n"...)
	for name, values := range r.header {
		if name == "Content-Length" {
			continue // it is that of the body
		}
		for _, value := range values {
			b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
		}
	}
	b = append(b, "Content-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(r.body)), 10), "\r\nDate: "...)
	b = append(time.Now().UTC().AppendFormat(b, http.TimeFormat), "\r\n\r\n"...)
	e.out = append(b, r.body...)
	_, err := e.conn.Write(e.out)
	return err
}
