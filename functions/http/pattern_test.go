package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
)

// TestStreamOfAPattern: the stream has the changes of the topics below the pattern, even of a new
// one. It continues in each of them where it was.
func TestStreamOfAPattern(t *testing.T) {
	s := newService(t)
	s.put("stocks/a", "i", `{"n":1}`)
	s.put("stocks/b", "i", `{"n":2}`)
	s.put("stocks/deep/er", "i", `{"n":3}`)
	r := s.open("/topics/stocks/*")
	begun, _ := r.next()
	if strings.Count(begun.id, "=") != 2 || begun.name != "subscribed" {
		t.Fatalf("the stream begins with %+v", begun)
	}
	s.put("stocks/a", "i", `{"n":4}`)
	id := r.expect("changes", `"n":4`)
	r.end()
	s.put("stocks/b", "i", `{"n":5}`)
	s.put("stocks/deep/er", "i", `{"n":6}`)
	s.put("stocks/c", "i", `{"n":7}`)
	s.put("stocks/c", "i", `{"n":8}`)
	r = s.open("/topics/stocks/*", "Last-Event-ID", id)
	told := r.changes(3)
	if got := fmt.Sprint(told); got != `map[stocks/b:[5] stocks/c:[7 8]]` {
		t.Errorf("told is %s", got)
	}
	s.put("stocks/d", "i", `{"n":9}`)
	r.expect("changes", `"n":9`)
}

// changes reads so many changes, and gives what their data has as n, by topic.
func (r *reader) changes(count int) map[events.Topic][]int {
	r.Helper()
	told := map[events.Topic][]int{}
	for count > 0 {
		e, ok := r.next()
		if !ok || e.name != "subscribed" && e.name != "changes" {
			r.Fatalf("the stream tells %+v, and %d changes are to come", e, count)
		}
		if e.name == "subscribed" {
			continue
		}
		var frame events.Changes
		if err := json.Unmarshal([]byte(e.data), &frame); err != nil {
			r.Fatal(err)
		}
		for _, c := range frame.Changes {
			var data struct{ N int }
			if err := json.Unmarshal(c.Data, &data); err != nil {
				r.Fatal(err)
			}
			told[c.Topic] = append(told[c.Topic], data.N)
			count--
		}
	}
	return told
}

// TestPatternsAndTopicsInOneStream: a change of a topic that several of them match comes once.
func TestPatternsAndTopicsInOneStream(t *testing.T) {
	s := newService(t)
	s.put("stocks/a", "i", `{"n":1}`)
	s.put("stocks/deep/er", "i", `{"n":1}`)
	target := "/topics/stocks/**?topic=stocks/*&topic=stocks/a&topic=news"
	r := s.open(target)
	begun, _ := r.next()
	r.end()
	for i, topic := range []events.Topic{"stocks/a", "stocks/b", "stocks/deep/er", "stocks/deep/est", "stocks", "news"} {
		s.put(topic, "i", fmt.Sprintf(`{"n":%d}`, 10+i))
	}
	r = s.open(target, "Last-Event-ID", begun.id)
	if got := fmt.Sprint(r.changes(6)); got != `map[news:[15] stocks:[14] stocks/a:[10] stocks/b:[11] stocks/deep/er:[12] stocks/deep/est:[13]]` {
		t.Errorf("told is %s", got)
	}
	s.put("stocks/b", "i", `{"n":20}`)
	if got := fmt.Sprint(r.changes(1)); got != `map[stocks/b:[20]]` {
		t.Errorf("then told is %s", got)
	}
}

// TestItemsOfAStreamGoOnAfterAnyCut: the stream is cut after each event. The client still gets each
// item once, the items of a topic before its changes, and each change once.
func TestItemsOfAStreamGoOnAfterAnyCut(t *testing.T) {
	for target, topics := range map[string][]events.Topic{
		"/topics/stocks/a?snapshot=true":                {"stocks/a"},
		"/topics/stocks/a?snapshot=true&topic=stocks/b": {"stocks/a", "stocks/b"},
		"/topics/stocks/*?snapshot=true":                {"stocks/a", "stocks/b", "stocks/*"},
	} {
		s := newService(t)
		s.feed.Limits.SnapshotItems = 2
		put := func(id string) {
			s.put("stocks/a", id, `{}`)
			s.put("stocks/b", id, `{}`)
		}
		for n := range 5 {
			put(fmt.Sprint(n))
		}
		c := cutWatcher{service: s, target: target, items: map[events.Topic]string{}, changes: map[events.Topic]string{}, whole: map[events.Topic]bool{}}
		c.step()
		put("6") // amid the items of the first topic
		for !c.has(topics) {
			c.step()
		}
		put("7")
		for !strings.HasSuffix(c.changes["stocks/a"], "7") || len(topics) > 1 && !strings.HasSuffix(c.changes["stocks/b"], "7") {
			c.step()
		}
		for _, topic := range topics[:min(len(topics), 2)] {
			got := c.items[topic] + " " + c.changes[topic]
			if got != "01234 67" && got != "012346 67" && got != "012346 7" {
				t.Errorf("%s: items and changes of %s are %s", target, topic, got)
			}
		}
	}
}

