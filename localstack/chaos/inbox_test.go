package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/cloudevents"
)

// come is a message that comes to a receiver, who takes it or fails.
type come struct {
	parcel
	known, taken bool
}

func changes(taken bool, all ...events.Change) come {
	return come{parcel: parcel{topic: "t", changes: all}, taken: taken}
}

func itemChange(seq int64, op events.Op, id string, v int64) events.Change {
	return *change(seq, op, id, v).Change
}

func snapshot(seq int64, more bool, versions map[string]int64) come {
	page := &events.Snapshot{Topic: "t", Cursor: events.Cursor{Epoch: "e", Seq: seq}, More: more}
	for id, v := range versions {
		page.Items = append(page.Items, events.Item{ID: id, Data: fmt.Appendf(nil, `{"v":%d}`, v)})
	}
	return come{parcel: parcel{topic: "t", items: page}, taken: true}
}

// TestInbox shows the inbox of a receiver deliveries that keep the promise and deliveries that do not.
// What was written is: 0-a, 1-b, 0-a again, 1-b removed.
func TestInbox(t *testing.T) {
	written := newLedger([]events.Topic{"t"})
	written.enter("t", "0-a", true)
	written.enter("t", "1-b", true)
	written.enter("t", "0-a", true)
	written.enter("t", "1-b", false)
	one, two := itemChange(1, events.Added, "0-a", 1), itemChange(2, events.Added, "1-b", 1)
	three, four := itemChange(3, events.Modified, "0-a", 2), itemChange(4, events.Removed, "1-b", 1)
	skipped := events.Change{Topic: "t", Epoch: "e", Seq: 4, Op: events.Skipped}
	again := changes(true, one, two)
	again.known = true
	reset := come{parcel: parcel{topic: "t", reset: true}, taken: true}
	for name, c := range map[string]struct {
		view    view
		managed bool
		come    []come
		broken  string
	}{
		"all of it":                       {come: []come{changes(true, one, two), changes(true, three), changes(true, four)}},
		"tried again":                     {come: []come{changes(false, one, two), changes(true, one, two), again, changes(true, three, four)}},
		"moved before it was taken":       {come: []come{changes(false, one, two), changes(true, three, four)}, broken: "change e:3 comes after change 0"},
		"an attempt that is ahead":        {come: []come{changes(true, one), changes(false, three)}, broken: "change e:3 comes after change 1"},
		"out of order":                    {come: []come{changes(true, two, one)}, broken: "change e:2 comes after change 0"},
		"taken, and in another message":   {come: []come{changes(true, one), changes(true, one, two)}, broken: "comes again in another message"},
		"the last one lost":               {come: []come{changes(true, one, two, three)}, broken: "stands at e:3 after 4 changes"},
		"another change with its number":  {come: []come{changes(true, one), {parcel: changes(true, itemChange(1, events.Added, "0-a", 2)).parcel, known: true}}, broken: "change 1 is"},
		"a reset for nothing":             {come: []come{changes(true, one), reset}, broken: "nobody has asked for it"},
		"skipped, though it sees all":     {come: []come{changes(true, one, two, three, skipped)}, broken: "is skipped"},
		"replayed":                        {managed: true, come: []come{changes(true, one, two), changes(true, one, two, three), changes(true, four)}},
		"reset, items and the rest":       {managed: true, come: []come{changes(true, one), reset, snapshot(3, true, map[string]int64{"0-a": 2}), snapshot(3, false, map[string]int64{"1-b": 1}), changes(true, four)}},
		"reset, and items anew":           {managed: true, come: []come{reset, snapshot(2, true, map[string]int64{"1-b": 1}), snapshot(4, false, map[string]int64{"0-a": 2})}},
		"reset, and an item too many":     {managed: true, come: []come{reset, snapshot(4, false, map[string]int64{"0-a": 2, "1-b": 1})}, broken: "another state than the table"},
		"an overtaken delivery amid it":   {managed: true, come: []come{reset, changes(true, one, two), snapshot(4, false, map[string]int64{"0-a": 2})}},
		"of some writers":                 {view: view{writers: []int{0}}, come: []come{changes(true, one), changes(true, three, skipped)}},
		"of some writers, one is missing": {view: view{writers: []int{0}}, come: []come{changes(true, one)}, broken: "another state than the table"},
		"of other writers":                {view: view{writers: []int{0}}, come: []come{changes(true, one, two)}, broken: "outside the view"},
		"of other fields":                 {view: view{fields: []string{"w"}}, come: []come{changes(true, one)}, broken: "outside the view"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newInbox("t", c.view, c.managed)
			var err error
			for _, m := range c.come {
				if err = b.attempt(m.parcel, m.known, m.taken); err != nil {
					break
				}
			}
			if err == nil {
				err = b.settle(written)
				if complete := b.complete(written); complete != (err == nil) && strings.Contains(c.broken, "stands at") {
					t.Errorf("complete is %t", complete)
				}
			}
			if c.broken == "" && err != nil || c.broken != "" && (err == nil || !strings.Contains(err.Error(), c.broken)) {
				t.Errorf("verdict %v, want %q", err, c.broken)
			}
		})
	}
}

