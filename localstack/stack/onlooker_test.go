package stack_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// onlooker is a watcher that keeps what it is told.
type onlooker struct {
	*world
	*client
	subject, claim string
	grant          grant.Grant
	masked         [][]string        // what the grant masks
	may            map[string]bool   // the texts that may be sent to it
	wishes         []wish            // the topic before the pattern that it is one of
	places         map[string]*place // by topic; nil until it watches
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

// place is how far an onlooker is with a topic.
type place struct {
	standing
	held  bool             // it is not known yet where to go on; changes wait
	early []events.Change  // that are not due yet
	past  []standing       // where it was before, in this view
	told  map[int64]string // each change as JSON, by its seq
}

// standing is what the items look like at a cursor. From a snapshot, they may already
// show some of the changes after it, up to ahead at most.
type standing struct {
	cursor events.Cursor
	ahead  int64
	items  map[string]any
}

// large stands for data that a watcher knows to be too large.
const large = "large"

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
	for topic, p := range o.places {
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
	p := o.places[string(c.Topic)]
	if p == nil {
		o.Fatalf("%s is told of %s", o, c.Topic)
	}
	o.repeats(p, c)
	p.early = append(p.early, c)
	o.goOn(p)
}

// repeats checks that what comes again is the same.
func (o *onlooker) repeats(p *place, c events.Change) {
	last := c.Cursor().Seq
	if c.Op == events.Skipped {
		if want := (events.Change{Topic: c.Topic, Epoch: c.Epoch, Seq: c.Seq, To: c.To, Op: c.Op}); !reflect.DeepEqual(c, want) {
			o.Fatalf("%s is told of what is skipped: %+v", o, c)
		}
		if c.To > 0 {
			o.seen["run of skipped"]++
		}
	}
	for seq := c.Seq; seq <= last; seq++ {
		c.Seq, c.To = seq, 0
		told, err := json.Marshal(c)
		if err != nil {
			o.Fatal(err)
		}
		if before, again := p.told[seq]; again {
			o.seen["repeated"]++
			if before != string(told) {
				o.Fatalf("%s is told\n%s, and before\n%s", o, told, before)
			}
		}
		p.told[seq] = string(told)
	}
}

// goOn carries out the changes that are due.
func (o *onlooker) goOn(p *place) {
	due := func(c events.Change) bool { return c.Seq <= p.cursor.Seq+1 && c.Cursor().Seq > p.cursor.Seq }
	for i := 0; !p.held && i >= 0; {
		if i = slices.IndexFunc(p.early, due); i >= 0 {
			o.apply(p, p.early[i])
		}
	}
	if !p.held {
		p.early = slices.DeleteFunc(p.early, func(c events.Change) bool { return c.Cursor().Seq <= p.cursor.Seq })
	}
}

// apply carries out a change.
func (o *onlooker) apply(p *place, c events.Change) {
	if p.cursor.Epoch != "" && p.cursor.Epoch != c.Epoch {
		o.Fatalf("%s is told of another epoch: %+v at %v", o, c, p.cursor)
	}
	o.seen[string(c.Op)]++
	p.past = append(p.past, p.standing)
	p.cursor, p.items = c.Cursor(), maps.Clone(p.items)
	if c.Op == events.Skipped {
		return
	}
	was, has := p.items[c.ID]
	is := o.become(was, c)
	if lapsed := o.lapsed[string(c.Topic)+" "+c.ID]; lapsed {
		o.seen["lapsed "+string(c.Op)]++
	} else if exact := c.Seq > p.ahead; exact {
		o.fits(c, has, was, is)
	}
	p.items[c.ID] = is
	if c.Op == events.Removed {
		delete(p.items, c.ID)
	}
}

// become gives the state that a change tells, the last one of a removed item.
func (o *onlooker) become(was any, c events.Change) any {
	x, _ := o.wish(string(c.Topic))
	switch {
	case c.Large && c.Data == nil && c.Patch == nil:
		o.seen["large"]++
		return large
	case c.Patch != nil && c.Data == nil && c.Op == events.Modified && x.delta:
		o.seen["patch"]++
		return o.patched(was, c.Patch)
	case c.Patch == nil && c.Data != nil && !c.Large:
		return o.decoded(c.Data)
	}
	o.Fatalf("%s is told %+v with data %s, patch %s", o, c, c.Data, c.Patch)
	return nil
}

// patched applies a merge patch. What a snapshot shows no more is begun with anew.
func (o *onlooker) patched(was any, patch json.RawMessage) any {
	if was == nil || was == large {
		was = object{}
	}
	before, err := json.Marshal(was)
	if err != nil {
		o.Fatal(err)
	}
	after, err := jsonpatch.MergePatch(before, patch)
	if err != nil {
		o.Fatalf("%v: %s", err, patch)
	}
	return o.decoded(after)
}

func (w *world) decoded(data []byte) (value any) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		w.Fatalf("%v: %s", err, data)
	}
	return value
}

