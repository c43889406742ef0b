package token

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

const (
	// maxAge is when keys are fetched again though they serve: one that the issuer
	// has withdrawn must not live as long as the process does, which is hours.
	maxAge = 15 * time.Minute
	// agedPause is between two fetches of keys that are older than that.
	agedPause = 30 * time.Second
	// failedPause is between a fetch that failed and the next.
	failedPause = time.Second
	// fetchTime bounds a fetch. API Gateway's own JWT authorizer gives an issuer
	// 1,500 ms for discovery and as long again for its keys.
	//
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
	fetchTime = 3 * time.Second
)

// pace bounds how often a process looks for newer keys because of tokens that no key at
// hand has signed. Anybody can send such tokens, so the bound must not work against good
// ones.
//
// A token waits for one look and for nothing else. There are looks in store, so a few bad
// tokens use up nothing. Who sends so many that the store is empty makes the process look
// each time that the store has one again. Then the keys at hand are never much older than
// every, and only a token whose key is younger than that can be refused. No token
// waits for a look to come into store: each waiting token would hold a whole execution of
// the function, and a stranger could so use up all executions of the account.
type pace struct {
	store int           // looks at most in store
	every time.Duration // until the store has one more
}

var (
	// issuerPace is gentle to the issuer: while it is flooded, a process makes two
	// requests a second.
	issuerPace = pace{store: 60, every: time.Second}
	// secretPace costs at most $0.15 an hour and process while that is flooded: a look is
	// two calls of Secrets Manager, at $0.05 for 10,000.
	//
	// Source: https://aws.amazon.com/secrets-manager/pricing/
	secretPace = pace{store: 1000, every: 250 * time.Millisecond}
)

func (p pace) limiter() *rate.Limiter { return rate.NewLimiter(rate.Every(p.every), p.store) }

// ring holds keys in the warm process. They are fetched when a token needs it and
// never in the background, because Lambda freezes a process between its invocations.
// Safe for concurrent use.
type ring struct {
	fetch func(context.Context) ([]key, error)
	looks *rate.Limiter
	now   func() time.Time

	fetching singleflight.Group // one fetch at a time
	mu       sync.Mutex
	held     *keys     // nil until a fetch succeeds
	began    int       // fetches that have begun
	ended    int       // the latest fetch that has ended
	tried    time.Time // when the latest fetch began
	err      error     // of the latest fetch that ended, wrapping ErrUnavailable
}

// verify checks the signature of a token, with the keys at hand or else, if look is set,
// with newer ones. Only a fetch that began after the token came proves that no key has
// signed it.
func (r *ring) verify(ctx context.Context, signed compact, look bool) error {
	before := r.begun()
	held, err := r.current(ctx)
	if held == nil {
		return err
	}
	for {
		refused := held.verify(signed)
		if refused == nil || !look || held.fetch > before {
			return refused
		}
		newer, err := r.newer(ctx, held, before)
		switch {
		case err != nil:
			return err // a key that cannot be fetched may have signed it
		case newer == held:
			return refused
		}
		held = newer
	}
}

func (r *ring) begun() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.began
}

// current gives the keys at hand, fetched anew if there are none or they are old, and why
// the latest fetch failed, if it did. Keys at hand stay when a fetch fails; without any
// they are nil.
func (r *ring) current(ctx context.Context) (*keys, error) {
	if !r.stale() {
		return r.latest()
	}
	_, err := r.share(ctx, func(ctx context.Context) bool {
		if r.stale() {
			r.renew(ctx)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return r.latest()
}

// stale reports whether it is time to fetch, whatever tokens come.
func (r *ring) stale() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.wall()
	if r.held == nil {
		return now.Sub(r.tried) >= failedPause
	}
	return now.Sub(r.held.fetched) >= maxAge && now.Sub(r.tried) >= agedPause
}

// newer gives keys that have replaced useless ones. If there are none it gives the
// useless ones, and why the latest fetch failed, if it did: a fetch that began after
// that many has failed, or the process may not look now.
func (r *ring) newer(ctx context.Context, useless *keys, before int) (*keys, error) {
	for !r.replaced(useless, before) {
		looked, err := r.share(ctx, func(ctx context.Context) bool {
			if r.replaced(useless, before) {
				return true // another fetch ended while this one was asked for
			}
			if !r.mayLook() {
				return false
			}
			r.renew(ctx)
			return true
		})
		if err != nil {
			return nil, err
		}
		if !looked {
			break
		}
	}
	held, err := r.latest()
	if held != useless {
		err = nil
	}
	return held, err
}

// replaced reports whether there are other keys at hand, or a fetch that began after that
// many has failed.
func (r *ring) replaced(useless *keys, before int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held != useless || r.ended > before
}

// mayLook takes a look from the store. Whatever fails is not asked again at once.
func (r *ring) mayLook() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.wall()
	if r.err != nil && now.Sub(r.tried) < failedPause {
		return false
	}
	return r.looks.AllowN(now, 1)
}

// share does what all who wait at once need, and gives its answer to each of them. What
// it does is for all, so it does not end with the one who began it.
func (r *ring) share(ctx context.Context, do func(context.Context) bool) (bool, error) {
	done := r.fetching.DoChan("", func() (any, error) { return do(context.WithoutCancel(ctx)), nil })
	select {
	case result := <-done:
		return result.Val.(bool), nil
	case <-ctx.Done():
		return false, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// renew fetches the keys. It is called within share.
func (r *ring) renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	r.mu.Lock()
	r.began++
	number, began := r.began, r.wall()
	r.mu.Unlock()
	all, err := r.fetch(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended, r.tried, r.err = number, began, nil
	if err != nil {
		r.err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		return
	}
	r.held = &keys{all: all, fetch: number, fetched: began}
}

func (r *ring) latest() (*keys, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held, r.err
}

// wall is the wall's time: a frozen process's own clock may stand still.
func (r *ring) wall() time.Time { return r.now().Round(0) }
