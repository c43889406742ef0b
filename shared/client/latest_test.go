package client_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// overAll runs a test over each transport.
func overAll(t *testing.T, test func(t *testing.T, s *service, o func(*service) client.Options)) {
	for _, transport := range []client.Transport{client.WebSocket, client.ServerSentEvents, client.LongPoll} {
		t.Run(string(transport), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				test(t, s, func(s *service) client.Options { return s.overHTTP(transport) })
			})
		})
	}
}

// TestLatestIsGivenToWhoIsBehind over each transport: one change of each item, live and when the
// watch resumes, by its topic and by a pattern. What lies between is no hole.
func TestLatestIsGivenToWhoIsBehind(t *testing.T) {
	overAll(t, func(t *testing.T, s *service, o func(*service) client.Options) {
		c := s.dial(t, o(s))
		s.put(topic, "a", `{"n":0}`)
		start := events.Cursor{Epoch: "e1", Seq: 1}
		w := follow(t, c, topic, client.WatchOptions{After: &start, Latest: true}, nil)
		below := gather(t, c, client.WatchOptions{Latest: true})
		settle(2 * time.Second)
		s.putAtOnce(topic, `{"n":1}`, "a", "b", "a", "b", "a", "c") // 2 to 7
		settle(5 * time.Second)
		s.putAtOnce(topic, `{"n":2}`, "c", "a") // 8 and 9
		settle(5 * time.Second)
		if got := fmt.Sprint(w.seqs, w.cursor.Seq, w.state); got != `[5 6 7 8 9] 9 map[a:{"n":2} b:{"n":1} c:{"n":2}]` {
			t.Errorf("saw %s", got)
		}
		expect(t, "the pattern", below.told(), "AAPL [5 6 7 8 9]")
		behind := follow(t, s.dial(t, o(s)), topic, client.WatchOptions{After: &start, Latest: true}, nil)
		settle(5 * time.Second)
		if got := fmt.Sprint(behind.seqs, behind.cursor.Seq, behind.state); got != `[5 8 9] 9 map[a:{"n":2} b:{"n":1} c:{"n":2}]` {
			t.Errorf("who comes back saw %s", got)
		}
		settle(10 * time.Minute)
		if st := c.Stats(); st.Holes != 0 || st.Resets != 0 || w.err != nil || below.err != nil || len(below.resets) > 0 {
			t.Errorf("stats %+v, ended with %v and %v", st, w.err, below.err)
		}
	})
}

// TestLatestThroughLostFrames: a watch may lose the frame that has the later change, and keep the
// one that has skipped the earlier. It is given the later one.
func TestLatestThroughLostFrames(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{Latest: true}, nil)
		frames := 0
		s.set(func() {
			s.lose = func(frame string) bool {
				frames++
				return frames%3 == 2
			}
		})
		long := fmt.Sprintf("%030000d", 7) // so that a frame has one change
		for n := range 20 {
			s.putAtOnce(topic, fmt.Sprintf(`{"n":%d,"long":"%s"}`, n, long), "a", "b", "a", "c", "b")
			settle(time.Second)
		}
		settle(10 * time.Minute)
		if got, want := fmt.Sprint(w.state), fmt.Sprint(s.table(topic)); got != want || w.cursor.Seq != 100 {
			t.Errorf("at %v it has %.100s, want %.100s", w.cursor, got, want)
		}
		if err := w.inOrder(true); err != nil || len(w.seqs) > 60 {
			t.Errorf("saw %d changes, %v", len(w.seqs), err)
		}
	})
}

// TestLatestAndDeltaExcludeEachOther.
func TestLatestAndDeltaExcludeEachOther(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{Snapshot: true, Latest: true, Delta: true}, nil)
		var refused *events.Error
		if !errors.As(w.err, &refused) || refused.Code != events.CodeBadRequest || len(s.subscribed()) > 0 {
			t.Errorf("ended with %v, subscribed %v", w.err, s.subscribed())
		}
	})
}

// TestLatestForASlowConsumer: while it handles one change, many come, one by one. Of those it is
// given the last one of each item, and little waits for it.
func TestLatestForASlowConsumer(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{Latest: true}, func() { time.Sleep(time.Second) })
		const changes, items = 5_000, 10
		for n := range changes {
			s.put(topic, fmt.Sprint(n%items), fmt.Sprintf(`{"n":%d}`, n))
		}
		settle(10 * time.Minute)
		if got, want := fmt.Sprint(w.state), fmt.Sprint(s.table(topic)); got != want || w.cursor.Seq != changes {
			t.Errorf("at %v it has %s, want %s", w.cursor, got, want)
		}
		if err := w.inOrder(true); err != nil || len(w.seqs) > 2*eventsThatWait {
			t.Errorf("saw %d changes, %v", len(w.seqs), err)
		}
		if st := c.Stats(); st.Dropped != 0 || st.Holes != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

// eventsThatWait is how many events wait for a consumer at most, besides changes.
const eventsThatWait = 128
