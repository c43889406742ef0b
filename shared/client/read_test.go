package client_test

import (
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
