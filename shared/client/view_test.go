package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// patched applies a merge patch, as RFC 7396 has it.
func patched(state string, patch json.RawMessage) string {
	var was, change any
	if errors.Join(json.Unmarshal([]byte(state), &was), json.Unmarshal(patch, &change)) != nil {
		return "patch " + string(patch) + " on no state: " + state
	}
	is, _ := json.Marshal(merge(was, change)) // it came from JSON
	return string(is)
}

func merge(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for name, value := range members {
		if value == nil {
			delete(object, name)
			continue
		}
		object[name] = merge(object[name], value)
	}
	return object
}

// sent gives the frames of an action that the service has received.
func (s *service) sent(t *testing.T, action string) (requests []events.Request) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.received {
		if r := a.request(t); r.Action == action {
			requests = append(requests, r)
		}
	}
	return requests
}

// sentAt gives when the service has received the frames of an action.
func (s *service) sentAt(t *testing.T, action string) (times []time.Time) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.received {
		if a.request(t).Action == action {
			times = append(times, a.at)
		}
	}
	return times
}

func (a arrival) request(t *testing.T) events.Request {
	t.Helper()
	r, err := events.ParseRequest([]byte(a.frame))
	if err != nil {
		t.Error(err)
	}
	return r
}

// TestViewIsAskedForAgain when a watch resumes, and for each page of a snapshot.
func TestViewIsAskedForAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		for n := range 3 {
			s.put(topic, fmt.Sprint(n), `{"n":7,"price":1}`)
		}
		s.pageItems = 1
		filter, fields := json.RawMessage(`{"n":[7]}`), []string{"price"}
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{Snapshot: true, Filter: filter, Fields: fields, Delta: true}, nil)
		copy(filter, "?????????") // it is ours again
		fields[0] = "?"
		settle(time.Second)
		s.cut()
		settle(5 * time.Second)
		s.put(topic, "1", `{"n":7,"price":2}`)
		settle(0)
		if got := fmt.Sprint(w.state); got != `map[0:{"price":1} 1:{"price":2} 2:{"price":1}]` {
			t.Errorf("state %v", got)
		}
		subscribes, snapshots := s.sent(t, events.ActionSubscribe), s.sent(t, events.ActionSnapshot)
		if len(subscribes) != 2 || subscribes[0].After != "" || subscribes[1].After != "e1:3" || len(snapshots) != 2 {
			t.Errorf("subscribed with %+v, asked for pages with %+v", subscribes, snapshots)
		}
		for _, r := range append(subscribes, snapshots...) {
			if string(r.Filter) != `{"n":[7]}` || fmt.Sprint(r.Fields) != "[price]" || !r.Delta {
				t.Errorf("%s with filter %s, fields %v, delta %v", r.Action, r.Filter, r.Fields, r.Delta)
			}
		}
	})
}

// TestSkippedChanges move the cursor of a watch that does not see them, and are no hole.
func TestSkippedChanges(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{Filter: json.RawMessage(`{"n":[7]}`)}, nil)
		s.put(topic, "a", `{"n":1}`)
		settle(0)
		if w.cursor.Seq != 1 || w.passed != 2 || len(w.seqs) != 0 {
			t.Errorf("at %v after %d events with only a cursor, saw %v", w.cursor, w.passed, w.seqs)
		}
		s.put(topic, "b", `{"n":7}`) // 2
		s.put(topic, "a", `{"n":2}`)
		s.put(topic, "a", `{"n":7}`) // 4: begins to match
		settle(0)
		s.cut()
		for n := range 20 {
			s.put(topic, "a", fmt.Sprintf(`{"n":%d}`, 7+n%4)) // 9, 13, … begin to match, 6, 10, … cease to
		}
		settle(5 * time.Second)
		if fmt.Sprint(w.seqs) != "[2 4 6 9 10 13 14 17 18 21 22]" || w.cursor.Seq != 24 {
			t.Errorf("saw %v up to %v", w.seqs, w.cursor)
		}
		if fmt.Sprint(w.state) != `map[b:{"n":7}]` {
			t.Errorf("state %v", w.state)
		}
		settle(10 * time.Minute)
		if st := c.Stats(); st.Holes != 0 || st.Connections != 2 || st.Resets != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestCostlyChanges are told to the consumer, live and in pages.
