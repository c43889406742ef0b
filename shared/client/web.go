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
	// maxAnswerBytes bounds an answer. The service brings events.MaxResumeBytes of changes at
	// once, with as much again if masks have made them longer.
	maxAnswerBytes = 4 * events.MaxResumeBytes
	// maxProblemBytes bounds an answer that says what is wrong.
	maxProblemBytes = 64 << 10
	// steadyBytes is what an answer has to bring within Options.AnswerTime to be waited for.
	steadyBytes = 4 << 10
	// maxURLBytes bounds a URL. API Gateway takes 10,240 bytes of it and the headers together.
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
	maxURLBytes = 6 << 10
)

// requestsAtOnce bounds the requests that are answered at once, and with them the memory that
// answers take. What waits for changes is not among them.
const requestsAtOnce = 6

// web asks the service over HTTP.
type web struct {
	base string // the output HttpUrl
	o    Options
	room chan struct{} // has an element for each request under way

	mu    sync.Mutex // also held while a token is fetched
	token string
	known bool // token is the one to send
}

// isHTTP reports whether an address is one of HTTP rather than of a WebSocket.
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

// newWeb asks the service with the output HttpUrl.
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
	wait   time.Duration     // for changes, before it is answered
	heads  func(http.Header) // is given the header of an answer of 2xx; may be nil
}

// refusal is an answer that says why a request was not carried out.
type refusal struct {
	status int
	code   *events.Error      // in the service's words; nil if the answer is not the service's
	reset  events.ResetReason // of CodeReset
	pause  time.Duration      // that the service asks for
}

func (r *refusal) Error() string { return r.Unwrap().Error() }

func (r *refusal) Unwrap() error {
	if r.code != nil {
		return r.code
	}
	return &StatusError{r.status}
}

// unauthorized reports whether another token may do better.
func (r *refusal) unauthorized() bool { return r.status == http.StatusUnauthorized }

// fetch asks when there is room, and reads the JSON that is answered into a value, unless there is
// no body. progress, if it is not nil, is told that a long answer is on its way.
func (w *web) fetch(ctx context.Context, c call, into any, progress func()) error {
	if c.wait == 0 { // else it would keep others waiting
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
		return fmt.Errorf("answer is not what it should be: %w", err)
	}
	return nil
}

// because is why a request failed: the cause of its context's end, if that is the reason.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return withoutURL(err)
}

// tap tells of all that is read.
type tap struct {
	io.ReadCloser
	came func(bytes int)
}

func (t tap) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.came(n)
	return n, err
}

// send asks, with another token if the first is not good any more. An answer of 2xx is to be
// read and closed; any other is an error.
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

// bearer gives the token to send: another one than one that was refused.
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
		return nil, &refusal{code: &events.Error{Code: events.CodeBadRequest, Message: fmt.Sprintf("URL has %d bytes, at most %d are sent", len(target), maxURLBytes)}}
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

// refusalOf reads why a request was refused. An answer that is torn off says nothing.
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

// retryAfter is the pause that an answer asks for, in seconds; longestPause at most.
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
