package client_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// all is the pattern of the tests' topics.
const all = "stocks/*"

// relatives are what the watch of a pattern has shown of each topic.
type relatives struct {
	began   map[events.Topic]events.Cursor // by events with only a cursor that came before all others
	seqs    map[events.Topic][]int64
	items   map[events.Topic][]string // ids, as pages and changes gave them
	cursors map[events.Topic]events.Cursor
	resets  []string // topics that started over, and why
	err     error
	cancel  context.CancelFunc
	done    chan struct{}
}

// gather watches a pattern until the test ends.
func gather(t *testing.T, c *client.Client, o client.WatchOptions) *relatives {
	t.Helper()
	return gatherSlowly(t, c, o, 0)
}

// gatherSlowly takes a time for each event.
func gatherSlowly(t *testing.T, c *client.Client, o client.WatchOptions, each time.Duration) *relatives {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &relatives{began: map[events.Topic]events.Cursor{}, seqs: map[events.Topic][]int64{}, items: map[events.Topic][]string{}, cursors: map[events.Topic]events.Cursor{}, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for event, err := range c.Watch(ctx, all, o) {
			r.see(event, err)
			time.Sleep(each)
		}
	}()
	t.Cleanup(func() { cancel(); <-r.done })
	synctest.Wait()
	return r
}

func (r *relatives) see(e client.Event, err error) {
	seeing.Lock()
	defer seeing.Unlock()
	r.err = err
	if err != nil {
		return
	}
	if _, known := r.cursors[e.Topic]; !known && e.Change == nil && e.Page == nil {
		r.began[e.Topic] = e.Cursor
	}
	r.cursors[e.Topic] = e.Cursor
	if e.Change != nil {
		r.seqs[e.Topic] = append(r.seqs[e.Topic], e.Change.Seq)
	}
	if e.Page != nil && e.Page.First {
		r.items[e.Topic] = nil
		r.resets = append(r.resets, fmt.Sprintf("%s %s", e.Topic, e.Page.Reason))
	}
	if e.Page != nil {
		for _, item := range e.Page.Items {
			r.items[e.Topic] = append(r.items[e.Topic], item.ID)
		}
	}
}

// told gives what was seen, topic by topic.
func (r *relatives) told() string {
	seeing.Lock()
	defer seeing.Unlock()
	var all []string
	for _, topic := range slices.Sorted(maps.Keys(r.seqs)) {
		all = append(all, fmt.Sprintf("%s %v", strings.TrimPrefix(string(topic), "stocks/"), r.seqs[topic]))
	}
	return strings.Join(all, ", ")
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

// TestPatternWatchFromNowOn: topics that are there are watched from where they stand, those that
// come into being from their first change.
func TestPatternWatchFromNowOn(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.put("stocks/a", "1", `{}`)
		s.put("stocks/a", "2", `{}`)
		w := gather(t, s.dial(t, client.Options{}), client.WatchOptions{})
		if got := w.cursors["stocks/a"]; got.Seq != 2 {
			t.Errorf("a stands at %v", got)
		}
		for _, topic := range []events.Topic{"stocks/a", "stocks/b", "stocks/b", "stocks/b/deep", "bonds/c", "stocks", "stocks/a"} {
			s.put(topic, "i", `{}`)
		}
		settle(0)
		expect(t, "live", w.told(), "a [3 4], b [1 2]")
	})
}

// manyTopics are more than a watch holds events.
const manyTopics = 300

// putAll puts an item into each of many topics, or into every second or third of them.
func (s *service) putAll(id string, every int) {
	for n := 0; n < manyTopics; n += every {
		s.put(events.Topic(fmt.Sprintf("stocks/%03d", n)), id, `{}`)
	}
}

// TestPatternWatchOfManyTopicsAndASlowConsumer: each topic begins with its first event, also if
// there was no room for it when the watch began, and whoever returns with the cursors is
// given nothing from before.
func TestPatternWatchOfManyTopicsAndASlowConsumer(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		for n := range 5 {
			s.putAll(fmt.Sprint("before", n), 1)
		}
		c := s.dial(t, client.Options{})
		w := gatherSlowly(t, c, client.WatchOptions{}, time.Millisecond)
		s.putAll("live", 2)
		settle(time.Minute)
		w.cancel()
		<-w.done
		s.putAll("away", 3)
		back := gatherSlowly(t, c, client.WatchOptions{Cursors: w.cursors}, time.Millisecond)
		settle(time.Minute)
		for n := range manyTopics {
			topic := events.Topic(fmt.Sprintf("stocks/%03d", n))
			live, away := []string{"[6]", "[]"}[n%2], []string{"[7]", "[]", "[]", "[6]", "[]", "[]"}[n%6]
			if w.began[topic].Seq != 5 || fmt.Sprint(w.seqs[topic]) != live || fmt.Sprint(back.seqs[topic]) != away {
				t.Errorf("%s begins at %v, shows %v, and after the return %v", topic, w.began[topic], w.seqs[topic], back.seqs[topic])
			}
		}
	})
}

