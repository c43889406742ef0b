package watch_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// subscribed gives a subscription that has some time left.
func subscribed(id watch.ConnectionID, topic events.Topic, view grant.View, left time.Duration) watch.Subscription {
	return watch.Subscription{Key: watch.Key{Subject: "s", ID: id}, Topic: topic, View: view, Until: time.Now().Add(left)}
}

// TestPushEncodesEachViewOnce, for all who have it, however their options were written.
func TestPushEncodesEachViewOnce(t *testing.T) {
	m := &memoryWatchers{}
	for n := range 20 {
		filter := []string{`{"a":[1],"b":[2]}`, `{ "b":[2], "a":[1] }`, `{"a":[1]}`}[n%3]
		view, err := grant.View{}.Narrow([]byte(filter), nil)
		if err != nil {
			t.Fatal(err)
		}
		m.subs = append(m.subs, subscribed(watch.ConnectionID(fmt.Sprint(n)), "a", view, time.Hour))
	}
	batch := newStory().tell(t, added(`{"a":1}`), added(`{"a":1,"b":2}`))
	pushed, _, err := watch.Pusher{Subscribers: m, Poster: m}.Push(t.Context(), []watch.Numbered{{Topic: "a", Entries: batch}})
	if err != nil || pushed != (watch.Pushed{Frames: 20}) {
		t.Errorf("pushed %+v, %v", pushed, err)
	}
	encoded := map[*byte]int{}
	for _, body := range m.bodies {
		encoded[unsafe.SliceData(body)]++
	}
	if len(encoded) != 2 {
		t.Errorf("%d frames were encoded for 2 views", len(encoded))
	}
	for n, op := range []string{"skipped", "skipped", "added"} {
		if post := m.posts[watch.ConnectionID(fmt.Sprint(n))]; len(post) != 1 || !strings.Contains(post[0], fmt.Sprintf(`"seq":1,"op":%q`, op)) {
			t.Errorf("%d was posted %s", n, post)
		}
	}
}

const tokenExpired = `{"type":"error","code":"token_expired","message":"the token has expired, connect again with another"}`

// TestPushEndsWhatHasLapsed: it gets no change of any topic, but the reason, and is
// closed and forgotten, however it is written of; those beside it get theirs.
func TestPushEndsWhatHasLapsed(t *testing.T) {
	m := &memoryWatchers{
		subs: []watch.Subscription{
			subscribed("lapsed", "a", grant.View{}, 0), subscribed("lapsed", "b", grant.View{}, time.Hour),
			subscribed("lapsed too", "b", grant.View{}, -time.Hour), subscribed("unclosed", "a", grant.View{}, 0),
			subscribed("deaf", "a", grant.View{}, 0), subscribed("gone", "a", grant.View{}, 0),
			subscribed("well", "a", grant.View{}, time.Hour), subscribed("well", "b", grant.View{}, time.Hour),
		},
		answers:  map[watch.ConnectionID]error{"deaf": errors.New("throttled"), "gone": watch.ErrGone},
		unclosed: map[watch.ConnectionID]error{"unclosed": errors.New("not closed")},
	}
	pushed, unread, err := watch.Pusher{Subscribers: m, Poster: m}.Push(t.Context(), []watch.Numbered{entries("a", 1), entries("b", 1)})
	if want := (watch.Pushed{Frames: 4, Gone: 1, Lapsed: 3}); pushed != want || unread != nil {
		t.Errorf("pushed %+v, want %+v; unread %v", pushed, want, unread)
	}
	if err == nil || !strings.Contains(err.Error(), "not closed") {
		t.Errorf("err = %v", err)
	}
	for _, id := range []watch.ConnectionID{"lapsed", "lapsed too", "unclosed"} {
		if got := m.posts[id]; !slices.Equal(got, []string{tokenExpired}) {
			t.Errorf("%s was posted %q", id, got)
		}
	}
	if got := received(t, m, "well"); got != "a=1 b=1" {
		t.Errorf("the other watcher received %s", got)
	}
	if got := sortedIDs(m.closed); !slices.Equal(got, []watch.ConnectionID{"deaf", "lapsed", "lapsed too"}) {
		t.Errorf("closed: %q", got)
	}
	if got := sortedIDs(m.forgotten); !slices.Equal(got, []watch.ConnectionID{"deaf", "gone", "lapsed", "lapsed too"}) {
		t.Errorf("forgotten: %q", got)
	}
	if got := m.forgot["lapsed"]; !slices.Equal(got, []events.Topic{"a", "b"}) {
		t.Errorf("forgotten with its topics %q", got)
	}
}
