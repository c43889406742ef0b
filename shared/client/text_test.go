package client_test

import (
	"encoding/json"
	"errors"
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

// TestTextThatIsNoneIsRefused: it would arrive as U+FFFD, or end the connection.
func TestTextThatIsNoneIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		for _, text := range []string{`\ud800`, `\uDFFF`, `\ud83d\ud83d`, `\ude00\ud83d`, "\xff", "\xed\xa0\x80"} {
			for name, data := range map[string]string{"value": `{"a":"` + text + `"}`, "name": `{"` + text + `":1}`, "deep": `{"a":[{"b":["x\\` + text + `"]}]}`} {
				_, err := c.Publish(t.Context(), topic, events.Item{ID: "i", Data: json.RawMessage(data)})
				refusedAs(t, name+" "+text, err, events.CodeBadItem)
			}
			w := follow(t, c, topic, client.WatchOptions{Filter: json.RawMessage(`{"a":["` + text + `"]}`)}, nil)
			<-w.done
			refusedAs(t, "filter "+text, w.err, events.CodeBadRequest)
		}
		_, err := c.Publish(t.Context(), topic, events.Item{ID: "\xff"})
		refusedAs(t, "id", err, events.CodeBadItem)
		refusedAs(t, "id to remove", c.Remove(t.Context(), topic, "\xff"), events.CodeBadItem)
		refusedAs(t, "topic", c.Remove(t.Context(), "a/\xff", "i"), events.CodeBadTopic)
		w := follow(t, c, topic, client.WatchOptions{Fields: []string{"\xff"}}, nil)
		<-w.done
		refusedAs(t, "field", w.err, events.CodeBadRequest)
		w = follow(t, c, "stocks/*", client.WatchOptions{Cursors: map[events.Topic]events.Cursor{"stocks/\xff": {Epoch: "e", Seq: 1}}}, nil)
		<-w.done
		refusedAs(t, "topic of a cursor", w.err, events.CodeBadCursor)
		if got := s.sent(t, events.ActionPublish); len(got) != 0 || c.Stats().Connections != 1 {
			t.Errorf("sent %v, stats %+v", got, c.Stats())
		}
		if _, err := c.Publish(t.Context(), topic, events.Item{ID: "i", Data: json.RawMessage(`{"a":"\ud83d\ude00 \\ud800 \ufffd\uffff"}`)}); err != nil {
			t.Errorf("whole pairs: %v", err)
		}
	})
}

func refusedAs(t *testing.T, name string, err error, code events.Code) {
	t.Helper()
	var refused *events.Error
	if !errors.As(err, &refused) || refused.Code != code {
		t.Errorf("%s: %v, want %s", name, err, code)
	}
}
