package stack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	goclient "github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/watch"
)

// TestPresence has members come and go in every way, before a watcher of the presence topic and of all
// presence topics below one, and over HTTP. It counts what presence costs.
func TestPresence(t *testing.T) {
	s := start(t, tokensOnly)
	here := s.token(t, "olga", `{"v":1,"allow":[{"topics":["@presence/rooms/*"],"actions":["subscribe","read"]}]}`, nil)
	watcher, below := s.connectWith(t, here), s.connectWith(t, here)
	watcher.subscribe("@presence/rooms/1")
	below.subscribe("@presence/rooms/*")
	expect := func(want ...string) {
		t.Helper()
		for _, c := range []*client{watcher, below} {
			if got := inWords(t, c.changes(len(want))); strings.Join(got, ", ") != strings.Join(want, ", ") {
				t.Errorf("changes are %q, want %q", got, want)
			}
		}
	}
	const claim = `{"v":1,"allow":[{"topics":["rooms/*"],"actions":["subscribe","join"]}]}`
	member := func(subject string) *client {
		t.Helper()
		s.ResetUsage()
		c := s.connectWith(t, s.token(t, subject, claim, nil))
		if f := c.join("rooms/1"); f.Presence == nil || f.Presence.LeaseMs != events.PresenceLease.Milliseconds() {
			t.Errorf("join is answered %+v", f)
		}
		if writes := s.eventWrites(); writes != 1 {
			t.Errorf("the join of %s costs %v write units of Events, want 1", subject, writes)
		}
		return c
	}
	ada := member("ada|1")
	expect("added ada:7C1")
	ben := member("ben")
	expect("added ben")
	cleo := member("cleo")
	expect("added cleo")

	items := read[events.TopicItems](t, s.request(t, "GET", "/topics/@presence/rooms/1", here), 200)
	if len(items.Items) != 3 || !strings.Contains(string(items.Items[0].Data), `"name":"N"`) || strings.Contains(fmt.Sprint(items), "watchroute") {
		t.Errorf("over HTTP there are %+v", items.Items)
	}
	s.ResetUsage()
	ada.send(`{"action":"ping","cursors":{"rooms/1":":0"}}`)
	if pong, ok := ada.frame().(*events.Pong); !ok || len(pong.Cursors) != 1 {
		t.Errorf("ping is answered %+v", pong)
	}
	if writes := s.eventWrites(); writes != 0 {
		t.Errorf("a ping that is not due costs %v write units of Events", writes)
	}
	ada.send(`{"action":"unsubscribe","topic":"rooms/1"}`)
	expect("removed ada:7C1")
	if err := ben.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	expect("removed ben")
	cleo.auth(s.token(t, "cleo", strings.ReplaceAll(claim, `,"join"`, ""), nil))
	expect("removed cleo")
	s.joinGone(t, "eve", "rooms/1")
	expect("added eve")
	s.put(t, "rooms/1", "i", "1") // which fan-out cannot post to her
	expect("removed eve")
	dora := member("dora")
	expect("added dora")
	s.revoke(t, "dora", "*")
	dora.ended(events.CodeRevoked)
	expect("removed dora")
}

