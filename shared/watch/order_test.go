package watch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// TestTheLastRequestAboutATopicWins: requests of one connection are carried out at the same
// time, step by step in any order. Then the connection watches what the one with the highest
// order has asked for, by the token that came meanwhile, and that one was answered.
func TestTheLastRequestAboutATopicWins(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		requests := rapid.SliceOfN(rapid.SampledFrom([]string{"subscribe", `subscribe","fields":["a"],"x":"`, "unsubscribe"}), 2, 5).Draw(rt, "requests")
		numbered := rapid.SliceOfN(rapid.Bool(), len(requests), len(requests)).Draw(rt, "numbered")
		auth := rapid.Bool().Draw(rt, "auth")
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, `{"topics":["a"],"actions":["subscribe"]}`)
			c.renewer.Tokens = another{c.connection.Subject, watch.Access{Grant: granted(t, "s", `{"topics":["a"],"actions":["subscribe"],"mask":{"omit":["b"]}}`), TokenID: "another"}}
			random := newDelays(seed)
			c.before = random.sleep
			var all sync.WaitGroup
			answers := make([]string, len(requests))
			last := 0
			for n, request := range requests {
				if !numbered[last] || numbered[n] {
					last = n
				}
				body := fmt.Sprintf(`{"topic":"a","action":"%s"}`, request)
				if numbered[n] {
					body = fmt.Sprintf(`{"topic":"a","order":%d,"action":"%s"}`, n+1, request)
				}
				all.Go(func() {
					random.sleep()
					answers[n] = string(c.answerer.Answer(t.Context(), c.connection, message(body, n), peerFunc(func([]byte) error { return nil })))
				})
			}
			view := ""
			if auth {
				view = `"omit":["b"]`
				all.Go(func() {
					c.renewer.Answer(t.Context(), c.connection, message(`{"action":"auth","token":"x"}`, 99), peerFunc(func([]byte) error { return nil }))
				})
			}
			all.Wait()
			var want string
			switch {
			case strings.HasPrefix(requests[last], "unsubscribe"):
				want = `{"type":"unsubscribed"`
			default:
				want = `{"type":"subscribed"`
			}
			if !strings.HasPrefix(answers[last], want) {
				rt.Errorf("the last request is answered %s", answers[last])
			}
			for n, answer := range answers {
				if !strings.HasPrefix(answer, `{"type":"subscribed"`) && !strings.HasPrefix(answer, `{"type":"unsubscribed"`) && !strings.Contains(answer, `"code":"overtaken"`) {
					rt.Errorf("request %d is answered %s", n, answer)
				}
			}
			sub, watched := c.subs["a"]
			_, listed := c.row["a"]
			if wanted := !strings.HasPrefix(requests[last], "unsubscribe"); watched != wanted || listed != wanted {
				rt.Errorf("subscribed %v, in the row %v, after %v of which %d counts; answers %q", watched, listed, requests, last, answers)
			}
			if fields := strings.Contains(requests[last], "fields"); watched && fields != (sub.Fields != nil) {
				rt.Errorf("fields are %v after %v of which %d counts", sub.Fields, requests, last)
			}
			if watched && !strings.Contains(sub.View.String(), view) {
				rt.Errorf("view is %s, by the token that came it has %s", sub.View, view)
			}
		})
	})
}

// delays are random.
type delays struct {
	mu     sync.Mutex
	random *rand.Rand
}

func newDelays(seed uint64) *delays { return &delays{random: rand.New(rand.NewPCG(seed, 0))} }

func (d *delays) sleep() {
	d.mu.Lock()
	ms := d.random.IntN(8)
	d.mu.Unlock()
	time.Sleep(time.Duration(ms) * time.Millisecond)
}

// another is what any token gives.
type another struct {
	subject string
	access  watch.Access
}

func (a another) Authenticate(context.Context, string) (string, watch.Access, error) {
	return a.subject, a.access, nil
}

func (a another) Check(context.Context, string, watch.Access) error { return nil }

// TestASubscribeWinsWithinAMillisecond: an unsubscribe and the subscribe after it may bear the
// same time. Whichever comes first, the client hears what changes, and is told what was not
// carried out.
func TestASubscribeWinsWithinAMillisecond(t *testing.T) {
	const subscribe, unsubscribe = `{"action":"subscribe","topic":"a"}`, `{"action":"unsubscribe","topic":"a"}`
	for _, c := range []struct{ first, second, want string }{
		{unsubscribe, subscribe, "unsubscribed, subscribed"},
		{subscribe, unsubscribe, "subscribed, overtaken"},
	} {
		client := newClient(t, `{"topics":["a"],"actions":["subscribe"]}`)
		var got []string
		for n, body := range []string{c.first, c.second} {
			m := message(body, 0)
			m.ID = fmt.Sprint(n)
			switch frame := decoded(t, client.answerer.Answer(t.Context(), client.connection, m, client)).(type) {
			case *events.Error:
				got = append(got, string(frame.Code))
			case *events.Subscribed:
				got = append(got, "subscribed")
			case *events.Unsubscribed:
				got = append(got, "unsubscribed")
			}
		}
		if _, subscribed := client.subs["a"]; strings.Join(got, ", ") != c.want || !subscribed {
			t.Errorf("answers are %v, want %s; subscribed: %v", got, c.want, subscribed)
		}
	}
}

// refusedAnew has another token come amid a subscribe, which cannot be carried out by that one.
type refusedAnew struct{ *overtaken }

func (r refusedAnew) Subscribe(ctx context.Context, sub watch.Subscription) (watch.Kept, error) {
	if r.access != nil {
		return watch.Kept{Already: true}, watch.ErrTooManyRequests
	}
	return r.overtaken.Subscribe(ctx, sub)
}

// TestASubscribeThatFailsAnewIsTakenBack: the client is told that it has failed, and so it has,
// although it was written by the token before.
func TestASubscribeThatFailsAnewIsTakenBack(t *testing.T) {
	const rules = `{"topics":["a"],"actions":["subscribe"]}`
	c := newClient(t, rules)
	c.answerer.Store = refusedAnew{&overtaken{c.memoryStore, watch.Access{Grant: granted(t, "s", rules), TokenID: "next", Expires: time.Now().Add(time.Hour)}}}
	if got := c.ask(t, `{"action":"subscribe","topic":"a"}`); got != "error too_many_requests" || len(c.subs)+len(c.row) != 0 {
		t.Errorf("answered %s, subscribed to %v", got, c.subs)
	}
}
