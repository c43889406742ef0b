package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/watchroute/watchroute/events"
)

// minSecret is how long a secret for HS256 must be at least, in bytes (RFC 7518,
// section 3.2).
const minSecret = 32

// secrets is where the versions of a secret are kept.
type secrets func(context.Context) ([][]byte, error)

// fetch gives a key for each version of the secret. The current one must be good. One that
// is not, and is no longer current, is left out: it may have been replaced for that.
func (s secrets) fetch(ctx context.Context) ([]key, error) {
	versions, err := s(ctx)
	if err != nil {
		return nil, fmt.Errorf("get secret: %w", err)
	}
	if len(versions) == 0 {
		return nil, errors.New("secret has no version")
	}
	var all []key
	for i, version := range versions {
		secret := withoutLineEnd(version)
		switch err := checkSecret(secret); {
		case err != nil && i == 0:
			return nil, err
		case err != nil:
			continue
		}
		all = append(all, key{algorithm: hs256, material: secret})
		if len(secret) < len(version) { // for who signs with the text as it is
			all = append(all, key{algorithm: hs256, material: version})
		}
	}
	return all, nil
}

// withoutLineEnd takes off what editors and echo leave at the end of a secret.
func withoutLineEnd(secret []byte) []byte { return bytes.TrimRight(secret, "\r\n") }

// checkSecret refuses what can be guessed, what everybody may know, and what is not the
// secret itself.
func checkSecret(value []byte) error {
	if text := bytes.TrimSpace(value); bytes.HasPrefix(text, []byte("{")) && json.Valid(text) {
		return errors.New("secret is a JSON object, as the console stores key/value pairs: store the secret alone, as plaintext")
	}
	if len(value) < minSecret {
		return fmt.Errorf("secret has %d bytes, must have at least %d", len(value), minSecret)
	}
	if bytes.HasPrefix(bytes.TrimSpace(value), []byte("-----BEGIN ")) {
		return errors.New("secret is a key or certificate in PEM form")
	}
	return nil
}

// Sign makes a token with HS256 that a Verifier with the same secret and without
// Issuer and Audience takes from Issued until Expires, which are written to the second.
// What a Verifier would refuse at any time is an error: a secret that is too short, a
// token that is too long, or one without subject, expiry or time of issue. A line end
// after the secret is not part of it.
func Sign(secret []byte, t Token) (string, error) {
	secret = withoutLineEnd(secret)
	if err := errors.Join(checkSecret(secret), t.check()); err != nil {
		return "", err
	}
	payload, err := events.Marshal(struct {
		Subject string          `json:"sub"`
		ID      string          `json:"jti,omitempty"`
		Issued  int64           `json:"iat"`
		Expires int64           `json:"exp"`
		Claim   json.RawMessage `json:"watchroute,omitempty"`
	}{t.Subject, t.ID, t.Issued.Unix(), t.Expires.Unix(), t.Claim})
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	signed, err := jws.Sign(payload, jws.WithKey(jwa.HS256(), secret))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	if len(signed) > maxLength {
		return "", fmt.Errorf("token has %d bytes, may have %d", len(signed), maxLength)
	}
	return string(signed), nil
}
