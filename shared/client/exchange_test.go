package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// overHTTP gives options for a client that uses some transports, beside WebSockets if they are
// among them.
func (s *service) overHTTP(transports ...client.Transport) client.Options {
	return client.Options{HTTPURL: s.httpURL(), Transports: transports}
}

// overEach runs a test over each transport of HTTP.
func overEach(t *testing.T, test func(t *testing.T, s *service, transport client.Transport)) {
	for _, transport := range []client.Transport{client.ServerSentEvents, client.LongPoll} {
		t.Run(string(transport), func(t *testing.T) { bubble(t, func(t *testing.T, s *service) { test(t, s, transport) }) })
	}
}

// TestWatchAndPublishOverHTTP: all that a client does works without a WebSocket.
func TestWatchAndPublishOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		s.put(topic, "0", `{"n":0}`)
		c := s.dial(t, s.overHTTP(transport))
		fromNow := follow(t, c, topic, client.WatchOptions{}, nil)
		whole := follow(t, c, topic, client.WatchOptions{Snapshot: true}, nil)
		settle(2 * time.Second)
		for n := range 5 {
			if id, err := c.Publish(t.Context(), topic, events.Item{ID: fmt.Sprint(n), Data: []byte(`{"n":1}`)}); err != nil || id != fmt.Sprint(n) {
				t.Fatalf("published %q: %v", id, err)
			}
			settle(2 * time.Second)
		}
		if err := c.Remove(t.Context(), topic, "0"); err != nil {
			t.Error(err)
		}
		settle(5 * time.Second)
		fromNow.saw(t, 2, 7)
		whole.saw(t, 2, 7)
		if fmt.Sprint(whole.state) != fmt.Sprint(s.table(topic)) || whole.pages != 1 || fromNow.pages != 0 {
			t.Errorf("state %v after %d pages, want %v", whole.state, whole.pages, s.table(topic))
		}
		if c.Transport() != transport || s.gateway.Usage().Connections.Accepted != 0 {
			t.Errorf("connected by %s", c.Transport())
		}
	})
}

// TestQuietHourOverHTTP: a stream costs one request for each that the service holds, a long poll
// one for each 25 seconds, and pings none.
func TestQuietHourOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		c := s.dial(t, s.overHTTP(transport))
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		settle(time.Hour)
		most := map[client.Transport]int{client.ServerSentEvents: 3600/61 + 5, client.LongPoll: 3600/25 + 5}[transport]
		if asked := len(s.front.asked(func(*http.Request) bool { return true })); asked > most || asked < most/2 {
			t.Errorf("%d requests, want at most %d", asked, most)
		}
		s.put(topic, "1", `{}`)
		settle(2 * time.Second)
		w.saw(t, 1, 1)
		if st := c.Stats(); st.Connections != 1 || st.Holes != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestManyTopicsOverHTTP: topics share streams, or take turns, within what the service holds.
func TestManyTopicsOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		c := s.dial(t, s.overHTTP(transport))
		var watchers []*watcher
		name := func(n int) events.Topic { return events.Topic(fmt.Sprint("many/", n)) }
		for n := range 70 {
			watchers = append(watchers, follow(t, c, name(n), client.WatchOptions{Snapshot: n%2 == 0}, nil))
			settle(time.Second)
		}
		settle(3 * time.Minute)
		for n := range watchers {
			s.put(name(n), "1", `{}`)
			s.put(name(n), "1", `{}`)
		}
		settle(40 * time.Second)
		for n := range watchers {
			watchers[n].saw(t, 1, 2)
		}
		s.front.mu.Lock()
		defer s.front.mu.Unlock()
		if s.front.mostHeld > 4 || transport == client.ServerSentEvents && s.front.held != 2 {
			t.Errorf("%d requests are held, %d were", s.front.held, s.front.mostHeld)
		}
	})
}

// TestMissedOverHTTP: the client gets the changes that came while it was away, or the items if
// those are not available.
func TestMissedOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		s.put(topic, "1", `{}`)
		s.put(topic, "2", `{}`)
		c := s.dial(t, s.overHTTP(transport))
		w := follow(t, c, topic, client.WatchOptions{After: &events.Cursor{Epoch: "e1", Seq: 1}}, nil)
		settle(3 * time.Second)
		w.saw(t, 2, 2)
		away := func() { // from the service, for longer than requests last
			s.front.before(status(http.StatusBadGateway, func(*http.Request) bool { return true }))
			settle(2 * time.Minute)
		}
		away()
		for n := range 3 {
			s.put(topic, fmt.Sprint(n), `{}`)
		}
		s.front.before(nil)
		settle(time.Minute)
		w.saw(t, 2, 5)
		away()
		s.put(topic, "1", `{"n":2}`)
		s.put(topic, "1", `{"n":3}`)
		s.expire(topic, 6)
		s.front.before(nil)
		settle(time.Minute)
		if w.saw(t, 2, 5); len(w.resets) != 1 || w.resets[0] != events.ResetExpired || w.state["1"] != `{"n":3}` {
			t.Errorf("resets %v, state %v", w.resets, w.state)
		}
		settle(2 * time.Minute)
		s.recreate(topic, "e2")
		s.put(topic, "1", `{"n":4}`)
		settle(5 * time.Second)
		if len(w.resets) != 2 || w.state["1"] != `{"n":4}` {
			t.Errorf("resets %v, state %v", w.resets, w.state)
		}
	})
}