// TestPatternWatchOfManyTopicsWithItems gives the items of each, with not much more requests than
// there are topics, though their pages do not fit at once.
func TestPatternWatchOfManyTopicsWithItems(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.putAll("before", 1)
		w := gatherSlowly(t, s.dial(t, client.Options{}), client.WatchOptions{Snapshot: true}, time.Millisecond)
		s.putAll("live", 1)
		settle(time.Minute)
		for n := range manyTopics {
			topic := events.Topic(fmt.Sprintf("stocks/%03d", n))
			if !slices.Contains(w.items[topic], "before") || w.cursors[topic].Seq != 2 {
				t.Errorf("%s has the items %v at %v", topic, w.items[topic], w.cursors[topic])
			}
		}
		if asked := len(s.sent(t, events.ActionSnapshot)); asked > manyTopics*11/10 {
			t.Errorf("%d requests for the items of %d topics", asked, manyTopics)
		}
	})
}

// TestPatternsOfWhichAllTopicsAreNamed and others: a topic that comes into being is watched
// from its first change on, though the service does not name all topics of another pattern.
func TestPatternsOfWhichAllTopicsAreNamed(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.named = 1
		s.put("bonds/a", "1", `{}`)
		s.put("bonds/b", "1", `{}`)
		c := s.dial(t, client.Options{})
		w := gather(t, c, client.WatchOptions{})
		follow(t, c, "bonds/*", client.WatchOptions{}, nil)
		settle(3 * time.Minute)
		s.number("stocks/new", events.Added, "lost", `{}`)
		s.put("stocks/new", "2", `{}`)
		settle(time.Second)
		expect(t, "new topic", w.told(), "new [1 2]")
	})
}

// TestBusyTopicLeavesRoomForOthers of the pattern: their changes and pages reach a slow
// consumer long before it is through with what it has of the busy one, and no page has to be
// asked for twice.
func TestBusyTopicLeavesRoomForOthers(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		for _, topic := range []events.Topic{"a", "b", "c", "d", "e", "f", "g"} {
			s.put("stocks/"+topic, "1", `{}`)
		}
		w := gatherSlowly(t, s.dial(t, client.Options{}), client.WatchOptions{Snapshot: true}, time.Millisecond)
		settle(time.Second)
		asked := len(s.sent(t, events.ActionSnapshot))
		busy := func(changes int) {
			for n := range changes {
				s.put("stocks/b", fmt.Sprint(n), `{}`)
				settle(100 * time.Microsecond)
			}
		}
		busy(2_000)
		s.put("stocks/a", "2", `{}`)
		s.put("stocks/c", "2", `{}`)
		for _, topic := range []events.Topic{"d", "e", "f", "g"} {
			s.recreate("stocks/"+topic, "e2")
			s.put("stocks/"+topic, "2", `{}`)
			busy(3)
		}
		busy(6_000) // which takes 600 ms
		expect(t, "others", fmt.Sprint(w.seqs["stocks/a"], w.seqs["stocks/c"]), "[2] [2]")
		slices.Sort(w.resets[7:])
		expect(t, "started over", fmt.Sprint(w.resets[7:]), "[stocks/d epoch stocks/e epoch stocks/f epoch stocks/g epoch]")
		if behind := len(s.log["stocks/b"]) - len(w.seqs["stocks/b"]); behind < 4_000 {
			t.Errorf("the consumer is only %d changes behind", behind)
		}
		if again := len(s.sent(t, events.ActionSnapshot)) - asked; again != 4 {
			t.Errorf("asked for the items of 4 topics %d times", again)
		}
	})
}

