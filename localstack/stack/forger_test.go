package stack_test

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"hash"
	"maps"
	"strings"
	"time"

	"github.com/watchroute/watchroute/shared/token/tokentest"
)

// claims are what a token says, by their names; nil leaves one out.
type claims map[string]any

// forger makes tokens of alice, good and bad.
type forger struct {
	key    tokentest.Key
	claims claims // those of a good token
}

// newForger makes one that signs with the key; more are claims besides the usual.
func newForger(key tokentest.Key, more claims) forger {
	good := claims{
		"sub": "alice", "iat": fromNow(0), "exp": fromNow(time.Hour), "watchroute": raw(ofAlice),
		"text": strings.Repeat("?", 12), // has an underscore in base64url
	}
	maps.Copy(good, more)
	return forger{key, good}
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func fromNow(d time.Duration) int64 { return time.Now().Add(d).Unix() }

func (f forger) payload(changes claims) string {
	all := maps.Clone(f.claims)
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return quote(all)
}

func (f forger) token(changes claims) string { return f.key.Token(f.payload(changes)) }

// quote writes JSON.
func quote(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// issuer is one whose keys are known, and what a thief has.
type issuer struct {
	forger               // signs with a published RS256 key
	second tokentest.Key // published, too
	thiefs tokentest.Key // published elsewhere
	away   *tokentest.Issuer
}

func (i issuer) pkix() []byte {
	der, err := x509.MarshalPKIXPublicKey(i.key.Public())
	if err != nil {
		panic(err)
	}
	return der
}

func (i issuer) pkcs1() []byte { return x509.MarshalPKCS1PublicKey(i.key.Public().(*rsa.PublicKey)) }

func asPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// confused signs with a public key, which everybody has, as if it were a secret.
func (i issuer) confused(secret []byte) string { return i.said("HS256", secret) }

func (i issuer) said(algorithm string, secret []byte) string {
	return tokentest.Secret(secret).Sign(`{"alg":"`+algorithm+`","kid":"first"}`, i.payload(nil))
}

// stolen has the thief's key in its header.
func (i issuer) stolen(member string, value any) string {
	return i.thiefs.Sign(`{"alg":"RS256","kid":"thief's",`+quote(member)+`:`+quote(value)+`}`, i.payload(nil))
}

func withItsKey(key tokentest.Key, f forger) string {
	return key.Sign(`{"alg":"`+key.Algorithm+`","kid":"`+f.key.ID+`","jwk":`+quote(key.JWK())+`}`, f.payload(nil))
}

// noughts has a signature of zeros, which verifiers have taken (CVE-2022-21449).
func noughts(algorithm string, f forger) string {
	return encode(`{"alg":"`+algorithm+`"}`) + "." + encode(f.payload(nil)) + "." + encode(strings.Repeat("\x00", 64))
}

func unsigned(algorithm, payload string) string {
	return encode(`{"alg":"`+algorithm+`"}`) + "." + encode(payload) + "."
}

func signed(algorithm string, of func() hash.Hash, secret []byte, payload string) string {
	input := encode(`{"alg":"`+algorithm+`"}`) + "." + encode(payload)
	mac := hmac.New(of, secret)
	mac.Write([]byte(input))
	return input + "." + encode(string(mac.Sum(nil)))
}

func flattened(token string) string {
	parts := strings.Split(token, ".")
	return quote(map[string]string{"protected": parts[0], "payload": parts[1], "signature": parts[2]})
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// cut keeps the first parts of a token.
func cut(token string, parts int) string {
	return strings.Join(strings.Split(token, ".")[:parts], ".")
}

// last is the signature with the dot before it.
func last(token string) string { return token[strings.LastIndexByte(token, '.'):] }

// flip changes bits of one of a token's letters, counted from the end if it is negative.
func flip(token string, at, bits int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	at = (at + len(token)) % len(token)
	return token[:at] + string(alphabet[strings.IndexByte(alphabet, token[at])^bits]) + token[at+1:]
}
