package dynamo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// turnstile lets the calls to DynamoDB of several clients through one at a time, in any order
// that is asked for. The path of a call says whose it is.
type turnstile struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting map[string]chan struct{}
	running int // clients that neither wait nor have ended
}

func (s *turnstile) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := strings.Trim(r.URL.Path, "/")
		r.URL.Path = "/"
		if who != "" {
			pass := make(chan struct{})
			s.change(func() { s.waiting[who] = pass; s.running-- })
			<-pass
		}
		h.ServeHTTP(w, r)
	})
}

func (s *turnstile) change(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
	s.changed.Broadcast()
}

// run lets clients do their work, and asks which of those that wait goes on.
func (s *turnstile) run(clients []func(), next func(waiting []string) string) {
	s.running = len(clients)
	for _, client := range clients {
		go func() {
			client()
			s.change(func() { s.running-- })
		}()
	}
	for {
		s.mu.Lock()
		for s.running > 0 {
			s.changed.Wait()
		}
		var waiting []string
		for who := range s.waiting {
			waiting = append(waiting, who)
		}
		if len(waiting) == 0 {
			s.mu.Unlock()
			return
		}
		slices.Sort(waiting)
		who := next(waiting)
		pass := s.waiting[who]
		delete(s.waiting, who)
		s.running++
		s.mu.Unlock()
		close(pass)
	}
}

// concurrent are stores whose calls pass a turnstile.
type concurrent struct {
	*dynamotest.Database
	*turnstile
	stores []*dynamo.Store
	sent   int // connections made
}

func newConcurrent(t *testing.T, clients int) *concurrent {
	c := &concurrent{Database: dynamotest.Start(t), turnstile: &turnstile{waiting: map[string]chan struct{}{}}}
	c.changed = sync.NewCond(&c.mu)
	server := httptest.NewServer(c.wrap(c.Engine.Service()))
	t.Cleanup(server.Close)
	for n := range clients {
		cfg := c.Config
		cfg.BaseEndpoint = aws.String(fmt.Sprintf("%s/%d", server.URL, n))
		c.stores = append(c.stores, dynamo.Open(cfg, dynamotest.Tables))
	}
	return c
}

// answerer carries out requests as the message function does, with the nth store.
func (c *concurrent) answerer(n int) watch.Answerer {
	s := c.stores[n]
	return watch.Answerer{Store: s, Sealer: seal.Fixed(make([]byte, seal.MinSecretBytes)), Logger: slog.New(slog.DiscardHandler)}
}

// mute is a client that is given the last frame alone.
type mute struct{}

func (mute) Post([]byte) error { return nil }
func (mute) Close() error      { return nil }

// wish is a request about one topic.
type wish struct {
	Action string       `json:"action"`
	Topic  events.Topic `json:"topic"`
	Order  int64        `json:"order,omitempty"`
	Fields []string     `json:"fields,omitempty"`
	sent   int          // in which millisecond
}

func (w wish) String() string { body, _ := json.Marshal(w); return string(body) }

