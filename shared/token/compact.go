package token

import (
	"encoding/base64"
	"strings"
)

// maxLength bounds a token, in bytes. A longer one would hardly arrive: API Gateway
// takes 10,240 bytes of request line and headers together (documented for its HTTP
// APIs), and the client's own headers are some of them.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
const maxLength = 8 << 10

// compact is a token in compact form (RFC 7515, section 7.1) whose signature has not
// been checked.
type compact struct {
	raw       []byte
	payload   []byte
	algorithm string
	keyID     string // empty if it names none
}

func parse(raw string) (compact, error) {
	if len(raw) > maxLength {
		return compact{}, refuse("longer than 8 KB")
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return compact{}, refuse("not three parts, as a signed token has")
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = decode(part); err != nil {
			return compact{}, err
		}
	}
	header := readMembers("header", decoded[0])
	c := compact{raw: []byte(raw), payload: decoded[1], algorithm: header.text("alg"), keyID: header.text("kid")}
	// We understand no extension, and so must refuse every critical one (RFC 7515,
	// section 4.1.11). "b64" is one that not all who sign declare critical.
	if header.has("crit") || header.has("b64") {
		return compact{}, refuse("header asks for an extension")
	}
	return c, header.err
}

// decode is strict, so that a token can be written in one way only: Go's decoder skips
// line breaks, and jwx takes other alphabets and padding.
func decode(part string) ([]byte, error) {
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil || strings.ContainsAny(part, "\r\n") {
		return nil, refuse("not base64url")
	}
	return decoded, nil
}
