package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/token"
)

func TestSign(t *testing.T) {
	v := open(t, token.Settings{Secret: withSecret().Secret, Now: func() time.Time { return at }})
	for name, want := range map[string]token.Token{
		"all of it":         {Subject: "alice", ID: "t-1", Issued: at, Expires: at.Add(time.Hour), Claim: json.RawMessage(`{"v":1}`)},
		"no more than must": {Subject: "älice \U0001F600", Issued: at, Expires: at.Add(time.Hour)},
	} {
		raw, err := token.Sign(theSecret, want)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := v.Verify(t.Context(), raw)
		if err != nil || got.Subject != want.Subject || got.ID != want.ID || string(got.Claim) != string(want.Claim) ||
			!got.Issued.Equal(want.Issued) || !got.Expires.Equal(want.Expires) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	good := func() token.Token { return token.Token{Subject: "alice", Issued: at, Expires: at.Add(time.Hour)} }
	for want, change := range map[string]func(*token.Token){
		"no subject":                func(t *token.Token) { t.Subject = "" },
		"control characters":        func(t *token.Token) { t.Subject = "a\tb" },
		"its id is longer":          func(t *token.Token) { t.ID = strings.Repeat("x", 257) },
		"without expiry":            func(t *token.Token) { t.Expires = time.Time{} },
		"without time of issue":     func(t *token.Token) { t.Issued = time.Time{} },
		"encode claims":             func(t *token.Token) { t.Claim = json.RawMessage(`{`) },
		"bytes, may have 8192":      func(t *token.Token) { t.Claim = json.RawMessage(`"` + strings.Repeat("x", 8000) + `"`) },
		"secret has 31 bytes, must": nil,
	} {
		t1, secret := good(), theSecret
		if change == nil {
			secret = secret[1:]
		} else {
			change(&t1)
		}
		if raw, err := token.Sign(secret, t1); err == nil || raw != "" || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestSecretsThatAreNone(t *testing.T) {
	for want, secret := range map[string][]byte{
		"secret has 0 bytes, must have at least 32":  nil,
		"secret has 31 bytes, must have at least 32": theSecret[1:],
		"secret is a key or certificate in PEM form": pemOf(t, keys()["RS256"]),
		"get secret: access denied":                  []byte("fail"),
	} {
		v := open(t, token.Settings{Secret: func(context.Context) ([]byte, error) {
			if string(secret) == "fail" {
				return nil, errors.New("access denied")
			}
			return secret, nil
		}})
		_, err := v.Verify(t.Context(), keys()["HS256"].Token(payload(nil)))
		if !errors.Is(err, token.ErrUnavailable) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
