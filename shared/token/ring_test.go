package token_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/shared/token"
	"github.com/watchroute/watchroute/shared/token/tokentest"
)

// inTime takes tokens of an issuer by the test's own clock.
func inTime(t *testing.T, issuer *tokentest.Issuer) *token.Verifier {
	t.Helper()
	s := settings(issuer)
	s.Now = nil
	return open(t, s)
}

// lasting makes claims that are taken for a day.
func lasting() string {
	now := time.Now()
	return payload(map[string]any{"iat": now.Unix(), "exp": now.Add(24 * time.Hour).Unix()})
}

// verify expects a token to be taken (nil), or refused by an error.
func verify(t *testing.T, v *token.Verifier, raw string, want error) {
	t.Helper()
	if _, err := v.Verify(t.Context(), raw); !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func fetches(t *testing.T, issuer *tokentest.Issuer, want int) {
	t.Helper()
	if got := issuer.Fetches(); got != want {
		t.Errorf("keys were fetched %d times, want %d", got, want)
	}
}

func TestKeysAreFetchedOnceAndWhenOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := keys()["EdDSA"]
		issuer := tokentest.NewIssuer(issuerURL, key)
		v, raw := inTime(t, issuer), key.Token(lasting())
		fetches(t, issuer, 0)
		for range 100 {
			verify(t, v, raw, nil)
		}
		time.Sleep(15*time.Minute - time.Second)
		verify(t, v, raw, nil)
		fetches(t, issuer, 1)
		time.Sleep(time.Second)
		verify(t, v, raw, nil)
		fetches(t, issuer, 2)
	})
}

// TestNewKeyIsTakenAtOnce, though a token that nobody has signed made us fetch keys a
// moment ago.
func TestNewKeyIsTakenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		older, newer, nobody := keys()["EdDSA"], tokentest.NewKey("newer", "ES256"), tokentest.NewKey("newer", "ES256")
		issuer := tokentest.NewIssuer(issuerURL, older)
		v := inTime(t, issuer)
		verify(t, v, older.Token(lasting()), nil)
		verify(t, v, nobody.Token(lasting()), token.ErrInvalid)
		issuer.Rotate(older, newer)
		verify(t, v, newer.Token(lasting()), nil)
		verify(t, v, older.Token(lasting()), nil)
		fetches(t, issuer, 3)
		issuer.Rotate(newer)
		time.Sleep(15 * time.Minute)
		verify(t, v, older.Token(lasting()), token.ErrInvalid)
		verify(t, v, newer.Token(lasting()), nil)
	})
}

// TestRotationUnderOneID replaces a key and keeps its id, which issuers should not do.
func TestRotationUnderOneID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		older, newer := tokentest.NewKey("key", "EdDSA"), tokentest.NewKey("key", "EdDSA")
		issuer := tokentest.NewIssuer(issuerURL, older)
		v := inTime(t, issuer)
		verify(t, v, older.Token(lasting()), nil)
		issuer.Rotate(newer)
		verify(t, v, newer.Token(lasting()), nil)
		verify(t, v, older.Token(lasting()), token.ErrInvalid)
	})
}

// TestGarbageDoesNotHammerTheIssuer sends 10 bad tokens a second for five minutes: 60 make
// us fetch at once, and then one a second.
func TestGarbageDoesNotHammerTheIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := keys()["EdDSA"]
		issuer := tokentest.NewIssuer(issuerURL, key)
		v, claims := inTime(t, issuer), lasting()
		for i := range 3000 {
			verify(t, v, key.Sign(fmt.Sprintf(`{"alg":"EdDSA","kid":"made-up-%d"}`, i), claims), token.ErrInvalid)
			time.Sleep(100 * time.Millisecond)
		}
		fetches(t, issuer, 60+300)
		for range 100 { // what no key can have signed fetches none
			verify(t, v, keys()["HS256"].Token(claims), token.ErrInvalid)
			verify(t, v, planted, token.ErrInvalid)
		}
		fetches(t, issuer, 60+300)
	})
}

