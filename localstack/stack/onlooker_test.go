package stack_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// onlooker is a watcher that keeps what it is told.
type onlooker struct {
	*world
	*client
	subject, claim string
	grant          grant.Grant
	masked         [][]string          // what the grant masks
	may            map[string]bool     // the texts that may be sent to it
	wishes         []wish              // the topic before the pattern that it is one of
	replicas       map[string]*replica // by topic; nil until it watches
	asked          int
}

// hasGrant gives it a token, which shows what it shows also of the states so far.
func (o *onlooker) hasGrant(claim string, masked [][]string) {
	var err error
	if o.grant, err = grant.Parse([]byte(claim), o.subject); err != nil {
		o.Fatalf("%v: %s", err, claim)
	}
	o.claim, o.masked = claim, masked
	if o.may == nil {
		o.may = map[string]bool{}
	}
	for topic, states := range o.states {
		for _, state := range states {
			o.maySee(topic, state)
		}
	}
}

// maySee notes which texts of a state it may be told: the grant shows the state, and does
// not mask them.
func (o *onlooker) maySee(topic string, state events.Item) {
	view, _ := o.grant.Allows(grant.Subscribe, events.Topic(topic))
	seen, visible, err := view.Item(state.Data, nil)
	if err != nil {
		o.Fatal(err)
	}
	if visible {
		seen = slices.Concat(seen, []byte(state.ID))
	}
	shown := marks.FindAllString(string(seen), -1)
	o.seen["kept from a watcher"] += len(marks.FindAllString(string(state.Data)+state.ID, -1)) - len(shown)
	for _, mark := range shown {
		if o.masks(o.planted[mark]) {
			o.Fatalf("%s shows %s, which is at %q", view, mark, o.planted[mark])
		}
		o.may[mark] = true
	}
}

// wish is the one that counts for a topic.
func (o *onlooker) wish(topic string) (wish, bool) {
	i := slices.IndexFunc(o.wishes, func(x wish) bool { return events.Topic(x.topic).Matches(events.Topic(topic)) })
	if i < 0 {
		return wish{}, false
	}
	return o.wishes[i], true
}

// view is what it sees of a topic.
func (o *onlooker) view(topic string) grant.View {
	x, _ := o.wish(topic)
	return o.viewBy(x)
}

// viewBy is what it sees of a topic, or of all those of a pattern, by a wish for it.
func (o *onlooker) viewBy(x wish) grant.View {
	granted, allowed := o.grant.Covers(grant.Subscribe, grant.Pattern(x.topic))
	view, err := granted.Narrow(x.filter, x.fields)
	if err != nil || !allowed {
		o.Fatalf("%s may not watch %s: %v", o.claim, x.topic, err)
	}
	return view
}

// masks tells whether the grant masks what is at a path.
func (o *onlooker) masks(path []string) bool {
	return slices.ContainsFunc(o.masked, func(masked []string) bool {
		return len(masked) <= len(path) && slices.Equal(masked, path[:len(masked)])
	})
}

// next reads a frame, and keeps the changes in it. Nothing that is hidden may be in it.
func (o *onlooker) next() events.Frame {
	o.Helper()
	o.last = o
	data := o.read()
	for _, mark := range marks.FindAllString(string(data), -1) {
		if !o.may[mark] {
			o.Fatalf("%s is sent %s, which is at %q: %s", o, mark, o.planted[mark], data)
		}
	}
	frame, err := events.Decode(data)
	if err != nil {
		o.Fatalf("%v: %s", err, data)
	}
	if changes, ok := frame.(*events.Changes); ok {
		for _, c := range changes.Changes {
			o.receive(c)
		}
	}
	return frame
}

func (o *onlooker) String() string {
	return fmt.Sprintf("%s with %s, who wishes %s,", o.subject, o.claim, o.wishes)
}

// at is where it is with its topics.
func (o *onlooker) at() map[string]string {
	at := map[string]string{}
	for topic, p := range o.replicas {
		at[topic] = fmt.Sprintf("%s, %d wait", p.cursor, len(p.early))
	}
	return at
}

func (x wish) String() string {
	return fmt.Sprintf("%s (filter %s, fields %q, delta %t)", x.topic, x.filter, x.fields, x.delta)
}

// ask sends a request, and reads up to the answer.
func (o *onlooker) ask(r events.Request) events.Frame {
	o.Helper()
	o.sends(r)
	return o.answer(o.id())
}

// id is that of the last request.
func (o *onlooker) id() string { return fmt.Sprint("q", o.asked) }

// sends sends a request. Meanwhile some items may change.
func (o *onlooker) sends(r events.Request) {
	o.Helper()
	o.asked++
	r.ID = o.id()
	body, err := json.Marshal(r)
	if err != nil {
		o.Fatal(err)
	}
	o.send(string(body))
	for o.busy && o.IntN(3) == 0 {
		o.change()
	}
}

// answer reads up to a frame that answers a request.
func (o *onlooker) answer(id string) events.Frame {
	o.Helper()
	for {
		frame := o.next()
		var mark struct{ ID string }
		if data, err := events.Encode(frame); err != nil || json.Unmarshal(data, &mark) != nil {
			o.Fatalf("%+v: %v", frame, err)
		}
		if mark.ID == id {
			return frame
		}
	}
}

