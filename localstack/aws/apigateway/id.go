package apigateway

import (
	"crypto/rand"
	"encoding/base64"
)

// newID makes an id as API Gateway's connection, request and message ids look:
// 11 bytes in URL-safe base64, 16 characters of which the last is "=".
func newID() string {
	var raw [11]byte
	_, _ = rand.Read(raw[:]) // never fails, it ends the program instead
	return base64.URLEncoding.EncodeToString(raw[:])
}

// validID reports whether the text could be a connection id.
func validID(id string) bool {
	var raw [12]byte
	if len(id) != 16 {
		return false
	}
	n, err := base64.URLEncoding.Decode(raw[:], []byte(id))
	return err == nil && n == 11
}
