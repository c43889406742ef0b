// Package token is the only place that knows how a token is verified: a JWT
// (RFC 7519) in compact form, signed by an issuer whose keys are fetched, or with a
// secret.
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
	algorithms []string // that are taken, by their "alg"
	issuer     string   // empty for any
	audience   string   // empty for tokens without
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
	if s.Secret != nil {
		v.algorithms = []string{"HS256"}
		v.ring = &ring{fetch: secret(s.Secret).fetch, pause: secretPause, now: s.Now}
	} else {
		v.algorithms = []string{"RS256", "ES256", "EdDSA"}
		v.ring = &ring{fetch: newIssuer(s).fetch, pause: issuerPause, now: s.Now}
	}
	return v, nil
}

// Verify gives what a token says, if it is signed by a key at hand, of now, and for
// us. A token no key at hand has signed makes it fetch them anew, at most once in 30 s
// from an issuer and once in a minute for a secret, however many such tokens come and
// at once; until then the keys at hand decide. Errors are ErrInvalid or ErrUnavailable.
func (v *Verifier) Verify(ctx context.Context, raw string) (Token, error) {
	signed, err := parse(raw)
	if err != nil {
		return Token{}, err
	}
	if !slices.Contains(v.algorithms, signed.algorithm) {
		return Token{}, refuse("its algorithm is not one that is taken here")
	}
	payload, err := v.open(ctx, signed)
	if err != nil {
		return Token{}, err
	}
	claims, err := readClaims(payload)
	if err != nil {
		return Token{}, err
	}
	if err := v.check(claims); err != nil {
		return Token{}, err
	}
	return claims.Token, nil
}

// open gives the payload of a token that a key has signed, with the keys at hand or
// else with newer ones.
func (v *Verifier) open(ctx context.Context, signed compact) ([]byte, error) {
	known, err := v.ring.get(ctx, nil)
	if known == nil {
		return nil, err
	}
	payload, refused := known.open(signed)
	if refused == nil {
		return payload, nil
	}
	newer, err := v.ring.get(ctx, known)
	switch {
	case err != nil:
		return nil, err // a key that cannot be fetched may have signed it
	case newer == known:
		return nil, refused
	}
	return newer.open(signed)
}

// refuse makes the error for a token that is refused.
func refuse(reason string) error { return fmt.Errorf("%w: %s", ErrInvalid, reason) }