// TestPatternWatchNotAllNamedAtFirst: topics that the service names later may be from before the
// watch began, and their changes from before are not given.
func TestPatternWatchNotAllNamedAtFirst(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.named = 1
		for _, topic := range []events.Topic{"stocks/a", "stocks/b", "stocks/c", "stocks/a", "stocks/b", "stocks/c"} {
			s.put(topic, "i", `{}`)
		}
		w := gather(t, s.dial(t, client.Options{PingInterval: time.Second}), client.WatchOptions{})
		settle(time.Hour)
		expect(t, "from before", w.told(), "")
		if len(w.began) != 3 {
			t.Errorf("begun: %v", w.began)
		}
		s.set(func() { s.named = 0 })
		settle(time.Minute)
		for _, topic := range []events.Topic{"stocks/a", "stocks/b", "stocks/d"} {
			s.put(topic, "j", `{}`)
		}
		settle(0)
		expect(t, "live", w.told(), "a [3], b [3], d [1]")
	})
}

// TestPatternWatchThroughLosses: away for a while, with frames lost and connections cut, nothing
// is missed of topics that were known, and of those that were not.
func TestPatternWatchThroughLosses(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		random, luck := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4))
		s.set(func() { s.lose = func(string) bool { return luck.IntN(4) == 0 } })
		s.put("stocks/0", "first", `{}`)
		w := gather(t, s.dial(t, client.Options{PingInterval: 10 * time.Second}), client.WatchOptions{Cursors: map[events.Topic]events.Cursor{}})
		written := map[events.Topic]int64{"stocks/0": 1}
		for n := range 300 {
			topic := events.Topic(fmt.Sprintf("stocks/%d", random.IntN(1+n/20)))
			s.put(topic, fmt.Sprint(n), `{}`)
			written[topic]++
			if n%50 == 49 {
				s.cut()
			}
			settle(time.Duration(random.IntN(2000)) * time.Millisecond)
		}
		s.set(func() { s.lose = nil })
		settle(5 * time.Minute)
		for topic, last := range written {
			if got := w.seqs[topic]; int64(len(got)) != last || !slices.IsSorted(got) || got[0] != 1 || got[len(got)-1] != last {
				t.Errorf("%s: saw %v, want 1 to %d", topic, got, last)
			}
		}
		if len(written) < 10 || len(w.resets) > 0 {
			t.Errorf("%d topics, resets %q", len(written), w.resets)
		}
	})
}

// TestPatternWatchIsOnlyHeardOfByPing: the first change of a topic is lost, and no other comes.
func TestPatternWatchIsOnlyHeardOfByPing(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		w := gather(t, s.dial(t, client.Options{}), client.WatchOptions{})
		s.set(func() { s.lose = func(frame string) bool { return strings.Contains(frame, `"changes"`) } })
		s.put("stocks/new", "1", `{}`)
		settle(time.Second)
		s.set(func() { s.lose = nil })
		expect(t, "before the ping", w.told(), "")
		settle(3 * time.Minute)
		expect(t, "after it", w.told(), "new [1]")
	})
}

// TestPatternWatchGoesOn from the cursors of the topics, and with the first change of others.
func TestPatternWatchGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		for _, topic := range []events.Topic{"stocks/a", "stocks/a", "stocks/a", "stocks/b", "stocks/b"} {
			s.put(topic, "i", `{}`)
		}
		w := gather(t, s.dial(t, client.Options{}), client.WatchOptions{Cursors: map[events.Topic]events.Cursor{"stocks/a": {Epoch: "e1", Seq: 1}}})
		settle(10 * time.Second)
		expect(t, "missed", w.told(), "a [2 3], b [1 2]")
	})
}

// TestPatternWatchGoesOnThoughTheServiceNamesFew: it goes on from the cursors of the topics that
// the service does not name too.
func TestPatternWatchGoesOnThoughTheServiceNamesFew(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.named = 1
		cursors := map[events.Topic]events.Cursor{"bonds/x": {Epoch: "e1", Seq: 7}}
		for _, topic := range []events.Topic{"stocks/a", "stocks/b", "stocks/c"} {
			s.put(topic, "1", `{}`)
			s.put(topic, "2", `{}`)
			cursors[topic] = events.Cursor{Epoch: "e1", Seq: 1}
		}
		w := gather(t, s.dial(t, client.Options{}), client.WatchOptions{Cursors: cursors})
		settle(time.Second)
		expect(t, "missed", w.told(), "a [2], b [2], c [2]")
		if subscribes := s.sent(t, events.ActionSubscribe); len(subscribes) != 1 || len(w.resets) != 0 {
			t.Errorf("subscribed %d times, resets %v", len(subscribes), w.resets)
		}
	})
}

