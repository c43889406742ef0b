// Package authn turns a token into a subject and its access: it has package token verify the
// token, has package grant read the claim, and checks what was revoked. It is the only place that
// knows all three, and where the keys of a deployment come from.
package authn

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/token"
	"github.com/watchroute/watchroute/shared/watch"
)

// Verifier verifies tokens.
type Verifier interface {
	Verify(ctx context.Context, raw string) (token.Token, error)
}

// Authenticator tells what tokens give.
type Authenticator struct {
	Verifier    Verifier
	Revocations watch.Revocations
}

// Authenticate verifies a token and reads its grant. A token without the claim
// "watchroute" grants nothing, and that of the subject "anonymous" is refused, as that
// name is for those without a token. The error says why for the operator, and is
// watch.ErrUnauthorized, watch.ErrRevoked or watch.ErrUnavailable.
func (a Authenticator) Authenticate(ctx context.Context, raw string) (subject string, access watch.Access, err error) {
	t, err := a.Verifier.Verify(ctx, raw)
	if err != nil {
		return "", watch.Access{}, translate(err)
	}
	if access, err = accessOf(t); err != nil {
		return "", watch.Access{}, err
	}
	if err := a.Check(ctx, t.Subject, access); err != nil {
		return "", watch.Access{}, err
	}
	return t.Subject, access, nil
}

// Check gives watch.ErrRevoked if what a token gave is taken back by now.
func (a Authenticator) Check(ctx context.Context, subject string, access watch.Access) error {
	return watch.CheckRevoked(ctx, a.Revocations, subject, access)
}

func translate(err error) error {
	if errors.Is(err, token.ErrUnavailable) {
		return fmt.Errorf("%w: %w", watch.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", watch.ErrUnauthorized, err)
}

func accessOf(t token.Token) (watch.Access, error) {
	switch {
	case t.Subject == watch.Anonymous:
		return watch.Access{}, fmt.Errorf("%w: its subject is that of those without a token", watch.ErrUnauthorized)
	case t.ID == watch.AnyToken:
		return watch.Access{}, fmt.Errorf("%w: its id stands for all tokens", watch.ErrUnauthorized)
	}
	access := watch.Access{TokenID: t.ID, Issued: t.Issued, Expires: t.Expires}
	if t.Claim == nil {
		return access, nil
	}
	var err error
	if access.Grant, err = grant.Parse(t.Claim, t.Subject); err != nil {
		return watch.Access{}, fmt.Errorf("%w: claim watchroute: %w", watch.ErrUnauthorized, err)
	}
	return access, nil
}
