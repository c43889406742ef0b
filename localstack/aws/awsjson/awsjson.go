// Package awsjson is the only place that knows the AWS JSON protocols on the server
// side: X-Amz-Target dispatch, error bodies, request ids and checksums.
//
// Sources: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html,
// https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
package awsjson

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
)

// coral is the namespace of the errors that AWS's front door makes for every
// service, rather than the service itself.
const coral = "com.amazon.coral.service#"

// Operation answers one call. The result is encoded as JSON; an *Error reaches
// the client as it stands, any other error as InternalServerError (500).
type Operation func(ctx context.Context, body []byte) (any, error)

// Typed makes an Operation of a function that takes its input decoded. A body that
// cannot be is answered with SerializationException.
func Typed[In any](handle func(context.Context, In) (any, error)) Operation {
	return func(ctx context.Context, body []byte) (any, error) {
		var in In
		if err := Decode(body, &in); err != nil {
			return nil, err
		}
		return handle(ctx, in)
	}
}

// Appender is a result that encodes itself, for answers so large that
// json.Marshal's second pass over them shows.
type Appender interface {
	// AppendJSON appends the result's JSON, which must be valid.
	AppendJSON(dst []byte) []byte
}

// Service is one AWS service spoken over the AWS JSON protocol.
type Service struct {
	// Target is the prefix of X-Amz-Target, such as "DynamoDB_20120810".
	Target string
	// Namespace prefixes the "__type" of errors, such as
	// "com.amazonaws.dynamodb.v20120810#".
	Namespace string
	// Version of the protocol, "1.0" if empty. It tells in the content type alone.
	Version string
	// Operations are the supported calls by name; every other name is answered
	// with UnknownOperationException.
	Operations map[string]Operation
}

// Error is a failure as an AWS service reports it.
type Error struct {
	Status  int    // HTTP status; 0 means 400
	Type    string // shape name without namespace, such as "ValidationException"
	Message string
	// Fields are further members of the error body, such as "Item" or
	// "CancellationReasons".
	Fields map[string]any
	// QueryCode, if set, is sent as x-amzn-query-error, which services that
	// once spoke the Query protocol (SQS) still carry.
	QueryCode string
}

// Error gives the type and the message.
func (e *Error) Error() string { return e.Type + ": " + e.Message }

// Errorf makes an Error with status 400.
func Errorf(typ, format string, args ...any) *Error {
	return &Error{Type: typ, Message: fmt.Sprintf(format, args...)}
}

// Serves reports whether the request is addressed to this service.
func (s *Service) Serves(r *http.Request) bool {
	target, _, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return target == s.Target
}

// Call runs one operation by its bare name, as an HTTP request would. A panic
// in the operation becomes InternalServerError, so that one bad request cannot
// stop the stack.
func (s *Service) Call(ctx context.Context, operation string, body []byte) (result any, err error) {
	op, ok := s.Operations[operation]
	if !ok {
		return nil, Errorf("UnknownOperationException", "operation %q is not supported here", operation)
	}
	defer func() {
		if p := recover(); p != nil {
			slog.Error("operation panicked", "service", s.Target, "operation", operation,
				"panic", p, "stack", string(debug.Stack()))
			result, err = nil, fmt.Errorf("%s panicked: %v", operation, p)
		}
	}()
	return op(ctx, body)
}

// ServeHTTP answers one POST. Safe for concurrent use.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body, err := readBody(w, r)
	if err != nil {
		s.fail(w, err)
		return
	}
	result, err := s.Call(r.Context(), operation, body)
	if err != nil {
		s.fail(w, err)
		return
	}
	answer, err := encode(result)
	if err != nil {
		s.fail(w, fmt.Errorf("encode answer of %s: %w", operation, err))
		return
	}
	s.write(w, http.StatusOK, answer)
}

func encode(result any) ([]byte, error) {
	if a, ok := result.(Appender); ok {
		return a.AppendJSON(nil), nil
	}
	return json.Marshal(result)
}

// fail answers with err in the form the SDKs read.
func (s *Service) fail(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		slog.Error("operation failed", "service", s.Target, "err", err)
		e = &Error{Status: http.StatusInternalServerError, Type: "InternalServerError", Message: "internal server error"}
	}
	body := map[string]any{"__type": s.namespaced(e.Type), "message": e.Message}
	for name, value := range e.Fields {
		body[name] = value
	}
	if e.QueryCode != "" {
		w.Header().Set("X-Amzn-Query-Error", e.QueryCode+";Sender")
	}
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	answer, err := json.Marshal(body)
	if err != nil {
		slog.Error("encode error body", "service", s.Target, "err", err)
		answer, status = []byte(`{"__type":"InternalServerError"}`), http.StatusInternalServerError
	}
	s.write(w, status, answer)
}

// namespaced gives the type as it stands in "__type".
func (s *Service) namespaced(typ string) string {
	switch typ {
	case "UnknownOperationException", "SerializationException", "AccessDeniedException":
		return coral + typ
	case "ValidationException":
		return "com.amazon.coral.validate#" + typ
	}
	return s.Namespace + typ
}

func (s *Service) write(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-"+cmp.Or(s.Version, "1.0"))
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	h.Set("X-Amzn-Requestid", rand.Text())
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone; there is no one left to tell
}
