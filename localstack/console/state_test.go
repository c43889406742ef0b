package console_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/localstack/aws/lambda"
	"github.com/watchroute/watchroute/localstack/console"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/price"
	"github.com/watchroute/watchroute/shared/watch"
)

// world is a console of tables without a stack.
type world struct {
	*testing.T
	db     *dynamotest.Database
	store  *dynamo.Store
	serve  http.Handler
	cuts   []string
	resets int
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, db: dynamotest.StartInside(t)}
	w.store = dynamo.Open(w.db.Config, dynamotest.Tables)
	w.serve = serve(func(o *console.Options) {
		o.DB = func() *dynamodb.Engine { return w.db.Engine }
		o.Tables = func() dynamo.Tables { return dynamotest.Tables }
		o.Connections = func() []string { return []string{"open1", "open2"} }
		o.Cut = func(id string) bool { w.cuts = append(w.cuts, id); return id == "open1" }
		o.Used = func() console.Used {
			return console.Used{
				Since: 7, DynamoDB: w.db.Engine.Usage(),
				APIGateway: apigateway.Usage{Messages: apigateway.MessageUsage{UnitsIn: 2, UnitsOut: 3}, Connections: apigateway.ConnectionUsage{Seconds: 120}},
				Lambda:     lambda.Usage{Functions: map[string]lambda.FunctionUsage{"Fanout": {Invocations: 4, BilledMS: 2000, MemoryMB: 512}}},
			}
		}
		o.ResetUsed = func() { w.resets++ }
		o.About = func() console.About { return console.About{Stage: "live"} }
		o.Faults = fault.New(nil, 7)
	})
	return w
}

// put writes rows into a table.
func (w *world) put(table string, rows ...map[string]any) {
	w.Helper()
	for _, row := range rows {
		item := map[string]types.AttributeValue{}
		for name, value := range row {
			switch v := value.(type) {
			case string:
				item[name] = &types.AttributeValueMemberS{Value: v}
			case int:
				item[name] = &types.AttributeValueMemberN{Value: fmt.Sprint(v)}
			case bool:
				item[name] = &types.AttributeValueMemberBOOL{Value: v}
			}
		}
		if _, err := w.db.Client.PutItem(w.Context(), &sdk.PutItemInput{TableName: &table, Item: item}); err != nil {
			w.Fatal(err)
		}
	}
}

// number numbers changes of a topic.
func (w *world) number(topic events.Topic, entries ...watch.Entry) {
	w.Helper()
	from, err := w.store.Head(w.Context(), topic)
	if err != nil {
		w.Fatal(err)
	}
	to := watch.Head{Cursor: events.Cursor{Epoch: "epoch", Seq: from.Seq + int64(len(entries))}, Stream: "s", Position: "p", First: true}
	for i := range entries {
		e := &entries[i]
		e.Topic, e.Epoch, e.Seq, e.Time = topic, "epoch", from.Seq+int64(i)+1, events.Time(time.Now())
		e.Position, e.High = watch.Position(fmt.Sprintf("%021d", e.Seq)), watch.Position(fmt.Sprintf("%021d", e.Seq))
	}
	if err := w.store.Append(w.Context(), topic, from, to, entries); err != nil {
		w.Fatal(err)
	}
}

// shown asks for a view, which costs nothing and changes nothing.
func (w *world) shown(path string, into any) {
	w.Helper()
	before := fmt.Sprint(w.db.Engine.Usage())
	answer := ask(w.serve, http.MethodGet, "/_localstack/"+path, "")
	if err := json.Unmarshal(answer.Body.Bytes(), into); err != nil || answer.Code != http.StatusOK {
		w.Fatalf("%s is answered %d, %s", path, answer.Code, answer.Body)
	}
	if after := fmt.Sprint(w.db.Engine.Usage()); after != before {
		w.Errorf("%s has cost something: %s, then %s", path, before, after)
	}
	if h := answer.Header(); h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
		w.Errorf("%s has the headers %v", path, h)
	}
}

func change(op events.Op, id, data, before string) watch.Entry {
	e := watch.Entry{Change: events.Change{Op: op, ID: id}}
	if data != "" {
		e.Data = json.RawMessage(data)
	}
	if before != "" {
		e.Before = json.RawMessage(before)
	}
	return e
}

