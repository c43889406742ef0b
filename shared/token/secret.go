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

// secret is where a secret is kept.
type secret func(context.Context) ([]byte, error)

func (s secret) fetch(ctx context.Context) ([]key, error) {
	value, err := s(ctx)
	if err != nil {
		return nil, fmt.Errorf("get secret: %w", err)
	}
	if err := checkSecret(value); err != nil {
		return nil, err
	}
	return []key{{algorithm: jwa.HS256(), material: value}}, nil
}

// checkSecret refuses what can be guessed, and what everybody may know.
func checkSecret(value []byte) error {
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
// token that is too long, or one without subject, expiry or time of issue.
func Sign(secret []byte, t Token) (string, error) {
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
