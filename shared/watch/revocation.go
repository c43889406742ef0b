package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
)

// AnyToken is the TokenID of a revocation of all tokens of a subject.
const AnyToken = "*"

// Revocation takes back tokens of a subject: all of them or one by its id, as far as
// they were issued by then.
type Revocation struct {
	Subject string
	TokenID string
	Before  time.Time // to the second; tokens of that second are hit
}

// Hits reports whether a token of the subject is taken back.
func (r Revocation) Hits(a Access) bool {
	return (r.TokenID == AnyToken || r.TokenID == a.TokenID) && !a.Issued.Truncate(time.Second).After(r.Before)
}

// Revocations knows what was revoked of all tokens of a subject, and of one of them.
type Revocations interface {
	Revocations(ctx context.Context, subject, tokenID string) ([]Revocation, error)
}

// CheckRevoked gives ErrRevoked if what a token gave its subject is taken back by now.
func CheckRevoked(ctx context.Context, r Revocations, subject string, a Access) error {
	revocations, err := r.Revocations(ctx, subject, a.TokenID)
	if err == nil && slices.ContainsFunc(revocations, func(r Revocation) bool { return r.Hits(a) }) {
		err = ErrRevoked
	}
	return err
}

// Connections knows the connections of a subject.
type Connections interface {
	// Connections reads them. Their grants are not read.
	Connections(ctx context.Context, subject string) ([]Connection, error)
	// Forget removes a connection with all its subscriptions and presences. It removes the given
	// subscriptions even if the connection is not known.
	Forget(context.Context, Key, []Subscription) error
}

// Revoker cuts off whoever a revocation hits.
type Revoker struct {
	Connections Connections
	Poster      Poster
}

// Revoke closes the live connections that the revocation hits, each with an error
// frame before, and gives their number. One that cannot be closed does not keep the
// others; it is closed when the revocation comes again.
func (r Revoker) Revoke(ctx context.Context, revoked Revocation) (closed int, err error) {
	connections, err := r.Connections.Connections(ctx, revoked.Subject)
	if err != nil {
		return 0, err
	}
	frame, _ := WireError(ErrRevoked)
	body, err := events.Encode(frame)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, c := range connections {
		if !revoked.Hits(c.Access) {
			continue
		}
		if err := r.cut(ctx, c.Key, NewFrame(body)); err != nil {
			errs = append(errs, err)
			continue
		}
		closed++
	}
	return closed, errors.Join(errs...)
}

// cut says why and closes. That the client cannot be told does not keep it connected.
func (r Revoker) cut(ctx context.Context, key Key, last Frame) error {
	told := r.Poster.Post(ctx, key.ID, last)
	if errors.Is(told, ErrGone) {
		return r.Connections.Forget(ctx, key, nil)
	}
	if err := r.Poster.Close(ctx, key.ID); err != nil {
		return fmt.Errorf("close %s: %w", key.ID, err)
	}
	return r.Connections.Forget(ctx, key, nil)
}
