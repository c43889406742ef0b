package stack_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/token/tokentest"
	"github.com/watchroute/watchroute/shared/watch"
)

// badClaims are signed well, but what they say is wrong.
var badClaims = map[string]claims{
	"expired beyond the leeway":    {"exp": fromNow(-61 * time.Second)},
	"expiry is missing":            {"exp": nil},
	"expiry is a string":           {"exp": fmt.Sprint(fromNow(time.Hour))},
	"expiry is null":               {"exp": raw("null")},
	"expiry is past the year 9999": {"exp": 253_402_300_800},
	"not valid yet":                {"nbf": fromNow(time.Hour)},
	"not before is a string":       {"nbf": "0"},
	"issued in the future":         {"iat": fromNow(time.Hour)},
	"time of issue is missing":     {"iat": nil},
	"subject is missing":           {"sub": nil},
	"subject is empty":             {"sub": ""},
	"subject is a number":          {"sub": 7},
	"subject is a list":            {"sub": []string{"alice"}},
	"subject is anonymous":         {"sub": watch.Anonymous},
	"subject has NUL":              {"sub": "alice\x00"},
	"subject has a line break":     {"sub": "alice\n"},
	"subject has U+FFFD":           {"sub": "alice\ufffd"},
	"subject has 257 bytes":        {"sub": strings.Repeat("a", 257)},
	"id is a number":               {"jti": 7},
	"id has NUL":                   {"jti": "\x00"},
	"id has 257 bytes":             {"jti": strings.Repeat("i", 257)},
	"issuer is a number":           {"iss": 7},
	"audience is somebody else":    {"aud": "somebody"},
	"audience begins as ours":      {"aud": "watchroute2"},
	"audiences without ours":       {"aud": []string{"somebody", "Watchroute"}},
	"audience is a number":         {"aud": 7},
	"audiences are numbers":        {"aud": []int{7}},
	"claim is a string":            {"watchroute": ofAlice},
}

const rule = `{"topics":["**"],"actions":["read"]}`

// badGrants are values of the claim watchroute.
var badGrants = map[string]string{
	"claim is null":                "null",
	"claim is a list":              `[` + ofAlice + `]`,
	"claim without version":        `{"allow":[` + rule + `]}`,
	"claim of version 2":           `{"v":2,"allow":[` + rule + `]}`,
	"claim of version \"1\"":       `{"v":"1","allow":[` + rule + `]}`,
	"claim with an unknown member": `{"v":1,"deny":[],"allow":[` + rule + `]}`,
	"claim of 4,097 bytes":         `{"v":1,"allow":[` + rule[:len(rule)-1] + `,"filter":{"a":["` + strings.Repeat("x", 4023) + `"]}}]}`,
	"claim without rules":          `{"v":1}`,
}

// badRules are each the only rule of a grant.
var badRules = map[string]string{
	"rule with an unknown member":       `{"topics":["a"],"actions":["read"],"unless":"x"}`,
	"rule without topics":               `{"actions":["read"]}`,
	"rule without actions":              `{"topics":["a"]}`,
	"unknown action":                    `{"topics":["a"],"actions":["read","admin"]}`,
	"action in capitals":                `{"topics":["a"],"actions":["READ"]}`,
	"pattern with ** before its end":    `{"topics":["**/a"],"actions":["read"]}`,
	"pattern with * in a segment":       `{"topics":["a*"],"actions":["read"]}`,
	"pattern with an empty segment":     `{"topics":["a//b"],"actions":["read"]}`,
	"pattern with a dot segment":        `{"topics":["a/../b"],"actions":["read"]}`,
	"pattern is null":                   `{"topics":[null],"actions":["read"]}`,
	"forced filter is no event pattern": `{"topics":["a"],"actions":["read"],"filter":{"a":1}}`,
	"forced filter is a list":           `{"topics":["a"],"actions":["read"],"filter":[]}`,
	"forced filter is null":             `{"topics":["a"],"actions":["read"],"filter":null}`,
	"mask is empty":                     `{"topics":["a"],"actions":["read"],"mask":{}}`,
	"mask is null":                      `{"topics":["a"],"actions":["read"],"mask":null}`,
	"mask with an unknown member":       `{"topics":["a"],"actions":["read"],"mask":{"hide":["a"]}}`,
	"mask of an empty path":             `{"topics":["a"],"actions":["read"],"mask":{"omit":[""]}}`,
}

