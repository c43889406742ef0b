package stack_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/watch"
)

// viewSeed repeats a round of TestEveryViewIsExact.
var viewSeed = flag.Uint64("seed", 0, "the seed of the only round of TestEveryViewIsExact; 0 draws some")

// What a round of TestEveryViewIsExact has.
const (
	viewRounds   = 4
	viewWatchers = 16
	viewSteps    = 200
)

// TestEveryViewIsExact has watchers of all kinds keep what they are told while items
// change at random and while they leave, come back, and start over. In the end everyone
// has exactly what its view shows of the table, has been told of every number, and never
// got anything that its grant hides.
func TestEveryViewIsExact(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *stack.Options) {
		tokensOnly(o)
		o.Template = edited(t, func(resources object) { environment(resources, "Message")["MAX_SNAPSHOT_ITEMS"] = "5" })
	})
	s.keepExpired(t)
	seen := tally{}
	round := func(n int, seed uint64) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { newWorld(t, s, fmt.Sprintf("r%d", n), seed, seen).run() })
	}
	if *viewSeed != 0 {
		round(0, *viewSeed)
		return
	}
	for n := range viewRounds {
		round(n, rand.Uint64N(1e9)+1)
	}
	t.Log(seen)
	if missing := seen.missing(); !t.Failed() && len(missing) > 0 {
		t.Errorf("there was no %q", missing)
	}
}

// tally counts what has happened, so that a test of nothing is no success.
type tally map[string]int

// missing is what has not happened, though it should have.
func (seen tally) missing() []string {
	return slices.DeleteFunc([]string{"put", "update", "delete", "added", "modified", "removed", "skipped", "run of skipped", "large", "patch", "repeated",
		"live", "resumed", "pinged", "snapshot", "further frame", "further page", "renewed", "refused", "kept from a watcher",
		"expire", "lapsed added", "lapsed removed", "snapshot by pattern", "further topics"},
		func(what string) bool { return seen[what] > 0 })
}

// world is one round: topics whose items change, and who watches them.
type world struct {
	*testing.T
	*rand.Rand
	s         *running
	store     *dynamo.Store
	prefix    string
	topics    []string
	items     map[string]map[string]object // by topic and id, be it that they have expired
	lapsed    map[string]bool              // topics and ids of items that have expired at some time
	writes    map[string]int64             // by topic
	states    map[string][]events.Item     // that items of a topic have had
	viewsByID map[string]string            // by the ids that subscriptions tell
	planted   map[string][]string          // texts in the items: the names on the way to each, none to an id
	watchers  []*onlooker
	busy      bool      // items also change while a watcher waits for an answer
	last      *onlooker // that something was awaited for
	seen      tally
}

func newWorld(t *testing.T, s *running, prefix string, seed uint64, seen tally) *world {
	w := &world{T: t, Rand: rand.New(rand.NewPCG(seed, 0)), s: s, store: s.store(), seen: seen, prefix: prefix,
		topics: []string{prefix + "/a", prefix + "/b", prefix + "/b/c"}, items: map[string]map[string]object{}, writes: map[string]int64{},
		lapsed: map[string]bool{}, states: map[string][]events.Item{}, viewsByID: map[string]string{}, planted: map[string][]string{}}
	for _, topic := range w.topics {
		w.items[topic] = map[string]object{}
	}
	t.Cleanup(func() {
		if t.Failed() && w.last != nil {
			t.Logf("%s was read from last, at %v; again: go test ./localstack/stack -run TestEveryViewIsExact -seed=%d", w.last, w.last.at(), seed)
		}
	})
	return w
}

// run has the first watcher see everything, live. It tells when a round is over.
func (w *world) run() {
	everyone := &onlooker{world: w, subject: "everyone", wishes: []wish{{topic: w.prefix + "/**"}}}
	everyone.hasGrant(all, nil)
	w.watchers = append(w.watchers, everyone)
	for len(w.watchers) < viewWatchers {
		w.watchers = append(w.watchers, w.onlooker())
	}
	for _, o := range w.watchers {
		if o == everyone || w.IntN(2) == 0 {
			o.begin()
		}
	}
	w.busy = true
	for range viewSteps {
		if w.Float64() < 0.85 {
			w.change()
			continue
		}
		w.watchers[1+w.IntN(viewWatchers-1)].act()
	}
	w.busy = false
	for _, topic := range w.topics {
		w.put(topic, "end", object{})
		everyone.readUntil(topic, func(at standing) bool { return at.items["end"] != nil })
	}
	for _, o := range w.watchers {
		o.finish(everyone)
	}
}

