package stack_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
	goclient "github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/token/tokentest"
)

// rotate gives the secret that tokens are signed with a new current version.
func (s *running) rotate(t *testing.T, text string) {
	t.Helper()
	c := secretsmanager.New(secretsmanager.Options{Region: stack.Region, BaseEndpoint: aws.String(s.URL()),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
	if _, err := c.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String(s.Outputs["TokenSecretArn"]), SecretString: &text}); err != nil {
		t.Fatal(err)
	}
}

// TestRotatedSecretLetsNobodyWait has a stranger send bad tokens, at the handshake and on an
// open connection, before and after the secret is rotated. Tokens of the new secret are taken
// at once, those of the one before stay good, and older ones do not.
func TestRotatedSecretLetsNobodyWait(t *testing.T) {
	s := start(t, tokensOnly)
	first := s.ownForger(t)
	bad := newForger(tokentest.Secret([]byte(strings.Repeat("bad", 12))), nil).token(nil)
	alice := s.asker(t, first.token(nil))
	strangers := func() {
		for range 5 {
			if got := s.knock(t, bad); got != http.StatusUnauthorized {
				t.Errorf("a bad token: status %d", got)
			}
			if got := answer(alice.ask(auth(bad))); got != "bad_token" {
				t.Errorf("auth with a bad token is answered %s", got)
			}
		}
	}
	strangers()
	s.rotate(t, strings.Repeat("second", 8)+"\n") // as an editor saves it
	second := newForger(tokentest.Secret([]byte(strings.Repeat("second", 8))), nil)
	for name, token := range map[string]string{"of the new secret": second.token(nil), "of the one before": first.token(nil)} {
		if got := s.knock(t, token); got != http.StatusSwitchingProtocols {
			t.Errorf("a token %s: status %d", name, got)
		}
		if got := answer(alice.ask(auth(token))); got != "authorized" {
			t.Errorf("auth with a token %s is answered %s", name, got)
		}
	}
	strangers()
	s.rotate(t, strings.Repeat("third", 8))
	third := newForger(tokentest.Secret([]byte(strings.Repeat("third", 8))), nil)
	for _, row := range []struct {
		of   string
		with forger
		want int
	}{{"third", third, http.StatusSwitchingProtocols}, {"second", second, http.StatusSwitchingProtocols}, {"first", first, http.StatusUnauthorized}} {
		if got := s.knock(t, row.with.token(nil)); got != row.want {
			t.Errorf("after two rotations, a token of the %s secret: status %d, want %d", row.of, got, row.want)
		}
	}
}

// TestTokenOnASecondHeaderLine is the other line's neighbour, as some libraries send them.
func TestTokenOnASecondHeaderLine(t *testing.T) {
	s := start(t, tokensOnly)
	bearer := "bearer." + s.ownForger(t).token(nil)
	for _, lines := range [][]string{{"watchroute.v1", bearer}, {bearer, "watchroute.v1"}} {
		_, response := s.handshake(t, "", http.Header{"Sec-Websocket-Protocol": lines})
		if got := response.Header.Get("Sec-WebSocket-Protocol"); response.StatusCode != http.StatusSwitchingProtocols || got != "watchroute.v1" {
			t.Errorf("%.20q: status %d, subprotocol %q", lines, response.StatusCode, got)
		}
	}
}

// TestSubjectsReachTheirOwnTopics, as issuers make them, and nobody else's.
func TestSubjectsReachTheirOwnTopics(t *testing.T) {
	s := start(t, tokensOnly)
	f := s.ownForger(t)
	for subject, other := range map[string]string{
		"auth0|5f7c8ec7": "auth0:7C5f7c8ec7", "bob+tag@example.org": "bob", "repo:o/r": "repo:o", "Zoë": "Zoe", "a/b": "a",
	} {
		own, err := goclient.TopicFor("users/{sub}/inbox", subject)
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := goclient.TopicFor("users/{sub}/inbox", other)
		if err != nil {
			t.Fatal(err)
		}
		a := s.asker(t, f.token(claims{"sub": subject}))
		for topic, want := range map[events.Topic]string{own: "subscribed", foreign: "forbidden", "users/*": "forbidden"} {
			if got := answer(a.ask(`{"action":"subscribe","topic":` + quote(topic) + `}`)); got != want {
				t.Errorf("%s subscribes to %s: %s, want %s", subject, topic, got, want)
			}
		}
	}
}
