package watch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
)

// TestTheLargestAudiencesAreHandedOver: those that do not fit into a batch with the smaller ones.
// Audiences of less than a tenth of a batch stay in it, however many there are.
func TestTheLargestAudiencesAreHandedOver(t *testing.T) {
	for name, c := range map[string]struct {
		audiences []int
		want      []int // those that are handed over
	}{
		"all fit":                  {[]int{40, 60}, nil},
		"one is too large":         {[]int{5, 101, 7}, []int{101}},
		"together they are":        {[]int{60, 30, 40}, []int{60}},
		"the largest of many":      {[]int{300, 20, 200, 50, 100}, []int{100, 200, 300}},
		"many small ones":          {slices.Repeat([]int{10}, 30), nil},
		"a large beside many":      {append(slices.Repeat([]int{10}, 30), 11), []int{11}},
		"nobody watches":           {[]int{0, 0}, nil},
		"nobody watches the other": {[]int{0, 101}, []int{101}},
	} {
		numbered, watchers := make([]Numbered, len(c.audiences)), map[Key][]watched{}
		for index, audience := range c.audiences {
			numbered[index].Topic = events.Topic(fmt.Sprint(index))
			for n := range audience {
				key := Key{ID: ConnectionID(fmt.Sprint(n))} // a watcher of several topics
				watchers[key] = append(watchers[key], watched{index: index})
			}
		}
		h := Handover{Queue: noQueue{}, MaxPosts: 100}
		var got []int
		for _, large := range h.removeLarge(watchers, numbered, nil) {
			got = append(got, large.audience)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %d are handed over, want %d", name, got, c.want)
		}
		left := 0
		for _, topics := range watchers {
			left += len(topics)
			if len(topics) == 0 {
				t.Errorf("%s: a watcher of nothing is left", name)
			}
		}
		for _, audience := range c.audiences {
			left -= audience
		}
		for _, audience := range c.want {
			left += audience
		}
		if left != 0 {
			t.Errorf("%s: %d too many are pushed to with the batch", name, left)
		}
	}
}

type noQueue struct{ Queue }

// oneLane is a topic with one lane and one watcher. Its head is of the epoch "old", and its log has
// rows of a new one already.
type oneLane struct {
	Lanes
	moved Progress
	posts []string
}

func (l *oneLane) Progress(context.Context, events.Topic, int) (Progress, error) {
	return Progress{Cursor: events.Cursor{Epoch: "old", Seq: 1}}, nil
}

func (l *oneLane) Advance(_ context.Context, _ events.Topic, _ int, _, to Progress) error {
	l.moved = to
	return nil
}

func (l *oneLane) Head(context.Context, events.Topic) (Head, error) {
	return Head{Cursor: events.Cursor{Epoch: "old", Seq: 3}, Lanes: 1}, nil
}

func (l *oneLane) Since(context.Context, events.Topic, int64, int64) ([]Entry, error) {
	entry := func(epoch string, seq int64) Entry {
		return Entry{Change: events.Change{Topic: "t", Epoch: epoch, Seq: seq, Op: events.Added, ID: "i", Data: []byte("{}")}}
	}
	return []Entry{entry("new", 2), entry("old", 3)}, nil
}

func (l *oneLane) Subscribers(_ context.Context, topic events.Topic, _ bool, _ Part) ([]Subscription, error) {
	return []Subscription{{Key: Key{ID: "c"}, Topic: topic, Until: time.Now().Add(time.Hour)}}, nil
}

func (l *oneLane) Forget(context.Context, Key, []Subscription) error { return nil }

func (l *oneLane) Post(_ context.Context, _ ConnectionID, frame Frame) error {
	l.posts = append(l.posts, string(frame.Body))
	return nil
}

func (l *oneLane) Close(context.Context, ConnectionID) error { return nil }

// TestALanePushesOneEpoch: the rows of a new epoch, which replace those that the lane is to push, are
// pushed when the head is of their epoch, from the first one.
func TestALanePushesOneEpoch(t *testing.T) {
	l := &oneLane{}
	pusher := LanePusher{Lanes: l, Log: l, Pusher: Pusher{Subscribers: l, Poster: l}, LaneSize: 10, Time: time.Minute}
	head := events.Cursor{Epoch: "old", Seq: 3}
	if _, left, err, failed := pusher.Push(t.Context(), Work{Topic: "t", Until: head}); left != nil || err != nil || failed != nil {
		t.Fatal(left, err, failed)
	}
	if len(l.posts) != 1 || strings.Contains(l.posts[0], "new") || !strings.Contains(l.posts[0], `"seq":3`) {
		t.Errorf("posts %q, want change 3 of the old epoch alone", l.posts)
	}
	if l.moved.Cursor != head {
		t.Errorf("the lane is at %+v, want %v", l.moved, head)
	}
}