// cutWatcher is a client that is cut off after each event.
type cutWatcher struct {
	*service
	target, id     string
	items, changes map[events.Topic]string // their ids
	whole          map[events.Topic]bool   // all items are there
	steps          int
}

// step opens a stream for the next event.
func (c *cutWatcher) step() {
	c.Helper()
	r := c.open(c.target, "Last-Event-ID", c.id)
	e, ok := r.next()
	for ok && e.name == "subscribed" {
		e, ok = r.next()
	}
	r.end()
	if c.steps++; !ok || e.id == "" || c.steps > 20 {
		c.Fatalf("%s: event %d is %+v", c.target, c.steps, e)
	}
	c.id = e.id
	frame, err := events.Decode([]byte(e.data))
	if err != nil {
		c.Fatal(err)
	}
	switch frame := frame.(type) {
	case *events.Snapshot:
		c.items[frame.Topic] += strings.Join(ids(frame.Items), "")
		c.whole[frame.Topic] = !frame.More
	case *events.Changes:
		for _, change := range frame.Changes {
			c.changes[change.Topic] += change.ID
			if !c.whole[change.Topic] {
				c.Errorf("%s: a change of %s comes before its items", c.target, change.Topic)
			}
		}
	default:
		c.Errorf("%s: event is %+v", c.target, e)
	}
}

// has reports whether all items of the topics are there.
func (c *cutWatcher) has(topics []events.Topic) bool {
	return !slices.ContainsFunc(topics, func(topic events.Topic) bool { return !c.whole[topic] })
}

// TestIdOfAPatternIsNeverTooLong: a client that follows too much for one id is refused, even amid a
// stream. No topic is left out.
func TestIdOfAPatternIsNeverTooLong(t *testing.T) {
	s := newService(t)
	long := strings.Repeat("x", 200)
	name := func(n int) events.Topic { return events.Topic(fmt.Sprintf("%s/%s/%d", "many", long, n)) }
	for n := range 11 {
		s.put(name(n), "i", `{}`)
	}
	for target, begins := range map[string]string{"/topics/many/**": "", "/topics/many/**?snapshot=true": `"topic":"many/**"`} {
		r := s.open(target)
		for told := false; !told; {
			e, ok := r.next()
			if told = ok && strings.Contains(e.data, begins); !ok || len(e.id) > maxIDBytes {
				t.Fatalf("%s: event is %+v", target, e)
			}
		}
		s.put(name(0), "i", `{"n":5}`)
		if id := r.expect("changes", `"n":5`); strings.Count(id, "=") != 11 || len(id) > maxIDBytes {
			t.Errorf("%s: the id is %s", target, id)
		}
		r.end()
	}
	r := s.open("/topics/many/**")
	if e, ok := r.next(); !ok || e.name != "subscribed" {
		t.Fatalf("the stream begins with %+v", e)
	}
	for n := range 6 {
		s.put(name(11+n), "i", `{}`)
	}
	for {
		e, ok := r.next()
		if !ok {
			t.Fatal("the stream ends without a reason")
		}
		if e.name == "error" {
			if !strings.Contains(e.data, `"code":"too_many_topics"`) || e.id != "" {
				t.Errorf("error is %+v", e)
			}
			break
		}
		if len(e.id) > maxIDBytes {
			t.Errorf("an id has %d bytes", len(e.id))
		}
	}
	for _, target := range []string{"/topics/many/**", "/topics/many/**?snapshot=true", "/topics/many/**?topic=a"} {
		a := s.ask(http.MethodGet, target, "Accept", "text/event-stream")
		if a.status != 400 || !strings.Contains(a.body, `"code":"too_many_topics"`) {
			t.Errorf("%s is answered %+v", target, a)
		}
	}
}

