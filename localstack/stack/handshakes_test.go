package stack_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/watch"
)

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

// TestRefusedHandshakes: none of them counts as a connection of crowd, who may have two afterwards.
func TestRefusedHandshakes(t *testing.T) {
	s, _ := strict(t, func(resources object) { environment(resources, "Connect")["MAX_CONNECTIONS"] = "2" })
	f := s.ownForger(t)
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
		holder := s.caller(t, token)
		replies := holder.asks(`{"action":"snapshot","topic":"stocks/a"}`)
		if row.want == http.StatusForbidden { // or a stream would be held
			replies = append(replies, holder.asks(`{"action":"subscribe","topic":"stocks/a"}`)...)
		}
		for _, got := range replies {
			if refused := got.is("revoked"); refused != (row.want == http.StatusForbidden) {
				t.Errorf("%v: %s is answered %s", row.of, got.how, got.text)
			}
		}
	}
}
