package stack_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/token/tokentest"
	"github.com/watchroute/watchroute/shared/watch"
)

// The tables of this file hold what must be refused: tokens, handshakes, topics, frames.
// Each is refused with its documented answer, which tells nothing of what was asked for.

// TestRefusalsAreMany counts the rows, not what they are combined with.
func TestRefusalsAreMany(t *testing.T) {
	tokens := len(badClaims) + len(badHeaders) + len(badTokens) + len(badForSecret) + len(badForIssuer) + len(badHandshakes) + len(admissions)
	topics := len(otherTopics) + len(partTopics) + len(wildTopics) + len(badTopics)
	widening := len(otherSubjects) + len(subjectsLikePatterns) + len(peeks)
	inside := len(badOffers) + len(everyAction) + len(turnedAway)
	rows := tokens + inside + topics + len(requests) + len(badFrames) + len(badMessages) + widening
	if t.Logf("%d refusals", rows); rows < 60 {
		t.Errorf("%d refusals, want 60 at least", rows)
	}
}

// planted is part of everything that must not be seen.
const planted = "planted5EcReT"

// ofAlice is the claim of the client that is refused.
const ofAlice = `{"v":1,"allow":[
	{"topics":["stocks/*"],"actions":["subscribe","read"]},
	{"topics":["users/{sub}/**"],"actions":["subscribe","read","publish"]},
	{"topics":["news/**"],"actions":["read"]},
	{"topics":["prices/*"],"actions":["subscribe","read"],"filter":{"public":[true]},
	 "mask":{"omit":["secret","pin","deep.secret"],"replace":{"card":"****"}}}]}`

// claims are what a token says, by their names; nil leaves one out.
type claims map[string]any

// forger makes tokens of alice, good and bad.
type forger struct {
	key    tokentest.Key
	claims claims // those of a good token
}

