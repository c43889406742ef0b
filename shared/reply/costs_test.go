package reply

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/authn"
	"github.com/watchroute/watchroute/shared/token"
	"github.com/watchroute/watchroute/shared/token/tokentest"
	"github.com/watchroute/watchroute/shared/watch"
)

// maxConnections is how many connections a subject may have, unless the deployment says
// otherwise.
const maxConnections = 100

// TestWorstCost tries the worst inputs for each action, on the worst that can be stored, and
// holds what they cost to the table in package watch: none may cost more, and no bound may be
// more than twice what is reached. With -v it prints the table; `make costs` does so. That
// time is bounded is shown by TestSlowStoreIsToldInTime.
func TestWorstCost(t *testing.T) {
	w := newWorst(t)
	w.refusals()
	w.subscribes()
	w.snapshots()
	w.publishes()
	w.pings()
	w.auths()
	w.connections()
	w.presences()
	if testing.Verbose() {
		w.print()
	}
	for _, bound := range watch.Bounds(maxConnections) {
		w.check(bound)
	}
}

// cost is what a request has cost.
type cost struct {
	reads, writes float64
	bytes, frames int
	took          time.Duration
}

// measure notes what an action costs, and checks how its answer ends.
func (w *worst) measure(action, end string, do func() (frames []string)) {
	w.Helper()
	w.foreign = cost{}
	reads, writes := w.db.Units()
	began := time.Now()
	frames := do()
	most := w.spent[action]
	most.took = max(most.took, time.Since(began)-w.foreign.took)
	readsNow, writesNow := w.db.Units()
	most.reads = max(most.reads, readsNow-reads-w.foreign.reads)
	most.writes = max(most.writes, writesNow-writes-w.foreign.writes)
	bytes := 0
	for _, frame := range frames {
		bytes += len(frame)
	}
	most.bytes, most.frames = max(most.bytes, bytes), max(most.frames, len(frames))
	w.spent[action] = most
	if len(frames) > 0 != (end != "") || len(frames) > 0 && !strings.HasPrefix(frames[len(frames)-1], end) {
		last := strings.ReplaceAll(strings.Join(frames[max(0, len(frames)-1):], ""), `\u0001`, "")
		w.Errorf("%s is answered by %d frames, the last is %.300s", action, len(frames), last)
	}
	w.answerer.Store = w.store
}

// meanwhile does what others pay for.
func (w *worst) meanwhile(do func()) {
	reads, writes := w.db.Units()
	began := time.Now()
	do()
	w.foreign.took += time.Since(began)
	readsNow, writesNow := w.db.Units()
	w.foreign.reads += readsNow - reads
	w.foreign.writes += writesNow - writes
}

// asks measures a request.
func (w *worst) asks(action, end string, c watch.Connection, body string) {
	w.Helper()
	w.measure(action, end, func() []string { return w.ask(c, body) })
}

// check holds what was measured to a bound.
func (w *worst) check(b watch.Bound) {
	m, tried := w.spent[b.Action]
	if !tried {
		w.Errorf("%s: nothing was tried", b.Action)
	}
	for _, c := range []struct {
		what         string
		bound, least int // below which a bound need not be reached by half
		measured     float64
	}{
		{"read units", b.Reads, 10, m.reads}, {"write units", b.Writes, 10, m.writes},
		// Small answers differ by how much they repeat of what the client says.
		{"bytes", b.Bytes, 10_000, float64(m.bytes)},
	} {
		if c.measured > float64(c.bound) {
			w.Errorf("%s takes %.0f %s, more than the bound of %d", b.Action, c.measured, c.what, c.bound)
		}
		if c.bound > c.least && 2*c.measured < float64(c.bound) {
			w.Errorf("%s takes %.0f %s at most, and the bound is %d", b.Action, c.measured, c.what, c.bound)
		}
	}
}

// print writes the table for people.
func (w *worst) print() {
	fmt.Printf("\nWhat each request may cost at most, and what the worst has cost that was tried: DynamoDB's read and write\n"+
		"units, what is sent, and the steps of evaluating views. Each ends within %v. Dollars are for the units of a\n"+
		"million requests, at $%v for a million read units and $%v for a million write units.\n\n", watch.RequestTime, watch.ReadPrice, watch.WritePrice)
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "%-37s\tat most: reads\twrites\tKB\tsteps\tdollars\ttried: reads\twrites\tKB\tframes\tms\t\n", "")
	bounds := watch.Bounds(maxConnections)
	for _, b := range bounds {
		m := w.spent[b.Action]
		dollars := watch.ReadPrice*float64(b.Reads) + watch.WritePrice*float64(b.Writes)
		fmt.Fprintf(out, "%-37s\t%d\t%d\t%d\t%d\t%.2f\t%.0f\t%.0f\t%d\t%d\t%d\t\n", b.Action, b.Reads, b.Writes, (b.Bytes+999)/1000, b.Steps, dollars,
			m.reads, m.writes, (m.bytes+999)/1000, m.frames, m.took.Milliseconds())
	}
	_ = out.Flush()
	fmt.Println()
	for _, b := range bounds {
		fmt.Printf("%s: %s\n", b.Action, b.Worst)
	}
}

