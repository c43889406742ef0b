package restapi

import (
	"bytes"
	"net/http"
)

// Answer is what a client was answered.
type Answer struct {
	Method, Path string // below the stage, as the client has written it
	Asked        []byte // the request's body, as far as it was read
	Status       int
	Header       http.Header
	Body         []byte // as much as was sent
	Cut          bool   // the connection was cut before the end
}

// witness remembers an answer while it is sent.
type witness struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	cut    bool
}

// Unwrap is for [http.ResponseController].
func (w *witness) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader remembers the status.
func (w *witness) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write remembers what is sent.
func (w *witness) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.body.Write(p[:n])
	return n, err
}

// answer is what the witness has seen.
func (w *witness) answer(c *call) Answer {
	var asked []byte
	if c.body != nil {
		asked = []byte(*c.body)
	}
	return Answer{c.r.Method, c.path, asked, w.status, w.Header(), w.body.Bytes(), w.cut}
}
