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
// read units.
type dearLog struct {
	*memoryStore
	list, head, page float64
	changes          int64 // in a page
	spent            *float64
}

func (d dearLog) spend(ctx context.Context, units float64) {
	watch.MeterOf(ctx).Spend(units, 0)
	d.mu.Lock()
	defer d.mu.Unlock()
	*d.spent += units
}

func (d dearLog) Below(ctx context.Context, pattern, after events.Topic, limit int) ([]events.Topic, bool, error) {
	d.spend(ctx, d.list)
	return d.memoryStore.Below(ctx, pattern, after, limit)
}

func (d dearLog) Head(ctx context.Context, topic events.Topic) (watch.Head, error) {
	d.spend(ctx, d.head)
	return d.memoryStore.Head(ctx, topic)
}

func (d dearLog) Since(ctx context.Context, topic events.Topic, from, to int64) ([]watch.Entry, error) {
	d.spend(ctx, d.page)
	return d.memoryStore.Since(ctx, topic, from, min(to, from+d.changes))
}

// asker is a client that asks on with pings until it has all it missed.
type asker struct {
	*client
	cursors map[string]string
	got     map[string]int // how often each change came, by topic and cursor
	dearest float64        // the units of the dearest ping
}

// newAsker watches what costs that much.
func newAsker(t *testing.T, costs dearLog) *asker {
	c := newClient(t, `{"topics":["**"],"actions":["subscribe"]}`)
	costs.memoryStore, costs.spent = c.memoryStore, new(float64)
	c.answerer.Store = costs
	return &asker{client: c, cursors: map[string]string{}, got: map[string]int{}}
}

// catchUp asks until a ping brings nothing, and tells how often it asked.
func (a *asker) catchUp(t *testing.T) (pings int) {
	t.Helper()
	for before := -1; before < len(a.got); pings++ {
		before = len(a.got)
		spent := a.answerer.Store.(dearLog).spent
		*spent = 0
		request, _ := json.Marshal(events.Request{Action: "ping", Cursors: a.cursors})
		a.ask(t, string(request))
		a.dearest = max(a.dearest, *spent)
		for _, frame := range a.frames {
			changes, ok := decoded(t, frame).(*events.Changes)
			for i := 0; ok && i < len(changes.Changes); i++ {
				change := changes.Changes[i]
				a.cursors[string(change.Topic)] = change.Cursor().String()
				a.got[string(change.Topic)+" "+change.Cursor().String()]++
			}
		}
		pong, ok := decoded(t, a.frames[len(a.frames)-1]).(*events.Pong)
		if !ok || len(pong.Cursors) != len(a.cursors) {
			t.Fatalf("ping %d ends in %.200s", pings, a.lastFrame())
		}
	}
	return pings
}

// expectOnce wants so many changes, each once.
func (a *asker) expectOnce(t *testing.T, changes int) {
	t.Helper()
	if len(a.got) != changes {
		t.Errorf("%d of %d changes came", len(a.got), changes)
	}
	for change, n := range a.got {
		if n != 1 {
			t.Errorf("%s came %d times", change, n)
		}
	}
}

// TestOnePingOfManyLongLogs: a ping of 2,221 bytes that named a hundred topics with 5.5 MB of log
// each read 58,478 units, and got no answer. Now each answer says where the topics stand, so
// the client asks on until it has every change, once.
func TestOnePingOfManyLongLogs(t *testing.T) {
	const topics, missed = 100, 20 // a page of 1 MB has four changes
	a := newAsker(t, dearLog{head: 1, page: 280, changes: 4})
	for n := range topics {
		topic := fmt.Sprint("t/", n)
		a.ask(t, fmt.Sprintf(`{"action":"subscribe","topic":%q}`, topic))
		for range missed {
			a.change(events.Topic(topic), `{}`)
		}
		a.cursors[topic] = "e:0"
	}
	if pings := a.catchUp(t); pings < topics*missed/4*280/3_900 {
		t.Errorf("%d pings bring all", pings)
	}
	a.expectOnce(t, topics*missed)
	for _, bound := range watch.Bounds(100) {
		if bound.Action == "ping with cursors" && a.dearest > float64(bound.Reads) {
			t.Errorf("a ping reads %v units, at most %d are allowed", a.dearest, bound.Reads)
		}
	}
}

// TestPatternsLeaveRoomForWhatWasMissed: the lists of many patterns once used up all that a ping
// may read, so that no ping of their client brought a change.
func TestPatternsLeaveRoomForWhatWasMissed(t *testing.T) {
	const patterns = 50
	a := newAsker(t, dearLog{list: 270, head: 1, page: 300, changes: 1})
	for n := range patterns {
		topic, pattern := fmt.Sprintf("t%d/a", n), fmt.Sprintf("t%d/*", n)
		a.change(events.Topic(topic), `{}`)
		a.ask(t, fmt.Sprintf(`{"action":"subscribe","topic":%q}`, pattern))
		a.cursors[topic], a.cursors[pattern] = "e:0", ":0"
	}
	a.catchUp(t)
	a.expectOnce(t, patterns)
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
