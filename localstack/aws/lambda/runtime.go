package lambda

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
)

// Headers and trailers of the Runtime API.
const (
	headerRequestID   = "Lambda-Runtime-Aws-Request-Id"
	headerDeadline    = "Lambda-Runtime-Deadline-Ms"
	headerFunctionARN = "Lambda-Runtime-Invoked-Function-Arn"
	headerTraceID     = "Lambda-Runtime-Trace-Id"
	headerErrorType   = "Lambda-Runtime-Function-Error-Type"
	trailerErrorBody  = "Lambda-Runtime-Function-Error-Body"
)

// runtimeAPI serves one process at an address. It refuses what a browser sends for a
// page, which could take a client's frames away from the function: it has another Host, or
// says in headers which site's page it is.
func (proc *process) runtimeAPI(address string) http.Handler {
	const base = "/2018-06-01/runtime/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+base+"invocation/next", proc.next)
	mux.HandleFunc("POST "+base+"invocation/{id}/response", proc.response)
	mux.HandleFunc("POST "+base+"invocation/{id}/error", proc.invocationError)
	mux.HandleFunc("POST "+base+"init/error", proc.initError)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != address || r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
			refuse(w, http.StatusForbidden, "ForeignRequest", "Only the function may ask here")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// next waits for work and delivers it.
func (proc *process) next(w http.ResponseWriter, r *http.Request) {
	via := linkOf(r.Context())
	l := proc.pool.ready(proc, via)
	if l == nil {
		refuseState(w)
		return
	}
	select {
	case inv := <-l.work:
		if !via.alive() || !proc.deliver(w, inv, via) {
			proc.pool.lost(l)
			return
		}
		if started := proc.pool.service.options.Started; started != nil {
			started(Running{proc, inv})
		}
	case <-r.Context().Done():
		proc.pool.lost(l)
	}
}

// deliver sends an invocation. It is false if the process certainly did not get
// it, having died before it was sent; a death after that shows with its exit.
func (proc *process) deliver(w http.ResponseWriter, inv *invocation, l *link) bool {
	deadline := proc.pool.service.options.Now().Add(proc.function.Timeout)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(inv.payload)))
	h.Set(headerRequestID, inv.id)
	h.Set(headerDeadline, strconv.FormatInt(deadline.UnixMilli(), 10))
	h.Set(headerFunctionARN, proc.function.ARN)
	h.Set(headerTraceID, fmt.Sprintf("Root=1-%08x-%08x%016x;Parent=%016x;Sampled=0",
		uint32(deadline.Unix()), rand.Uint32(), rand.Uint64(), rand.Uint64()))
	l.sent.Store(true)
	_, _ = w.Write(inv.payload) // a failed write fails the flush too
	if err := http.NewResponseController(w).Flush(); err != nil {
		return false
	}
	return l.alive() || !l.reset && !l.refused()
}

// response takes a function's answer. It is passed on as it comes to who invoked the
// function for a stream, and collected for others. aws-lambda-go sends each answer in
// chunks and never says in which mode, so only the invocation tells.
func (proc *process) response(w http.ResponseWriter, r *http.Request) {
	inv := proc.claim(w, r)
	if inv == nil {
		return
	}
	if inv.answer != nil {
		proc.pass(w, r, inv)
		return
	}
	if body, ok := proc.read(w, r, inv); ok {
		proc.finish(w, inv, answered(r, body))
	}
}

// answered is the outcome of an answer that has come to its end. One that broke off says so
// in trailers.
func answered(r *http.Request, body []byte) outcome {
	if kind := r.Trailer.Get(headerErrorType); kind != "" {
		return outcome{payload: streamFailure(kind, r.Trailer.Get(trailerErrorBody)), failed: true}
	}
	return outcome{payload: body}
}

// streamFailure is the error in the trailers of a streamed answer.
func streamFailure(kind, body string) []byte {
	if text, err := base64.StdEncoding.DecodeString(body); err == nil && len(text) > 0 {
		return text
	}
	return failure(kind, "")
}

// invocationError takes a function's error; the process may go on.
func (proc *process) invocationError(w http.ResponseWriter, r *http.Request) {
	inv := proc.claim(w, r)
	if inv == nil {
		return
	}
	body, ok := proc.read(w, r, inv)
	if !ok {
		return
	}
	if len(body) == 0 {
		body = failure(r.Header.Get(headerErrorType), "")
	}
	proc.finish(w, inv, outcome{payload: body, failed: true})
}

// initError takes the reason why a process cannot start, and ends it.
func (proc *process) initError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxResponse))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", err.Error())
		return
	}
	if len(body) == 0 {
		body = failure(r.Header.Get(headerErrorType), "")
	}
	if !proc.pool.initError(proc, body) {
		refuseState(w)
		return
	}
	accept(w)
	proc.kill()
}

// initError keeps the reason; false if the process has started already.
func (p *pool) initError(proc *process, reason []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if proc.started || proc.ended {
		return false
	}
	proc.failed = reason
	return true
}

// claim gives the invocation that a request answers, or refuses the request: a
// wrong id with 400, an answer to what has been answered with 403.
func (proc *process) claim(w http.ResponseWriter, r *http.Request) *invocation {
	inv, runs := proc.given(r.PathValue("id"))
	if inv == nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return nil
	}
	if !runs {
		refuseState(w)
		return nil
	}
	return inv
}

// given finds an invocation that the process was given and has not asked for another after, and
// tells whether it still runs.
func (proc *process) given(id string) (inv *invocation, runs bool) {
	proc.pool.mu.Lock()
	defer proc.pool.mu.Unlock()
	for _, l := range proc.lanes {
		if l.current != nil && l.current.id == id {
			return l.current, l.state == running
		}
	}
	return nil, false
}

// read reads an answer. One that is too large is refused, and is the function's
// failure.
func (proc *process) read(w http.ResponseWriter, r *http.Request, inv *invocation) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxResponse))
	if err == nil {
		return body, true
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		proc.tooLarge(w, inv, MaxResponse)
	}
	return nil, false // otherwise the process broke off; its exit tells
}

// tooLarge refuses an answer of more than limit bytes.
func (proc *process) tooLarge(w http.ResponseWriter, inv *invocation, limit int) {
	text := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", limit)
	proc.pool.answer(proc, inv, outcome{payload: failure("Function.ResponseSizeTooLarge", text), failed: true})
	refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", text)
}

func (proc *process) finish(w http.ResponseWriter, inv *invocation, out outcome) {
	if !proc.pool.answer(proc, inv, out) {
		refuseState(w)
		return
	}
	accept(w)
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refuseState(w http.ResponseWriter) {
	refuse(w, http.StatusForbidden, "InvalidStateTransition", "Transition is not allowed in the present state")
}

func refuse(w http.ResponseWriter, status int, errorType, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(failure(errorType, message))
}
