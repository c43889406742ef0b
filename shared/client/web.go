package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/events/exactjson"
)

const (
	// maxAnswerBytes bounds an answer. The service gives up to events.MaxResumeBytes of changes at
	// once, and masks may have made them twice as long.
	maxAnswerBytes = 4 * events.MaxResumeBytes
	// maxProblemBytes bounds an answer that reports an error.
	maxProblemBytes = 64 << 10
	// steadyBytes is how much an answer must bring within each Options.AnswerTime, or the client
	// gives it up.
	steadyBytes = 4 << 10
	// maxURLBytes bounds a URL. API Gateway accepts 10,240 bytes for the request line and the
	// headers together.
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
	maxURLBytes = 6 << 10
)

// requestsAtOnce bounds the requests under way, and with them the memory for answers. Requests that
// wait for changes do not count.
const requestsAtOnce = 6

// web makes requests to the service over HTTP.
type web struct {
	base string // the output HttpUrl
	o    Options
	room chan struct{} // has an element for each request under way

	mu    sync.Mutex // also held while a token is fetched
	token string
	known bool // token is the one to send
}

// isHTTP reports whether an address is an HTTP URL rather than a WebSocket URL.
func isHTTP(address, name string) (bool, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return false, fmt.Errorf("%s: %w", name, withoutURL(err))
	case u.Host == "":
		return false, fmt.Errorf("%s has no host", name)
	case u.Scheme == "http" || u.Scheme == "https":
		return true, nil
	case u.Scheme == "ws" || u.Scheme == "wss":
		return false, nil
	}
	return false, fmt.Errorf("%s has the scheme %q, known are wss, ws, https and http", name, u.Scheme)
}

// newWeb makes a web for the output HttpUrl.
func newWeb(url string, o Options) *web {
	return &web{base: strings.TrimSuffix(url, "/"), o: o, room: make(chan struct{}, requestsAtOnce)}
}

// call is an HTTP request.
type call struct {
	method string
	path   string
	query  url.Values
	header http.Header
	body   []byte
	wait   time.Duration     // how long the service shall wait for changes before it answers
	heads  func(http.Header) // gets the header of a 2xx answer; may be nil
}

// refusal is an answer that reports why a request was not carried out.
type refusal struct {
	status int
	code   *events.Error      // the service's error; nil if the answer is not the service's
	reset  events.ResetReason // of CodeReset
	pause  time.Duration      // the pause that the service asks for
}

func (r *refusal) Error() string { return r.Unwrap().Error() }

func (r *refusal) Unwrap() error {
	if r.code != nil {
		return r.code
	}
	return &StatusError{r.status}
}

// unauthorized reports whether another token may help.
func (r *refusal) unauthorized() bool { return r.status == http.StatusUnauthorized }

// fetch sends a request when there is room, and decodes the JSON of the answer into a value, if
// there is a body. It calls progress, if not nil, while a long answer arrives.
func (w *web) fetch(ctx context.Context, c call, into any, progress func()) error {
	if c.wait == 0 { // a request that waits would keep others waiting
		select {
		case w.room <- struct{}{}:
			defer func() { <-w.room }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(c.wait+w.o.AnswerTime, func() { cancel(errNoAnswer) })
	defer timer.Stop()
	response, err := w.send(ctx, c)
	if err != nil {
		return because(ctx, err)
	}
	defer response.Body.Close()
	if c.heads != nil {
		c.heads(response.Header)
	}
	if response.StatusCode == http.StatusNoContent {
		return nil
	}
	if !isType(response.Header, "application/json") {
		return &refusal{status: response.StatusCode}
	}
	came := 0
	body, err := io.ReadAll(io.LimitReader(tap{response.Body, func(n int) {
		if came += n; came < steadyBytes {
			return
		}
		came = 0
		timer.Reset(w.o.AnswerTime)
		if progress != nil {
			progress()
		}
	}}, maxAnswerBytes+1))
	switch {
	case err != nil:
		return because(ctx, err)
	case len(body) > maxAnswerBytes:
		return fmt.Errorf("answer has more than %d bytes", maxAnswerBytes)
	}
	if err := exactjson.Unmarshal(body, into); err != nil {
		return fmt.Errorf("answer is not valid: %w", err)
	}
	return nil
}

// because gives the reason why a request failed: the cause of its context's end, if that ended it.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return withoutURL(err)
}

// tap calls a function for all that is read.
type tap struct {
	io.ReadCloser
	came func(bytes int)
}

func (t tap) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.came(n)
	return n, err
}

// send sends a request, and sends it again with another token if the first is refused. The caller
// reads and closes a 2xx answer; any other answer is an error.
func (w *web) send(ctx context.Context, c call) (*http.Response, error) {
	token, err := w.bearer(ctx, "")
	if err != nil {
		return nil, err
	}
	response, err := w.sendWith(ctx, c, token)
	if refused := (*refusal)(nil); w.o.Token == nil || !errors.As(err, &refused) || !refused.unauthorized() {
		return response, err
	}
	if token, err = w.bearer(ctx, token); err != nil {
		return nil, err
	}
	return w.sendWith(ctx, c, token)
}

// bearer gives the token to send. It is never the token that was refused.
func (w *web) bearer(ctx context.Context, refused string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known && w.token != refused {
		return w.token, nil
	}
	token, err := w.o.token(ctx)
	if err == nil {
		w.token, w.known = token, true
	}
	return token, err
}

func (w *web) sendWith(ctx context.Context, c call, token string) (*http.Response, error) {
	target := w.base + c.path
	if len(c.query) > 0 {
		target += "?" + c.query.Encode()
	}
	if len(target) > maxURLBytes {
		return nil, &refusal{code: &events.Error{Code: events.CodeBadRequest, Message: fmt.Sprintf("URL has %d bytes, at most %d are allowed", len(target), maxURLBytes)}}
	}
	request, err := http.NewRequestWithContext(ctx, c.method, target, strings.NewReader(string(c.body)))
	if err != nil {
		return nil, withoutURL(err)
	}
	for _, header := range []http.Header{w.o.Header, c.header} {
		for name, values := range header {
			request.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := w.o.handshaker().Do(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer response.Body.Close()
	return nil, refusalOf(response)
}

// refusalOf reads why a request was refused. It gives no reason if the answer is cut off.
func refusalOf(response *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProblemBytes))
	if err != nil {
		return err
	}
	r := &refusal{status: response.StatusCode, pause: retryAfter(response.Header)}
	var problem events.Problem
	if isType(response.Header, events.ProblemType) && exactjson.Unmarshal(body, &problem) == nil && problem.Code != "" {
		r.code = &events.Error{Code: problem.Code, Message: problem.Detail, Topic: problem.Topic}
		if problem.Code == events.CodeReset {
			r.reset = problem.Reason
		}
	}
	return r
}

// retryAfter gives the pause that an answer asks for, at most longestPause.
//
// Source: RFC 9110, section 10.2.3
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, longestPause)
}

// isType reports whether an answer has a content type.
func isType(header http.Header, want string) bool {
	got, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && got == want
}
