package reply

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/contract/contracttest"
)

// whole are requests with every member that their action takes.
var whole = map[string]string{
	"Subscribe":       `{"action":"subscribe","id":"q1","order":7,"topic":"rooms/1","after":":0","view":"whole","filter":{"a":[1]},"fields":["a"],"delta":true,"latest":false,"snapshot":true,"presence":{"name":"Ada"}}`,
	"Unsubscribe":     `{"action":"unsubscribe","id":"q1","order":7,"topic":"rooms/1"}`,
	"SnapshotRequest": `{"action":"snapshot","id":"q1","topic":"rooms/1","filter":{"a":[1]},"fields":["a"]}`,
	"Publish":         `{"action":"publish","id":"q1","order":7,"topic":"rooms/1","key":"k","expiresAt":0,"item":{"id":"i","data":{"a":1}}}`,
	"Ping":            `{"action":"ping","id":"q1","cursors":{"rooms/1":":0","rooms/*":":0"}}`,
}

// odd are values to put in place of others.
var odd = []any{
	nil, true, false, 0, 1, -1, 1.5, 1e300, int64(events.MaxOrder), int64(events.MaxOrder) + 1, "", " ", "x", "a/b", "a//b", "..", "a/*", "@x/y", "ä", "a\x00", "\u0085",
	":0", "e:1", "e:01", "e:1~x", "E:1", "remove", "whole", strings.Repeat("x", 128), strings.Repeat("x", 129), strings.Repeat("x", 256), strings.Repeat("x", 257),
	[]any{}, []any{"a"}, []any{1}, []any{nil}, map[string]any{}, map[string]any{"a": []any{1}}, map[string]any{"a": ":0"}, map[string]any{"a//b": ":0"}, map[string]any{"a": 1},
	map[string]any{"name": "Ada"}, map[string]any{"name": ""}, map[string]any{"name": 1}, map[string]any{"id": ""}, map[string]any{"id": "i", "data": 1}, map[string]any{"id": "i", "data": map[string]any{}},
}

// malformed are the codes of requests that say nothing that could be done, whoever sends them. Whether
// the token allows it may be looked at first.
var malformed = []events.Code{events.CodeBadJSON, events.CodeBadRequest, events.CodeUnknownAction, events.CodeBadTopic, events.CodeBadItem, events.CodeBadCursor, events.CodeBadToken}

// beyond are reasons to refuse a request that a schema cannot say.
var beyond = []string{"bytes", "pattern", "filter", "fields", "reserved", "ten years ahead"}

// TestTheSchemaSaysWhatIsRefused makes thousands of frames out of good ones. What the schema forbids is
// refused as malformed, and what it allows is not.
func TestTheSchemaSaysWhatIsRefused(t *testing.T) {
	const frames = 3_000
	d := newDesk(t)
	alice := d.connect("alice", "c1", `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read","publish","join"]}]}`)
	schema := contracttest.New(t)
	random, forbidden, allowed := rand.New(rand.NewPCG(1, 2)), 0, 0
	for range frames {
		name, frame := d.oddFrame(random)
		answer := d.ask(alice, frame)
		last, err := events.Decode([]byte(answer[len(answer)-1]))
		if err != nil {
			t.Fatalf("%s is answered %s", frame, answer)
		}
		refusal, refused := last.(*events.Error)
		bad := schema.Is(name, []byte(frame))
		switch asMalformed := refused && slices.Contains(malformed, refusal.Code); {
		case refused && refusal.Code == events.CodeInternal:
			t.Errorf("%s is answered %v", frame, refusal)
		case bad != nil && !asMalformed && (!refused || refusal.Code != events.CodeForbidden):
			t.Errorf("the schema forbids %s, and it is answered %s: %v", frame, answer[len(answer)-1], bad)
		case bad == nil && asMalformed && !slices.ContainsFunc(beyond, func(word string) bool { return strings.Contains(refusal.Message, word) }):
			t.Errorf("the schema allows %s, and it is answered %v", frame, refusal)
		}
		if bad != nil {
			forbidden++
		} else {
			allowed++
		}
	}
	t.Logf("%d frames that the schema forbids, %d that it allows", forbidden, allowed)
	if forbidden < 2_000 || allowed < 200 {
		t.Errorf("only %d forbidden and %d allowed frames", forbidden, allowed)
	}
}

