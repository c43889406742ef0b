package token_test

import (
	"context"
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/token"
)

func TestNewReportsEverythingAtOnce(t *testing.T) {
	secret := func(context.Context) ([][]byte, error) { return [][]byte{theSecret}, nil }
	for want, s := range map[string]token.Settings{
		"none of issuer, JWKS URL and secret is set\nleeway is -1s, must be 0 to 5m0s":      {Leeway: -time.Second},
		"both a secret and a JWKS URL are set\nleeway is 5m0.000000001s, must be 0 to 5m0s": {Secrets: secret, JWKSURL: issuerURL, Leeway: 5*time.Minute + 1},
		`issuer "http://issuer.example.com" is not an https URL`:                            {Issuer: "http://issuer.example.com"},
		`issuer "issuer" is not an https URL`:                                               {Issuer: "issuer"},
		`issuer "https://u:p@host" is not an https URL`:                                     {Issuer: "https://u:p@host"},
		`issuer "https:///path" is not an https URL`:                                        {Issuer: "https:///path"},
		`JWKS URL "file:///etc/keys" is not an https URL`:                                   {JWKSURL: "file:///etc/keys"},
		`JWKS URL "http://127.0.0.1.example.com" is not an https URL`:                       {JWKSURL: "http://127.0.0.1.example.com"},
		`JWKS URL "http://169.254.169.254/" is not an https URL`:                            {JWKSURL: "http://169.254.169.254/"},
	} {
		if _, err := token.New(s); err == nil || err.Error() != want {
			t.Errorf("error %v\nwant  %s", err, want)
		}
	}
	for _, s := range []token.Settings{
		{Issuer: issuerURL},
		{Issuer: issuerURL + "/tenant/"},
		{Issuer: "http://localhost:8080"},
		{JWKSURL: "http://127.0.0.1:8080/keys"},
		{JWKSURL: "http://[::1]/keys", Issuer: "anything, it is only compared"},
		{Secrets: secret, Issuer: "anything, it is only compared", Audience: "us", Leeway: 5 * time.Minute},
	} {
		if _, err := token.New(s); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
