package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
)

// TestLatestOverHTTP: whoever asks for latest and is behind gets the latest state of each item, by
// a read, a poll and a stream alike. What others get stays as it is.
func TestLatestOverHTTP(t *testing.T) {
	s := newService(t)
	for n := range 30 {
		s.put("a", fmt.Sprint("i", n%3), fmt.Sprintf(`{"n":%d}`, n))
	}
	epoch, _, _ := strings.Cut(cursorOf(s, "a"), ":")
	all, _ := get[events.TopicChanges](s, 200, "/topics/a?after=:0")
	if len(all.Changes) != 30 || all.View != "" {
		t.Errorf("without it there are %d changes, in the view %q", len(all.Changes), all.View)
	}
	latest := func(changes []events.Change) bool {
		if len(changes) != 4 || changes[0].Op != events.Skipped || changes[0].To != 27 {
			return false
		}
		for i, c := range changes[1:] {
			if c.Seq != int64(28+i) || string(c.Data) != fmt.Sprintf(`{"n":%d}`, 27+i) {
				return false
			}
		}
		return true
	}
	for _, query := range []string{"latest=true&after=:0", "latest=true&after=:0&wait=5", "latest=true&view=whole&after=:0"} {
		got, _ := get[events.TopicChanges](s, 200, "/topics/a?"+query)
		if !latest(got.Changes) || got.Cursor != epoch+":30" || got.View == "" {
			t.Errorf("%s is answered %+v", query, got)
		}
		goesOn, _ := get[events.TopicChanges](s, 200, "/topics/a?latest=true&after="+epoch+":29&view="+got.View)
		if len(goesOn.Changes) != 1 {
			t.Errorf("from there goes on %+v", goesOn)
		}
		if problem, _ := get[events.Problem](s, 410, "/topics/a?delta=true&after="+epoch+":29&view="+got.View); problem.Reason != events.ResetView {
			t.Errorf("patches from there are answered %+v", problem)
		}
	}
	stream := s.open("/topics/a?latest=true&after=:0")
	e, ok := stream.next()
	for ok && e.name == "subscribed" { // which names the view
		e, ok = stream.next()
	}
	var frame events.Changes
	if err := json.Unmarshal([]byte(e.data), &frame); err != nil {
		t.Fatal(err)
	}
	if e.name != "changes" || !latest(frame.Changes) {
		t.Errorf("the stream begins with %+v", e)
	}
	again := s.open("/topics/a?latest=true", "Last-Event-ID", e.id)
	s.put("a", "i0", `{"n":30}`)
	again.expect("changes", `"seq":31`)
}
