package watch

import (
	"fmt"
	"slices"
	"testing"

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
		for _, large := range h.take(watchers, numbered) {
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
