package stack_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/needs"
	"github.com/watchroute/watchroute/shared/token/tokentest"
	"github.com/watchroute/watchroute/shared/watch"
)

// Clients that offer their token as a subprotocol are browsers, which show no status. They
// are let in to be told why they are refused, and reach nothing else.

// page opens a connection as a page does: with a token among the subprotocols, from an
// address of its own, since one address is told a few times only. If that fails the connection
// is nil.
func (s *running) page(t *testing.T, host int, query, offer string) (*client, int) {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(host))}}
	conn, response, err := websocket.Dial(t.Context(), s.WebSocketURL()+query, &websocket.DialOptions{
		Subprotocols: strings.Split(offer, ", "), HTTPClient: &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}},
	})
	if response == nil {
		t.Fatal(err)
	}
	if err != nil {
		return nil, response.StatusCode
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(events.MaxFrameBytes)
	if got := response.Header.Get("Sec-WebSocket-Protocol"); got != events.Subprotocol {
		t.Errorf("%s is answered with the subprotocol %q: a browser would fail", offer, got)
	}
	return &client{t: t, conn: conn}, response.StatusCode
}

// told sends a message and wants it answered with one error frame, and the connection closed.
func (c *client) told(message string, want events.Code) {
	c.t.Helper()
	c.send(message)
	frame, ok := c.frame().(*events.Error)
	if !ok || frame.Code != want || frame.ID != "q" {
		c.t.Errorf("%s is answered %+v, want %s", message, frame, want)
	}
	if _, data, err := c.conn.Read(c.t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		c.t.Errorf("after %s comes %s, %v; want the connection closed", want, data, err)
	}
}

// badOffers are what a page offers whose token is refused, or its query beside.
var badOffers = []struct {
	name, query string
	offer       func(f forger) string
	want        events.Code
}{
	{"bad", "", func(forger) string { return "watchroute.v1, bearer.bad" }, "bad_token"},
	{"empty", "", func(forger) string { return "watchroute.v1, bearer." }, "bad_token"},
	{"bad, query good", "?token=GOOD", func(forger) string { return "watchroute.v1, bearer.bad" }, "bad_token"},
	{"the first of two bad", "", func(f forger) string { return "watchroute.v1, bearer.bad, bearer." + f.token(nil) }, "bad_token"},
	{"expired", "", func(f forger) string {
		return "bearer." + f.token(claims{"exp": fromNow(-time.Hour)}) + ", watchroute.v1"
	}, "bad_token"},
	{"of another secret", "", func(f forger) string {
		return "watchroute.v1, bearer." + tokentest.Secret([]byte(strings.Repeat("x", 64))).Token(f.payload(nil))
	}, "bad_token"},
	{"revoked, all of the subject", "", func(f forger) string { return "watchroute.v1, bearer." + f.token(claims{"sub": "mallory"}) }, "revoked"},
	{"revoked, that one", "", func(f forger) string {
		return "watchroute.v1, bearer." + f.token(claims{"sub": "trudy", "jti": "stolen"})
	}, "revoked"},
}

// everyAction is a message for every route of the API. GOOD is a good token.
var everyAction = []string{
	`{"action":"subscribe","id":"q","topic":"users/alice/x","snapshot":true}`, `{"action":"subscribe","id":"q","topic":"users/alice/**"}`,
	`{"action":"unsubscribe","id":"q","topic":"users/alice/x"}`, `{"action":"snapshot","id":"q","topic":"users/alice/x"}`,
	`{"action":"publish","id":"q","topic":"users/alice/x","item":{"id":"mine","data":{}}}`, `{"action":"ping","id":"q"}`,
	`{"action":"ping","id":"q","cursors":{"users/alice/x":":0"}}`, `{"action":"auth","id":"q","token":"GOOD"}`, `{"action":"dance","id":"q"}`,
}

// turnedAway are those whose token is good, but who have too many connections.
var turnedAway = everyAction[:8]

