package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/watchroute/watchroute/shared/origin"
)

// maxBody bounds what a page sends, in bytes.
const maxBody = 64 << 10

// refusal is an answer other than success, with what to tell.
type refusal struct {
	status int
	err    error
}

func (r refusal) Error() string { return r.err.Error() }

// refuse makes a refusal.
func refuse(status int, format string, args ...any) error {
	return refusal{status, fmt.Errorf(format, args...)}
}

// change changes something as the body says. Its result is sent as JSON.
type change func(r *http.Request, body []byte) (any, error)

// view gives what is to be shown, and changes nothing.
type view func(r *http.Request) (any, error)

// shows serves what changes nothing.
func (o Options) shows(of view) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !o.Ready() {
			answer(w, nil, errStarting)
			return
		}
		result, err := of(r)
		answer(w, result, err)
	})
}

// changes serves what changes something. Only a page of the stack itself can send the requests that it
// lets through: a form can send no JSON, a page of another site has another Origin, and a browser adds
// the Origin to every POST.
//
// Source: https://fetch.spec.whatwg.org/#origin-header
func (o Options) changes(of change) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			answer(w, nil, refuse(http.StatusMethodNotAllowed, "%s changes nothing here: POST a JSON object", r.Method))
			return
		}
		if err := o.admit(r); err != nil {
			answer(w, nil, err)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			answer(w, nil, refuse(http.StatusRequestEntityTooLarge, "the body is over %d bytes, or was cut off", maxBody))
			return
		}
		result, err := of(r, body)
		answer(w, result, err)
	})
}

// admit refuses what comes too early, and what is not of a page of the stack.
func (o Options) admit(r *http.Request) error {
	if !o.Ready() {
		return errStarting
	}
	return fromOwnPage(r)
}

// errStarting is the answer while the stack is not up.
var errStarting = refuse(http.StatusServiceUnavailable, "the stack is starting")

// fromOwnPage refuses a request that a page of another site, or a form, can have sent.
func fromOwnPage(r *http.Request) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, "the Content-Type is %.100q: send application/json", r.Header.Get("Content-Type"))
	}
	here, err := origin.Parse("http://" + r.Host)
	if err != nil {
		return refuse(http.StatusForbidden, "%w", err)
	}
	given := r.Header.Values("Origin")
	if len(given) != 1 {
		return refuse(http.StatusForbidden, "there is no Origin: send the header Origin: %s, as pages of the stack do", here)
	}
	if from, err := origin.Parse(given[0]); err != nil || from != here {
		return refuse(http.StatusForbidden, "the Origin is %.100q: only pages of %s may change something here", given[0], here)
	}
	return nil
}

// read reads the object that a page sends. It refuses members that it does not know, because one that is
// misspelt would otherwise do nothing.
func read(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) { // its own text names types of Go
			return refuse(http.StatusBadRequest, "the body cannot be read: %s is a JSON %s, which it may not be", cmp.Or(kind.Field, "the whole"), kind.Value)
		}
		return refuse(http.StatusBadRequest, "the body cannot be read: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return refuse(http.StatusBadRequest, "there is something after the object")
	}
	return nil
}

// answer writes what came of a request, or why nothing did.
func answer(w http.ResponseWriter, result any, err error) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if err != nil {
		result = map[string]string{"error": err.Error()}
		status := http.StatusInternalServerError
		var refused refusal
		if errors.As(err, &refused) {
			status = refused.status
		}
		w.WriteHeader(status)
	}
	_ = json.NewEncoder(w).Encode(result) // the page may be gone
}
