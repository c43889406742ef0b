package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// refuse answers with what is wrong, in the words that a WebSocket's error frame has.
func (h handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	h.problem(w, r, h.problemOf(r, err))
}

// problemOf is what a client is told of an error. What only the operator can mend is logged.
func (h handler) problemOf(r *http.Request, err error) events.Problem {
	wire, known := watch.WireError(err)
	if !known && !errors.Is(err, context.Canceled) || wire.Code == events.CodeUnavailable {
		h.logger.Error("request failed", "method", r.Method, "err", err)
	}
	return whole(events.Problem{Code: wire.Code, Detail: wire.Message, Topic: wire.Topic})
}

// about adds the refused topic to an error, for a client that has asked for several.
func about(topic events.Topic, err error) error {
	wire := (*events.Error)(nil)
	if !errors.As(err, &wire) {
		return err
	}
	named := *wire
	named.Topic = string(topic)
	return &named
}

// whole adds to a problem what its code says.
func whole(p events.Problem) events.Problem {
	p.Type, p.Status = "about:blank", p.Code.Status()
	p.Title = http.StatusText(p.Status)
	return p
}

// problem answers with a problem. Its code says the status.
func (h handler) problem(w http.ResponseWriter, r *http.Request, p events.Problem) {
	p = whole(p)
	header := w.Header()
	for _, name := range []string{"ETag", "Link", "Preference-Applied", cursorHeader} { // headers set for the answer that this replaces
		header.Del(name)
	}
	if p.Code.Remedy() == events.RetryLater {
		header.Set("Retry-After", retryAfter(p.Code))
	}
	if p.Status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer") // which API Gateway sends under another name
	}
	header.Set("Cache-Control", "no-store")
	h.answer(w, r, p.Status, events.ProblemType, p)
}

// retryAfter is how long to wait, in seconds. An allowance is full again after
// [watch.AllowancePeriod].
func retryAfter(code events.Code) string {
	if code == events.CodeTooManyRequests {
		return "5"
	}
	return "1"
}

// answer writes a body as JSON, or only its headers to who asks for no more.
func (h handler) answer(w http.ResponseWriter, r *http.Request, status int, contentType string, body any) {
	encoded, err := events.Marshal(body)
	if err != nil { // only data that is no JSON can cause it, and a problem has no data
		h.refuse(w, r, fmt.Errorf("encode the answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(encoded, '\n')) // the client may be gone
	}
}
