package watch

import (
	"context"
	"time"
)

// Hold is a request that is held open for a client. Each hold occupies an execution of the
// function, even if the client has left. Only the store knows the meaning of its fields.
type Hold struct {
	Name   string
	Number string // distinguishes the hold from others of this name
}

// HoldLimits bound the requests that are held at a time.
type HoldLimits struct {
	Subject int // of one subject, or of one address without a token
	Total   int // of all; so many are left for requests that are answered at once
}

// Holds keeps which requests are held, over all processes.
type Holds interface {
	// Hold records that the subject holds a request until then. The hold ends by itself at that
	// time, so that a function that was killed holds nothing for long. ErrTooManyHolds means that
	// the subject, or all subjects together, hold too many.
	Hold(ctx context.Context, key Key, until time.Time, limits HoldLimits) (Hold, error)
	// Release ends a hold; doing so twice is no error.
	Release(context.Context, Hold) error
}
