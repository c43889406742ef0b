// Package seal is the only place that knows how the service hides and protects what it
// gives clients to keep for it, such as the place where a page of a snapshot ended.
//
// A client can neither read a sealed text nor change it nor use it elsewhere than it was
// sealed for. Each text is encrypted with AES-256-GCM under a key of its own, which HKDF
// (RFC 5869) makes of the service's secret and 16 random bytes. So there is no bound on how
// many texts one secret may seal, as there would be with random nonces under one key.
package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrForged is a text that was not sealed here, or for something else.
var ErrForged = errors.New("text was not sealed for this")

const (
	// MinSecretBytes is how long a secret must be.
	MinSecretBytes = 32
	saltBytes      = 16
	keyBytes       = 32 // AES-256
	markBytes      = 12
	// maxAge is when the secret is fetched anew though it serves.
	maxAge = 15 * time.Minute
	// minAge is the least time between two fetches, which cost money: whoever sends
	// forged texts must not make us fetch for each.
	minAge = time.Minute
)

// encoding gives each text one form: Strict refuses another last letter for the same bytes.
var encoding = base64.RawURLEncoding.Strict()

// Sealer seals with the current version of a secret, and opens what that or the version
// before has sealed. Safe for concurrent use.
type Sealer struct {
	versions func(context.Context) ([][]byte, error)
	now      func() time.Time

	mu      sync.Mutex
	held    [][]byte
	fetched time.Time
	tried   time.Time // the last fetch, which may have failed
}

// New makes a sealer. versions gives the versions of the secret, the current one first, each
// of at least MinSecretBytes. It is called when the first text is sealed or opened, every
// 15 minutes, and at most once a minute when a text does not open.
func New(versions func(context.Context) ([][]byte, error)) *Sealer {
	return &Sealer{versions: versions, now: time.Now}
}

// Fixed makes a sealer of a secret that is never rotated, such as that of a test.
func Fixed(secret []byte) *Sealer {
	return New(func(context.Context) ([][]byte, error) { return [][]byte{secret}, nil })
}

// Seal hides a text. about says what it is for: whoever opens it must say the same. The
// result is base64url text whose length depends on the text's length alone.
func (s *Sealer) Seal(ctx context.Context, text []byte, about ...string) (string, error) {
	secrets, err := s.secrets(ctx, maxAge)
	if err != nil {
		return "", err
	}
	sealed := make([]byte, saltBytes, saltBytes+len(text)+sha256.Size)
	_, _ = rand.Read(sealed) // which cannot fail
	box, err := newBox(secrets[0], sealed)
	if err != nil {
		return "", err
	}
	sealed = box.Seal(sealed, make([]byte, box.NonceSize()), text, labelled(about))
	return encoding.EncodeToString(sealed), nil
}

// Open gives the text that was sealed about the same. ErrForged is the error if it was not,
// or if sealed is written in another way than Seal does: package base64 would overlook any
// number of line ends in it.
func (s *Sealer) Open(ctx context.Context, sealed string, about ...string) ([]byte, error) {
	raw, err := encoding.DecodeString(sealed)
	if err != nil || len(raw) < saltBytes || encoding.EncodeToString(raw) != sealed {
		return nil, ErrForged
	}
	for _, age := range []time.Duration{maxAge, minAge} { // a rotated secret is fetched once more
		secrets, err := s.secrets(ctx, age)
		if err != nil {
			return nil, err
		}
		for _, secret := range secrets {
			box, err := newBox(secret, raw[:saltBytes])
			if err != nil {
				return nil, err
			}
			if text, err := box.Open(nil, make([]byte, box.NonceSize()), raw[saltBytes:], labelled(about)); err == nil {
				return text, nil
			}
		}
	}
	return nil, ErrForged
}

// Mark gives a text that is the same for the same about, and from which nobody without the
// secret learns anything of it: 16 characters of base64url. After the secret was rotated it is
// another one.
func (s *Sealer) Mark(ctx context.Context, about ...string) (string, error) {
	secrets, err := s.secrets(ctx, maxAge)
	if err != nil {
		return "", err
	}
	mark, err := hkdf.Key(sha256.New, secrets[0], nil, "watchroute mark"+string(labelled(about)), markBytes)
	if err != nil {
		return "", fmt.Errorf("derive mark: %w", err)
	}
	return encoding.EncodeToString(mark), nil
}

// secrets gives the versions, fetched anew if those at hand are older than age. If a fetch
// fails, those at hand go on to serve, and the next one is minAge later.
func (s *Sealer) secrets(ctx context.Context, age time.Duration) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().Round(0) // the wall's time: a frozen process's own clock may stand still
	if s.held != nil && (now.Sub(s.fetched) < age || now.Sub(s.tried) < minAge) {
		return s.held, nil
	}
	s.tried = now
	versions, err := s.versions(ctx)
	if err == nil {
		err = check(versions)
	}
	switch {
	case err == nil:
		s.held, s.fetched = versions, now
	case s.held == nil:
		return nil, fmt.Errorf("read the service's secret: %w", err)
	}
	return s.held, nil
}

func check(versions [][]byte) error {
	if len(versions) == 0 {
		return errors.New("secret has no version")
	}
	for _, version := range versions {
		if len(version) < MinSecretBytes {
			return fmt.Errorf("secret has %d bytes, must have at least %d", len(version), MinSecretBytes)
		}
	}
	return nil
}

// newBox makes the cipher for one text.
func newBox(secret, salt []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, salt, "watchroute sealed text", keyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

// labelled joins what a text is about, so that no two lists give the same.
func labelled(about []string) []byte {
	var joined []byte
	for _, part := range about {
		joined = binary.AppendUvarint(joined, uint64(len(part)))
		joined = append(joined, part...)
	}
	return joined
}
