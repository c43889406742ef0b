package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
	"golang.org/x/tools/txtar"
)

// TestScenarios follows the scenarios that the JavaScript client follows, too.
func TestScenarios(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/scenarios.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, scenario := range archive.Files {
		t.Run(scenario.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newPlayer(t).play(string(scenario.Data)) })
		})
	}
}

// player carries out the lines of a scenario.
type player struct {
	t       *testing.T
	options client.Options
	client  *client.Client

	mu           sync.Mutex
	token        string
	doors        []*door // that clients have knocked at, the newest last
	ids          map[string]string
	watches      map[string]*audience
	publications map[string]string
}

// door is a connection that the client opens. What it is answered, the scenario says.
type door struct {
	opens    chan bool
	conn     *websocket.Conn
	requests []json.RawMessage
	closed   bool
}

// audience is a watch, and the events that it has seen, as the words of a scenario.
type audience struct {
	seen  []string
	leave context.CancelFunc
}

func newPlayer(t *testing.T) *player {
	p := &player{t: t, ids: map[string]string{}, watches: map[string]*audience{}, publications: map[string]string{}}
	listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(listener) }()
	transport := &http.Transport{DialContext: listener.dial}
	p.options.HTTPClient = &http.Client{Transport: transport}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() {
		cancel()
		for _, d := range p.doors {
			if d.conn == nil && !d.closed {
				d.opens <- false
			}
		}
		synctest.Wait()
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	p.options.Token = func(context.Context) (string, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.token, nil
	}
	go func() {
		c, err := client.Dial(ctx, "ws://service/live", p.options)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.client = c; err == nil {
			t.Cleanup(c.Close)
		}
	}()
	return p
}

func (p *player) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := &door{opens: make(chan bool)}
	p.do(func() { p.doors = append(p.doors, d) })
	if !<-d.opens {
		p.do(func() { d.closed = true })
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		p.t.Error(err)
		return
	}
	p.do(func() { d.conn = conn })
	for {
		_, frame, err := conn.Read(context.Background())
		if err != nil {
			p.do(func() { d.closed = true })
			return
		}
		p.do(func() { d.requests = append(d.requests, frame) })
	}
}

func (p *player) do(what func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what()
}

// play carries out a script. Everything comes to rest after each line.
func (p *player) play(script string) {
	synctest.Wait()
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		verb, rest, _ := strings.Cut(line, " ")
		if verb == "" {
			continue
		}
		if err := p.carryOut(verb, rest); err != nil {
			p.t.Fatalf("%s\n%v", line, err)
		}
		synctest.Wait()
	}
}

func (p *player) carryOut(verb, rest string) error {
	words := strings.SplitN(rest, " ", 3)
	switch verb {
	case "connects", "refuses":
		return p.answer(verb == "connects")
	case "token":
		p.do(func() { p.token = rest })
		return nil
	case "passes":
		ms, err := strconv.Atoi(rest)
		time.Sleep(time.Duration(ms) * time.Millisecond)
		return err
	case "watch":
		return p.watch(words[0], events.Topic(words[1]), words[2])
	case "leave":
		p.watches[rest].leave()
		return nil
	case "sees":
		return p.sees(strings.Fields(rest))
	case "publish":
		return p.publish(words[0], events.Topic(words[1]), words[2])
	case "published":
		return p.published(rest)
	case "asks":
		return p.asks(rest)
	case "says":
		return p.says(p.door(1), rest)
	case "before":
		return p.says(p.door(2), strings.TrimPrefix(rest, "says "))
	case "drops":
		return p.drops(rest)
	case "closed":
		return p.closed()
	}
	return errors.New("no such verb")
}

// door gives one of the connections, 1 for the newest.
func (p *player) door(back int) *door {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.doors[len(p.doors)-back]
}

func (p *player) answer(opens bool) error {
	p.mu.Lock()
	if len(p.doors) == 0 || p.doors[len(p.doors)-1].conn != nil || p.doors[len(p.doors)-1].closed {
		p.mu.Unlock()
		return fmt.Errorf("no connection is being made; there were %d", len(p.doors))
	}
	d := p.doors[len(p.doors)-1]
	p.mu.Unlock()
	d.opens <- opens
	return nil
}

func (p *player) drops(code string) error {
	d := p.door(1)
	status, err := strconv.Atoi(code)
	if status == int(websocket.StatusAbnormalClosure) {
		return d.conn.CloseNow()
	}
	return errors.Join(err, d.conn.Close(websocket.StatusCode(status), ""))
}

func (p *player) closed() error {
	back := min(2, len(p.doors))
	if d := p.door(back); !d.closed {
		return errors.New("the connection is open")
	}
	return nil
}

