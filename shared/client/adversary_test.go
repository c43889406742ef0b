package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// adversary is a service that does what it likes. It counts what it is asked.
type adversary struct {
	began time.Time
	ended chan struct{} // closed when the test is over

	mu         sync.Mutex
	handshakes []time.Time
	requests   []time.Time
}

// count notes that something happens, and gives how often it has.
func (a *adversary) count(what *[]time.Time) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	*what = append(*what, time.Now())
	return len(*what)
}

func (a *adversary) asked() (handshakes, requests []time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.handshakes, a.requests
}

// enemy is a connection as the adversary has it.
type enemy struct {
	*adversary
	conn *websocket.Conn
	n    int // which connection it is, from 1 on
}

// hear gives the next request; ok is false if the client has gone.
func (e enemy) hear() (r events.Request, ok bool) {
	_, body, err := e.conn.Read(context.Background())
	if err != nil {
		return r, false
	}
	n := e.count(&e.requests)
	e.waits(time.Millisecond)
	r, err = events.ParseRequest(body)
	return r, err == nil && n < 100*usualAsks // which is more than enough
}

// say sends texts; it is false if the client has gone.
func (e enemy) say(texts ...string) bool {
	for _, text := range texts {
		if e.conn.Write(context.Background(), websocket.MessageText, []byte(text)) != nil {
			return false
		}
	}
	return true
}

// answers answers every request with what answer gives; with nothing if that is empty.
func answers(answer func(r events.Request) []string) func(enemy) {
	return func(e enemy) {
		for r, ok := e.hear(); ok && e.say(answer(r)...); r, ok = e.hear() {
		}
	}
}

// afterAnswers answers a few requests fairly, and then does something.
func afterAnswers(n int, do func(e enemy)) func(enemy) {
	return func(e enemy) {
		for range n {
			r, ok := e.hear()
			if !ok {
				return
			}
			e.say(fair(r)...)
		}
		do(e)
	}
}

// saying says something all the time, and answers requests.
func saying(pause time.Duration, answer func(r events.Request) []string, texts ...string) func(enemy) {
	return func(e enemy) {
		go func() {
			for e.say(texts...) && e.waits(pause) {
			}
		}()
		answers(answer)(e)
	}
}

// waits waits for a time; false if the test is over.
func (a *adversary) waits(pause time.Duration) bool {
	select {
	case <-a.ended:
		return false
	case <-time.After(pause):
		return true
	}
}

func closing(code int) func(enemy) {
	return func(e enemy) { _ = e.conn.Close(websocket.StatusCode(code), "") }
}

func hangingUp(e enemy) { _ = e.conn.CloseNow() }

// nothing answers nothing.
func nothing(events.Request) []string { return nil }

// refusing answers handshakes with a status.
func refusing(status int) func(http.ResponseWriter, *http.Request, enemy) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ enemy) bool {
		w.WriteHeader(status)
		return false
	}
}

// raw answers handshakes with bytes, and hangs up.
func raw(text string, pause time.Duration) func(http.ResponseWriter, *http.Request, enemy) bool {
	return func(w http.ResponseWriter, _ *http.Request, e enemy) bool {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return false
		}
		defer conn.Close()
		for _, b := range []byte(text) {
			if _, err := conn.Write([]byte{b}); err != nil || !e.waits(pause) {
				return false
			}
		}
		if pause > 0 {
			<-e.ended
		}
		return false
	}
}

func encoded(frames ...events.Frame) (texts []string) {
	for _, f := range frames {
		body, _ := events.Encode(f) // of strings
		texts = append(texts, string(body))
	}
	return texts
}

// start is where the adversary's topics stand.
var start = events.Cursor{Epoch: "e", Seq: 1}

const below events.Topic = "orders/*"

