package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// tokensShown gives the tokens that the service was shown.
func (s *service) tokensShown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.shown)
}

// watching allows to subscribe to stocks, not to read them.
func watching(t *testing.T) grant.Grant {
	t.Helper()
	g, err := grant.Parse([]byte(`{"v":1,"allow":[{"topics":["stocks/*"],"actions":["subscribe"]}]}`), "alice")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestTokenOfTheHandshake is another one for each, beside the headers that are given.
func TestTokenOfTheHandshake(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		header := http.Header{"X-Request": {"1"}}
		s.dial(t, client.Options{Token: s.issue(grant.All(), time.Hour), Header: header})
		s.cut()
		settle(5 * time.Second)
		if got := fmt.Sprint(s.tokensShown()); got != "[t1 t2]" || len(header) != 1 {
			t.Errorf("shown %v, the given header is now %v", got, header)
		}
		s.set(func() { s.tokens, s.shown = nil, nil })
		s.dial(t, client.Options{Token: func(context.Context) (string, error) { return "", nil }})
		if got := s.tokensShown(); len(got) != 1 || got[0] != "" {
			t.Errorf("shown %q, want no header", got)
		}
	})
}

// TestTokenIsRenewed keeps a connection for much longer than a token lives, with one
// token for each life.
func TestTokenIsRenewed(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{Token: s.issue(grant.All(), 10*time.Minute)})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		for n := range 100 {
			settle(time.Minute)
			s.put(topic, fmt.Sprint(n), `{}`)
		}
		settle(0)
		w.saw(t, 1, 100)
		shown := s.tokensShown()
		if st := c.Stats(); st.Connections != 1 || len(shown) < 10 || len(shown) > 20 || shown[1] != "t2" {
			t.Errorf("shown %v, stats %+v", shown, st)
		}
	})
}

// TestRenewalFailsOnce, each time, and is made up for before the token expires.
func TestRenewalFailsOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		issue, calls := s.issue(grant.All(), 10*time.Minute), 0
		c := s.dial(t, client.Options{Token: func(ctx context.Context) (string, error) {
			if calls++; calls%2 == 0 {
				return "", errors.New("no token today")
			}
			return issue(ctx)
		}})
		settle(100 * time.Minute)
		if st := c.Stats(); st.Connections != 1 || calls < 20 {
			t.Errorf("asked %d times for a token, stats %+v", calls, st)
		}
	})
}

// TestTokenThatLivesShort is warned of with every answer.
func TestTokenThatLivesShort(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{Token: s.issue(grant.All(), 2*time.Minute), PingInterval: time.Second})
		follow(t, c, topic, client.WatchOptions{}, nil)
		settle(20 * time.Minute)
		if st, shown := c.Stats(), s.tokensShown(); st.Connections != 1 || len(shown) < 15 || len(shown) > 22 {
			t.Errorf("shown %v, stats %+v, want one a minute", shown, st)
		}
	})
}

// TestTokenFails for the first handshake, then for the renewal and the connections after.
func TestTokenFails(t *testing.T) {
	for name, fail := range map[string]func(context.Context) error{
		"error": func(context.Context) error { return errors.New("no token today") },
		"hangs": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				issue, broken, calls := s.issue(grant.All(), 10*time.Minute), true, 0
				token := func(ctx context.Context) (string, error) {
					s.mu.Lock()
					calls++
					fails := broken
					s.mu.Unlock()
					if fails {
						return "", fail(ctx)
					}
					return issue(ctx)
				}
				time.AfterFunc(time.Minute, func() { s.set(func() { broken = false }) })
				c := s.dial(t, client.Options{Token: token})
				w := follow(t, c, topic, client.WatchOptions{}, nil)
				s.set(func() { broken = true; calls = 0 })
				for n := range 15 {
					s.put(topic, fmt.Sprint(n), `{}`)
					settle(time.Minute)
				}
				if st := c.Stats(); st.Connections != 1 || len(s.subscribed()) != 0 {
					t.Errorf("stats %+v, subscribed %v, want the connection closed", st, s.subscribed())
				}
				s.set(func() {
					if broken = false; calls < 5 || calls > 60 {
						t.Errorf("asked %d times for a token, want a few", calls)
					}
				})
				settle(time.Minute)
				w.saw(t, 1, 15)
			})
		})
	}
}

