package token_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/token"
)

// FuzzVerify holds that whatever is taken was signed, header and payload, and that
// whatever is not is refused as invalid.
func FuzzVerify(f *testing.F) {
	byKeys, bySecret := verifiers(f)
	signed := map[string]bool{}
	for _, key := range keys() {
		raw := key.Token(payload(nil))
		signed[raw[:strings.LastIndex(raw, ".")]] = true
		f.Add(raw)
		f.Add(key.Token(payload(map[string]any{"exp": "soon"})))
		f.Add(key.Sign(`{"alg":"none"}`, payload(nil)))
	}
	f.Add("")
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, raw string) {
		for _, v := range []*token.Verifier{byKeys, bySecret} {
			_, err := v.Verify(t.Context(), raw)
			if err == nil && !signed[raw[:strings.LastIndex(raw, ".")]] {
				t.Errorf("%q was taken", raw)
			}
			if err != nil && !errors.Is(err, token.ErrInvalid) {
				t.Errorf("%q: %v", raw, err)
			}
		}
	})
}

// FuzzClaims signs whatever it is given. What is taken has what every token must.
func FuzzClaims(f *testing.F) {
	_, v := verifiers(f)
	f.Add(`{"alg":"HS256"}`, payload(nil))
	f.Add(`{"alg":"HS256","kid":"x","cty":"JWT"}`, payload(map[string]any{"exp": 1e300, "aud": []any{audience, nil}}))
	f.Fuzz(func(t *testing.T, header, payload string) {
		got, err := v.Verify(t.Context(), keys()["HS256"].Sign(header, payload))
		switch {
		case err != nil && !errors.Is(err, token.ErrInvalid):
			t.Errorf("%q, %q: %v", header, payload, err)
		case err == nil && (got.Subject == "" || len(got.Subject) > 256 || !got.Expires.After(at.Add(-time.Minute)) || got.Issued.After(at.Add(time.Minute))):
			t.Errorf("%q, %q was taken as %+v", header, payload, got)
		}
	})
}