// What the last frame of an answer begins with.
const (
	refused      = `{"type":"error",`
	subscribed   = `{"type":"subscribed",`
	unsubscribed = `{"type":"unsubscribed",`
	snapshot     = `{"type":"snapshot",`
	changes      = `{"type":"changes",`
	published    = `{"type":"published",`
	pong         = `{"type":"pong"`
	authorized   = `{"type":"authorized",`
	code         = `"code":"%s"`
)

// refusals are of what cannot be read, of what may not be, and of what is too much.
func (w *worst) refusals() {
	id := strings.Repeat("\x01", events.MaxRequestIDBytes)
	long := strings.Repeat("\x01", 2_000)
	for _, body := range []string{"", "null", strings.Repeat("[", events.MaxFrameBytes), `{"action":5}`, `{"id":"` + strings.Repeat("i", 1_000) + `"}`} {
		w.asks("refused unread", refused, w.heavy, body)
	}
	w.spendAll()
	w.tooFast()
	for _, r := range []events.Request{
		{Action: long, Topic: long},
		{Action: "subscribe", Topic: long}, {Action: "snapshot", Topic: "**"}, {Action: "publish", Topic: "a//b"},
		{Action: "subscribe", Topic: "a", After: long}, {Action: "subscribe", Topic: "a", Filter: json.RawMessage(`{"a":5}`)},
		{Action: "subscribe", Topic: "a", Fields: make([]string, 100)}, {Action: "subscribe", Topic: "a/*", After: "e:1"},
		{Action: "snapshot", Topic: "a", Next: long}, {Action: "snapshot", Topic: "a", Next: "e:1~" + long},
		{Action: "publish", Topic: "a"}, {Action: "publish", Topic: "a", Item: &events.Item{ID: long}},
		{Action: "publish", Topic: "a", Item: &events.Item{ID: "i", Data: json.RawMessage(`5`)}},
		{Action: "publish", Topic: "a", Item: &events.Item{ID: "i", Data: json.RawMessage(`{"n":1e400}`)}},
		{Action: "publish", Topic: "a", Item: &events.Item{ID: "i", Data: json.RawMessage(`{"":"x"}`)}},
		{Action: "ping", Cursors: map[string]string{long: ":0"}}, {Action: "ping", Cursors: map[string]string{"a": long}},
		{Action: "auth", Token: long},
		{Action: "subscribe", Topic: "another"}, // of which there are a hundred
	} {
		r.ID = id
		body, _ := json.Marshal(r)
		w.asks("refused", refused, w.heavy, string(body))
	}
	mute := w.heavy // whose token allows nothing, as it never came with another
	mute.ID = "mute"
	mute.Grant = granted(w.T, mute.Subject, `{"v":1,"allow":[{"topics":["none"],"actions":["read"]}]}`)
	if err := w.store.Connect(w.Context(), mute); err != nil {
		w.Fatal(err)
	}
	for _, action := range []string{"subscribe", "snapshot", "publish"} {
		w.asks("refused", refused, mute, `{"action":"`+action+`","topic":"a","item":{"id":"i"}}`)
	}
}

// spendAll asks as somebody whose allowance is spent.
func (w *worst) spendAll() {
	rich := w.answerer.Allowance
	defer func() { w.answerer.Allowance = rich }()
	w.answerer.Allowance = watch.NewAllowance(w.store, 1)
	for range 1_000 {
		last := w.ask(w.heavy, `{"action":"snapshot","topic":"`+string(w.large)+`"}`)
		if strings.Contains(last[len(last)-1], fmt.Sprintf(code, events.CodeTooManyRequests)) {
			break
		}
	}
	for _, action := range []string{"subscribe", "unsubscribe", "snapshot", "publish", "auth"} {
		w.asks("refused unread", refused, w.heavy, `{"action":"`+action+`","topic":"`+string(w.large)+`"}`)
	}
	w.asks("refused unread", refused, w.heavy, `{"action":"ping","cursors":{"a":":0"}}`)
}

