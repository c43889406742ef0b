package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/watchroute/watchroute/events"
)

// message is the next that a hostile watcher sends: a costly request mostly, or something
// that is none.
func (h *hostile) message() string {
	kinds := []func() string{
		h.subscribe, h.subscribe, h.subscribe, h.snapshot, h.snapshot, h.ping, h.ping, h.publish, h.publish, h.nonsense, h.nonsense,
	}
	return kinds[h.random.IntN(len(kinds))]()
}

func encoded(r events.Request) string {
	frame, _ := json.Marshal(r) // filters and data are valid JSON
	return string(frame)
}

// own is one of its own topics.
func (h *hostile) own() string {
	return fmt.Sprintf("hostile/%s/%d", h.wallet.subject, h.random.IntN(20))
}

// any is one of its own topics or of the others'.
func (h *hostile) any() string {
	if h.random.IntN(2) == 0 {
		return h.own()
	}
	return string(h.others[h.random.IntN(len(h.others))])
}

// filter has up to as many conditions as fit, on the lists of its own items or on the text of the
// others'; some of them the service refuses. It also lets through what has a version, so that the
// rest of a view is made too.
func (h *hostile) filter() json.RawMessage {
	list := h.random.IntN(2) == 0
	var conditions []string
	for range 10 + h.random.IntN(30) {
		number := 1_000 + h.random.IntN(9_000)
		if list {
			conditions = append(conditions, fmt.Sprintf(`{"numeric":["=",%d]}`, number))
		} else {
			conditions = append(conditions, fmt.Sprintf(`{"suffix":"x%d"}`, number))
		}
	}
	field := "pad"
	if list {
		field = "l"
	}
	return json.RawMessage(fmt.Sprintf(`{"$or":[{%q:[%s]},{"v":[{"exists":true}]}]}`, field, strings.Join(conditions, ",")))
}

// fields are as many as may be.
func (h *hostile) fields() []string {
	fields := []string{"v", "l", "pad"}
	for len(fields) < 32 {
		fields = append(fields, fmt.Sprint("none", h.random.IntN(1_000), "-", len(fields)))
	}
	return fields
}

func (h *hostile) subscribe() string {
	r := events.Request{Action: events.ActionSubscribe, Topic: h.any(), Filter: h.filter(), Fields: h.fields(), Delta: true}
	switch h.random.IntN(4) {
	case 0:
		r.Topic = "chaos/*"
	case 1:
		r.After = ":0"
	case 2:
		r.Snapshot = true
	}
	return encoded(r)
}

func (h *hostile) snapshot() string {
	return encoded(events.Request{Action: events.ActionSnapshot, Topic: h.any(), Filter: h.filter(), Fields: h.fields()})
}

// ping asks for everything from the start, and for topics that are not there.
func (h *hostile) ping() string {
	cursors := map[string]string{"chaos/*": ":0", "hostile/" + h.wallet.subject + "/*": ":0", "hostile/" + h.wallet.subject + "/**": ":0"}
	for _, topic := range h.others {
		cursors[string(topic)] = ":0"
	}
	for i := range 20 {
		cursors[fmt.Sprintf("hostile/%s/%d", h.wallet.subject, i)] = ":0"
	}
	for i := len(cursors); i < events.MaxCursors; i++ {
		cursors[fmt.Sprintf("hostile/%s/none/%d", h.wallet.subject, i)] = ":0"
	}
	return encoded(events.Request{Action: events.ActionPing, Cursors: cursors})
}

// publish puts an item with a list that filters have to search, as long as may be.
func (h *hostile) publish() string {
	data := fmt.Sprintf(`{"v":%d,"l":[0%s]}`, h.random.IntN(1_000), strings.Repeat(",0", 60_000))
	return encoded(events.Request{Action: events.ActionPublish, Topic: h.own(), Item: &events.Item{ID: "1", Data: json.RawMessage(data)}})
}

// nonsense is no request, or one with parts that are not.
func (h *hostile) nonsense() string {
	all := []string{
		``, `hello`, `null`, `[1]`, `{"garbage":`, `{"action":7}`, `{"action":"dance"}`, "{\"action\":\"ping\",\"id\":\"\x00\"}",
		`{"action":"subscribe","topic":"` + strings.Repeat("t/", 300) + `"}`,
		`{"action":"subscribe","topic":"**"}`,
		`{"action":"subscribe","topic":"somebody/else"}`,
		`{"action":"snapshot","topic":"chaos/1","next":"e:0/` + strings.Repeat("n", 1_025) + `"}`,
		`{"action":"snapshot","topic":"chaos/1","next":"e:0~AAAA"}`,
		`{"action":"subscribe","topic":"chaos/1","after":"` + strings.Repeat("\u0080", 60_000) + `"}`,
		`{"action":"ping","cursors":{"chaos/1":"` + strings.Repeat("e", 1_000) + `:1"}}`,
		`{"action":"publish","topic":"` + h.own() + `","item":{"id":"1","data":` + strings.Repeat(`{"a":`, 5_000) + `1` + strings.Repeat(`}`, 5_000) + `}}`,
		`{"action":"publish","topic":"chaos/1","item":{"id":"1","data":{"v":1}}}`,
		`{"action":"auth","token":"` + strings.Repeat("a", 10_000) + `"}`,
		`{"action":"unsubscribe","topic":"chaos/1"}`,
		`{"action":"ping","id":"` + strings.Repeat("i", events.MaxFrameBytes) + `"}`, // API Gateway closes the connection
	}
	return all[h.random.IntN(len(all))]
}
