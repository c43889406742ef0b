package stack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	goclient "github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/grant"
)

// TestLargestTextOfAnyCharacterArrives whole: from a client through the table, the log and a
// view to a watcher whose filter is as long as it may be, and in a snapshot.
func TestLargestTextOfAnyCharacterArrives(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	c := s.dial(t)
	for n, character := range []string{"<", "&", "\u2028", "\u2029", "😀"} {
		topic := events.Topic(fmt.Sprint("texts/", n))
		fill := func(form string, most int) json.RawMessage {
			return json.RawMessage(fmt.Sprintf(form, strings.Repeat(character, (most-len(form))/len(character))))
		}
		data := fill(`{"a":"%s"}`, events.MaxDataBytes)
		o := goclient.WatchOptions{Filter: fill(`{"a":[{"anything-but":["%s"]}]}`, grant.MaxFilterBytes), Fields: []string{"a"}}
		if got := firstData(t, c, topic, o, func(ctx context.Context) error {
			_, err := c.Publish(ctx, topic, events.Item{ID: character, Data: data})
			return err
		}); string(got) != string(data) {
			t.Errorf("%q: the change has %d bytes of data, want %d", character, len(got), len(data))
		}
		o.Snapshot = true
		if got := firstData(t, c, topic, o, func(context.Context) error { return nil }); string(got) != string(data) {
			t.Errorf("%q: the snapshot has %d bytes of data, want %d", character, len(got), len(data))
		}
	}
}

// firstData does something when a watch has begun, and gives the first data that this shows.
func firstData(t *testing.T, c *goclient.Client, topic events.Topic, o goclient.WatchOptions, do func(context.Context) error) json.RawMessage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for event, err := range c.Watch(ctx, topic, o) {
		switch {
		case err != nil:
			t.Fatal(err)
		case event.Change != nil:
			return event.Change.Data
		case event.Page != nil && len(event.Page.Items) > 0:
			return event.Page.Items[0].Data
		}
		if err := do(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return nil
}
