package watch_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
