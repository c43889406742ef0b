// Package tokentest is an issuer of tokens for tests. It signs with the standard
// library alone, so that tests do not hold the JWT library to itself.
package tokentest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Issuer publishes keys as an OpenID provider does: where they are, at
// /.well-known/openid-configuration, and the keys themselves at /keys. Safe for
// concurrent use.
type Issuer struct {
	URL string // the "iss" of its tokens

	mu      sync.Mutex
	keys    []Key
	fetches int
	broken  bool
}

// NewIssuer makes an issuer that nobody serves. It is an http.Handler.
func NewIssuer(url string, keys ...Key) *Issuer { return &Issuer{URL: url, keys: keys} }

// Serve makes an issuer and serves it on this machine until the test ends.
func Serve(t testing.TB, keys ...Key) *Issuer {
	t.Helper()
	i := NewIssuer("", keys...)
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Rotate publishes these keys from now on, and no others.
func (i *Issuer) Rotate(keys ...Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

// Break makes every answer a 500, or mends that.
func (i *Issuer) Break(broken bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.broken = broken
}

// Fetches is how often the keys were asked for.
func (i *Issuer) Fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// ServeHTTP answers with the configuration, or the keys.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var answer any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer = map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"}
	case "/keys":
		answer = map[string]any{"keys": i.publish()}
	}
	if answer == nil || i.isBroken() {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// publish counts, and gives the public halves of the keys.
func (i *Issuer) publish() []map[string]string {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetches++
	entries := []map[string]string{}
	for _, k := range i.keys {
		entries = append(entries, k.JWK())
	}
	return entries
}

func (i *Issuer) isBroken() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.broken
}
