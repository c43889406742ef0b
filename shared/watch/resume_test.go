package watch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/watch"
)

// history is a topic's log as clients resume from it, and their subscriptions.
type history struct {
	watch.Presences // of which there are none
	head            watch.Head
	changes         []events.Change
	page            int // changes that one read gives
	reads           int
	topics          []events.Topic
	err             error
	order           watch.Order // of the latest subscribe
	subscribed      int
	unsubscribed    int
}

func (h *history) Head(context.Context, events.Topic) (watch.Head, error) { return h.head, h.err }

func (h *history) Since(_ context.Context, _ events.Topic, from, to int64) ([]watch.Entry, error) {
	h.reads++
	var page []watch.Entry
	for _, c := range h.changes {
		if c.Seq > from && c.Seq <= to && len(page) < h.page {
			page = append(page, watch.Entry{Change: c})
		}
	}
	return page, h.err
}

func (h *history) Below(context.Context, events.Topic, events.Topic, int) ([]events.Topic, bool, error) {
	return nil, false, h.err
}

func (h *history) Subscribe(_ context.Context, sub watch.Subscription) (watch.Kept, error) {
	h.subscribed++
	h.order = sub.Order
	return watch.Kept{}, nil
}

func (h *history) Renew(context.Context, watch.Subscription) (bool, error) { return true, nil }

func (h *history) Unsubscribe(context.Context, watch.Key, events.Topic, watch.Order) error {
	h.unsubscribed++
	return nil
}

func (h *history) Withdraw(context.Context, watch.Key, ...watch.Subscription) error {
	h.unsubscribed++
	return nil
}

func (h *history) Session(context.Context, watch.Key) (watch.Session, error) {
	if h.topics == nil {
		return watch.Session{}, watch.ErrNotConnected
	}
	orders := map[events.Topic]watch.Order{}
	for _, topic := range h.topics {
		orders[topic] = h.order
	}
	return watch.Session{Topics: h.topics, Orders: orders}, nil
}

func (h *history) Forget(context.Context, watch.Key, []watch.Subscription) error { return nil }

func (h *history) Refresh(context.Context, watch.Key, watch.Access) error { return nil }

func (h *history) Subscriptions(_ context.Context, key watch.Key, topics []events.Topic, _ map[events.Topic]int) ([]watch.Subscription, error) {
	var subs []watch.Subscription
	for _, topic := range topics {
		if slices.Contains(h.topics, topic) {
			subs = append(subs, watch.Subscription{Key: key, Topic: topic})
		}
	}
	return subs, nil
}

// Page gives two items, one at a time.
func (h *history) Page(_ context.Context, _ events.Topic, after string, _ int) ([]watch.Row, string, error) {
	switch after {
	case "":
		return []watch.Row{{Item: events.Item{ID: "i/1", Data: []byte(`{}`)}}}, "i/1", nil
	case "i/1":
		return []watch.Row{{Item: events.Item{ID: "i2", Data: []byte(`{}`)}}}, "", nil
	}
	return nil, "", nil
}

func (h *history) Put(context.Context, watch.Publication) error    { return nil }
func (h *history) Remove(context.Context, watch.Publication) error { return nil }

// newHistory has changes 1 to n of epoch e.
func newHistory(n int64) *history {
	h := &history{head: watch.Head{Cursor: events.Cursor{Epoch: "e", Seq: n}, First: true}, page: 7, topics: []events.Topic{"a"}}
	for seq := int64(1); seq <= n; seq++ {
		h.changes = append(h.changes, events.Change{Topic: "a", Epoch: "e", Seq: seq, Op: events.Added, ID: fmt.Sprint(seq), Data: []byte(`{}`)})
	}
	return h
}

// answer gives the frames of an answer, each in short.
func (h *history) answer(t *testing.T, request string) string {
	t.Helper()
	return strings.Join(h.frames(t, connected(time.Now()), request), "; ")
}