// TestTokensOverHTTP: each token is used until it expires, and then the next, while watches go on.
func TestTokensOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		o := s.overHTTP(transport)
		o.Token = s.issue(grant.All(), 10*time.Minute)
		c := s.dial(t, o)
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		for n := range 120 {
			settle(30 * time.Second)
			s.put(topic, fmt.Sprint(n), `{}`)
		}
		settle(5 * time.Second)
		w.saw(t, 1, 120)
		if tokens := len(s.tokens); tokens < 6 || tokens > 8 || c.Stats().Connections != 1 {
			t.Errorf("%d tokens in an hour, want one for each 10 minutes; stats %+v", tokens, c.Stats())
		}
	})
}

// TestRevokedOverHTTP: a revoked token ends the client, and a token that does not allow a topic
// ends its watch.
func TestRevokedOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		o := s.overHTTP(transport)
		stocks, err := grant.Parse([]byte(`{"v":1,"allow":[{"topics":["stocks/*"],"actions":["subscribe"]}]}`), "alice")
		if err != nil {
			t.Fatal(err)
		}
		o.Token = s.issue(stocks, time.Hour)
		c := s.dial(t, o)
		allowed := follow(t, c, topic, client.WatchOptions{}, nil)
		forbidden := follow(t, c, "secret/1", client.WatchOptions{}, nil)
		settle(5 * time.Second)
		var refused *events.Error
		if !errors.As(forbidden.err, &refused) || refused.Code != events.CodeForbidden || allowed.err != nil {
			t.Errorf("watches ended with %v and %v", forbidden.err, allowed.err)
		}
		s.set(func() {
			s.revoked = []watch.Revocation{{Subject: "alice", TokenID: watch.AnyToken, Before: time.Now()}}
		})
		s.put(topic, "1", `{}`)
		settle(time.Minute)
		if !revoked(c.Ended()) || !revoked(allowed.err) || len(allowed.seqs) > 0 {
			t.Errorf("client ended with %v, watch with %v after %v", c.Ended(), allowed.err, allowed.seqs)
		}
	})
}

// TestRetryAfter: nothing is asked before the time that the service has named.
func TestRetryAfter(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		c := s.dial(t, s.overHTTP(transport))
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		settle(2 * time.Minute)
		began := time.Now()
		s.front.before(func(w http.ResponseWriter, r *http.Request) bool {
			if time.Since(began) > 5*time.Minute {
				return false
			}
			w.Header().Set("Retry-After", "60")
			problem(w, events.Problem{Code: events.CodeTooManyRequests})
			return true
		})
		before := len(s.front.asked(func(*http.Request) bool { return true }))
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		if _, err := c.Publish(ctx, topic, events.Item{ID: "1"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("published: %v", err)
		}
		settle(time.Minute)
		if asked := len(s.front.asked(func(*http.Request) bool { return true })) - before; asked > 15 {
			t.Errorf("%d requests in 5 minutes", asked)
		}
		s.put(topic, "1", `{}`)
		settle(2 * time.Minute)
		w.saw(t, 1, 1)
	})
}

// TestRetryAfterOfADial: the same before there is a connection.
func TestRetryAfterOfADial(t *testing.T) {
	for name, o := range map[string]client.Options{"over HTTP": {}, "over a WebSocket": {Transports: []client.Transport{client.WebSocket}}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				var asked atomic.Int32
				s.front.before(func(w http.ResponseWriter, _ *http.Request) bool {
					w.Header().Set("Retry-After", "60")
					w.WriteHeader(http.StatusTooManyRequests)
					return asked.Add(1) < 5
				})
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 230*time.Second)
				defer cancel()
				o.HTTPClient = s.http
				url := s.httpURL()
				if o.Transports != nil {
					url = s.url()
				}
				if c, err := client.Dial(ctx, url, o); err == nil || asked.Load() > 4 {
					t.Errorf("asked %d times in %v: %v, %v", asked.Load(), time.Since(began), c, err)
				}
			})
		})
	}
}