// TestLimitsAreThoseOfTheSchema tries each limit of each frame: as much as the schema says is taken, and more
// is refused.
func TestLimitsAreThoseOfTheSchema(t *testing.T) {
	d := newDesk(t)
	alice := d.connect("alice", "c1", `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read","publish","join"]}]}`)
	schema, tried := contracttest.New(t), 0
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		for _, limit := range schema.Limits(name) {
			request := whole[name]
			switch limit.Path[0] {
			case "topic": // with presence it is shorter
				request = strings.Replace(request, `,"presence":{"name":"Ada"}`, "", 1)
			case "expiresAt": // is at most ten years ahead, which is less
				continue
			}
			for more := range 2 {
				frame, err := limit.In(request, limit.Most+more)
				if err != nil {
					t.Fatal(err)
				}
				answer := d.ask(alice, frame)
				last, err := events.Decode([]byte(answer[len(answer)-1]))
				if err != nil {
					t.Fatalf("%s is answered %s", frame, answer)
				}
				refusal, refused := last.(*events.Error)
				if got := refused && slices.Contains(malformed, refusal.Code); got != (more > 0) {
					t.Errorf("%s: with %d of %s, refused is %t: %.200s", name, limit.Most+more, limit, got, answer[len(answer)-1])
				}
				tried++
			}
		}
	}
	if tried < 60 {
		t.Errorf("only %d limits were tried", tried)
	}
}

// TestAnOldConnectionIsAskedToMove holds what it is told to the schema. No stack runs for so long in tests.
func TestAnOldConnectionIsAskedToMove(t *testing.T) {
	schema := contracttest.New(t)
	d := newDesk(t)
	c := d.connect("alice", "c1", `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe"]}]}`)
	c.Connected = time.Now().Add(-119 * time.Minute)
	frames := d.ask(c, `{"action":"ping"}`)
	if len(frames) != 2 || !strings.HasPrefix(frames[0], `{"type":"reconnect"`) {
		t.Errorf("a ping is answered %s", frames)
	}
	for _, frame := range frames {
		if err := schema.Frame([]byte(frame)); err != nil {
			t.Error(err)
		}
	}
}

// oddFrame changes one or two members of a request.
func (d *desk) oddFrame(random *rand.Rand) (name, frame string) {
	names := []string{"Subscribe", "Unsubscribe", "SnapshotRequest", "Publish", "Ping"}
	name = names[random.IntN(len(names))]
	var request map[string]any
	if err := json.Unmarshal([]byte(whole[name]), &request); err != nil {
		d.Fatal(err)
	}
	for range 1 + random.IntN(2) {
		at := request
		for _, inner := range []string{"item", "presence"} {
			if within, ok := request[inner].(map[string]any); ok && random.IntN(3) == 0 {
				at = within
			}
		}
		var members []string
		for member := range at {
			if member != "action" {
				members = append(members, member)
			}
		}
		slices.Sort(members)
		if len(members) == 0 {
			continue
		}
		member := members[random.IntN(len(members))]
		if random.IntN(8) == 0 {
			delete(at, member)
		} else {
			at[member] = again(odd[random.IntN(len(odd))])
		}
	}
	text, err := json.Marshal(request)
	if err != nil {
		d.Fatal(fmt.Errorf("%v: %w", request, err))
	}
	return name, string(text)
}

// again copies a value, which is changed then.
func again(value any) (copied any) {
	text, _ := json.Marshal(value) // which was made of JSON
	_ = json.Unmarshal(text, &copied)
	return copied
}

// TestNullIsAsLeftOut: many programs write members that they do not set as null.
func TestNullIsAsLeftOut(t *testing.T) {
	d := newDesk(t)
	alice := d.connect("alice", "c1", `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read","publish","join"]}]}`)
	for _, frame := range []string{
		`{"action":"subscribe","topic":"a","id":null,"order":null,"after":null,"view":null,"filter":null,"fields":null,"delta":null,"latest":null,"snapshot":null,"presence":null}`,
		`{"action":"snapshot","topic":"a","id":null,"filter":null,"fields":null,"next":null}`,
		`{"action":"publish","topic":"a","id":null,"order":null,"key":null,"op":null,"expiresAt":null,"item":{"id":null,"data":{}}}`,
		`{"action":"ping","id":null,"cursors":null}`,
	} {
		if answer := d.ask(alice, frame); strings.Contains(strings.Join(answer, ""), `"type":"error"`) {
			t.Errorf("%s is answered %s", frame, answer)
		}
	}
}