// TestTokensThatNoKeyCanMakeGoodFetchNone: their claims are refused, whoever signs them.
func TestTokensThatNoKeyCanMakeGoodFetchNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, nobody := keys()["EdDSA"], tokentest.NewKey("made-up", "EdDSA")
		issuer := tokentest.NewIssuer(issuerURL, key)
		v := inTime(t, issuer)
		verify(t, v, key.Token(lasting()), nil)
		for _, with := range []map[string]any{{"exp": 1}, {"iss": "https://other"}, {"aud": "other"}, {"sub": ""}, {"iat": nil}} {
			verify(t, v, nobody.Token(payload(with)), token.ErrInvalid)
		}
		fetches(t, issuer, 1)
	})
}

// TestStrangersDoNotKeepGoodTokensOut has strangers send bad tokens from before a secret is
// changed until after it. While looks are in store, a token of the new secret is taken at
// once. A flood of thousands can keep out only what is younger than 250 ms.
func TestStrangersDoNotKeepGoodTokensOut(t *testing.T) {
	for _, c := range []struct {
		strangers int // bad tokens, a millisecond apart
		out       time.Duration
	}{{1, 0}, {20, 0}, {900, 0}, {20_000, 250 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			secret := theSecret
			v := open(t, token.Settings{Secrets: func(context.Context) ([][]byte, error) { return [][]byte{secret}, nil }})
			bad := tokentest.Secret([]byte(strings.Repeat("bad", 12))).Token(without())
			good := tokentest.Secret([]byte(strings.Repeat("new", 12))).Token(without())
			for range c.strangers {
				verify(t, v, bad, token.ErrInvalid)
				time.Sleep(time.Millisecond)
			}
			secret = []byte(strings.Repeat("new", 12))
			changed := time.Now()
			for time.Since(changed) < c.out {
				verify(t, v, bad, token.ErrInvalid)
				time.Sleep(time.Millisecond)
			}
			verify(t, v, good, nil)
		})
	}
}

// TestAFetchUnderWayDoesNotDecide: it may have read the keys before the token's was there.
func TestAFetchUnderWayDoesNotDecide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var secret atomic.Value
		secret.Store(theSecret)
		v := open(t, token.Settings{Secrets: func(context.Context) ([][]byte, error) {
			read := secret.Load().([]byte)
			time.Sleep(time.Second)
			return [][]byte{read}, nil
		}})
		verify(t, v, keys()["HS256"].Token(without()), nil)
		var stranger sync.WaitGroup
		stranger.Go(func() {
			verify(t, v, tokentest.Secret([]byte(strings.Repeat("bad", 12))).Token(without()), token.ErrInvalid)
		})
		time.Sleep(500 * time.Millisecond)
		changed := []byte(strings.Repeat("new", 12))
		secret.Store(changed)
		began := time.Now()
		verify(t, v, tokentest.Secret(changed).Token(without()), nil)
		if waited := time.Since(began); waited != 1500*time.Millisecond {
			t.Errorf("waited %s, want the rest of one fetch and another", waited)
		}
		stranger.Wait()
	})
}

func TestIssuerThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, other := keys()["EdDSA"], tokentest.NewKey("other", "EdDSA")
		issuer := tokentest.NewIssuer(issuerURL, key)
		v := inTime(t, issuer)
		issuer.Break(true)
		verify(t, v, key.Token(lasting()), token.ErrUnavailable)
		issuer.Break(false)
		verify(t, v, key.Token(lasting()), token.ErrUnavailable) // not asked again so soon
		time.Sleep(time.Second)
		verify(t, v, key.Token(lasting()), nil)

		issuer.Break(true)
		issuer.Rotate(key, other)
		time.Sleep(16 * time.Minute)
		verify(t, v, key.Token(lasting()), nil) // the old keys stay
		verify(t, v, other.Token(lasting()), token.ErrUnavailable)
		verify(t, v, keys()["HS256"].Token(lasting()), token.ErrInvalid)
		issuer.Break(false)
		verify(t, v, other.Token(lasting()), token.ErrUnavailable) // not asked again so soon
		time.Sleep(time.Second)
		verify(t, v, other.Token(lasting()), nil)
		verify(t, v, tokentest.NewKey("none", "EdDSA").Token(lasting()), token.ErrInvalid)
	})
}

