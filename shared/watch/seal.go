package watch

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"

	"github.com/watchroute/watchroute/events"
)

// SealBytes is the length of a connection's key for bookmarks: AES-128.
const SealBytes = 16

// seal hides an item's id, which a page ended at, from a client whose view may not show
// that item.
func (c Connection) seal(id string) (string, error) {
	gcm, err := c.gcm()
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(gcm.Seal(nil, nil, []byte(id), nil)), nil
}

// open reads what seal wrote on the same connection.
func (c Connection) open(sealed string) (id string, err error) {
	gcm, err := c.gcm()
	if err != nil {
		return "", err
	}
	text, err := base64.RawURLEncoding.DecodeString(sealed)
	if err == nil {
		text, err = gcm.Open(nil, nil, text, nil)
	}
	if err != nil {
		return "", &events.Error{Code: events.CodeBadCursor, Message: "next is not of this connection"}
	}
	return string(text), nil
}

func (c Connection) gcm() (cipher.AEAD, error) {
	block, err := aes.NewCipher(c.sealKey)
	if err != nil {
		return nil, fmt.Errorf("key of connection %s: %w", c.ID, err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
