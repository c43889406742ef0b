package authn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/authn"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/token"
	"github.com/watchroute/watchroute/shared/token/tokentest"
	"github.com/watchroute/watchroute/shared/watch"
)

var secret = []byte("a secret of at least 32 bytes, as it must be")

// revocations are those of every subject.
type revocations func(subject string) ([]watch.Revocation, error)

func (f revocations) Revocations(_ context.Context, subject, _ string) ([]watch.Revocation, error) {
	return f(subject)
}

func none(string) ([]watch.Revocation, error) { return nil, nil }

func verifier(t *testing.T, s token.Settings) *token.Verifier {
	t.Helper()
	v, err := token.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func withSecret(t *testing.T) *token.Verifier {
	t.Helper()
	return verifier(t, token.Settings{Secrets: func(context.Context) ([][]byte, error) { return [][]byte{secret}, nil }})
}

var issued = time.Now().Truncate(time.Second).Add(-time.Minute)

const claim = `{"v":1,"allow":[{"topics":["users/{sub}"],"actions":["read"]}]}`

// signed gives a token with a claim.
func signed(t *testing.T, subject, claim string) string {
	t.Helper()
	raw, err := token.Sign(secret, token.Token{Subject: subject, ID: "t1", Issued: issued, Expires: issued.Add(time.Hour), Claim: json.RawMessage(claim)})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestTokenGivesAccess(t *testing.T) {
	a := authn.Authenticator{Verifier: withSecret(t), Revocations: revocations(none)}
	subject, access, err := a.Authenticate(t.Context(), signed(t, "anna", claim))
	if err != nil || subject != "anna" || access.TokenID != "t1" || !access.Issued.Equal(issued) || !access.Expires.Equal(issued.Add(time.Hour)) {
		t.Errorf("%s has %+v, %v", subject, access, err)
	}
	if _, own := access.Grant.Allows(grant.Read, "users/anna"); !own {
		t.Error("anna may not read her own topic")
	}
	if _, other := access.Grant.Allows(grant.Read, "users/ben"); other {
		t.Error("anna may read ben's topic")
	}
}

func TestRefused(t *testing.T) {
	for name, raw := range map[string]string{
		"the claim has another version":   signed(t, "anna", strings.Replace(claim, "1", "2", 1)),
		"the claim has an unknown action": signed(t, "anna", strings.Replace(claim, "read", "write", 1)),
		"the claim is null":               signed(t, "anna", "null"),
		"the claim is a string":           signed(t, "anna", `"all"`),
		"the subject is anonymous":        signed(t, watch.Anonymous, claim),
		"the id stands for all tokens":    tokentest.Secret(secret).Token(strings.Replace(payload("anna"), `"t1"`, `"*"`, 1)),
		"it is of another secret":         tokentest.Secret([]byte(strings.Repeat("another", 8))).Token(payload("anna")),
		"it is no token":                  "token",
		"it is empty":                     "",
	} {
		t.Run(name, func(t *testing.T) {
			a := authn.Authenticator{Verifier: withSecret(t), Revocations: revocations(none)}
			subject, access, err := a.Authenticate(t.Context(), raw)
			if !errors.Is(err, watch.ErrUnauthorized) || errors.Is(err, watch.ErrUnavailable) || subject != "" || access.Grant.String() != "" {
				t.Errorf("%s has %+v, %v", subject, access, err)
			}
			if err != nil && raw != "" && raw != "token" && strings.Contains(err.Error(), raw) {
				t.Errorf("the error repeats the token: %v", err)
			}
		})
	}
}

// payload is that of a token of now.
func payload(subject string) string {
	return fmt.Sprintf(`{"sub":%q,"jti":"t1","iat":%d,"exp":%d,"watchroute":%s}`, subject, issued.Unix(), issued.Add(time.Hour).Unix(), claim)
}

func TestRevoked(t *testing.T) {
	for name, c := range map[string]struct {
		of   watch.Revocation
		want error
	}{
		"all of the subject":          {watch.Revocation{TokenID: watch.AnyToken, Before: issued}, watch.ErrRevoked},
		"this one":                    {watch.Revocation{TokenID: "t1", Before: issued}, watch.ErrRevoked},
		"another one":                 {watch.Revocation{TokenID: "t2", Before: issued}, nil},
		"all that were issued before": {watch.Revocation{TokenID: watch.AnyToken, Before: issued.Add(-time.Second)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			kept := revocations(func(subject string) ([]watch.Revocation, error) {
				if subject != "anna" {
					return nil, nil
				}
				return []watch.Revocation{{TokenID: "t0", Before: issued}, c.of}, nil
			})
			a := authn.Authenticator{Verifier: withSecret(t), Revocations: kept}
			if subject, access, err := a.Authenticate(t.Context(), signed(t, "anna", claim)); !errors.Is(err, c.want) || (subject == "") != (c.want != nil) {
				t.Errorf("%s has %+v, %v; want %v", subject, access, err, c.want)
			}
			if _, _, err := a.Authenticate(t.Context(), signed(t, "ben", claim)); err != nil {
				t.Errorf("another subject: %v", err)
			}
		})
	}
}

// TestUnavailable: what cannot be told is neither let in nor refused for good.
func TestUnavailable(t *testing.T) {
	key := tokentest.NewKey("k", "ES256")
	issuer := tokentest.Serve(t, key)
	a := authn.Authenticator{Verifier: verifier(t, token.Settings{JWKSURL: issuer.URL + "/keys"}), Revocations: revocations(none)}
	issuer.Break(true)
	subject, _, err := a.Authenticate(t.Context(), key.Token(payload("anna")))
	if !errors.Is(err, watch.ErrUnavailable) || errors.Is(err, watch.ErrUnauthorized) || subject != "" {
		t.Errorf("without keys: %q, %v", subject, err)
	}
	down := fmt.Errorf("read: %w", watch.ErrUnavailable)
	a = authn.Authenticator{Verifier: withSecret(t), Revocations: revocations(func(string) ([]watch.Revocation, error) { return nil, down })}
	if subject, _, err := a.Authenticate(t.Context(), signed(t, "anna", claim)); !errors.Is(err, watch.ErrUnavailable) || subject != "" {
		t.Errorf("without revocations: %q, %v", subject, err)
	}
}

// TestIssuersKeys has a token that an issuer signs, whose keys are fetched.
func TestIssuersKeys(t *testing.T) {
	key := tokentest.NewKey("k", "ES256")
	issuer := tokentest.Serve(t, key)
	a := authn.Authenticator{Verifier: verifier(t, token.Settings{JWKSURL: issuer.URL + "/keys"}), Revocations: revocations(none)}
	if subject, _, err := a.Authenticate(t.Context(), key.Token(payload("anna"))); err != nil || subject != "anna" {
		t.Errorf("%q, %v", subject, err)
	}
}

func TestNoClaimGrantsNothing(t *testing.T) {
	a := authn.Authenticator{Verifier: withSecret(t), Revocations: revocations(none)}
	subject, access, err := a.Authenticate(t.Context(), signed(t, "anna", ""))
	if err != nil || subject != "anna" || access.TokenID != "t1" || access.Expires.IsZero() {
		t.Fatalf("%s has %+v, %v", subject, access, err)
	}
	for _, action := range []grant.Action{grant.Subscribe, grant.Read, grant.Publish} {
		if _, allowed := access.Grant.Allows(action, "users/anna"); allowed {
			t.Errorf("may %s", action)
		}
	}
}