// fair is the right answer to a request.
func fair(r events.Request) []string {
	about := events.Topic(r.Topic)
	snapshot := &events.Snapshot{ID: r.ID, Topic: about, Cursor: start, Items: []events.Item{}}
	switch r.Action {
	case events.ActionSubscribe:
		if about.IsPattern() {
			return encoded(&events.Subscribed{ID: r.ID, Topic: about, Below: events.Below{Cursors: map[events.Topic]string{"orders/1": start.String()}}})
		}
		subscribed := &events.Subscribed{ID: r.ID, Topic: about, Cursor: start, Recovered: r.After != ""}
		if r.Snapshot {
			return encoded(subscribed, snapshot)
		}
		return encoded(subscribed)
	case events.ActionSnapshot:
		return encoded(snapshot)
	case events.ActionPing:
		pong := &events.Pong{ID: r.ID, Below: events.Below{Cursors: map[events.Topic]string{}}}
		for topic, cursor := range r.Cursors {
			pong.Cursors[events.Topic(topic)] = cursor
		}
		return encoded(pong)
	case events.ActionPublish:
		return encoded(&events.Published{ID: r.ID, Topic: about, Item: events.Item{ID: r.Item.ID}})
	case events.ActionAuth:
		return encoded(&events.Authorized{ID: r.ID, Expires: events.Time(time.Now().Add(time.Hour)), Views: map[events.Topic]string{topic: "", below: ""}})
	}
	return encoded(&events.Unsubscribed{ID: r.ID, Topic: about})
}

// unless answers fairly, but requests of an action in another way.
func unless(action string, answer func(r events.Request) []string) func(events.Request) []string {
	return func(r events.Request) []string {
		if r.Action == action {
			return answer(r)
		}
		return fair(r)
	}
}

// changes is a frame with one change of topic's, at a seq.
func changes(epoch string, seq, to int64, op events.Op) string {
	return encoded(&events.Changes{Changes: []events.Change{{Topic: topic, Epoch: epoch, Seq: seq, To: to, Op: op, ID: "i"}}})[0]
}

// attack is what an adversary does.
type attack struct {
	handshake func(http.ResponseWriter, *http.Request, enemy) bool // false if there is to be no connection
	talk      func(enemy)                                          // over a connection; answers fairly if nil
	web       func(http.ResponseWriter, *http.Request, enemy) bool // over HTTP alone, if it is not nil; answers fairly if it gives false
	ends      func(err error) bool                                 // how the client is to end; nil if it is not to
	dials     int                                                  // how many there may be; usualDials if 0
	asks      int                                                  // how many requests; usualAsks if 0
}

// How busy a client may be during an attack. When pauses do not grow any more, they are 15 s
// on the average, and about 8 shorter ones come before that. Two watches and a publisher ask.
const (
	attackTime = 10 * time.Minute
	usualDials = 75
	usualAsks  = 300
)

func refused(status int) func(error) bool {
	return func(err error) bool {
		var refusal *client.HandshakeError
		return errors.As(err, &refusal) && refusal.Status == status
	}
}

func revoked(err error) bool {
	var refused *events.Error
	return errors.As(err, &refused) && refused.Code == events.CodeRevoked
}

