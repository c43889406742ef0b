package stack_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/stack"
	goclient "github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/token"
)

// unprintable marks what must not be printed: data, names in it, filters, masks, subjects,
// ids of tokens and items, whatever clients send. It is followed by what it marks.
const unprintable = "pL4nTeD"

// TestNothingSecretIsPrinted plants a text wherever users and clients can put one, and
// looks for it, for tokens and for their secret, in all that the stack, the functions and
// the client have printed: while all goes well, while everything is broken on purpose, and
// where a grant is missing, so that calls fail for good.
func TestNothingSecretIsPrinted(t *testing.T) {
	t.Parallel()
	log := &logged{}
	faults := fault.All()
	faults[fault.Pause], faults[fault.SplitShard] = 0.5, 0.5
	s := start(t, func(o *stack.Options) {
		o.Anonymous, o.Log, o.Logger, o.Faults = false, log, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), fault.New(faults, seed)
		o.Template = edited(t, func(resources object) {
			take(t, resources, "MessageRole", "dynamodb:Query", "Events") // snapshots fail
			take(t, resources, "RevokeRole", "dynamodb:Query", "Connections")
			environment(resources, "Connect")["MAX_CONNECTIONS"] = "3"
		})
	})
	secrets := []string{unprintable, s.secret(t, "TokenSecretArn"), s.secret(t, "ServiceSecretArn")}
	tokenFor := func(n int) string {
		made := s.token(t, fmt.Sprintf("%s-subject-%d", unprintable, n), `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read","publish"],`+
			`"mask":{"omit":["`+unprintable+`"],"replace":{"card":"`+unprintable+`"}}}]}`, func(t *token.Token) { t.ID = unprintable + "-token" })
		secrets = append(secrets, strings.Split(made, ".")...)
		return made
	}
	s.tryTokens(t, tokenFor(0))
	for n := range 4 {
		s.misbehave(t, tokenFor(n))
	}
	s.watchPlanted(t, tokenFor(5), log)
	s.revoke(t, unprintable+"-subject-5", unprintable+"-token")
	log.await(t, "revocation incomplete")
	s.Close()

	text := log.String()
	for _, trace := range []string{"token refused", "request failed", "record refused", "function failed", "connected"} {
		if !strings.Contains(text, trace) {
			t.Errorf("nothing was printed of %q: the run was not full", trace)
		}
	}
	for _, secret := range secrets {
		if before, after, found := strings.Cut(text, secret); found {
			t.Errorf("printed is …%s[%.20s]%.60s…", before[max(0, len(before)-200):], secret, after)
		}
	}
}

// tryTokens connects with a token that is good and with what can be made of it that is not,
// in each place where one can be.
func (s *running) tryTokens(t *testing.T, good string) {
	t.Helper()
	for _, raw := range []string{good, good + "x", unprintable, unprintable + "." + unprintable + "." + unprintable, strings.ToUpper(good), "", good[:len(good)/2]} {
		for _, header := range []http.Header{
			{"Authorization": {"Bearer " + raw}}, {"Authorization": {"Basic " + raw}}, {"Sec-WebSocket-Protocol": {"watchroute.v1, bearer." + raw}}, nil,
		} {
			query := ""
			if header == nil {
				query = "?token=" + raw + "&" + unprintable + "=" + unprintable
			}
			if conn, _, err := websocket.Dial(t.Context(), s.WebSocketURL()+query, &websocket.DialOptions{HTTPHeader: header}); err == nil {
				_ = conn.CloseNow()
			}
		}
	}
}

// misbehave sends what is refused, what fails and what is carried out, all with unprintable
// texts, and does not wait for answers, which the faults may have lost.
func (s *running) misbehave(t *testing.T, token string) {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), s.WebSocketURL(), &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		return // by a fault, or as the subject has too many
	}
	defer func() { _ = conn.CloseNow() }()
	for _, frame := range []string{
		unprintable, `{"` + unprintable, `"` + unprintable + `"`, `{"action":"` + unprintable + `","id":"` + unprintable + `"}`, `{"action":1,"id":"` + unprintable + `"}`,
		`{"action":"subscribe","topic":"` + unprintable + `//x"}`, `{"action":"subscribe","topic":"a","after":"` + unprintable + `"}`,
		`{"action":"subscribe","topic":"a","filter":{"` + unprintable + `":["` + unprintable + `"]},"fields":["` + unprintable + `"]}`,
		`{"action":"subscribe","topic":"a","filter":{"` + unprintable + `":"` + unprintable + `"}}`,
		`{"action":"snapshot","id":"` + unprintable + `","topic":"a"}`, `{"action":"snapshot","topic":"a","next":"` + unprintable + `"}`,
		`{"action":"publish","topic":"a","item":{"id":"` + unprintable + `","data":{"` + unprintable + `":"` + unprintable + `","card":1}}}`,
		`{"action":"publish","topic":"a","item":{"id":"` + unprintable + `","data":{"expiresAt":"` + unprintable + `"}}}`,
		`{"action":"publish","topic":"a","item":{"id":"` + unprintable + `","data":{"n":1e999,"` + unprintable + `":1}}}`,
		`{"action":"publish","topic":"a","item":{"id":"` + unprintable + `","data":{"x":` + strings.Replace(nested(40), "1", `"`+unprintable+`"`, 1) + `}}}`,
		`{"action":"auth","token":"` + token + `"}`, `{"action":"auth","token":"` + token + `x"}`, `{"action":"auth","action":"` + unprintable + `","token":"` + token + `"}`,
		`{"action":"` + token + `"}`, `{"action":"ping","topic":"` + unprintable + `","cursors":{"` + unprintable + `":"` + unprintable + `"}}`,
	} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	_ = conn.Write(t.Context(), websocket.MessageBinary, []byte(unprintable)) // which ends the connection
}

// watchPlanted has the Go client watch items that say what they must not, some of which
// fan-out refuses.
func (s *running) watchPlanted(t *testing.T, token string, log *logged) {
	t.Helper()
	c, err := goclient.Dial(t.Context(), s.WebSocketURL(), goclient.Options{
		Token: func(context.Context) (string, error) { return token, nil }, AnswerTime: time.Second, MaxBackoff: time.Second, PingInterval: time.Second,
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const changes = 300
	go func() {
		for n := range changes {
			s.putItem(t, map[string]types.AttributeValue{"topic": text("a"), "id": text(fmt.Sprint(unprintable, n)), unprintable: text(unprintable), "card": text(unprintable)})
		}
		for _, topic := range []string{unprintable + "//x", "../" + unprintable} {
			s.putItem(t, map[string]types.AttributeValue{"topic": text(topic), "id": text(unprintable), unprintable: text(unprintable)})
		}
		s.putItem(t, map[string]types.AttributeValue{"topic": text("a"), "id": text(strings.Repeat(unprintable, 100)), unprintable: text(unprintable)})
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for event, err := range c.Watch(ctx, "a", goclient.WatchOptions{Delta: true}) {
		if refused := (*events.Error)(nil); errors.As(err, &refused) || err != nil {
			t.Fatalf("watch ends with %v", err)
		}
		if event.Cursor.Seq >= changes {
			break
		}
	}
	log.await(t, "record refused")
}