func TestRefusedTokensAreToldInside(t *testing.T) {
	s, log := strict(t, func(resources object) { environment(resources, "Connect")["MAX_CONNECTIONS"] = "2" })
	f := s.ownForger(t)
	s.revoke(t, "mallory", watch.AnyToken)
	s.revoke(t, "trudy", "stolen")
	host := 0
	open := func(name, query, offer string) *client {
		t.Helper()
		host++
		c, status := s.page(t, host, strings.ReplaceAll(query, "GOOD", f.token(nil)), offer)
		if c == nil {
			t.Fatalf("%s: status %d", name, status)
		}
		return c
	}
	for _, row := range badOffers {
		open(row.name, row.query, row.offer(f)).told(everyAction[0], row.want)
	}
	for _, message := range everyAction {
		open(message, "", "watchroute.v1, bearer.bad").told(strings.ReplaceAll(message, "GOOD", f.token(nil)), "bad_token")
	}
	s.has(t, "Events", "users/alice/x", 0)
	s.has(t, "Subscriptions", "users/alice/x#0", 0)
	if n := s.rows(t, "Connections", "subject", "refused") + s.rows(t, "Connections", "subject", "alice"); n != 0 {
		t.Errorf("%d connections are kept of those who were refused", n)
	}
	log.await(t, "token refused")
	if text := log.String(); !strings.Contains(text, "is let in to be told") || strings.Contains(text, "bearer") {
		t.Errorf("the log is %s", text)
	}
}

// TestTooManyConnectionsAreToldInside, by a connection of which no row is kept.
func TestTooManyConnectionsAreToldInside(t *testing.T) {
	s, _ := strict(t, func(resources object) { environment(resources, "Connect")["MAX_CONNECTIONS"] = "2" })
	f := s.ownForger(t)
	for i, message := range turnedAway {
		crowd := fmt.Sprint("crowd", i/4) // each is told five times at once
		token := f.token(claims{"sub": crowd, "watchroute": raw(all)})
		for s.rows(t, "Connections", "subject", crowd) < 2 {
			s.connectWith(t, token)
		}
		c, status := s.page(t, i, "", "watchroute.v1, bearer."+token)
		if c == nil {
			t.Fatalf("status %d", status)
		}
		c.told(strings.ReplaceAll(message, "GOOD", token), "too_many_connections")
		if n := s.rows(t, "Connections", "subject", crowd); n != 2 {
			t.Errorf("%s has %d connections", crowd, n)
		}
		if got := s.knock(t, token); got != http.StatusTooManyRequests {
			t.Errorf("who can see it gets the status %d", got)
		}
	}
	s.has(t, "Events", "users/alice/x", 0)
	s.has(t, "Subscriptions", "users/alice/x#0", 0)
}

// TestPageThatMayConnectIsNotToldOtherwise: it is admitted like others.
func TestPageThatMayConnectIsNotToldOtherwise(t *testing.T) {
	s, _ := strict(t, nil)
	c, status := s.page(t, 1, "", "watchroute.v1, bearer."+s.ownForger(t).token(nil))
	if c == nil {
		t.Fatalf("status %d", status)
	}
	for _, message := range []string{`{"action":"ping","id":"q"}`, `{"action":"subscribe","id":"q","topic":"stocks/a"}`} {
		c.send(message)
		if got := answer(c.read()); got != "pong" && got != "subscribed" {
			t.Errorf("%s is answered %s", message, got)
		}
	}
	if n := s.rows(t, "Connections", "subject", "alice"); n != 1 {
		t.Errorf("%d connections are kept", n)
	}
}