// TestPatternShowsWhatItsGrantDoes, although a grant of the topic's own shows more.
func TestPatternShowsWhatItsGrantDoes(t *testing.T) {
	s := newService(t)
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[
		{"topics":["stocks/*"],"actions":["read","subscribe"],"mask":{"omit":["pin"]}},
		{"topics":["stocks/a"],"actions":["read","subscribe"]}]}`)
	s.put("stocks/a", "i", `{"n":1,"pin":2}`)
	s.put("other/a", "i", `{"n":1,"pin":2}`)
	below, a := get[events.ItemsBelow](s, 200, "/topics/stocks/*")
	if len(below.Topics) != 1 || strings.Contains(a.body, "pin") || below.View == "" {
		t.Errorf("items are %s", a.body)
	}
	r := s.open("/topics/stocks/*?snapshot=true")
	r.expect("snapshot", `"data":{"n":1}`)
	r.expect("snapshot", `"topic":"stocks/*"`)
	s.put("stocks/a", "i", `{"n":2,"pin":3}`)
	id := r.expect("changes", `"data":{"n":2}`)
	r.end()
	for _, target := range []string{"/topics/stocks/**", "/topics/other/*", "/topics/stocks/**?after=now", "/topics/other/*?after=now"} {
		for _, accept := range []string{"application/json", "text/event-stream"} {
			if a := s.ask(http.MethodGet, target, "Accept", accept); a.status != 403 {
				t.Errorf("%s as %s is answered %+v", target, accept, a)
			}
		}
	}
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["stocks/*"],"actions":["read","subscribe"],"mask":{"omit":["n"]}}]}`)
	r = s.open("/topics/stocks/*", "Last-Event-ID", id)
	reset := r.expect("reset", `"topic":"stocks/*","reason":"view"`)
	r.end()
	s.open("/topics/stocks/*", "Last-Event-ID", reset).expect("snapshot", `"data":{"pin":3}`)
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["stocks/*"],"actions":["subscribe"]}]}`)
	for _, target := range []string{"/topics/stocks/*?snapshot=true", "/topics/stocks/*?last_event_id=" + reset} {
		if a := s.ask(http.MethodGet, target, "Accept", "text/event-stream"); a.status != 403 {
			t.Errorf("%s is answered %+v", target, a)
		}
	}
}

// TestItemsBelowAPattern come page by page, and a topic with more items has a next page.
func TestItemsBelowAPattern(t *testing.T) {
	s := newService(t)
	s.feed.Limits.SnapshotItems = 3
	want := map[events.Topic]string{}
	for n := range 5 {
		topic := events.Topic(fmt.Sprint("stocks/", n))
		for i := range 2 + n {
			s.put(topic, fmt.Sprint(i), `{}`)
			want[topic] += fmt.Sprint(i)
		}
	}
	got := map[events.Topic]string{}
	for target, pages := "/topics/stocks/*", 1; target != ""; pages++ {
		below, a := get[events.ItemsBelow](s, 200, target)
		for _, topic := range below.Topics {
			got[topic.Topic] += strings.Join(ids(topic.Items), "")
			for topic.Next != "" {
				topic, _ = get[events.TopicItems](s, 200, "/topics/"+string(topic.Topic)+"?next="+topic.Next)
				got[topic.Topic] += strings.Join(ids(topic.Items), "")
			}
		}
		target = ""
		if link := a.header.Get("Link"); link != "" {
			target = "/topics/stocks/*" + strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
		}
		if (below.Next != "") != (target != "") || pages > 6 {
			t.Fatalf("page %d: %+v, Link %s", pages, below, target)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("items are %v, want %v", got, want)
	}
	if a := s.ask(http.MethodHead, "/topics/stocks/*"); a.status != 200 || a.body != "" {
		t.Errorf("HEAD is answered %+v", a)
	}
	if below, a := get[events.ItemsBelow](s, 200, "/topics/none/*"); below.Topics == nil || len(below.Topics) > 0 {
		t.Errorf("a pattern without topics is answered %s", a.body)
	}
}

// TestWhatAPatternDoesNotHave: such requests are refused, and nothing can be published to a
// pattern.
func TestWhatAPatternDoesNotHave(t *testing.T) {
	s := newService(t)
	s.put("stocks/a", "i", `{}`)
	for _, query := range []string{"after=:0", "limit=5", "after=:0&wait=5", "after=now&wait=5", "after=now&limit=5", "topic=stocks/a", "next=x", "next=e:1~x"} {
		if a := s.ask(http.MethodGet, "/topics/stocks/*?"+query); a.status != 400 {
			t.Errorf("%s is answered %+v", query, a)
		}
	}
	for id, status := range map[string]int{
		"x": 400, "e:1": 400, "!a=x~": 200, "e:1~e~00000000": 200, "~x": 200, "e:1~00000000": 200, "!a~": 200, "!a//b=e:1~": 200, "*!a=e:1": 400,
		"e:1,e:1~00000000": 400, strings.Repeat("!a=e:1", 1000) + "~00000000": 400,
	} {
		r := s.open("/topics/stocks/*", "Last-Event-ID", id)
		if r.response.StatusCode != status {
			t.Errorf("the id %.60s is answered %d, want %d", id, r.response.StatusCode, status)
		}
		if r.response.StatusCode == 200 { // an id of any other list is accepted
			r.expect("reset", `"topic":"stocks/*","reason":"view"`)
		}
		r.end()
	}
	begun, _ := s.open("/topics/stocks/*").next()
	s.streamTime = time.Second // or what is taken is taken for a minute
	_, hash, _ := cutLast(begun.id, "~")
	for _, part := range []string{"x", "e:1", "e:1!a=e:1", "!a", "!a=x", "!a=-", "*!a=-", "!a//b=e:1", "!=e:1", "!a/b=e:1", "!a=" + strings.Repeat("x", 2000) + "~1"} {
		a := s.ask(http.MethodGet, "/topics/stocks/*", "Accept", "text/event-stream", "Last-Event-ID", part+"~"+hash)
		if a.status != 400 || !strings.Contains(a.body, `"code":"bad_cursor"`) {
			t.Errorf("the id %.60s of this list is answered %+v", part, a)
		}
	}
	for _, a := range []answer{s.post("/topics/stocks/*", `{"id":"i"}`), s.ask(http.MethodDelete, "/topics/stocks/*?id=i")} {
		if a.status != 400 || !strings.Contains(a.body, `"code":"bad_topic"`) {
			t.Errorf("publishing to a pattern is answered %+v", a)
		}
	}
}

// TestWhereAPatternStands: after=now gives the cursors, from which each topic continues.
func TestWhereAPatternStands(t *testing.T) {
	s := newService(t)
	s.put("stocks/a", "i", `{"n":1}`)
	s.put("stocks/a", "i", `{"n":2}`)
	s.put("stocks/b", "i", `{"n":3}`)
	s.put("stocks/b/deep", "i", `{"n":4}`)
	stand, a := get[events.StandBelow](s, 200, "/topics/stocks/*?after=now")
	if len(stand.Cursors) != 2 || stand.Topic != "stocks/*" || stand.More || !strings.HasSuffix(stand.Cursors["stocks/a"], ":2") {
		t.Fatalf("the pattern is answered %s", a.body)
	}
	s.put("stocks/b", "i", `{"n":5}`)
	news, _ := get[events.TopicChanges](s, 200, "/topics/stocks/b?after="+stand.Cursors["stocks/b"])
	if len(news.Changes) != 1 || string(news.Changes[0].Data) != `{"n":5}` {
		t.Errorf("b has %v", news.Changes)
	}
	if deep, a := get[events.StandBelow](s, 200, "/topics/stocks/**?after=now"); len(deep.Cursors) != 3 {
		t.Errorf("all levels are answered %s", a.body)
	}
	if none, a := get[events.StandBelow](s, 200, "/topics/none/*?after=now"); len(none.Cursors) > 0 || !strings.Contains(a.body, `"cursors":{}`) {
		t.Errorf("a pattern without topics is answered %s", a.body)
	}
	if begun, _ := s.open("/topics/stocks/*?after=now").next(); begun.name != "subscribed" || strings.Count(begun.id, "=") != 2 {
		t.Errorf("a stream from now on begins with %+v", begun)
	}
	masked, _ := get[events.StandBelow](s, 200, "/topics/stocks/*?after=now&fields=n")
	if begun, _ := s.open("/topics/stocks/*?fields=n").next(); !strings.Contains(begun.data, `"view":"`+masked.View+`"`) {
		t.Errorf("what is seen of the pattern is %q, a stream begins with %+v", masked.View, begun)
	}
	if items, _ := get[events.TopicItems](s, 200, "/topics/stocks/a?fields=n"); masked.View == "" || masked.View != items.View {
		t.Errorf("what is seen of the pattern is %q, of a topic %q", masked.View, items.View)
	}
}
