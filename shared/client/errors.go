package client

import (
	"errors"
	"fmt"
)

// ErrClosed ends what a client was doing when it was closed.
var ErrClosed = errors.New("client is closed")

// HandshakeError is a connection that the service refuses for good. It ends the
// client. What may pass, such as 429 and 500, is tried again instead.
type HandshakeError struct {
	Status int // HTTP status: 401 and 403 for who may not connect
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("connection refused with status %d", e.Status)
}