// TestVerificationsShareOneFetch starts many at once, before there are keys and when
// they no longer serve.
func TestVerificationsShareOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int32
		secrets := [][]byte{theSecret, []byte(strings.Repeat("new", 12))}
		v := open(t, token.Settings{Secrets: func(context.Context) ([][]byte, error) {
			time.Sleep(time.Second)
			return secrets[min(int(fetched.Add(1)), 2)-1:][:1], nil
		}})
		for n, secret := range secrets {
			raw := tokentest.Secret(secret).Token(without())
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() { verify(t, v, raw, nil) })
			}
			all.Wait()
			if got := fetched.Load(); got != int32(n+1) {
				t.Errorf("fetched %d times for %d secrets", got, n+1)
			}
			time.Sleep(time.Minute)
		}
	})
}

// without makes claims that are taken for a day by who wants neither issuer nor
// audience.
func without() string {
	return fmt.Sprintf(`{"sub":"alice","iat":%d,"exp":%d}`, time.Now().Unix(), time.Now().Add(24*time.Hour).Unix())
}

// TestAFetchOutlivesWhoBeganIt ends the context of the first of two who wait.
func TestAFetchOutlivesWhoBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := open(t, token.Settings{Secrets: func(ctx context.Context) ([][]byte, error) {
			select {
			case <-time.After(2 * time.Second):
				return [][]byte{theSecret}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}})
		raw := keys()["HS256"].Token(without())
		var second sync.WaitGroup
		second.Go(func() {
			time.Sleep(500 * time.Millisecond)
			verify(t, v, raw, nil)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := v.Verify(ctx, raw)
		if !errors.Is(err, token.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		second.Wait()
	})
}

func TestAFetchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := open(t, token.Settings{Secrets: func(ctx context.Context) ([][]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		began := time.Now()
		verify(t, v, keys()["HS256"].Token(without()), token.ErrUnavailable)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("ended after %s, want 3 s", took)
		}
	})
}

// TestSecretRotation: tokens of the secret before stay good until the next rotation.
func TestSecretRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		versions := [][]byte{theSecret}
		v := open(t, token.Settings{Secrets: func(context.Context) ([][]byte, error) { return versions, nil }})
		oldest := keys()["HS256"]
		verify(t, v, oldest.Token(without()), nil)
		for _, text := range []string{"newer", "newest"} {
			secret := []byte(strings.Repeat(text, 8))
			versions = [][]byte{secret, versions[0]}
			verify(t, v, tokentest.Secret(secret).Token(without()), nil)
			verify(t, v, tokentest.Secret(versions[1]).Token(without()), nil)
		}
		verify(t, v, oldest.Token(without()), token.ErrInvalid)
		withID := tokentest.Secret(versions[1]).Sign(`{"alg":"HS256","kid":"any"}`, without())
		verify(t, v, withID, nil)
	})
}

// TestBadEarlierSecretDoesNoHarm: it may have been replaced because it was bad.
func TestBadEarlierSecretDoesNoHarm(t *testing.T) {
	for _, earlier := range []string{"", "short", `{"key":"` + strings.Repeat("x", 40) + `"}`, "-----BEGIN PUBLIC KEY-----" + strings.Repeat("x", 40)} {
		v := open(t, token.Settings{Secrets: func(context.Context) ([][]byte, error) { return [][]byte{theSecret, []byte(earlier)}, nil }})
		now := fmt.Sprintf(`{"sub":"alice","iat":%d,"exp":%d}`, time.Now().Unix(), time.Now().Add(time.Hour).Unix())
		verify(t, v, keys()["HS256"].Token(now), nil)
		verify(t, v, tokentest.Secret([]byte(earlier)).Token(now), token.ErrInvalid)
	}
}
