package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/grant"
	"pgregory.net/rapid"
)

// TestPatternOverHTTP: existing topics are watched from their current cursors, and new ones from
// their first change.
func TestPatternOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		s.put("stocks/a", "1", `{}`)
		s.put("stocks/a", "2", `{}`)
		w := gather(t, s.dial(t, s.overHTTP(transport)), client.WatchOptions{})
		settle(5 * time.Second)
		if got := w.began["stocks/a"]; got.Seq != 2 {
			t.Errorf("a stands at %v", got)
		}
		for _, topic := range []events.Topic{"stocks/a", "stocks/b", "stocks/b", "stocks/b/deep", "bonds/c", "stocks", "stocks/a"} {
			s.put(topic, "i", `{}`)
		}
		settle(20 * time.Second)
		expect(t, "live", w.told(), "a [3 4], b [1 2]")
		settle(time.Hour)
		s.put("stocks/c", "i", `{}`)
		s.put("stocks/b", "i", `{}`)
		settle(20 * time.Second)
		expect(t, "after an hour", w.told(), "a [3 4], b [1 2 3], c [1]")
	})
}

// TestPatternChangesBeforeItsStream: changes between the subscribe and the beginning of the first
// stream are read at once, even those of a new topic.
func TestPatternChangesBeforeItsStream(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.put("stocks/a", "1", `{}`)
		s.front.before(func(_ http.ResponseWriter, r *http.Request) bool {
			if isStream(r) {
				time.Sleep(800 * time.Millisecond) // less than until the first look
			}
			return false
		})
		w := gather(t, s.dial(t, s.overHTTP(client.ServerSentEvents)), client.WatchOptions{})
		settle(400 * time.Millisecond)
		s.put("stocks/a", "1", `{}`)
		s.put("stocks/b", "1", `{}`)
		settle(5 * time.Second)
		expect(t, "changes", w.told(), "a [2], b [1]")
	})
}

// TestPatternWithItemsOverHTTP: the items of all topics take one request, and changes follow.
func TestPatternWithItemsOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		s.pageItems = 2
		for n := range 5 {
			s.put("stocks/a", fmt.Sprint(n), `{}`)
			s.put("stocks/b", fmt.Sprint(n%2), `{}`)
		}
		w := gather(t, s.dial(t, s.overHTTP(transport)), client.WatchOptions{Snapshot: true})
		settle(10 * time.Second)
		s.put("stocks/c", "i", `{}`)
		s.put("stocks/a", "i", `{}`)
		settle(20 * time.Second)
		expect(t, "items", fmt.Sprint(w.items), "map[stocks/a:[0 1 2 3 4] stocks/b:[0 1]]")
		expect(t, "changes", w.told(), "a [6], c [1]")
		if below := s.front.asked(func(r *http.Request) bool { return r.URL.Path == "/live/topics/stocks/*" && isItems(r) && !isStream(r) }); len(below) != 1 {
			t.Errorf("%d requests for the items", len(below))
		}
	})
}

// TestPatternMissedOverHTTP: the client gets the changes that came while it was away, topic by
// topic, or the items if those are not available.
func TestPatternMissedOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		s.put("stocks/a", "1", `{}`)
		s.put("stocks/b", "1", `{}`)
		w := gather(t, s.dial(t, s.overHTTP(transport)), client.WatchOptions{Cursors: map[events.Topic]events.Cursor{"stocks/a": {}, "stocks/b": {Epoch: "e1", Seq: 1}}})
		settle(10 * time.Second)
		expect(t, "from given cursors", w.told(), "a [1]")
		away := func() { // from the service, for longer than requests last
			s.front.before(status(http.StatusBadGateway, func(*http.Request) bool { return true }))
			settle(2 * time.Minute)
		}
		away()
		s.put("stocks/a", "1", `{}`)
		s.put("stocks/b", "1", `{}`)
		s.put("stocks/c", "1", `{}`)
		s.front.before(nil)
		settle(time.Minute)
		expect(t, "after a while away", w.told(), "a [1 2], b [2], c [1]")
		away()
		s.put("stocks/a", "2", `{}`)
		s.put("stocks/b", "2", `{}`)
		s.expire("stocks/b", 3)
		s.front.before(nil)
		settle(time.Minute)
		expect(t, "what cannot be told", fmt.Sprint(w.resets, w.items["stocks/b"]), "[stocks/b expired] [1 2]")
		s.recreate("stocks/c", "e2")
		s.put("stocks/c", "3", `{}`)
		settle(30 * time.Second)
		expect(t, "another epoch", fmt.Sprint(w.resets, w.items["stocks/c"]), "[stocks/b expired stocks/c epoch] [1 3]")
		s.put("stocks/c", "4", `{}`)
		settle(20 * time.Second)
		if got := w.cursors["stocks/c"]; got.Seq != 2 || got.Epoch != "e2" {
			t.Errorf("c stands at %v", got)
		}
	})
}