func TestTopicsWithWhatTheyHave(t *testing.T) {
	w := newWorld(t)
	w.put("Events", map[string]any{"topic": "a/1", "id": "x"}, map[string]any{"topic": "a/1", "id": "y"}, map[string]any{"topic": "b/new", "id": "z"})
	w.number("a/1", change(events.Added, "x", `{}`, ""), change(events.Added, "y", `{}`, ""))
	w.put("Changes", map[string]any{"topic": "a/**", "seq": 5, "name": "a/1"})
	w.put("Subscriptions", map[string]any{"topic": "a/1#0", "connectionId": "c1"}, map[string]any{"topic": "a/1#1", "connectionId": "c2"},
		map[string]any{"topic": "a/1#0", "connectionId": "*"}, map[string]any{"topic": "a/1#0", "connectionId": "**c3"}, map[string]any{"topic": "a/1#0", "connectionId": "destination:d"})
	var got struct {
		Topics []struct {
			Topic, Epoch         string
			Seq, Items, Watchers int
		}
		More bool
	}
	w.shown("topics", &got)
	if text := fmt.Sprint(got); text != "{[{a/1 epoch 2 2 2} {b/new  0 1 0}] false}" {
		t.Errorf("the topics are %s", text)
	}
	w.shown("topics?match=NEW", &got)
	if len(got.Topics) != 1 || got.Topics[0].Topic != "b/new" {
		t.Errorf("what matches is %v", got)
	}
	w.shown("topics?most=1", &got)
	if len(got.Topics) != 1 || !got.More {
		t.Errorf("one of them is %v", got)
	}
}

// TestItemsOfNoTopicSayWhyNobodyIsToldOfThem: an item may have any text for a topic. Those that break the
// rules once stood in the list like others, at seq 0 for ever.
func TestItemsOfNoTopicSayWhyNobodyIsToldOfThem(t *testing.T) {
	w := newWorld(t)
	names := []string{"a b", "a/..", "a/#x", "a/😀", "a//b"}
	for _, name := range append(names, "a/good", "@presence/a") {
		w.put("Events", map[string]any{"topic": name, "id": "x"})
	}
	var got struct {
		Topics []struct{ Topic, Refused string }
	}
	w.shown("topics", &got)
	for _, topic := range got.Topics {
		if (topic.Refused != "") != slices.Contains(names, topic.Topic) {
			t.Errorf("%q: %q", topic.Topic, topic.Refused)
		}
	}
	if len(got.Topics) != len(names)+2 {
		t.Errorf("there are %d topics", len(got.Topics))
	}
}

// past is a topic whose last change is 6: x was changed, y came and went, z came last.
func (w *world) past() {
	w.number("t", change(events.Added, "x", `{"n":1}`, ""), change(events.Added, "y", `{"n":2}`, ""), change(events.Modified, "x", `{"n":3}`, `{"n":1}`),
		change(events.Removed, "y", `{"n":2}`, ""), change(events.Added, "z", `{"n":5}`, ""), change(events.Modified, "x", `{"n":6}`, `{"n":3}`))
	w.put("Events", map[string]any{"topic": "t", "id": "x", "n": 6}, map[string]any{"topic": "t", "id": "z", "n": 5})
}

func TestItemsAsTheyWere(t *testing.T) {
	w := newWorld(t)
	w.past()
	for seq, want := range []string{"", `x{"n":1}`, `x{"n":1} y{"n":2}`, `x{"n":3} y{"n":2}`, `x{"n":3}`, `x{"n":3} z{"n":5}`, `x{"n":6} z{"n":5}`} {
		var then struct {
			Items []struct {
				ID   string
				Data json.RawMessage
			}
			Last int
		}
		w.shown(fmt.Sprint("then?topic=t&seq=", seq), &then)
		var got []string
		for _, item := range then.Items {
			got = append(got, item.ID+string(item.Data))
		}
		if text := strings.Join(got, " "); text != want || then.Last != 6 {
			t.Errorf("after change %d there are %s, want %s", seq, text, want)
		}
	}
}

func TestLogFromANumberOn(t *testing.T) {
	w := newWorld(t)
	w.past()
	var log struct {
		First, Last int
		Changes     []struct {
			Seq    int
			Before json.RawMessage
		}
	}
	w.shown("log?topic=t", &log)
	if log.First != 1 || log.Last != 6 || len(log.Changes) != 6 || string(log.Changes[2].Before) != `{"n":1}` {
		t.Errorf("the log is %+v", log)
	}
	for seq := 1; seq <= 2; seq++ { // their time is over
		if _, err := w.db.Client.DeleteItem(t.Context(), &sdk.DeleteItemInput{TableName: aws.String("Changes"), Key: map[string]types.AttributeValue{
			"topic": &types.AttributeValueMemberS{Value: "t"}, "seq": &types.AttributeValueMemberN{Value: fmt.Sprint(seq)}}}); err != nil {
			t.Fatal(err)
		}
	}
	w.shown("log?topic=t&from=4", &log)
	if log.First != 3 || len(log.Changes) != 3 || log.Changes[0].Seq != 4 {
		t.Errorf("the rest of the log is %+v", log)
	}
	if got := ask(w.serve, "GET", "/_localstack/then?topic=t&seq=1", ""); got.Code != http.StatusGone || problem(t, got) != "the log begins at change 3" {
		t.Errorf("before the log it is answered %d, %s", got.Code, got.Body)
	}
	w.shown("log?topic=none", &log)
}

