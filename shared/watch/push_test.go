package watch_test

import (
	"context"
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

// heavyFilter is as heavy as a client's may be, and none of two is alike.
func heavyFilter(n int) string {
	var conditions []string
	for i := range grant.MaxFilterWeight/2 - 1 {
		conditions = append(conditions, fmt.Sprintf(`{"prefix":"%d-%d"}`, n, i))
	}
	return `{"l":[` + strings.Join(conditions, ",") + `]}`
}

// longList is data with a list of short texts that takes the most there may be.
func longList() string {
	list := strings.TrimSuffix(strings.Repeat(`"t",`, (events.MaxDataBytes-20)/4), ",")
	return `{"l":[` + list + `]}`
}

// waiting keeps all posts but one waiting until that one has come.
type waiting struct {
	*memoryWatchers
	first watch.ConnectionID
	came  chan struct{}
}

func (w waiting) Post(ctx context.Context, id watch.ConnectionID, frame watch.Frame) error {
	if id == w.first {
		close(w.came)
	}
	select {
	case <-w.came:
	case <-time.After(20 * time.Second):
		return fmt.Errorf("%s has not been posted to", w.first)
	}
	return w.memoryWatchers.Post(ctx, id, frame)
}

// TestCostlyFiltersKeepOnlyTheirOwnersWaiting: more connections of one subject than are posted
// to at once each have another filter of the greatest weight, and an item comes with a list of
// 30,000 texts. Somebody without a filter is posted to before them. They are told of the
// change by its number once the subject's steps are used up, and of the next one as usual.
func TestCostlyFiltersKeepOnlyTheirOwnersWaiting(t *testing.T) {
	const hostile = 150
	m := waiting{&memoryWatchers{}, "plain", make(chan struct{})}
	for n := range hostile {
		view, err := grant.View{}.Narrow([]byte(heavyFilter(n)), nil)
		if err != nil {
			t.Fatal(err)
		}
		sub := subscribed(watch.ConnectionID(fmt.Sprint(n)), "a", view, time.Hour)
		sub.Subject = "mallory"
		m.subs = append(m.subs, sub)
	}
	m.subs = append(m.subs, subscribed("plain", "a", grant.View{}, time.Hour))
	s := newStory()
	push := func(write watch.Write) map[string]int {
		m.posts = nil
		pushed, _, err := watch.Pusher{Subscribers: m, Poster: m}.Push(t.Context(), []watch.Numbered{{Topic: "a", Entries: s.tell(t, write)}})
		if err != nil || pushed.Frames != hostile+1 {
			t.Fatalf("pushed %+v, %v", pushed, err)
		}
		told := map[string]int{}
		for id, posts := range m.posts {
			told[changeInShort(t, string(id), posts[0])]++
		}
		return told
	}
	told := push(added(longList()))
	if told["plain added"] != 1 || told["skipped costly"] < hostile-2 {
		t.Errorf("they are told %v", told)
	}
	m.came = make(chan struct{})
	if told := push(added(`{"l":["0-0"]}`)); told["plain added"] != 1 || told["added"] != 1 || told["skipped"] != hostile-1 {
		t.Errorf("of the next change they are told %v", told)
	}
}

// changeInShort says what a connection is told of the only change of a frame.
func changeInShort(t *testing.T, id, post string) string {
	t.Helper()
	change := decoded(t, []byte(post)).(*events.Changes).Changes[0]
	words := []string{string(change.Op)}
	if id == "plain" {
		words = append([]string{id}, words...)
	}
	if change.Costly {
		words = append(words, "costly")
	}
	if change.Costly && (change.ID != "" || change.Data != nil) {
		t.Errorf("a change that is too costly is told as %s", post)
	}
	return strings.Join(words, " ")
}

// TestOthersWithTheSameFilterAreNotShutOut: somebody has used up a subject's steps, but who
// shares a filter with it has steps of their own.
func TestOthersWithTheSameFilterAreNotShutOut(t *testing.T) {
	m := &memoryWatchers{}
	subscribe := func(subject string, id, filter int) {
		view, err := grant.View{}.Narrow([]byte(heavyFilter(filter)), nil)
		if err != nil {
			t.Fatal(err)
		}
		sub := subscribed(watch.ConnectionID(fmt.Sprint(subject, id)), "a", view, time.Hour)
		sub.Subject = subject
		m.subs = append(m.subs, sub)
	}
	list := longList()[:events.MaxDataBytes/8/4*4+6] // which one filter has steps for
	list = strings.TrimRight(list, ",") + "]}"
	for n := range 60 {
		subscribe("mallory", n, n)
	}
	for n := range 3 {
		subscribe(fmt.Sprint("alice", n), 0, n)
	}
	if _, _, err := (watch.Pusher{Subscribers: m, Poster: m}).Push(t.Context(), []watch.Numbered{{Topic: "a", Entries: newStory().tell(t, added(list))}}); err != nil {
		t.Fatal(err)
	}
	costly := 0
	for id, posts := range m.posts {
		switch told := changeInShort(t, string(id), posts[0]); {
		case told == "skipped costly" && strings.HasPrefix(string(id), "alice"):
			t.Errorf("%s is shut out", id)
		case told == "skipped costly":
			costly++
		}
	}
	if costly < 40 {
		t.Errorf("%d of mallory's are told that it is too costly", costly)
	}
}
