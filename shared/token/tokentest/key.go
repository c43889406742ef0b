package tokentest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
)

// Key signs tokens.
type Key struct {
	ID        string // "kid"
	Algorithm string // RS256, ES256 or EdDSA; HS256 for a Secret
	private   crypto.Signer
	secret    []byte
}

// NewKey makes a key: of 2,048 bits for RS256, on P-256 for ES256, on Ed25519 for
// EdDSA. It panics for other algorithms.
func NewKey(id, algorithm string) Key {
	k := Key{ID: id, Algorithm: algorithm}
	switch algorithm {
	case "RS256":
		k.private = must(rsa.GenerateKey(rand.Reader, 2048))
	case "ES256":
		k.private = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case "EdDSA":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		k.private = must(private, err)
	default:
		panic("no key for algorithm " + algorithm)
	}
	return k
}

// Secret makes a key that signs with HS256.
func Secret(secret []byte) Key { return Key{Algorithm: "HS256", secret: secret} }

// Token signs a payload under a header that names the key and its algorithm.
func (k Key) Token(payload string) string {
	return k.Sign(fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"JWT"}`, k.Algorithm, k.ID), payload)
}

// Sign signs a payload under any header, whatever that says.
func (k Key) Sign(header, payload string) string {
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	return input + "." + encode(k.signature([]byte(input)))
}

func (k Key) signature(input []byte) []byte {
	digest := sha256.Sum256(input)
	switch private := k.private.(type) {
	case *rsa.PrivateKey:
		return must(rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:]))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		first := must(r, err).FillBytes(make([]byte, 32)) // r, s (RFC 7518, section 3.4)
		return append(first, s.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(private, input)
	}
	mac := hmac.New(sha256.New, k.secret)
	mac.Write(input)
	return mac.Sum(nil)
}

// Public is the public half, in the standard library's type; nil for a secret.
func (k Key) Public() crypto.PublicKey {
	if k.private == nil {
		return nil
	}
	return k.private.Public()
}

// JWK is the public half as an entry of a key set (RFC 7518, section 6); a secret is
// all there is of it.
func (k Key) JWK() map[string]string {
	entry := map[string]string{"kid": k.ID, "alg": k.Algorithm, "use": "sig"}
	switch public := k.Public().(type) {
	case *rsa.PublicKey:
		entry["kty"], entry["n"], entry["e"] = "RSA", encode(public.N.Bytes()), encode(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point := must(public.Bytes()) // 4, x, y
		entry["kty"], entry["crv"], entry["x"], entry["y"] = "EC", "P-256", encode(point[1:33]), encode(point[33:])
	case ed25519.PublicKey:
		entry["kty"], entry["crv"], entry["x"] = "OKP", "Ed25519", encode(public)
	default:
		entry["kty"], entry["k"] = "oct", encode(k.secret)
	}
	return entry
}

// must panics on the errors of the standard library's keys, which do not come: its
// random numbers never fail.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
