package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
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

// TestCostOfAHoldWithLatest: while 1,000 changes of ten items are written, a client polls again and
// again. No answer has more than one change of each item, and in the end the client has the latest.
func TestCostOfAHoldWithLatest(t *testing.T) {
	const changes, items, batch = 1_000, 10, 50
	s := newService(t)
	s.put("a", "item0", `{"n":-1}`)
	at := cursorOf(s, "a")
	written := make(chan error, 1)
	go func() {
		written <- func() error {
			for from := 0; from < changes; from += batch {
				var writes []watch.Write
				for n := from; n < from+batch; n++ {
					writes = append(writes, watch.Write{Topic: "a", ID: fmt.Sprint("item", n%items), Op: events.Modified,
						Data: fmt.Appendf(nil, `{"n":%d}`, n), Position: watch.Position(fmt.Sprint(1_000 + n))})
				}
				if _, err := (watch.Numberer{Log: s.store}).Number(t.Context(), recordStream, writes); err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	latest, answers, told, end := map[string]string{}, 0, 0, strings.TrimSuffix(at, "1")+fmt.Sprint(changes+1)
	for at != end {
		a := s.ask(http.MethodGet, "/topics/a?latest=true&wait=20&after="+at)
		var body events.TopicChanges
		if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.status != 200 {
			t.Fatalf("answer is %+v: %v", a, err)
		}
		seen := map[string]bool{}
		for _, c := range body.Changes {
			if c.Op == events.Skipped {
				continue
			}
			if seen[c.ID] {
				t.Fatalf("an answer has two changes of %s: %s", c.ID, a.body)
			}
			seen[c.ID], latest[c.ID] = true, string(c.Data)
			told++
		}
		answers, at = answers+1, body.Cursor
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	for n := range items {
		if want := fmt.Sprintf(`{"n":%d}`, changes-items+n); latest[fmt.Sprint("item", n)] != want {
			t.Errorf("item%d is %s, want %s", n, latest[fmt.Sprint("item", n)], want)
		}
	}
	t.Logf("%d changes of %d items were told as %d in %d answers", changes, items, told, answers)
}
