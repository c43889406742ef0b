package stack_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
)

// The view of the clerk and the auditor of views_test.go over HTTP is the same as over a WebSocket.

const ordersURL = "/topics/" + orders

// webWatcher is told of the orders over HTTP twice: by a stream and by long polls.
type webWatcher struct {
	*viewer
	delta  bool
	stream streamReader
	ids    []string // of the stream, by how many changes the client has there
	at     string   // the cursor of the last poll
	polled chan httpAnswer
}

func (v *viewer) watchOverHTTP(t *testing.T, delta bool) *webWatcher {
	t.Helper()
	w := &webWatcher{viewer: v, delta: delta, at: ":0", polled: make(chan httpAnswer)}
	w.stream = v.stream(t, fmt.Sprint(ordersURL, "?delta=", delta), v.token)
	w.ids = []string{w.stream.event().id}
	return w
}

// poll begins a long poll.
func (w *webWatcher) poll(t *testing.T) {
	target := fmt.Sprint(ordersURL, "?delta=", w.delta, "&after=", w.at)
	go func() { w.polled <- w.request(t, "GET", target, w.token, "Prefer", "wait=25") }()
}

// isTold wants these changes next, in both ways.
func (w *webWatcher) isTold(t *testing.T, changes string) {
	t.Helper()
	e := w.stream.event()
	w.ids = append(w.ids, e.id)
	polled := read[events.TopicChanges](t, <-w.polled, 200)
	w.at = polled.Cursor
	if got := alike(e.data); e.name != "changes" || got != changes {
		t.Errorf("the stream tells %s\n%s, want\n%s", e.name, got, changes)
	}
	if got := frameOf(polled); got != changes || !strings.HasPrefix(e.id, w.at+"~") {
		t.Errorf("the poll tells\n%s, want\n%s at %s, and not %s", got, changes, e.id, w.at)
	}
}

// frameOf writes changes as a WebSocket has them, without what differs from run to run.
func frameOf(c events.TopicChanges) string {
	list := quote(c.Changes)
	return alike(changesFrame(list[1 : len(list)-1]))
}

// webEvent is one event of a stream. An id may come without data.
type webEvent struct{ name, id, data string }

// event reads the next one.
func (f streamReader) event() (e webEvent) {
	f.Helper()
	for f.lines.Scan() {
		field, value, _ := strings.Cut(f.lines.Text(), ": ")
		switch {
		case field == "event":
			e.name = value
		case field == "id":
			e.id = value
		case field == "data":
			e.data = value
		case field == "" && e != webEvent{}:
			return e
		}
	}
	f.Fatalf("the stream has ended: %v", f.lines.Err())
	return e
}

// happens reads the next events with content, which must be these.
func (f streamReader) happens(want ...webEvent) {
	f.Helper()
	for _, want := range want {
		e := f.event()
		for e.name == "" || e.name == "subscribed" {
			e = f.event()
		}
		e.data, e.id = alike(e.data), ""
		if e != want {
			f.Fatalf("got %+v,\nwant %+v", e, want)
		}
	}
}

// resumes comes back with a cursor, and with the id of the stream's last event.
func (w *webWatcher) resumes(t *testing.T, epoch string) {
	for _, after := range []int{0, 2, 5} {
		want := w.missed(after, w.delta)
		target := fmt.Sprintf("%s?delta=%t&after=%s:%d", ordersURL, w.delta, epoch, after)
		for _, prefer := range []string{"", "wait=25"} {
			got := read[events.TopicChanges](t, w.request(t, "GET", target, w.token, "Prefer", prefer), 200)
			if frameOf(got) != want || got.Cursor != epoch+":11" || got.More {
				t.Errorf("GET after %d with Prefer %q: %+v\n%s, want\n%s", after, prefer, got, frameOf(got), want)
			}
		}
		if after == 2 {
			w.viewer.stream(t, target, w.token).happens(webEvent{name: "changes", data: want})
		}
		w.viewer.stream(t, fmt.Sprint(ordersURL, "?delta=", w.delta), w.token, "Last-Event-ID", w.ids[after]).happens(webEvent{name: "changes", data: want})
	}
}

// webItems is how a stream tells all items.
func webItems(items string) webEvent {
	return webEvent{name: "snapshot", data: `{"type":"snapshot","seq":11,"items":[` + items + `],"more":false}`}
}

// asksForItemsOverHTTP by a GET, and at a stream's beginning.
func (v *viewer) asksForItemsOverHTTP(t *testing.T) {
	a := v.request(t, "GET", ordersURL, v.token)
	v.hasItems(t, a, v.items)
	if again := v.request(t, "GET", ordersURL, v.token, "If-None-Match", a.header.Get("ETag")); again.status != 304 {
		t.Errorf("with its ETag the answer is %s", again)
	}
	v.stream(t, ordersURL+"?snapshot=true", v.token).happens(webItems(v.items))
}

func (v *viewer) hasItems(t *testing.T, a httpAnswer, items string) {
	t.Helper()
	if got := quote(read[events.TopicItems](t, a, 200).Items); got != "["+items+"]" {
		t.Errorf("items are %s, want %s", got, items)
	}
}

// filtersOverHTTP asks only for total, with a filter of its own.
func (v *viewer) filtersOverHTTP(t *testing.T, filter, items string) {
	t.Helper()
	own := ordersURL + "?fields=total&filter=" + url.QueryEscape(filter)
	v.hasItems(t, v.request(t, "GET", own, v.token), items)
	v.stream(t, own+"&snapshot=true", v.token).happens(webItems(items))
	if items != "" {
		return
	}
	nothing := changesFrame(`{"seq":1,"to":11,"op":"skipped"}`)
	if got := frameOf(read[events.TopicChanges](t, v.request(t, "GET", own+"&after=:0", v.token), 200)); got != nothing {
		t.Errorf("GET tells %s", got)
	}
	v.stream(t, own+"&after=:0", v.token).happens(webEvent{name: "changes", data: nothing})
}

// comesWithWhatIsOf uses values of a viewer with another view. They do not fit this view, so the
// viewer starts over and sees its own.
func (v *viewer) comesWithWhatIsOf(t *testing.T, other *viewer, web []*webWatcher, epoch string) {
	page := other.request(t, "GET", ordersURL+"?limit=1", other.token)
	theirs := read[events.TopicItems](t, page, 200)
	v.hasItems(t, v.request(t, "GET", ordersURL, v.token, "If-None-Match", other.request(t, "GET", ordersURL, other.token).header.Get("ETag")), v.items)
	v.hasItems(t, v.request(t, "GET", ordersURL+"?limit=1", v.token, "If-None-Match", page.header.Get("ETag")), "") // the first is deleted or hidden
	problem(t, "another's next", v.request(t, "GET", ordersURL+"?next="+url.QueryEscape(theirs.Next), v.token), 400, events.CodeBadCursor)
	for _, prefer := range []string{"", "wait=25"} {
		a := v.request(t, "GET", ordersURL+"?after="+epoch+":2&view="+theirs.View, v.token, "Prefer", prefer)
		if p := problem(t, "another's view", a, 410, events.CodeReset); p.Reason != events.ResetView {
			t.Errorf("the answer is %s", a)
		}
	}
	reset := webEvent{name: "reset", data: `{"type":"reset","topic":"shop/orders","reason":"view"}`}
	for _, id := range []string{web[0].ids[2], web[0].ids[11], epoch + ":2"} { // the last is of a viewer that sees all
		v.stream(t, ordersURL, v.token, "Last-Event-ID", id).happens(reset, webItems(v.items))
	}
}
