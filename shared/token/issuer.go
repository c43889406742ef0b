package token

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/watchroute/watchroute/events/exactjson"
)

const (
	// maxDocument bounds what an issuer answers, in bytes, as API Gateway's own JWT
	// authorizer does.
	//
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
	maxDocument = 150_000
	// maxRedirects bounds how often an issuer may send us on within its host.
	maxRedirects = 3
)

// issuer is where an issuer publishes its keys.
type issuer struct {
	name string
	jwks string // URL of the keys; empty to ask the issuer for it each time
	http *http.Client
}

func newIssuer(s Settings) issuer {
	client := *s.HTTPClient
	client.CheckRedirect = stay
	return issuer{name: s.Issuer, jwks: s.JWKSURL, http: &client}
}

// newClient keeps no connections: fetches are minutes apart, and a connection does not
// survive that a process is frozen.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		ForceAttemptHTTP2: true,
		DisableKeepAlives: true,
	}}
}

// stay follows redirects that stay with host and scheme.
func stay(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	if next.URL.Scheme != first.Scheme || next.URL.Host != first.Host {
		return errors.New("redirected to another host or scheme")
	}
	if len(via) > maxRedirects {
		return errors.New("redirected too often")
	}
	return nil
}

// fetch gives the issuer's keys that can sign tokens. None is an answer too: all may
// have been withdrawn.
func (i issuer) fetch(ctx context.Context) ([]key, error) {
	address, err := i.keysAddress(ctx)
	if err != nil {
		return nil, fmt.Errorf("discover keys of %s: %w", i.name, err)
	}
	document, err := i.get(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("get keys: %w", err)
	}
	all, err := parseKeys(document)
	if err != nil {
		return nil, fmt.Errorf("read keys of %s: %w", address, err)
	}
	return all, nil
}

// keysAddress asks an issuer where its keys are. They may be on another host, but not
// on one that is reached with less protection.
//
// Source: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
func (i issuer) keysAddress(ctx context.Context) (string, error) {
	if i.jwks != "" {
		return i.jwks, nil
	}
	document, err := i.get(ctx, strings.TrimSuffix(i.name, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var configuration struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := exactjson.Unmarshal(document, &configuration); err != nil {
		return "", err
	}
	if configuration.Issuer != i.name {
		return "", fmt.Errorf("configuration is of issuer %q", configuration.Issuer)
	}
	if strings.HasPrefix(i.name, "https:") && !strings.HasPrefix(configuration.JWKSURI, "https:") {
		return "", fmt.Errorf("jwks_uri %q is not an https URL", configuration.JWKSURI)
	}
	return configuration.JWKSURI, about("jwks_uri", checkAddress(configuration.JWKSURI))
}

func (i issuer) get(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := i.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", address, response.StatusCode)
	}
	document, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read answer of %s: %w", address, err)
	}
	if len(document) > maxDocument {
		return nil, fmt.Errorf("answer of %s is over %d bytes", address, maxDocument)
	}
	return document, nil
}

// parseKeys reads a key set (RFC 7517, section 5). Entries that we have no use for, or
// that are broken, do not spoil the others.
func parseKeys(document []byte) ([]key, error) {
	set, err := jwk.Parse(document, jwk.WithStrictKeySetParsing(false))
	if err != nil {
		return nil, err
	}
	var all []key
	for i := range set.Len() {
		entry, _ := set.Key(i)
		if k, ok := publicKey(entry); ok {
			all = append(all, k)
		}
	}
	return all, nil
}

// publicKey takes from an entry of a key set a key that signatures can be checked
// with, and binds it to its algorithm. A secret or a private key is none.
func publicKey(entry jwk.Key) (key, bool) {
	var k key
	if err := jwk.Export(entry, &k.material); err != nil {
		return key{}, false
	}
	switch public := k.material.(type) {
	case *rsa.PublicKey: // of 2,048 bits at least, or jwk would not have read it
		k.algorithm = rs256
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return key{}, false
		}
		k.algorithm = es256
	case ed25519.PublicKey:
		k.algorithm = ed25519Names
	default:
		return key{}, false
	}
	k.id, _ = entry.KeyID()
	return k, meantFor(entry, k.algorithm)
}

// meantFor reports whether what an entry says of itself, if it does, lets it check
// signatures of an algorithm (RFC 7517, sections 4.2 to 4.4).
func meantFor(entry jwk.Key, algorithm algorithm) bool {
	use, hasUse := entry.KeyUsage()
	operations, hasOperations := entry.KeyOps()
	own, hasOwn := entry.Algorithm()
	return (!hasUse || use == jwk.ForSignature.String()) &&
		(!hasOperations || slices.Contains(operations, jwk.KeyOpVerify)) &&
		(!hasOwn || algorithm.has(own.String()))
}