// TestParcelOf: frames and CloudEvents bring the same changes.
func TestParcelOf(t *testing.T) {
	all := []events.Change{itemChange(1, events.Added, "a", 1), itemChange(2, events.Removed, "a", 1)}
	frame, err := events.Encode(&events.Changes{Changes: all})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := cloudevents.Encode("source", all)
	if err != nil {
		t.Fatal(err)
	}
	single, err := cloudevents.EncodeOne("source", all[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		contentType, body string
		changes           int
	}{{"application/json", string(frame), 2}, {cloudevents.TypeBatch, string(batch), 2}, {cloudevents.TypeSingle, string(single), 1}} {
		p, err := parcelOf(c.contentType, []byte(c.body))
		if err != nil || p.topic != "t" || fmt.Sprint(p.changes) != fmt.Sprint(all[:c.changes]) {
			t.Errorf("%s is %+v, %v", c.body, p, err)
		}
	}
	other := all[1]
	other.Topic = "u"
	mixed, err := events.Encode(&events.Changes{Changes: []events.Change{all[0], other}})
	if err != nil {
		t.Fatal(err)
	}
	for contentType, body := range map[string]string{
		"application/json": string(mixed), cloudevents.TypeBatch: "[]",
		cloudevents.TypeSingle: `{"id":"t@e:1","sequence":"00000000000000000002","type":"watchroute.added","topic":"t"}`,
	} {
		if p, err := parcelOf(contentType, []byte(body)); err == nil {
			t.Errorf("%s is %+v", body, p)
		}
	}
}

// TestRunWithoutAnAnswerProvesTooLittle: receivers must have given each of them.
func TestRunWithoutAnAnswerProvesTooLittle(t *testing.T) {
	one := &receiver{boxes: map[events.Topic]*inbox{"t": newInbox("t", view{}, true)}, post: post{answers: map[string]int{"410": 1, "200": 1, "late": 1}, repeated: 1}}
	r := &run{settings: settings{webhooks: true}, office: &office{receivers: []*receiver{one}}}
	for _, a := range failures {
		if err := r.provesHTTP(); err == nil || !strings.Contains(err.Error(), "the answer "+a.name) || strings.Contains(err.Error(), "410") {
			t.Errorf("a run without the answer %s ends with %v", a.name, err)
		}
		one.answers[a.name]++
	}
	if err := r.provesHTTP(); err == nil || !strings.Contains(err.Error(), "a reset") {
		t.Errorf("a run without a reset ends with %v", err)
	}
	one.boxes["t"].resets++
	if err := r.provesHTTP(); err != nil {
		t.Error(err)
	}
}
