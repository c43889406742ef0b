package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// TestReadOnce: the items of a topic come by a plain call, page by page, and a watch goes on from
// their cursor.
func TestReadOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.pageItems = 2
		for n := range 5 {
			s.put(topic, fmt.Sprint(n), `{"n":1,"m":2}`)
		}
		o := client.Options{HTTPClient: s.http}
		w := &watcher{state: map[string]string{}}
		for event, err := range client.Read(t.Context(), s.httpURL(), topic, o, client.WatchOptions{Fields: []string{"n"}}) {
			w.see(event, err)
		}
		if w.err != nil || w.pages < 2 || len(w.state) != 5 || w.state["3"] != `{"n":1}` || w.cursor != (events.Cursor{Epoch: "e1", Seq: 5}) {
			t.Errorf("read %v at %v, with %v", w.state, w.cursor, w.err)
		}
		s.refuse = http.StatusBadGateway
		for _, err := range client.Read(t.Context(), s.httpURL(), topic, o, client.WatchOptions{}) {
			if got := fmt.Sprint(err); !strings.Contains(got, "502") {
				t.Errorf("with a proxy that fails: %v", err)
			}
		}
		for _, err := range client.Read(t.Context(), s.url(), topic, o, client.WatchOptions{}) {
			if err == nil {
				t.Error("read from a WebSocket URL")
			}
		}
	})
}

// TestReadUnlessUnchanged: items that the caller has are not read again, until they change.
func TestReadUnlessUnchanged(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.pageItems = 2
		read := func(etag string) (items int, now string, err error) {
			for event, err := range client.ReadUnless(t.Context(), s.httpURL(), topic, etag, client.Options{HTTPClient: s.http}, client.WatchOptions{}) {
				if err != nil {
					return items, now, err
				}
				items, now = items+len(event.Page.Items), now+event.Page.ETag
			}
			return items, now, nil
		}
		for n := range 5 {
			s.put(topic, fmt.Sprint(n), `{}`)
		}
		items, etag, err := read("")
		if items != 5 || etag == "" || err != nil {
			t.Fatalf("read %d items with the ETag %q and %v", items, etag, err)
		}
		if items, _, err := read(etag); items != 0 || !errors.Is(err, client.ErrUnchanged) {
			t.Errorf("read %d unchanged items again, with %v", items, err)
		}
		s.put(topic, "5", `{}`)
		if items, now, err := read(etag); items != 6 || now == etag || err != nil {
			t.Errorf("read %d changed items with the ETag %q, which was %q, and %v", items, now, etag, err)
		}
		s.front.before(status(http.StatusNotModified, isItems))
		if _, _, err := read(""); errors.Is(err, client.ErrUnchanged) || err == nil {
			t.Errorf("unchanged from what was never read: %v", err)
		}
	})
}