// receive keeps a change, which may come before its turn or again.
func (o *onlooker) receive(c events.Change) {
	p := o.replicas[string(c.Topic)]
	if p == nil {
		o.Fatalf("%s is told of %s", o, c.Topic)
	}
	o.must(p.take(c))
}

func (o *onlooker) decoded(data []byte) any {
	o.Helper()
	value, err := decoded(data)
	o.must(err)
	return value
}

// must ends the test if a promise is broken.
func (o *onlooker) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatalf("%s %v", o, err)
	}
}

// begin watches before anything has happened.
func (o *onlooker) begin() {
	o.seen["live"]++
	o.reconnect()
	o.forget(false)
	for i := range o.wishes {
		if answer := o.subscribes(i, o.wishes[i].subscribe()); answer.Seq != 0 || answer.Cursors != nil {
			o.Fatalf("%s is answered %+v", o, answer)
		}
	}
}

// subscribes asks for one of its wishes. Views have the same id only if they show the
// same.
func (o *onlooker) subscribes(i int, r events.Request) *events.Subscribed {
	o.Helper()
	answer, ok := o.ask(r).(*events.Subscribed)
	if !ok || answer.Topic != events.Topic(r.Topic) {
		o.Fatalf("%s asks %+v and is answered %+v", o, r, answer)
	}
	o.named(i, answer.View)
	return answer
}

// named notes the id of the view that comes of a wish.
func (o *onlooker) named(i int, viewID string) {
	o.Helper()
	o.wishes[i].viewID = viewID
	view := o.viewBy(o.wishes[i]).String()
	if other, known := o.viewsByID[viewID]; known && other != view || (viewID == "") != (view == "") {
		o.Fatalf("%s has the view id %s for %s, as has %s", o, viewID, view, other)
	}
	o.viewsByID[viewID] = view
}

// watched are the topics that it watches.
func (o *onlooker) watched() []string {
	return slices.DeleteFunc(slices.Clone(o.topics), func(topic string) bool { _, ok := o.wish(topic); return !ok })
}

// forget lets it know nothing of its topics; if held, not even where to go on.
func (o *onlooker) forget(held bool) {
	o.replicas = map[string]*replica{}
	for _, topic := range o.watched() {
		r := newReplica(look{})
		r.held, r.seen = held, o.seen
		r.look = func() look {
			x, _ := o.wish(topic)
			return look{delta: x.delta, whole: o.view(topic).IsZero()}
		}
		r.lapsed = func(id string) bool { return o.world.lapsed[topic+" "+id] }
		o.replicas[topic] = r
	}
}

func (x wish) subscribe() events.Request {
	return events.Request{Action: events.ActionSubscribe, Topic: x.topic, Filter: x.filter, Fields: x.fields, Delta: x.delta}
}

// readUntil reads until a topic is at some place.
func (o *onlooker) readUntil(topic string, there func(standing) bool) standing {
	for !there(o.replicas[topic].standing) {
		o.next()
	}
	return o.replicas[topic].standing
}

// finish wants it to have, and to be shown, exactly what its view shows of the table.
func (o *onlooker) finish(everyone *onlooker) {
	if o.replicas == nil {
		o.act()
	}
	if o != everyone && o.IntN(2) == 0 {
		o.catchUp()
	}
	for _, topic := range o.watched() {
		end := everyone.replicas[topic].cursor
		is := o.readUntil(topic, func(at standing) bool { return at.cursor == end })
		if n := len(o.replicas[topic].early); n > 0 {
			o.Fatalf("%s is at the end with %d changes waiting", o, n)
		}
		want := o.visible(topic)
		o.same(topic, "has", is.items, want)
		at, items := o.pages(topic, o.askForItems(topic, ""))
		o.same(topic, "is shown", items, want)
		if at != end {
			o.Fatalf("%s is shown %s at %s, want %s", o, topic, at, end)
		}
	}
}

// same names an item that differs.
func (o *onlooker) same(topic, how string, got, want map[string]any) {
	for _, id := range slices.Concat(slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(want))) {
		is, has := got[id]
		if should, ought := want[id]; has != ought || !reflect.DeepEqual(is, should) {
			o.Fatalf("%s %s item %s of %s, %t, as\n%.1000s, want, %t,\n%.1000s", o, how, id, topic, has, fmt.Sprint(is), ought, fmt.Sprint(should))
		}
	}
}

// visible is what its view shows of the items in the table. Those that are too large are
// there for who sees everything alone.
func (o *onlooker) visible(topic string) map[string]any {
	visible, view := map[string]any{}, o.view(topic)
	for after, more := "", true; more; more = after != "" {
		rows, next, err := o.store.Page(o.Context(), events.Topic(topic), after, 1000)
		if err != nil {
			o.Fatal(err)
		}
		for _, item := range rows {
			seen, ok, _ := view.Item(item.Data, nil)
			switch tooLarge := len(item.Data) > events.MaxDataBytes; {
			case item.Void:
			case tooLarge && view.IsZero():
				visible[item.ID] = large
			case ok && !tooLarge:
				visible[item.ID] = o.decoded(seen)
			}
		}
		after = next
	}
	return visible
}