// tooFast asks as somebody who does not wait.
func (w *worst) tooFast() {
	patient := w.pace
	defer func() { w.pace = patient }()
	w.pace = newPace(0)
	for range atOnce {
		w.pace.allows(w.heavy.Key)
	}
	w.asks("refused unread", refused, w.heavy, request(events.Request{Action: "snapshot", Topic: string(w.large)}, heavyOptions()))
}

// subscribes anew to what is watched, which costs as much as for the first time.
func (w *worst) subscribes() {
	options := heavyOptions()
	subscribe := func(topic events.Topic) events.Request {
		return events.Request{Action: "subscribe", Topic: string(topic)}
	}
	last := w.topics[len(w.topics)-1]
	if err := w.store.Unsubscribe(w.Context(), w.heavy.Key, last, orderNow()+1); err != nil {
		w.Fatal(err)
	}
	w.overtake(w.heavy, 3)
	w.asks("subscribe", refused, w.heavy, request(subscribe(last), options))
	w.overtake(w.heavy, 2)
	w.asks("subscribe", subscribed, w.heavy, request(subscribe(last), options))

	w.overtake(w.heavy, 2)
	w.asks("subscribe to a pattern", subscribed, w.heavy, request(subscribe(w.pattern), options))

	wide := subscribe(w.wide)
	wide.Snapshot = true
	w.overtake(w.heavy, 2)
	w.asks("subscribe to a pattern with snapshot", snapshot, w.heavy, request(wide, options))
	w.asks("subscribe to a pattern with snapshot", snapshot, w.heavy, request(wide, watch.Options{}))

	withSnapshot := subscribe(w.large)
	withSnapshot.Snapshot = true
	w.overtake(w.heavy, 2)
	w.asks("subscribe with snapshot", snapshot, w.heavy, request(withSnapshot, options))
	withSnapshot.Topic = string(w.escaped)
	w.asks("subscribe with snapshot", snapshot, w.heavy, request(withSnapshot, watch.Options{}))

	withAfter := subscribe(w.before)
	withAfter.After = "e:0"
	w.overtake(w.heavy, 2)
	w.asks("subscribe with after", snapshot, w.heavy, request(withAfter, options))
	withAfter.Topic = string(w.masked)
	w.asks("subscribe with after", changes, w.lengthened(), request(withAfter, watch.Options{}))

	w.asks("unsubscribe", unsubscribed, w.heavy, request(events.Request{Action: "unsubscribe", Topic: string(last)}, watch.Options{}))
	w.subscribe(w.heavy, last, options)
}

// lengthened is somebody whose token has a mask that makes members longer.
func (w *worst) lengthened() watch.Connection {
	c := w.connect("lengthened", "c2", fmt.Sprintf(
		`{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read"],"mask":{"replace":{"l.a":"%s"}}}]}`, strings.Repeat("x", 126)))
	w.subscribe(c, w.masked, watch.Options{})
	return c
}

func (w *worst) snapshots() {
	asked := events.Request{Action: "snapshot", Topic: string(w.large)}
	w.asks("snapshot", snapshot, w.heavy, request(asked, heavyOptions()))
	limits := w.answerer.Limits
	w.answerer.Limits.SnapshotItems = 1
	frames := w.ask(w.heavy, request(asked, heavyOptions()))
	w.answerer.Limits = limits
	first, err := events.Decode([]byte(frames[0]))
	if err != nil {
		w.Fatal(err)
	}
	asked.Next = first.(*events.Snapshot).Next
	w.asks("snapshot, next page", snapshot, w.heavy, request(asked, heavyOptions()))

	asked = events.Request{Action: "snapshot", Topic: string(w.wide)}
	frames = w.ask(w.heavy, request(asked, heavyOptions()))
	w.asks("snapshot of a pattern", snapshot, w.heavy, request(asked, watch.Options{}))
	w.asks("snapshot of a pattern", snapshot, w.heavy, request(asked, heavyOptions()))
	if first, err = events.Decode([]byte(frames[len(frames)-1])); err != nil {
		w.Fatal(err)
	}
	asked.Next = first.(*events.Snapshot).Next
	w.asks("snapshot of a pattern", snapshot, w.heavy, request(asked, heavyOptions()))

	asked = events.Request{Action: "snapshot", Topic: string(w.escaped)}
	w.asks("snapshot", snapshot, w.heavy, request(asked, watch.Options{}))
	w.answerer.Limits.SnapshotItems = 1
	frames = w.ask(w.heavy, request(asked, watch.Options{}))
	w.answerer.Limits = limits
	if first, err = events.Decode([]byte(frames[0])); err != nil {
		w.Fatal(err)
	}
	asked.Next = first.(*events.Snapshot).Next
	w.asks("snapshot, next page", snapshot, w.heavy, request(asked, watch.Options{}))
}