func (h *history) frames(t *testing.T, c watch.Connection, request string) []string {
	t.Helper()
	var frames []string
	answerer := watch.Answerer{Store: h, Sealer: seal.Fixed(make([]byte, seal.MinSecretBytes)), Logger: slog.New(slog.DiscardHandler)}
	last := answerer.Answer(t.Context(), c, watch.Message{Body: []byte(request)}, peerFunc(func(frame []byte) error {
		frames = append(frames, inShort(t, frame))
		return nil
	}))
	if last == nil {
		return append(frames, "closed")
	}
	return append(frames, inShort(t, last))
}

// peerFunc is a peer whose posts are a function.
type peerFunc func(frame []byte) error

func (f peerFunc) Post(frame []byte) error { return f(frame) }
func (peerFunc) Close() error              { return nil }

// connected is a connection that may do everything.
func connected(at time.Time) watch.Connection {
	return watch.Connection{Key: watch.Key{Subject: "s", ID: "c"}, Connected: at, Access: watch.Access{Grant: grant.All()}}
}

func inShort(t *testing.T, data []byte) string {
	t.Helper()
	frame, err := events.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	switch f := frame.(type) {
	case *events.Changes:
		return fmt.Sprintf("changes %d-%d", f.Changes[0].Seq, f.Changes[len(f.Changes)-1].Seq)
	case *events.Subscribed:
		return fmt.Sprintf("subscribed %s recovered %t", f.Cursor, f.Recovered)
	case *events.Snapshot:
		return fmt.Sprintf("snapshot %s from %q of %d next %q", f.Cursor, sealedShort(f.From), len(f.Items), sealedShort(f.Next))
	case *events.Reset:
		return fmt.Sprintf("reset %s %s", f.ID, f.Reason)
	case *events.Pong:
		return fmt.Sprintf("pong %v", f.Cursors)
	case *events.Reconnect:
		return "reconnect"
	case *events.Error:
		return "error " + string(f.Code)
	}
	return string(data)
}

// sealedShort leaves out what is sealed of a bookmark.
func sealedShort(bookmark string) string {
	cursor, _, sealed := strings.Cut(bookmark, "~")
	if !sealed {
		return bookmark
	}
	return cursor + "~…"
}

