package dynamo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// TestLapseOfRecords goes through the times to live before and after a write at 1,000,000,000.
func TestLapseOfRecords(t *testing.T) {
	const at = 1_000_000_000
	image := func(expires string) json.RawMessage {
		text := `{"topic":{"S":"a"},"id":{"S":"i"}`
		switch word, isText := strings.CutPrefix(expires, "text "); {
		case isText:
			text += fmt.Sprintf(`,"expiresAt":{"S":%q}`, word)
		case expires != "":
			text += fmt.Sprintf(`,"expiresAt":{"N":%q}`, expires)
		}
		return json.RawMessage(text + "}")
	}
	for _, c := range []struct {
		before, after string // "none" for no item
		want          grant.Lapse
	}{
		{"none", "", ""},
		{"none", "1000000001", ""},
		{"none", "1000000000", grant.Ended},
		{"none", "0", ""},
		{"", "999999999", grant.Ended},
		{"1000000500", "999999999", grant.Ended},
		{"999999998", "999999999", grant.Ended},
		{"999999999", "999999999", grant.AlreadyEnded},
		{"999999999", "", grant.Renewed},
		{"999999999", "1000000500", grant.Renewed},
		{"999999999", "1000000001", grant.Renewed},
		{"999999999", "0", grant.Renewed},
		{"999999999", "text soon", grant.Renewed},
		{"1000000000", "1000000500", grant.Renewed},
		{"1000000002", "1000000500", grant.Renewed}, // by the clock of a reader that is ahead
		{"1000000002", "1000000002", ""},
		{"1000000003", "1000000500", ""},
		{"0", "1000000500", ""},
		{"1", "", ""},
		{"-1", "", ""},
		{"text 999999999", "1000000500", ""},
		{"1000000000000", "1000000500", ""},
		{"999999999", "none", ""},
		{"1000000500", "none", ""},
	} {
		record := dynamo.Record{EventName: "MODIFY", Change: dynamo.StreamRecord{
			Keys: image(""), ApproximateCreationDateTime: awsevents.SecondsEpochTime{Time: time.Unix(at, 0)}, SequenceNumber: "1",
		}}
		if c.before != "none" {
			record.Change.OldImage = image(c.before)
		} else {
			record.EventName = "INSERT"
		}
		if c.after != "none" {
			record.Change.NewImage = image(c.after)
		} else {
			record.EventName = "REMOVE"
		}
		if write, err := dynamo.Write(record); err != nil || write.Lapse != c.want {
			t.Errorf("from %q to %q: lapse %q, %v, want %q", c.before, c.after, write.Lapse, err, c.want)
		}
	}
}

// TestExpiryDoesNotShowInTheSizeOfTheLog, which a watcher pays for also where it sees nothing.
func TestExpiryDoesNotShowInTheSizeOfTheLog(t *testing.T) {
	d := dynamotest.Start(t)
	sizes := map[int]bool{}
	for i, lapse := range []grant.Lapse{"", grant.Renewed, grant.Ended, grant.AlreadyEnded} {
		topic := events.Topic(fmt.Sprint("t", i))
		entry := entries(topic, 1)
		entry[0].Lapse = lapse
		if err := d.Store().Append(t.Context(), topic, watch.Head{}, headAt(1), entry); err != nil {
			t.Fatal(err)
		}
		out, err := d.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &dynamotest.Tables.Changes, Key: attributes{"topic": str(string(topic)), "seq": number("1")}})
		if err != nil {
			t.Fatal(err)
		}
		sizes[rowBytes(out.Item)] = true
	}
	if len(sizes) != 1 {
		t.Errorf("rows have %v bytes", slices.Sorted(maps.Keys(sizes)))
	}
}

// lease is a topic of items that expire, on a clock that the test moves.
type lease struct {
	*rapid.T
	*world
	topic    events.Topic
	at       time.Time
	items    map[string]leased
	fanout   watch.Fanout
	watchers []*holder
	pending  []watch.Write
	mu       sync.Mutex // pushes come at once
	seen     map[string]int
}

// leased is an item as it is in the table.
type leased struct {
	n    int
	ends string // its time to live
}