func (w *worst) publishes() {
	full := []byte(`{"x":"` + strings.Repeat("x", events.MaxDataBytes-len(`{"x":""}`)) + `"}`)
	w.asks("publish", published, w.heavy, request(events.Request{Action: "publish", Topic: string(w.large), Item: &events.Item{ID: "1", Data: full}}, watch.Options{}))
	w.asks("publish, to remove", published, w.heavy, request(events.Request{Action: "publish", Op: events.OpRemove, Topic: string(w.large), Item: &events.Item{ID: "2"}}, watch.Options{}))
	deep := events.Topic("s/s/s/s/s/s/s/" + strings.Repeat("x", events.MaxTopicBytes-14))
	number := func(of watch.Stream, position string, data []byte) {
		write := watch.Write{Topic: deep, ID: strings.Repeat("i", events.MaxItemIDBytes), Op: events.Modified, Before: []byte(strings.ReplaceAll(string(data), "xx", "yy")), Data: data, Position: watch.Position(position)}
		if _, err := (watch.Numberer{Log: w.store}).Number(w.Context(), of, []watch.Write{write}); err != nil {
			w.Fatal(err)
		}
	}
	const digits = "99999999999999999999999999999999999999"
	w.measure("numbering what was published", "", func() []string {
		number(stream, digits+"01", full)
		return nil
	})
	number(stream, digits+"02", full) // whose place a change of the next epoch finds taken
	number(stream+"+", digits+"03", []byte("{}"))
	w.measure("numbering what was published", "", func() []string {
		number(stream+"+", digits+"04", full)
		return nil
	})
}

func (w *worst) pings() {
	expiring := w.heavy
	expiring.Expires = time.Now().Add(time.Minute)
	w.asks("ping", pong, expiring, request(events.Request{Action: "ping"}, watch.Options{}))
	w.asks("ping", pong, w.heavy, `{"action":"ping"}`)

	ping := events.Request{Action: "ping", Cursors: map[string]string{}}
	for _, topic := range w.topics {
		ping.Cursors[string(topic)] = "e:0"
	}
	w.asks("ping with cursors", pong, w.heavy, request(ping, watch.Options{}))
	ping.Cursors = map[string]string{string(w.masked): "e:0"}
	w.asks("ping with cursors", pong, w.lengthened(), request(ping, watch.Options{}))
}

// auths go on by a token that shows what is watched otherwise, by one that allows half of it,
// and by one that is revoked.
func (w *worst) auths() {
	secret := bytes.Repeat([]byte("s"), 32)
	verifier, err := token.New(token.Settings{Secrets: func(context.Context) ([][]byte, error) { return [][]byte{secret}, nil }})
	if err != nil {
		w.Fatal(err)
	}
	w.renewer.Tokens = authn.Authenticator{Verifier: verifier, Revocations: w.store}
	raw := func(c watch.Connection, id, claim string) string {
		subject, _ := json.Marshal(c.Subject)
		return tokentest.Secret(secret).Token(fmt.Sprintf(`{"sub":%s,"jti":%q,"iat":%d,"exp":%d,"watchroute":%s}`, subject, id, time.Now().Unix(), time.Now().Add(time.Hour).Unix(), claim))
	}
	body := func(raw string) string { return request(events.Request{Action: "auth", Token: raw}, watch.Options{}) }
	w.token = raw
	w.measure("handshake", "", func() []string {
		if _, _, err := w.renewer.Tokens.Authenticate(w.Context(), raw(w.heavy, "t", heavyClaim(`"**"`))); err != nil {
			w.Fatal(err)
		}
		return nil
	})
	w.asks("auth", authorized, w.heavy, body(raw(w.heavy, strings.Repeat("t", 256), heavyClaim(`"**","z"`))))
	w.asks("auth", authorized, w.heavy, body(raw(w.heavy, strings.Repeat("u", 256), heavyClaim(`"a/**"`))))

	revoked := w.like(watch.Key{Subject: "revoked", ID: "revoked"})
	w.put("Revocations", row{"subject": text(revoked.Subject), "tokenId": text("*")})
	w.asks("auth", refused, revoked, body(raw(revoked, "t", heavyClaim(`"**"`))))
}