// memberNames are the names of members: some differ in case or look like paths. Those of
// members of members are among the first few, so that paths often meet them.
var memberNames = []string{"a", "secret", "Secret", "a.b", `c\d`, "o", "list", "o.a", "kind", "n", "名é"}

const innerNames = 6

// numbers are those that members have. DynamoDB takes 38 digits.
var numbers = []string{"0", "1", "2", "-5", "1.50", "99999999999999999999999999999999999999", "99999999999999999999999999999999999998",
	"0.1000000000000000000000000000000000001", "12345678901234567890.5", "1e20", "1e-7"}

func oneOf[E any](w *world, list []E) E { return list[w.IntN(len(list))] }

// names draws up to n names of members of what is at a path, each once.
func (w *world) names(at []string, n int) []string {
	names := slices.Clone(memberNames)
	if len(at) > 0 {
		names = names[:innerNames]
	}
	w.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names[:w.IntN(n+1)]
}

// value draws what is at a path: among others, texts that are recognized.
func (w *world) value(at []string, depth int) any {
	switch kind := w.IntN(10); {
	case kind < 3 && depth > 0:
		return w.object(at, depth-1)
	case kind < 5 && depth > 0:
		list := make([]any, w.IntN(4))
		for i := range list {
			list[i] = w.value(at, depth-1)
		}
		return list
	case kind < 8:
		return w.plant(at)
	case kind == 8 && w.IntN(2) == 0:
		return json.Number(oneOf(w, numbers))
	case kind == 8:
		return oneOf(w, []any{"red", "blue", "*", json.Number("7")})
	}
	return oneOf(w, []any{nil, true, false, "", []any{}, object{}})
}

// marks finds what plant makes.
var marks = regexp.MustCompile(`planted-[0-9]+\.`)

// plant makes a text that is nowhere else.
func (w *world) plant(at []string) string {
	mark := fmt.Sprintf("planted-%d.", len(w.planted))
	w.planted[mark] = at
	return oneOf(w, []string{"", "é <&> ", "\u2028\"\\", "\ufdd0"}) + mark + oneOf(w, []string{"", " 名", "\n", "\uffff"})
}

func (w *world) object(at []string, depth int) object {
	made := object{}
	for _, name := range w.names(at, 5) {
		made[name] = w.value(append(at[:len(at):len(at)], name), depth)
	}
	return made
}

// itemIDs are drawn from. Two big items do not fit into one frame of a snapshot.
var itemIDs = []string{"1", "2", "3", "4", "5", "1", "2", "3", "4", "5", `"é/✓"`, "no character \ufffe", "big 1", "big 2", "big 3"}

// leased are the ids of items that expire now and then.
var leased = []string{"1", "no character \ufffe", "big 1"}

// id draws that of a new item, or one that has been before.
func (w *world) id(topic string) string {
	states := w.states[topic]
	switch n := w.IntN(10); {
	case n < 1:
		return strings.ReplaceAll(w.plant(nil), "\n", "/~")
	case n < 4 && len(states) > 0:
		return oneOf(w, states).ID
	}
	return oneOf(w, itemIDs)
}

// data draws an item's, now and then more than fits into a frame.
func (w *world) data(id string) object {
	data := w.object(nil, 3)
	if w.IntN(2) == 0 {
		data["list"] = []any{w.object([]string{"list"}, 1), w.object([]string{"list"}, 1)}
	}
	if w.IntN(4) > 0 {
		data["kind"] = oneOf(w, []any{"red", "blue", json.Number("7"), []any{"red", "blue"}})
	}
	if w.IntN(4) > 0 {
		data["n"] = json.Number(oneOf(w, numbers))
	}
	switch {
	case w.IntN(15) == 0:
		data["list"] = strings.Repeat("x", events.MaxDataBytes)
	case strings.HasPrefix(id, "big"):
		data["o.a"] = strings.Repeat("x", 17_000)
	}
	return data
}