// TestTheLastRequestAboutATopicWins: the calls to DynamoDB of one connection's requests come in any
// order. Each topic must end up watched as the last request about it has asked, and the
// connection's row must agree. Changes are numbered and pushed meanwhile, and the last subscribe
// gets all changes after its cursor. The connection may come from a version without orders, and
// watch a topic since. Shards may double at any read, and each watched topic must still have one
// row, in the shard that the connection's row names.
func TestTheLastRequestAboutATopicWins(t *testing.T) {
	c := newConcurrent(t, 5)
	store := c.Store()
	rapid.Check(t, func(t *rapid.T) {
		c.sent++
		topics := []events.Topic{events.Topic(fmt.Sprint("a", c.sent)), events.Topic(fmt.Sprint("b", c.sent))} // of one shard each
		connection := watch.Connection{Key: watch.Key{Subject: "alice", ID: watch.ConnectionID(fmt.Sprint("c", c.sent))}, Connected: time.Now(), Access: watch.Access{Grant: grant.All()}}
		publisher := pusher{store: c.stores[len(c.stores)-1], connection: connection.Key}
		publisher.store.ShardSize = rapid.SampledFrom([]int{0, 0, dynamo.DefaultShardSize}).Draw(t, "shard size")
		before := map[events.Topic]bool{}
		if rapid.Bool().Draw(t, "made before orders") {
			before[topics[0]] = true
			c.connectBefore(t, connection, string(topics[0]))
		} else if err := store.Connect(t.Context(), connection); err != nil {
			t.Fatal(err)
		}
		var wishes []wish
		last := map[events.Topic]wish{}
		for n := range rapid.IntRange(2, len(c.stores)-1).Draw(t, "requests") {
			w := wish{Topic: rapid.SampledFrom(topics).Draw(t, "topic"), Action: rapid.SampledFrom([]string{"subscribe", "unsubscribe"}).Draw(t, "action"), sent: n}
			if w.Action == "subscribe" && rapid.Bool().Draw(t, "has fields") {
				w.Fields = []string{"f"}
			}
			if rapid.Bool().Draw(t, "is numbered") {
				w.Order = int64(n + 1)
			}
			wishes = append(wishes, w)
			if l, ok := last[w.Topic]; !ok || w.Order > 0 || l.Order == 0 {
				last[w.Topic] = w
			}
		}
		turns := rapid.SliceOfN(rapid.IntRange(0, len(wishes)), 20, 20).Draw(t, "turns") // before anything runs
		answers := make([]string, len(wishes))
		var clients []func()
		for n, w := range wishes {
			clients = append(clients, func() {
				m := watch.Message{Body: []byte(w.String()), ID: fmt.Sprint(n), Time: time.UnixMilli(1_795_000_000_000 + int64(w.sent))}
				answers[n] = string(c.answerer(n).Answer(t.Context(), connection, m, mute{}))
			})
		}
		clients = append(clients, func() { publisher.push(t.Context(), topics, 2) })
		c.run(clients, func(waiting []string) string {
			turn := turns[0]
			turns = append(turns[1:], turn)
			return waiting[turn%len(waiting)]
		})
		for n, w := range wishes {
			if refused := strings.Contains(answers[n], `"code":"overtaken"`); refused && last[w.Topic].sent == n || !refused && !strings.HasPrefix(answers[n], `{"type":"`+w.Action+`d"`) {
				t.Errorf("%s is answered %s", w, answers[n])
			}
		}
		session, err := store.Session(t.Context(), connection.Key)
		if err != nil {
			t.Fatal(err)
		}
		subs, err := store.Subscriptions(t.Context(), connection.Key, topics, session.Shards)
		if err != nil {
			t.Fatal(err)
		}
		for _, topic := range topics {
			w, asked := last[topic]
			want := before[topic] && !asked || w.Action == "subscribe"
			at := slices.IndexFunc(subs, func(s watch.Subscription) bool { return s.Topic == topic })
			if watched, listed := at >= 0, slices.Contains(session.Topics, topic); watched != want || listed != want {
				t.Errorf("%s is watched %v, listed %v, want %v", topic, watched, listed, want)
			}
			if rows := rowsOf(t, store, topic); (len(rows) == 1) != want || len(rows) > 1 {
				t.Errorf("%s has the rows %+v, is to be watched: %v", topic, rows, want)
			}
			if asked && w.Action == "subscribe" {
				publisher.check(t, w, answers[w.sent])
			}
			if want && at >= 0 && (w.Fields != nil) != (subs[at].Fields != nil) {
				t.Errorf("%s is watched with fields %v, want %v", topic, subs[at].Fields, w.Fields)
			}
		}
	})
}

// pusher is fan-out: it numbers changes, and then reads who is to be told.
type pusher struct {
	store      *dynamo.Store
	connection watch.Key
	heard      map[events.Cursor]wish // as whom the connection was told of changes
	numbered   map[events.Topic][]events.Cursor
	err        error
}

// push makes some changes of each topic, one after the other.
func (p *pusher) push(ctx context.Context, topics []events.Topic, changes int) {
	p.heard, p.numbered = map[events.Cursor]wish{}, map[events.Topic][]events.Cursor{}
	for range changes {
		for _, topic := range topics {
			at := watch.Position(fmt.Sprint(time.Now().UnixNano()))
			numbered, err := watch.Numberer{Log: p.store}.Number(ctx, stream, []watch.Write{{Topic: topic, ID: "i", Op: events.Added, Position: at, Data: []byte("{}")}})
			entries := numbered.Entries
			if err != nil {
				p.err = err
				return
			}
			subs, err := p.store.Subscribers(ctx, topic, false, watch.Whole)
			if err != nil {
				p.err = err
				return
			}
			cursor := entries[0].Cursor()
			p.numbered[topic] = append(p.numbered[topic], cursor)
			latest := watch.Unordered
			for _, sub := range subs {
				if sub.Key == p.connection && sub.Order >= latest { // as Pusher has it
					p.heard[cursor] = wish{Action: "subscribe", Topic: topic, Fields: sub.Fields}
					latest = sub.Order
				}
			}
		}
	}
}

// rowsOf are all subscriptions to a topic.
func rowsOf(t *rapid.T, store *dynamo.Store, topic events.Topic) []watch.Subscription {
	subs, err := store.Subscribers(t.Context(), topic, false, watch.Whole)
	if err != nil {
		t.Fatal(err)
	}
	return subs
}