// newForger makes one that signs with the key; more are claims besides the usual.
func newForger(key tokentest.Key, more claims) forger {
	good := claims{
		"sub": "alice", "iat": fromNow(0), "exp": fromNow(time.Hour), "watchroute": raw(ofAlice),
		"text": strings.Repeat("?", 12), // has an underscore in base64url
	}
	maps.Copy(good, more)
	return forger{key, good}
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func fromNow(d time.Duration) int64 { return time.Now().Add(d).Unix() }

func (f forger) payload(changes claims) string {
	all := maps.Clone(f.claims)
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return quote(all)
}

func (f forger) token(changes claims) string { return f.key.Token(f.payload(changes)) }

// quote writes JSON.
func quote(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// badClaims are signed well, but what they say is wrong.
var badClaims = map[string]claims{
	"expired beyond the leeway":         {"exp": fromNow(-61 * time.Second)},
	"expiry is missing":                 {"exp": nil},
	"expiry is a string":                {"exp": fmt.Sprint(fromNow(time.Hour))},
	"expiry is null":                    {"exp": raw("null")},
	"expiry is past the year 9999":      {"exp": 253_402_300_800},
	"not valid yet":                     {"nbf": fromNow(time.Hour)},
	"not before is a string":            {"nbf": "0"},
	"issued in the future":              {"iat": fromNow(time.Hour)},
	"time of issue is missing":          {"iat": nil},
	"subject is missing":                {"sub": nil},
	"subject is empty":                  {"sub": ""},
	"subject is a number":               {"sub": 7},
	"subject is a list":                 {"sub": []string{"alice"}},
	"subject is anonymous":              {"sub": watch.Anonymous},
	"subject has NUL":                   {"sub": "alice\x00"},
	"subject has a line break":          {"sub": "alice\n"},
	"subject has U+FFFD":                {"sub": "alice\ufffd"},
	"subject has 257 bytes":             {"sub": strings.Repeat("a", 257)},
	"id is a number":                    {"jti": 7},
	"id has NUL":                        {"jti": "\x00"},
	"id has 257 bytes":                  {"jti": strings.Repeat("i", 257)},
	"issuer is a number":                {"iss": 7},
	"audience is somebody else":         {"aud": "somebody"},
	"audience begins as ours":           {"aud": "watchroute2"},
	"audiences without ours":            {"aud": []string{"somebody", "Watchroute"}},
	"audience is a number":              {"aud": 7},
	"audiences are numbers":             {"aud": []int{7}},
	"claim is null":                     {"watchroute": raw("null")},
	"claim is a string":                 {"watchroute": ofAlice},
	"claim is a list":                   {"watchroute": raw(`[` + ofAlice + `]`)},
	"claim without version":             {"watchroute": raw(`{"allow":[` + rule + `]}`)},
	"claim of version 2":                {"watchroute": raw(`{"v":2,"allow":[` + rule + `]}`)},
	"claim of version \"1\"":            {"watchroute": raw(`{"v":"1","allow":[` + rule + `]}`)},
	"claim with an unknown member":      {"watchroute": raw(`{"v":1,"deny":[],"allow":[` + rule + `]}`)},
	"claim of 4,097 bytes":              {"watchroute": raw(`{"v":1,"allow":[` + rule[:len(rule)-1] + `,"filter":{"a":["` + strings.Repeat("x", 4023) + `"]}}]}`)},
	"claim without rules":               {"watchroute": raw(`{"v":1}`)},
	"rule with an unknown member":       {"watchroute": raw(`{"v":1,"allow":[{"topics":["a"],"actions":["read"],"unless":"x"}]}`)},
	"rule without topics":               {"watchroute": raw(`{"v":1,"allow":[{"actions":["read"]}]}`)},
	"rule without actions":              {"watchroute": raw(`{"v":1,"allow":[{"topics":["a"]}]}`)},
	"unknown action":                    {"watchroute": raw(`{"v":1,"allow":[{"topics":["a"],"actions":["read","admin"]}]}`)},
	"action in capitals":                {"watchroute": raw(`{"v":1,"allow":[{"topics":["a"],"actions":["READ"]}]}`)},
	"pattern with ** before its end":    {"watchroute": raw(`{"v":1,"allow":[{"topics":["**/a"],"actions":["read"]}]}`)},
	"pattern with * in a segment":       {"watchroute": raw(`{"v":1,"allow":[{"topics":["a*"],"actions":["read"]}]}`)},
	"pattern with an empty segment":     {"watchroute": raw(`{"v":1,"allow":[{"topics":["a//b"],"actions":["read"]}]}`)},
	"pattern with a dot segment":        {"watchroute": raw(`{"v":1,"allow":[{"topics":["a/../b"],"actions":["read"]}]}`)},
	"pattern is null":                   {"watchroute": raw(`{"v":1,"allow":[{"topics":[null],"actions":["read"]}]}`)},
	"forced filter is no event pattern": {"watchroute": raw(`{"v":1,"allow":[{"topics":["a"],"actions":["read"],"filter":{"a":1}}]}`)},
	"forced filter is a list":           {"watchroute": raw(`{"v":1,"allow":[{"topics":["a"],"actions":["read"],"filter":[]}]}`)},
	"forced filter is null":             {"watchroute": raw(`{"v":1,"allow":[{"topics":["a"],"actions":["read"],"filter":null}]}`)},
	"mask is empty":                     {"watchroute": raw(`{"v":1,"allow":[{"topics":["a"],"actions":["read"],"mask":{}}]}`)},
	"mask is null":                      {"watchroute": raw(`{"v":1,"allow":[{"topics":["a"],"actions":["read"],"mask":null}]}`)},
	"mask with an unknown member":       {"watchroute": raw(`{"v":1,"allow":[{"topics":["a"],"actions":["read"],"mask":{"hide":["a"]}}]}`)},
	"mask of an empty path":             {"watchroute": raw(`{"v":1,"allow":[{"topics":["a"],"actions":["read"],"mask":{"omit":[""]}}]}`)},
}

const rule = `{"topics":["**"],"actions":["read"]}`

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

// issuer is one whose keys are known, and what a thief has.
type issuer struct {
	forger               // signs with a published RS256 key
	second tokentest.Key // published, too
	thiefs tokentest.Key // published elsewhere
	away   *tokentest.Issuer
}

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

func (i issuer) pkix() []byte {
	der, err := x509.MarshalPKIXPublicKey(i.key.Public())
	if err != nil {
		panic(err)
	}
	return der
}

func (i issuer) pkcs1() []byte { return x509.MarshalPKCS1PublicKey(i.key.Public().(*rsa.PublicKey)) }

func asPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// confused signs with a public key, which everybody has, as if it were a secret.
func (i issuer) confused(secret []byte) string { return i.said("HS256", secret) }

func (i issuer) said(algorithm string, secret []byte) string {
	return tokentest.Secret(secret).Sign(`{"alg":"`+algorithm+`","kid":"first"}`, i.payload(nil))
}

// stolen has the thief's key in its header.
func (i issuer) stolen(member string, value any) string {
	return i.thiefs.Sign(`{"alg":"RS256","kid":"thief's",`+quote(member)+`:`+quote(value)+`}`, i.payload(nil))
}

func withItsKey(key tokentest.Key, f forger) string {
	return key.Sign(`{"alg":"`+key.Algorithm+`","kid":"`+f.key.ID+`","jwk":`+quote(key.JWK())+`}`, f.payload(nil))
}

// noughts has a signature of zeros, which verifiers have taken (CVE-2022-21449).
func noughts(algorithm string, f forger) string {
	return encode(`{"alg":"`+algorithm+`"}`) + "." + encode(f.payload(nil)) + "." + encode(strings.Repeat("\x00", 64))
}

func unsigned(algorithm, payload string) string {
	return encode(`{"alg":"`+algorithm+`"}`) + "." + encode(payload) + "."
}

func signed(algorithm string, of func() hash.Hash, secret []byte, payload string) string {
	input := encode(`{"alg":"`+algorithm+`"}`) + "." + encode(payload)
	mac := hmac.New(of, secret)
	mac.Write([]byte(input))
	return input + "." + encode(string(mac.Sum(nil)))
}

func flattened(token string) string {
	parts := strings.Split(token, ".")
	return quote(map[string]string{"protected": parts[0], "payload": parts[1], "signature": parts[2]})
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// cut keeps the first parts of a token.
func cut(token string, parts int) string {
	return strings.Join(strings.Split(token, ".")[:parts], ".")
}

// last is the signature with the dot before it.
func last(token string) string { return token[strings.LastIndexByte(token, '.'):] }

// flip changes bits of one of a token's letters, counted from the end if it is negative.
func flip(token string, at, bits int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	at = (at + len(token)) % len(token)
	return token[:at] + string(alphabet[strings.IndexByte(alphabet, token[at])^bits]) + token[at+1:]
}

// forgeries are the bad tokens that a forger can make, by their names.
func (f forger) forgeries() map[string]string {
	made := map[string]string{}
	for name, changes := range badClaims {
		made[name] = f.token(changes)
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

// carried puts a token into a header, or into the query if a header would change it.
func carried(token string) (query string, header []string) {
	if strings.ContainsAny(token, " \n\x00") {
		return "?token=" + url.QueryEscape(token), nil
	}
	return "", []string{"Authorization", "Bearer " + token}
}

// knock gives the status of a handshake with a token.
func (s *running) knock(t *testing.T, token string) int {
	t.Helper()
	query, pairs := carried(token)
	_, response := s.handshake(t, query, lines(pairs))
	return response.StatusCode
}

// lines makes headers of names and values in turn.
func lines(pairs []string) http.Header {
	header := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		header.Add(pairs[i], pairs[i+1])
	}
	return header
}

func auth(token string) string {
	return `{"action":"auth","id":"q","token":` + quote(token) + `}`
}

// strict runs the real stack for clients with tokens, in settings of its functions that
// differ from the template's, and keeps the log. MAX_MESSAGE_RATE and MAX_SUBJECT_HOLDS are out of
// the way.
func strict(t *testing.T, change func(resources object)) (*running, *logged) {
	t.Helper()
	log := &logged{}
	return start(t, func(o *stack.Options) {
		o.Anonymous, o.Log, o.Logger = false, log, slog.New(slog.NewTextHandler(log, nil))
		o.Template = edited(t, func(resources object) {
			for _, function := range []string{"Message", "Renew"} {
				environment(resources, function)["MAX_MESSAGE_RATE"] = "100000"
			}
			http := environment(resources, "Http")
			http["STREAM_TIME"], http["MAX_SUBJECT_HOLDS"] = "1s", "80"
			if change != nil {
				change(resources)
			}
		})
	}), log
}

// ownForger signs with the stack's own secret.
func (s *running) ownForger(t *testing.T) forger {
	t.Helper()
	return newForger(tokentest.Secret([]byte(s.secret(t, "TokenSecretArn"))), nil)
}

// handshake is what a client can put a token into. The header Authorization may have two lines.
type handshake struct{ name, query, authorization, protocols string }

// badHandshakes have a good token, GOOD, only where it does not count. Those that offer a
// token beside our subprotocol are in badOffers. Over HTTP the same is refused.
var badHandshakes = []handshake{
	{"no token", "", "", ""},
	{"empty query", "?token=", "", ""},
	{"empty bearer", "", "Bearer ", ""},
	{"another scheme", "", "Basic GOOD", ""},
	{"no scheme", "", "GOOD", ""},
	{"another parameter", "?access_token=GOOD", "", ""},
	{"parameter in capitals", "?TOKEN=GOOD", "", ""},
	{"last of two parameters bad", "?token=GOOD&token=bad", "", ""},
	{"subprotocol without prefix", "", "", "watchroute.v1, GOOD"},
	{"another prefix", "", "", "watchroute.v1, token.GOOD"},
	{"header bad, query good", "?token=GOOD", "Bearer bad", ""},
	{"header empty, query good", "?token=GOOD", "Bearer ", ""},
	{"header bad, subprotocol good", "", "Bearer bad", "watchroute.v1, bearer.GOOD"},
	{"first of two subprotocols bad", "", "", "bearer.bad, bearer.GOOD"},
	{"bearer subprotocol bad and alone", "", "", "bearer.bad"},
	{"two tokens in the header", "", "Bearer GOOD GOOD", ""},
	{"two headers, the first bad", "", "Bearer bad\nBearer GOOD", ""},
	{"two headers, the first empty", "", "Bearer \nBearer GOOD", ""},
	{"two headers of other schemes", "", "Basic GOOD\nDigest GOOD", ""},
	{"two headers, the one that counts bad", "", "Basic GOOD\nBearer bad", ""},
	{"header and query bad", "?token=bad", "Bearer bad", ""},
}

func TestRefusedTokens(t *testing.T) {
	s, log := strict(t, func(resources object) { environment(resources, "Connect")["MAX_CONNECTIONS"] = "2" })
	f := s.ownForger(t)
	tokens := f.forgeries()
	for name, row := range badForSecret {
		tokens[name] = signed(row.algorithm, row.hash, row.secret([]byte(s.secret(t, "TokenSecretArn"))), f.payload(nil))
	}
	s.refuses(t, log, f.token(nil), tokens)
	for i, row := range badHandshakes {
		query, header := row.with(f.token(claims{"sub": "crowd"}))
		_, response := s.handshake(t, query, lines(header))
		if got := response.StatusCode; got != http.StatusUnauthorized {
			t.Errorf("%s: status %d, want 401", row.name, got)
		}
		if got := s.knockOverHTTP(t, i, query, header...); got != http.StatusUnauthorized {
			t.Errorf("%s over HTTP: status %d, want 401", row.name, got)
		}
	}
	s.revoke(t, "mallory", watch.AnyToken)
	s.revoke(t, "trudy", "stolen")
	for _, row := range admissions {
		token := f.token(row.of)
		if got := s.knock(t, token); got != row.want {
			t.Errorf("%v: status %d, want %d", row.of, got, row.want)
		}
		client := s.caller(t, token)
		replies := client.asks(`{"action":"snapshot","topic":"stocks/a"}`)
		if row.want == http.StatusForbidden { // or a stream would be held
			replies = append(replies, client.asks(`{"action":"subscribe","topic":"stocks/a"}`)...)
		}
		for _, got := range replies {
			if refused := got.is("revoked"); refused != (row.want == http.StatusForbidden) {
				t.Errorf("%v: %s is answered %s", row.of, got.how, got.text)
			}
		}
	}
}

// with gives the query and the headers, with a good token.
func (h handshake) with(token string) (query string, header []string) {
	with := strings.NewReplacer("GOOD", token)
	for _, line := range strings.Split(h.authorization, "\n") {
		if line != "" {
			header = append(header, "Authorization", with.Replace(line))
		}
	}
	if h.protocols != "" {
		header = append(header, "Sec-WebSocket-Protocol", with.Replace(h.protocols))
	}
	return with.Replace(h.query), header
}

// admissions are of good tokens, one after the other. All of mallory's are revoked, and one of
// trudy's. A subject may have two connections. HTTP has no connections, and refuses only revoked
// tokens.
var admissions = []struct {
	of   claims
	want int
}{
	{claims{"sub": "mallory"}, http.StatusForbidden},
	{claims{"sub": "mallory", "jti": "any"}, http.StatusForbidden},
	{claims{"sub": "mallory", "iat": fromNow(-time.Hour)}, http.StatusForbidden},
	{claims{"sub": "trudy", "jti": "stolen"}, http.StatusForbidden},
	{claims{"sub": "trudy", "jti": "other"}, http.StatusSwitchingProtocols},
	{claims{"sub": "crowd"}, http.StatusSwitchingProtocols},
	{claims{"sub": "crowd"}, http.StatusSwitchingProtocols},
	{claims{"sub": "crowd"}, http.StatusTooManyRequests},
	{claims{"sub": "crowd", "jti": "other"}, http.StatusTooManyRequests},
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

// asker is a client of a WebSocket that keeps what it hears.
type asker struct {
	*client
	ear
}

func (s *running) asker(t *testing.T, token string) *asker {
	t.Helper()
	return &asker{client: s.connectWith(t, token), ear: ear{tb: t}}
}

// ask sends a frame and gives the next one that comes, which is to be the answer.
func (a *asker) ask(frame string) []byte {
	a.t.Helper()
	a.send(frame)
	return a.hear()
}

func (a *asker) hear() []byte {
	a.t.Helper()
	frame := a.read()
	a.heard = append(a.heard, string(frame))
	return frame
}

// answer is an error frame's code, another frame's type, and "" for what is not the
// service's: API Gateway's words for a function that failed.
func answer(frame []byte) string {
	var said struct{ Type, Code string }
	_ = json.Unmarshal(frame, &said)
	if said.Type == "error" {
		return said.Code
	}
	return said.Type
}

// The names of topics have the word filled. With filled they have an item and changes;
// with vacant, which is as long, they have nothing.
const (
	filled = "filled"
	vacant = "vacant"
)

// otherTopics are good names that ofAlice does not grant at all.
var otherTopics = []string{
	"users/bob/filled", "users/bob/inbox/filled", "users/alice2/filled", "users/alic/filled", "users/Alice/filled", "users/ALICE/filled",
	"USERS/alice/filled", "Users/alice/filled", "users/alice:/filled", "users/alice./filled", "users/.alice/filled", "users/alice@x/filled",
	"users/.../filled", "users/filled", "users/filled/alice", "alice/filled", "private/filled", "private/users/alice/filled", "users", "filled",
	"stocks/filled/b", "stocks", "stock/filled", "Stocks/filled", "stocks:filled", "stocks/filled/..a", "news.filled", "users/anonymous/filled",
}

// partTopics are granted but for what is not named.
var partTopics = map[string][]string{
	"news/filled": {"snapshot"}, "news/filled/a/b": {"snapshot"}, "news/alice/filled": {"snapshot"},
	"stocks/filled": {"subscribe", "snapshot"}, "stocks/alice.filled": {"subscribe", "snapshot"},
}

// wildTopics name topics of which some are not granted.
var wildTopics = []string{
	"*", "**", "*/filled", "*/*", "*/**", "users/*", "users/**", "users/*/filled", "users/*/*", "users/bob/*", "users/bob/**", "users/alice2/**",
	"private/*", "private/**", "private/filled/**", "stocks/**", "stocks/*/filled", "filled/**",
}

// badTopics are no names, though they may be those of items in the table.
var badTopics = []string{
	"users/alice/../bob/filled", "users/alice/./filled", "users//filled", "users/bob//filled", "/users/alice/filled", "users/alice/filled/",
	"//filled", "./filled", "../filled", "users/alice/..", "users%2fbob%2ffilled", "users/%2e%2e/bob/filled", `users\bob\filled`, `users/alice\..\bob/filled`,
	"users/{sub}/filled", "{sub}/filled", "users/alice*/filled", "users/**/filled", "users/***", "users/+/filled", "#", "users/#", "users/bob/filled#0",
	"users/\u0430lice/filled", "users/\uff41lice/filled", "users/al\u0131ce/filled", "users/alice\u0301/filled", "users/\u212Aarl/filled",
	"users\uff0fbob\uff0ffilled", "users\u2215bob\u2215filled", "users/alice\u200d/filled", "users/\u202ealice/filled", "\ufeffusers/alice/filled",
	"users/alice\x00/filled", "users/bob/filled\x00", "users/alice/filled\n", "users/alice/filled ", " users/alice/filled", "users/alice/\ufffd/filled",
	"users/bob?filled", "users/bob;filled", "users/bob,filled", "users/\"bob\"/filled", "users/<bob>/filled", "users/~bob/filled",
	"users/alice/filled" + strings.Repeat("/x", 6), "users/alice/filled" + strings.Repeat("x", 239),
}

// requests are all requests about a topic, as frames and, by requestsFor, over HTTP. polite is the
// answer of those that are not refused, because they reveal and do nothing.
var requests = []struct{ action, rest, polite string }{
	{"subscribe", `"topic":TOPIC`, ""},
	{"subscribe", `"topic":TOPIC,"after":":0"`, ""},
	{"subscribe", `"topic":TOPIC,"after":"EPOCH:1"`, ""},
	{"subscribe", `"topic":TOPIC,"snapshot":true`, ""},
	{"subscribe", `"topic":TOPIC,"after":"EPOCH:99","snapshot":true,"delta":true`, ""},
	{"subscribe", `"topic":TOPIC,"snapshot":true,"filter":{"text":[{"exists":true}]},"fields":["text"]`, ""},
	{"snapshot", `"topic":TOPIC`, ""},
	{"snapshot", `"topic":TOPIC,"next":":0/"`, ""},
	{"snapshot", `"topic":TOPIC,"next":"EPOCH:1/a"`, ""},
	{"snapshot", `"topic":TOPIC,"next":NEXT`, ""},
	{"snapshot", `"topic":TOPIC,"ifNoneMatch":ETAG`, ""},
	{"snapshot", `"topic":TOPIC,"next":NEXT,"ifNoneMatch":ETAG`, ""},
	{"subscribe", `"topic":TOPIC,"lastEventId":"EPOCH:1"`, ""},
	{"subscribe", `"topic":TOPIC,"after":"EPOCH:1","view":"1a2b3c4d","lastEventId":"EPOCH:9"`, ""},
	{"publish", `"topic":TOPIC,"item":{"id":"mine","data":{"text":"mine"}}`, ""},
	{"publish", `"topic":TOPIC,"item":{"data":{"topic":"reserved"}}`, ""},
	{"publish", `"topic":TOPIC,"op":"remove","item":{"id":"` + planted + `"}`, ""},
	{"ping", `"cursors":{TOPIC:":0"}`, "pong"},
	{"ping", `"cursors":{TOPIC:"EPOCH:1"}`, "pong"},
	{"unsubscribe", `"topic":TOPIC`, "unsubscribed"},
}

var (
	forbidden = []string{"forbidden"}
	badTopic  = []string{"bad_topic"}
	wildTopic = []string{"forbidden", "bad_topic", "bad_request"}
)

// private makes all requests about a topic except the allowed ones, for a filled and a vacant
// topic, with several clients, and wants the same answers. stolen has values of a client that may
// see it.
func private(t *testing.T, topic string, stolen *strings.Replacer, allowed, want []string, clients ...asking) {
	t.Helper()
	for _, r := range requests {
		if slices.Contains(allowed, r.action) {
			continue
		}
		rest := stolen.Replace(strings.ReplaceAll(r.rest, "TOPIC", quote(topic)))
		frame := `{"action":"` + r.action + `","id":"q",` + rest + `}`
		for _, c := range clients {
			full, none := c.asks(frame), c.asks(strings.ReplaceAll(frame, filled, vacant))
			for i, got := range full {
				if !got.is(answers(want, r.polite)...) {
					t.Errorf("%s, by %s, is answered %s", frame, got.how, got.text)
				}
				if got.text != strings.ReplaceAll(none[i].text, vacant, filled) {
					t.Errorf("%s, by %s, is answered\n%s, but if there is nothing\n%s", frame, got.how, got.text, none[i].text)
				}
			}
		}
	}
}

// thief has values that were given to a client that may see a topic: its epoch, the next of a page,
// and an ETag.
func thief(epoch, next, etag string) *strings.Replacer {
	return strings.NewReplacer("EPOCH", epoch, "NEXT", quote(next), "ETAG", quote(etag))
}

// answers has polite in place of forbidden.
func answers(want []string, polite string) []string {
	want = slices.Clone(want)
	if i := slices.Index(want, "forbidden"); i >= 0 && polite != "" {
		want[i] = polite
	}
	return want
}

// plant puts an item that must not be seen, or changes it.
func (s *running) plant(t *testing.T, topic string) {
	t.Helper()
	s.putItem(t, map[string]types.AttributeValue{"topic": text(topic), "id": text(planted), "text": text(fmt.Sprint(planted, time.Now().UnixNano()))})
}

// TestRefusedTopics has all topics watched by an admin, whose changes tell when those of
// alice would have come, too.
func TestRefusedTopics(t *testing.T) {
	s, _ := strict(t, nil)
	f := s.ownForger(t)
	names := slices.Concat(otherTopics, slices.Collect(maps.Keys(partTopics)))
	admin := s.connectWith(t, f.token(claims{"sub": "admin", "watchroute": raw(all)}))
	for _, topic := range names {
		admin.subscribe(topic)
	}
	for _, topic := range slices.Concat(names, wildTopics, badTopics) {
		s.plant(t, topic)
	}
	epochs := map[string]string{}
	for _, c := range admin.changes(len(names)) {
		epochs[string(c.Topic)] = c.Epoch
	}

	stolen := map[string]*strings.Replacer{}
	thieves := s.caller(t, f.token(claims{"sub": "admin", "watchroute": raw(all)}))
	for _, topic := range names {
		page := s.request(t, "GET", "/topics/"+url.PathEscape(topic)+"?limit=1", thieves.token)
		stolen[topic] = thief(epochs[topic], read[events.TopicItems](t, page, 200).Next, page.header.Get("ETag"))
	}
	nothing := thief("", ":0~AAAA", `W/":0~AAAA"`)
	web := s.caller(t, f.token(nil))
	web.sparing = true
	alice := s.asker(t, f.token(nil))
	s.ResetUsage()
	for _, topic := range otherTopics {
		private(t, topic, stolen[topic], nil, forbidden, alice, web)
	}
	for topic, allowed := range partTopics {
		private(t, topic, stolen[topic], allowed, forbidden, alice, web)
	}
	for _, topic := range wildTopics {
		private(t, topic, nothing, nil, wildTopic, alice, web)
	}
	for _, topic := range badTopics {
		private(t, topic, nothing, nil, badTopic, alice, web)
	}
	s.readNothing(t, "Events", "Changes")

	for _, topic := range names {
		s.plant(t, topic)
		s.has(t, "Subscriptions", topic+"#0", 1)
	}
	admin.changes(len(names))
	if got := answer(alice.ask(`{"action":"ping"}`)); got != "pong" {
		t.Errorf("ping is answered %s after changes of what was refused", got)
	}
	for _, topic := range slices.Concat(names, wildTopics, badTopics) {
		s.has(t, "Events", topic, 1)
		if nothing := strings.ReplaceAll(topic, filled, vacant); nothing != topic {
			s.has(t, "Events", nothing, 0)
		}
	}
	for _, c := range []asking{alice, web} {
		c.mayNotHave(append(slices.Collect(maps.Values(epochs)), planted, `"seq"`, `"epoch"`, `"cursors"`, `"items"`, `"changes"`, "Etag", "event:")...)
	}
	if got := string(alice.ask(`{"action":"snapshot","topic":"news/filled"}`)); !strings.Contains(got, planted) {
		t.Errorf("what is allowed has nothing planted: %s", got)
	}
}

// readNothing wants no read of tables since the last reset. A refusal then takes no longer if
// something is there.
func (s *running) readNothing(t *testing.T, tables ...string) {
	t.Helper()
	for _, table := range tables {
		for operation, c := range s.Usage().DynamoDB.Tables[table] {
			if c.ReadCapacityUnits > 0 {
				t.Errorf("%s of %s was asked for %d times", operation, table, c.Requests)
			}
		}
	}
}

// has wants that many rows of a topic in a table.
func (s *running) has(t *testing.T, table, topic string, want int) {
	t.Helper()
	if got := s.rows(t, table, "topic", topic); got != want {
		t.Errorf("%s has %d rows of %q, want %d", table, got, topic, want)
	}
}

// badFrames are each answered with one error frame.
var badFrames = []struct {
	name, frame string
	want        events.Code
}{
	{"topic is a number", `{"action":"subscribe","topic":7}`, "bad_request"},
	{"topic is true", `{"action":"snapshot","topic":true}`, "bad_request"},
	{"topic is null", `{"action":"subscribe","topic":null}`, "bad_topic"},
	{"topic is empty", `{"action":"publish","topic":"","item":{"id":"i"}}`, "bad_topic"},
	{"topic is missing", `{"action":"snapshot"}`, "bad_topic"},
	{"topic is a list", `{"action":"subscribe","topic":["users/alice/x","users/bob/x"]}`, "bad_request"},
	{"topic is an object", `{"action":"subscribe","topic":{"S":"users/alice/x"}}`, "bad_request"},
	{"topic has half a surrogate", `{"action":"subscribe","topic":"users/alice\ud800"}`, "bad_topic"},
	{"topic twice, ours first", `{"action":"subscribe","topic":"users/alice/x","topic":"users/bob/x"}`, "forbidden"},
	{"topic again, in other capitals", `{"action":"snapshot","topic":"users/bob/x","TOPIC":"users/alice/x"}`, "forbidden"},
	{"topics", `{"action":"subscribe","topics":["users/alice/x"]}`, "bad_topic"},
	{"subject", `{"action":"subscribe","subject":"bob","sub":"bob","topic":"users/bob/x"}`, "forbidden"},
	{"grant", `{"action":"subscribe","grant":` + all + `,"topic":"users/bob/x"}`, "forbidden"},
	{"token of no use", `{"action":"subscribe","token":"t","topic":"users/bob/x"}`, "forbidden"},
	{"key of the item in its data", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":{"topic":"users/bob/x"}}}`, "bad_item"},
	{"key of the item in itself", `{"action":"publish","topic":"users/bob/x","item":{"id":"i","topic":"users/alice/x"}}`, "forbidden"},
	{"cursors of two, one bad", `{"action":"ping","cursors":{"users/alice/x":":0","users/../x":":0"}}`, "bad_topic"},
	{"cursors are a list", `{"action":"ping","cursors":["users/bob/x"]}`, "bad_request"},
	{"action is a list", `{"action":["subscribe"],"topic":"users/alice/x"}`, "bad_request"},
	{"action in capitals", `{"action":"SUBSCRIBE","topic":"users/alice/x"}`, "unknown_action"},
	{"action of a route", `{"action":"$connect"}`, "unknown_action"},
	{"action of the default route", `{"action":"$default","topic":"users/alice/x"}`, "unknown_action"},
	{"action twice, auth last", `{"action":"subscribe","action":"auth","topic":"users/bob/x"}`, "bad_token"},
	{"action twice, auth first", `{"action":"auth","action":"subscribe","topic":"users/bob/x"}`, "forbidden"},
	{"subscribe, and auth in other capitals", `{"action":"subscribe","Action":"auth","topic":"users/bob/x"}`, "forbidden"},
	{"auth, and subscribe in other capitals", `{"action":"auth","Action":"subscribe","topic":"users/bob/x"}`, "bad_token"},
	{"auth, and snapshot in other capitals", `{"action":"auth","Action":"snapshot","topic":"users/alice/x"}`, "bad_token"},
	{"auth, and publish in other capitals", `{"action":"auth","Action":"publish","topic":"users/alice/x","item":{"id":"i"}}`, "bad_token"},
	{"auth, and ping in other capitals", `{"action":"auth","Action":"ping","cursors":{"users/bob/x":":0"}}`, "bad_token"},
	{"auth, and nothing in other capitals", `{"action":"auth","Action":"x"}`, "bad_token"},
	{"action only in other capitals", `{"Action":"snapshot","topic":"users/alice/x"}`, "unknown_action"},
	{"auth without a token", `{"action":"auth"}`, "bad_token"},
	{"auth with a token that is a number", `{"action":"auth","token":7}`, "bad_request"},
	{"not JSON", `subscribe users/alice/x`, "bad_json"},
	{"empty", ``, "bad_json"},
	{"two frames in one", `{"action":"ping"}{"action":"ping"}`, "bad_json"},
	{"a list", `[{"action":"ping"}]`, "bad_json"},
	{"null", `null`, "bad_json"},
	{"nested 11,000 times", strings.Repeat(`[`, 11_000) + strings.Repeat(`]`, 11_000), "bad_json"},
	{"id of 129 bytes", `{"action":"ping","id":"` + strings.Repeat("i", 129) + `"}`, "bad_request"},
	{"topic of 257 bytes", `{"action":"subscribe","topic":"stocks/` + strings.Repeat("t", 250) + `"}`, "bad_topic"},
	{"topic of 9 segments", `{"action":"subscribe","topic":"users/alice` + strings.Repeat("/x", 7) + `"}`, "bad_topic"},
	{"filter of 1,025 bytes", `{"action":"subscribe","topic":"stocks/a","filter":{"a":["` + strings.Repeat("x", 1016) + `"]}}`, "bad_request"},
	{"filter that nests 65 times", `{"action":"subscribe","topic":"stocks/a","filter":` + strings.Repeat(`{"a":`, 65) + `[1]` + strings.Repeat("}", 65) + `}`, "bad_request"},
	{"filter is a list", `{"action":"subscribe","topic":"stocks/a","filter":["a"]}`, "bad_request"},
	{"filter is no event pattern", `{"action":"snapshot","topic":"stocks/a","filter":{"a":1}}`, "bad_request"},
	{"filter with an unknown operator", `{"action":"subscribe","topic":"stocks/a","filter":{"a":[{"regexp":"(a+)+"}]}}`, "bad_request"},
	{"33 fields", `{"action":"subscribe","topic":"stocks/a","fields":["a"` + strings.Repeat(`,"a"`, 32) + `]}`, "bad_request"},
	{"field of 257 bytes", `{"action":"snapshot","topic":"stocks/a","fields":["` + strings.Repeat("f", 257) + `"]}`, "bad_request"},
	{"field with an empty name", `{"action":"subscribe","topic":"stocks/a","fields":["a..b"]}`, "bad_request"},
	{"fields are a string", `{"action":"subscribe","topic":"stocks/a","fields":"a"}`, "bad_request"},
	{"cursor without number", `{"action":"subscribe","topic":"stocks/a","after":"x"}`, "bad_cursor"},
	{"cursor before the first", `{"action":"subscribe","topic":"stocks/a","after":"x:-1"}`, "bad_cursor"},
	{"next without item", `{"action":"snapshot","topic":"stocks/a","next":"x:1"}`, "bad_cursor"},
	{"501 cursors", `{"action":"ping","cursors":{` + cursors(events.MaxCursors+1) + `}}`, "bad_request"},
	{"publish without item", `{"action":"publish","topic":"users/alice/x"}`, "bad_request"},
	{"publish of another op", `{"action":"publish","topic":"users/alice/x","op":"drop","item":{"id":"i"}}`, "bad_request"},
	{"item id of 257 bytes", `{"action":"publish","topic":"users/alice/x","item":{"id":"` + strings.Repeat("i", 257) + `"}}`, "bad_item"},
	{"item id with NUL", `{"action":"publish","topic":"users/alice/x","item":{"id":"\u0000"}}`, "bad_item"},
	{"removal without id", `{"action":"publish","topic":"users/alice/x","op":"remove","item":{}}`, "bad_item"},
	{"data that nests 33 times", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":` + nested(33) + `}}`, "bad_item"},
	{"data with a number of 39 digits", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":{"n":` + strings.Repeat("1", 39) + `}}}`, "bad_item"},
	{"data with a number of 1e126", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":{"n":1e126}}}`, "bad_item"},
	{"data of 1,001 bytes", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":{"a":"` + strings.Repeat("x", 993) + `"}}}`, "bad_item"},
	{"data with half of a UTF-16 pair", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":{"a":"\ud800"}}}`, "bad_item"},
	{"item id with half of a UTF-16 pair", `{"action":"publish","topic":"users/alice/x","item":{"id":"\udfff"}}`, "bad_item"},
	{"filter with half of a UTF-16 pair", `{"action":"subscribe","topic":"users/alice/x","filter":{"a":["\ud800"]}}`, "bad_request"},
	{"data is a list", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":[]}}`, "bad_item"},
	{"data with a time to live", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":{"expiresAt":1}}}`, "bad_item"},
}

// cursors are those of n topics.
func cursors(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"users/alice/%d":":0"`, i))
	}
	return strings.Join(all, ",")
}

// badMessages end the connection.
var badMessages = []struct {
	name  string
	kind  websocket.MessageType
	frame string
	times int // in as many WebSocket frames
	want  websocket.StatusCode
}{
	{"binary", websocket.MessageBinary, `{"action":"ping"}`, 1, websocket.StatusUnsupportedData},
	{"not UTF-8", websocket.MessageText, "{\"action\":\"ping\",\"id\":\"\xff\"}", 1, websocket.StatusInvalidFramePayloadData},
	{"a frame over 32 KB", websocket.MessageText, strings.Repeat(" ", 32<<10) + `{}`, 1, websocket.StatusMessageTooBig},
	{"a message over 128 KB", websocket.MessageText, strings.Repeat(" ", 16<<10), 9, websocket.StatusMessageTooBig},
}

func TestRefusedFrames(t *testing.T) {
	s, _ := strict(t, func(resources object) {
		environment(resources, "Message")["MAX_MESSAGE_RATE"] = "20"
		for _, function := range []string{"Message", "Http"} {
			environment(resources, function)["MAX_PUBLISH_BYTES"] = "1000"
		}
	})
	f := s.ownForger(t)
	s.plant(t, "users/bob/x")
	alice := s.asker(t, f.token(nil))
	web, overHTTP := s.caller(t, f.token(nil)), 0
	for _, row := range badFrames {
		for _, c := range []asking{alice, web} {
			for _, got := range c.asks(row.frame) {
				want := row.want
				if got.status > 0 && hasUnknownMember(row.frame) {
					want = events.CodeBadRequest
				}
				if !got.is(string(want)) {
					t.Errorf("%s, by %.200s, is answered %.300s, want %s", row.name, got.how, got.text, want)
				}
				overHTTP += min(got.status, 1)
			}
		}
	}
	if t.Logf("%d of these over HTTP", overHTTP); overHTTP < 80 {
		t.Errorf("%d of these over HTTP", overHTTP)
	}
	for _, c := range []asking{alice, web} {
		c.mayNotHave(planted, `"message": "`) // API Gateway's, of a function that failed
	}
	s.has(t, "Events", "users/alice/x", 0)
	s.has(t, "Events", "users/bob/x", 1)
	for _, row := range badMessages {
		s.connectWith(t, f.token(nil)).breaks(row.name, row.kind, row.frame, row.times, row.want)
	}
	s.asker(t, f.token(nil)).subscribesTooMuch()
	s.asker(t, f.token(nil)).sendsTooFast()
}

func (a *asker) subscribesTooMuch() {
	a.t.Helper()
	for n := range events.MaxSubscriptions {
		a.subscribe(fmt.Sprintf("users/alice/%d", n))
	}
	for topic, want := range map[string]string{"users/alice/more": "too_many_subscriptions", "users/bob/x": "forbidden"} {
		if got := answer(a.ask(`{"action":"subscribe","topic":"` + topic + `"}`)); got != want {
			a.t.Errorf("one more, %s: %s, want %s", topic, got, want)
		}
	}
}

func (a *asker) sendsTooFast() {
	a.t.Helper()
	for range 1000 {
		if answer(a.ask(`{"action":"ping"}`)) == "too_many_requests" {
			return
		}
	}
	a.t.Error("a thousand messages at once are answered")
}

// breaks sends a message of n WebSocket frames, and wants the connection closed.
func (c *client) breaks(name string, kind websocket.MessageType, frame string, n int, want websocket.StatusCode) {
	c.t.Helper()
	w, err := c.conn.Writer(c.t.Context(), kind)
	if err != nil {
		c.t.Fatal(err)
	}
	for range n {
		_, _ = w.Write([]byte(frame)) // the connection may be closed by now
	}
	_ = w.Close()
	_, answer, err := c.conn.Read(c.t.Context())
	if got := websocket.CloseStatus(err); got != want {
		c.t.Errorf("%s: closed with %d after %s, want %d: %v", name, got, answer, want, err)
	}
}

// otherSubjects are not alice, whose connection their tokens must not widen.
var otherSubjects = []string{
	"bob", "Alice", "ALICE", "alice2", "alic", "alice ", " alice", "alice/", "alice/..", "*", "**", "{sub}", "admin",
	"\u0430lice", "\uff41lice", "alice\u200d", "alic\u00e9", "alice\u0301",
}

// subjectsLikePatterns want {sub} to be something else than the subject's one segment.
var subjectsLikePatterns = []string{
	"*", "**", "..", ".", "bob/", "/bob", "bob/filled", "bob/**", "../bob", "alice/../bob", "{sub}", "bob ", "Bob", "BOB", "bob\u200d", `bob\`, "b%6fb", "b:6Fb", "bo:62", "bob:", "bob#0", `"bob"`, `","bob`,
}

func TestRefusedWidening(t *testing.T) {
	s, _ := strict(t, nil)
	f := s.ownForger(t)
	s.plant(t, "users/bob/filled")
	alice := s.asker(t, f.token(nil))
	for _, subject := range otherSubjects {
		if got := answer(alice.ask(auth(f.token(claims{"sub": subject, "watchroute": raw(all)})))); got != "bad_token" {
			t.Errorf("auth as %q is answered %s", subject, got)
		}
	}
	stolen := thief("x", ":0~AAAA", `W/"x:1~AAAA"`)
	private(t, "users/bob/filled", stolen, nil, forbidden, alice, s.caller(t, f.token(nil)))
	if got := answer(alice.ask(`{"action":"snapshot","topic":"users/alice/x"}`)); got != "snapshot" {
		t.Errorf("what was allowed is answered %s after that", got)
	}
	for _, subject := range subjectsLikePatterns {
		other := s.asker(t, f.token(claims{"sub": subject}))
		web := s.caller(t, f.token(claims{"sub": subject}))
		web.sparing = true
		for _, c := range []asking{other, web} {
			private(t, "users/bob/filled", stolen, nil, forbidden, c)
			c.mayNotHave(planted, `"seq"`)
		}
	}
	s.revoke(t, "alice", "stolen")
	if got := answer(alice.ask(auth(f.token(claims{"jti": "stolen", "watchroute": raw(all)})))); got != "revoked" {
		t.Errorf("auth with a revoked token is answered %s", got)
	}
	if _, _, err := alice.conn.Read(t.Context()); err == nil {
		t.Error("the connection goes on after revoked")
	}
	alice.mayNotHave(planted)
}

// TestNarrowing has a connection go by a token that allows less, and then by the first
// again, which is valid until it expires or is revoked.
func TestNarrowing(t *testing.T) {
	s, _ := strict(t, nil)
	f := s.ownForger(t)
	narrow := f.token(claims{"watchroute": raw(`{"v":1,"allow":[{"topics":["users/{sub}/kept"],"actions":["subscribe","read"]}]}`)})
	alice, web := s.asker(t, f.token(nil)), s.caller(t, narrow)
	alice.subscribe("users/alice/kept")
	alice.subscribe("users/alice/filled")
	s.put(t, "users/alice/filled", "i", "1")
	epoch := alice.changes(1)[0].Epoch

	if got := string(alice.ask(auth(narrow))); got != `{"type":"unsubscribed","topic":"users/alice/filled","reason":"forbidden"}` {
		t.Errorf("auth with a narrower token is answered %s first", got)
	}
	if got := answer(alice.hear()); got != "authorized" {
		t.Errorf("auth with a narrower token is answered %s last", got)
	}
	s.plant(t, "users/alice/filled")
	page := s.request(t, "GET", "/topics/users/alice/filled?limit=1", f.token(nil))
	stolen := thief(epoch, read[events.TopicItems](t, page, 200).Next, page.header.Get("ETag"))
	private(t, "users/alice/filled", stolen, nil, forbidden, alice, web)
	s.put(t, "users/alice/kept", "i", "1")
	if got := string(alice.hear()); !strings.Contains(got, `"topic":"users/alice/kept"`) {
		t.Errorf("what is still allowed is followed by %s", got)
	}
	for _, c := range []asking{alice, web} {
		c.mayNotHave(planted, epoch, `"topic":"users/alice/filled","epoch"`)
	}

	if got := answer(alice.ask(auth(f.token(claims{"watchroute": nil})))); got != "unsubscribed" {
		t.Errorf("auth with a token that grants nothing is answered %s first", got)
	}
	alice.hear()
	for _, topic := range []string{"users/alice/kept", "users/alice/filled", "stocks/filled"} {
		private(t, topic, stolen, nil, forbidden, alice, s.caller(t, f.token(claims{"watchroute": nil})))
	}
	if got := answer(alice.ask(auth(f.token(nil)))); got != "authorized" {
		t.Errorf("auth with the first token is answered %s", got)
	}
	alice.ask(`{"action":"subscribe","topic":"users/alice/filled","after":"` + epoch + `:1"}`)
	if got := string(alice.hear()); !strings.Contains(got, planted) {
		t.Errorf("resumed by the first token, and got %s", got)
	}
}

// peeks are options of a subscription that would tell what is masked or filtered away.
// guess is the same with another value: who learns nothing gets the same by both.
var peeks = []struct{ name, options, guess string }{
	{"nothing of its own", ``, ``},
	{"broader than the forced filter", `"filter":{"public":[true,false]}`, ``},
	{"against the forced filter", `"filter":{"public":[false]}`, `"filter":{"public":["x"]}`},
	{"without what is forced", `"filter":{"public":[{"exists":false}]}`, `"filter":{"public":["x"]}`},
	{"either of both", `"filter":{"$or":[{"public":[true]},{"public":[false]}]}`, ``},
	{"fields that are masked", `"fields":["secret","deep.secret","pin"]`, `"fields":["nothing","deep.nothing"]`},
	{"field around what is masked", `"fields":["deep"]`, `"fields":["deep.known"]`},
	{"field below what is masked", `"fields":["secret.text","card.text"]`, `"fields":["nothing"]`},
	{"masked member by its value", `"filter":{"secret":["` + planted + `"]}`, `"filter":{"secret":["guess"]}`},
	{"masked member by a prefix", `"filter":{"secret":[{"prefix":"p"}]}`, `"filter":{"secret":[{"prefix":"q"}]}`},
	{"masked member by a suffix", `"filter":{"secret":[{"suffix":"T"}]}`, `"filter":{"secret":[{"suffix":"U"}]}`},
	{"masked member in other capitals", `"filter":{"secret":[{"equals-ignore-case":"` + strings.ToUpper(planted) + `"}]}`, `"filter":{"secret":[{"equals-ignore-case":"X"}]}`},
	{"masked member by what it is not", `"filter":{"secret":[{"anything-but":["guess"]}]}`, `"filter":{"secret":[{"anything-but":["` + planted + `"]}]}`},
	{"masked member is there", `"filter":{"secret":[{"exists":true}]}`, `"filter":{"nothing":[{"exists":true}]}`},
	{"masked member is not there", `"filter":{"secret":[{"exists":false}]}`, `"filter":{"nothing":[{"exists":false}]}`},
	{"masked number", `"filter":{"pin":[{"numeric":[">",1000]}]}`, `"filter":{"pin":[{"numeric":["<",1000]}]}`},
	{"masked member below another", `"filter":{"deep":{"secret":["` + planted + `"]}}`, `"filter":{"deep":{"secret":["guess"]}}`},
	{"replaced member by its value", `"filter":{"card":["` + planted + `"]}`, `"filter":{"card":["guess"]}`},
	{"masked member in an alternative", `"filter":{"$or":[{"secret":[{"prefix":"p"}]},{"price":[1]}]}`, `"filter":{"$or":[{"secret":[{"prefix":"q"}]},{"price":[1]}]}`},
	{"patches", `"delta":true`, `"delta":true,"fields":["public","price","card","deep.known"]`},
	{"patches of masked members", `"delta":true,"fields":["secret","price"]`, `"delta":true,"fields":["price"]`},
}

// TestMaskedStaysMasked changes what is masked and what is filtered away under pairs of
// watchers.
func TestMaskedStaysMasked(t *testing.T) {
	s, _ := strict(t, nil)
	f := s.ownForger(t)
	admin := s.connectWith(t, f.token(claims{"sub": "admin", "watchroute": raw(all)}))
	for n := range peeks {
		admin.subscribe(fmt.Sprintf("prices/%d", n))
	}
	for n := range peeks {
		s.price(t, n, "shown", true, 1, planted)
		s.price(t, n, "hidden-"+planted, false, 2, planted)
	}
	admin.changes(2 * len(peeks))
	peeking, guessing := make([]*asker, len(peeks)), make([]*asker, len(peeks))
	peeked, guessed := make([]string, len(peeks)), make([]string, len(peeks))
	for n, row := range peeks {
		peeking[n], guessing[n] = s.asker(t, f.token(nil)), s.asker(t, f.token(nil))
		peeked[n], guessed[n] = peeking[n].peek(n, row.options), guessing[n].peek(n, row.guess)
	}
	for n := range peeks {
		s.price(t, n, "shown", true, 1, "another "+planted)
		s.price(t, n, "hidden-"+planted, false, 3, planted)
		s.price(t, n, "shown", true, 4, planted)
		s.price(t, n, "shown", false, 4, planted)
		s.price(t, n, "shown", true, 5, planted)
	}
	for n, row := range peeks {
		peeked[n] += peeking[n].follow(7)
		guessed[n] += guessing[n].follow(7)
		if peeked[n] != guessed[n] {
			t.Errorf("%s: sees\n%s\nanother one\n%s", row.name, peeked[n], guessed[n])
		}
		peeking[n].mayNotHave(planted)
	}
}

// peek watches a topic with options, and gives its items as they are seen.
func (a *asker) peek(n int, options string) string {
	a.t.Helper()
	frame := fmt.Sprintf(`{"action":"subscribe","topic":"prices/%d","snapshot":true,%s}`, n, options)
	if got := a.ask(strings.Replace(frame, ",}", "}", 1)); answer(got) != "subscribed" {
		a.t.Fatalf("%s is answered %s", frame, got)
	}
	var page events.Snapshot
	if err := json.Unmarshal(a.hear(), &page); err != nil {
		a.t.Fatal(err)
	}
	return quote(page.Items)
}

// follow gives the changes up to one, without those that are skipped: in how many pieces
// they come depends on the moment.
func (a *asker) follow(seq int64) string {
	a.t.Helper()
	var shown strings.Builder
	for at := int64(0); at < seq; {
		var frame events.Changes
		if err := json.Unmarshal(a.hear(), &frame); err != nil {
			a.t.Fatal(err)
		}
		for _, c := range frame.Changes {
			if at = c.Cursor().Seq; c.Op != events.Skipped {
				shown.WriteString("\n" + quote(c))
			}
		}
	}
	return shown.String()
}

// price writes an item with a price that may be seen and secrets that are masked.
func (s *running) price(t *testing.T, n int, id string, public bool, price int64, secret string) {
	t.Helper()
	s.putItem(t, map[string]types.AttributeValue{
		"topic": text(fmt.Sprintf("prices/%d", n)), "id": text(id), "public": &types.AttributeValueMemberBOOL{Value: public}, "price": number(price),
		"secret": text(secret), "card": text(secret), "pin": number(1000 + int64(len(secret))),
		"deep": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"secret": text(secret), "known": text("x")}},
	})
}
