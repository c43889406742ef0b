package main

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/localstack/stack"
)

// TestTokenLetsIn prints a token for a stack that lets nobody in without, and connects
// with it.
func TestTokenLetsIn(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a stack")
	}
	s, err := stack.Start(t.Context(), stack.Options{Addr: "127.0.0.1:0", Root: "../..", BuildDir: t.TempDir(), Log: t.Output(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out strings.Builder
	args := []string{"--url", s.URL(), "--sub", "alice", "--topics", "stocks/* users/{sub}/**", "--actions", "subscribe,read", "--filter", `{"n":[1]}`, "--mask", `{"omit":["x"]}`}
	if err := run(t.Context(), args, nil, &out); err != nil {
		t.Fatal(err)
	}
	token, line := strings.CutSuffix(out.String(), "\n")
	if !line || strings.Contains(token, "\n") {
		t.Errorf("printed is %q, want the token alone", out.String())
	}
	conn, _, err := websocket.Dial(t.Context(), s.WebSocketURL(), &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	for topic, want := range map[string]string{"stocks/AAPL": "subscribed", "users/alice/x": "subscribed", "users/bob/x": "forbidden"} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"action":"subscribe","topic":"`+topic+`"}`)); err != nil {
			t.Fatal(err)
		}
		if _, answer, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(answer), want) {
			t.Errorf("%s is answered %s, %v", topic, answer, err)
		}
	}
}

func TestTokenThatCannotBe(t *testing.T) {
	const secret = "0123456789012345678901234567890123456789"
	for want, args := range map[string][]string{
		"--sub and --topics are required":       {"--sub", "alice"},
		"allow[0].topics[0]":                    {"--sub", "a", "--topics", "b//c", "--secret", "-"},
		"unknown action":                        {"--sub", "a", "--topics", "b", "--actions", "fly", "--secret", "-"},
		"filter":                                {"--sub", "a", "--topics", "b", "--filter", `{"a":1}`, "--secret", "-"},
		"--secret must be -":                    {"--sub", "a", "--topics", "b", "--secret", secret},
		"no stack runs at http://127.0.0.1:1, ": {"--sub", "a", "--topics", "b", "--url", "http://127.0.0.1:1"},
	} {
		var out strings.Builder
		if err := run(t.Context(), args, strings.NewReader(secret), &out); err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0 {
			t.Errorf("%q: %v, printed %q, want %s", args, err, out.String(), want)
		}
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"--sub", "a", "--topics", "b", "--secret", "-"}, strings.NewReader(secret+"\n"), &out); err != nil || strings.Count(out.String(), ".") != 2 {
		t.Errorf("by a secret from the input: %q, %v", out.String(), err)
	}
}
