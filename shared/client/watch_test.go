package client_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/watch"
)

// watcher follows a topic as a user would, and notes what it saw.
type watcher struct {
	seqs    []int64 // of changes
	resets  []events.ResetReason
	anew    map[int]bool // by the number of changes before: items came
	state   map[string]string
	cursor  events.Cursor
	err     error
	pages   int
	passed  int // events with only a cursor
	patches int
	costly  int // events that are, and items that pages say are
	cancel  context.CancelFunc
	done    chan struct{}
}

// follow starts a watcher, which ends with the test.
func follow(t *testing.T, c *client.Client, topic events.Topic, o client.WatchOptions, slow func()) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{state: map[string]string{}, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for event, err := range c.Watch(ctx, topic, o) {
			w.see(event, err)
			if slow != nil {
				slow()
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-w.done })
	synctest.Wait()
	return w
}

// seeing is held while a watcher notes something; whoever has looked at what it noted
// takes it before more is noted.
var seeing sync.Mutex

func (w *watcher) see(event client.Event, err error) {
	seeing.Lock()
	defer seeing.Unlock()
	if err != nil {
		w.err = err
		return
	}
	if event.Page != nil {
		w.page(event.Page)
	}
	if c := event.Change; c != nil {
		before := w.state[c.ID]
		w.seqs = append(w.seqs, c.Seq)
		w.state[c.ID] = string(c.Data)
		if c.Patch != nil {
			w.patches++
			w.state[c.ID] = patched(before, c.Patch)
		}
		if c.Op == events.Removed {
			delete(w.state, c.ID)
		}
	}
	if event.Page == nil && event.Change == nil {
		w.passed++
	}
	if event.Costly {
		w.costly++
	}
	w.cursor = event.Cursor
}

func (w *watcher) page(page *client.Page) {
	w.pages++
	w.costly += page.Costly
	if page.First {
		if w.anew == nil {
			w.anew = map[int]bool{}
		}
		w.anew[len(w.seqs)] = true
		clear(w.state)
		w.resets = append(w.resets, page.Reason)
	}
	for _, item := range page.Items {
		w.state[item.ID] = string(item.Data)
	}
}

// saw checks that exactly the changes from to to were seen, in order.
func (w *watcher) saw(t *testing.T, from, to int64) {
	t.Helper()
	var want []int64
	for seq := from; seq <= to; seq++ {
		want = append(want, seq)
	}
	if fmt.Sprint(w.seqs) != fmt.Sprint(want) {
		t.Errorf("saw %v, want %d to %d", w.seqs, from, to)
	}
}

// looked puts what the test has looked at before what is noted from here on.
func looked() {
	seeing.Lock()
	defer seeing.Unlock()
}

// settle lets a time pass and everything come to rest.
func settle(d time.Duration) {
	looked()
	time.Sleep(d)
	synctest.Wait()
}

func TestWatchSeesChangesInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{}, nil)
		if w.cursor != (events.Cursor{}) || w.pages != 0 {
			t.Errorf("begins at %v with %d pages", w.cursor, w.pages)
		}
		for n := range 5 {
			s.put(topic, fmt.Sprint(n), `{}`)
		}
		settle(0)
		w.saw(t, 1, 5)
		if w.cursor != (events.Cursor{Epoch: "e1", Seq: 5}) {
			t.Errorf("cursor %v", w.cursor)
		}
	})
}

// TestRepeatedAndReorderedPushes delivers changes twice and backwards.
func TestRepeatedAndReorderedPushes(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		var changes []watch.Entry
		for n := range 6 {
			changes = append(changes, s.number(topic, events.Added, fmt.Sprint(n), `{}`))
		}
		for _, i := range []int{1, 0, 0, 3, 5, 5, 4, 2, 1} {
			s.push(topic, changes[i])
		}
		settle(0)
		w.saw(t, 1, 6)
		if st := c.Stats(); st.Repeated != 3 || st.Holes != 0 {
			t.Errorf("stats %+v, want 3 repeated and no hole asked for", st)
		}
	})
}