func TestCostlyChanges(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{}, nil)
		s.number(topic, events.Added, "a", `{}`)
		s.number(topic, events.Added, "b", `{}`)
		skipped := events.Change{Topic: topic, Epoch: "e1", Seq: 1, Op: events.Skipped}
		s.tell(t, &events.Changes{Changes: []events.Change{skipped}})
		skipped.Seq, skipped.Costly = 2, true
		s.tell(t, &events.Changes{Changes: []events.Change{skipped}})
		settle(0)
		if w.passed != 3 || w.costly != 1 || w.cursor.Seq != 2 || len(w.seqs) != 0 {
			t.Errorf("%d events with only a cursor, %d of them costly, up to %v; saw %v", w.passed, w.costly, w.cursor, w.seqs)
		}
		page := events.Snapshot{Topic: topic, Items: []events.Item{}, Costly: 7}
		s.set(func() {
			s.alter = func(answer *[]byte, in string) {
				if r, _ := events.ParseRequest([]byte(in)); r.Action == events.ActionSubscribe {
					page.ID = r.ID
					*answer, _ = events.Encode(&page) // it has no raw JSON
				}
			}
		})
		items := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{Snapshot: true}, nil)
		settle(time.Second)
		if items.pages != 1 || items.costly != 7 {
			t.Errorf("%d pages, %d costly items", items.pages, items.costly)
		}
	})
}

// TestFilteredWatchHeals what is lost among what is skipped, while the frames that come
// live and those that come again are cut differently.
func TestFilteredWatchHeals(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		w := follow(t, c, topic, client.WatchOptions{Filter: json.RawMessage(`{"n":[{"exists":true}]}`)}, nil)
		frames := 0
		s.set(func() {
			s.lose = func(frame string) bool {
				frames++
				return strings.Contains(frame, `"changes"`) && frames%3 == 0
			}
		})
		var want []int64
		for n := range int64(100) {
			data := `{"m":1}`
			if n%3 == 0 || n%7 == 0 {
				data = `{"n":1}`
				want = append(want, n+1)
			}
			s.put(topic, fmt.Sprint(n), data)
			if n%10 == 0 {
				settle(100 * time.Millisecond)
			}
		}
		settle(5 * time.Minute)
		if fmt.Sprint(w.seqs) != fmt.Sprint(want) || w.cursor.Seq != 100 {
			t.Errorf("saw %v up to %v, want %v", w.seqs, w.cursor, want)
		}
		if st := c.Stats(); st.Holes == 0 || st.Connections != 1 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestPatchesAddUp over lost frames, lost connections and starting over.
func TestPatchesAddUp(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		long := strings.Repeat("x", 100)
		put := func(id string, n int) { s.put(topic, id, fmt.Sprintf(`{"n":%d,"text":%q}`, n, long)) }
		put("a", 0)
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{Snapshot: true, Delta: true}, nil)
		frames := 0
		s.set(func() {
			s.lose = func(frame string) bool {
				frames++
				return strings.Contains(frame, `"changes"`) && frames%3 == 0
			}
		})
		for n := range 60 {
			put([]string{"a", "b", "c"}[n%3], n)
			if n%20 == 19 {
				s.cut()
			}
			settle(300 * time.Millisecond)
		}
		settle(5 * time.Minute)
		for id, data := range s.table(topic) {
			if w.state[id] != data {
				t.Errorf("%s is %s, want %s", id, w.state[id], data)
			}
		}
		w.saw(t, 2, 61)
		if w.patches != 58 { // all but the two that add b and c
			t.Errorf("%d patches", w.patches)
		}
	})
}

// TestNoPatchWithoutAState: a watch that begins with neither items nor a cursor has
// nothing to patch, nor has one that gets a late frame of a watch before it.
func TestNoPatchWithoutAState(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		whole := `{"n":1,"text":"` + strings.Repeat("x", 100) + `"}`
		s.put(topic, "a", whole)
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{Delta: true}, nil)
		s.tell(t, &events.Changes{Changes: []events.Change{{Topic: topic, Epoch: "e1", Seq: 2, Op: events.Modified, ID: "a", Patch: []byte(`{"n":2}`)}}})
		s.put(topic, "a", strings.Replace(whole, "1", "2", 1))
		settle(0)
		w.saw(t, 2, 2)
		if w.patches != 0 || w.state["a"] != s.table(topic)["a"] {
			t.Errorf("%d patches, state %v", w.patches, w.state)
		}
	})
}