// attacks are what adversaries do.
func attacks() map[string]attack {
	all := map[string]attack{
		"nothing bad": {dials: 1, asks: 40},

		// Handshakes.
		"401 for a minute": {dials: 30, handshake: func(w http.ResponseWriter, r *http.Request, e enemy) bool {
			return time.Since(e.began) > time.Minute || refusing(401)(w, r, e)
		}},
		"401 after a connection": {dials: 30, ends: refused(401), talk: afterAnswers(1, hangingUp), handshake: func(w http.ResponseWriter, r *http.Request, e enemy) bool {
			return e.n == 1 || refusing(401)(w, r, e)
		}},
		"401 and 503 in turn": {handshake: func(w http.ResponseWriter, r *http.Request, e enemy) bool {
			return refusing([]int{401, 503}[e.n%2])(w, r, e)
		}},
		"a page to log in": {handshake: raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 0)},
		"redirect to itself": {dials: 3 * usualDials, handshake: func(w http.ResponseWriter, r *http.Request, _ enemy) bool {
			http.Redirect(w, r, "/live", http.StatusFound)
			return false
		}},
		"no HTTP":                {handshake: raw("SSH-2.0-OpenSSH_9.6\r\n", 0)},
		"hangs up on handshake":  {handshake: raw("", 0)},
		"no key":                 {handshake: raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 0)},
		"handshake byte by byte": {handshake: raw("HTTP/1.1 101 Switching Protocols\r\nX-Long: "+strings.Repeat("x", 100), time.Second)},
		"no handshake": {handshake: func(_ http.ResponseWriter, r *http.Request, e enemy) bool {
			select {
			case <-r.Context().Done():
			case <-e.ended:
			}
			return false
		}},
		"slow handshake": {dials: 1, handshake: func(_ http.ResponseWriter, _ *http.Request, e enemy) bool { e.waits(14 * time.Second); return true }},

		// Silence.
		"no answer":              {talk: answers(nothing)},
		"does not read":          {talk: func(e enemy) { <-e.ended }},
		"reads one, and no more": {talk: afterAnswers(1, func(e enemy) { <-e.ended })},
		"half a frame for ever": {talk: afterAnswers(1, func(e enemy) {
			w, err := e.conn.Writer(context.Background(), websocket.MessageText)
			for err == nil && e.waits(time.Second) {
				_, err = w.Write([]byte(" "))
			}
		})},
		"answers late": {talk: func(e enemy) {
			answers(func(r events.Request) []string { e.waits(16 * time.Second); return fair(r) })(e)
		}},
		"answers half of the requests": {talk: answers(func(r events.Request) []string {
			if len(r.ID)%2 == int(r.ID[0])%2 {
				return nil
			}
			return fair(r)
		})},

		// Wrong answers.
		"answers twice": {dials: 1, talk: answers(func(r events.Request) []string { return append(fair(r), fair(r)...) })},
		"answers in another order": {talk: func(e enemy) {
			for a, ok := e.hear(); ok; a, ok = e.hear() {
				b, _ := e.hear()
				e.say(append(fair(b), fair(a)...)...)
			}
		}},
		"answers without id":       {talk: answers(func(r events.Request) []string { r.ID = ""; return fair(r) })},
		"answers of another id":    {talk: answers(func(r events.Request) []string { r.ID += "0"; return fair(r) })},
		"answers of another topic": {dials: 1, talk: answers(func(r events.Request) []string { r.Topic = "other"; return fair(r) })},
		"answers of another kind": {talk: answers(func(r events.Request) []string {
			switch r.Action {
			case events.ActionSubscribe:
				r.Action, r.Item = events.ActionPublish, &events.Item{ID: "i"}
			case events.ActionPublish:
				r.Action = events.ActionSubscribe
			default:
				r.Action = events.ActionUnsubscribe
			}
			return fair(r)
		})},
		"everything is a pong":     {talk: answers(func(r events.Request) []string { return encoded(&events.Pong{ID: r.ID}) })},
		"everything is authorized": {talk: answers(func(r events.Request) []string { return encoded(&events.Authorized{ID: r.ID}) })},
		"everything is a reset": {talk: answers(func(r events.Request) []string {
			return encoded(&events.Reset{ID: r.ID, Topic: events.Topic(r.Topic), Reason: events.ResetExpired})
		})},
		"everything is a page": {talk: answers(func(r events.Request) []string {
			return encoded(&events.Snapshot{ID: r.ID, Topic: events.Topic(r.Topic), Cursor: start})
		})},
		"API Gateway's own error": {talk: answers(func(events.Request) []string {
			return []string{`{"message": "Internal server error", "connectionId":"c", "requestId":"r"}`}
		})},
		"API Gateway's own errors all the time": {talk: saying(100*time.Millisecond, nothing, `{"message": "Internal server error", "connectionId":"c", "requestId":"r"}`)},

		// Frames that nobody asked for.
		"unknown frames all the time": {talk: saying(time.Second, nothing, `{"type":"news","id":"1"}`)},
		"no JSON all the time":        {talk: saying(time.Second, nothing, `{"type"`, `[]`, `null`, `1`, ``)},
		"binary frames": {talk: afterAnswers(1, func(e enemy) {
			_ = e.conn.Write(context.Background(), websocket.MessageBinary, []byte{0, 1})
			answers(fair)(e)
		})},
		"a frame that is too long":      {talk: afterAnswers(1, func(e enemy) { e.say(strings.Repeat(" ", 1<<20)) })},
		"subscribed all the time":       {dials: 1, talk: saying(time.Second, fair, encoded(&events.Subscribed{ID: "1", Topic: topic}, &events.Subscribed{ID: "2", Topic: topic}, &events.Subscribed{Topic: topic})...)},
		"resets all the time":           {dials: 1, talk: saying(time.Second, fair, encoded(&events.Reset{Topic: topic, Reason: events.ResetEpoch})...)},
		"errors of no request":          {dials: 1, talk: saying(time.Second, fair, encoded(&events.Error{Code: events.CodeInternal}, &events.Error{ID: "x", Code: events.CodeForbidden})...)},
		"expires all the time":          {dials: 1, talk: saying(time.Second, fair, encoded(&events.Expiring{})...)},
		"expires, and no token is good": {dials: 1, talk: saying(time.Second, unless(events.ActionAuth, func(r events.Request) []string { return encoded(&events.Error{ID: r.ID, Code: events.CodeBadToken}) }), encoded(&events.Expiring{})...)},
		"a token for nothing":           {dials: 1, talk: saying(time.Second, unless(events.ActionAuth, func(r events.Request) []string { return encoded(&events.Authorized{ID: r.ID}) }), encoded(&events.Expiring{})...)},
		"token expired":                 {talk: afterAnswers(2, func(e enemy) { e.say(encoded(&events.Error{Code: events.CodeTokenExpired})...); answers(fair)(e) })},
		"revoked":                       {dials: 1, ends: revoked, talk: afterAnswers(2, func(e enemy) { e.say(encoded(&events.Error{Code: events.CodeRevoked})...); answers(fair)(e) })},
		"a topic is forbidden":          {dials: 1, talk: saying(time.Second, fair, encoded(&events.Unsubscribed{Topic: topic, Reason: events.CodeForbidden})...)},
		"reconnect at once":             {talk: saying(time.Hour, fair, encoded(&events.Reconnect{})...)},
		"reconnect in the past":         {talk: saying(time.Hour, fair, encoded(&events.Reconnect{DelayMs: -1})...)},
		"reconnect never":               {dials: 1, talk: saying(time.Hour, fair, encoded(&events.Reconnect{DelayMs: math.MaxInt64})...)},
		"reconnect all the time, and hang up": {talk: func(e enemy) {
			time.AfterFunc(time.Second, func() { hangingUp(e) })
			saying(10*time.Millisecond, fair, encoded(&events.Reconnect{DelayMs: 60_000}, &events.Reconnect{})...)(e)
		}},

		// Numbers that do not add up.
		"a hole that is never filled": {dials: 1, talk: afterAnswers(1, func(e enemy) { e.say(changes("e", 9, 0, events.Added)); answers(fair)(e) })},
		"more and more holes": {dials: 1, asks: 400, talk: func(e enemy) {
			go func() {
				for n := int64(3); e.say(changes("e", n, 0, events.Added)) && e.waits(100*time.Millisecond); n += 2 {
				}
			}()
			answers(fair)(e)
		}},
		"a topic that is never there": {dials: 1, talk: saying(100*time.Millisecond, unless(events.ActionPing, func(r events.Request) []string { return encoded(&events.Pong{ID: r.ID}) }), changes("e", 9, 0, events.Added))},
		"a reset for every ping": {dials: 1, talk: saying(100*time.Millisecond, unless(events.ActionPing, func(r events.Request) []string {
			return append(encoded(&events.Reset{ID: r.ID, Topic: topic, Reason: events.ResetEpoch}), fair(r)...)
		}), changes("e", 9, 0, events.Added))},
		"two epochs in turn": {dials: 1, talk: saying(100*time.Millisecond, unless(events.ActionPing, func(r events.Request) []string {
			return encoded(&events.Pong{ID: r.ID, Below: events.Below{Cursors: map[events.Topic]string{topic: "f:9", "orders/1": "f:9", below: ":0"}}})
		}), changes("e", 9, 0, events.Added), changes("f", 9, 0, events.Added))},
		"the last numbers there are": {dials: 1, talk: saying(time.Second, fair, changes("e", math.MaxInt64, 0, events.Added), changes("e", 3, math.MaxInt64, events.Skipped), changes("e", math.MinInt64, math.MaxInt64, events.Skipped),
			changes("e", math.MinInt64, 0, events.Added), changes("e", 0, 0, events.Removed), changes("e", 5, 2, events.Skipped), changes("e", 2, 9, events.Added))},
		"cursors at the end of numbers": {dials: 1, talk: answers(func(r events.Request) []string {
			var f events.Frame = &events.Subscribed{ID: r.ID, Topic: topic, Cursor: events.Cursor{Epoch: "e", Seq: math.MaxInt64}, Recovered: true}
			if r.Action == events.ActionPing {
				f = &events.Pong{ID: r.ID, Below: events.Below{Cursors: map[events.Topic]string{topic: "e:9223372036854775807", below: ":0", "orders/1": "e:9223372036854775807"}}}
			}
			if r.Action == events.ActionPublish {
				return fair(r)
			}
			return append(encoded(f), changes("e", math.MaxInt64, 0, events.Added))
		})},
	}
	for _, status := range []int{400, 401, 403, 404, 426} {
		a := attack{handshake: refusing(status), ends: refused(status), dials: 1}
		if status == 401 {
			a.dials = 30
		}
		all[fmt.Sprint("status ", status)] = a
	}
	for _, status := range []int{204, 304, 408, 429, 500, 502, 503, 504, 599} {
		all[fmt.Sprint("status ", status)] = attack{handshake: refusing(status)}
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4000, 4999} {
		all[fmt.Sprint("closes with ", code, " before it answers")] = attack{talk: closing(code)}
		all[fmt.Sprint("closes with ", code, " after it answered")] = attack{talk: afterAnswers(1, closing(code))}
		all[fmt.Sprint("closes with ", code, " after 5 seconds")] = attack{talk: afterAnswers(2, func(e enemy) { e.waits(5 * time.Second); closing(code)(e) })}
	}
	all["closes with 1006 before it answers"] = attack{talk: hangingUp}
	all["closes with 1006 after it answered"] = attack{talk: afterAnswers(1, hangingUp)}
	all["closes with 1006 after 20 seconds"] = attack{talk: afterAnswers(2, func(e enemy) { e.waits(20 * time.Second); hangingUp(e) })}
	for _, code := range []events.Code{
		events.CodeBadJSON, events.CodeBadRequest, events.CodeUnknownAction, events.CodeBadTopic, events.CodeBadItem, events.CodeBadCursor,
		events.CodeOvertaken, events.CodeTooManySubscriptions, events.CodeTooManyConnections, events.CodeForbidden, events.CodeBadToken, events.CodeTokenExpired, events.CodeRevoked,
		events.CodeTooManyRequests, events.CodeNotConnected, events.CodeUnavailable, events.CodeInternal, "a_code_of_tomorrow", "",
	} {
		a := attack{talk: answers(func(r events.Request) []string { return encoded(&events.Error{ID: r.ID, Code: code}) })}
		if code.Remedy() == events.GiveUp {
			a.ends, a.dials = revoked, 1
		}
		all[fmt.Sprintf("error %q to everything", code)] = a
	}
	return all
}

