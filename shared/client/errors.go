package client

import (
	"errors"
	"fmt"
	"time"
)

// ErrClosed ends what a client was doing when it was closed.
var ErrClosed = errors.New("client is closed")

// ErrOtherView refuses a watch of a topic that the client watches with another Filter,
// Fields, Delta or Latest. Another client can watch it.
var ErrOtherView = errors.New("topic is watched with other options")

// ErrUnchanged is the error of [ReadUnless] if the items have not changed.
var ErrUnchanged = errors.New("items are unchanged")

// HandshakeError is a connection that the service refuses for good. It ends the
// client. What may pass, such as 429 and 500, is tried again instead, and so is 401 for 2
// minutes, see events.UnauthorizedTime.
type HandshakeError struct {
	Status int           // HTTP status: 401 and 403 if the client may not connect
	pause  time.Duration // the pause that the service asks for before the next handshake
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("connection refused with status %d", e.Status)
}

// pauseOf gives how long the service wants to be left alone, according to an error.
func pauseOf(err error) time.Duration {
	var handshake *HandshakeError
	var refused *refusal
	switch {
	case errors.As(err, &handshake):
		return handshake.pause
	case errors.As(err, &refused):
		return refused.pause
	}
	return 0
}

// StatusError is an HTTP answer that does not come from the service, but from a proxy or from a
// network that requires a login. A refusal by the service is an [*events.Error] instead.
type StatusError struct {
	Status int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d does not come from the service", e.Status)
}
