package client_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
	"pgregory.net/rapid"
)

// held answers nothing until the client leaves.
func held(of func(*http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(_ http.ResponseWriter, r *http.Request) bool {
		if of(r) {
			<-r.Context().Done()
		}
		return of(r)
	}
}

// TestFallsBackAndComesBack: where WebSockets are blocked, in whichever way, the client goes on
// over HTTP, and comes back when they are not. Nothing is lost or seen twice.
func TestFallsBackAndComesBack(t *testing.T) {
	for name, proxy := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"forbidden":       status(http.StatusForbidden, isSocket),
		"a login page":    status(http.StatusOK, isSocket),
		"bad request":     status(http.StatusBadRequest, isSocket),
		"bad gateway":     status(http.StatusBadGateway, isSocket),
		"not implemented": status(http.StatusNotImplemented, isSocket),
		"no answer":       held(isSocket),
		"no frames": func(w http.ResponseWriter, r *http.Request) bool {
			if !isSocket(r) {
				return false
			}
			conn, err := websocket.Accept(w, r, nil)
			for err == nil {
				_, _, err = conn.Read(r.Context())
			}
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				c := s.dial(t, client.Options{HTTPURL: s.httpURL()})
				w := follow(t, c, topic, client.WatchOptions{}, nil)
				n := int64(0)
				change := func(times int) {
					for range times {
						settle(10 * time.Second)
						s.put(topic, "1", `{}`)
						n++
					}
				}
				change(3)
				s.front.before(proxy)
				s.cut()
				change(12)
				if c.Transport() != client.ServerSentEvents {
					t.Errorf("after a block: connected by %q", c.Transport())
				}
				s.front.before(nil)
				change(9)
				settle(15 * time.Minute)
				if c.Transport() != client.WebSocket {
					t.Errorf("after the block: connected by %q", c.Transport())
				}
				change(3)
				settle(5 * time.Second)
				w.saw(t, 1, n)
				if len(w.resets) > 0 || s.front.held > 0 {
					t.Errorf("resets %v, %d requests are still held", w.resets, s.front.held)
				}
			})
		})
	}
}

// TestFallsBackAtOnce: a client that has never had a WebSocket is connected soon, too.
func TestFallsBackAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.front.before(status(http.StatusForbidden, isSocket))
		began := time.Now()
		c := s.dial(t, client.Options{HTTPURL: s.httpURL()})
		if took := time.Since(began); took > time.Second || c.Transport() != client.ServerSentEvents {
			t.Errorf("connected by %q after %v", c.Transport(), took)
		}
	})
}

// TestBlockThatLasts: the client tries a blocked transport more and more seldom.
func TestBlockThatLasts(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		var dials atomic.Int32
		s.front.before(func(w http.ResponseWriter, r *http.Request) bool {
			if isSocket(r) {
				dials.Add(1)
			}
			return status(http.StatusForbidden, isSocket)(w, r)
		})
		c := s.dial(t, client.Options{HTTPURL: s.httpURL()})
		settle(12 * time.Hour)
		if n := dials.Load(); n < 12 || n > 20 || c.Stats().Connections != 1 {
			t.Errorf("a WebSocket was tried %d times in 12 hours, stats %+v", n, c.Stats())
		}
	})
}

// TestFallsBackFromHTTP: where HTTP is preferred and does not come through, the client goes on
// over a WebSocket.
func TestFallsBackFromHTTP(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{HTTPURL: s.httpURL(), Transports: []client.Transport{client.ServerSentEvents, client.WebSocket}})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		settle(time.Minute)
		s.front.before(status(http.StatusBadGateway, func(r *http.Request) bool { return !isSocket(r) }))
		settle(3 * time.Minute)
		s.put(topic, "1", `{}`)
		settle(time.Second)
		if w.saw(t, 1, 1); c.Transport() != client.WebSocket {
			t.Errorf("connected by %q", c.Transport())
		}
	})
}

// TestRefusedOverAll: a client ends when each transport is refused for good, and not before.
func TestRefusedOverAll(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.refuse = http.StatusForbidden
		if _, err := client.Dial(t.Context(), s.url(), client.Options{HTTPURL: s.httpURL(), HTTPClient: s.http}); !refused(403)(err) {
			t.Errorf("dialled: %v", err)
		}
		if len(s.front.asked(func(*http.Request) bool { return true })) != 1 {
			t.Error("HTTP was not tried")
		}
	})
}

// TestStreamsHeldBack: where a proxy keeps streams back until they end, topics are polled, and
// streams are tried again later.
func TestStreamsHeldBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.front.before(func(w http.ResponseWriter, r *http.Request) bool {
			if !isStream(r) {
				return false
			}
			kept := &keeper{ResponseWriter: w}
			s.front.topics(kept, r, topic)
			_, _ = w.Write(kept.Bytes())
			return true
		})
		c := s.dial(t, client.Options{HTTPURL: s.httpURL(), Transports: []client.Transport{client.ServerSentEvents, client.LongPoll}})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		settle(2 * time.Minute)
		if c.Transport() != client.LongPoll {
			t.Errorf("watches by %s", c.Transport())
		}
		for n := range 3 {
			s.put(topic, "1", `{}`)
			settle(2 * time.Second)
			w.saw(t, 1, int64(n+1))
		}
		s.front.before(nil)
		settle(10 * time.Minute)
		if c.Transport() != client.ServerSentEvents {
			t.Errorf("watches by %s when streams come through", c.Transport())
		}
		s.put(topic, "1", `{}`)
		settle(2 * time.Second)
		w.saw(t, 1, 4)
	})
}

