// Package apigw is the only place that posts to WebSocket connections and closes them, through
// API Gateway's @connections management API.
//
// It replaces the SDK's client for that API, because it needs far less CPU time for a post. It
// calls over the connections of package kept. A body is hashed once
// for all connections that get it. The signer prepares once what all posts of a second have in
// common. The tests compare its calls and signatures with those of the SDK.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
package apigw

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/watchroute/watchroute/shared/kept"
	"github.com/watchroute/watchroute/shared/watch"
)

const (
	// attempts is how often a patient poster tries before a frame counts as lost.
	attempts = 4
	// attemptTime bounds one attempt. API Gateway answers in milliseconds.
	attemptTime = 3 * time.Second
	// firstBackoff is the longest pause after a first failure; it doubles each time.
	firstBackoff = 50 * time.Millisecond
	// connectionsKept is how many idle connections are kept open. Fewer than there
	// are posts at once would dial anew all the time.
	connectionsKept = 256
)

// Poster posts frames to the connections of one WebSocket API. Safe for concurrent
// use.
type Poster struct {
	credentials aws.CredentialsProvider
	signer      signer
	transport   transport
	attempts    int
}

// transport makes calls.
type transport interface {
	// do makes a call and gives its answer, within attemptTime. kept.ErrBroken means that another
	// attempt may succeed at once.
	do(context.Context, call) (answer, error)
}

// call is one call of the management API.
type call struct {
	method    string
	host      string // as signed
	path, id  string // escaped
	body      []byte
	signature signature
}

// typed reports whether calls with a method carry a body, even an empty one.
func typed(method string) bool { return method == http.MethodPost }

// answer holds the parts of an HTTP answer that the caller needs.
type answer struct {
	status int
	kind   string // AWS's name for an error, if any
}

// Open makes a poster. callback is the API's address with the stage, such as
// https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/live; the SDK's settings
// AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI and AWS_ENDPOINT_URL go before it. Open
// does not reach out.
func Open(ctx context.Context, cfg aws.Config, callback string) (*Poster, error) {
	text, err := endpoint(ctx, cfg, callback)
	if err != nil {
		return nil, err
	}
	address, err := url.Parse(text + "/@connections/")
	if err != nil {
		return nil, fmt.Errorf("callback address %q: %w", text, err)
	}
	t, err := open(address, http.ProxyFromEnvironment)
	if err != nil {
		return nil, err
	}
	return &Poster{
		credentials: cfg.Credentials,
		signer:      signer{host: host(address), path: address.EscapedPath(), region: cfg.Region},
		transport:   t,
		attempts:    1,
	}, nil
}

// OpenPatient makes a poster that tries again what may pass (429, 5xx, a broken connection),
// with growing random pauses, until the context ends or four attempts are used up. It is for
// answers to one client. A caller that posts to many clients must not wait for one of them.
func OpenPatient(ctx context.Context, cfg aws.Config, callback string) (*Poster, error) {
	p, err := Open(ctx, cfg, callback)
	if err != nil {
		return nil, err
	}
	p.attempts = attempts
	return p, nil
}

// Post sends one frame to one connection. watch.ErrGone means that the connection does not
// exist. The post counts as sent when API Gateway takes it; the client may still be lost. A
// kept-alive HTTP connection that turns out to be closed is replaced at once.
func (p *Poster) Post(ctx context.Context, id watch.ConnectionID, frame watch.Frame) error {
	err := p.call(ctx, http.MethodPost, id, frame)
	if errors.Is(err, kept.ErrBroken) {
		err = p.call(ctx, http.MethodPost, id, frame)
	}
	for attempt := 1; attempt < p.attempts && passing(err); attempt++ {
		select {
		case <-time.After(rand.N(firstBackoff << (attempt - 1))):
		case <-ctx.Done():
			return err
		}
		err = p.call(ctx, http.MethodPost, id, frame)
	}
	return err
}

// Close closes a connection, with the code 1000: API Gateway lets nobody choose another.
// One that does not exist any more is no error.
func (p *Poster) Close(ctx context.Context, id watch.ConnectionID) error {
	err := p.call(ctx, http.MethodDelete, id, watch.NewFrame(nil))
	if errors.Is(err, watch.ErrGone) {
		return nil
	}
	return err
}

// Probe asks whether a connection exists; watch.ErrGone means that it does not.
func (p *Poster) Probe(ctx context.Context, id watch.ConnectionID) error {
	return p.call(ctx, http.MethodGet, id, watch.NewFrame(nil))
}

// call makes one call of the management API.
func (p *Poster) call(ctx context.Context, method string, id watch.ConnectionID, frame watch.Frame) error {
	credentials, err := p.credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("get credentials: %w", err)
	}
	c := call{method: method, host: p.signer.host, path: p.signer.path, id: escape(id), body: frame.Body}
	if c.signature, err = p.signer.sign(credentials, method, c.id, frame, time.Now()); err != nil {
		return fmt.Errorf("sign call: %w", err)
	}
	got, err := p.transport.do(ctx, c)
	if err != nil {
		return fmt.Errorf("call API Gateway: %w", err)
	}
	switch got.status {
	case http.StatusOK, http.StatusNoContent:
		return nil
	case http.StatusGone:
		return watch.ErrGone
	}
	return &statusError{got}
}

// escape writes a connection's id, which ends in "=", as the SDK does in the path.
func escape(id watch.ConnectionID) string {
	return strings.ReplaceAll(url.PathEscape(string(id)), "=", "%3D")
}

// host gives the value of the header Host for an address, with the port only if it is not the
// scheme's default.
func host(address *url.URL) string {
	if port := address.Port(); address.Scheme == "http" && port == "80" || address.Scheme == "https" && port == "443" {
		return strings.TrimSuffix(address.Host, ":"+port)
	}
	return address.Host
}

// statusError is an answer that is neither success nor 410.
type statusError struct{ answer }

func (e *statusError) Error() string {
	return fmt.Sprintf("API Gateway answered %d %s", e.status, e.kind)
}

// passing reports whether an error may go away by itself.
func passing(err error) bool {
	var refused *statusError
	if errors.As(err, &refused) {
		return refused.status == http.StatusTooManyRequests || refused.status >= 500
	}
	return errors.Is(err, kept.ErrBroken)
}
