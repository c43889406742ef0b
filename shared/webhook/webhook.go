// Package webhook is the only place that knows how a webhook is called: Standard Webhooks 1.0.0,
// and which addresses may be called.
//
// The owner of a URL is not trusted. A URL may lead to the machine that calls it, to a network
// that only this machine reaches, or to a server that never ends its answer. [Client.Check] refuses
// what a URL says itself. The address that a name stands for is checked when it is dialled, so it
// does not help to change the name's answer in between. A redirect is a failure. Time, headers and
// the answer that is read are bounded.
//
// Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
package webhook

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// defaultTimeout is the least that the specification advises.
	defaultTimeout = 15 * time.Second
	// maxAnswer is how much of an answer's body is read, and maxHeader how long all its headers may be.
	maxAnswer = 4 << 10
	maxHeader = 16 << 10
	// idleTime is how long a connection without a call is kept, and maxIdle how many are.
	idleTime = 30 * time.Second
	maxIdle  = 64
)

// Options say how webhooks are called. The zero value is for AWS.
type Options struct {
	// AllowLoopback lets a stack on a developer's machine call http and https URLs of loopback
	// addresses, and any port there. Never set it in AWS.
	AllowLoopback bool
	// Timeout bounds a call, from the look-up of the name to the end of the answer. 0 means 15 s.
	Timeout time.Duration
}

// Client calls webhooks. It keeps connections between calls of one host and port, for 30 s. Safe for
// concurrent use.
type Client struct {
	guard     guard
	timeout   time.Duration
	dialer    *net.Dialer
	transport *http.Transport
	now       func() time.Time
}

// New makes a client. It does not reach out.
func New(o Options) *Client { return newClient(o, httpsPort) }

// newClient makes a client that calls the given port of public addresses.
func newClient(o Options, port uint16) *Client {
	timeout := cmp.Or(o.Timeout, defaultTimeout)
	c := &Client{guard: newGuard(o.AllowLoopback, port), timeout: timeout, now: time.Now}
	c.dialer = &net.Dialer{Timeout: timeout, Control: c.guard.control}
	c.transport = &http.Transport{ // without Proxy, so the environment's does not count
		DialContext:            c.dialer.DialContext,
		TLSHandshakeTimeout:    timeout,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConns:           maxIdle,
		IdleConnTimeout:        idleTime,
	}
	return c
}

// Message is what a webhook is called with.
type Message struct {
	// ID is what the receiver knows a repeated message by: the same on each attempt. It has 1 to
	// 128 visible ASCII characters without a dot.
	ID          string
	ContentType string
	Body        []byte
}

// Endpoint is a webhook.
type Endpoint struct {
	URL string
	// Keys sign each message, each of at least 24 bytes. The first is the newest. There are two
	// during a rotation.
	Keys [][]byte
}

// Post sends a message once. It gives nil if the answer's status is 2xx, and always a *Failure
// otherwise. The answer counts when its status is there: if its body then takes too long, or
// breaks off, the status stays what it is.
//
// A message may arrive although Post fails, so the receiver must expect it again. If the receiver
// closes a kept connection instead of answering, the message is sent over another one.
func (c *Client) Post(ctx context.Context, to Endpoint, m Message) error {
	_, err := c.post(ctx, to, m)
	return err
}

// answer is what came back: its status, and the beginning of its body.
type answer struct {
	status int
	body   []byte
}

// post gives an answer of 2xx, and a *Failure otherwise.
func (c *Client) post(ctx context.Context, to Endpoint, m Message) (answer, error) {
	if err := cmp.Or(c.Check(to.URL), check(to, m)); err != nil {
		return answer{}, &Failure{Cause: err}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := c.request(ctx, to, m)
	if err != nil {
		return answer{}, &Failure{Cause: err}
	}
	response, err := c.transport.RoundTrip(request) // which follows no redirect
	if err != nil {
		return answer{}, &Failure{Cause: err}
	}
	defer response.Body.Close()
	a := answer{response.StatusCode, beginning(response)}
	switch {
	case a.status < 100: // net/http reads any three digits
		return answer{}, &Failure{Cause: errors.New("the answer has no status of HTTP")}
	case a.status/100 != 2:
		return answer{}, newFailure(response, a.body, c.now())
	}
	return a, nil
}

// check reports what is wrong with a message that is to be signed.
func check(to Endpoint, m Message) error {
	switch {
	case len(to.Keys) == 0:
		return errors.New("webhook has no key to sign with")
	case slices.ContainsFunc(to.Keys, func(key []byte) bool { return len(key) < minKey }):
		return fmt.Errorf("webhook has a key of less than %d bytes", minKey)
	case m.ID == "" || len(m.ID) > maxID || strings.Contains(m.ID, ".") || strings.ContainsFunc(m.ID, invisible):
		return fmt.Errorf("webhook id is not 1 to %d visible ASCII characters without a dot", maxID)
	}
	return nil
}

func (c *Client) request(ctx context.Context, to Endpoint, m Message) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(m.Body))
	if err != nil {
		return nil, err
	}
	at := c.now()
	request.Header.Set("Content-Type", m.ContentType)
	request.Header.Set("User-Agent", "Watchroute")
	request.Header["Idempotency-Key"] = nil // see Post; it is not sent
	request.Header.Set("Webhook-Id", m.ID)
	request.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	request.Header.Set("Webhook-Signature", signatures(to.Keys, m.ID, at, m.Body))
	return request, nil
}

// beginning reads up to maxAnswer bytes of an answer's body. A body that breaks off gives what came.
func beginning(response *http.Response) []byte {
	if response.StatusCode == http.StatusSwitchingProtocols {
		return nil // what follows is no body, and reading it would not end with the context
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return body
}
