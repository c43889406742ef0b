package stack_test

import (
	"cmp"
	"encoding/json"
	"maps"
	"strings"

	"github.com/watchroute/watchroute/events"
)

// act does anything that a client may.
func (o *onlooker) act() {
	if o.replicas == nil {
		o.reconnect()
		o.startOver()
		return
	}
	switch o.IntN(6) {
	case 0:
		o.comeBack()
	case 1:
		o.goBack()
		o.catchUp()
	case 2:
		o.changeMind()
	case 3:
		o.beRefused()
	case 4:
		o.renew()
	case 5:
		o.ask(events.Request{Action: events.ActionPing})
	}
}

// reconnect leaves its connection, if it has one, for another.
func (o *onlooker) reconnect() {
	if o.client != nil {
		_ = o.conn.CloseNow()
	}
	o.client = o.s.connectWith(o, o.s.token(o, o.subject, o.claim, nil))
}

// changeMind watches something else over another connection, or the same in another view.
func (o *onlooker) changeMind() {
	wishes := o.world.wishes()
	if o.IntN(2) == 0 {
		o.wishes = wishes
		o.hasGrant(o.world.claim())
		o.reconnect()
	} else {
		for i, x := range o.wishes {
			o.wishes[i] = o.options(x.topic)
		}
	}
	o.startOver()
}

// startOver begins with the items, which come with the subscription if it asks for them or
// has to start over.
func (o *onlooker) startOver() {
	o.forget(true)
	for i, x := range o.wishes {
		r := x.subscribe()
		switch n := o.IntN(4); {
		case strings.Contains(x.topic, "*"):
			r.Snapshot = n < 2
		case n == 0:
		case n == 1:
			r.Snapshot = true
		case n == 2:
			r.After = oneOf(o.world, []string{"another:1", ":1000000"})
		default:
			r.After, r.View = ":0", "another"
		}
		if answer := o.subscribes(i, r); answer.Recovered {
			o.Fatalf("%s asks %+v and is answered %+v", o, r, answer)
		}
		if r.After != "" {
			if reset, ok := o.answer(o.id()).(*events.Reset); !ok || (reset.Reason == events.ResetView) != (r.View != "") {
				o.Fatalf("%s asks %+v and is answered %+v", o, r, reset)
			}
		}
		switch {
		case r.Snapshot && strings.Contains(x.topic, "*"):
			o.beginsBelow(x)
		case r.Snapshot || r.After != "":
			o.begins(x.topic, o.answer(o.id()))
		}
	}
	o.readItems()
}

// beginsBelow goes on from the snapshots of a pattern's topics that follow, but for topics
// that another wish counts for.
func (o *onlooker) beginsBelow(x wish) {
	last := map[string]*events.Snapshot{}
	items := map[string]map[string]any{}
	for {
		frame, ok := o.answer(o.id()).(*events.Snapshot)
		if !ok {
			o.Fatalf("%s is answered %+v for the snapshots of %s", o, frame, x.topic)
		}
		topic := string(frame.Topic)
		if topic != x.topic {
			if last[topic] == nil {
				items[topic] = map[string]any{}
			} else if last[topic].Next != frame.From {
				o.Fatalf("%s is sent %+v after %+v", o, frame, last[topic])
			}
			o.hold(items[topic], frame.Items)
			last[topic] = frame
			continue
		}
		if frame.Next == "" {
			break
		}
		o.seen["further topics"]++
		o.sends(events.Request{Action: events.ActionSnapshot, Topic: x.topic, Filter: x.filter, Fields: x.fields, Next: frame.Next})
	}
	for topic, frame := range last {
		if counts, _ := o.wish(topic); counts.topic != x.topic {
			continue
		}
		o.seen["snapshot by pattern"]++
		if frame.Next != "" {
			_, rest := o.pages(topic, o.askForItems(topic, frame.Next))
			maps.Copy(items[topic], rest)
		}
		p := o.replicas[topic]
		o.must(p.begin(standing{cursor: frame.Cursor, ahead: o.writes[topic], items: items[topic]}))
	}
}

// hold adds items of a snapshot.
func (o *onlooker) hold(held map[string]any, items []events.Item) {
	for _, item := range items {
		held[item.ID] = large
		if !item.Large {
			held[item.ID] = o.decoded(item.Data)
		}
	}
}

// readItems asks for those of the topics that it does not know yet where to go on with.
func (o *onlooker) readItems() {
	for _, topic := range o.watched() {
		if o.replicas[topic].held {
			o.begins(topic, o.askForItems(topic, ""))
		}
	}
}

// renew has the connection go by another token, which may show other things of topics.
func (o *onlooker) renew() {
	o.seen["renewed"]++
	claim, masked := o.world.claim()
	for _, p := range o.replicas {
		p.held = true
	}
	before := map[string]string{}
	for _, x := range o.wishes {
		before[x.topic] = o.viewBy(x).String()
	}
	o.sends(events.Request{Action: events.ActionAuth, Token: o.s.token(o, o.subject, claim, nil)})
	o.hasGrant(claim, masked)
	authorized, reset := o.authorized()
	for i, x := range o.wishes {
		o.named(i, authorized.Views[events.Topic(x.topic)])
		if other := o.viewBy(x).String() != before[x.topic]; other != reset[x.topic] {
			o.Fatalf("%s saw %s, and is told to start over: %t", o, before[x.topic], reset[x.topic])
		}
	}
	for _, topic := range o.watched() {
		p := o.replicas[topic]
		if x, _ := o.wish(topic); reset[x.topic] {
			p.past, p.told = nil, map[int64]string{}
			continue
		}
		p.held = false
		o.must(p.goOn())
	}
	o.readItems()
}