// TestPatternWatchBeginsWithItems, and goes on with their changes.
func TestPatternWatchBeginsWithItems(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.pageItems = 2
		for n := range 5 {
			s.put("stocks/a", fmt.Sprint(n), `{}`)
		}
		s.put("stocks/b", "x", `{}`)
		c := s.dial(t, client.Options{})
		w := gather(t, c, client.WatchOptions{Snapshot: true})
		settle(5 * time.Second)
		expect(t, "items", fmt.Sprint(w.items), "map[stocks/a:[0 1 2 3 4] stocks/b:[x]]")
		s.put("stocks/a", "5", `{}`)
		s.put("stocks/c", "y", `{}`)
		settle(0)
		expect(t, "changes", w.told(), "a [6], c [1]")
		if st := c.Stats(); st.Resets != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestPatternWatchItemsTakeOneRequest, if an answer holds the topics and their items. What it does
// not hold, or what is lost of it, is asked for topic by topic.
func TestPatternWatchItemsTakeOneRequest(t *testing.T) {
	for name, c := range map[string]struct {
		topics, items int
		lost          string // frames with it
		asked         int    // snapshots
	}{
		"all":                      {60, 1, "", 0},
		"more topics":              {110, 1, "", 10},
		"more items":               {3, 3, "", 3},
		"a topic is lost":          {5, 1, `"topic":"stocks/002"`, 1},
		"the end is lost":          {5, 1, `"topic":"stocks/*","epoch":"","seq":0,"items"`, 0},
		"where they stand is lost": {5, 1, `"type":"subscribed"`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				s.pageItems = 2
				want := map[events.Topic][]string{}
				for n := range c.topics {
					topic := events.Topic(fmt.Sprintf("stocks/%03d", n))
					for i := range c.items {
						s.put(topic, fmt.Sprint(i), `{}`)
						want[topic] = append(want[topic], fmt.Sprint(i))
					}
				}
				var lost atomic.Bool // answers are given at once
				lose := func(frame string) bool {
					return c.lost != "" && strings.Contains(frame, c.lost) && lost.CompareAndSwap(false, true)
				}
				s.set(func() {
					s.lose = lose
					s.alter = func(last *[]byte, _ string) {
						if lose(string(*last)) {
							*last = nil
						}
					}
				})
				w := gather(t, s.dial(t, client.Options{}), client.WatchOptions{Snapshot: true})
				settle(2 * time.Minute)
				if !maps.EqualFunc(w.items, want, slices.Equal) || len(w.resets) != c.topics {
					t.Errorf("items are %v, begun %d times", w.items, len(w.resets))
				}
				asked := 0
				s.set(func() {
					for _, a := range s.received {
						if strings.Contains(a.frame, `"action":"snapshot"`) {
							asked++
						}
					}
				})
				if asked != c.asked || lost.Load() != (c.lost != "") {
					t.Errorf("snapshots are asked for %d times, want %d; a frame was lost: %t", asked, c.asked, lost.Load())
				}
			})
		})
	}
}

