package watch

import (
	"context"
	"time"
)

// Hold is a request that is held open for a client. Each takes an execution of the function,
// whatever the client does with it.
type Hold struct {
	Key             // whose it is
	Until time.Time // it ends by itself, so that a function that was killed holds nothing for long
	Place string    // of the store
	Mark  string    // of the store, which tells the hold from others in this place
}

// HoldLimits bound the requests that are held at a time.
type HoldLimits struct {
	Subject int // of one subject, or of one address without a token
	Total   int // of all; so many are left for requests that are answered at once
}

// Holds keeps which requests are held, over all processes.
type Holds interface {
	// Hold keeps that the subject holds a request until then. ErrTooManyHolds means that it
	// may not, or that there are too many.
	Hold(ctx context.Context, key Key, until time.Time, limits HoldLimits) (Hold, error)
	// Release ends a hold; doing so twice is no error.
	Release(context.Context, Hold) error
}