// fits checks what a change says happened against what the watcher has: it must be about
// an item that is there, or not yet; remove what was last seen; and change something, as
// all else is hidden from who does not see everything.
func (o *onlooker) fits(c events.Change, has bool, was, is any) {
	same := reflect.DeepEqual(was, is)
	switch {
	case has != (c.Op != events.Added), c.Expired:
	case c.Op == events.Removed && !same:
	case c.Op == events.Modified && same && !o.view(string(c.Topic)).IsZero():
	default:
		return
	}
	o.Fatalf("%s has %v, and is told %+v with data %s, patch %s", o, was, c, c.Data, c.Patch)
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

// act does anything that a client may.
func (o *onlooker) act() {
	if o.places == nil {
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

// watched are the topics that it watches.
func (o *onlooker) watched() []string {
	return slices.DeleteFunc(slices.Clone(o.topics), func(topic string) bool { _, ok := o.wish(topic); return !ok })
}

// forget lets it know nothing of its topics; if held, not even where to go on.
func (o *onlooker) forget(held bool) {
	o.places = map[string]*place{}
	for _, topic := range o.watched() {
		o.places[topic] = &place{standing: standing{items: map[string]any{}}, held: held, told: map[int64]string{}}
	}
}

func (x wish) subscribe() events.Request {
	return events.Request{Action: events.ActionSubscribe, Topic: x.topic, Filter: x.filter, Fields: x.fields, Delta: x.delta}
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
		p := o.places[topic]
		p.standing, p.held = standing{cursor: frame.Cursor, ahead: o.writes[topic], items: items[topic]}, false
		o.goOn(p)
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
		if o.places[topic].held {
			o.begins(topic, o.askForItems(topic, ""))
		}
	}
}

// renew has the connection go by another token, which may show other things of topics.
func (o *onlooker) renew() {
	o.seen["renewed"]++
	claim, masked := o.world.claim()
	for _, p := range o.places {
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
		p := o.places[topic]
		if x, _ := o.wish(topic); reset[x.topic] {
			p.past, p.told = nil, map[int64]string{}
			continue
		}
		p.held = false
		o.goOn(p)
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
	p := o.places[topic]
	cursor, items := o.pages(topic, first)
	p.standing, p.held = standing{cursor: cursor, ahead: o.writes[topic], items: items}, false
	o.goOn(p)
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
	for _, p := range o.places {
		p.early = nil
	}
	for i, x := range o.wishes {
		r := x.subscribe()
		if p := o.places[x.topic]; p != nil {
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
		p, back := o.places[topic], o.Float64()
		if n := int(back * float64(len(p.past)+1)); n < len(p.past) {
			p.standing, p.past = p.past[n], p.past[:n]
		}
	}
}

// catchUp asks by ping for what is missing, which comes before the pong.
func (o *onlooker) catchUp() {
	o.seen["pinged"]++
	cursors := map[string]string{}
	for topic, p := range o.places {
		cursors[topic] = p.cursor.String()
	}
	pong, ok := o.ask(events.Request{Action: events.ActionPing, Cursors: cursors}).(*events.Pong)
	if !ok || len(pong.Cursors) != len(cursors) {
		o.Fatalf("%s is answered %+v", o, pong)
	}
	for topic, at := range pong.Cursors {
		head, err := events.ParseCursor(at)
		if is := o.places[string(topic)].cursor; err != nil || is.Seq < head.Seq || head.Seq > 0 && is.Epoch != head.Epoch {
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

// readUntil reads until a topic is at some place.
func (o *onlooker) readUntil(topic string, there func(standing) bool) standing {
	for !there(o.places[topic].standing) {
		o.next()
	}
	return o.places[topic].standing
}

// finish wants it to have, and to be shown, exactly what its view shows of the table.
func (o *onlooker) finish(everyone *onlooker) {
	if o.places == nil {
		o.act()
	}
	if o != everyone && o.IntN(2) == 0 {
		o.catchUp()
	}
	for _, topic := range o.watched() {
		end := everyone.places[topic].cursor
		is := o.readUntil(topic, func(at standing) bool { return at.cursor == end })
		if n := len(o.places[topic].early); n > 0 {
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