// TestAdversaries: whatever the service does, the client ends only if the remedies say so,
// is not busier than its pauses allow, gives up when its user does, and leaves nothing behind.
func TestAdversaries(t *testing.T) {
	all := attacks()
	maps.Copy(all, webAttacks())
	if len(all) < 30 {
		t.Fatalf("only %d attacks", len(all))
	}
	for name, a := range all {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { a.run(t) }) })
	}
}

func (a attack) run(t *testing.T) {
	by := &adversary{began: time.Now(), ended: make(chan struct{})}
	listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.serve(by, w, r) })}
	go func() { _ = server.Serve(listener) }()
	transport := &http.Transport{DialContext: listener.dial}

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.use(ctx, t, &http.Client{Transport: transport}) }()
	time.Sleep(attackTime)
	var err error
	select {
	case err = <-ended:
		if a.ends == nil || !a.ends(err) {
			t.Errorf("the client has ended: %v", err)
		}
	default:
		if a.ends != nil {
			t.Error("the client has not ended")
		}
	}
	dials, asks := by.asked()
	if most := orUsual(a.dials, usualDials); len(dials) > most || len(dials) == 0 {
		t.Errorf("dialled %d times, may %d times", len(dials), most)
	}
	if most := orUsual(a.asks, usualAsks); len(asks) > most {
		t.Errorf("asked %d times, may %d times", len(asks), most)
	}
	if busy := mostWithin(dials, 40*time.Second); busy > max(a.dials, usualDials)/3 {
		t.Errorf("dialled %d times within 40 seconds", busy)
	}
	stopped := time.Now()
	cancel()
	if err == nil {
		<-ended
	}
	if took := time.Since(stopped); took > 1100*time.Millisecond {
		t.Errorf("took %v to end", took)
	}
	synctest.Wait() // for goroutines that have nothing left to do
	if left := goroutineOfClient(); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
	close(by.ended)
	transport.CloseIdleConnections()
	_ = server.Close()
}