// joinGone has a member present by a connection that does not exist, as after a crash that nobody noticed.
func (s *running) joinGone(t *testing.T, subject string, topic events.Topic) {
	t.Helper()
	store, now := s.store(), time.Now()
	c := watch.Connection{Key: watch.Key{Subject: subject, ID: "AAAAAAAAAAAAAAA="}, Connected: now}
	sub := watch.Subscription{Key: c.Key, Topic: topic, Order: 1, Options: watch.Options{Presence: "N"}, Until: c.Ends(), Lease: now.Add(events.PresenceLease)}
	err := store.Connect(t.Context(), c)
	if err == nil {
		_, err = store.Subscribe(t.Context(), sub)
	}
	if err == nil {
		err = store.Join(t.Context(), sub, watch.Joining{Replaces: watch.Unordered, Ends: c.Ends()})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// inWords gives what changes say, without times.
func inWords(t *testing.T, changes []events.Change) (words []string) {
	t.Helper()
	for _, c := range changes {
		var member events.Member
		if err := json.Unmarshal(c.Data, &member); err != nil || member.Name != "N" {
			t.Errorf("member is %s", c.Data)
		}
		words = append(words, string(c.Op)+" "+c.ID)
	}
	return words
}

// eventWrites gives the write units of Events since the last reset. Only members' items are written.
func (s *running) eventWrites() (units float64) {
	for _, c := range s.Usage().DynamoDB.Tables[s.Outputs["EventsTable"]] {
		units += c.WriteCapacityUnits
	}
	return units
}

// closeConnections closes all connections by the management API.
func (s *running) closeConnections(t *testing.T) {
	t.Helper()
	for _, id := range s.connections(t) {
		if !strings.HasSuffix(id, "=") {
			continue // a row of another kind
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.URL()+"/"+s.Stage()+"/@connections/"+url.PathEscape(id), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local/20260209/us-east-1/execute-api/aws4_request")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusNoContent {
			t.Errorf("%s is closed with %d", id, response.StatusCode)
		}
	}
}

// TestPresenceByClients: Go clients join a room, and see each other, over WebSockets and over HTTP. One
// whose connection breaks is present again, and one that is closed is not.
func TestPresenceByClients(t *testing.T) {
	s := start(t, tokensOnly)
	const claim = `{"v":1,"allow":[{"topics":["rooms/*"],"actions":["subscribe","join"]},{"topics":["@presence/rooms/*"],"actions":["subscribe","read"]}]}`
	dial := func(subject string, transport goclient.Transport) *goclient.Client {
		t.Helper()
		c, err := goclient.Dial(t.Context(), s.WebSocketURL(), goclient.Options{
			HTTPURL: s.HTTPURL(), Transports: []goclient.Transport{transport}, AnswerTime: patience,
			Token: func(context.Context) (string, error) { return s.token(t, subject, claim, nil), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	ctx, ended := context.WithCancel(t.Context())
	var mu sync.Mutex
	lists := map[goclient.Transport]*goclient.Members{goclient.WebSocket: {}, goclient.ServerSentEvents: {}}
	var watching sync.WaitGroup
	for transport, list := range lists {
		c := dial("olga", transport)
		watching.Go(func() {
			for event, err := range c.Watch(ctx, events.Topic("rooms/1").Presence(), goclient.WatchOptions{Snapshot: true}) {
				if err != nil {
					return // closed at the end of the test
				}
				mu.Lock()
				list.Apply(event)
				mu.Unlock()
			}
		})
	}
	expect := func(what, want string) {
		t.Helper()
		eventually(t, what, func() bool {
			mu.Lock()
			defer mu.Unlock()
			for _, list := range lists {
				var names []string
				for _, member := range list.Present() {
					names = append(names, member.ID+" "+member.Name)
				}
				if !list.Ready() || strings.Join(names, ", ") != want {
					return false
				}
			}
			return true
		})
	}
	expect("nobody", "")
	join := func(subject, name string) *goclient.Client {
		c := dial(subject, goclient.WebSocket)
		watching.Go(func() {
			for _, err := range c.Watch(ctx, "rooms/1", goclient.WatchOptions{Presence: &events.PresenceRequest{Name: name}}) {
				if err != nil {
					return
				}
			}
		})
		return c
	}
	ada := join("ada", "Ada")
	expect("one member", "ada Ada")
	join("ben", "Ben")
	expect("two members", "ada Ada, ben Ben")
	before := ada.Stats().Connections
	s.closeConnections(t)
	eventually(t, "another connection", func() bool { return ada.Stats().Connections > before })
	eventually(t, "everyone present again", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return lists[goclient.WebSocket].Count() == 2 && lists[goclient.ServerSentEvents].Count() == 2
	})
	ada.Close()
	expect("one member", "ben Ben")
	ended()
	watching.Wait()
}