// expired reports whether its time is over, or may be for somebody whose clock is ahead.
func (i leased) expired(at time.Time) bool {
	var ends int64
	_, err := fmt.Sscan(i.ends, &ends)
	return err == nil && ends > 0 && ends <= at.Unix()
}

// holder is a watcher that carries out what it is told.
type holder struct {
	l          *lease
	connection watch.Connection
	request    events.Request
	clock      time.Duration // of whoever answers it, ahead
	away       bool
	cursor     events.Cursor
	held       map[string]string
	pushed     [][]byte // not carried out yet
}

// TestEveryoneHoldsWhatHasNotExpired: items expire while nobody writes, are renewed, changed,
// deleted by time to live or not, and put again. Watchers come at any time, on clocks that are
// up to a second off, or were away. However they came, all hold the same of what has not
// expired, and nothing of what was deleted.
func TestEveryoneHoldsWhatHasNotExpired(t *testing.T) {
	fewerChecks(t)
	w, round, seen := newWorld(t, time.Now()), 0, map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		round++
		l := &lease{T: t, world: w, topic: events.Topic(fmt.Sprintf("lease/%d", round)), at: w.now.Truncate(time.Second), items: map[string]leased{}, seen: seen}
		w.TB, w.expires = t, map[string]bool{}
		l.fanout = watch.Fanout{Numberer: watch.Numberer{Log: w.store}, Pusher: watch.Pusher{Subscribers: l, Poster: l}, PushTime: time.Minute}
		l.join()
		for range rapid.IntRange(10, 60).Draw(t, "acts") {
			l.act()
		}
		l.deliver()
	})
	t.Log(seen)
	for _, what := range []string{"added to who held it", "added to who did not", "removed as expired", "patch", "skipped", "recovered", "snapshot without"} {
		if seen[what] == 0 && round >= fewChecks && !t.Failed() {
			t.Errorf("nothing was %s", what)
		}
	}
}

func (l *lease) act() {
	switch rapid.SampledFrom([]string{"put", "put", "put", "put", "wait", "wait", "wait", "wait", "join", "join", "leave", "return", "sweep", "delete", "deliver"}).Draw(l.T, "act") {
	case "put":
		l.change(rapid.SampledFrom([]string{"a", "b\uffff", "c\ufdd0"}).Draw(l.T, "id"))
	case "wait":
		l.at = l.at.Add(time.Duration(rapid.SampledFrom([]int{300, 999, 1_700, 3_000, 5_000}).Draw(l.T, "ms")) * time.Millisecond)
	case "join":
		l.join()
	case "leave":
		l.drawWatcher().away = true
	case "return":
		l.deliver() // so that nothing is pushed that it asks for as well
		l.drawWatcher().comeBack()
	case "sweep":
		for _, id := range slices.Sorted(maps.Keys(l.items)) {
			if l.items[id].expired(l.at) {
				l.remove(id, true)
			}
		}
	case "delete":
		if ids := slices.Sorted(maps.Keys(l.items)); len(ids) > 0 {
			l.remove(rapid.SampledFrom(ids).Draw(l.T, "id"), false)
		}
	case "deliver":
		l.deliver()
	}
}

func (l *lease) drawWatcher() *holder {
	return l.watchers[rapid.IntRange(0, len(l.watchers)-1).Draw(l.T, "watcher")]
}

// remove deletes an item, or has time to live do so.
func (l *lease) remove(id string, expired bool) {
	l.world.remove(l.topic, id, expired)
	delete(l.items, id)
	l.record()
}

// change puts an item: renewed, shortened, with a mistake for a time, or as it was.
func (l *lease) change(id string) {
	item := l.items[id]
	if rapid.IntRange(0, 2).Draw(l.T, "other data") > 0 {
		item.n = rapid.IntRange(1, 4).Draw(l.T, "n")
	}
	if ends := rapid.SampledFrom([]int64{-1, 0, 1, 2, 2, 3, 100, 100, -7, -8, -9, -9}).Draw(l.T, "ends"); ends == -7 {
		item.ends = ""
	} else if ends == -8 {
		item.ends = rapid.SampledFrom([]string{"0", "-1", "1"}).Draw(l.T, "mistake")
	} else if ends != -9 {
		item.ends = fmt.Sprint(l.at.Unix() + ends)
	}
	row := attributes{"n": number(fmt.Sprint(item.n)), "text": str("a long text that is not a character \ufffe, so that patches are shorter")}
	if item.ends != "" {
		row["expiresAt"] = number(item.ends)
	}
	l.world.put(l.topic, id, row)
	l.items[id] = item
	l.record()
}