func TestQuestionsThatMakeNoSense(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]string{
		"log": "topic is", "log?topic=a/*": "topic is", "then": "topic is", "log?topic=a&from=0": `from is "0", not a number from 1`, "log?topic=a&from=x": "from is",
		"then?topic=a&seq=9": "there is no change 9 yet, the last one is 0", "then?topic=a&seq=-1": "seq is", "topics?most=0": "most is", "topics?most=5001": "from 1 to 5000",
	} {
		if got := ask(w.serve, "GET", "/_localstack/"+path, ""); got.Code != http.StatusBadRequest || !strings.Contains(problem(t, got), want) {
			t.Errorf("%s is answered %d, %s, want %s", path, got.Code, got.Body, want)
		}
	}
}

func TestWhoIsConnected(t *testing.T) {
	w := newWorld(t)
	ada := watch.Connection{Key: watch.Key{Subject: "ada", ID: "open1"}, Connected: time.UnixMilli(1700000000000)}
	bob := watch.Connection{Key: watch.Key{Subject: "bob", ID: "gone"}, Connected: time.UnixMilli(1600000000000)}
	latest := watch.Subscription{Key: ada.Key, Topic: "t", Options: watch.Options{Filter: []byte(`{"n":[1]}`), Latest: true}}
	below := watch.Subscription{Key: ada.Key, Topic: "a/**", Options: watch.Options{Delta: true}}
	if err := errors.Join(w.store.Connect(t.Context(), ada), w.store.Connect(t.Context(), bob)); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []watch.Subscription{latest, below} {
		if _, err := w.store.Subscribe(t.Context(), sub); err != nil {
			t.Fatal(err)
		}
	}
	w.put("Connections", map[string]any{"subject": "ada", "connectionId": "*1700000000"})
	w.put("Subscriptions", map[string]any{"topic": "t#0", "connectionId": "*"})
	var got struct{ Connections []json.RawMessage }
	w.shown("connections", &got)
	want := `[{"id":"open1","subject":"ada","since":1700000000000,"open":true,"subscriptions":[X]} {"id":"gone","subject":"bob","since":1600000000000,"open":false,"subscriptions":[]} {"id":"open2","subject":"","since":0,"open":true,"subscriptions":[]}]`
	text := fmt.Sprintf("%s", got.Connections)
	for _, part := range []string{`{"topic":"t","filter":{"n":[1]},"latest":true}`, `{"topic":"a/**","delta":true}`} {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %s", text, part)
		}
		text = strings.Replace(strings.Replace(text, part+",", "", 1), part, "X", 1)
	}
	if text != want {
		t.Errorf("connected are %s, want %s", text, want)
	}
}

// TestNothingIsAnEmptyList: a page would fail on null.
func TestNothingIsAnEmptyList(t *testing.T) {
	nobody := serve(func(o *console.Options) {
		db := dynamotest.StartInside(t)
		o.DB, o.Tables = func() *dynamodb.Engine { return db.Engine }, func() dynamo.Tables { return dynamotest.Tables }
		o.Connections = func() []string { return nil }
	})
	for _, name := range []string{"connections", "destinations", "topics"} {
		if got := ask(nobody, "GET", "/_localstack/"+name, ""); !strings.Contains(got.Body.String(), `"`+name+`":[]`) {
			t.Errorf("%s are answered %d, %s", name, got.Code, got.Body)
		}
	}
}

