// Package seal is the only place that knows how the service hides and protects what it
// gives clients to keep for it, such as the bookmark where a page of a snapshot ended.
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
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// ErrForged is a text that was not sealed here, or for something else.
var ErrForged = errors.New("text was not sealed for this")

const (
	// MinSecretBytes is how long a secret must be.
	MinSecretBytes = 32
	saltBytes      = 16
	keyBytes       = 32 // AES-256
	markBytes      = 12
	// maxAge is when the secret is fetched anew though it serves, and agedPause is between
	// two such fetches if the first has failed.
	maxAge    = 15 * time.Minute
	agedPause = time.Minute
	// failedPause is between a fetch that failed and one for a text that does not open.
	failedPause = time.Second
	// storedLooks bounds how often a text that does not open makes us fetch the secret, which
	// costs money: so many times at once, and one more each lookEvery. So whoever sends forged
	// texts can keep out only what was sealed with a secret that is younger than lookEvery.
	storedLooks = 1000
	lookEvery   = 250 * time.Millisecond
)

// encoding gives each text one form: Strict refuses another last letter for the same bytes.
var encoding = base64.RawURLEncoding.Strict()

// Sealer seals with the current version of a secret, and opens what that or the version
// before has sealed. Safe for concurrent use.
type Sealer struct {
	versions func(context.Context) ([][]byte, error)
	now      func() time.Time

	mu      sync.Mutex
	looks   *rate.Limiter
	held    [][]byte
	fetched time.Time
	failed  time.Time // the latest fetch, if it has failed
}

// New makes a sealer. versions gives the versions of the secret, the current one first, each
// of at least MinSecretBytes. An earlier version that is shorter is left out. It is called
// when the first text is sealed or opened, every 15 minutes, and when a text does not open:
// 1,000 times, and once more each 250 ms.
func New(versions func(context.Context) ([][]byte, error)) *Sealer {
	return &Sealer{versions: versions, now: time.Now, looks: rate.NewLimiter(rate.Every(lookEvery), storedLooks)}
}

// Fixed makes a sealer of a secret that is never rotated, such as that of a test.
func Fixed(secret []byte) *Sealer {
	return New(func(context.Context) ([][]byte, error) { return [][]byte{secret}, nil })
}

// Seal hides a text. about says what it is for: whoever opens it must say the same. The
// result is base64url text whose length depends on the text's length alone.
func (s *Sealer) Seal(ctx context.Context, text []byte, about ...string) (string, error) {
	secrets, _, err := s.secrets(ctx, false)
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
	for _, again := range []bool{false, true} { // the secret may have been rotated meanwhile
		secrets, fetched, err := s.secrets(ctx, again)
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
		if fetched {
			break
		}
	}
	return nil, ErrForged
}

// Mark gives a text that is the same for the same about, and from which nobody without the
// secret learns anything of it: 16 characters of base64url. After the secret was rotated it is
// another one.
func (s *Sealer) Mark(ctx context.Context, about ...string) (string, error) {
	secrets, _, err := s.secrets(ctx, false)
	if err != nil {
		return "", err
	}
	mark, err := hkdf.Key(sha256.New, secrets[0], nil, "watchroute mark"+string(labelled(about)), markBytes)
	if err != nil {
		return "", fmt.Errorf("derive mark: %w", err)
	}
	return encoding.EncodeToString(mark), nil
}

// secrets gives the versions, and whether it has fetched them just now: it does if they are
// old, or again is set and that may be. If a fetch fails, those at hand go on to serve.
func (s *Sealer) secrets(ctx context.Context, again bool) (versions [][]byte, fetched bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().Round(0) // the wall's time: a frozen process's own clock may stand still
	if s.held != nil && !s.due(now, again) {
		return s.held, false, nil
	}
	versions, err = s.versions(ctx)
	if err == nil {
		versions, err = check(versions)
	}
	switch {
	case err == nil:
		s.held, s.fetched, s.failed = versions, now, time.Time{}
		return s.held, true, nil
	case s.held == nil:
		return nil, false, fmt.Errorf("read the service's secret: %w", err)
	}
	s.failed = now
	return s.held, false, nil
}

func (s *Sealer) due(now time.Time, again bool) bool {
	if again {
		return now.Sub(s.failed) >= failedPause && s.looks.AllowN(now, 1)
	}
	return now.Sub(s.fetched) >= maxAge && now.Sub(s.failed) >= agedPause
}

// check gives the versions that are long enough, of which the current one must be. An
// earlier one may have been replaced for that.
func check(versions [][]byte) ([][]byte, error) {
	if len(versions) == 0 {
		return nil, errors.New("secret has no version")
	}
	if n := len(versions[0]); n < MinSecretBytes {
		return nil, fmt.Errorf("secret has %d bytes, must have at least %d", n, MinSecretBytes)
	}
	return slices.DeleteFunc(slices.Clone(versions), func(version []byte) bool { return len(version) < MinSecretBytes }), nil
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
