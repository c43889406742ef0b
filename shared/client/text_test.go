package client_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/grant"
)

// TestTextIsSentAsItIs: data and filters of the largest sizes arrive, of whatever characters
// they are, and come back as they were given.
func TestTextIsSentAsItIs(t *testing.T) {
	for _, character := range []string{"<", "&", "\u2028", "\u2029", `\u003c`} {
		t.Run(character, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				c := s.dial(t, client.Options{})
				long := strings.Repeat(character, (grant.MaxFilterBytes-100)/len(character))
				w := follow(t, c, topic, client.WatchOptions{Filter: json.RawMessage(`{"x":[{"anything-but":["` + long + `"]}]}`)}, nil)
				data := `{"x":"` + strings.Repeat(character, (events.MaxDataBytes-10)/len(character)) + `"}`
				if _, err := c.Publish(t.Context(), topic, events.Item{ID: "i", Data: json.RawMessage(data)}); err != nil {
					t.Fatal(err)
				}
				settle(time.Second)
				if frames := s.sent(t, events.ActionPublish); len(frames) != 1 || string(frames[0].Item.Data) != data {
					t.Errorf("sent %.100v", frames)
				}
				w.saw(t, 1, 1)
			})
		})
	}
}
