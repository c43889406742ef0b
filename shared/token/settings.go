package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	// defaultLeeway is enough for machines that keep their clocks by NTP; tokens of
	// an issuer on the same clock need none. It is the usual value of such libraries.
	defaultLeeway = time.Minute
	// maxLeeway is the "few minutes" of RFC 7519, section 4.1.4.
	maxLeeway = 5 * time.Minute
)

// Settings say whose tokens are taken. There is one source of keys: Secrets, or
// JWKSURL, or what Issuer publishes.
type Settings struct {
	// Issuer is the "iss" that tokens must have, byte for byte. Without Secrets and
	// JWKSURL it is an https URL at which the issuer publishes where its keys are
	// (OpenID Connect Discovery 1.0, section 4). Empty takes any, if there is another
	// source of keys.
	Issuer string
	// JWKSURL is an https URL of the issuer's keys (RFC 7517, section 5), used
	// instead of discovery. RS256, ES256 and Ed25519, which is also called EdDSA, are
	// taken; other keys of the set are left out.
	JWKSURL string
	// Audience is what a token's "aud" must contain. Empty takes only tokens without
	// "aud": one that is meant for somebody must be refused by everybody else
	// (RFC 7519, section 4.1.3). An access token of Amazon Cognito has no "aud": there
	// "client_id" is compared instead, if "token_use" is "access".
	//
	// Source: https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
	Audience string
	// Secrets gives the versions of the secret of tokens signed with HS256, the current one
	// first: at least 32 bytes, without a line end that may follow. Tokens of each version
	// are taken. An earlier version that could not be the current one is left out. It is
	// called for the first token, when the versions are 15 minutes old, and when a
	// signature fails, because the secret may have been changed.
	Secrets func(context.Context) ([][]byte, error)
	// Leeway is how far the issuer's clock may be from ours, for "exp", "nbf" and
	// "iat": at most 5 minutes. 0 is the default of 60 s.
	Leeway time.Duration
	// HTTPClient fetches keys; nil makes one. Its redirect policy is not used.
	HTTPClient *http.Client
	// Now is the time; nil is time.Now.
	Now func() time.Time
}

// Check reports everything that New would refuse. It does not reach out.
func (s Settings) Check() error {
	var errs []error
	switch {
	case s.Secrets != nil && s.JWKSURL != "":
		errs = append(errs, errors.New("both a secret and a JWKS URL are set"))
	case s.Secrets != nil: // the issuer is only compared
	case s.JWKSURL != "":
		errs = append(errs, about("JWKS URL", checkAddress(s.JWKSURL)))
	case s.Issuer != "":
		errs = append(errs, about("issuer", checkIssuer(s.Issuer)))
	default:
		errs = append(errs, errors.New("none of issuer, JWKS URL and secret is set"))
	}
	if strings.Contains(s.Issuer+"/", wellKnown) {
		errs = append(errs, fmt.Errorf("issuer %q is an address of its documents; the issuer is what stands before, without %s", s.Issuer, wellKnown))
	}
	if s.Leeway < 0 || s.Leeway > maxLeeway {
		errs = append(errs, fmt.Errorf("leeway is %s, must be 0 to %s", s.Leeway, maxLeeway))
	}
	return errors.Join(errs...)
}

// about says of which setting an error is.
func about(setting string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %w", setting, err)
}

func (s Settings) withDefaults() Settings {
	if s.Leeway == 0 {
		s.Leeway = defaultLeeway
	}
	if s.HTTPClient == nil {
		s.HTTPClient = newClient()
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	return s
}

// checkAddress takes https, and http to this machine, where tests and the local stack
// have their issuers.
func checkAddress(address string) error {
	parsed, err := url.Parse(address)
	switch {
	case err != nil || parsed.Hostname() == "" || parsed.User != nil || parsed.Fragment != "" || strings.ContainsFunc(address, unicode.IsSpace):
	case parsed.Port() != "" && !validPort(parsed.Port()):
	case parsed.Scheme == "https", parsed.Scheme == "http" && loopback(parsed.Hostname()):
		return nil
	}
	return fmt.Errorf("%q is not an https URL", address)
}

// wellKnown begins the path of an issuer's documents. It is no part of an issuer.
const wellKnown = "/.well-known/"

// checkIssuer takes an address to which the path of a document can be added: an issuer has
// no query (OpenID Connect Discovery 1.0, section 3).
func checkIssuer(address string) error {
	if strings.Contains(address, "?") {
		return fmt.Errorf("%q is not an https URL without a query", address)
	}
	return checkAddress(address)
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// OnThisMachine reports whether an address is that of a loopback host, which only functions
// that run on the same machine can reach.
func OnThisMachine(address string) bool {
	parsed, err := url.Parse(address)
	return err == nil && loopback(parsed.Hostname())
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