// keeper keeps an answer back.
type keeper struct {
	http.ResponseWriter
	bytes.Buffer
}

func (k *keeper) Write(p []byte) (int, error) { return k.Buffer.Write(p) }
func (k *keeper) Flush()                      {}

// TestEachChangeOnceOverAnyTransport: transports are blocked, cut, torn and let through again at
// random while items are put and removed. Each change is seen once and in order, or the items
// are given anew, and in the end the watcher has what the table has. So does one that asks for the
// latest, which sees some of the changes.
func TestEachChangeOnceOverAnyTransport(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		latest := rapid.Bool().Draw(r, "latest")
		type step struct {
			Do  string
			For int // seconds
		}
		steps := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) step {
			do := []string{"put", "put", "put", "put many", "remove", "block sockets", "block streams", "block polls", "tear", "503", "free", "cut", "expire"}
			return step{rapid.SampledFrom(do).Draw(r, "do"), rapid.SampledFrom([]int{0, 1, 1, 5, 40, 400}).Draw(r, "for")}
		}), 5, 60).Draw(r, "steps")
		synctest.Test(t, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *service) {
				c := s.dial(t, client.Options{HTTPURL: s.httpURL(), BetterInterval: time.Minute})
				w := follow(t, c, topic, client.WatchOptions{Snapshot: true, Latest: latest}, nil)
				for n, step := range steps {
					s.disturb(step.Do, n)
					settle(time.Duration(step.For) * time.Second)
				}
				s.front.before(nil)
				settle(5 * time.Minute)
				if err := w.inOrder(latest); err != nil || w.err != nil {
					t.Errorf("%v, ended with %v, after %v", err, w.err, steps)
				}
				if got, want := fmt.Sprint(w.state), fmt.Sprint(s.table(topic)); got != want {
					t.Errorf("has %s, want %s, after %v", got, want, steps)
				}
			})
		})
		if t.Failed() {
			r.FailNow()
		}
	})
}

// disturb does one thing to the service, or to what stands before it.
func (s *service) disturb(do string, n int) {
	id := fmt.Sprint(n % 3)
	isPoll := func(r *http.Request) bool { return !isSocket(r) && !isStream(r) }
	switch do {
	case "put":
		s.put(topic, id, fmt.Sprintf(`{"n":%d}`, n))
	case "put many":
		s.putAtOnce(topic, fmt.Sprintf(`{"n":%d}`, n), id, "0", id, "1", id)
	case "remove":
		s.remove(topic, id)
	case "block sockets":
		s.front.before(status(http.StatusForbidden, isSocket))
		s.cut()
	case "block streams":
		s.front.before(func(w http.ResponseWriter, r *http.Request) bool {
			return held(isStream)(w, r) || status(http.StatusForbidden, isSocket)(w, r)
		})
		s.cut()
	case "block polls":
		s.front.before(status(http.StatusBadGateway, isPoll))
	case "tear": // answers in the middle of a line
		s.front.before(func(w http.ResponseWriter, r *http.Request) bool {
			if isSocket(r) {
				return status(http.StatusForbidden, isSocket)(w, r)
			}
			torn := &tearer{ResponseWriter: w, left: 40 + 60*(n%7)}
			s.front.topics(torn, r, events.Topic(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/live/topics"), "/")))
			return true
		})
		s.cut()
	case "503":
		s.front.before(status(http.StatusServiceUnavailable, func(*http.Request) bool { return true }))
	case "free":
		s.front.before(nil)
	case "cut":
		s.cut()
	case "expire":
		head, _ := s.Head(s.ctx, topic)
		s.expire(topic, head.Seq)
	}
}

// tearer breaks an answer off after some bytes.
type tearer struct {
	http.ResponseWriter
	left int
}

func (x *tearer) Write(p []byte) (int, error) {
	n, err := x.ResponseWriter.Write(p[:min(len(p), x.left)])
	if x.left -= n; x.left == 0 {
		_ = http.NewResponseController(x.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

func (x *tearer) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// inOrder checks that each change follows the one before, or items. A watcher of the latest is not
// given all of them.
func (w *watcher) inOrder(latest bool) error {
	for i := 1; i < len(w.seqs); i++ {
		follows := w.seqs[i] == w.seqs[i-1]+1 || latest && w.seqs[i] > w.seqs[i-1]
		if !follows && !w.anew[i] {
			return fmt.Errorf("saw %v", w.seqs)
		}
	}
	return nil
}