// TestRefusalsAtTheHandshakeAlone, if the deployer wants no others.
func TestRefusalsAtTheHandshakeAlone(t *testing.T) {
	s, _ := strict(t, func(resources object) {
		environment(resources, "Connect")["MAX_CONNECTIONS"] = "1"
		environment(resources, "Authorizer")["REFUSE_INSIDE"] = "false"
	})
	f := s.ownForger(t)
	s.revoke(t, "mallory", watch.AnyToken)
	s.connectWith(t, f.token(nil))
	for offer, want := range map[string]int{
		"bad": http.StatusUnauthorized, f.token(claims{"sub": "mallory"}): http.StatusForbidden, f.token(nil): http.StatusTooManyRequests,
	} {
		if _, got := s.page(t, 1, "", "watchroute.v1, bearer."+offer); got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
}

// TestTokenIsTheOnlySubprotocol: a browser would fail without a word, as nothing of what it
// offers can be chosen. So it is refused, and the log says why.
func TestTokenIsTheOnlySubprotocol(t *testing.T) {
	s, log := strict(t, nil)
	f := s.ownForger(t)
	if _, got := s.page(t, 1, "", "bearer."+f.token(nil)); got != http.StatusBadRequest {
		t.Errorf("status %d, want 400", got)
	}
	log.await(t, "without watchroute.v1")
	if strings.Contains(log.String(), f.token(nil)) {
		t.Error("the token is in the log")
	}
}

// TestFunctionsLogAsLambdaDoes, with the level that the template sets: lines have the fields
// by which Lambda filters, and the invocation.
func TestFunctionsLogAsLambdaDoes(t *testing.T) {
	s, log := strict(t, nil)
	s.page(t, 1, "", "watchroute.v1, bearer.bad")
	const name = "[Authorizer] "
	log.await(t, name)
	_, rest, _ := strings.Cut(log.String(), name)
	text, _, _ := strings.Cut(rest, "\n")
	var line struct{ Timestamp, Level, Message, RequestID string }
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		t.Fatal(err, text)
	}
	if _, err := time.Parse(time.RFC3339, line.Timestamp); err != nil || line.Level != "WARN" || line.Message != "token refused" || line.RequestID == "" {
		t.Errorf("the line is %s", text)
	}
	quiet, silent := strict(t, func(resources object) {
		properties(resources, "Authorizer")["LoggingConfig"].(object)["ApplicationLogLevel"] = "ERROR"
	})
	quiet.page(t, 1, "", "watchroute.v1, bearer.bad")
	silent.await(t, "[Connect]")
	if strings.Contains(silent.String(), name) {
		t.Errorf("the log has a warning: %s", silent)
	}
}

// TestPageSeesWhyItIsRefused with a WebSocket that keeps the rules of browsers, Node's. It
// shows, too, that a page sees nothing of a handshake that fails.
func TestPageSeesWhyItIsRefused(t *testing.T) {
	if err := exec.Command("node", "--experimental-websocket", "--eval", "if (!globalThis.WebSocket) process.exit(1)").Run(); err != nil {
		needs.Missing(t, "no Node with a WebSocket on this machine: ", err)
	}
	s, _ := strict(t, func(resources object) { environment(resources, "Connect")["MAX_CONNECTIONS"] = "1" })
	f := s.ownForger(t)
	s.revoke(t, "mallory", watch.AnyToken)
	s.connectWith(t, f.token(claims{"sub": "crowd"}))
	for _, row := range []struct{ name, protocols, want string }{
		{"good", "watchroute.v1 bearer." + f.token(nil), "open watchroute.v1, subscribed, close 1000"},
		{"bad", "watchroute.v1 bearer.bad", "open watchroute.v1, bad_token, close 1000"},
		{"revoked", "watchroute.v1 bearer." + f.token(claims{"sub": "mallory"}), "open watchroute.v1, revoked, close 1000"},
		{"too many", "watchroute.v1 bearer." + f.token(claims{"sub": "crowd"}), "open watchroute.v1, too_many_connections, close 1000"},
		{"no token", "watchroute.v1", "error"},
		{"the token alone", "bearer." + f.token(nil), "error"},
	} {
		out, err := exec.CommandContext(t.Context(), "node", "--no-warnings", "--experimental-websocket", own+"/page.js", s.WebSocketURL(), row.protocols).CombinedOutput()
		got := strings.TrimSuffix(strings.TrimSpace(string(out)), ", close 1006") // which Node 20 leaves out after an error
		if err != nil || got != row.want {
			t.Errorf("%s: the page sees %s, %v, want %s", row.name, got, err, row.want)
		}
	}
}
