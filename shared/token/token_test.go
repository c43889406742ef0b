package token_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/token"
	"github.com/watchroute/watchroute/shared/token/tokentest"
	"github.com/watchroute/watchroute/shared/watch"
)

const (
	issuerURL = "https://issuer.example.com"
	audience  = "watchroute"
	// planted is in every refused token, and must be in no error.
	planted = "planted-4711"
)

// at is when tests run.
var at = time.Unix(1_770_660_703, 0)

// theSecret is that of tokens signed with HS256.
var theSecret = []byte("0123456789abcdef0123456789abcdef")

// keys are made once: an RSA key takes its time.
var keys = sync.OnceValue(func() map[string]tokentest.Key {
	made := map[string]tokentest.Key{"HS256": tokentest.Secret(theSecret)}
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		made[algorithm] = tokentest.NewKey(strings.ToLower(algorithm), algorithm)
	}
	return made
})

// direct is a client whose requests are answered without a network.
func direct(handler http.Handler) *http.Client {
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, r)
		return recorder.Result(), nil
	})}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// settings takes tokens of an issuer that is reached without a network.
func settings(issuer *tokentest.Issuer) token.Settings {
	return token.Settings{Issuer: issuer.URL, Audience: audience, HTTPClient: direct(issuer), Now: func() time.Time { return at }}
}

// withSecret takes tokens signed with theSecret.
func withSecret() token.Settings {
	return token.Settings{
		Issuer: issuerURL, Audience: audience, Now: func() time.Time { return at },
		Secrets: func(context.Context) ([][]byte, error) { return [][]byte{theSecret}, nil },
	}
}