// TestCloseWhileATokenIsFetched ends the function's context.
func TestCloseWhileATokenIsFetched(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		issue, fetching := s.issue(grant.All(), time.Minute), false
		c := s.dial(t, client.Options{AnswerTime: time.Hour, Token: func(ctx context.Context) (string, error) {
			if len(s.tokensShown()) == 0 {
				return issue(ctx)
			}
			fetching = true
			<-ctx.Done()
			return "", ctx.Err()
		}})
		follow(t, c, topic, client.WatchOptions{}, nil) // the answer warns
		began := time.Now()
		c.Close()
		if took := time.Since(began); took > time.Second || !fetching || goroutineOfClient() != "" {
			t.Errorf("closed after %v, fetching %v, left: %s", took, fetching, goroutineOfClient())
		}
	})
}

// TestRenewalIsRefused with bad_token: it is tried again at warnings, later each time,
// until the token has expired, and then another one serves a new connection.
func TestRenewalIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		issue, bad := s.issue(grant.All(), 4*time.Minute), false
		token := func(ctx context.Context) (string, error) {
			s.mu.Lock()
			wrong := bad
			s.mu.Unlock()
			if wrong {
				return "wrong", nil
			}
			return issue(ctx)
		}
		c := s.dial(t, client.Options{Token: token, PingInterval: time.Second})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		settle(time.Minute - time.Second)
		s.set(func() { bad = true })
		for n := range 7 {
			s.put(topic, fmt.Sprint(n), `{}`)
			settle(30 * time.Second)
		}
		wrong := len(s.tokensShown()) - 2
		if st := c.Stats(); st.Connections != 1 || wrong < 6 || wrong > 40 {
			t.Errorf("refused %d times, stats %+v", wrong, st)
		}
		s.set(func() { bad = false; s.lose = func(frame string) bool { return strings.Contains(frame, `"expiring"`) } })
		for n := range 7 {
			s.put(topic, fmt.Sprint(n), `{}`)
			settle(30 * time.Second)
		}
		w.saw(t, 1, 14)
		if st := c.Stats(); st.Connections != 2 || st.Resets != 0 {
			t.Errorf("stats %+v, want another connection", st)
		}
	})
}

// TestRenewalOfAConnectionThatIsLost comes too late: the next one has its own token.
func TestRenewalOfAConnectionThatIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		issue, calls, release := s.issue(grant.All(), time.Hour), 0, make(chan struct{})
		c := s.dial(t, client.Options{AnswerTime: time.Hour, Token: func(ctx context.Context) (string, error) {
			token, err := issue(ctx)
			if s.mu.Lock(); len(s.tokens) == 2 {
				calls++
				s.mu.Unlock()
				<-release
				return token, err
			}
			s.mu.Unlock()
			return token, err
		}})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		s.tell(t, &events.Expiring{})
		settle(0)
		s.tell(t, &events.Expiring{}) // passed over, as the token is being fetched
		s.cut()
		settle(10 * time.Second)
		close(release)
		settle(0)
		s.put(topic, "1", `{}`)
		settle(0)
		if got := fmt.Sprint(s.tokensShown()); got != "[t1 t3]" || calls != 1 {
			t.Errorf("shown %v", got)
		}
		s.tell(t, &events.Expiring{})
		settle(0)
		if got := fmt.Sprint(s.tokensShown()); got != "[t1 t3 t4]" {
			t.Errorf("shown %v: the new connection is not renewed", got)
		}
		w.saw(t, 1, 1)
	})
}

