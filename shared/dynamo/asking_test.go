package dynamo_test

import (
	"encoding/json"
	"fmt"

	"github.com/watchroute/watchroute/events"
	"pgregory.net/rapid"
)

// What a client asks for. Filters look at what is masked, too, and some are costly.
var (
	clientWeighty = weighty(`{"n":[1,2]}`, 56)
	clientFilters = []string{``, ``, `{"n":[{"numeric":[">",1]}]}`, `{"class":["open"]}`, `{"card":["****"]}`, `{"secret":[{"exists":true}]}`, `{"secret":[{"exists":false}]}`,
		`{"level":[{"numeric":["<",3]}]}`, `{"rows":{"pin":[{"prefix":"*"}]}}`, `{"o":{"key":[0]}}`, `{"o":{"cost":[null]}}`, clientWeighty}
	clientFields = [][]string{nil, nil, {"n"}, {"n", "secret", "o.cost"}, {"rows.pin", "card"}, {"list"}, {"rows", "o", "class"}}
)

// narrow draws the client's options.
func (s *scene) narrow(r events.Request) events.Request {
	if filter := rapid.SampledFrom(clientFilters).Draw(s.T, "own filter"); filter != "" {
		r.Filter = json.RawMessage(filter)
	}
	if s.size.costly() && rapid.IntRange(0, 3).Draw(s.T, "weighty") > 0 {
		r.Filter = json.RawMessage(clientWeighty)
	}
	r.Fields = rapid.SampledFrom(clientFields).Draw(s.T, "fields")
	r.Delta = r.Action == events.ActionSubscribe && rapid.Bool().Draw(s.T, "delta")
	r.Latest = r.Action == events.ActionSubscribe && !r.Delta && rapid.Bool().Draw(s.T, "latest")
	return r
}

// subscribe has the client watch something from the beginning.
func (s *scene) subscribe() {
	topic := rapid.SampledFrom([]string{string(s.topics[0].name[0]), s.pattern()}).Draw(s.T, "topic")
	s.ask(s.narrow(events.Request{Action: events.ActionSubscribe, Topic: topic}), nil)
}

// request has the client do something. All topics that it names have one name in both worlds.
func (s *scene) request() {
	topic := s.topics[rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(s.T, "topic")].name[0]
	r := events.Request{ID: "q", Topic: string(topic)}
	kind := rapid.SampledFrom([]string{"subscribe", "resume", "resume", "pattern", "snapshot", "snapshot", "snapshot of pattern", "ping", "ping", "auth", "unsubscribe", "publish", "nonsense"}).Draw(s.T, "request")
	s.seen[kind]++
	r.Action = kind
	switch kind {
	case "subscribe":
		r.Snapshot = rapid.Bool().Draw(s.T, "snapshot")
		s.ask(s.narrow(r), nil)
	case "resume":
		r.Action, r.View = events.ActionSubscribe, rapid.SampledFrom([]string{"", "", events.WholeView}).Draw(s.T, "view")
		s.ask(s.narrow(r), map[string]position{"": s.position(topic)})
	case "pattern":
		r.Action, r.Topic, r.Snapshot = events.ActionSubscribe, s.pattern(), rapid.Bool().Draw(s.T, "with snapshot")
		s.ask(s.narrow(r), nil)
		if r.Action = events.ActionSnapshot; r.Snapshot && s.worlds[0].next != "" && rapid.Bool().Draw(s.T, "go on") {
			r.Snapshot = false
			s.pages(s.narrow(r)) // perhaps with other options than the place is for
		}
	case "snapshot of pattern":
		r.Action, r.Topic = events.ActionSnapshot, s.pattern()
		s.pages(s.narrow(r))
	case "snapshot":
		s.pages(s.narrow(r))
	case "ping":
		s.ping()
	case "auth":
		r.Topic, r.Token = "", rapid.SampledFrom([]string{"0", "1"}).Draw(s.T, "token")
		s.ask(r, nil)
	case "publish":
		s.publish(r)
	case "nonsense":
		s.ask(rapid.SampledFrom(nonsense(string(topic))).Draw(s.T, "nonsense"), nil)
	default:
		s.ask(r, nil)
	}
}

func nonsense(topic string) []events.Request {
	return []events.Request{
		{Action: events.ActionSnapshot, Topic: topic, Next: ":0~AAAA"}, {Action: events.ActionSubscribe, Topic: topic, After: "e:x"},
		{Action: events.ActionSubscribe, Topic: "other/topic"}, {Action: events.ActionSubscribe, Topic: topic, After: "zzzzzzzz:1"},
		{Action: events.ActionPing}, {Action: events.ActionPublish, Topic: topic + "/x/y"}, {Action: "nonsense"},
	}
}

func (s *scene) pattern() string {
	if s.wide && rapid.Bool().Draw(s.T, "deep") {
		return s.prefix + "/**"
	}
	return s.prefix + "/*"
}

// pages has the client read a snapshot, or those of a pattern, to the end.
func (s *scene) pages(r events.Request) {
	s.ask(r, nil)
	for range 10 {
		if s.worlds[0].next == "" {
			return
		}
		s.seen["further page"]++
		s.ask(r, nil)
	}
}

func (s *scene) ping() {
	cursors := map[string]position{}
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, 2), 1, 3, rapid.ID).Draw(s.T, "topics") {
		topic := s.topics[i].name[0]
		cursors[string(topic)] = s.position(topic)
	}
	if rapid.Bool().Draw(s.T, "with a pattern") {
		cursors[s.pattern()] = position{}
	}
	s.ask(events.Request{ID: "q", Action: events.ActionPing}, cursors)
}

// publish has the client put an item, which it may see. It sets when that expires: what the item
// has by then, which is not the same in both worlds, would make the new one longer.
func (s *scene) publish(r events.Request) {
	r.ExpiresAt = new(int64)
	r.Item = &events.Item{ID: "b1", Data: json.RawMessage(`{"class":"open","level":1,"n":1,"secret":{"serial":"mine"}}`)}
	for _, t := range s.topics {
		if string(t.name[0]) == r.Topic {
			at := t.slots[1]
			if at.dark {
				return // another would be overwritten in each world
			}
			at.there, at.shown = true, nil
		}
	}
	s.ask(r, nil)
}

// position is a cursor but for the epoch.
type position struct {
	seq int64
	ago int // lives of the topic since
}

func (s *scene) position(topic events.Topic) position {
	back := rapid.SampledFrom([]int64{-1, 0, 1, 1, 2, 2, 3, 4, 5, 100}).Draw(s.T, "changes ago")
	return position{max(0, s.worlds[0].heads[topic]-back), rapid.SampledFrom([]int{0, 0, 0, 1, 9}).Draw(s.T, "lives ago")}
}

// ask sends a request in both worlds, with cursors in the epochs of each: of the topic named
// "" as after. A snapshot goes on where the one before has ended in each.
func (s *scene) ask(r events.Request, cursors map[string]position) {
	for _, w := range s.worlds {
		own := r
		own.Cursors = map[string]string{}
		if r.Action == events.ActionSnapshot && r.Next == "" {
			own.Next = w.next
		}
		for topic, at := range cursors {
			if topic == "" {
				own.After = w.cursor(events.Topic(r.Topic), at)
				continue
			}
			own.Cursors[topic] = w.cursor(events.Topic(topic), at)
		}
		w.ask(own)
	}
	s.same(fmt.Sprintf("asked %+v", r))
}