// badHeaders stand before a good payload and are signed with the good key.
var badHeaders = map[string]string{
	"none":                          `{"alg":"none","kid":"KID"}`,
	"None":                          `{"alg":"None","kid":"KID"}`,
	"nOnE":                          `{"alg":"nOnE","kid":"KID"}`,
	"no algorithm":                  `{"kid":"KID"}`,
	"algorithm is empty":            `{"alg":"","kid":"KID"}`,
	"algorithm is a list":           `{"alg":["ALG"],"kid":"KID"}`,
	"algorithm with a blank":        `{"alg":"ALG ","kid":"KID"}`,
	"algorithm twice":               `{"alg":"none","alg":"ALG","kid":"KID"}`,
	"algorithm in other capitals":   `{"Alg":"ALG","kid":"KID"}`,
	"algorithm HS384":               `{"alg":"HS384","kid":"KID"}`,
	"algorithm PS256":               `{"alg":"PS256","kid":"KID"}`,
	"algorithm dir":                 `{"alg":"dir","enc":"A256GCM","kid":"KID"}`,
	"key id is a number":            `{"alg":"ALG","kid":7}`,
	"extension that must be known":  `{"alg":"ALG","kid":"KID","crit":["x"],"x":1}`,
	"no extension that must be":     `{"alg":"ALG","kid":"KID","crit":[]}`,
	"payload that is not encoded":   `{"alg":"ALG","kid":"KID","b64":false}`,
	"header is a list":              `["ALG"]`,
	"header is null":                `null`,
	"header is followed by another": `{"alg":"ALG","kid":"KID"}{}`,
}

// badTokens are made with, or of, a good token.
var badTokens = map[string]func(f forger) string{
	"empty":                      func(forger) string { return "" },
	"garbage":                    func(forger) string { return "garbage" },
	"dots alone":                 func(forger) string { return ".." },
	"two segments":               func(f forger) string { return cut(f.token(nil), 2) },
	"four segments":              func(f forger) string { return f.token(nil) + ".e30" },
	"encrypted (JWE)":            func(forger) string { return encode(`{"alg":"dir","enc":"A256GCM"}`) + "..AAAA.AAAA.AAAA" },
	"none, without signature":    func(f forger) string { return unsigned("none", f.payload(nil)) },
	"None, without signature":    func(f forger) string { return unsigned("None", f.payload(nil)) },
	"nOnE, without signature":    func(f forger) string { return unsigned("nOnE", f.payload(nil)) },
	"without signature":          func(f forger) string { return cut(f.token(nil), 2) + "." },
	"the signature of another":   func(f forger) string { return cut(f.token(nil), 2) + last(f.token(claims{"sub": "bob"})) },
	"a letter of the payload":    func(f forger) string { return flip(f.token(nil), -len(last(f.token(nil)))-1, 1) },
	"a letter of the header":     func(f forger) string { return flip(f.token(nil), 2, 1) },
	"a bit of the signature":     func(f forger) string { return flip(f.token(nil), 1-len(last(f.token(nil))), 32) },
	"a bit that is not used":     func(f forger) string { return flip(f.token(nil), -1, 1) },
	"padded":                     func(f forger) string { return f.token(nil) + "=" },
	"of the other alphabet":      func(f forger) string { return strings.NewReplacer("-", "+", "_", "/").Replace(f.token(nil)) },
	"a dot behind":               func(f forger) string { return f.token(nil) + "." },
	"a blank behind":             func(f forger) string { return f.token(nil) + " " },
	"a blank before":             func(f forger) string { return " " + f.token(nil) },
	"a line break behind":        func(f forger) string { return f.token(nil) + "\n" },
	"a line break within":        func(f forger) string { return strings.Replace(f.token(nil), ".", ".\n", 1) },
	"NUL behind":                 func(f forger) string { return f.token(nil) + "\x00" },
	"over 8 KB":                  func(f forger) string { return f.token(claims{"text": strings.Repeat("x", 7000)}) },
	"subject twice":              func(f forger) string { return f.key.Token(`{"sub":"bob",` + f.payload(nil)[1:]) },
	"expiry twice":               func(f forger) string { return f.key.Token(`{"exp":1,` + f.payload(nil)[1:]) },
	"claim twice":                func(f forger) string { return f.key.Token(`{"watchroute":` + all + `,` + f.payload(nil)[1:]) },
	"payload is a list":          func(f forger) string { return f.key.Token(`[` + f.payload(nil) + `]`) },
	"payload is null":            func(f forger) string { return f.key.Token(`null`) },
	"payload is another token":   func(f forger) string { return f.key.Token(f.token(nil)) },
	"payload is followed":        func(f forger) string { return f.key.Token(f.payload(nil) + `{}`) },
	"of an unknown RS256 key":    func(f forger) string { return tokentest.NewKey(f.key.ID, "RS256").Token(f.payload(nil)) },
	"of an unknown ES256 key":    func(f forger) string { return tokentest.NewKey(f.key.ID, "ES256").Token(f.payload(nil)) },
	"of an unknown EdDSA key":    func(f forger) string { return tokentest.NewKey(f.key.ID, "EdDSA").Token(f.payload(nil)) },
	"of another secret":          func(f forger) string { return tokentest.Secret(bytes.Repeat([]byte("x"), 64)).Token(f.payload(nil)) },
	"of an empty secret":         func(f forger) string { return tokentest.Secret(nil).Token(f.payload(nil)) },
	"of the secret that it has":  func(f forger) string { return withItsKey(tokentest.Secret([]byte("its own")), f) },
	"of the key that it has":     func(f forger) string { return withItsKey(tokentest.NewKey(f.key.ID, "ES256"), f) },
	"of an empty ECDSA signing":  func(f forger) string { return noughts("ES256", f) },
	"of an empty EdDSA signing":  func(f forger) string { return noughts("EdDSA", f) },
	"its own name for a token":   func(f forger) string { return "Bearer " + f.token(nil) },
	"two tokens with a comma":    func(f forger) string { return f.token(nil) + "," + f.token(nil) },
	"JSON form (RFC 7515, 7.2)":  func(f forger) string { return flattened(f.token(nil)) },
	"the claims without a token": func(f forger) string { return f.payload(nil) },
}