func TestDestinationsWithTheirState(t *testing.T) {
	w := newWorld(t)
	d := delivery.Destination{ID: "d1", Kind: delivery.Webhook, URL: "http://x", Format: delivery.Frames, Verified: true, Disabled: delivery.Paused, Version: 1}
	d.Viewer.Key = watch.Key{Subject: "ada", ID: watch.DestinationID("d1")}
	d.Query.Topic = "a/*"
	if err := w.store.AddDestination(t.Context(), d, 10); err != nil {
		t.Fatal(err)
	}
	w.put("Destinations", map[string]any{"destination": "d1", "topic": "a/1", "after": "e:4", "failures": 3, "lastError": "500", "waiting": "m"}, map[string]any{"destination": "#ada", "topic": "*"}, map[string]any{"destination": "d0", "topic": "*", "version": 1, "removed": true})
	var got struct{ Destinations []json.RawMessage }
	w.shown("destinations", &got)
	want := `[{"id":"d1","subject":"ada","kind":"webhook","watches":"a/*","target":"http://x","format":"changes","verified":true,"disabled":"paused","topics":[{"topic":"a/1","after":"e:4","waiting":true,"failures":"3","lastError":"500"}]}]`
	if text := fmt.Sprintf("%s", got.Destinations); text != want {
		t.Errorf("destinations are %s, want %s", text, want)
	}
}

func TestCostsAtListPrice(t *testing.T) {
	w := newWorld(t)
	w.put("Events", map[string]any{"topic": "t", "id": "x"}, map[string]any{"topic": "t", "id": "y"})
	var bill struct {
		Since   int
		Dollars float64
		Lines   []struct {
			Service, What, Of      string
			Amount, Price, Dollars float64
		}
	}
	w.shown("costs", &bill)
	want := 2*watch.WritePrice/1e6 + 5*price.Message + 2*price.Minute + 4*price.Invocation + price.Second
	if off := bill.Dollars - want; off > 1e-12 || off < -1e-12 || len(bill.Lines) != 6 || bill.Since != 7 {
		t.Errorf("the bill is %+v, want $%v", bill, want)
	}
	if got := post(w.serve, "/_localstack/costs", `{"reset":true}`); got.Code != http.StatusOK || w.resets != 1 {
		t.Errorf("a reset is answered %d, %s", got.Code, got.Body)
	}
	if got := post(w.serve, "/_localstack/costs", `{"reset":false}`); got.Code != http.StatusBadRequest || w.resets != 1 {
		t.Errorf("no reset is answered %d, %s", got.Code, got.Body)
	}
}

func TestSocketsAreCut(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]int{`{"connection":"open1"}`: 200, `{"connection":"gone"}`: 404} {
		if got := post(w.serve, "/_localstack/cut", body); got.Code != want {
			t.Errorf("%s is answered %d, %s", body, got.Code, got.Body)
		}
	}
	if len(w.cuts) != 2 {
		t.Errorf("cut were %q", w.cuts)
	}
}

func TestFaultsAreSwitched(t *testing.T) {
	w := newWorld(t)
	type kinds struct {
		Flags string
		Kinds []struct {
			Kind, Group, Text string
			Rate, Usual       float64
		}
	}
	rate := func(k kinds, name string) float64 {
		for _, one := range k.Kinds {
			if one.Group == "" || one.Text == "" || one.Usual == 0 {
				t.Errorf("%+v lacks something", one)
			}
			if one.Kind == name {
				return one.Rate
			}
		}
		return -1
	}
	var got kinds
	w.shown("faults", &got)
	if len(got.Kinds) != len(fault.All()) || rate(got, "kill") != 0 {
		t.Errorf("the faults are %+v", got)
	}
	if answer := post(w.serve, "/_localstack/faults", `{"rates":{"kill":0.25,"lose-frame":1}}`); answer.Code != http.StatusOK {
		t.Errorf("it is answered %d, %s", answer.Code, answer.Body)
	}
	for body, want := range map[string]string{`{"rates":{"kill":0,"lose-frame":2}}`: "2 of fault lose-frame is no probability", `{"rates":{"kill":0,"fire":0.1}}`: `unknown fault "fire"`, `{"rates":{"kill":-1}}`: "no probability"} {
		if answer := post(w.serve, "/_localstack/faults", body); answer.Code != http.StatusBadRequest || !strings.Contains(problem(t, answer), want) {
			t.Errorf("%s is answered %d, %s", body, answer.Code, answer.Body)
		}
	}
	w.shown("faults", &got)
	if rate(got, "kill") != 0.25 || rate(got, "lose-frame") != 1 || got.Flags != "--faults kill=0.25,lose-frame=1 --seed 7" {
		t.Errorf("after all the rates are %+v", got)
	}
}

func TestNothingIsShownBeforeTheStackIsUp(t *testing.T) {
	s := serve(func(o *console.Options) { o.Ready = func() bool { return false } })
	for _, name := range []string{"about", "topics", "log", "then", "connections", "destinations", "costs", "faults"} {
		if got := ask(s, "GET", "/_localstack/"+name, ""); got.Code != http.StatusServiceUnavailable {
			t.Errorf("%s is answered %d", name, got.Code)
		}
	}
}
