// Package token verifies a JWT (RFC 7519) in compact form: its signature, by the fetched keys of an
// issuer or by a secret, and its times, issuer and audience. It is the only place that knows these
// formats. It does not know what a token allows.
//
// A key is good for one algorithm, which follows from what kind of key it is and not
// from what a token says. So there is no "none", and no public key is ever taken for
// a secret. Of a token's header only "alg", "kid", "crit" and "b64" are read; keys and
// addresses of keys in it (RFC 8725, section 3.10) are not.
package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

var (
	// ErrInvalid means that the token is refused, and will be the next time. The error
	// that wraps it says why, for the operator's log, without anything of the token.
	ErrInvalid = errors.New("token is invalid")
	// ErrUnavailable means that a key is needed which cannot be fetched now: whether
	// the token is good is not known, and the client is to come again.
	ErrUnavailable = errors.New("keys are unavailable")
)

// Token is what a verified token says.
type Token struct {
	Subject string          // "sub": 1 to 256 bytes, no control characters
	ID      string          // "jti", as Subject; empty if absent
	Issued  time.Time       // "iat", to the millisecond
	Expires time.Time       // "exp", to the millisecond; over already by up to the leeway
	Claim   json.RawMessage // the private claim "watchroute", not looked into; nil if absent
}

// Verifier verifies tokens. Safe for concurrent use.
type Verifier struct {
	algorithms algorithm // that are taken
	issuer     string    // empty for any
	audience   string    // empty for tokens without
	leeway     time.Duration
	now        func() time.Time
	ring       *ring
}

// New makes a verifier, or says everything that is wrong with the settings. It does
// not reach out: keys are fetched for the first token.
func New(s Settings) (*Verifier, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	s = s.withDefaults()
	v := &Verifier{issuer: s.Issuer, audience: s.Audience, leeway: s.Leeway, now: s.Now}
	if s.Secrets != nil {
		v.algorithms = hs256
		v.ring = &ring{fetch: secrets(s.Secrets).fetch, looks: secretPace.limiter(), now: s.Now}
	} else {
		v.algorithms = slices.Concat(rs256, es256, ed25519Names)
		v.ring = &ring{fetch: newIssuer(s).fetch, looks: issuerPace.limiter(), now: s.Now}
	}
	return v, nil
}

// Verify gives what a token says, if it is of now, for us, and signed by a key at hand or
// one that is fetched for it. A token that no key at hand has signed waits for a fetch that
// began after it came, of at most 3 s, which all who wait share; one that is under way ends
// before. See pace for how bad tokens are kept from
// fetching too often, and what that may cost a good one. Errors are ErrInvalid or
// ErrUnavailable.
func (v *Verifier) Verify(ctx context.Context, raw string) (Token, error) {
	signed, err := parse(raw)
	if err != nil {
		return Token{}, err
	}
	if !v.algorithms.has(signed.algorithm) {
		return Token{}, refuse("its algorithm is not one that is taken here")
	}
	claims, useless := v.readClaims(signed.payload)
	// For a token that no key can make good, none is fetched.
	if err := v.ring.verify(ctx, signed, useless == nil); err != nil {
		return Token{}, err
	}
	if useless != nil {
		return Token{}, useless
	}
	return claims.Token, nil
}

// refuse makes the error for a token that is refused.
func refuse(reason string) error { return fmt.Errorf("%w: %s", ErrInvalid, reason) }
