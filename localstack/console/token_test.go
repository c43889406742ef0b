package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/console"
	"github.com/watchroute/watchroute/shared/token"
)

func TestTokenIsOneThatTheServiceTakes(t *testing.T) {
	verifier, err := token.New(token.Settings{Secrets: func(context.Context) ([][]byte, error) { return [][]byte{secret}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	const claim = `{"v":1,"allow":[{"topics":["rooms/*"],"actions":["subscribe"]}]}`
	for seconds, life := range map[string]time.Duration{`,"seconds":60`: time.Minute, ``: time.Hour, `,"seconds":2592000`: 720 * time.Hour} {
		w := post(serve(nil), "/_localstack/token", `{"sub":"ada","id":"t1","claim":`+claim+seconds+`}`)
		var answer struct {
			Token   string
			Expires time.Time
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err, w.Body)
		}
		got, err := verifier.Verify(t.Context(), answer.Token)
		if err != nil || got.Subject != "ada" || got.ID != "t1" || string(got.Claim) != claim {
			t.Errorf("the token is %+v, %v", got, err)
		}
		if off := time.Until(got.Expires) - life; off.Abs() > 10*time.Second || got.Expires.Sub(answer.Expires).Abs() > time.Second {
			t.Errorf("with %q it expires at %v and is said to at %v", seconds, got.Expires, answer.Expires)
		}
	}
}

// everything is a grant of all topics.
const everything = `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read","publish"]}]}`

func TestTokensThatTheServiceWouldRefuse(t *testing.T) {
	for body, want := range map[string]string{
		`{"sub":"","claim":` + everything + `}`:    "subject",
		`{"sub":"ada"}`:                            "claim",
		`{"sub":"ada","claim":{"v":2,"allow":[]}}`: "version",
		`{"sub":"ada","claim":{"v":1,"allow":[{"topics":["a/**/b"],"actions":["read"]}]}}`:     "allow[0].topics[0]",
		`{"sub":"ada","claim":{"v":1,"allow":[{"topics":["a"],"actions":["rule"]}]}}`:          "unknown action",
		`{"sub":"ada","seconds":-1,"claim":{"v":1,"allow":[]}}`:                                "seconds is -1",
		`{"sub":"ada","seconds":2592001,"claim":{"v":1,"allow":[]}}`:                           "from 1 to 2592000",
		`{"sub":"ada","id":"` + strings.Repeat("x", 300) + `","claim":` + everything + `}`:     "id",
		`{"sub":"ada","claim":` + everything + `,"secret":"mine"}`:                             "unknown field",
		`{"sub":"ada\u0000","claim":{"v":1,"allow":[{"topics":["a"],"actions":["publish"]}]}}`: "subject",
	} {
		w := post(serve(nil), "/_localstack/token", body)
		if got := problem(t, w); w.Code != http.StatusBadRequest || !strings.Contains(got, want) {
			t.Errorf("%s is answered %d, %s; want %s", body, w.Code, got, want)
		}
	}
}

func TestStacksWithoutASecret(t *testing.T) {
	for status, give := range map[int]func(context.Context) ([]byte, error){
		http.StatusConflict:            func(context.Context) ([]byte, error) { return nil, nil },
		http.StatusInternalServerError: func(context.Context) ([]byte, error) { return nil, errors.New("read the secret: gone") },
	} {
		s := serve(func(o *console.Options) { o.Secret = give })
		if w := post(s, "/_localstack/token", changing["/_localstack/token"]); w.Code != status || !strings.Contains(problem(t, w), "secret") {
			t.Errorf("it is answered %d, %s, want %d", w.Code, w.Body, status)
		}
	}
}
