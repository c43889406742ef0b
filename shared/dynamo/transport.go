package dynamo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/watchroute/watchroute/shared/kept"
)

const (
	// connectionsKept is how many idle connections to a host are kept open. A fan-out over many
	// topics would otherwise dial anew each time.
	connectionsKept = 64
	// answerLimit bounds the bytes that are read of an answer. DynamoDB gives at most 16 MB, which
	// are longer as JSON.
	answerLimit = 64 << 20
	// bufferKept is the largest buffer for requests that is kept, in bytes.
	bufferKept = 64 << 10
)

// HTTPClient makes the client that Open uses, for others who reach a DynamoDB that answers within
// microseconds. It calls over the connections of package kept, which takes less than half the CPU
// time of the SDK's own client. If the environment names a proxy for a host, it uses the SDK's.
func HTTPClient() aws.HTTPClient {
	return &client{proxied: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = connectionsKept, connectionsKept
	})}
}

// client makes calls to several hosts.
type client struct {
	proxied aws.HTTPClient
	pools   sync.Map // of *kept.Pool, by origin
}

// origin is the part of an address that a connection belongs to.
type origin struct{ scheme, host string }

// Do sends a request and reads the whole answer.
func (c *client) Do(request *http.Request) (response *http.Response, err error) {
	if proxy, err := http.ProxyFromEnvironment(request); proxy != nil || err != nil {
		return c.proxied.Do(request)
	}
	m := messages.Get().(*message)
	defer m.release()
	if err := m.write(request); err != nil {
		return nil, err
	}
	err = c.pool(request.URL).Do(request.Context(), time.Time{}, func(conn *kept.Conn) (whole bool, err error) {
		if _, err := conn.Write(m.whole.Bytes()); err != nil {
			return false, err
		}
		response, whole, err = read(conn, request)
		return whole, err
	})
	if err != nil {
		return nil, err
	}
	return response, nil
}

// pool gives the connections to the host of an address.
func (c *client) pool(address *url.URL) *kept.Pool {
	key := origin{address.Scheme, address.Host}
	pool, ok := c.pools.Load(key)
	if !ok {
		pool, _ = c.pools.LoadOrStore(key, kept.New(address, connectionsKept))
	}
	return pool.(*kept.Pool)
}

// message is a request as it is sent.
type message struct{ body, whole bytes.Buffer }

// messages are kept, because their buffers are.
var messages = sync.Pool{New: func() any { return new(message) }}

func (m *message) release() {
	if m.whole.Cap() <= bufferKept {
		messages.Put(m)
	}
}

var errHeader = errors.New("a header has a line break")

// write writes a request. The length of the body follows from the body.
func (m *message) write(request *http.Request) error {
	m.body.Reset()
	m.whole.Reset()
	if request.Body != nil {
		if _, err := m.body.ReadFrom(request.Body); err != nil {
			return fmt.Errorf("read request body: %w", err)
		}
		_ = request.Body.Close() // it has been read whole
	}
	host := request.Host
	if host == "" {
		host = request.URL.Host
	}
	to := &m.whole
	to.WriteString(request.Method + " " + request.URL.RequestURI() + " HTTP/1.1\r\nHost: " + host + "\r\n")
	for name, values := range request.Header {
		if name == "Host" || name == "Content-Length" {
			continue
		}
		for _, value := range values {
			if strings.ContainsAny(value, "\r\n") {
				return fmt.Errorf("%s: %w", name, errHeader)
			}
			to.WriteString(name)
			to.WriteString(": ")
			to.WriteString(value)
			to.WriteString("\r\n")
		}
	}
	to.WriteString("Content-Length: " + strconv.Itoa(m.body.Len()) + "\r\n\r\n")
	to.Write(m.body.Bytes())
	return nil
}

// read reads an answer with its body. whole is true if another call can follow on the connection.
func read(conn *kept.Conn, request *http.Request) (response *http.Response, whole bool, err error) {
	response, err = conn.Answer(request, answerLimit)
	if err != nil {
		return nil, false, err
	}
	defer response.Body.Close()
	var body []byte
	if n := response.ContentLength; 0 <= n && n <= answerLimit {
		body = make([]byte, n)
		_, err = io.ReadFull(response.Body, body)
	} else {
		body, err = io.ReadAll(response.Body)
	}
	if err != nil {
		return nil, false, fmt.Errorf("read answer: %w", err)
	}
	whole = conn.Whole(response)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, whole, nil
}
