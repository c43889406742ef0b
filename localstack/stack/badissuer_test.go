package stack_test

import (
	"net/http"
	"testing"

	"github.com/watchroute/watchroute/shared/token/tokentest"
)

// badForIssuer go for how the issuer's keys are found and used.
var badForIssuer = map[string]func(i issuer) string{
	"the public key as secret, in PEM":     func(i issuer) string { return i.confused(asPEM("PUBLIC KEY", i.pkix())) },
	"the public key as secret, in RSA PEM": func(i issuer) string { return i.confused(asPEM("RSA PUBLIC KEY", i.pkcs1())) },
	"the public key as secret, in DER":     func(i issuer) string { return i.confused(i.pkix()) },
	"the public key as secret, in RSA DER": func(i issuer) string { return i.confused(i.pkcs1()) },
	"the public key as secret, as JWK":     func(i issuer) string { return i.confused([]byte(quote(i.key.JWK()))) },
	"the public key's modulus as secret":   func(i issuer) string { return i.confused([]byte(i.key.JWK()["n"])) },
	"the public key as secret, said RS256": func(i issuer) string { return i.said("RS256", asPEM("PUBLIC KEY", i.pkix())) },
	"another public key as secret":         func(i issuer) string { return i.confused([]byte(quote(i.second.JWK()))) },
	"an unknown key's id":                  func(i issuer) string { return i.thiefs.Sign(`{"alg":"RS256","kid":"unknown"}`, i.payload(nil)) },
	"the id of a key of another algorithm": func(i issuer) string { return i.key.Sign(`{"alg":"RS256","kid":"second"}`, i.payload(nil)) },
	"the algorithm of another key":         func(i issuer) string { return i.key.Sign(`{"alg":"ES256","kid":"first"}`, i.payload(nil)) },
	"no key's id, signed by nobody's key":  func(i issuer) string { return i.thiefs.Sign(`{"alg":"RS256"}`, i.payload(nil)) },
	"a key's address in the header (jku)":  func(i issuer) string { return i.stolen("jku", i.away.URL+"/keys") },
	"a certificate's address (x5u)":        func(i issuer) string { return i.stolen("x5u", i.away.URL+"/keys") },
	"an address as key id": func(i issuer) string {
		return i.thiefs.Sign(`{"alg":"RS256","kid":`+quote(i.away.URL)+`}`, i.payload(nil))
	},
	"a key in the header (jwk)":             func(i issuer) string { return i.stolen("jwk", i.thiefs.JWK()) },
	"a certificate in the header (x5c)":     func(i issuer) string { return i.stolen("x5c", []string{"AAAA"}) },
	"another issuer":                        func(i issuer) string { return i.token(claims{"iss": i.away.URL}) },
	"another issuer, by the thief's key":    func(i issuer) string { return i.thiefs.Token(i.payload(claims{"iss": i.away.URL})) },
	"the issuer with a slash":               func(i issuer) string { return i.token(claims{"iss": i.claims["iss"].(string) + "/"}) },
	"no issuer":                             func(i issuer) string { return i.token(claims{"iss": nil}) },
	"issuers in a list":                     func(i issuer) string { return i.token(claims{"iss": []any{i.claims["iss"]}}) },
	"no audience":                           func(i issuer) string { return i.token(claims{"aud": nil}) },
	"an empty list of audiences":            func(i issuer) string { return i.token(claims{"aud": []string{}}) },
	"audiences with ours and what is none":  func(i issuer) string { return i.token(claims{"aud": []any{"watchroute", 7}}) },
	"audiences in one string":               func(i issuer) string { return i.token(claims{"aud": "watchroute somebody"}) },
	"a signature by ES256 that says RS256":  func(i issuer) string { return i.second.Sign(`{"alg":"RS256","kid":"first"}`, i.payload(nil)) },
	"an HS256 token of the thief's own key": func(i issuer) string { return i.confused([]byte("thief")) },
}

func TestRefusedTokensOfAnIssuer(t *testing.T) {
	first, second, thiefs := tokentest.NewKey("first", "RS256"), tokentest.NewKey("second", "ES256"), tokentest.NewKey("thief's", "RS256")
	published, away := tokentest.Serve(t, first, second), tokentest.Serve(t, thiefs)
	s, log := strict(t, func(resources object) {
		for _, function := range []string{"Authorizer", "Renew"} {
			settings := environment(resources, function)
			delete(settings, "TOKEN_SECRET_ARN")
			settings["TOKEN_ISSUER"], settings["TOKEN_AUDIENCE"] = published.URL, "watchroute"
		}
		environment(resources, "Authorizer")["TOKEN_IN_QUERY"] = "false"
	})
	i := issuer{newForger(first, claims{"iss": published.URL, "aud": []string{"somebody", "watchroute"}}), second, thiefs, away}
	tokens := i.forgeries()
	for name, forge := range badForIssuer {
		tokens[name] = forge(i)
	}
	s.refuses(t, log, i.token(nil), tokens)
	if got := s.status(t, i.token(nil)); got != http.StatusUnauthorized {
		t.Errorf("good token in the query, where none is taken: status %d", got)
	}
	if got := s.knock(t, second.Token(i.payload(nil))); got != http.StatusSwitchingProtocols {
		t.Errorf("good token of another key: status %d", got)
	}
	if n := away.Fetches(); n != 0 {
		t.Errorf("the thief's keys were asked for %d times", n)
	}
}