// TestOtherView of a topic is refused as long as it is watched.
func TestOtherView(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		filter := json.RawMessage(`{"n":[7]}`)
		first := follow(t, c, topic, client.WatchOptions{Filter: filter, Fields: []string{"n"}}, nil)
		follow(t, c, "other", client.WatchOptions{}, nil)
		same := follow(t, c, topic, client.WatchOptions{Filter: filter, Fields: []string{"n"}, After: &events.Cursor{}}, nil)
		for name, o := range map[string]client.WatchOptions{
			"filter": {Fields: []string{"n"}},
			"fields": {Filter: filter},
			"delta":  {Filter: filter, Fields: []string{"n"}, Snapshot: true, Delta: true},
			"latest": {Filter: filter, Fields: []string{"n"}, Latest: true},
		} {
			if w := follow(t, c, topic, o, nil); !errors.Is(w.err, client.ErrOtherView) {
				t.Errorf("another %s: %v", name, w.err)
			}
		}
		s.put(topic, "a", `{"n":7}`)
		settle(0)
		first.saw(t, 1, 1)
		same.saw(t, 1, 1)
		for _, w := range []*watcher{first, same} {
			w.cancel()
			<-w.done
		}
		settle(time.Second)
		w := follow(t, c, topic, client.WatchOptions{}, nil)
		s.put(topic, "b", `{"m":1}`)
		settle(0)
		w.saw(t, 2, 2)
	})
}

// TestBadView ends the watch, whether the client or the service finds it.
func TestBadView(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		for name, filter := range map[string]string{
			"not JSON":     `{`,
			"not a filter": `{"n":7}`,
			"too large":    `{"n":["` + strings.Repeat("x", events.MaxFrameBytes) + `"]}`,
		} {
			w := follow(t, c, topic, client.WatchOptions{Filter: json.RawMessage(filter)}, nil)
			settle(time.Second)
			var refused *events.Error
			if !errors.As(w.err, &refused) || refused.Code != events.CodeBadRequest {
				t.Errorf("%s: %v", name, w.err)
			}
		}
		if st := c.Stats(); st.Connections != 1 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestAnotherTokenShowsOtherThings: the watch starts over, be the token renewed or that of
// another connection, and though the frames that say so before the answer are lost. A token
// that shows the same does not.
func TestAnotherTokenShowsOtherThings(t *testing.T) {
	masking := func(rule string) grant.Grant {
		g, err := grant.Parse([]byte(`{"v":1,"allow":[{"topics":["stocks/*"],"actions":["subscribe","read"],`+rule+`}]}`), "alice")
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	for name, another := range map[string]func(t *testing.T, s *service){
		"renewed":     func(t *testing.T, s *service) { s.tell(t, &events.Expiring{}) },
		"reconnected": func(_ *testing.T, s *service) { s.cut() },
		"word for it lost": func(t *testing.T, s *service) {
			s.set(func() {
				s.lose = func(frame string) bool { return strings.Contains(frame, `"reset"`) && !strings.Contains(frame, `"id"`) }
			})
			s.tell(t, &events.Expiring{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				shows := masking(`"mask":{"omit":["a"]}`)
				issue := s.issue(grant.All(), time.Hour)
				c := s.dial(t, client.Options{Token: func(ctx context.Context) (string, error) {
					token, err := issue(ctx)
					s.set(func() { s.tokens[token] = watch.Access{Grant: shows, Expires: time.Now().Add(time.Hour)} })
					return token, err
				}})
				s.put(topic, "1", `{"a":1,"b":2}`)
				w := follow(t, c, topic, client.WatchOptions{Snapshot: true}, nil)
				settle(time.Second)
				another(t, s)
				settle(2 * time.Minute)
				if st := c.Stats(); st.Resets != 0 {
					t.Errorf("started over under a token that shows the same: %+v", st)
				}
				s.set(func() { shows = masking(`"mask":{"omit":["b"]},"filter":{"a":[1]}`) })
				another(t, s)
				settle(2 * time.Minute)
				s.put(topic, "2", `{"a":2}`)
				s.put(topic, "3", `{"a":1,"b":3}`)
				settle(time.Second)
				if got := fmt.Sprint(w.state); got != `map[1:{"a":1} 3:{"a":1}]` {
					t.Errorf("the watch shows %s", got)
				}
				if st := c.Stats(); st.Resets != 1 || w.resets[len(w.resets)-1] != events.ResetView {
					t.Errorf("stats %+v, started over for %q", st, w.resets)
				}
			})
		})
	}
}