// TestPatternWatchStartsOver with the one topic of which what was missed is gone.
func TestPatternWatchStartsOver(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.put("stocks/a", "1", `{}`)
		s.put("stocks/b", "1", `{}`)
		c := s.dial(t, client.Options{})
		w := gather(t, c, client.WatchOptions{})
		s.set(func() { s.lose = func(string) bool { return true } })
		for n := range 3 {
			s.put("stocks/a", fmt.Sprint("a", n), `{}`)
			s.put("stocks/b", fmt.Sprint("b", n), `{}`)
		}
		s.expire("stocks/a", 2)
		s.cut()
		s.set(func() { s.lose = nil })
		settle(time.Minute)
		s.put("stocks/a", "late", `{}`)
		settle(0)
		expect(t, "changes", w.told(), "a [5], b [2 3 4]")
		expect(t, "resets", fmt.Sprint(w.resets), "[stocks/a expired]")
		if st := c.Stats(); st.Resets != 1 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestPatternWatchInAnotherView starts over with all of its topics.
func TestPatternWatchInAnotherView(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		shows := grant.All()
		issue := s.issue(shows, time.Hour)
		c := s.dial(t, client.Options{Token: func(ctx context.Context) (string, error) {
			token, err := issue(ctx)
			s.set(func() { s.tokens[token] = watch.Access{Grant: shows, Expires: time.Now().Add(time.Hour)} })
			return token, err
		}})
		s.put("stocks/a", "1", `{"x":1}`)
		s.put("stocks/b", "1", `{"x":2}`)
		w := gather(t, c, client.WatchOptions{Snapshot: true})
		settle(time.Minute)
		s.tell(t, &events.Expiring{})
		settle(2 * time.Minute)
		expect(t, "under a token that shows the same", fmt.Sprint(len(w.resets)), "2")
		var err error
		shows, err = grant.Parse([]byte(`{"v":1,"allow":[{"topics":["stocks/*"],"actions":["subscribe","read"],"filter":{"x":[1]}}]}`), "alice")
		if err != nil {
			t.Fatal(err)
		}
		s.tell(t, &events.Expiring{})
		settle(2 * time.Minute)
		slices.Sort(w.resets[2:])
		expect(t, "under another", fmt.Sprintf("%q", w.resets[2:]), `["stocks/a view" "stocks/b view"]`)
		expect(t, "items", fmt.Sprint(w.items), "map[stocks/a:[1] stocks/b:[]]")
	})
}

// TestPatternWatchNotAllNamed: of topics that the service does not name, what comes live is given.
func TestPatternWatchNotAllNamed(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.named = 1
		for _, topic := range []events.Topic{"stocks/a", "stocks/b", "stocks/a", "stocks/b"} {
			s.put(topic, "i", `{}`)
		}
		w := gather(t, s.dial(t, client.Options{}), client.WatchOptions{})
		s.put("stocks/a", "j", `{}`)
		s.put("stocks/b", "j", `{}`)
		settle(0)
		expect(t, "live", w.told(), "a [3], b [3]")
	})
}

func TestPatternWatchEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(t *testing.T, s *service, w *relatives)
		code events.Code // 0 if by the consumer
	}{
		"left": {func(_ *testing.T, _ *service, w *relatives) { w.cancel() }, ""},
		"unsubscribed": {func(t *testing.T, s *service, _ *relatives) {
			s.tell(t, &events.Unsubscribed{Topic: all, Reason: events.CodeForbidden})
		}, events.CodeForbidden},
		"items forbidden": {func(t *testing.T, s *service, _ *relatives) {
			s.set(func() { s.alter = answering(t, events.ActionSnapshot, events.CodeForbidden) })
			s.put("stocks/a", "2", `{}`)
			s.recreate("stocks/a", "e2")
			settle(3 * time.Minute)
		}, events.CodeForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				s.put("stocks/a", "1", `{}`)
				client0 := s.dial(t, client.Options{})
				w := gather(t, client0, client.WatchOptions{})
				c.end(t, s, w)
				settle(time.Second)
				<-w.done
				var refused *events.Error
				if c.code == "" && !errors.Is(w.err, context.Canceled) || c.code != "" && (!errors.As(w.err, &refused) || refused.Code != c.code) {
					t.Errorf("ended with %v", w.err)
				}
				if got := s.subscribed(); name != "unsubscribed" && len(got) != 0 {
					t.Errorf("still subscribed: %v", got)
				}
			})
		})
	}
}

// TestPatternWatchIsRefused: by the token, by its name, or beside a watch that shows a topic of
// it otherwise.
func TestPatternWatchIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{Token: s.issue(watching(t), time.Hour)})
		refusal := func(topic events.Topic, o client.WatchOptions) string {
			for _, err := range c.Watch(t.Context(), topic, o) {
				if refused := (*events.Error)(nil); errors.As(err, &refused) {
					return string(refused.Code)
				}
				return fmt.Sprint(err)
			}
			return "none"
		}
		gather(t, c, client.WatchOptions{})
		for topic, want := range map[events.Topic]string{"**": "bad_topic", "stocks/*/x": "bad_topic", "bonds/*": "forbidden"} {
			expect(t, string(topic), refusal(topic, client.WatchOptions{}), want)
		}
		fields := client.WatchOptions{Fields: []string{"x"}}
		for _, topic := range []events.Topic{all, "stocks/a", "stocks/**"} {
			expect(t, string(topic), refusal(topic, fields), client.ErrOtherView.Error())
		}
	})
}