// mostWithin is how many of some times lie within a duration of each other, at most.
func mostWithin(times []time.Time, d time.Duration) (most int) {
	for first, last := 0, 0; last < len(times); last++ {
		for times[last].Sub(times[first]) > d {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

func orUsual(most, usual int) int {
	if most == 0 {
		return usual
	}
	return most
}

// serve is what a client meets.
func (a attack) serve(by *adversary, w http.ResponseWriter, r *http.Request) {
	if a.web != nil {
		a.serveWeb(by, w, r)
		return
	}
	e := enemy{adversary: by, n: by.count(&by.handshakes)}
	if a.handshake != nil && !a.handshake(w, r, e) {
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	e.conn = conn
	if a.talk == nil {
		a.talk = answers(fair)
	}
	a.talk(e)
}

// use dials, and watches and publishes until the client or ctx ends. It says why the client
// has ended; nil if it did not do so by itself. Nothing waits longer than its context.
func (a attack) use(ctx context.Context, t *testing.T, by *http.Client) error {
	url := "ws://gateway/live"
	if a.web != nil {
		url = "http://gateway/live"
	}
	c, err := client.Dial(ctx, url, client.Options{HTTPClient: by, Token: func(context.Context) (string, error) { return "t", nil }})
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	var tasks sync.WaitGroup
	for _, watched := range []events.Topic{topic, below} {
		tasks.Go(func() {
			for range c.Watch(ctx, watched, client.WatchOptions{Snapshot: true}) {
			}
		})
	}
	for ctx.Err() == nil && c.Ended() == nil {
		publishing, cancel := context.WithTimeout(ctx, 20*time.Second)
		began := time.Now()
		_, err := c.Publish(publishing, topic, events.Item{ID: "i", Data: json.RawMessage(`{}`)})
		if took := time.Since(began); took > 21*time.Second {
			t.Errorf("publish took %v: %v", took, err)
		}
		cancel()
		select {
		case <-ctx.Done():
		case <-time.After(40 * time.Second):
		}
	}
	err = c.Ended()
	if ctx.Err() != nil {
		err = nil
	}
	c.Close()
	tasks.Wait()
	return err
}
