package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/token"
	"github.com/watchroute/watchroute/shared/token/tokentest"
)

// TestIssuerOverTheNetwork uses the client that functions use.
func TestIssuerOverTheNetwork(t *testing.T) {
	key := keys()["ES256"]
	issuer := tokentest.Serve(t, key)
	raw := key.Token(payload(map[string]any{"iss": issuer.URL}))
	for name, s := range map[string]token.Settings{
		"discovery": {Issuer: issuer.URL},
		"JWKS URL":  {JWKSURL: issuer.URL + "/keys"},
		"both":      {JWKSURL: issuer.URL + "/keys", Issuer: issuer.URL},
	} {
		s.Audience, s.Now = audience, func() time.Time { return at }
		if _, err := open(t, s).Verify(t.Context(), raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// answers are what an issuer gives, by path. A path that is not among them is 404.
type answers map[string]string

func (a answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, found := a[r.URL.Host+r.URL.Path]
	if to, redirects := strings.CutPrefix(answer, "to "); redirects {
		http.Redirect(w, r, to, http.StatusFound)
		return
	}
	if !found {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = io.WriteString(w, answer)
}

func TestDiscovery(t *testing.T) {
	const configuration = "/.well-known/openid-configuration"
	key := keys()["EdDSA"]
	set := fmt.Sprintf(`{"keys":[%s]}`, jwkOf(t, key))
	points := func(issuer, to string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, to) }
	for name, c := range map[string]struct {
		issuer  string
		answers answers
		want    string // in the error; empty if it is none
	}{
		"keys on another host":           {"https://a", answers{"a" + configuration: points("https://a", "https://b/k"), "b/k": set}, ""},
		"an issuer with a path":          {"https://a/t/", answers{"a/t" + configuration: points("https://a/t/", "https://a/k"), "a/k": set}, ""},
		"redirect on its host":           {"https://a", answers{"a" + configuration: points("https://a", "https://a/k"), "a/k": "to /l", "a/l": set}, ""},
		"another issuer's configuration": {"https://a", answers{"a" + configuration: points("https://b", "https://a/k"), "a/k": set}, `configuration is of issuer "https://b"`},
		"issuer but for a slash":         {"https://a", answers{"a" + configuration: points("https://a/", "https://a/k"), "a/k": set}, "configuration is of issuer"},
		"no configuration":               {"https://a", answers{}, "answered 404"},
		"configuration that is no JSON":  {"https://a", answers{"a" + configuration: "<html>"}, "invalid character"},
		"names in another case":          {"https://a", answers{"a" + configuration: `{"Issuer":"https://a","JWKS_URI":"https://a/k"}`, "a/k": set}, "configuration is of issuer"},
		"keys over http":                 {"https://a", answers{"a" + configuration: points("https://a", "http://a/k"), "a/k": set}, "is not an https URL"},
		"keys on the machine itself":     {"https://a", answers{"a" + configuration: points("https://a", "http://127.0.0.1/k"), "127.0.0.1/k": set}, "is not an https URL"},
		"keys nowhere":                   {"https://a", answers{"a" + configuration: points("https://a", "")}, "is not an https URL"},
		"keys in a file":                 {"http://localhost", answers{"localhost" + configuration: points("http://localhost", "file:///keys")}, "is not an https URL"},
		"redirect to another host":       {"https://a", answers{"a" + configuration: "to https://b/", "b/": points("https://a", "https://a/k"), "a/k": set}, "redirected to another host"},
		"redirect to http":               {"https://a", answers{"a" + configuration: points("https://a", "https://a/k"), "a/k": "to http://a/l", "a/l": set}, "redirected to another host or scheme"},
		"redirect to another port":       {"https://a", answers{"a" + configuration: "to https://a:8443/"}, "redirected to another host"},
		"redirects without end":          {"https://a", answers{"a" + configuration: "to " + configuration}, "redirected too often"},
		"too large":                      {"https://a", answers{"a" + configuration: points("https://a", "https://a/k"), "a/k": set + strings.Repeat(" ", 150_000)}, "is over 150000 bytes"},
		"keys that are no JSON":          {"https://a", answers{"a" + configuration: points("https://a", "https://a/k"), "a/k": "-"}, "read keys of https://a/k"},
	} {
		t.Run(name, func(t *testing.T) {
			v := open(t, token.Settings{Issuer: c.issuer, Audience: audience, HTTPClient: direct(c.answers), Now: func() time.Time { return at }})
			_, err := v.Verify(t.Context(), key.Token(payload(map[string]any{"iss": c.issuer})))
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, token.ErrUnavailable) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// TestKeySets has a key set hold other things beside a good key, or only them.
func TestKeySets(t *testing.T) {
	good := string(jwkOf(t, keys()["EdDSA"]))
	ec := string(jwkOf(t, keys()["ES256"]))
	replaced := func(entry, old, new string) string {
		if !strings.Contains(entry, old) {
			t.Fatalf("%s has no %s", entry, old)
		}
		return strings.Replace(entry, old, new, 1)
	}
	for name, entry := range map[string]string{
		"a secret":              string(jwkOf(t, keys()["HS256"])),
		"a secret, as EdDSA":    `{"kty":"oct","kid":"eddsa","alg":"EdDSA","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}`,
		"a kind of key unknown": `{"kty":"AKP","kid":"eddsa","alg":"ML-DSA-44","pub":"AAAA"}`,
		"no kind of key":        `{"kid":"eddsa"}`,
		"no object":             `7`,
		"a short RSA key":       `{"kty":"RSA","kid":"eddsa","n":"` + strings.Repeat("x", 170) + `","e":"AQAB"}`,
		"a point not on P-256":  replaced(ec, `"x":"`, `"x":"AAAA`),
		"for encryption":        replaced(good, `"use":"sig"`, `"use":"enc"`),
		"for signing only":      replaced(good, `"use":"sig"`, `"key_ops":["sign"]`),
		"for another algorithm": replaced(good, `"alg":"EdDSA"`, `"alg":"ES256"`),
		"X25519":                replaced(replaced(good, "Ed25519", "X25519"), "EdDSA", "ECDH-ES"),
		"a private key":         replaced(good, "{", `{"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",`),
	} {
		t.Run(name, func(t *testing.T) {
			raw := keys()["EdDSA"].Token(payload(nil))
			for document, want := range map[string]error{
				`{"keys":[` + entry + `,` + good + `]}`: nil,
				`{"keys":[` + entry + `]}`:              token.ErrInvalid,
			} {
				v := open(t, token.Settings{
					JWKSURL: "https://a/k", Audience: audience, HTTPClient: direct(answers{"a/k": document}), Now: func() time.Time { return at },
				})
				if _, err := v.Verify(t.Context(), raw); !errors.Is(err, want) {
					t.Errorf("error %v, want %v, with keys %s", err, want, document)
				}
			}
		})
	}
}

// TestKeysOnAnotherCurve signs as ES256 says, but with a key on P-384, which says no
// algorithm of its own.
func TestKeysOnAnotherCurve(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	document := fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-384","x":%q,"y":%q}]}`, encode(point[1:49]), encode(point[49:]))
	input := encode([]byte(`{"alg":"ES256"}`)) + "." + encode([]byte(payload(nil)))
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
	v := open(t, token.Settings{
		JWKSURL: "https://a/k", Audience: audience, HTTPClient: direct(answers{"a/k": document}), Now: func() time.Time { return at },
	})
	_, err = v.Verify(t.Context(), input+"."+encode(signature))
	if !errors.Is(err, token.ErrInvalid) || !strings.Contains(err.Error(), "no key has its id and algorithm") {
		t.Errorf("error %v", err)
	}
}

func TestIssuerThatCannotBeReached(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	v := open(t, token.Settings{Issuer: server.URL})
	if _, err := v.Verify(t.Context(), keys()["EdDSA"].Token(payload(nil))); !errors.Is(err, token.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, token.ErrUnavailable)
	}
}