// edited draws some of the members anew.
func (w *world) edited(data object) object {
	edited := maps.Clone(data)
	for _, name := range w.names(nil, 4) {
		delete(edited, name)
		if w.IntN(3) > 0 {
			edited[name] = w.value([]string{name}, 2)
		}
	}
	return edited
}

// change puts, updates or deletes an item.
func (w *world) change() {
	topic := oneOf(w, w.topics)
	id := w.id(topic)
	data, there := w.items[topic][id]
	switch kind := w.IntN(10); {
	case there && slices.Contains(leased, id) && w.IntN(3) == 0:
		w.expire(topic, id)
	case !there || kind < 2:
		w.put(topic, id, w.data(id))
	case kind < 5:
		w.put(topic, id, w.edited(data))
	case kind < 8:
		w.update(topic, id, data)
	default:
		w.seen["delete"]++
		w.writes[topic]++
		delete(w.items[topic], id)
		w.s.delete(w, topic, id)
	}
}

func (w *world) put(topic, id string, data object) {
	w.seen["put"]++
	w.writes[topic]++
	w.items[topic][id] = data
	text := w.state(topic, id, data)
	if err := w.store.Put(w.Context(), watch.Publication{Topic: events.Topic(topic), Item: events.Item{ID: id, Data: text}}); err != nil {
		w.Fatal(err)
	}
}