// gone finds any connection gone, which has watched as much as it can.
type gone struct{ w *worst }

func (g gone) Probe(_ context.Context, id watch.ConnectionID) error {
	g.w.meanwhile(func() { g.w.like(watch.Key{Subject: "crowd", ID: id}) })
	return watch.ErrGone
}

// presences come, are renewed and end, of a member who has as many connections as can be.
func (w *worst) presences() {
	w.Helper()
	c, topics := w.present("L0SM9cOFvHcCIhw=")
	last := string(topics[len(topics)-1])
	options := heavyOptions()
	join := events.Request{Action: "subscribe", Topic: last, Presence: &events.PresenceRequest{Name: strings.Repeat("n", events.MaxMemberNameBytes)}}
	leave := request(events.Request{Action: "unsubscribe", Topic: last}, watch.Options{})
	w.asks("unsubscribe with presence", unsubscribed, c, leave)
	w.overtake(c, 3)
	w.asks("subscribe with presence", refused, c, request(join, options))
	w.overtake(c, 2)
	w.asks("subscribe with presence", subscribed, c, request(join, options))

	ping := events.Request{Action: "ping", Cursors: map[string]string{}}
	for _, topic := range topics {
		ping.Cursors[string(topic)] = ":0"
	}
	w.answerer.Store = &vanishing{Store: w.store, w: w}
	w.asks("ping with presence", refused, c, request(ping, watch.Options{}))
	member, _ := w.present("M0SM9cOFvHcCIhw=")
	w.asks("ping with presence", pong, member, request(ping, watch.Options{}))

	barred, _ := w.present("M0SM9cOFvHcCIhw=")
	w.asks("auth with presence", authorized, barred, request(events.Request{Action: "auth", Token: w.token(barred, "t", heavyClaim(`"**"`))}, watch.Options{}))
	revoked, _ := w.present("M0SM9cOFvHcCIhw=")
	w.put("Revocations", row{"subject": text(revoked.Subject), "tokenId": text("*")})
	w.asks("auth with presence", refused, revoked, request(events.Request{Action: "auth", Token: w.token(revoked, "t", heavyClaim(`"**"`))}, watch.Options{}))

	leaving, _ := w.present("N0SM9cOFvHcCIhw=")
	w.measure("disconnect, and end presences", "", func() []string {
		if err := w.store.Forget(w.Context(), leaving.Key, nil); err != nil {
			w.Fatal(err)
		}
		return nil
	})
	for n := range maxConnections {
		w.put("Connections", w.rowOf(watch.Key{Subject: leaving.Subject, ID: watch.ConnectionID(fmt.Sprintf("c%015d", n))}))
	}
	w.measure("connect, and end presences", "", func() []string {
		admission := watch.Admission{Store: w.store, Prober: gonePresent{w}, Limit: maxConnections, Allowance: w.answerer.Allowance}
		another := watch.Connection{Key: watch.Key{Subject: leaving.Subject, ID: "another"}, Access: watch.Access{Issued: time.Now().Add(time.Hour)}}
		if err := admission.Admit(w.Context(), another); err != nil && !errors.Is(err, watch.ErrRevoked) {
			w.Fatal(err)
		}
		return nil
	})
}

// gonePresent finds any connection gone, which has been present wherever it can.
type gonePresent struct{ w *worst }

func (g gonePresent) Probe(_ context.Context, id watch.ConnectionID) error {
	g.w.meanwhile(func() { g.w.present(id) })
	return watch.ErrGone
}

// connections come, when there are as many as may be, and go.
func (w *worst) connections() {
	for n := range maxConnections {
		w.put("Connections", w.rowOf(watch.Key{Subject: "crowd", ID: watch.ConnectionID(fmt.Sprintf("c%015d", n))}))
	}
	w.measure("connect", "", func() []string {
		admission := watch.Admission{Store: w.store, Prober: gone{w}, Limit: maxConnections, Allowance: w.answerer.Allowance}
		if err := admission.Admit(w.Context(), watch.Connection{Key: watch.Key{Subject: "crowd", ID: "another"}}); err != nil {
			w.Fatal(err)
		}
		return nil
	})
	leaving := w.like(watch.Key{Subject: w.heavy.Subject, ID: "leaving"})
	w.measure("disconnect", "", func() []string {
		if err := w.store.Forget(w.Context(), leaving.Key, nil); err != nil {
			w.Fatal(err)
		}
		return nil
	})
}