// TestHoleIsHealed loses one push of three; what it brought is asked for.
func TestHoleIsHealed(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		s.set(func() { s.lose = func(frame string) bool { return strings.Contains(frame, `"seq":2,`) } })
		for n := range 3 {
			s.put(topic, fmt.Sprint(n), `{}`)
		}
		settle(0)
		w.saw(t, 1, 1)
		s.set(func() { s.lose = nil })
		settle(499 * time.Millisecond)
		w.saw(t, 1, 1)
		settle(time.Millisecond) // HoleTime
		w.saw(t, 1, 3)
		if st := c.Stats(); st.Holes != 1 || st.Connections != 1 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestHoleHealsThoughItsAnswersAreLostToo loses the same change five times.
func TestHoleHealsThoughItsAnswersAreLostToo(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{}, nil)
		left := 5
		s.set(func() {
			s.lose = func(frame string) bool {
				if !strings.Contains(frame, `"seq":2,`) || left == 0 {
					return false
				}
				left--
				return true
			}
		})
		for n := range 3 {
			s.put(topic, fmt.Sprint(n), `{}`)
		}
		settle(time.Minute)
		w.saw(t, 1, 3)
	})
}

// TestLostLastPushIsFoundByThePing leaves the watcher idle after the loss.
func TestLostLastPushIsFoundByThePing(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{}, nil)
		s.set(func() { s.lose = func(string) bool { return true } })
		s.put(topic, "i", `{}`)
		s.set(func() { s.lose = nil })
		settle(100 * time.Second)
		w.saw(t, 1, 0)
		settle(20 * time.Second) // the ping interval is 2 minutes
		w.saw(t, 1, 1)
	})
}

func TestResumeAfterTheConnectionIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		for round := range 5 {
			s.put(topic, fmt.Sprint("before", round), `{}`)
			settle(0)
			s.cut()
			s.put(topic, fmt.Sprint("while", round), `{}`)
			settle(time.Minute) // so that the next pause is short again
		}
		w.saw(t, 1, 10)
		if st := c.Stats(); st.Connections != 6 || st.Resets != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestResumeAcrossProcesses goes on from a cursor with another client.
func TestResumeAcrossProcesses(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		first := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{}, nil)
		s.put(topic, "1", `{}`)
		settle(0)
		first.cancel()
		<-first.done
		for n := range 2_000 {
			s.put(topic, fmt.Sprint(n), `{"text":"`+strings.Repeat("x", 200)+`"}`)
		}
		second := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{After: &first.cursor}, nil)
		settle(time.Second)
		second.saw(t, 2, 2_001)
		if second.pages != 0 {
			t.Errorf("%d pages", second.pages)
		}
	})
}

// TestResumeFromBeforeTheFirstChange was told that the topic is empty.
func TestResumeFromBeforeTheFirstChange(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.put(topic, "1", `{}`)
		s.put(topic, "2", `{}`)
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{After: &events.Cursor{}}, nil)
		settle(time.Second)
		w.saw(t, 1, 2)
		s.put(topic, "3", `{}`)
		settle(0)
		w.saw(t, 1, 3)
	})
}

// TestResets lets a watcher miss what cannot be told any more.
func TestResets(t *testing.T) {
	for reason, spoil := range map[events.ResetReason]func(*service){
		events.ResetExpired: func(s *service) { s.expire(topic, 5) },
		events.ResetEpoch:   func(s *service) { s.recreate(topic, "e2") },
		events.ResetLimit: func(s *service) {
			s.set(func() { s.pusher.Subscribers = nobody{s} })
			for range events.MaxResumeChanges {
				s.number(topic, events.Modified, "3", `{"n":3}`)
			}
			s.set(func() { s.pusher.Subscribers = s })
		},
	} {
		t.Run(string(reason), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				c := s.dial(t, client.Options{})
				w := follow(t, c, topic, client.WatchOptions{}, nil)
				for n := range 3 {
					s.put(topic, fmt.Sprint(n), fmt.Sprintf(`{"n":%d}`, n))
				}
				settle(0)
				s.cut()
				for n := range 4 {
					s.put(topic, fmt.Sprint(n), fmt.Sprintf(`{"n":%d}`, n))
				}
				s.remove(topic, "0")
				spoil(s)
				settle(10 * time.Second)
				if fmt.Sprint(w.resets) != fmt.Sprint([]events.ResetReason{reason}) || !maps.Equal(w.state, s.table(topic)) {
					t.Errorf("resets %v, state %v, want %s and %v", w.resets, w.state, reason, s.table(topic))
				}
				s.put(topic, "after", `{}`)
				settle(10 * time.Second)
				if !maps.Equal(w.state, s.table(topic)) || len(w.seqs) != 4 {
					t.Errorf("state %v after changes %v, want %v", w.state, w.seqs, s.table(topic))
				}
				if st := c.Stats(); st.Resets != 1 {
					t.Errorf("stats %+v", st)
				}
			})
		})
	}
}

// nobody watches anything.
type nobody struct{ *service }

