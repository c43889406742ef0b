package restapi

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// call is one request on its way through the API.
type call struct {
	r              *http.Request
	id, extendedID string
	traceID        string
	began          time.Time
	path           string // below the stage, with its escapes; begins with one slash
	stagePath      string // as it was sent, with the stage
	query          url.Values
	sent           map[string]string // names of headers as they were sent
	body           *string           // nil if there is none

	method     *method
	parameters map[string]string
	authorizer json.RawMessage // requestContext.authorizer
}

// rawPath gives the path below the stage as it was sent; false if the request is not for the
// stage. Below /_aws/execute-api/{id} LocalStack has the same.
func (g *Gateway) rawPath(r *http.Request) (string, bool) {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") { // a proxy was asked
		path = r.URL.EscapedPath()
	}
	path = strings.TrimPrefix(path, "/_aws/execute-api/"+g.api.ID)
	rest, ok := strings.CutPrefix(path, "/"+g.api.Stage)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// newCall reads a request.
func (g *Gateway) newCall(r *http.Request) *call {
	raw, _ := g.rawPath(r)
	c := &call{
		r: r, id: requestID(), extendedID: extendedID(), began: time.Now(),
		path: "/" + strings.TrimLeft(raw, "/"), stagePath: "/" + g.api.Stage + raw,
	}
	if raw == "" {
		c.stagePath += "/"
	}
	c.query, c.sent = parseQuery(r.URL.RawQuery), spelling(r) // before a body pushes the head out
	c.traceID = r.Header.Get("X-Amzn-Trace-Id")
	if c.traceID == "" {
		c.traceID = fmt.Sprintf("Root=1-%08x-%s", c.began.Unix(), strings.ReplaceAll(c.id, "-", "")[:24])
	}
	return c
}

// verify refuses what goes beyond API Gateway's limits, before any function runs.
func (c *call) verify(o Options) error {
	size := 0
	for name, values := range c.r.Header {
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	if size > maxHeaders && !o.LargeHeaders {
		return errHeaders
	}
	if strings.Contains(c.r.URL.RawQuery, "|") { // which must be escaped
		return errBadRequest
	}
	return nil
}

// readBody keeps the request's body. Bytes that are not UTF-8 are lost, as the API has no
// binary media types.
func (c *call) readBody() error {
	body, err := io.ReadAll(http.MaxBytesReader(nil, c.r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return errTooLarge
	case err != nil:
		return errBadRequest
	case len(body) > 0:
		text := strings.ToValidUTF8(string(body), "\uFFFD")
		c.body = &text
	}
	return nil
}

// parseQuery decodes a query string: a plus is a space, and a semicolon splits like an
// ampersand. What cannot be decoded stays as it is.
func parseQuery(raw string) url.Values {
	values := url.Values{}
	for _, pair := range strings.FieldsFunc(raw, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		values.Add(unescape(name), unescape(value))
	}
	return values
}

func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// dropped are headers that functions do not see.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
var dropped = []string{
	"Connection", "Content-Length", "Content-Md5", "Expect", "Max-Forwards", "Proxy-Authenticate", "Server", "Te",
	"Transfer-Encoding", "Trailer", "Upgrade", "Www-Authenticate",
}

// added are headers that the front door adds or changes.
var added = []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Amzn-Trace-Id"}

// capitalized are headers whose names functions see like this, however they were sent.
var capitalized = []string{"Authorization", "User-Agent"}

// headers are the request's, named as they were sent, with those that the front door adds.
func (c *call) headers() map[string][]string {
	all := map[string][]string{}
	for name, values := range c.r.Header {
		switch {
		case slices.Contains(dropped, name), slices.Contains(added, name):
		case slices.Contains(capitalized, name):
			all[name] = values
		default:
			all[cmp.Or(c.sent[name], name)] = values
		}
	}
	all["Host"] = []string{c.r.Host}
	all["X-Forwarded-For"] = []string{strings.Join(append(c.r.Header.Values("X-Forwarded-For"), c.sourceIP()), ", ")}
	all["X-Forwarded-Proto"], all["X-Forwarded-Port"] = c.arrival()
	all["X-Amzn-Trace-Id"] = []string{c.traceID}
	return all
}

// arrival is the protocol and port the client really used, which on AWS are always https and
// 443.
func (c *call) arrival() (proto, port []string) {
	name, number := "http", "80"
	if c.r.TLS != nil {
		name, number = "https", "443"
	}
	if _, p, err := net.SplitHostPort(c.r.Host); err == nil {
		number = p
	}
	return []string{name}, []string{number}
}

func (c *call) sourceIP() string {
	host, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		return c.r.RemoteAddr
	}
	return host
}

// mark sets the headers that name the request.
func (c *call) mark(header http.Header) {
	header.Set("X-Amzn-Requestid", c.id)
	header.Set("X-Amz-Apigw-Id", c.extendedID)
}

// requestID makes a random UUID (RFC 9562, version 4).
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, it ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// extendedID makes an id as API Gateway's extended request ids look.
func extendedID() string {
	var b [11]byte
	_, _ = rand.Read(b[:]) // never fails, it ends the program instead
	return base64.URLEncoding.EncodeToString(b[:])
}