// TestReplacedConnectionHasNoSay while it stays for the changes under way on it.
func TestReplacedConnectionHasNoSay(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{Token: s.issue(grant.All(), time.Hour)})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		old := s.all()[0]
		s.set(func() { s.alter = func(answer *[]byte, _ string) { *answer = nil } }) // so that it stays
		s.tell(t, &events.Reconnect{})
		settle(time.Second)
		for _, frame := range []events.Frame{
			&events.Expiring{},
			&events.Unsubscribed{Topic: topic, Reason: events.CodeForbidden},
			&events.Error{Code: events.CodeTokenExpired},
		} {
			body, _ := events.Encode(frame) // of strings
			if err := s.Post(t.Context(), old, watch.NewFrame(body)); err != nil {
				t.Error(err)
			}
		}
		s.set(func() { s.alter = nil })
		settle(5 * time.Second)
		s.put(topic, "1", `{}`)
		settle(0)
		w.saw(t, 1, 1)
		if st, shown := c.Stats(), s.tokensShown(); st.Connections != 2 || fmt.Sprint(shown) != "[t1 t2]" {
			t.Errorf("shown %v, stats %+v", shown, st)
		}
	})
}

// TestTokenExpires without a warning that arrives. Each time the client connects with a
// fresh one, and nothing is lost or repeated.
func TestTokenExpires(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.lose = func(frame string) bool { return strings.Contains(frame, `"expiring"`) }
		c := s.dial(t, client.Options{Token: s.issue(grant.All(), 10*time.Minute)})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		for n := range 60 {
			settle(time.Minute)
			s.put(topic, fmt.Sprint(n), `{}`)
		}
		settle(10 * time.Second)
		w.saw(t, 1, 60)
		shown := s.tokensShown()
		if st := c.Stats(); st.Connections < 5 || st.Connections > 7 || st.Resets != 0 || len(shown) != int(st.Connections) {
			t.Errorf("shown %v, stats %+v", shown, st)
		}
	})
}

// TestTokenHasExpired is reason enough to leave, even if the service does not close.
func TestTokenHasExpired(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{Token: s.issue(grant.All(), time.Hour)})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		s.tell(t, &events.Error{Code: events.CodeTokenExpired})
		s.put(topic, "1", `{}`)
		settle(time.Second)
		w.saw(t, 1, 1)
		if st, shown := c.Stats(), s.tokensShown(); st.Connections != 2 || fmt.Sprint(shown) != "[t1 t2]" {
			t.Errorf("shown %v, stats %+v", shown, st)
		}
	})
}

// TestRevoked ends the client, whoever waits for it is told why.
func TestRevoked(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{Token: s.issue(grant.All(), time.Hour)})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		s.tell(t, &events.Error{Code: events.CodeRevoked, Message: "the token is revoked"})
		<-w.done
		_, err := c.Publish(t.Context(), topic, events.Item{ID: "i"})
		for _, err := range []error{w.err, err} {
			var refused *events.Error
			if !errors.As(err, &refused) || refused.Code != events.CodeRevoked {
				t.Errorf("ended with %v", err)
			}
		}
		settle(time.Minute)
		if usage := s.gateway.Usage().Connections; usage.Open != 0 || usage.Accepted != 1 || goroutineOfClient() != "" {
			t.Errorf("connections %+v, left: %s", usage, goroutineOfClient())
		}
	})
}

// TestUnauthorizedHandshake is final without a function for tokens, and else tried
// again with other tokens, for as long as the remedy says.
func TestUnauthorizedHandshake(t *testing.T) {
	wrong := func(context.Context) (string, error) { return "wrong", nil }
	for name, c := range map[string]struct {
		token       func(context.Context) (string, error)
		status      int
		least, most int           // handshakes
		time        time.Duration // at least
	}{
		"no token":        {nil, http.StatusUnauthorized, 1, 1, 0},
		"wrong token":     {wrong, http.StatusUnauthorized, 6, 30, events.UnauthorizedTime},
		"may not, anyhow": {wrong, http.StatusForbidden, 1, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				s.tokens = map[string]watch.Access{}
				if c.status != http.StatusUnauthorized {
					s.refuse = c.status
				}
				began := time.Now()
				_, err := client.Dial(t.Context(), s.url(), client.Options{HTTPClient: s.http, Token: c.token})
				var refusal *client.HandshakeError
				if n := len(s.tokensShown()); !errors.As(err, &refusal) || refusal.Status != c.status || n < c.least || n > c.most {
					t.Errorf("%v after %d handshakes", err, n)
				}
				if took := time.Since(began); took < c.time || took > c.time+30*time.Second {
					t.Errorf("tried for %v", took)
				}
			})
		})
	}
}