// TestNewEpochWhileConnected resets a watcher that never lost its connection.
func TestNewEpochWhileConnected(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{}, nil)
		s.put(topic, "1", `{}`)
		s.recreate(topic, "e2")
		s.put(topic, "2", `{}`)
		settle(time.Second)
		if fmt.Sprint(w.resets) != "[epoch]" || !maps.Equal(w.state, s.table(topic)) {
			t.Errorf("resets %v, state %v", w.resets, w.state)
		}
		s.put(topic, "3", `{}`)
		settle(0)
		if !maps.Equal(w.state, s.table(topic)) || w.cursor != (events.Cursor{Epoch: "e2", Seq: 2}) {
			t.Errorf("state %v at %v", w.state, w.cursor)
		}
	})
}

// TestForgottenSubscription loses the service's rows while the connection stays, as
// after a post that was answered 410 by mistake.
func TestForgottenSubscription(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		s.forgetRows()
		s.put(topic, "1", `{}`)
		settle(2*time.Minute + 5*time.Second)
		w.saw(t, 1, 1)
		s.put(topic, "2", `{}`)
		settle(0)
		w.saw(t, 1, 2)
		if st := c.Stats(); st.Connections != 2 {
			t.Errorf("stats %+v, want another connection", st)
		}
	})
}

func TestUnsubscribedTopicIsSubscribedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		s.set(func() {
			for _, topics := range s.connections {
				clear(topics)
			}
		})
		s.put(topic, "1", `{}`)
		settle(2*time.Minute + 5*time.Second)
		w.saw(t, 1, 1)
		if st := c.Stats(); st.Connections != 1 {
			t.Errorf("stats %+v, want the same connection", st)
		}
	})
}

// TestSnapshot takes a topic of many pages, while its items change, and while some
// of its frames are lost.
func TestSnapshot(t *testing.T) {
	for name, disturb := range map[string]func(*service){
		"undisturbed": func(*service) {},
		"frames are lost": func(s *service) {
			frames := 0 // lose is called by one at a time
			s.lose = func(frame string) bool {
				frames++
				return strings.Contains(frame, `"type":"snapshot"`) && frames%5 == 0
			}
		},
		"the first answers are lost": func(s *service) {
			var answers atomic.Int32
			s.alter = func(answer *[]byte, in string) {
				if answers.Add(1) < 3 && strings.Contains(in, "subscribe") {
					*answer = nil
				}
			}
		},
		"connections break": func(s *service) {
			var answers atomic.Int32
			s.alter = func(*[]byte, string) {
				if n := answers.Add(1); n%4 == 0 && n < 30 {
					go s.cut()
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				for n := range 2_000 {
					s.put(topic, fmt.Sprintf("%04d", n), `{"text":"`+strings.Repeat("x", 300)+`"}`)
				}
				s.pageItems = 150
				disturb(s)
				c := s.dial(t, client.Options{})
				writing := make(chan struct{})
				go func() {
					defer close(writing)
					for n := range 50 {
						time.Sleep(time.Millisecond)
						s.put(topic, fmt.Sprintf("%04d", n*7), `{"changed":true}`)
						s.remove(topic, fmt.Sprintf("%04d", n*7+1))
					}
				}()
				w := follow(t, c, topic, client.WatchOptions{Snapshot: true}, nil)
				<-writing
				settle(5 * time.Minute)
				if !maps.Equal(w.state, s.table(topic)) || len(w.state) != 1_950 {
					t.Errorf("%d items, want the table's %d", len(w.state), len(s.table(topic)))
				}
				if w.cursor.Seq != 2_100 || w.resets[0] != "" {
					t.Errorf("cursor %v, resets %v", w.cursor, w.resets)
				}
				for i := 1; i < len(w.seqs); i++ {
					if w.seqs[i] != w.seqs[i-1]+1 && len(w.resets) == 1 {
						t.Fatalf("%d comes after %d", w.seqs[i], w.seqs[i-1])
					}
				}
			})
		})
	}
}

// TestSlowConsumer sees everything, though the client holds little for it.
func TestSlowConsumer(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{Buffer: 100})
		w := follow(t, c, topic, client.WatchOptions{}, func() { time.Sleep(10 * time.Millisecond) })
		quick := follow(t, c, topic, client.WatchOptions{}, nil)
		for n := range 1_000 {
			s.put(topic, fmt.Sprint(n%10), fmt.Sprint(`{"n":`, n, `}`))
			if n%50 == 49 {
				settle(0) // so that the quick one is quick
			}
		}
		quick.saw(t, 1, 1_000)
		settle(time.Minute)
		w.saw(t, 1, 1_000)
		if st := c.Stats(); st.Dropped == 0 || st.Resets != 0 || st.Connections != 1 {
			t.Errorf("stats %+v, want some dropped", st)
		}
	})
}

