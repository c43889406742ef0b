package token

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
	"golang.org/x/sync/singleflight"
)

const (
	// maxAge is when keys are fetched again though they serve: one that the issuer
	// has withdrawn must not live as long as the process does, which is hours.
	maxAge = 15 * time.Minute
	// issuerPause is between two fetches from an issuer, so that tokens with made-up
	// key ids do not make us hammer it.
	issuerPause = 30 * time.Second
	// secretPause is between two fetches of a secret, which cost money.
	secretPause = time.Minute
	// emptyPause is between two fetches while there are no keys at all.
	emptyPause = time.Second
	// fetchTime bounds a fetch. API Gateway's own JWT authorizer gives an issuer
	// 1,500 ms for discovery and as long again for its keys.
	//
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
	fetchTime = 3 * time.Second
)

// key is a key with the one algorithm it is good for.
type key struct {
	id        string // empty if it has none
	algorithm jwa.SignatureAlgorithm
	material  any // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, or []byte for a secret
}

// keys are the answer to one fetch.
type keys struct {
	all     []key
	fetched time.Time
}

// open gives the payload of a token that one of the keys has signed.
func (k *keys) open(signed compact) ([]byte, error) {
	signer, err := k.signer(signed)
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(signed.raw, jws.WithKey(signer.algorithm, signer.material),
		jws.WithCompact(), jws.WithAlgorithmMatch(true), jws.WithCritValidation(true))
	if err != nil {
		return nil, refuse("its signature is wrong") // what jwx says may quote the token
	}
	return payload, nil
}

// signer gives the key that must have signed a token: the only one of its algorithm
// and id. A token without an id must leave no choice (OpenID Connect Core 1.0, section
// 10.1), and a key without one answers to all.
func (k *keys) signer(signed compact) (key, error) {
	var found []key
	for _, candidate := range k.all {
		fits := signed.keyID == "" || candidate.id == "" || candidate.id == signed.keyID
		if fits && candidate.algorithm.String() == signed.algorithm {
			found = append(found, candidate)
		}
	}
	switch len(found) {
	case 0:
		return key{}, refuse("no key has its id and algorithm")
	case 1:
		return found[0], nil
	}
	return key{}, refuse("several keys have its id and algorithm")
}

// ring holds keys in the warm process. They are fetched when a token needs it and
// never in the background, because Lambda freezes a process between its invocations.
// Safe for concurrent use.
type ring struct {
	fetch func(context.Context) ([]key, error)
	pause time.Duration
	now   func() time.Time

	fetching singleflight.Group
	mu       sync.Mutex
	held     *keys     // nil until a fetch succeeds
	tried    time.Time // when the latest fetch began
	err      error     // of the latest fetch, wrapping ErrUnavailable
}

// get gives the keys at hand, fetched anew if it is time to, and why the latest fetch
// failed, if it did. Keys at hand stay when a fetch fails; without any they are nil.
// useless are keys that did not serve, if not nil: others are better.
func (r *ring) get(ctx context.Context, useless *keys) (*keys, error) {
	if r.due(useless) {
		// The fetch is for all who wait, so it does not end with the one who began it.
		done := r.fetching.DoChan("", func() (any, error) {
			r.renew(context.WithoutCancel(ctx), useless)
			return nil, nil
		})
		select {
		case <-done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held, r.err
}

// due reports whether it is time to fetch.
func (r *ring) due(useless *keys) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now().Round(0) // the wall's time: a frozen process's own clock may stand still
	switch {
	case r.held == nil:
		return now.Sub(r.tried) >= emptyPause
	case r.held != useless && now.Sub(r.held.fetched) < maxAge:
		return false
	}
	return now.Sub(r.tried) >= r.pause
}

func (r *ring) renew(ctx context.Context, useless *keys) {
	if !r.due(useless) {
		return // another fetch ended while this one was asked for
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	began := r.now().Round(0)
	all, err := r.fetch(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried, r.err = began, nil
	if err != nil {
		r.err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		return
	}
	r.held = &keys{all: all, fetched: began}
}