// record gives the records of what was just written the time of the clock, rounded down as
// DynamoDB does, and keeps them until they are delivered.
func (l *lease) record() {
	for _, r := range l.unread() {
		r.Change.ApproximateCreationDateTime.Time = time.Unix(l.at.Unix(), 0)
		if _, id := keyOf(l.world, r); r.EventName == "REMOVE" && l.expires[string(l.topic)+" "+id] {
			r.UserIdentity = &awsevents.DynamoDBUserIdentity{Type: "Service", PrincipalID: "dynamodb.amazonaws.com"}
		}
		w, err := dynamo.Write(r)
		if err != nil {
			l.Fatal(err)
		}
		if w.Topic == l.topic {
			l.pending = append(l.pending, w)
		}
	}
}

// deliver pushes all that was written, and compares.
func (l *lease) deliver() {
	if len(l.pending) > 0 {
		if o := l.fanout.Deliver(context.Background(), "stream/2026-11-24", l.pending); o.Err != nil || len(o.Failed) > 0 {
			l.Fatalf("%+v", o)
		}
		l.pending = nil
	}
	for _, w := range l.watchers {
		for _, frame := range w.pushed {
			if err := w.Post(frame); err != nil {
				l.Fatal(err)
			}
		}
		w.pushed = nil
		if !w.away {
			w.check()
		}
	}
}

// Subscribers gives all that are there.
func (l *lease) Subscribers(_ context.Context, topic events.Topic, belowAlone bool, _ watch.Part) (subs []watch.Subscription, err error) {
	for _, w := range l.watchers {
		if topic == l.topic && !belowAlone && !w.away {
			subs = append(subs, watch.Subscription{Key: w.connection.Key, Topic: topic, View: w.view(), Options: watch.Options{Delta: w.request.Delta, Latest: w.request.Latest}, Until: time.Now().Add(time.Hour)})
		}
	}
	return subs, nil
}

func (l *lease) Forget(context.Context, watch.Key, []watch.Subscription) error { return nil }

// Post keeps what a watcher is pushed.
func (l *lease) Post(_ context.Context, id watch.ConnectionID, frame watch.Frame) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.watchers, func(w *holder) bool { return w.connection.ID == id })
	l.watchers[i].pushed = append(l.watchers[i].pushed, frame.Body)
	return nil
}

func (l *lease) Close(context.Context, watch.ConnectionID) error { return nil }

// join has another watcher come, with a snapshot.
func (l *lease) join() {
	w := &holder{l: l, request: events.Request{Action: events.ActionSubscribe, Topic: string(l.topic), Delta: rapid.Bool().Draw(l.T, "delta")}, held: map[string]string{},
		clock: time.Duration(rapid.SampledFrom([]int{0, 0, -1_000, 600, 1_000}).Draw(l.T, "clock")) * time.Millisecond}
	w.request.Latest = !w.request.Delta && rapid.Bool().Draw(l.T, "latest")
	if rapid.Bool().Draw(l.T, "filter") {
		w.request.Filter = json.RawMessage(`{"n":[1,2,3]}`)
	}
	w.connection = watch.Connection{Key: watch.Key{Subject: "s", ID: watch.ConnectionID(fmt.Sprintf("%s-%d", l.topic, len(l.watchers)))}, Connected: time.Now(), Access: watch.Access{Grant: grant.All()}}
	if err := l.store.Connect(context.Background(), w.connection); err != nil {
		l.Fatal(err)
	}
	l.watchers = append(l.watchers, w)
	first := w.request
	first.Snapshot = true
	w.ask(first)
	if len(w.held) < len(l.items) {
		l.seen["snapshot without"]++
	}
}

