package watch

import (
	"context"
	"errors"

	"github.com/watchroute/watchroute/events"
)

// What can go wrong in the stores and on the way to a watcher. Package dynamo and
// package apigw translate the errors of their services into these.
var (
	// ErrConflict is an append to a log whose head has moved meanwhile.
	ErrConflict = errors.New("the topic's head has moved")
	// ErrStaleStream is a write from a stream older than the one that the topic is
	// numbered by. It belongs to an earlier life of the table.
	ErrStaleStream = errors.New("write comes from an earlier stream of the table")
	// ErrGone is a connection that does not exist any more.
	ErrGone = errors.New("connection is gone")
	// ErrNotConnected is a connection that the service has no row for.
	ErrNotConnected = errors.New("connection is not known")
	// ErrTooManyConnections is a subject at its limit of connections.
	ErrTooManyConnections = errors.New("subject has too many connections")
	// ErrUnauthorized is a token that is not valid, or none where one is needed.
	ErrUnauthorized = errors.New("token is not valid")
	// ErrRevoked is a token that was taken back.
	ErrRevoked = errors.New("token is revoked")
	// ErrTokenExpired is a connection whose token has expired for too long.
	ErrTokenExpired = errors.New("token has expired")
	// ErrOvertaken is a request about which a later one of the same connection has decided.
	ErrOvertaken = errors.New("a later request has decided")
	// ErrTooManySubscriptions is a connection at its limit of subscriptions.
	ErrTooManySubscriptions = errors.New("connection has too many subscriptions")
	// ErrTooManyHolds is a subject, or a service, that holds as many requests as it may.
	ErrTooManyHolds = errors.New("too many requests are held")
	// ErrTooManyRequests is a connection or a subject that has used up its quota.
	ErrTooManyRequests = errors.New("client asks too often")
	// ErrExists is an item that is there, though it was to be new.
	ErrExists = errors.New("the item exists")
	// ErrBadItem is an item that the table refuses.
	ErrBadItem = errors.New("item is refused")
	// ErrUnavailable is a store that is throttled or does not answer in time.
	ErrUnavailable = errors.New("store is unavailable")
)

// wireErrors says which code and sentence a client gets for an error. What is not
// listed is internal.
var wireErrors = []struct {
	err     error
	code    events.Code
	message string // "" means the error's own words
}{
	{ErrNotConnected, events.CodeNotConnected, "the service does not know this connection any more, connect again"},
	{ErrUnauthorized, events.CodeBadToken, "the token is not valid"},
	{ErrRevoked, events.CodeRevoked, "the token is revoked"},
	{ErrTokenExpired, events.CodeTokenExpired, "the token has expired, connect again with another"},
	{ErrOvertaken, events.CodeOvertaken, "a later request of this connection counts; if there is none, send this one again with a higher order"},
	{ErrTooManyConnections, events.CodeTooManyConnections, "too many connections, or too many attempts to connect, try again later"},
	{ErrTooManySubscriptions, events.CodeTooManySubscriptions, "the connection has as many subscriptions as it may"},
	{ErrTooManyHolds, events.CodeTooManyHolds, "too many requests are held open, ask again later or without waiting"},
	{ErrTooManyRequests, events.CodeTooManyRequests, "too many or too costly messages, try again later"},
	{ErrExists, events.CodeExists, "there is an item of this id already"},
	{ErrBadItem, events.CodeBadItem, ""},
	{ErrUnavailable, events.CodeUnavailable, "the service is busy, try again later"},
	{context.DeadlineExceeded, events.CodeUnavailable, "the service is busy, try again later"},
}

// WireError translates an error for a client. known is false for an error that is
// the operator's business rather than the client's.
func WireError(err error) (frame *events.Error, known bool) {
	if errors.As(err, &frame) {
		return frame, true
	}
	for _, w := range wireErrors {
		if !errors.Is(err, w.err) {
			continue
		}
		message := w.message
		if message == "" {
			message = err.Error()
		}
		return &events.Error{Code: w.code, Message: message}, true
	}
	return &events.Error{Code: events.CodeInternal, Message: "something went wrong, try again"}, false
}

// errForbidden says the same of a topic that is there and of one that is not.
var errForbidden = &events.Error{Code: events.CodeForbidden, Message: "the token does not allow this"}

// errUnrecoverable refuses to go on from a cursor where what was missed cannot be told, to
// a client that may not start over.
var errUnrecoverable = &events.Error{Code: events.CodeForbidden, Message: "what was missed cannot be told any more, and the token does not allow to read the items instead"}

// closes reports whether an error ends the connection. One that is not known may be that of
// a revoked token which could not be closed.
func closes(err error) bool {
	return errors.Is(err, ErrTokenExpired) || errors.Is(err, ErrRevoked) || errors.Is(err, ErrNotConnected) || errors.Is(err, ErrTooManyConnections)
}