func open(t testing.TB, s token.Settings) *token.Verifier {
	t.Helper()
	v, err := token.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// verifiers are one for the keys of an issuer, which has all of them, and one for the
// secret.
func verifiers(t testing.TB) (byKeys, bySecret *token.Verifier) {
	t.Helper()
	k := keys()
	return open(t, settings(tokentest.NewIssuer(issuerURL, k["RS256"], k["ES256"], k["EdDSA"]))), open(t, withSecret())
}

// payload makes claims that are taken, but for what with changes, as JSON; nil leaves
// a claim out.
func payload(with map[string]any) string {
	claims := map[string]any{
		"iss": issuerURL, "aud": audience, "sub": "alice", "jti": planted,
		"iat": at.Unix(), "exp": at.Add(time.Hour).Unix(),
	}
	for name, value := range with {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	encoded, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

func TestVerifyTakesEachAlgorithm(t *testing.T) {
	byKeys, bySecret := verifiers(t)
	claim := map[string]any{"watchroute": map[string]any{"v": 1}}
	for algorithm, key := range keys() {
		v := byKeys
		if algorithm == "HS256" {
			v = bySecret
		}
		got, err := v.Verify(t.Context(), key.Token(payload(claim)))
		if err != nil {
			t.Errorf("%s: %v", algorithm, err)
			continue
		}
		if got.Subject != "alice" || got.ID != planted || string(got.Claim) != `{"v":1}` ||
			!got.Issued.Equal(at) || !got.Expires.Equal(at.Add(time.Hour)) {
			t.Errorf("%s: %+v", algorithm, got)
		}
	}
}

func TestVerifyTakesClaims(t *testing.T) {
	_, v := verifiers(t)
	for name, with := range map[string]map[string]any{
		"without an id":                  {"jti": nil},
		"an audience of several":         {"aud": []string{"other", audience}},
		"expired within the leeway":      {"exp": at.Add(-59 * time.Second).Unix()},
		"issued ahead, within leeway":    {"iat": at.Add(time.Minute).Unix()},
		"valid ahead, within leeway":     {"nbf": at.Add(time.Minute).Unix()},
		"valid since long":               {"nbf": 0},
		"a date with a fraction":         {"exp": float64(at.Unix()) + 0.5},
		"a subject of 256 bytes":         {"sub": strings.Repeat("é", 128)},
		"claims that are not ours":       {"scope": "all", "nested": map[string]any{"sub": "eve"}},
		"names that differ in case only": {"SUB": "eve", "Exp": 1, "AUD": 7},
	} {
		got, err := v.Verify(t.Context(), keys()["HS256"].Token(payload(with)))
		if err != nil || got.Subject == "eve" || got.Claim != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestVerifyRefusesClaims signs each payload with each kind of key.
func TestVerifyRefusesClaims(t *testing.T) {
	for reason, payloads := range map[string][]string{
		"expired": {
			payload(map[string]any{"exp": at.Add(-time.Minute).Unix()}), // the leeway excluded
			payload(map[string]any{"exp": 0}),
			payload(map[string]any{"exp": -1e9}),
		},
		"without expiry": {payload(map[string]any{"exp": nil}), payload(map[string]any{"exp": nil, "EXP": at.Add(time.Hour).Unix()})},
		`payload has "exp", but not as a date`: {
			payload(map[string]any{"exp": fmt.Sprint(at.Add(time.Hour).Unix())}),
			payload(map[string]any{"exp": true}),
			payload(map[string]any{"exp": 1e300}),
			payload(map[string]any{"exp": []int{1}}),
			`{"sub":"` + planted + `","exp":null}`,
			`{"sub":"` + planted + `","exp":1e999}`,
		},
		"without time of issue":                {payload(map[string]any{"iat": nil})},
		"issued in the future":                 {payload(map[string]any{"iat": at.Add(61 * time.Second).Unix()}), payload(map[string]any{"iat": 2e11})},
		`payload has "iat", but not as a date`: {payload(map[string]any{"iat": planted})},
		"not valid yet":                        {payload(map[string]any{"nbf": at.Add(61 * time.Second).Unix()})},
		`payload has "nbf", but not as a date`: {payload(map[string]any{"nbf": "0"}), `{"sub":"` + planted + `","nbf":null}`},
		"of another issuer": {
			payload(map[string]any{"iss": "https://" + planted}),
			payload(map[string]any{"iss": issuerURL + "/"}),
			payload(map[string]any{"iss": nil}),
		},
		`payload has "iss", but not as a string`: {payload(map[string]any{"iss": []string{issuerURL}})},
		"for another audience": {
			payload(map[string]any{"aud": planted}),
			payload(map[string]any{"aud": []string{planted, "Watchroute"}}),
			payload(map[string]any{"aud": []string{}}),
			payload(map[string]any{"aud": nil}),
		},
		`payload has "aud", but not as strings`:  {payload(map[string]any{"aud": []any{audience, 7}})},
		`payload has "aud", but not as a string`: {payload(map[string]any{"aud": map[string]any{audience: true}})},
		"no subject of 1 to 256 bytes without control characters": {
			payload(map[string]any{"sub": nil}),
			payload(map[string]any{"sub": ""}),
			payload(map[string]any{"sub": strings.Repeat("x", 257)}),
			payload(map[string]any{"sub": planted + "\x00"}),
			payload(map[string]any{"sub": planted + "\n"}),
			payload(map[string]any{"sub": watch.Deployer}),
			payload(map[string]any{"sub": planted + "\u0085"}),
			strings.Replace(payload(nil), "alice", "\xff", 1),
			strings.Replace(payload(nil), "alice", `\ud800`, 1),
		},
		`payload has "sub", but not as a string`: {payload(map[string]any{"sub": 7}), `{"jti":"` + planted + `","sub":null}`},
		"its id is longer than 256 bytes or has control characters": {
			payload(map[string]any{"jti": strings.Repeat(planted, 22)}),
			payload(map[string]any{"jti": planted + "\x1b"}),
		},
		"payload has a name twice": {
			strings.Replace(payload(nil), "{", `{"sub":"`+planted+`",`, 1),
			strings.Replace(payload(nil), "{", `{"\u0073ub":"`+planted+`",`, 1),
			strings.Replace(payload(nil), "{", `{"extra":1,"extra":2,`, 1),
		},
		"payload is not a JSON object": {
			"", "null", "[]", `"` + planted + `"`, "{", `{"sub"}`, `{"sub":"` + planted + `",}`,
			payload(nil) + "x", payload(nil) + payload(nil), planted,
			keys()["HS256"].Token(payload(nil)), // a token in a token
		},
	} {
		for _, payload := range payloads {
			for algorithm, key := range keys() {
				refused(t, algorithm, key.Token(payload), reason)
			}
		}
	}
}

// refused expects a token to be refused for a reason, by the verifier for its kind of
// key, and the error to have nothing of it.
func refused(t *testing.T, algorithm, raw, reason string) {
	t.Helper()
	byKeys, bySecret := verifiers(t)
	v := byKeys
	if algorithm == "HS256" {
		v = bySecret
	}
	got, err := v.Verify(t.Context(), raw)
	if !errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrUnavailable) || err.Error() != "token is invalid: "+reason {
		t.Errorf("%s: error %v, want %s, for %s", algorithm, err, reason, raw)
		return
	}
	if got.Subject != "" || got.Claim != nil {
		t.Errorf("%s: a refused token came with %+v", algorithm, got)
	}
	if strings.Contains(err.Error(), planted) {
		t.Errorf("%s: error %v has something of the token", algorithm, err)
	}
}

// pemOf and jwkOf are forms in which a public key goes around.
func pemOf(t *testing.T, key tokentest.Key) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func jwkOf(t *testing.T, key tokentest.Key) []byte {
	t.Helper()
	encoded, err := json.Marshal(key.JWK())
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// TestVerifyRefusesAlgorithmConfusion has tokens say of themselves how they are to be
// verified.
func TestVerifyRefusesAlgorithmConfusion(t *testing.T) {
	const (
		foreign = "its algorithm is not one that is taken here"
		noKey   = "no key has its id and algorithm"
		wrong   = "its signature is wrong"
	)
	rs, es, ed, hs := keys()["RS256"], keys()["ES256"], keys()["EdDSA"], keys()["HS256"]
	unsigned := func(header string) string {
		signed := hs.Sign(header, payload(nil))
		return signed[:strings.LastIndex(signed, ".")+1]
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "hs256", "rs256", "HS384", "RS384", "PS256", "ES256K", "Ed448", "ed25519", "dir", planted} {
		header := fmt.Sprintf(`{"alg":%q,"kid":"rs256"}`, alg)
		refused(t, "RS256", unsigned(header), foreign)
		refused(t, "RS256", rs.Sign(header, payload(nil)), foreign)
		refused(t, "HS256", unsigned(header), foreign)
		refused(t, "HS256", hs.Sign(header, payload(nil)), foreign)
	}
	for _, secret := range [][]byte{pemOf(t, rs), pemOf(t, es), jwkOf(t, rs), jwkOf(t, ed), nil} {
		for _, id := range []string{"rs256", "es256", "eddsa", "hs256"} {
			forged := tokentest.Secret(secret).Sign(fmt.Sprintf(`{"alg":"HS256","kid":%q}`, id), payload(nil))
			refused(t, "RS256", forged, foreign)
		}
	}
	for name, c := range map[string]struct{ verifier, raw, reason string }{
		"unsigned, says RS256":            {"RS256", unsigned(`{"alg":"RS256","kid":"rs256"}`), wrong},
		"unsigned, says HS256":            {"HS256", unsigned(`{"alg":"HS256"}`), wrong},
		"RS256 under an EC key's id":      {"RS256", rs.Sign(`{"alg":"RS256","kid":"es256"}`, payload(nil)), noKey},
		"EC signature, says RS256":        {"RS256", es.Sign(`{"alg":"RS256","kid":"rs256"}`, payload(nil)), wrong},
		"EdDSA signature, says ES256":     {"RS256", ed.Sign(`{"alg":"ES256","kid":"es256"}`, payload(nil)), wrong},
		"RS256 to who takes a secret":     {"HS256", rs.Token(payload(nil)), foreign},
		"a secret's, to who takes keys":   {"RS256", hs.Token(payload(nil)), foreign},
		"another secret's":                {"HS256", tokentest.Secret([]byte(strings.Repeat(planted, 3))).Token(payload(nil)), wrong},
		"another issuer's key of that id": {"RS256", tokentest.NewKey("eddsa", "EdDSA").Token(payload(nil)), wrong},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.verifier, c.raw, c.reason) })
	}
}

func TestVerifyRefusesHeaders(t *testing.T) {
	const extension = "header asks for an extension"
	ed := keys()["EdDSA"]
	for header, reason := range map[string]string{
		`{"alg":"EdDSA","kid":"` + planted + `"}`:                  "no key has its id and algorithm",
		`{"alg":"EdDSA","kid":"EDDSA"}`:                            "no key has its id and algorithm",
		`{"kid":"eddsa"}`:                                          "its algorithm is not one that is taken here",
		`{"alg":7,"kid":"eddsa"}`:                                  `header has "alg", but not as a string`,
		`{"alg":["EdDSA"],"kid":"eddsa"}`:                          `header has "alg", but not as a string`,
		`{"alg":"EdDSA","kid":null}`:                               `header has "kid", but not as a string`,
		`{"alg":"EdDSA","kid":"eddsa","crit":[]}`:                  extension,
		`{"alg":"EdDSA","kid":"eddsa","crit":["exp"],"exp":1}`:     extension,
		`{"alg":"EdDSA","kid":"eddsa","crit":["b64"],"b64":true}`:  extension,
		`{"alg":"EdDSA","kid":"eddsa","crit":["b64"],"b64":false}`: extension,
		`{"alg":"EdDSA","kid":"eddsa","b64":false}`:                extension,
		`{"alg":"EdDSA","kid":"eddsa","alg":"EdDSA"}`:              "header has a name twice",
		`{"alg":"none","kid":"eddsa","alg":"EdDSA"}`:               "header has a name twice",
		`{"alg":"EdDSA","kid":"eddsa"} ` + planted:                 "header is not a JSON object",
		`["EdDSA"]`:                     "header is not a JSON object",
		"null":                          "header is not a JSON object",
		"":                              "header is not a JSON object",
		`{"ALG":"EdDSA","kid":"eddsa"}`: "its algorithm is not one that is taken here",
	} {
		refused(t, "EdDSA", ed.Sign(header, payload(nil)), reason)
	}
}

func TestVerifyRefusesWhatIsNoToken(t *testing.T) {
	const parts, alphabet = "not three parts, as a signed token has", "not base64url"
	good := keys()["HS256"].Token(payload(nil))
	header, rest, _ := strings.Cut(good, ".")
	_, signature, _ := strings.Cut(rest, ".")
	for raw, reason := range map[string]string{
		"":                               parts,
		planted:                          parts,
		".":                              parts,
		"..":                             "header is not a JSON object",
		header + "." + signature:         parts,
		good + "." + planted:             parts,
		good + "." + planted + ".":       parts, // five, as an encrypted token has
		strings.Repeat(".", 8192):        parts,
		strings.Repeat("x", 8193):        "longer than 8 KB",
		good + strings.Repeat("A", 8192): "longer than 8 KB",
		"Bearer " + good:                 alphabet,
		" " + good:                       alphabet,
		good + "\n":                      alphabet,
		good + "=":                       alphabet,
		header + "\r\n." + rest:          alphabet,
		header + "\x00." + rest:          alphabet,
		header + "é." + rest:             alphabet,
		good + "+/":                      alphabet,
		`{"payload":"` + planted + `"}`:  parts,
	} {
		refused(t, "HS256", raw, reason)
	}
}

// TestVerifyRefusesWhatIsWrittenOtherwise changes each character of a token, the last
// bits of its parts included: none of that is what was signed.
func TestVerifyRefusesWhatIsWrittenOtherwise(t *testing.T) {
	byKeys, bySecret := verifiers(t)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for algorithm, key := range keys() {
		v := byKeys
		if algorithm == "HS256" {
			v = bySecret
		}
		good := key.Token(payload(nil))
		for i := range good {
			if i%7 != 0 && i < len(good)-3 && good[i] != '.' && algorithm != "HS256" {
				continue // the slow ones are tried here and there
			}
			for _, bit := range []int{1, 32} {
				changed := "A"
				if at := strings.IndexByte(alphabet, good[i]); at >= 0 {
					changed = alphabet[at^bit : at^bit+1]
				}
				if _, err := v.Verify(t.Context(), good[:i]+changed+good[i+1:]); !errors.Is(err, token.ErrInvalid) {
					t.Fatalf("%s with character %d changed: %v", algorithm, i, err)
				}
			}
		}
	}
}

// TestVerifyIgnoresKeysInTheHeader has a token bring its own key, and the address of
// one, by which it verifies.
func TestVerifyIgnoresKeysInTheHeader(t *testing.T) {
	forger := tokentest.NewKey("eddsa", "EdDSA")
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		_, _ = fmt.Fprintf(w, `{"keys":[%s]}`, jwkOf(t, forger))
	}))
	defer server.Close()
	certificate := base64.StdEncoding.EncodeToString([]byte("certificate"))
	for _, more := range []string{
		fmt.Sprintf(`"jwk":%s`, jwkOf(t, forger)),
		fmt.Sprintf(`"jku":"%s/jku"`, server.URL),
		fmt.Sprintf(`"x5u":"%s/x5u"`, server.URL),
		fmt.Sprintf(`"x5c":[%q]`, certificate),
	} {
		header := `{"alg":"EdDSA","kid":"eddsa",` + more + `}`
		refused(t, "EdDSA", forger.Sign(header, payload(nil)), "its signature is wrong")
	}
	if len(asked) > 0 {
		t.Errorf("a header made us ask for %q", asked)
	}
}