// TestLongAnswerOverHTTP: the client waits for a steady answer that takes longer than AnswerTime,
// and does not ask again.
func TestLongAnswerOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		for n := range 20 {
			s.put(topic, fmt.Sprint(n), `{"text":"`+strings.Repeat("x", 10_000)+`"}`)
		}
		s.front.before(func(w http.ResponseWriter, r *http.Request) bool {
			if !isItems(r) || r.URL.Path == "/live/topics" {
				return false
			}
			kept := &keeper{ResponseWriter: w}
			s.front.topics(kept, r, topic)
			for kept.Len() > 0 {
				_, _ = w.Write(kept.Next(20_000))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(5 * time.Second)
			}
			return true
		})
		w := follow(t, s.dial(t, s.overHTTP(transport)), topic, client.WatchOptions{Snapshot: true}, nil)
		settle(2 * time.Minute)
		if pages := len(s.front.asked(isItems)); pages != 1 || len(w.state) != 20 {
			t.Errorf("%d items after %d requests", len(w.state), pages)
		}
	})
}

// TestNoRoomForStreams: if the service holds no request, the client polls topics now and then.
func TestNoRoomForStreams(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		s.front.before(func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case isStream(r):
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = fmt.Fprint(w, "retry: 8000\n\n: too many\n\n")
			case r.URL.Query().Has("wait"):
				problem(w, events.Problem{Code: events.CodeTooManyHolds})
			default:
				return false
			}
			return true
		})
		w := follow(t, s.dial(t, s.overHTTP(transport)), topic, client.WatchOptions{}, nil)
		for n := range 20 {
			settle(17 * time.Second)
			w.saw(t, 1, int64(n))
			s.put(topic, "1", `{}`)
		}
		if asked := len(s.front.asked(func(*http.Request) bool { return true })); asked > 200 {
			t.Errorf("%d requests in 6 minutes", asked)
		}
	})
}

// TestClientThatLeavesStreams: the service goes on holding streams that a client has left. A client
// that often watches something else has no room for more after a while. Its topics are polled
// meanwhile, and streams bring them again when the holds end.
func TestClientThatLeavesStreams(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.front.mostHolds, s.front.streamTime = 6, 2*time.Minute
		c := s.dial(t, s.overHTTP(client.ServerSentEvents, client.LongPoll))
		stays := follow(t, c, "stays", client.WatchOptions{}, nil)
		changes, slowest := int64(0), time.Duration(0)
		change := func(within time.Duration) {
			s.put("stays", "1", `{}`)
			changes++
			for began := time.Now(); ; settle(time.Second) {
				seeing.Lock()
				seen := len(stays.seqs)
				seeing.Unlock()
				took := time.Since(began)
				if int64(seen) == changes {
					slowest = max(slowest, took)
					return
				}
				if took > within {
					t.Fatalf("change %d is not there after %v", changes, took)
				}
			}
		}
		for n := range 300 {
			topic := events.Topic(fmt.Sprint("passing/", n))
			passing := follow(t, c, topic, client.WatchOptions{}, nil)
			settle(4 * time.Second)
			if n%10 == 0 {
				s.put(topic, "1", `{}`)
				change(16 * time.Second)
				settle(16 * time.Second)
				passing.saw(t, 1, 1)
			}
			passing.cancel()
		}
		asked := len(s.front.asked(func(*http.Request) bool { return true }))
		if asked > 1500 || s.front.refused < 10 {
			t.Errorf("%d requests in 30 minutes, of which %d had no room", asked, s.front.refused)
		}
		settle(3 * time.Minute)
		for range 5 {
			settle(20 * time.Second)
			change(2 * time.Second)
		}
		if c.Transport() != client.ServerSentEvents {
			t.Errorf("watches by %s", c.Transport())
		}
		t.Logf("%d requests, %d had no room, the slowest change took %v", asked, s.front.refused, slowest)
	})
}

// TestPublicationsKeepTheirOrderOverHTTP: a publication about an item waits until earlier ones are
// answered, even after refusals. Each has its own key.
func TestPublicationsKeepTheirOrderOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		var refusals atomic.Int32
		s.front.before(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || r.Header.Get("Idempotency-Key") == "" || refusals.Add(1)%3 == 0 {
				return false
			}
			problem(w, events.Problem{Code: events.CodeUnavailable})
			return true
		})
		c := s.dial(t, s.overHTTP(transport))
		var published sync.WaitGroup
		for n := range 5 {
			published.Go(func() {
				if _, err := c.PublishWith(t.Context(), topic, events.Item{ID: "1", Data: fmt.Appendf(nil, `{"n":%d}`, n)}, client.PublishOptions{Key: fmt.Sprint("key", n)}); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // it is asked for before the next
		}
		published.Wait()
		settle(0)
		var got []string
		s.set(func() {
			for _, p := range s.published {
				got = append(got, string(p.Item.Data))
			}
		})
		if want := []string{`{"n":0}`, `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`}; !slices.Equal(got, want) {
			t.Errorf("published %v, want %v", got, want)
		}
	})
}
