package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// TestIdleForHours: pings keep the connection past API Gateway's 10 minutes, up to
// its 2 hours; before those the client moves, and misses nothing.
func TestIdleForHours(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		settle(104 * time.Minute)
		if st := c.Stats(); st.Connections != 1 {
			t.Errorf("after 104 minutes: %+v", st)
		}
		s.put(topic, "1", `{}`)
		settle(16 * time.Minute)
		if st, closed := c.Stats(), s.gateway.Usage().Connections.Closed; st.Connections != 2 || closed[1000] != 1 || len(closed) != 1 {
			t.Errorf("after 2 hours: %+v, connections closed %v, want one by the client", st, closed)
		}
		for n := range 10 {
			s.put(topic, fmt.Sprint(n), `{"n":1}`)
			settle(time.Hour)
		}
		w.saw(t, 1, 11)
		if closed := s.gateway.Usage().Connections.Closed; closed[1001] != 0 {
			t.Errorf("connections cut: %v", closed)
		}
	})
}

// TestHandoverLosesNothing writes all the time while the client moves, and never is
// there a time without a connection.
func TestHandoverLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		const changes = 240
		for n := range changes {
			s.put(topic, fmt.Sprint(n), `{}`)
			settle(30 * time.Second)
			if len(s.subscribed()) == 0 {
				t.Errorf("nobody subscribed after change %d", n)
			}
		}
		w.saw(t, 1, changes)
		if st := c.Stats(); st.Connections != 2 || st.Holes != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestClientsDoNotMoveAtOnce lets fifty clients reach the same age together.
func TestClientsDoNotMoveAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		for range 50 {
			s.dial(t, client.Options{})
		}
		most, before := int64(0), int64(50)
		for range 120 {
			settle(time.Minute)
			now := s.gateway.Usage().Connections.Accepted
			most, before = max(most, now-before), now
		}
		if before != 100 || most > 15 {
			t.Errorf("%d connections, at most %d within a minute", before, most)
		}
	})
}

// TestCutWhenIdle does not ping, so API Gateway cuts the connection every 10 minutes.
func TestCutWhenIdle(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{PingInterval: time.Hour})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		for n := range 4 {
			settle(11 * time.Minute)
			s.put(topic, fmt.Sprint(n), `{}`)
		}
		settle(0)
		w.saw(t, 1, 4)
		if closed := s.gateway.Usage().Connections.Closed; closed[1001] != 4 {
			t.Errorf("connections closed: %v", closed)
		}
	})
}

// TestCutWhenOld ignores the request to reconnect.
func TestCutWhenOld(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.set(func() { s.lose = func(frame string) bool { return strings.Contains(frame, `"reconnect"`) } })
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		for n := range 5 {
			settle(time.Hour)
			s.put(topic, fmt.Sprint(n), `{}`)
		}
		settle(time.Second)
		w.saw(t, 1, 5)
		if closed := s.gateway.Usage().Connections.Closed; closed[1001] != 2 {
			t.Errorf("connections closed: %v", closed)
		}
	})
}

// TestServiceThatDoesNotAnswer is left for another connection.
func TestServiceThatDoesNotAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.set(func() { s.alter = func(answer *[]byte, _ string) { *answer = nil } })
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		settle(14 * time.Second)
		if st := c.Stats(); st.Connections != 1 {
			t.Errorf("stats %+v", st)
		}
		settle(2 * time.Second)
		if st := c.Stats(); st.Connections != 2 {
			t.Errorf("stats %+v, want another connection", st)
		}
		s.set(func() { s.alter = nil })
		settle(time.Minute)
		s.put(topic, "1", `{}`)
		settle(time.Second)
		w.saw(t, 1, 1)
	})
}

// TestServiceThatForgetsConnections is not asked faster for it.
func TestServiceThatForgetsConnections(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.alter = answering(t, events.ActionSubscribe, events.CodeNotConnected)
		follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{}, nil)
		settle(12 * time.Minute)
		if asked := len(s.sent(t, events.ActionSubscribe)); asked < 10 || asked > 100 {
			t.Errorf("asked %d times in 12 minutes", asked)
		}
	})
}

func TestDialTriesAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.refuse = http.StatusServiceUnavailable
		go func() {
			time.Sleep(time.Minute)
			s.set(func() { s.refuse = http.StatusBadGateway })
			time.Sleep(time.Minute)
			s.set(func() { s.refuse = 0 })
		}()
		began := time.Now()
		s.dial(t, client.Options{})
		if took := time.Since(began); took < 2*time.Minute || took > 150*time.Second {
			t.Errorf("connected after %v", took)
		}
		if refused := s.gateway.Usage().Connections.Refused; refused[503]+refused[502] > 40 || refused[503] < 3 || refused[502] < 2 {
			t.Errorf("refused %v, want a few", refused)
		}
	})
}

func TestDialIsRefusedForGood(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.refuse = http.StatusForbidden
		_, err := client.Dial(t.Context(), s.url(), client.Options{HTTPClient: s.http})
		var refusal *client.HandshakeError
		if !errors.As(err, &refusal) || refusal.Status != http.StatusForbidden {
			t.Errorf("dial: %v", err)
		}
	})
}

func TestDialEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.refuse = http.StatusServiceUnavailable
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := client.Dial(ctx, s.url(), client.Options{HTTPClient: s.http}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial: %v", err)
		}
	})
}

// TestEndingEndsEverything: whichever way the client ends, whoever waits for it is
// told, and no goroutine is left, which the bubble would not forgive.
func TestEndingEndsEverything(t *testing.T) {
	for name, end := range map[string]func(c *client.Client, cancel context.CancelFunc){
		"closed":    func(c *client.Client, _ context.CancelFunc) { c.Close() },
		"cancelled": func(_ *client.Client, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			want := map[string]error{"closed": client.ErrClosed, "cancelled": context.Canceled}[name]
			bubble(t, func(t *testing.T, s *service) {
				s.alter = func(answer *[]byte, in string) {
					if strings.Contains(in, `"publish"`) {
						*answer = nil // so that it is under way
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				c, err := client.Dial(ctx, s.url(), client.Options{HTTPClient: s.http})
				if err != nil {
					t.Fatal(err)
				}
				w := follow(t, c, topic, client.WatchOptions{}, nil)
				published := make(chan error, 1)
				go func() {
					_, err := c.Publish(context.Background(), topic, events.Item{ID: "i"})
					published <- err
				}()
				synctest.Wait()
				end(c, cancel)
				<-w.done
				if err := <-published; !errors.Is(err, want) || !errors.Is(w.err, want) {
					t.Errorf("publish ended with %v, watch with %v, want %v", err, w.err, want)
				}
				if _, err := c.Publish(t.Context(), topic, events.Item{ID: "i"}); !errors.Is(err, want) {
					t.Errorf("publish afterwards: %v", err)
				}
				c.Close()
				if left := goroutineOfClient(); left != "" {
					t.Errorf("left after Close:\n%s", left)
				}
				settle(time.Second)
				if open := s.gateway.Usage().Connections; open.Open != 0 || open.Closed[1000] != 1 {
					t.Errorf("connections %+v, want one that said goodbye", open)
				}
			})
		})
	}
}

// goroutineOfClient gives the stack of a goroutine that a client has started; empty if
// there is none.
func goroutineOfClient() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "shared/client.(*engine)") || strings.Contains(stack, "shared/client.(*socket)") || strings.Contains(stack, "shared/client.(*exchange)") {
			return stack
		}
	}
	return ""
}

func TestPublish(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		if id, err := c.Publish(t.Context(), topic, events.Item{ID: "i", Data: []byte(`{"n":1}`)}); id != "i" || err != nil {
			t.Errorf("published %q, %v", id, err)
		}
		id, err := c.Publish(t.Context(), topic, events.Item{})
		if len(id) != 26 || err != nil {
			t.Errorf("published %q, %v", id, err)
		}
		settle(0)
		if err := c.Remove(t.Context(), topic, "i"); err != nil {
			t.Error(err)
		}
		settle(0)
		w.saw(t, 1, 3)
		if len(w.state) != 1 {
			t.Errorf("state %v", w.state)
		}
	})
}

// TestPublishOverTroubles is acknowledged in the end, whatever comes in between.
func TestPublishOverTroubles(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		var trouble atomic.Int32
		s.alter = func(answer *[]byte, in string) {
			if !strings.Contains(in, `"publish"`) {
				return
			}
			switch trouble.Add(1) {
			case 1:
				*answer = nil
			case 2:
				s.cut()
				*answer = nil // or it could be faster
			case 3:
				*answer = []byte(`{"message": "Internal server error", "connectionId":"c", "requestId":"r"}`)
			}
		}
		s.fail = events.CodeUnavailable
		c := s.dial(t, client.Options{})
		if _, err := c.Publish(t.Context(), topic, events.Item{ID: "i", Data: []byte(`{}`)}); err != nil {
			t.Error(err)
		}
		if trouble.Load() != 4 {
			t.Errorf("asked %d times", trouble.Load())
		}
	})
}

func TestPublishRefused(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		for name, item := range map[string]events.Item{
			"not an object": {ID: "i", Data: []byte(`[]`)},
			"not JSON":      {ID: "i", Data: []byte(`{`)},
			"too large":     {ID: "i", Data: []byte(`"` + strings.Repeat("x", events.MaxFrameBytes) + `"`)},
			"bad id":        {ID: "a\nb"},
		} {
			var refused *events.Error
			if _, err := c.Publish(t.Context(), topic, item); !errors.As(err, &refused) || refused.Code != events.CodeBadItem {
				t.Errorf("%s: %v", name, err)
			}
		}
		large := events.Item{ID: "i", Data: []byte(`{"text":"` + strings.Repeat("x", 100_000) + `"}`)}
		if _, err := c.Publish(t.Context(), topic, large); err != nil { // over one WebSocket frame's 32 KB
			t.Errorf("100 KB: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.set(func() { s.alter = func(answer *[]byte, _ string) { *answer = nil } })
		if _, err := c.Publish(ctx, topic, events.Item{ID: "i"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no answer: %v", err)
		}
	})
}