// TestKeysAsIssuersPublishThem: ids are missing, on keys or in tokens, or not the only ones.
func TestKeysAsIssuersPublishThem(t *testing.T) {
	k := keys()
	first, second := tokentest.NewKey("first", "EdDSA"), tokentest.NewKey("second", "EdDSA")
	nameless, alsoFirst := tokentest.NewKey("", "EdDSA"), tokentest.NewKey("first", "EdDSA")
	const noKey, wrong = "no key has its id and algorithm", "its signature is wrong"
	header := map[string]string{"": `{"alg":"EdDSA"}`, "first": `{"alg":"EdDSA","kid":"first"}`, "third": `{"alg":"EdDSA","kid":"third"}`}
	for name, c := range map[string]struct {
		published []tokentest.Key
		id        string
		by        tokentest.Key
		want      string
	}{
		"no id, one key":                          {[]tokentest.Key{first}, "", first, ""},
		"no id, one key of that algorithm":        {[]tokentest.Key{k["RS256"], first}, "", first, ""},
		"no id, the first of several":             {[]tokentest.Key{first, second, nameless}, "", first, ""},
		"no id, the last of several":              {[]tokentest.Key{first, second, nameless}, "", nameless, ""},
		"no id, by none of several":               {[]tokentest.Key{first, second}, "", nameless, wrong},
		"no id, no key of that algorithm":         {[]tokentest.Key{k["RS256"]}, "", first, noKey},
		"no id, no key":                           {nil, "", first, noKey},
		"an id, beside a key without":             {[]tokentest.Key{nameless, first}, "first", first, ""},
		"an id, beside two keys without":          {[]tokentest.Key{nameless, tokentest.NewKey("", "EdDSA"), first}, "first", first, ""},
		"an id that is not the signer's":          {[]tokentest.Key{nameless, first}, "first", nameless, wrong},
		"an id of two keys, by the first":         {[]tokentest.Key{first, alsoFirst}, "first", first, ""},
		"an id of two keys, by the second":        {[]tokentest.Key{first, alsoFirst}, "first", alsoFirst, ""},
		"an id that no key has, two have none":    {[]tokentest.Key{first, tokentest.NewKey("", "EdDSA"), nameless}, "third", nameless, ""},
		"an id that no key has, signed by others": {[]tokentest.Key{first, second}, "third", first, noKey},
	} {
		_, err := open(t, settings(tokentest.NewIssuer(issuerURL, c.published...))).Verify(t.Context(), c.by.Sign(header[c.id], payload(nil)))
		if (err == nil) != (c.want == "") || err != nil && (!errors.Is(err, token.ErrInvalid) || !strings.HasSuffix(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestManyKeysAreTriedUpToABound has the signer as the 16th and as the 17th key of the set.
func TestManyKeysAreTriedUpToABound(t *testing.T) {
	var published []tokentest.Key
	for range 17 {
		published = append(published, tokentest.NewKey("", "EdDSA"))
	}
	v := open(t, settings(tokentest.NewIssuer(issuerURL, published...)))
	if _, err := v.Verify(t.Context(), published[15].Token(payload(nil))); err != nil {
		t.Errorf("the 16th: %v", err)
	}
	if _, err := v.Verify(t.Context(), published[16].Token(payload(nil))); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("the 17th: %v", err)
	}
}

// TestEd25519HasTwoNames, which keys and tokens may each have (RFC 9864).
func TestEd25519HasTwoNames(t *testing.T) {
	key := keys()["EdDSA"]
	for _, ofKey := range []string{`"alg":"EdDSA",`, `"alg":"Ed25519",`, ``} {
		document := fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"eddsa",%s"x":%q}]}`, ofKey, key.JWK()["x"])
		v := open(t, token.Settings{JWKSURL: "https://a/k", Audience: audience, HTTPClient: direct(answers{"a/k": document}), Now: func() time.Time { return at }})
		for name, want := range map[string]error{"EdDSA": nil, "Ed25519": nil, "Ed448": token.ErrInvalid} {
			raw := key.Sign(fmt.Sprintf(`{"alg":%q,"kid":"eddsa"}`, name), payload(nil))
			if _, err := v.Verify(t.Context(), raw); !errors.Is(err, want) {
				t.Errorf("key %s, token %s: %v, want %v", ofKey, name, err, want)
			}
			changed := raw[:len(raw)-10] + "AAAAAAAAAA"
			if _, err := v.Verify(t.Context(), changed); !errors.Is(err, token.ErrInvalid) {
				t.Errorf("key %s, token %s, with another signature: %v", ofKey, name, err)
			}
		}
	}
}

// TestAccessTokensOfCognito have "client_id" and no "aud".
func TestAccessTokensOfCognito(t *testing.T) {
	_, v := verifiers(t)
	const other = "for another audience"
	for name, c := range map[string]struct {
		with map[string]any
		want string
	}{
		"an access token":                {map[string]any{"aud": nil, "token_use": "access", "client_id": audience}, ""},
		"of another client":              {map[string]any{"aud": nil, "token_use": "access", "client_id": planted}, other},
		"without a client":               {map[string]any{"aud": nil, "token_use": "access"}, other},
		"of an empty client":             {map[string]any{"aud": nil, "token_use": "access", "client_id": ""}, other},
		"of another use":                 {map[string]any{"aud": nil, "token_use": "id", "client_id": audience}, other},
		"of no use":                      {map[string]any{"aud": nil, "client_id": audience}, other},
		"its audience counts if it has":  {map[string]any{"aud": planted, "token_use": "access", "client_id": audience}, other},
		"no audience in the list":        {map[string]any{"aud": []string{}, "token_use": "access", "client_id": audience}, other},
		"an ID token":                    {map[string]any{"token_use": "id"}, ""},
		"an audience and another client": {map[string]any{"token_use": "access", "client_id": planted}, ""},
		"a client that is a number":      {map[string]any{"aud": nil, "token_use": "access", "client_id": 7}, `payload has "client_id", but not as a string`},
		"clients in a list":              {map[string]any{"aud": nil, "token_use": "access", "client_id": []string{audience}}, `payload has "client_id", but not as a string`},
	} {
		_, err := v.Verify(t.Context(), keys()["HS256"].Token(payload(c.with)))
		if (err == nil) != (c.want == "") || err != nil && (!errors.Is(err, token.ErrInvalid) || !strings.HasSuffix(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	anyAudience := open(t, token.Settings{Secrets: withSecret().Secrets, Now: func() time.Time { return at }})
	raw := keys()["HS256"].Token(payload(map[string]any{"aud": nil, "token_use": "access", "client_id": planted}))
	if _, err := anyAudience.Verify(t.Context(), raw); err != nil {
		t.Errorf("where no audience is set: %v", err)
	}
}

func TestVerifyWithoutIssuerAndAudience(t *testing.T) {
	v := open(t, token.Settings{Secrets: withSecret().Secrets, Now: func() time.Time { return at }})
	sign := func(with map[string]any) string { return keys()["HS256"].Token(payload(with)) }
	if _, err := v.Verify(t.Context(), sign(map[string]any{"aud": nil})); err != nil {
		t.Errorf("any issuer: %v", err)
	}
	_, err := v.Verify(t.Context(), sign(nil))
	if !errors.Is(err, token.ErrInvalid) || !strings.Contains(err.Error(), "none is set here") {
		t.Errorf("for an audience that is not set: %v", err)
	}
}