// check demands that whoever got the answer hears every change after its cursor.
func (p *pusher) check(t *rapid.T, w wish, answer string) {
	var subscribed struct {
		events.Cursor
		Type string
	}
	if err := json.Unmarshal([]byte(answer), &subscribed); err != nil || p.err != nil {
		t.Fatalf("%s: %v, %v", answer, err, p.err)
	}
	for _, cursor := range p.numbered[w.Topic] {
		if heard, ok := p.heard[cursor]; cursor.Seq > subscribed.Seq && (!ok || (heard.Fields != nil) != (w.Fields != nil)) {
			t.Errorf("%s was answered at %s, and hears of %s as %s", w, subscribed.Cursor, cursor, heard)
		}
	}
}

// TestSubscribeIsNotRefusedBecauseEarlierRequestsRunBeside it: before each of its calls, one of them
// has the connection watch the topic, or stop.
func TestSubscribeIsNotRefusedBecauseEarlierRequestsRunBeside(t *testing.T) {
	for _, again := range []bool{false, true} {
		d, c := dynamotest.Start(t), connection("c1", time.Now())
		s := d.Store()
		if err := s.Connect(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		earlier := subscription(c, "a")
		toggle := func() {
			earlier.Order++
			var err error
			if earlier.Again = !earlier.Again; earlier.Again {
				_, err = s.Subscribe(t.Context(), earlier)
			} else {
				err = s.Unsubscribe(t.Context(), c.Key, "a", earlier.Order)
			}
			if err != nil {
				t.Error(err)
			}
		}
		if again {
			toggle()
		}
		calls := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".UpdateItem") {
				calls++
				toggle()
			}
			d.Engine.Service().ServeHTTP(w, r)
		}))
		defer server.Close()
		cfg := d.Config
		cfg.BaseEndpoint = &server.URL
		last := subscription(c, "a")
		last.Order, last.Again = 1_000, again
		kept, err := dynamo.Open(cfg, dynamotest.Tables).Subscribe(t.Context(), last)
		if err != nil || kept.Already != earlier.Again || calls != 3 {
			t.Errorf("watched %v: %+v, %v after %d calls", earlier.Again, kept, err, calls)
		}
		session, err := s.Session(t.Context(), c.Key)
		subs, errSubs := s.Subscriptions(t.Context(), c.Key, []events.Topic{"a"}, session.Shards)
		if err != nil || errSubs != nil || session.Orders["a"] != 1_000 || len(subs) != 1 || subs[0].Order != 1_000 {
			t.Errorf("session %+v, subscriptions %+v, %v, %v", session, subs, err, errSubs)
		}
	}
}

