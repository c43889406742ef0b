package watch_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// TestQuotaGrows by the second, from what a client needs that has just connected.
func TestQuotaGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, allowsA)
		for _, at := range []struct{ wait, rate, want int }{{0, 20, 100}, {3, 20, 160}, {0, 0, 0}} {
			time.Sleep(time.Duration(at.wait) * time.Second)
			c.answerer.Limits.Subscribes = at.rate
			c.ask(t, `{"action":"subscribe","topic":"a"}`)
			if got := c.subs["a"].Quota.Subscribes; got != at.want {
				t.Errorf("after %d s the quota is %d, want %d", at.wait, got, at.want)
			}
		}
	})
}

// TestQuotaDoesNotShrinkByAClockThatIsSlow: to a function whose clock is behind that of API
// Gateway the connection is made in the future.
func TestQuotaDoesNotShrinkByAClockThatIsSlow(t *testing.T) {
	c := newClient(t, allowsA)
	c.answerer.Limits.Subscribes = 20
	for _, behind := range []time.Duration{5 * time.Second, 5 * time.Minute} {
		c.connection.Connected = time.Now().Add(behind)
		c.ask(t, `{"action":"subscribe","topic":"a"}`)
		if got := c.subs["a"].Quota.Subscribes; got != events.MaxSubscriptions {
			t.Errorf("%v behind the quota is %d, want %d", behind, got, events.MaxSubscriptions)
		}
	}
}

// TestWhatIsTooManyIsRefusedWithoutAWrite: a write that is refused by its condition costs as
// much as one that is not, by the size of the connection's row.
func TestWhatIsTooManyIsRefusedWithoutAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, `{"topics":["**"],"actions":["subscribe"]}`)
		c.answerer.Limits = watch.Limits{Subscriptions: 2, Subscribes: 1}
		refused := func(topic, want string) {
			c.asked = nil
			if c.expect(t, fmt.Sprintf(`{"action":"subscribe","topic":%q}`, topic), want); len(c.asked) > 0 {
				t.Errorf("%s: asked was %q", want, c.asked)
			}
		}
		for n := range events.MaxSubscriptions { // again and again to the same two
			topic := []string{"a", "b/*"}[n%2]
			if got := c.ask(t, fmt.Sprintf(`{"action":"subscribe","topic":%q}`, topic)); !strings.HasPrefix(got, "subscribed") {
				t.Fatalf("subscribe %d is answered %s", n, got)
			}
			if n == 1 {
				refused("c", "error too_many_subscriptions")
				refused("b/**", "error too_many_subscriptions")
			}
		}
		refused("a", "error too_many_requests")
		time.Sleep(time.Second)
		c.expect(t, `{"action":"subscribe","topic":"a"}`, "subscribed :0 recovered false")
	})
}

func TestPublishIsBounded(t *testing.T) {
	c := newClient(t, `{"topics":["a"],"actions":["publish"]}`)
	c.answerer.Limits = watch.Limits{PublishBytes: 100}
	for n, want := range map[int]string{92: "published", 93: "error bad_item"} {
		data := `{"x":"` + strings.Repeat("x", n) + `"}`
		if got := c.ask(t, fmt.Sprintf(`{"action":"publish","topic":"a","item":{"id":"i","data":%s}}`, data)); !strings.Contains(got, want) {
			t.Errorf("%d bytes are answered %s, want %s", len(data), got, want)
		}
	}
}

// TestPublishIsMeasuredAsItIsTold: escapes and spaces do not count, which some libraries write
// and nobody is told.
func TestPublishIsMeasuredAsItIsTold(t *testing.T) {
	c := newClient(t, `{"topics":["a"],"actions":["publish"]}`)
	c.answerer.Limits = watch.Limits{PublishBytes: 100}
	for _, character := range []string{`\u003c`, `\u003C`, `\/`, "<"} {
		for n, want := range map[int]string{92: "published", 93: "error bad_item"} {
			data := `{ "x" : "` + strings.Repeat(character, n) + `" }`
			if got := c.ask(t, fmt.Sprintf(`{"action":"publish","topic":"a","item":{"id":"i","data":%s}}`, data)); !strings.Contains(got, want) {
				t.Errorf("%d times %s are answered %s, want %s", n, character, got, want)
			}
		}
	}
}

func TestSnapshotIsBounded(t *testing.T) {
	c := newClient(t, `{"topics":["a"],"actions":["read"]}`)
	c.fill("a", `{}`, `{}`, `{}`)
	for limit, want := range map[int]int{0: 3, 2: 2} {
		c.answerer.Limits = watch.Limits{SnapshotItems: limit}
		c.ask(t, `{"action":"snapshot","topic":"a"}`)
		if got := strings.Count(c.lastFrame(), `"data"`); got != want {
			t.Errorf("at a limit of %d, %d items are sent", limit, got)
		}
	}
}