// TestSlowConsumerOfASnapshot takes its pages as it can.
func TestSlowConsumerOfASnapshot(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		for n := range 3_000 {
			s.put(topic, fmt.Sprintf("%04d", n), `{"text":"`+strings.Repeat("x", 3_000)+`"}`)
		}
		s.pageItems = 1_500 // over 64 frames
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{Snapshot: true}, func() { time.Sleep(time.Second) })
		settle(20 * time.Minute)
		if len(w.state) != 3_000 || len(w.resets) != 1 {
			t.Errorf("%d items, %d first pages", len(w.state), len(w.resets))
		}
	})
}

func TestWatchesAreIndependent(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		a, b := follow(t, c, topic, client.WatchOptions{}, nil), follow(t, c, "other", client.WatchOptions{}, nil)
		s.put(topic, "1", `{}`)
		settle(0)
		again := follow(t, c, topic, client.WatchOptions{After: &events.Cursor{}}, nil)
		settle(0)
		again.saw(t, 1, 1)
		s.put("other", "1", `{}`)
		a.cancel()
		<-a.done
		s.put(topic, "2", `{}`)
		settle(0)
		a.saw(t, 1, 1)
		b.saw(t, 1, 1)
		again.saw(t, 1, 2)
		again.cancel()
		<-again.done
		settle(time.Second)
		if got := fmt.Sprint(s.subscribed()); got != "[other]" {
			t.Errorf("still subscribed: %v", got)
		}
		if !errors.Is(a.err, context.Canceled) {
			t.Errorf("ended with %v", a.err)
		}
	})
}

func TestWatchRefused(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		w := follow(t, c, "a//b", client.WatchOptions{}, nil)
		var refused *events.Error
		if !errors.As(w.err, &refused) || refused.Code != events.CodeBadTopic {
			t.Errorf("bad topic: %v", w.err)
		}
		for n := range events.MaxSubscriptions {
			follow(t, c, events.Topic(fmt.Sprint("t/", n)), client.WatchOptions{}, nil)
		}
		settle(time.Second)
		w = follow(t, c, "one/more", client.WatchOptions{}, nil)
		settle(time.Second)
		if !errors.As(w.err, &refused) || refused.Code != events.CodeTooManySubscriptions {
			t.Errorf("one more: %v", w.err)
		}
	})
}

// TestSnapshotThatCannotGoOn begins again, later each time.
func TestSnapshotThatCannotGoOn(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		for n := range 3 {
			s.put(topic, fmt.Sprint(n), `{}`)
		}
		s.pageItems = 2
		s.set(func() {
			s.alter = func(answer *[]byte, in string) {
				if strings.Contains(in, `"next"`) {
					answering(t, events.ActionSnapshot, events.CodeBadCursor)(answer, in)
				}
			}
		})
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{Snapshot: true}, nil)
		settle(10 * time.Minute)
		if asked := len(s.sent(t, events.ActionSnapshot)); asked < 20 || asked > 150 {
			t.Errorf("asked %d times for pages in 10 minutes", asked)
		}
		s.set(func() { s.alter = nil })
		settle(31 * time.Second)
		if fmt.Sprint(w.state) != "map[0:{} 1:{} 2:{}]" || w.cursor.Seq != 3 {
			t.Errorf("state %v at %v", w.state, w.cursor)
		}
	})
}

// TestCursorThatCannotBe is refused before a connection is closed for its size, or a ping
// for its text.
func TestCursorThatCannotBe(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		for name, epoch := range map[string]string{"too large": strings.Repeat("e", events.MaxFrameBytes), "control characters": "\u0080"} {
			bad := events.Cursor{Epoch: epoch, Seq: 1}
			for topic, o := range map[events.Topic]client.WatchOptions{topic: {After: &bad}, all: {Cursors: map[events.Topic]events.Cursor{topic: bad}}} {
				for _, err := range c.Watch(t.Context(), topic, o) {
					refused, ok := err.(*events.Error)
					if !ok || refused.Code != events.CodeBadCursor || len(refused.Error()) > 1000 {
						t.Errorf("%s of %s: %v", name, topic, err)
					}
					break
				}
			}
		}
		settle(10 * time.Minute)
		if st := c.Stats(); st.Connections != 1 || len(s.sent(t, events.ActionSubscribe)) != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}