// badForSecret are made with the secret of the service, which is good for HS256 alone.
var badForSecret = map[string]struct {
	algorithm string
	hash      func() hash.Hash
	secret    func(secret []byte) []byte
}{
	"HS384 with the secret":       {"HS384", sha512.New384, bytes.Clone},
	"HS512 with the secret":       {"HS512", sha512.New, bytes.Clone},
	"HS512, but called HS256":     {"HS256", sha512.New, bytes.Clone},
	"the secret and a line break": {"HS256", sha256.New, func(secret []byte) []byte { return append(bytes.Clone(secret), '\n') }},
	"half of the secret":          {"HS256", sha256.New, func(secret []byte) []byte { return secret[:len(secret)/2] }},
	"the secret's hash":           {"HS256", sha256.New, func(secret []byte) []byte { sum := sha256.Sum256(secret); return sum[:] }},
}

// forgeries are the bad tokens that a forger can make, by their names.
func (f forger) forgeries() map[string]string {
	made := map[string]string{}
	for name, changes := range badClaims {
		made[name] = f.token(changes)
	}
	for name, grant := range badGrants {
		made["grant: "+name] = f.token(claims{"watchroute": raw(grant)})
	}
	for name, rule := range badRules {
		made["rule: "+name] = f.token(claims{"watchroute": raw(`{"v":1,"allow":[` + rule + `]}`)})
	}
	for name, header := range badHeaders {
		header = strings.NewReplacer("ALG", f.key.Algorithm, "KID", f.key.ID).Replace(header)
		made["header: "+name] = f.key.Sign(header, f.payload(nil))
	}
	for name, forge := range badTokens {
		made[name] = forge(f)
	}
	return made
}

func TestRefusedTokens(t *testing.T) {
	s, log := strict(t, func(resources object) { environment(resources, "Connect")["MAX_CONNECTIONS"] = "2" })
	f := s.ownForger(t)
	tokens := f.forgeries()
	for name, row := range badForSecret {
		tokens[name] = signed(row.algorithm, row.hash, row.secret([]byte(s.secret(t, "TokenSecretArn"))), f.payload(nil))
	}
	s.refuses(t, log, f.token(nil), tokens)
}

// refuses wants all of the tokens refused: at the handshake, over HTTP, and by auth on an open
// connection, which stays as it was. The log has nothing of them.
func (s *running) refuses(t *testing.T, log *logged, good string, tokens map[string]string) {
	t.Helper()
	alice := s.asker(t, good)
	for i, name := range slices.Sorted(maps.Keys(tokens)) {
		token := tokens[name]
		if got := s.knock(t, token); got != http.StatusUnauthorized {
			t.Errorf("%s: status %d, want 401", name, got)
		}
		query, header := carried(token)
		got, tooLong := s.knockOverHTTP(t, i, query, header...), len(token) > 8<<10
		if got != http.StatusUnauthorized && !(tooLong && got == http.StatusBadRequest) { // API Gateway takes 10 KB of headers
			t.Errorf("%s over HTTP: status %d, want 401", name, got)
		}
		if got := answer(alice.ask(auth(token))); got != "bad_token" {
			t.Errorf("%s: auth is answered %s, want bad_token", name, got)
		}
	}
	for topic, want := range map[string]string{"users/alice/x": "subscribed", "users/bob/x": "forbidden"} {
		if got := answer(alice.ask(`{"action":"subscribe","topic":"` + topic + `"}`)); got != want {
			t.Errorf("after that, %s: %s, want %s", topic, got, want)
		}
	}
	if got := answer(alice.ask(auth(good))); got != "authorized" {
		t.Errorf("auth with a good token is answered %s", got)
	}
	log.await(t, "token refused")
	for name, token := range tokens {
		if len(token) > 20 && strings.Contains(log.String(), token) {
			t.Errorf("%s: the token is in the log", name)
		}
	}
}