// connectBefore makes the rows of a connection that watches a topic, as they were before there
// were orders.
func (c *concurrent) connectBefore(t rapid.TB, connection watch.Connection, topic string) {
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	number := func(n int64) types.AttributeValue { return &types.AttributeValueMemberN{Value: fmt.Sprint(n)} }
	until := connection.Ends().Unix()
	for table, row := range map[string]map[string]types.AttributeValue{
		"Connections": {
			"subject": text(connection.Subject), "connectionId": text(string(connection.ID)), "expiresAt": number(until), "connectedAt": number(connection.Connected.UnixMilli()),
			"topics": &types.AttributeValueMemberSS{Value: []string{topic}}, "subscribes": number(1),
		},
		"Subscriptions": {"topic": text(topic + "#0"), "connectionId": text(string(connection.ID)), "subject": text(connection.Subject), "expiresAt": number(until)},
	} {
		if _, err := c.Client.PutItem(context.Background(), &dynamodb.PutItemInput{TableName: &table, Item: row}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestConnectionsOfEarlierVersions go on when the service is updated: what they watch is known,
// renewed, left and forgotten.
func TestConnectionsOfEarlierVersions(t *testing.T) {
	c := newConcurrent(t, 0)
	s, alice := c.Store(), connection("c1", time.Now())
	c.connectBefore(t, alice, "a")
	session, err := s.Session(t.Context(), alice.Key)
	if err != nil || !slices.Equal(session.Topics, []events.Topic{"a"}) {
		t.Fatalf("session is %+v, %v", session, err)
	}
	subs, err := s.Subscriptions(t.Context(), alice.Key, session.Topics, session.Shards)
	if err != nil || len(subs) != 1 || subs[0].Order != watch.Unordered {
		t.Fatalf("subscriptions are %+v, %v", subs, err)
	}
	if there, err := s.Renew(t.Context(), subs[0]); !there || err != nil {
		t.Errorf("renewed: %v, %v", there, err)
	}
	for n, topic := range []events.Topic{"b", "a", "c"} {
		sub := subscription(alice, topic)
		sub.Order = watch.Order(n)
		if kept, err := s.Subscribe(t.Context(), sub); err != nil || kept.Already != (topic == "a") {
			t.Errorf("subscribe to %s: %+v, %v", topic, kept, err)
		}
	}
	if err := s.Unsubscribe(t.Context(), alice.Key, "a", 9); err != nil {
		t.Error(err)
	}
	if session, err := s.Session(t.Context(), alice.Key); err != nil || !slices.Equal(session.Topics, []events.Topic{"b", "c"}) {
		t.Errorf("session is %+v, %v", session, err)
	}
	old := connection("c2", time.Now())
	c.connectBefore(t, old, "a")
	if subs, err = s.Subscriptions(t.Context(), old.Key, []events.Topic{"a"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Withdraw(t.Context(), old.Key, subs...); err != nil {
		t.Error(err)
	}
	if session, err := s.Session(t.Context(), old.Key); err != nil || len(session.Topics) != 0 {
		t.Errorf("session is %+v, %v", session, err)
	}
	for _, key := range []watch.Key{alice.Key, old.Key} {
		if err := s.Forget(t.Context(), key, nil); err != nil {
			t.Error(err)
		}
	}
	for _, topic := range []events.Topic{"a", "b", "c"} {
		if ids, err := subscribers(t, s, topic); err != nil || len(ids) != 0 {
			t.Errorf("subscribers of %s: %v, %v", topic, ids, err)
		}
	}
}

// TestTopicsThatWereLeftAreRememberedInLittleRoom, however many there are. What has no room of
// its own makes a subscribe be refused that may be sent again, and never one count that came
// too late.
func TestTopicsThatWereLeftAreRememberedInLittleRoom(t *testing.T) {
	d := dynamotest.Start(t)
	s, c := d.Store(), connection("c1", time.Now())
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	const topics = 1_000
	name := func(n int) events.Topic { return events.Topic(fmt.Sprintf("stocks/%04d", n)) }
	for n := range topics {
		d.Engine.ResetUsage()
		if err := s.Unsubscribe(t.Context(), c.Key, name(n), watch.Order(2*n+2)); err != nil {
			t.Fatal(err)
		}
		if _, writes := d.Units(); writes != 2 {
			t.Fatalf("unsubscribe %d costs %v write units", n, writes)
		}
	}
	for n := range topics { // in the order before the unsubscribe
		late := subscription(c, name(n))
		late.Order = watch.Order(2*n + 1)
		if _, err := s.Subscribe(t.Context(), late); !isOvertaken(err) {
			t.Fatalf("subscribe to %s that came too late: %v", late.Topic, err)
		}
	}
	again := subscription(c, name(0))
	again.Order = 2*topics + 1
	if _, err := s.Subscribe(t.Context(), again); err != nil {
		t.Errorf("subscribe with a new order: %v", err)
	}
	if err := s.Unsubscribe(t.Context(), c.Key, name(0), again.Order+1); err != nil {
		t.Error(err)
	}
	if session, err := s.Session(t.Context(), c.Key); err != nil || len(session.Topics) != 0 {
		t.Errorf("session is %+v, %v", session, err)
	}
}

func isOvertaken(err error) bool { return errors.Is(err, watch.ErrOvertaken) }

// TestWithdrawTakesNothingElseBack: of a hundred subscriptions that end together, some were made
// anew meanwhile.
func TestWithdrawTakesNothingElseBack(t *testing.T) {
	s, c := dynamotest.Start(t).Store(), connection("c1", time.Now())
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	var subs []watch.Subscription
	for n := range events.MaxSubscriptions {
		sub := subscription(c, events.Topic(fmt.Sprintf("%0*d", events.MaxTopicBytes, n)))
		sub.Order = watch.Order(n + 1)
		if _, err := s.Subscribe(t.Context(), sub); err != nil {
			t.Fatal(err)
		}
		subs = append(subs, sub)
	}
	anew := slices.Clone(subs[10:13])
	for n := range anew {
		anew[n].Order = 1_000
		if _, err := s.Subscribe(t.Context(), anew[n]); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.Withdraw(t.Context(), c.Key, subs...); err != nil {
			t.Fatal(err)
		}
	}
	session, err := s.Session(t.Context(), c.Key)
	if err != nil || len(session.Topics) != len(anew) {
		t.Errorf("session is %+v, %v", session, err)
	}
	if left, err := s.Subscriptions(t.Context(), c.Key, session.Topics, session.Shards); err != nil || len(left) != len(anew) || left[0].Order != 1_000 {
		t.Errorf("subscriptions are %+v, %v", left, err)
	}
	if err := s.Withdraw(t.Context(), watch.Key{Subject: "alice", ID: "gone"}, subs[0]); err != nil {
		t.Errorf("of a connection that is gone: %v", err)
	}
}