// TestQuietPatternOverHTTP: a pattern costs one request for each stream that the service holds.
// Looks are rare while nothing comes.
func TestQuietPatternOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		s.put("stocks/a", "1", `{}`)
		gather(t, s.dial(t, s.overHTTP(transport)), client.WatchOptions{})
		settle(time.Hour)
		most := map[client.Transport]int{client.ServerSentEvents: 3600/61 + 5, client.LongPoll: 3600/10 + 30}[transport]
		if asked := len(s.front.asked(func(*http.Request) bool { return true })); asked > most || asked < most/2 {
			t.Errorf("%d requests, want at most %d", asked, most)
		}
	})
}

// TestPatternOfTooManyTopicsForAStream: if the service refuses the stream of a pattern, the client
// looks at its topics, and other watches keep their streams.
func TestPatternOfTooManyTopicsForAStream(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.front.before(func(w http.ResponseWriter, r *http.Request) bool {
			if !isStream(r) || r.URL.Path != "/live/topics/stocks/*" {
				return false
			}
			problem(w, events.Problem{Code: events.CodeTooManyTopics})
			return true
		})
		s.put("stocks/a", "1", `{}`)
		c := s.dial(t, s.overHTTP(client.ServerSentEvents, client.LongPoll))
		w := gather(t, c, client.WatchOptions{})
		alone := follow(t, c, "news", client.WatchOptions{}, nil)
		for n := range 10 {
			settle(30 * time.Second)
			s.put("stocks/a", "1", `{}`)
			s.put("stocks/b", "1", `{}`)
			s.put("news", "1", `{}`)
			settle(2 * time.Second)
			alone.saw(t, 1, int64(n+1))
		}
		settle(20 * time.Second)
		expect(t, "looked at", w.told(), "a [2 3 4 5 6 7 8 9 10 11], b [1 2 3 4 5 6 7 8 9 10]")
		if refused := len(s.front.asked(func(r *http.Request) bool { return isStream(r) && r.URL.Path == "/live/topics/stocks/*" })); w.err != nil || refused != 1 {
			t.Errorf("%d streams were asked for, the watch ended with %v", refused, w.err)
		}
	})
}

// TestPatternNotAllNamedOverHTTP: if the service does not name all topics of a pattern, the named
// ones are watched, and the watch does not end.
func TestPatternNotAllNamedOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		for n := range events.MaxCursors + 20 {
			s.put(events.Topic(fmt.Sprint("stocks/", n)), "1", `{}`)
		}
		w := gather(t, s.dial(t, s.overHTTP(transport)), client.WatchOptions{})
		settle(3 * time.Minute)
		if w.err != nil || len(w.began) < events.MaxCursors {
			t.Errorf("%d topics, ended with %v", len(w.began), w.err)
		}
	})
}

// granting gives alice what a rule says.
func granting(t *testing.T, rule string) grant.Grant {
	t.Helper()
	g, err := grant.Parse([]byte(`{"v":1,"allow":[`+rule+`]}`), "alice")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestPatternIsRefusedOverHTTP: a watch that is refused ends with the reason.
func TestPatternIsRefusedOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		o := s.overHTTP(transport)
		o.Token = s.issue(granting(t, `{"topics":["bonds/*"],"actions":["subscribe"]}`), time.Hour)
		w := gather(t, s.dial(t, o), client.WatchOptions{})
		settle(5 * time.Second)
		var refused *events.Error
		if !errors.As(w.err, &refused) || refused.Code != events.CodeForbidden {
			t.Errorf("ended with %v", w.err)
		}
	})
}

