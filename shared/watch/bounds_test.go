package watch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// dearLog is a store in which each read of a list, a head and a page of the log costs some
// read units. A page has one change.
type dearLog struct {
	*memoryStore
	list, head, page float64
}

func (d dearLog) Below(ctx context.Context, pattern events.Topic, limit int) ([]events.Topic, bool, error) {
	watch.MeterOf(ctx).Spend(d.list, 0)
	return d.memoryStore.Below(ctx, pattern, limit)
}

func (d dearLog) Head(ctx context.Context, topic events.Topic) (watch.Head, error) {
	watch.MeterOf(ctx).Spend(d.head, 0)
	return d.memoryStore.Head(ctx, topic)
}

func (d dearLog) Since(ctx context.Context, topic events.Topic, from, _ int64) ([]watch.Entry, error) {
	watch.MeterOf(ctx).Spend(d.page, 0)
	return d.memoryStore.Since(ctx, topic, from, from+1)
}

// TestPatternsLeaveRoomForWhatWasMissed: the lists of many patterns once used up all that a ping
// may read, so that no ping of their client brought a change.
func TestPatternsLeaveRoomForWhatWasMissed(t *testing.T) {
	c := newClient(t, `{"topics":["**"],"actions":["subscribe"]}`)
	c.answerer.History = dearLog{c.memoryStore, 270, 1, 300}
	cursors := map[string]string{}
	for n := range 50 {
		c.change(events.Topic(fmt.Sprintf("t%d/a", n)), `{}`)
		pattern := fmt.Sprintf("t%d/*", n)
		cursors[pattern] = ":0"
		c.ask(t, fmt.Sprintf(`{"action":"subscribe","topic":%q}`, pattern))
		cursors[fmt.Sprintf("t%d/a", n)] = "e:0"
	}
	missing := 50
	for range 50 {
		request, _ := json.Marshal(events.Request{Action: "ping", Cursors: cursors})
		c.ask(t, string(request))
		got := 0
		for _, frame := range c.frames {
			if changes, ok := decoded(t, frame).(*events.Changes); ok {
				for _, change := range changes.Changes {
					cursors[string(change.Topic)] = change.Cursor().String()
					got++
				}
			}
		}
		if got == 0 {
			break
		}
		missing -= got
	}
	if missing != 0 {
		t.Errorf("%d of 50 changes never came", missing)
	}
}

// TestChangesOfManyTopicsShareFrames: each frame is a post, of which an account has 10,000 a
// second. A client that comes back to 400 topics got one for each.
func TestChangesOfManyTopicsShareFrames(t *testing.T) {
	c := newClient(t, `{"topics":["**"],"actions":["subscribe"]}`)
	cursors := map[string]string{"a/*": ":0"}
	for n := range 400 {
		topic := events.Topic(fmt.Sprintf("a/%d", n))
		c.change(topic, `{"n":1}`)
		if n%100 == 0 {
			cursors[string(topic)] = "other:1"
			continue
		}
		cursors[string(topic)] = "e:0"
	}
	c.ask(t, `{"action":"subscribe","topic":"a/*"}`)
	request, _ := json.Marshal(events.Request{Action: "ping", Cursors: cursors})
	c.ask(t, string(request))
	resets, changes := 0, 0
	for _, frame := range c.frames {
		switch f := decoded(t, frame).(type) {
		case *events.Changes:
			changes += len(f.Changes)
		case *events.Reset:
			resets++
		}
	}
	if resets != 4 || changes != 396 {
		t.Errorf("%d resets and %d changes", resets, changes)
	}
	if want := 4 + 4 + 2 + 1; len(c.frames) > want { // of 46 KB of changes, and those before a reset
		t.Errorf("%d frames, want %d", len(c.frames), want)
	}
}

// TestNamesCountTowardsAnAnswer: 10,000 changes with long names and little data were 12 MB.
func TestNamesCountTowardsAnAnswer(t *testing.T) {
	c := newClient(t, `{"topics":["**"],"actions":["subscribe"]}`)
	topic := events.Topic(strings.Repeat("t", events.MaxTopicBytes))
	data := `{"x":"` + strings.Repeat("x", 310) + `"}`
	c.fill(topic, slices.Repeat([]string{data}, events.MaxResumeChanges)...)
	for i := range c.log[topic] {
		c.log[topic][i].ID = strings.Repeat(`"`, events.MaxItemIDBytes)
	}
	c.ask(t, fmt.Sprintf(`{"action":"subscribe","topic":%q}`, topic))
	c.ask(t, fmt.Sprintf(`{"action":"ping","cursors":{%q:"e:0"}}`, topic))
	bytes := 0
	for _, frame := range c.frames {
		bytes += len(frame)
	}
	if bytes > events.MaxResumeBytes+events.MaxFrameBytes || bytes < events.MaxResumeBytes/2 {
		t.Errorf("%d bytes are sent, want up to about %d", bytes, events.MaxResumeBytes)
	}
}