// TestNewKeyThatTheServiceKnowsAMinuteLate: good tokens are refused when the client has lost
// its connection, and count after the pause of the service's verifier. So does the one token
// of a client that fetches none.
func TestNewKeyThatTheServiceKnowsAMinuteLate(t *testing.T) {
	for name, fetches := range map[string]bool{"fetches tokens": true, "has one token": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				issue := s.issue(grant.All(), time.Hour)
				o := client.Options{Token: issue}
				if !fetches {
					token, _ := issue(t.Context())
					o = client.Options{Header: http.Header{"Authorization": {"Bearer " + token}}}
				}
				c := s.dial(t, o)
				w := follow(t, c, topic, client.WatchOptions{}, nil)
				settle(time.Minute)
				s.set(func() { s.refuse = http.StatusUnauthorized })
				s.cut()
				s.put(topic, "1", `{}`)
				settle(time.Minute)
				s.set(func() { s.refuse = 0 })
				settle(time.Minute)
				w.saw(t, 1, 1)
				if st := c.Stats(); st.Connections != 2 {
					t.Errorf("stats %+v", st)
				}
			})
		})
	}
}

// TestUnauthorizedInBetween: other failures are no refusals of the token.
func TestUnauthorizedInBetween(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.refuse = http.StatusUnauthorized
		done := time.Now().Add(20 * time.Minute)
		go func() {
			for status := http.StatusUnauthorized; time.Now().Before(done); status ^= http.StatusUnauthorized ^ http.StatusBadGateway {
				s.set(func() { s.refuse = status })
				time.Sleep(90 * time.Second)
			}
			s.set(func() { s.refuse = 0 })
		}()
		s.dial(t, client.Options{Token: s.issue(grant.All(), time.Hour)})
		if time.Now().Before(done) {
			t.Error("connected too early")
		}
	})
}

// TestTokenExpiresOnItsWay a few times for each of several connections.
func TestTokenExpiresOnItsWay(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		issue, calls := s.issue(grant.All(), time.Hour), 0
		c := s.dial(t, client.Options{Token: func(ctx context.Context) (string, error) {
			if calls++; calls%5 != 0 {
				return "expired", nil
			}
			return issue(ctx)
		}})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		for n := range 3 {
			s.cut()
			s.put(topic, fmt.Sprint(n), `{}`)
			settle(2 * time.Minute)
		}
		w.saw(t, 1, 3)
	})
}

func TestTooManyConnections(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.refuse = http.StatusTooManyRequests
		time.AfterFunc(time.Minute, func() { s.set(func() { s.refuse = 0 }) })
		s.dial(t, client.Options{Token: s.issue(grant.All(), time.Hour)})
		if refused := s.gateway.Usage().Connections.Refused[429]; refused < 3 || refused > 20 {
			t.Errorf("refused %d times, want a few", refused)
		}
	})
}

// TestTokenIsNotLogged whatever goes wrong, wherever it is.
func TestTokenIsNotLogged(t *testing.T) {
	for name, token := range map[string]string{"fine": "secret", "no header value": "secret\n"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				unreachable := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("unreachable") }}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := client.Dial(ctx, "ws://gateway/live?token=secret", client.Options{
					HTTPClient: &http.Client{Transport: unreachable},
					Token:      func(context.Context) (string, error) { return token, nil },
					Logger:     slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
				})
				if all := logged.String() + fmt.Sprint(err); strings.Contains(all, "secret") || !strings.Contains(all, "not connected") {
					t.Errorf("told:\n%s", all)
				}
			})
		})
	}
}

