package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/token"
	"github.com/watchroute/watchroute/shared/token/tokentest"
)

func TestSign(t *testing.T) {
	v := open(t, token.Settings{Secrets: withSecret().Secrets, Now: func() time.Time { return at }})
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
		"secret has 0 bytes, must have at least 32":                                                            nil,
		"secret has 31 bytes, must have at least 32":                                                           theSecret[1:],
		"secret is a key or certificate in PEM form":                                                           pemOf(t, keys()["RS256"]),
		"secret is a JSON object, as the console stores key/value pairs: store the secret alone, as plaintext": []byte(`{"token":"` + string(theSecret) + `"}` + "\n"),
		"get secret: access denied":                                                                            []byte("fail"),
	} {
		v := open(t, token.Settings{Secrets: func(context.Context) ([][]byte, error) {
			if string(secret) == "fail" {
				return nil, errors.New("access denied")
			}
			return [][]byte{secret}, nil
		}})
		_, err := v.Verify(t.Context(), keys()["HS256"].Token(payload(nil)))
		if !errors.Is(err, token.ErrUnavailable) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestLineEndAfterASecret is what an editor leaves: it does not count for who signs
// without it, nor harm who signs with it.
func TestLineEndAfterASecret(t *testing.T) {
	for _, stored := range []string{string(theSecret), string(theSecret) + "\n", string(theSecret) + "\r\n"} {
		v := open(t, token.Settings{
			Now:     func() time.Time { return at },
			Secrets: func(context.Context) ([][]byte, error) { return [][]byte{[]byte(stored)}, nil },
		})
		good := token.Token{Subject: "alice", Issued: at, Expires: at.Add(time.Hour)}
		signed, err := token.Sign([]byte(stored), good)
		if err != nil {
			t.Fatal(err)
		}
		claims := payload(map[string]any{"aud": nil})
		for by, raw := range map[string]string{
			"Sign": signed, "who trims": keys()["HS256"].Token(claims), "who does not": tokentest.Secret([]byte(stored)).Token(claims),
		} {
			if _, err := v.Verify(t.Context(), raw); err != nil {
				t.Errorf("%q, signed by %s: %v", stored, by, err)
			}
		}
		if _, err := v.Verify(t.Context(), tokentest.Secret([]byte(string(theSecret)+" ")).Token(claims)); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("%q, signed with a blank behind: %v", stored, err)
		}
	}
}