// TestPatternInAnotherViewOverHTTP: when a later token has another view, all topics start over.
func TestPatternInAnotherViewOverHTTP(t *testing.T) { patternInAnotherView(t, false) }

// TestPatternInAnotherViewFromNow: the same where a stream begins now, as the first one does.
func TestPatternInAnotherViewFromNow(t *testing.T) { patternInAnotherView(t, true) }

func patternInAnotherView(t *testing.T, lossy bool) {
	overEach(t, func(t *testing.T, s *service, transport client.Transport) {
		s.put("stocks/a", "1", `{"n":1,"pin":2}`)
		s.front.before(func(w http.ResponseWriter, r *http.Request) bool {
			if lossy {
				r.Header.Del("Last-Event-ID")
			}
			return false
		})
		o := s.overHTTP(transport)
		masked := s.issue(granting(t, `{"topics":["stocks/*"],"actions":["subscribe","read"],"mask":{"omit":["pin"]}}`), 10*time.Minute)
		whole := s.issue(granting(t, `{"topics":["stocks/*"],"actions":["subscribe","read"]}`), 10*time.Minute)
		tokens := 0
		o.Token = func(ctx context.Context) (string, error) {
			if tokens++; tokens == 1 {
				return masked(ctx)
			}
			return whole(ctx)
		}
		w := gather(t, s.dial(t, o), client.WatchOptions{})
		settle(time.Minute)
		s.put("stocks/a", "1", `{"n":2,"pin":2}`)
		settle(12 * time.Minute)
		s.put("stocks/a", "1", `{"n":3,"pin":2}`)
		settle(time.Minute)
		expect(t, "starts over", fmt.Sprint(w.resets), "[stocks/a view]")
		expect(t, "changes", w.told(), "a [2 3]")
	})
}

// TestPatternThroughAnyTransport: transports are blocked, cut, torn and let through again at random
// while items are put and removed in topics of a pattern, some of them new. Each change of a topic
// is seen once and in order, or its items are given anew, and none is missing in the end. A watch of
// the latest sees some of the changes, and the last one.
func TestPatternThroughAnyTransport(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		latest := rapid.Bool().Draw(r, "latest")
		type step struct {
			Do  string
			For int // seconds
		}
		steps := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) step {
			do := []string{"put", "put", "put", "put", "block sockets", "block streams", "block polls", "tear", "503", "free", "cut"}
			return step{rapid.SampledFrom(do).Draw(r, "do"), rapid.SampledFrom([]int{0, 1, 1, 5, 40, 400}).Draw(r, "for")}
		}), 5, 60).Draw(r, "steps")
		synctest.Test(t, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *service) {
				c := s.dial(t, client.Options{HTTPURL: s.httpURL(), BetterInterval: time.Minute})
				s.put("stocks/0", "i", `{}`)
				settle(time.Second)
				w := gather(t, c, client.WatchOptions{Cursors: map[events.Topic]events.Cursor{}, Latest: latest})
				for n, step := range steps {
					if step.Do == "put" {
						s.put(events.Topic(fmt.Sprint("stocks/", n*n%(2+n/8))), fmt.Sprint(n%3), `{}`)
					} else {
						s.disturb(step.Do, n)
					}
					settle(time.Duration(step.For) * time.Second)
				}
				s.front.before(nil)
				settle(5 * time.Minute)
				s.mu.Lock()
				defer s.mu.Unlock()
				for topic, head := range s.heads {
					got := w.seqs[topic]
					inOrder := len(got) == int(head.Seq) || latest && len(got) > 0 && got[len(got)-1] == head.Seq
					for i, seq := range got {
						inOrder = inOrder && (seq == int64(i+1) || latest && (i == 0 || seq > got[i-1]))
					}
					if !inOrder {
						t.Errorf("%s is at %d, saw %v, after %v", topic, head.Seq, got, steps)
					}
				}
				if len(w.resets) > 0 || w.err != nil {
					t.Errorf("resets %v, ended with %v, after %v", w.resets, w.err, steps)
				}
			})
		})
		if t.Failed() {
			r.FailNow()
		}
	})
}