func TestResume(t *testing.T) {
	const snapshot = `; snapshot e:20 from "" of 1 next "e:20~…"`
	for name, c := range map[string]struct {
		spoil func(*history)
		after string
		want  string
	}{
		"from now on":              {nil, "", "subscribed e:20 recovered false"},
		"missed nothing":           {nil, "e:20", "subscribed e:20 recovered true"},
		"missed some":              {nil, "e:3", "subscribed e:20 recovered true; changes 4-20"},
		"missed all":               {nil, "e:0", "subscribed e:20 recovered true; changes 1-20"},
		"before the first change":  {nil, ":0", "subscribed e:20 recovered true; changes 1-20"},
		"before an earlier epoch":  {func(h *history) { h.head.First = false }, ":0", "subscribed e:20 recovered false; reset q epoch" + snapshot},
		"an earlier epoch":         {nil, "d:7", "subscribed e:20 recovered false; reset q epoch" + snapshot},
		"from the future":          {nil, "e:21", "subscribed e:20 recovered false; reset q ahead" + snapshot},
		"retention has passed":     {func(h *history) { h.changes = h.changes[5:] }, "e:3", "subscribed e:20 recovered false; reset q expired" + snapshot},
		"retention passed in part": {func(h *history) { h.changes = slices.Delete(h.changes, 9, 11) }, "e:3", "subscribed e:20 recovered false; reset q expired" + snapshot},
		"the end is missing":       {func(h *history) { h.changes = h.changes[:19] }, "e:3", "subscribed e:20 recovered false; reset q expired" + snapshot},
		"begun anew while reading": {func(h *history) { h.changes[12].Epoch = "f" }, "e:3", "subscribed e:20 recovered false; reset q epoch" + snapshot},
		"too many bytes": {func(h *history) {
			for i := range h.changes {
				h.changes[i].Data = []byte(`"` + strings.Repeat("x", events.MaxResumeBytes/10) + `"`)
			}
		}, "e:3", "subscribed e:20 recovered false; reset q limit" + snapshot},
		"a bad cursor": {nil, "e", "error bad_cursor"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(20)
			if c.spoil != nil {
				c.spoil(h)
			}
			if got := h.answer(t, fmt.Sprintf(`{"action":"subscribe","id":"q","topic":"a","after":%q}`, c.after)); got != c.want {
				t.Errorf("answer\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestResumeLimit: one more than the limit is a reset, for which the log is not read.
func TestResumeLimit(t *testing.T) {
	h := newHistory(events.MaxResumeChanges + 1)
	h.page = 1000
	if got := h.answer(t, `{"action":"subscribe","topic":"a","after":"e:0"}`); !strings.Contains(got, "reset  limit") || h.reads != 0 {
		t.Errorf("one too many: %s after %d reads", got, h.reads)
	}
	if got := h.answer(t, `{"action":"subscribe","topic":"a","after":"e:1"}`); !strings.Contains(got, "recovered true") || !strings.HasSuffix(got, "-10001") {
		t.Errorf("the limit: %.100s …", got)
	}
}

func TestResumeThatFailsIsUndone(t *testing.T) {
	h := newHistory(3)
	h.err = watch.ErrUnavailable
	if got := h.answer(t, `{"action":"subscribe","topic":"a","after":"e:1"}`); got != "error unavailable" || h.subscribed != 1 || h.unsubscribed != 1 {
		t.Errorf("%s after %d subscribed and %d unsubscribed", got, h.subscribed, h.unsubscribed)
	}
}

func TestPing(t *testing.T) {
	for name, c := range map[string]struct {
		spoil   func(*history)
		cursors string
		want    string
	}{
		"plain":               {nil, `{}`, "pong map[]"},
		"up to date":          {nil, `{"a":"e:20"}`, "pong map[a:e:20]"},
		"behind":              {nil, `{"a":"e:18"}`, "changes 19-20; pong map[a:e:20]"},
		"not subscribed":      {nil, `{"b":"e:18"}`, "pong map[]"},
		"cannot be told":      {nil, `{"a":"d:18"}`, "reset p epoch; pong map[a:e:20]"},
		"connection unknown":  {func(h *history) { h.topics = nil }, `{"a":"e:18"}`, "error not_connected; closed"},
		"bad topic":           {nil, `{"a//b":"e:18"}`, "error bad_topic"},
		"bad cursor":          {nil, `{"a":"18"}`, "error bad_cursor"},
		"cannot be read":      {func(h *history) { h.err = watch.ErrUnavailable }, `{"a":"e:18"}`, "error unavailable"},
		"cursor is no string": {nil, `{"a":5}`, "error bad_request"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(20)
			if c.spoil != nil {
				c.spoil(h)
			}
			if got := h.answer(t, `{"action":"ping","id":"p","cursors":`+c.cursors+`}`); got != c.want {
				t.Errorf("answer\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestPingBringsAsMuchAsAnAnswerMay: the pong tells that there is more, and the next ping goes
// on where the first ended. The topic that misses less comes first.
func TestPingBringsAsMuchAsAnAnswerMay(t *testing.T) {
	h := newHistory(6_000)
	h.page, h.topics = 1000, []events.Topic{"a", "b"}
	const pong = "; pong map[a:e:6000 b:e:6000]"
	first := h.answer(t, `{"action":"ping","cursors":{"b":"e:10","a":"e:0"}}`)
	if !strings.HasPrefix(first, "changes 11-") || !strings.HasSuffix(first, "-4010"+pong) {
		t.Errorf("first: %.60s … %s", first, first[len(first)-60:])
	}
	second := h.answer(t, `{"action":"ping","cursors":{"b":"e:6000","a":"e:4010"}}`)
	if !strings.HasPrefix(second, "changes 4011-") || !strings.HasSuffix(second, "-6000"+pong) {
		t.Errorf("second: %.60s …", second)
	}
	var many []string
	for n := range events.MaxCursors + 1 {
		many = append(many, fmt.Sprintf(`"t/%d":":0"`, n))
	}
	if got := h.answer(t, `{"action":"ping","cursors":{`+strings.Join(many, ",")+`}}`); got != "error bad_request" {
		t.Errorf("too many topics: %s", got)
	}
}

func TestSnapshotGoesOn(t *testing.T) {
	h := newHistory(20)
	for request, want := range map[string]string{
		`{"action":"subscribe","topic":"a","snapshot":true}`:                `subscribed e:20 recovered false; snapshot e:20 from "" of 1 next "e:20~…"`,
		`{"action":"snapshot","topic":"a"}`:                                 `snapshot e:20 from "" of 1 next "e:20~…"`,
		`{"action":"snapshot","topic":"a","next":"i/1"}`:                    `error bad_cursor`,
		`{"action":"snapshot","topic":"a//b"}`:                              `error bad_topic`,
		`{"action":"subscribe","topic":"a","snapshot":true,"after":"e:20"}`: `subscribed e:20 recovered true`,
	} {
		if got := h.answer(t, request); got != want {
			t.Errorf("%s\n got %s\nwant %s", request, got, want)
		}
	}
	c := newClient(t, `{"topics":["a"],"actions":["read"]}`)
	c.fill("a", `{}`, `{}`, `{}`)
	c.answerer.Limits = watch.Limits{SnapshotItems: 2}
	c.expect(t, `{"action":"snapshot","topic":"a"}`, `snapshot e:3 from "" of 2 next "e:3~…"`)
	next := decoded(t, []byte(c.lastFrame())).(*events.Snapshot).Next
	c.fill("a", `{}`, `{}`, `{}`, `{}`) // the cursor stays that of the first page
	c.expect(t, `{"action":"snapshot","topic":"a","next":"`+next+`"}`, `snapshot e:3 from "e:3~…" of 2 next ""`)
}

// TestReconnectIsAskedForInTime looks at the delays that connections of every age are
// given: all in time before the cut at 2 hours, and spread.
func TestReconnectIsAskedForInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(1)
		begun := time.Now()
		c := connected(begun)
		for age := time.Duration(0); age < 2*time.Hour; age += 5 * time.Minute {
			got := strings.Join(h.frames(t, c, `{"action":"ping"}`), "; ")
			want := "pong map[]"
			if age >= 105*time.Minute {
				want = "reconnect; pong map[]"
			}
			if got != want {
				t.Errorf("at the age of %v: %s, want %s", age, got, want)
			}
			time.Sleep(5 * time.Minute)
		}
	})
}

func TestReconnectDelaysAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connected(time.Now())
		time.Sleep(110 * time.Minute)
		var delays []time.Duration
		answerer := watch.Answerer{Logger: slog.New(slog.DiscardHandler)}
		for range 200 {
			answerer.Answer(t.Context(), c, watch.Message{Body: []byte(`{"action":"ping"}`)}, peerFunc(func(data []byte) error {
				frame, err := events.Decode(data)
				if err != nil {
					return err
				}
				delays = append(delays, time.Duration(frame.(*events.Reconnect).DelayMs)*time.Millisecond)
				return nil
			}))
		}
		slices.Sort(delays)
		if len(delays) != 200 || delays[0] > time.Minute || delays[100] < 3*time.Minute || delays[100] > 6*time.Minute || delays[199] > 9*time.Minute {
			t.Errorf("%d delays from %v by %v to %v, want them all over the 9 minutes to a minute before the cut", len(delays), delays[0], delays[len(delays)/2], delays[len(delays)-1])
		}
	})
}

// TestAnswerStopsAtAPostThatFails: the client is told to ask again.
func TestAnswerStopsAtAPostThatFails(t *testing.T) {
	h := newHistory(5_000)
	h.page = 1000
	answerer := watch.Answerer{Store: h, Sealer: seal.Fixed(make([]byte, seal.MinSecretBytes)), Logger: slog.New(slog.DiscardHandler)}
	posts := 0
	last := answerer.Answer(t.Context(), connected(time.Now()), watch.Message{Body: []byte(`{"action":"subscribe","topic":"a","after":"e:0"}`)}, peerFunc(func([]byte) error {
		if posts++; posts == 3 {
			return errors.New("throttled")
		}
		return nil
	}))
	if !strings.Contains(string(last), `"code":"unavailable"`) || posts != 3 {
		t.Errorf("%d posts, and the body is %.60s", posts, last)
	}
}
