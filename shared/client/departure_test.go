package client_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// disorder has a service carry out and answer each message after a random time of up to most.
// So it takes them in any order.
func (s *service) disorder(seed uint64, most time.Duration) {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	s.set(func() {
		s.dawdle = func(string) {
			mu.Lock()
			d := time.Duration(random.Int64N(int64(most)))
			mu.Unlock()
			time.Sleep(d)
		}
	})
}

// TestLeavingAndWatchingAgain: a consumer leaves a topic and watches it again at once, several
// times and with other fields, and the service carries out the requests in any order and
// late. It knows of no orders. The last watch is told of the next change at once.
func TestLeavingAndWatchingAgain(t *testing.T) {
	for seed := range uint64(60) {
		name := topic
		if seed%3 == 0 {
			name = "stocks/*"
		}
		t.Run(fmt.Sprint(seed, name), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				random := rand.New(rand.NewPCG(seed, 1))
				s.put(topic, "first", `{"a":1,"b":1}`)
				c := s.dial(t, client.Options{})
				const late = 4 * time.Second
				s.disorder(seed, late)
				var w *watcher
				fields := ""
				for range 2 + random.IntN(4) {
					if w != nil {
						time.Sleep(time.Duration(random.Int64N(int64(2 * late))))
						w.cancel()
						<-w.done
						if random.IntN(2) == 0 {
							time.Sleep(time.Duration(random.Int64N(int64(late))))
						}
					}
					fields = []string{"a", "b"}[random.IntN(2)]
					w = follow(t, c, name, client.WatchOptions{Snapshot: random.IntN(2) == 0, Fields: []string{fields}}, nil)
				}
				settle(10 * late) // all requests are answered
				s.put(topic, "next", `{"a":2,"b":2}`)
				settle(time.Second)
				if got, want := w.state["next"], fmt.Sprintf(`{"%s":2}`, fields); got != want {
					t.Errorf("after a second the change is seen as %q, want %s; subscribed are %v", got, want, s.subscribed())
				}
				if stats := c.Stats(); stats.Connections != 1 {
					t.Errorf("%d connections were made", stats.Connections)
				}
			})
		})
	}
}

// TestNoRequestOvertakesOneAboutItsTopic: a client asks about one topic by one request at a
// time, if the order of two matters.
func TestNoRequestOvertakesOneAboutItsTopic(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		var mu sync.Mutex
		var running []string
		s.set(func() {
			s.dawdle = func(frame string) {
				request, err := events.ParseRequest([]byte(frame))
				if err != nil || request.Order == 0 || fmt.Sprint(request.Order) != request.ID {
					t.Errorf("%s: %v", frame, err)
				}
				mu.Lock()
				running = append(running, request.Action)
				mu.Unlock()
				time.Sleep(time.Second)
			}
		})
		c := s.dial(t, client.Options{})
		for range 3 {
			w := follow(t, c, topic, client.WatchOptions{}, nil)
			w.cancel()
			<-w.done
		}
		follow(t, c, topic, client.WatchOptions{}, nil)
		settle(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if got := strings.Join(running, " "); got != "subscribe subscribe subscribe subscribe" { // each asks before and after
			t.Errorf("carried out are %s", got)
		}
	})
}

// TestWatchesOfOneTopicSubscribeInTurn, so that none is overtaken by another.
func TestWatchesOfOneTopicSubscribeInTurn(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		var mu sync.Mutex
		running, most := 0, 0
		begun := map[string]bool{}
		s.set(func() {
			s.dawdle = func(frame string) {
				mu.Lock()
				done := begun[frame]
				begun[frame] = true
				if !done {
					running++
				}
				most = max(most, running)
				mu.Unlock()
				if done {
					return
				}
				time.Sleep(time.Second)
				mu.Lock()
				running--
				mu.Unlock()
			}
		})
		c := s.dial(t, client.Options{})
		var all []*watcher
		for range 3 {
			all = append(all, follow(t, c, topic, client.WatchOptions{Snapshot: true}, nil))
		}
		settle(10 * time.Second)
		s.put(topic, "1", `{}`)
		settle(time.Second)
		for _, w := range all {
			w.saw(t, 1, 1)
		}
		if most != 1 {
			t.Errorf("%d requests at once", most)
		}
	})
}

// TestAnUnsubscribeWithoutAnAnswer may be carried out at any time. A client that wants the topic
// again has to make another connection.
func TestAnUnsubscribeWithoutAnAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.set(func() {
			s.alter = func(answer *[]byte, in string) {
				if strings.Contains(in, events.ActionUnsubscribe) {
					*answer = nil
				}
			}
		})
		c := s.dial(t, client.Options{})
		other := follow(t, c, "other", client.WatchOptions{}, nil)
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		w.cancel()
		<-w.done
		settle(10 * time.Second)
		s.put("other", "1", `{}`) // so that the connection is not taken for dead
		settle(time.Minute)
		if n := c.Stats().Connections; n != 1 {
			t.Errorf("%d connections, though nobody wants the topic", n)
		}
		again := follow(t, c, topic, client.WatchOptions{}, nil)
		settle(5 * time.Second)
		s.put(topic, "1", `{}`)
		settle(time.Second)
		again.saw(t, 1, 1)
		other.saw(t, 1, 1)
		if n := c.Stats().Connections; n != 2 {
			t.Errorf("%d connections, want another one", n)
		}
	})
}

// TestASubscribeWithoutAnAnswer is taken back all the same, when nobody waits for it any more.
func TestASubscribeWithoutAnAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.set(func() {
			s.alter = func(answer *[]byte, in string) {
				if strings.Contains(in, `"subscribe"`) && strings.Contains(in, string(topic)) {
					*answer = nil
				}
			}
		})
		c := s.dial(t, client.Options{})
		follow(t, c, "other", client.WatchOptions{}, nil)
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		w.cancel()
		<-w.done
		settle(10 * time.Second)
		s.put("other", "1", `{}`) // so that the connection is not taken for dead
		settle(20 * time.Second)
		if got := fmt.Sprint(s.subscribed()); strings.Contains(got, string(topic)) {
			t.Errorf("subscribed are %s", got)
		}
		s.set(func() { s.alter = nil })
		again := follow(t, c, topic, client.WatchOptions{}, nil)
		settle(5 * time.Second)
		s.put(topic, "1", `{}`)
		settle(time.Second)
		again.saw(t, 1, 1)
		if n := c.Stats().Connections; n != 2 {
			t.Errorf("%d connections, want another one", n)
		}
	})
}

// TestOvertakenRequests: a subscribe that the service takes for overtaken is sent again, and an
// item that a later Publish has replaced was published.
func TestOvertakenRequests(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		refused := map[string]int{}
		s.set(func() {
			s.alter = func(answer *[]byte, in string) {
				request, _ := events.ParseRequest([]byte(in))
				s.mu.Lock()
				defer s.mu.Unlock()
				if refused[request.Action]++; refused[request.Action] == 1 {
					*answer, _ = events.Encode(&events.Error{ID: request.ID, Code: events.CodeOvertaken, Message: "m"})
				}
			}
		})
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		settle(5 * time.Second)
		if _, err := c.Publish(context.Background(), topic, events.Item{ID: "1", Data: []byte(`{}`)}); err != nil {
			t.Error(err)
		}
		settle(time.Second)
		w.saw(t, 1, 1)
		w.cancel()
		<-w.done
		settle(5 * time.Second)
		if refused[events.ActionSubscribe] != 2 || refused[events.ActionPublish] != 1 || refused[events.ActionUnsubscribe] != 1 {
			t.Errorf("requests are %v", refused)
		}
	})
}