// TestForbidden ends the one watch.
func TestForbidden(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{Token: s.issue(watching(t), time.Hour)})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		s.put(topic, "1", `{}`)
		settle(0)
		s.expire(topic, 1)
		for name, refused := range map[string]*watcher{
			"topic":    follow(t, c, "bonds/DE", client.WatchOptions{}, nil),
			"snapshot": follow(t, c, "stocks/MSFT", client.WatchOptions{Snapshot: true}, nil),
		} {
			forbidden(t, name, refused)
		}
		s.put(topic, "2", `{}`)
		settle(0)
		w.saw(t, 1, 2)
		if st := c.Stats(); st.Connections != 1 || fmt.Sprint(s.subscribed()) != "[stocks/AAPL]" {
			t.Errorf("stats %+v, subscribed %v", st, s.subscribed())
		}
	})
}

// TestForbiddenToStartOver: who may subscribe but not read cannot be told the items that
// a reset is followed by, and is not left subscribed.
func TestForbiddenToStartOver(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{Token: s.issue(watching(t), time.Hour)})
		s.put(topic, "1", `{}`)
		s.expire(topic, 1)
		w := follow(t, c, topic, client.WatchOptions{After: &events.Cursor{Epoch: "e1"}}, nil)
		settle(time.Second)
		forbidden(t, "start over", w)
		if got := s.subscribed(); len(got) != 0 {
			t.Errorf("still subscribed: %v", got)
		}
	})
}

// TestForbiddenToGoOn with a snapshot that has begun.
func TestForbiddenToGoOn(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.put(topic, "1", `{}`)
		s.put(topic, "2", `{}`)
		s.pageItems = 1
		s.alter = answering(t, events.ActionSnapshot, events.CodeForbidden)
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{Snapshot: true}, nil)
		settle(time.Minute)
		forbidden(t, "go on", w)
		if got := s.subscribed(); w.pages != 1 || len(got) != 0 {
			t.Errorf("saw %d pages, still subscribed: %v", w.pages, got)
		}
	})
}

// answering has every request of an action answered with an error.
func answering(t *testing.T, action string, code events.Code) func(answer *[]byte, in string) {
	return func(answer *[]byte, in string) {
		r, err := events.ParseRequest([]byte(in))
		if r.Action == action {
			*answer, err = events.Encode(&events.Error{ID: r.ID, Code: code})
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func forbidden(t *testing.T, name string, w *watcher) {
	t.Helper()
	<-w.done
	var refused *events.Error
	if !errors.As(w.err, &refused) || refused.Code != events.CodeForbidden {
		t.Errorf("%s: ended with %v", name, w.err)
	}
}

// TestNewTokenAllowsLess ends the watches that it does not allow.
func TestNewTokenAllowsLess(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		all, less := s.issue(grant.All(), time.Hour), s.issue(watching(t), time.Hour)
		c := s.dial(t, client.Options{Token: func(ctx context.Context) (string, error) {
			if len(s.tokensShown()) == 0 {
				return all(ctx)
			}
			return less(ctx)
		}})
		stays, ends := follow(t, c, topic, client.WatchOptions{}, nil), follow(t, c, "bonds/DE", client.WatchOptions{}, nil)
		s.put("bonds/DE", "1", `{}`)
		settle(0)
		s.tell(t, &events.Unsubscribed{Topic: "bonds/DE"}) // an answer, to a watch before
		s.tell(t, &events.Expiring{})
		settle(0)
		forbidden(t, "bonds", ends)
		s.put(topic, "1", `{}`)
		settle(time.Second)
		stays.saw(t, 1, 1)
		ends.saw(t, 1, 1)
		if st := c.Stats(); st.Connections != 1 {
			t.Errorf("stats %+v", st)
		}
	})
}