// comeBack has a watcher resume.
func (w *holder) comeBack() {
	if !w.away {
		return
	}
	w.away = false
	r := w.request
	r.After = w.cursor.String()
	w.ask(r)
}

func (w *holder) view() grant.View {
	view, err := grant.View{}.Narrow(w.request.Filter, nil)
	if err != nil {
		w.l.Fatal(err)
	}
	return view
}

func (w *holder) ask(r events.Request) {
	body, err := json.Marshal(r)
	if err != nil {
		w.l.Fatal(err)
	}
	store := *w.l.store
	store.Now = func() time.Time { return w.l.at.Add(w.clock) }
	answerer := watch.Answerer{Store: &store, Sealer: seal.Fixed(make([]byte, seal.MinSecretBytes)), Logger: slog.New(slog.DiscardHandler)}
	if err := w.Post(answerer.Answer(context.Background(), w.connection, watch.Message{Body: body}, w)); err != nil {
		w.l.Fatal(err)
	}
}

func (w *holder) Close() error { return nil }

// Post carries out a frame.
func (w *holder) Post(data []byte) error {
	frame, err := events.Decode(data)
	if err != nil {
		return err
	}
	switch f := frame.(type) {
	case *events.Subscribed:
		if f.Recovered {
			w.l.seen["recovered"]++
		} else {
			w.cursor = f.Cursor
		}
	case *events.Snapshot:
		for _, item := range f.Items {
			w.held[item.ID] = string(item.Data)
		}
	case *events.Changes:
		for _, c := range f.Changes {
			w.apply(c)
		}
	default:
		return fmt.Errorf("%s is told %s", w.connection.ID, data)
	}
	return nil
}

// apply carries out a change, as events.Change says.
func (w *holder) apply(c events.Change) {
	if w.cursor.Epoch == "" {
		w.cursor.Epoch = c.Epoch
	}
	if c.Epoch != w.cursor.Epoch || c.Seq > w.cursor.Seq+1 {
		w.l.Fatalf("at %s comes %+v", w.cursor, c)
	}
	if c.Cursor().Seq <= w.cursor.Seq {
		return
	}
	w.cursor = c.Cursor()
	before, has := w.held[c.ID]
	switch {
	case c.Op == events.Skipped:
		w.l.seen["skipped"]++
	case c.Op == events.Removed:
		delete(w.held, c.ID)
		if c.Expired && has {
			w.l.seen["removed as expired"]++
		}
	case c.Patch == nil:
		w.held[c.ID] = string(c.Data)
		if c.Op == events.Added && has {
			w.l.seen["added to who held it"]++
		} else if c.Op == events.Added {
			w.l.seen["added to who did not"]++
		}
	case has:
		patched, err := jsonpatch.MergePatch([]byte(before), c.Patch)
		if err != nil {
			w.l.Fatal(err)
		}
		w.held[c.ID] = string(patched)
		w.l.seen["patch"]++
	}
}

// check demands that the watcher holds what there is. Of what has expired, or will within the
// seconds that clocks may be off, it may hold anything.
func (w *holder) check() {
	for id := range w.held {
		if _, there := w.l.items[id]; !there {
			w.l.Fatalf("%s (%+v) holds %s, which was deleted", w.connection.ID, w.request, id)
		}
	}
	for id, item := range w.l.items {
		if item.expired(w.l.at.Add(3 * time.Second)) {
			continue
		}
		data, shown, err := w.view().Item([]byte(fmt.Sprintf(`{"n":%d,"text":"a long text that is not a character \ufffe, so that patches are shorter"}`, item.n)), grant.NewBudget(10_000))
		if err != nil {
			w.l.Fatal(err)
		}
		held, has := w.held[id]
		if has != shown || shown && !jsonpatch.Equal([]byte(held), data) {
			w.l.Fatalf("%s (%s, delta %t, latest %t) holds %q of %s, which is %q (shown %t) until %q, at %d", w.connection.ID, w.request.Filter, w.request.Delta, w.request.Latest, held, id, data, shown, item.ends, w.l.at.Unix())
		}
	}
}