func (p *player) watch(name string, topic events.Topic, text string) error {
	var wanted struct {
		events.Request
		Cursors map[events.Topic]string
	}
	if err := json.Unmarshal([]byte(text), &wanted); err != nil {
		return err
	}
	o := client.WatchOptions{Snapshot: wanted.Snapshot, Filter: wanted.Filter, Fields: wanted.Fields, Delta: wanted.Delta, Latest: wanted.Latest, Presence: wanted.Presence}
	if wanted.After != "" {
		after, err := events.ParseCursor(wanted.After)
		if err != nil {
			return err
		}
		o.After = &after
	}
	ctx, cancel := context.WithCancel(p.t.Context())
	a := &audience{leave: cancel}
	p.watches[name] = a
	go func() {
		for event, err := range p.client.Watch(ctx, topic, o) {
			if ctx.Err() == nil {
				p.do(func() { a.seen = append(a.seen, shown(event, err)...) })
			}
		}
	}()
	return nil
}

// shown gives an event as the words of a scenario.
func shown(event client.Event, err error) (words []string) {
	wire := (*events.Error)(nil)
	switch {
	case errors.Is(err, client.ErrOtherView):
		return []string{"ended", "other_view"}
	case errors.As(err, &wire):
		return []string{"ended", string(wire.Code)}
	case err != nil:
		return []string{"ended", err.Error()}
	case event.Change != nil:
		return []string{"change", event.Change.ID, event.Cursor.String()}
	case event.Page == nil && event.Costly:
		return []string{"costly", event.Cursor.String()}
	case event.Page == nil:
		return []string{"at", event.Cursor.String()}
	}
	words = []string{"page"}
	for word, is := range map[string]bool{"first": event.Page.First, "last": event.Page.Last} {
		if is {
			words = append(words, word)
		}
	}
	slices.Sort(words[1:])
	if event.Page.Reason != "" {
		words = append(words, string(event.Page.Reason))
	}
	for _, item := range event.Page.Items {
		words = append(words, item.ID)
	}
	if !event.Page.Last {
		return append(words, "-")
	}
	return append(words, event.Cursor.String())
}

func (p *player) sees(words []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, want := p.watches[words[0]], words[1:]
	if want[len(want)-1] == "nothing" {
		if want = want[:len(want)-1]; len(a.seen) > len(want) {
			return fmt.Errorf("it sees more: %q", a.seen)
		}
	}
	if len(a.seen) < len(want) || !slices.Equal(a.seen[:len(want)], want) {
		return fmt.Errorf("it sees %q", a.seen)
	}
	a.seen = a.seen[len(want):]
	return nil
}

func (p *player) publish(name string, topic events.Topic, text string) error {
	var item events.Item
	if err := json.Unmarshal([]byte(text), &item); err != nil {
		return err
	}
	go func() {
		published, err := p.client.PublishWith(p.t.Context(), topic, item, client.PublishOptions{})
		result := published.Mark
		if wire := (*events.Error)(nil); errors.As(err, &wire) {
			result = string(wire.Code)
		}
		p.do(func() { p.publications[name] = result })
	}()
	return nil
}

func (p *player) published(rest string) error {
	name, want, _ := strings.Cut(rest, " ")
	p.mu.Lock()
	defer p.mu.Unlock()
	if got, ok := p.publications[name]; !ok || got != want {
		return fmt.Errorf("it is %q, ended %t", got, ok)
	}
	return nil
}

func (p *player) asks(rest string) error {
	d := p.door(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	text, id, _ := strings.Cut(rest, " as ")
	if text == "nothing" {
		if len(d.requests) > 0 {
			return fmt.Errorf("it asks %s", d.requests)
		}
		return nil
	}
	var want any
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		return err
	}
	for i, request := range d.requests {
		var got map[string]any
		if err := json.Unmarshal(request, &got); err != nil {
			return err
		}
		if has(got, want) {
			p.ids[id], _ = got["id"].(string)
			d.requests = slices.Delete(d.requests, i, i+1)
			return nil
		}
	}
	return fmt.Errorf("it asks %s", d.requests)
}

// has reports whether JSON has all that is wanted of it.
func has(got, want any) bool {
	members, ok := want.(map[string]any)
	if !ok {
		return fmt.Sprint(got) == fmt.Sprint(want)
	}
	object, ok := got.(map[string]any)
	for name, value := range members {
		ok = ok && has(object[name], value)
	}
	return ok
}

// says sends a frame, with the id of the request that it names.
func (p *player) says(d *door, text string) error {
	var frame map[string]any
	if err := json.Unmarshal([]byte(text), &frame); err != nil {
		return err
	}
	if name, ok := frame["id"].(string); ok {
		frame["id"] = p.ids[name]
	}
	message, err := json.Marshal(frame)
	return errors.Join(err, d.conn.Write(p.t.Context(), websocket.MessageText, message))
}
