package token

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// privateClaim is the one claim that is ours.
	privateClaim = "watchroute"
	// maxName bounds a subject and a token's id, in bytes. They become parts of keys.
	maxName = 256
)

// claims are what a payload says of which something is checked or given on.
type claims struct {
	Token
	issuer    string
	audience  []string
	client    string // "client_id" of an access token of Cognito, which has no audience
	notBefore time.Time
}

// readClaims gives what a payload says, or what is wrong with it, whoever has signed it.
func (v *Verifier) readClaims(payload []byte) (claims, error) {
	m := readMembers("payload", payload)
	c := claims{
		Token: Token{
			Subject: m.text("sub"),
			ID:      m.text("jti"),
			Issued:  m.date("iat"),
			Expires: m.date("exp"),
			Claim:   m.values[privateClaim],
		},
		issuer:    m.text("iss"),
		audience:  m.texts("aud"),
		notBefore: m.date("nbf"),
	}
	if !m.has("aud") && m.text("token_use") == "access" {
		c.client = m.text("client_id")
	}
	if m.err != nil {
		return claims{}, m.err
	}
	return c, v.check(c)
}

// check refuses claims that are of no use, not of now, or not for us.
func (v *Verifier) check(c claims) error {
	if err := c.Token.check(); err != nil {
		return err
	}
	now := v.now()
	switch {
	case !now.Before(c.Expires.Add(v.leeway)):
		return refuse("expired")
	case now.Add(v.leeway).Before(c.notBefore):
		return refuse("not valid yet")
	case now.Add(v.leeway).Before(c.Issued): // it would outlive its revocation
		return refuse("issued in the future")
	case v.issuer != "" && c.issuer != v.issuer:
		return refuse("of another issuer")
	case v.audience == "" && len(c.audience) > 0:
		return refuse("for an audience, and none is set here")
	case v.audience != "" && !slices.Contains(c.audience, v.audience) && c.client != v.audience:
		return refuse("for another audience")
	}
	return nil
}

// check refuses a token that is of no use at any time. "exp" is required because a
// connection must end; "iat" because revocation cuts off what is older than an instant.
func (t Token) check() error {
	switch {
	case !isName(t.Subject):
		return refuse("no subject of 1 to 256 bytes without control characters")
	case t.ID != "" && !isName(t.ID):
		return refuse("its id is longer than 256 bytes or has control characters")
	case t.Expires.IsZero():
		return refuse("without expiry")
	case t.Issued.IsZero():
		return refuse("without time of issue")
	}
	return nil
}

// isName reports whether a text names one subject or token. What is not UTF-8 reads as
// U+FFFD, whatever it was, and so would make different names the same.
func isName(text string) bool {
	return text != "" && len(text) <= maxName && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError
	})
}
