package stack_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
)

// badFrames are each answered with one error frame.
var badFrames = []struct {
	name, frame string
	want        events.Code
}{
	{"topic is a number", `{"action":"subscribe","topic":7}`, "bad_request"},
	{"topic is true", `{"action":"snapshot","topic":true}`, "bad_request"},
	{"topic is null", `{"action":"subscribe","topic":null}`, "bad_topic"},
	{"topic is empty", `{"action":"publish","topic":"","item":{"id":"i"}}`, "bad_topic"},
	{"topic is missing", `{"action":"snapshot"}`, "bad_topic"},
	{"topic is a list", `{"action":"subscribe","topic":["users/alice/x","users/bob/x"]}`, "bad_request"},
	{"topic is an object", `{"action":"subscribe","topic":{"S":"users/alice/x"}}`, "bad_request"},
	{"topic has half a surrogate", `{"action":"subscribe","topic":"users/alice\ud800"}`, "bad_topic"},
	{"topic twice, ours first", `{"action":"subscribe","topic":"users/alice/x","topic":"users/bob/x"}`, "forbidden"},
	{"topic again, in other capitals", `{"action":"snapshot","topic":"users/bob/x","TOPIC":"users/alice/x"}`, "forbidden"},
	{"topics", `{"action":"subscribe","topics":["users/alice/x"]}`, "bad_topic"},
	{"subject", `{"action":"subscribe","subject":"bob","sub":"bob","topic":"users/bob/x"}`, "forbidden"},
	{"grant", `{"action":"subscribe","grant":` + all + `,"topic":"users/bob/x"}`, "forbidden"},
	{"token of no use", `{"action":"subscribe","token":"t","topic":"users/bob/x"}`, "forbidden"},
	{"key of the item in its data", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":{"topic":"users/bob/x"}}}`, "bad_item"},
	{"key of the item in itself", `{"action":"publish","topic":"users/bob/x","item":{"id":"i","topic":"users/alice/x"}}`, "forbidden"},
	{"cursors of two, one bad", `{"action":"ping","cursors":{"users/alice/x":":0","users/../x":":0"}}`, "bad_topic"},
	{"cursors are a list", `{"action":"ping","cursors":["users/bob/x"]}`, "bad_request"},
	{"action is a list", `{"action":["subscribe"],"topic":"users/alice/x"}`, "bad_request"},
	{"action in capitals", `{"action":"SUBSCRIBE","topic":"users/alice/x"}`, "unknown_action"},
	{"action of a route", `{"action":"$connect"}`, "unknown_action"},
	{"action of the default route", `{"action":"$default","topic":"users/alice/x"}`, "unknown_action"},
	{"action twice, auth last", `{"action":"subscribe","action":"auth","topic":"users/bob/x"}`, "bad_token"},
	{"action twice, auth first", `{"action":"auth","action":"subscribe","topic":"users/bob/x"}`, "forbidden"},
	{"subscribe, and auth in other capitals", `{"action":"subscribe","Action":"auth","topic":"users/bob/x"}`, "forbidden"},
	{"auth, and subscribe in other capitals", `{"action":"auth","Action":"subscribe","topic":"users/bob/x"}`, "bad_token"},
	{"auth, and snapshot in other capitals", `{"action":"auth","Action":"snapshot","topic":"users/alice/x"}`, "bad_token"},
	{"auth, and publish in other capitals", `{"action":"auth","Action":"publish","topic":"users/alice/x","item":{"id":"i"}}`, "bad_token"},
	{"auth, and ping in other capitals", `{"action":"auth","Action":"ping","cursors":{"users/bob/x":":0"}}`, "bad_token"},
	{"auth, and nothing in other capitals", `{"action":"auth","Action":"x"}`, "bad_token"},
	{"action only in other capitals", `{"Action":"snapshot","topic":"users/alice/x"}`, "unknown_action"},
	{"auth without a token", `{"action":"auth"}`, "bad_token"},
	{"auth with a token that is a number", `{"action":"auth","token":7}`, "bad_request"},
	{"not JSON", `subscribe users/alice/x`, "bad_json"},
	{"empty", ``, "bad_json"},
	{"two frames in one", `{"action":"ping"}{"action":"ping"}`, "bad_json"},
	{"a list", `[{"action":"ping"}]`, "bad_json"},
	{"null", `null`, "bad_json"},
	{"nested 11,000 times", strings.Repeat(`[`, 11_000) + strings.Repeat(`]`, 11_000), "bad_json"},
	{"id of 129 bytes", `{"action":"ping","id":"` + strings.Repeat("i", 129) + `"}`, "bad_request"},
	{"topic of 257 bytes", `{"action":"subscribe","topic":"stocks/` + strings.Repeat("t", 250) + `"}`, "bad_topic"},
	{"topic of 9 segments", `{"action":"subscribe","topic":"users/alice` + strings.Repeat("/x", 7) + `"}`, "bad_topic"},
	{"filter of 1,025 bytes", `{"action":"subscribe","topic":"stocks/a","filter":{"a":["` + strings.Repeat("x", 1016) + `"]}}`, "bad_request"},
	{"filter that nests 65 times", `{"action":"subscribe","topic":"stocks/a","filter":` + strings.Repeat(`{"a":`, 65) + `[1]` + strings.Repeat("}", 65) + `}`, "bad_request"},
	{"filter is a list", `{"action":"subscribe","topic":"stocks/a","filter":["a"]}`, "bad_request"},
	{"filter is no event pattern", `{"action":"snapshot","topic":"stocks/a","filter":{"a":1}}`, "bad_request"},
	{"filter with an unknown operator", `{"action":"subscribe","topic":"stocks/a","filter":{"a":[{"regexp":"(a+)+"}]}}`, "bad_request"},
	{"33 fields", `{"action":"subscribe","topic":"stocks/a","fields":["a"` + strings.Repeat(`,"a"`, 32) + `]}`, "bad_request"},
	{"field of 257 bytes", `{"action":"snapshot","topic":"stocks/a","fields":["` + strings.Repeat("f", 257) + `"]}`, "bad_request"},
	{"field with an empty name", `{"action":"subscribe","topic":"stocks/a","fields":["a..b"]}`, "bad_request"},
	{"fields are a string", `{"action":"subscribe","topic":"stocks/a","fields":"a"}`, "bad_request"},
	{"cursor without number", `{"action":"subscribe","topic":"stocks/a","after":"x"}`, "bad_cursor"},
	{"cursor before the first", `{"action":"subscribe","topic":"stocks/a","after":"x:-1"}`, "bad_cursor"},
	{"next without item", `{"action":"snapshot","topic":"stocks/a","next":"x:1"}`, "bad_cursor"},
	{"501 cursors", `{"action":"ping","cursors":{` + cursors(events.MaxCursors+1) + `}}`, "bad_request"},
	{"publish without item", `{"action":"publish","topic":"users/alice/x"}`, "bad_request"},
	{"publish of another op", `{"action":"publish","topic":"users/alice/x","op":"drop","item":{"id":"i"}}`, "bad_request"},
	{"item id of 257 bytes", `{"action":"publish","topic":"users/alice/x","item":{"id":"` + strings.Repeat("i", 257) + `"}}`, "bad_item"},
	{"item id with NUL", `{"action":"publish","topic":"users/alice/x","item":{"id":"\u0000"}}`, "bad_item"},
	{"removal without id", `{"action":"publish","topic":"users/alice/x","op":"remove","item":{}}`, "bad_item"},
	{"data that nests 33 times", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":` + nested(33) + `}}`, "bad_item"},
	{"data with a number of 39 digits", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":{"n":` + strings.Repeat("1", 39) + `}}}`, "bad_item"},
	{"data with a number of 1e126", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":{"n":1e126}}}`, "bad_item"},
	{"data of 1,001 bytes", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":{"a":"` + strings.Repeat("x", 993) + `"}}}`, "bad_item"},
	{"data with half of a UTF-16 pair", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":{"a":"\ud800"}}}`, "bad_item"},
	{"item id with half of a UTF-16 pair", `{"action":"publish","topic":"users/alice/x","item":{"id":"\udfff"}}`, "bad_item"},
	{"filter with half of a UTF-16 pair", `{"action":"subscribe","topic":"users/alice/x","filter":{"a":["\ud800"]}}`, "bad_request"},
	{"data is a list", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":[]}}`, "bad_item"},
	{"data with a time to live", `{"action":"publish","topic":"users/alice/x","item":{"id":"i","data":{"expiresAt":1}}}`, "bad_item"},
}

// cursors are those of n topics.
func cursors(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"users/alice/%d":":0"`, i))
	}
	return strings.Join(all, ",")
}

// badMessages end the connection.
var badMessages = []struct {
	name  string
	kind  websocket.MessageType
	frame string
	times int // in as many WebSocket frames
	want  websocket.StatusCode
}{
	{"binary", websocket.MessageBinary, `{"action":"ping"}`, 1, websocket.StatusUnsupportedData},
	{"not UTF-8", websocket.MessageText, "{\"action\":\"ping\",\"id\":\"\xff\"}", 1, websocket.StatusInvalidFramePayloadData},
	{"a frame over 32 KB", websocket.MessageText, strings.Repeat(" ", 32<<10) + `{}`, 1, websocket.StatusMessageTooBig},
	{"a message over 128 KB", websocket.MessageText, strings.Repeat(" ", 16<<10), 9, websocket.StatusMessageTooBig},
}

func TestRefusedFrames(t *testing.T) {
	s, _ := strict(t, func(resources object) {
		environment(resources, "Message")["MAX_MESSAGE_RATE"] = "20"
		for _, function := range []string{"Message", "Http"} {
			environment(resources, function)["MAX_PUBLISH_BYTES"] = "1000"
		}
	})
	f := s.ownForger(t)
	s.plant(t, "users/bob/x")
	alice := s.asker(t, f.token(nil))
	web, overHTTP := s.caller(t, f.token(nil)), 0
	for _, row := range badFrames {
		for _, c := range []asking{alice, web} {
			for _, got := range c.asks(row.frame) {
				want := row.want
				if got.status > 0 && hasUnknownMember(row.frame) {
					want = events.CodeBadRequest
				}
				if !got.is(string(want)) {
					t.Errorf("%s, by %.200s, is answered %.300s, want %s", row.name, got.how, got.text, want)
				}
				overHTTP += min(got.status, 1)
			}
		}
	}
	if t.Logf("%d of these over HTTP", overHTTP); overHTTP < 80 {
		t.Errorf("%d of these over HTTP", overHTTP)
	}
	for _, c := range []asking{alice, web} {
		c.mayNotHave(planted, `"message": "`) // API Gateway's, of a function that failed
	}
	s.has(t, "Events", "users/alice/x", 0)
	s.has(t, "Events", "users/bob/x", 1)
	for _, row := range badMessages {
		s.connectWith(t, f.token(nil)).breaks(row.name, row.kind, row.frame, row.times, row.want)
	}
	s.asker(t, f.token(nil)).subscribesTooMuch()
	s.asker(t, f.token(nil)).sendsTooFast()
}

func (a *asker) subscribesTooMuch() {
	a.t.Helper()
	for n := range events.MaxSubscriptions {
		a.subscribe(fmt.Sprintf("users/alice/%d", n))
	}
	for topic, want := range map[string]string{"users/alice/more": "too_many_subscriptions", "users/bob/x": "forbidden"} {
		if got := answer(a.ask(`{"action":"subscribe","topic":"` + topic + `"}`)); got != want {
			a.t.Errorf("one more, %s: %s, want %s", topic, got, want)
		}
	}
}

func (a *asker) sendsTooFast() {
	a.t.Helper()
	for range 1000 {
		if answer(a.ask(`{"action":"ping"}`)) == "too_many_requests" {
			return
		}
	}
	a.t.Error("a thousand messages at once are answered")
}

// breaks sends a message of n WebSocket frames, and wants the connection closed.
func (c *client) breaks(name string, kind websocket.MessageType, frame string, n int, want websocket.StatusCode) {
	c.t.Helper()
	w, err := c.conn.Writer(c.t.Context(), kind)
	if err != nil {
		c.t.Fatal(err)
	}
	for range n {
		_, _ = w.Write([]byte(frame)) // the connection may be closed by now
	}
	_ = w.Close()
	_, answer, err := c.conn.Read(c.t.Context())
	if got := websocket.CloseStatus(err); got != want {
		c.t.Errorf("%s: closed with %d after %s, want %d: %v", name, got, answer, want, err)
	}
}
