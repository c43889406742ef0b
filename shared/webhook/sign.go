package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxID bounds a message's id, in bytes. The specification gives no bound.
	maxID = 128
	// minKey bounds a key, in bytes, as the specification does.
	minKey = 24
)

// signatures gives the value of the header webhook-signature: one signature for each key, separated
// by spaces.
func signatures(keys [][]byte, id string, at time.Time, body []byte) string {
	all := make([]string, 0, len(keys))
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		_, _ = fmt.Fprintf(mac, "%s.%d.", id, at.Unix()) // which cannot fail
		_, _ = mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}

// Verify reports whether a message with these headers was signed with one of the keys. It is for tools
// that show what came. It does not look at the message's age, so a receiver needs a library instead.
func Verify(keys [][]byte, header http.Header, body []byte) bool {
	seconds, err := strconv.ParseInt(header.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		return false
	}
	given := strings.Fields(header.Get("webhook-signature"))
	for _, right := range strings.Fields(signatures(keys, header.Get("webhook-id"), time.Unix(seconds, 0), body)) {
		if slices.ContainsFunc(given, func(s string) bool { return hmac.Equal([]byte(s), []byte(right)) }) {
			return true
		}
	}
	return false
}

// Key derives the 32-byte key of a destination from a version of the service's secret: HMAC-SHA256
// over a text with the destination's id, and how often its own secret was rotated, that nothing else
// has. It is the same each time, and nobody who has it learns the secret or another key.
func Key(serviceSecret []byte, id string, rotations int64) []byte {
	text := "watchroute webhook key\x00" + id
	if rotations > 0 {
		text += "\x00" + strconv.FormatInt(rotations, 10)
	}
	mac := hmac.New(sha256.New, serviceSecret)
	_, _ = mac.Write([]byte(text)) // which cannot fail
	return mac.Sum(nil)
}

// Version names a version of the service's secret, and tells nothing about it.
func Version(serviceSecret []byte) string {
	mac := hmac.New(sha256.New, serviceSecret)
	_, _ = mac.Write([]byte("watchroute webhook secret version")) // which cannot fail
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// Secret writes a key as its owner gets it: whsec_ and base64. Libraries for Standard Webhooks read it.
func Secret(key []byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}