// authorized reads the answer to another token, and gives what it has to start over with.
func (o *onlooker) authorized() (answer *events.Authorized, reset map[string]bool) {
	reset = map[string]bool{}
	for {
		switch frame := o.next().(type) {
		case *events.Authorized:
			return frame, reset
		case *events.Reset:
			reset[string(frame.Topic)] = frame.Reason == events.ResetView
		case *events.Changes:
		default:
			o.Fatalf("%s is answered %+v", o, frame)
		}
	}
}

// askForItems asks for a snapshot without subscribing, and gives its first page.
func (o *onlooker) askForItems(topic, next string) events.Frame {
	x, _ := o.wish(topic)
	return o.ask(events.Request{Action: events.ActionSnapshot, Topic: topic, Filter: x.filter, Fields: x.fields, Next: next})
}

// begins goes on from a snapshot.
func (o *onlooker) begins(topic string, first events.Frame) {
	o.seen["snapshot"]++
	p := o.replicas[topic]
	cursor, items := o.pages(topic, first)
	o.must(p.begin(standing{cursor: cursor, ahead: o.writes[topic], items: items}))
}

// pages reads the rest of a snapshot.
func (o *onlooker) pages(topic string, frame events.Frame) (events.Cursor, map[string]any) {
	items := map[string]any{}
	for {
		page, ok := frame.(*events.Snapshot)
		if !ok {
			o.Fatalf("%s is answered %+v for a snapshot", o, frame)
		}
		o.hold(items, page.Items)
		switch {
		case page.More:
			o.seen["further frame"]++
			frame = o.answer(page.ID)
		case page.Next != "":
			o.seen["further page"]++
			frame = o.askForItems(topic, page.Next)
		default:
			return page.Cursor, items
		}
	}
}

// comeBack goes on over another connection, from where it was at some time.
func (o *onlooker) comeBack() {
	o.seen["resumed"]++
	o.goBack()
	o.reconnect()
	for _, p := range o.replicas {
		p.early = nil
	}
	for i, x := range o.wishes {
		r := x.subscribe()
		if p := o.replicas[x.topic]; p != nil {
			r.After, r.View = p.cursor.String(), oneOf(o.world, []string{"", cmp.Or(x.viewID, events.WholeView)})
		}
		if answer := o.subscribes(i, r); answer.Recovered != (r.After != "") {
			o.Fatalf("%s asks %+v and is answered %+v", o, r, answer)
		}
	}
	if last := o.wishes[len(o.wishes)-1]; strings.Contains(last.topic, "*") {
		o.catchUp()
	}
}

// goBack lets it be as it was at some time.
func (o *onlooker) goBack() {
	for _, topic := range o.watched() {
		p, back := o.replicas[topic], o.Float64()
		if n := int(back * float64(len(p.past)+1)); n < len(p.past) {
			p.standing, p.past = p.past[n], p.past[:n]
		}
	}
}

// catchUp asks by ping for what is missing, which comes before the pong.
func (o *onlooker) catchUp() {
	o.seen["pinged"]++
	cursors := map[string]string{}
	for topic, p := range o.replicas {
		cursors[topic] = p.cursor.String()
	}
	pong, ok := o.ask(events.Request{Action: events.ActionPing, Cursors: cursors}).(*events.Pong)
	if !ok || len(pong.Cursors) != len(cursors) {
		o.Fatalf("%s is answered %+v", o, pong)
	}
	for topic, at := range pong.Cursors {
		head, err := events.ParseCursor(at)
		if is := o.replicas[string(topic)].cursor; err != nil || is.Seq < head.Seq || head.Seq > 0 && is.Epoch != head.Epoch {
			o.Fatalf("%s is at %s of %s after a pong that says %s, %v", o, is, topic, at, err)
		}
	}
}

// beRefused asks for what cannot be.
func (o *onlooker) beRefused() {
	o.seen["refused"]++
	topic := oneOf(o.world, o.watched())
	r := oneOf(o.world, []events.Request{
		{Action: events.ActionSubscribe, Topic: topic, Filter: json.RawMessage(`{"secret":"not a list"}`)},
		{Action: events.ActionSubscribe, Topic: topic, Fields: []string{`secret\`}},
		{Action: events.ActionSubscribe, Topic: o.prefix + "/*", Snapshot: true, After: ":0"},
		{Action: events.ActionSubscribe, Topic: topic, After: "x"},
		{Action: events.ActionSnapshot, Topic: topic, Next: "x"},
		{Action: events.ActionSnapshot, Topic: o.prefix + "/*", Next: ":0~x"},
		{Action: events.ActionSnapshot, Topic: "*"},
		{Action: events.ActionPing, Cursors: map[string]string{topic: "x"}},
		{Action: "look", Topic: topic},
	})
	if answer, ok := o.ask(r).(*events.Error); !ok {
		o.Fatalf("%s asks %+v and is answered %+v", o, r, answer)
	}
}