// expire lets an item's time to live be over, or takes it away if the item has one. DynamoDB
// does not come to delete it.
func (w *world) expire(topic, id string) {
	w.seen["expire"]++
	w.writes[topic]++
	w.lapsed[topic+" "+id] = true
	in := &dynamodb.UpdateItemInput{TableName: aws.String(w.s.Outputs["EventsTable"]), UpdateExpression: aws.String("REMOVE expiresAt"), ConditionExpression: aws.String("attribute_exists(expiresAt)"),
		Key: map[string]types.AttributeValue{"topic": text(topic), "id": text(id)}}
	_, err := w.s.db.UpdateItem(w.Context(), in)
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		in.UpdateExpression, in.ConditionExpression = aws.String("SET expiresAt = :past"), nil
		in.ExpressionAttributeValues = map[string]types.AttributeValue{":past": number(time.Now().Unix() - 60)}
		_, err = w.s.db.UpdateItem(w.Context(), in)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// update sets or removes one member, which may lie deep.
func (w *world) update(topic, id string, data object) {
	w.seen["update"]++
	w.writes[topic]++
	var at, places []string
	names, object := map[string]string{}, data
	for {
		name := oneOf(w, memberNames)
		at, places = append(at, name), append(places, fmt.Sprintf("#%d", len(at)))
		names[places[len(at)-1]] = name
		below, ok := object[name].(map[string]any)
		if !ok || w.IntN(4) == 0 {
			break
		}
		object = below
	}
	in := &dynamodb.UpdateItemInput{TableName: aws.String(w.s.Outputs["EventsTable"]), ExpressionAttributeNames: names,
		Key: map[string]types.AttributeValue{"topic": text(topic), "id": text(id)}}
	path := strings.Join(places, ".")
	if w.IntN(3) == 0 {
		delete(object, at[len(at)-1])
		in.UpdateExpression = aws.String("REMOVE " + path)
	} else {
		in.UpdateExpression = aws.String("SET " + path + " = :value")
		in.ExpressionAttributeValues = map[string]types.AttributeValue{":value": w.leaf(object, at)}
	}
	w.state(topic, id, data)
	if _, err := w.s.db.UpdateItem(w.Context(), in); err != nil {
		w.Fatal(err)
	}
}

// leaf draws a leaf, and sets it in the object that the path ends in.
func (w *world) leaf(in object, at []string) types.AttributeValue {
	name := at[len(at)-1]
	if w.IntN(3) == 0 {
		digits := oneOf(w, numbers)
		in[name] = json.Number(digits)
		return &types.AttributeValueMemberN{Value: digits}
	}
	planted := w.plant(at)
	in[name] = planted
	return text(planted)
}

// state gives a state that an item is about to have as JSON.
func (w *world) state(topic, id string, data object) []byte {
	encoded, err := json.Marshal(data)
	if err != nil {
		w.Fatal(err)
	}
	state := events.Item{ID: id, Data: encoded}
	w.states[topic] = append(w.states[topic], state)
	for _, o := range w.watchers {
		o.maySee(topic, state)
	}
	return encoded
}

// filter draws an event pattern, or none.
func (w *world) filter() json.RawMessage {
	exists := func() string { return fmt.Sprintf(`%q:[{"exists":%t}]`, oneOf(w, memberNames), w.IntN(2) == 0) }
	return json.RawMessage(oneOf(w, []string{"", "", `{"kind":["red"]}`, `{"kind":["blue",7]}`, `{"kind":[{"anything-but":"red"}]}`, `{"n":[{"numeric":[">",1]}]}`,
		`{"n":[1.5,99999999999999999999999999999999999999,1]}`, `{"secret":["****"]}`, `{` + exists() + `}`, `{"o":{` + exists() + `}}`,
		`{"$or":[{"kind":["red"]},{` + exists() + `}]}`, `{"list":{` + exists() + `}}`}))
}

// dots are escaped in paths.
var dots = strings.NewReplacer(`\`, `\\`, `.`, `\.`)

// paths draws up to n of them, as the names on the way.
func (w *world) paths(n int) (all [][]string) {
	for range w.IntN(n + 1) {
		path := []string{oneOf(w, append(memberNames, "list", "list", "o", "o"))}
		for w.IntN(2) == 0 {
			path = append(path, oneOf(w, memberNames[:innerNames]))
		}
		all = append(all, path)
	}
	return all
}

// written are paths as masks and fields have them.
func written(paths [][]string) []string {
	var all []string
	for _, path := range paths {
		names := make([]string, len(path))
		for i, name := range path {
			names[i] = dots.Replace(name)
		}
		all = append(all, strings.Join(names, "."))
	}
	return all
}

// onlooker draws a watcher, which now and then has the grant of the one before or wishes
// the same, perhaps but for delta.
func (w *world) onlooker() *onlooker {
	before := w.watchers[len(w.watchers)-1]
	o := &onlooker{world: w, subject: fmt.Sprintf("onlooker-%d", len(w.watchers)), wishes: slices.Clone(before.wishes)}
	o.hasGrant(before.claim, before.masked)
	if w.IntN(3) > 0 {
		o.hasGrant(w.claim())
	}
	switch w.IntN(4) {
	case 0:
		o.wishes[0].delta = !o.wishes[0].delta
	case 1, 2:
		o.wishes = w.wishes()
	}
	return o
}

// claim draws one whose first rule for the topics hides something, while others do not.
func (w *world) claim() (claim string, masked [][]string) {
	rule := object{"topics": []string{w.prefix + "/**"}, "actions": []string{"read", "subscribe"}}
	if filter := w.filter(); len(filter) > 0 {
		rule["filter"] = filter
	}
	omit, replace, mask := w.paths(2), w.paths(2), object{}
	if len(omit) > 0 {
		mask["omit"] = written(omit)
	}
	if len(replace) > 0 {
		values := object{}
		for _, path := range written(replace) {
			values[path] = oneOf(w, []any{"****", 0, nil, true})
		}
		mask["replace"] = values
	}
	if len(mask) > 0 {
		rule["mask"] = mask
	}
	open := object{"topics": []string{"elsewhere/**"}, "actions": []string{"read", "subscribe"}}
	everywhere := object{"topics": []string{"**"}, "actions": []string{"read", "subscribe", "publish"}}
	text, err := json.Marshal(object{"v": 1, "allow": []object{open, rule, everywhere}})
	if err != nil {
		w.Fatal(err)
	}
	return string(text), append(omit, replace...)
}

// wish is what a watcher asks of a topic, or of the topics of a pattern.
type wish struct {
	topic  string
	filter json.RawMessage
	fields []string
	delta  bool
	viewID string // of the view that comes of it
}

// wishes draws one topic, or a pattern, which may leave one topic to another wish.
func (w *world) wishes() []wish {
	own := w.options(oneOf(w, w.topics))
	below := w.options(w.prefix + oneOf(w, []string{"/*", "/**"}))
	return oneOf(w, [][]wish{{own}, {own}, {below}, {own, below}})
}

// options draws how to watch a topic or a pattern.
func (w *world) options(topic string) wish {
	x := wish{topic: topic, filter: w.filter(), delta: w.IntN(3) > 0}
	if w.IntN(2) == 0 {
		x.fields = written(w.paths(3))
	}
	return x
}
