package client_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/watch"
)

// service is the whole service in this process: the emulated API Gateway, the real
// answers and pushes, and tables that are maps.
type service struct {
	watch.Presences // of which there are none
	ctx             context.Context
	gateway         *apigateway.Gateway
	address         string
	http            *http.Client
	pusher          watch.Pusher
	front           *front

	mu          sync.Mutex
	items       map[events.Topic]map[string]string
	heads       map[events.Topic]watch.Head
	log         map[events.Topic][]watch.Entry
	connections map[watch.ConnectionID]map[events.Topic]watch.Subscription
	pageItems   int // items of a page of the table
	named       int // topics of a pattern that are named at most; 0 for as many as the service does
	reads       int // of the log
	refuse      int // status that $connect answers, if not 0
	revoked     []watch.Revocation
	fail        events.Code                         // what publish fails with once
	tokens      map[string]watch.Access             // nil if everyone may do everything
	given       map[watch.ConnectionID]watch.Access // by the token of the handshake
	refreshed   map[watch.ConnectionID]watch.Access // by another since
	shown       []string                            // tokens, of handshakes and auths in turn
	received    []arrival                           // clients' frames
	published   []watch.Publication
	lose        func(frame string) bool         // frames that are taken and never arrive
	brings      int                             // frames of changes that one answer brings at most; 0 for all
	alter       func(answer *[]byte, in string) // of a message's function
	dawdle      func(frame string)              // before a message is carried out, and before it is answered
}

// arrival is a frame of a client, and when it was answered.
type arrival struct {
	frame string
	at    time.Time
}

const topic events.Topic = "stocks/AAPL"

// bubble runs a test with a service on a network in memory, in a synctest bubble,
// whose time everything goes by.
func bubble(t *testing.T, test func(t *testing.T, s *service)) {
	synctest.Test(t, func(t *testing.T) { inBubble(t, test) })
}

// inBubble does the same in the bubble of the caller.
func inBubble(t *testing.T, test func(t *testing.T, s *service)) {
	s := newService(t.Context())
	listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: s.front, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(listener) }()
	transport := &http.Transport{DialContext: listener.dial}
	s.http, s.address = &http.Client{Transport: transport}, "gateway"
	t.Cleanup(func() {
		s.set(func() { s.dawdle = nil })
		time.Sleep(time.Minute) // of the bubble: what dawdles has ended, as the gateway does not wait for it
		s.gateway.Close()
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	test(t, s)
}

func newService(ctx context.Context) *service {
	s := &service{ctx: ctx, pageItems: 1000,
		items: map[events.Topic]map[string]string{}, heads: map[events.Topic]watch.Head{},
		log: map[events.Topic][]watch.Entry{}, connections: map[watch.ConnectionID]map[events.Topic]watch.Subscription{},
		given: map[watch.ConnectionID]watch.Access{}, refreshed: map[watch.ConnectionID]watch.Access{},
	}
	routes := map[string]apigateway.Route{}
	for key, function := range map[string]string{"$connect": "connect", "$disconnect": "disconnect", "$default": "message"} {
		routes[key] = apigateway.Route{Function: function, Permitted: true, TwoWay: key == "$default"}
	}
	s.gateway = apigateway.New(apigateway.API{ID: "a", Stage: "live", Region: "us-east-1", Account: "0", Routes: routes}, s,
		apigateway.Options{Unsigned: true, Logger: slog.New(slog.DiscardHandler)})
	s.pusher = watch.Pusher{Subscribers: s, Poster: s}
	s.front = newFront(s)
	return s
}

// dial makes a client that ends with the test.
func (s *service) dial(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	o.HTTPClient = s.http
	c, err := client.Dial(t.Context(), s.url(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (s *service) url() string { return "ws://" + s.address + "/live" }

// connection is where the management API has a connection.
func (s *service) connection(id watch.ConnectionID) string {
	return "http://" + s.address + "/live/@connections/" + url.PathEscape(string(id))
}

// Invoke is Lambda.
func (s *service) Invoke(ctx context.Context, function string, payload []byte) ([]byte, bool, error) {
	var event awsevents.APIGatewayWebsocketProxyRequest
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, false, err
	}
	c := watch.Connection{
		Key:       watch.Key{Subject: "alice", ID: watch.ConnectionID(event.RequestContext.ConnectionID)},
		Connected: time.UnixMilli(event.RequestContext.ConnectedAt), Access: s.access(watch.ConnectionID(event.RequestContext.ConnectionID)),
	}
	answer := awsevents.APIGatewayProxyResponse{StatusCode: http.StatusOK}
	switch function {
	case "connect":
		if answer.StatusCode = s.connect(ctx, c.ID, event.Headers["Authorization"]); answer.StatusCode == http.StatusBadGateway {
			return nil, true, nil // the function crashed
		}
	case "disconnect":
		_ = s.Forget(ctx, c.Key, nil)
	case "message":
		ctx = context.WithValue(ctx, brought{}, new(int))
		s.dawdles(event.Body)
		logger := slog.New(slog.DiscardHandler)
		carryOut := watch.Answerer{Store: s, Sealer: seal.Fixed(make([]byte, seal.MinSecretBytes)), Logger: logger}.Answer
		if request, err := events.ParseRequest([]byte(event.Body)); err == nil && request.Action == events.ActionAuth {
			carryOut = watch.Renewer{Store: s, Tokens: s, Logger: logger}.Answer
		}
		last := carryOut(ctx, c, messageOf(event), peer{ctx, s, c.ID})
		s.dawdles(event.Body)
		s.mu.Lock()
		alter := s.alter
		s.received = append(s.received, arrival{event.Body, time.Now()})
		s.mu.Unlock()
		if alter != nil {
			alter(&last, event.Body)
		}
		answer.Body = string(last)
	}
	output, err := json.Marshal(answer)
	return output, false, err
}

func (s *service) dawdles(frame string) {
	s.mu.Lock()
	dawdle := s.dawdle
	s.mu.Unlock()
	if dawdle != nil {
		dawdle(frame)
	}
}

func messageOf(event awsevents.APIGatewayWebsocketProxyRequest) watch.Message {
	id, _ := event.RequestContext.MessageID.(string)
	return watch.Message{Body: []byte(event.Body), ID: id, Time: time.UnixMilli(event.RequestContext.RequestTimeEpoch)}
}

// brought is the key of the number of frames with changes that an answer has brought.
type brought struct{}

// peer is the client that is answered.
type peer struct {
	ctx context.Context
	s   *service
	id  watch.ConnectionID
}

func (p peer) Post(frame []byte) error { return p.s.Post(p.ctx, p.id, watch.NewFrame(frame)) }
func (p peer) Close() error            { return p.s.Close(p.ctx, p.id) }

// access is that of the connection's first token.
func (s *service) access(id watch.ConnectionID) watch.Access {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given[id]
}

// Authenticate takes a token that is in tokens and has not expired.
func (s *service) Authenticate(_ context.Context, raw string) (string, watch.Access, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = append(s.shown, raw)
	if s.tokens == nil {
		return watch.Anonymous, watch.Access{Grant: grant.All()}, nil
	}
	access, ok := s.tokens[raw]
	if !ok || !time.Now().Before(access.Expires) {
		return "", watch.Access{}, watch.ErrUnauthorized
	}
	return "alice", access, nil
}

// Check finds nothing revoked.
func (s *service) Check(context.Context, string, watch.Access) error { return nil }

// connect is authorizer and $connect in one.
func (s *service) connect(ctx context.Context, id watch.ConnectionID, authorization string) int {
	_, access, err := s.Authenticate(ctx, strings.TrimPrefix(authorization, "Bearer "))
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.refuse != 0:
		return s.refuse
	case err != nil:
		return http.StatusUnauthorized
	}
	s.given[id] = access
	s.connections[id] = map[events.Topic]watch.Subscription{}
	return http.StatusOK
}

// issue gives a client tokens for a grant, another one each time, which are t1, t2 and
// so on and good for a while.
func (s *service) issue(g grant.Grant, life time.Duration) func(context.Context) (string, error) {
	s.set(func() { s.tokens = map[string]watch.Access{} })
	return func(context.Context) (string, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		token := fmt.Sprint("t", len(s.tokens)+1)
		s.tokens[token] = watch.Access{Grant: g, Expires: time.Now().Add(life)}
		return token, nil
	}
}

// put writes an item and pushes its change; remove deletes it.
func (s *service) put(topic events.Topic, id, data string) {
	op := events.Added
	s.mu.Lock()
	if s.items[topic] == nil {
		s.items[topic] = map[string]string{}
	}
	before, ok := s.items[topic][id]
	if ok {
		op = events.Modified
	}
	s.items[topic][id] = data
	s.mu.Unlock()
	s.push(topic, s.numberFrom(topic, op, id, before, data))
}

// putAtOnce writes items, whose changes come in one batch.
func (s *service) putAtOnce(topic events.Topic, data string, ids ...string) {
	var entries []watch.Entry
	for _, id := range ids {
		s.mu.Lock()
		if s.items[topic] == nil {
			s.items[topic] = map[string]string{}
		}
		op, before := events.Added, s.items[topic][id]
		if before != "" {
			op = events.Modified
		}
		s.items[topic][id] = data
		s.mu.Unlock()
		entries = append(entries, s.numberFrom(topic, op, id, before, data))
	}
	s.push(topic, entries...)
}

func (s *service) remove(topic events.Topic, id string) {
	s.mu.Lock()
	data := s.items[topic][id]
	delete(s.items[topic], id)
	s.mu.Unlock()
	s.push(topic, s.number(topic, events.Removed, id, data))
}

func (s *service) number(topic events.Topic, op events.Op, id, data string) watch.Entry {
	return s.numberFrom(topic, op, id, "", data)
}

func (s *service) numberFrom(topic events.Topic, op events.Op, id, before, data string) watch.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	head := s.heads[topic]
	if head.Epoch == "" {
		head.Epoch, head.First = "e1", true
	}
	head.Seq++
	s.heads[topic] = head
	e := watch.Entry{Change: events.Change{Topic: topic, Epoch: head.Epoch, Seq: head.Seq, Op: op, ID: id, Time: events.Time(time.Now()), Data: json.RawMessage(data)}}
	if before != "" {
		e.Before = json.RawMessage(before)
	}
	s.log[topic] = append(s.log[topic], e)
	return e
}

func (s *service) push(topic events.Topic, entries ...watch.Entry) {
	_, _, _ = s.pusher.Push(s.ctx, []watch.Numbered{{Topic: topic, Entries: entries}}) // a watcher that is not there is what is tested
}

// expire forgets the log up to a seq; recreate begins the topic's numbering anew.
func (s *service) expire(topic events.Topic, seq int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log[topic] = slices.DeleteFunc(s.log[topic], func(e watch.Entry) bool { return e.Seq <= seq })
}

func (s *service) recreate(topic events.Topic, epoch string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heads[topic], s.log[topic] = watch.Head{Cursor: events.Cursor{Epoch: epoch}}, nil
}

// forgetRows makes the service forget every connection, though they are there.
func (s *service) forgetRows() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.connections)
}

func (s *service) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *service) subscribed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, topics := range s.connections {
		for topic := range topics {
			all = append(all, string(topic))
		}
	}
	sort.Strings(all)
	return all
}

// table gives a topic's items as id=data.
func (s *service) table(topic events.Topic) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]string{}
	for id, data := range s.items[topic] {
		all[id] = data
	}
	return all
}

// What follows are the tables and the way back to the clients.

func (s *service) Subscribe(_ context.Context, sub watch.Subscription) (watch.Kept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	topics, ok := s.connections[sub.ID]
	_, already := topics[sub.Topic]
	switch {
	case !ok:
		return watch.Kept{}, watch.ErrNotConnected
	case len(topics) >= events.MaxSubscriptions && !already:
		return watch.Kept{}, watch.ErrTooManySubscriptions
	}
	topics[sub.Topic] = sub
	return watch.Kept{Already: already}, nil
}

func (s *service) Renew(_ context.Context, sub watch.Subscription) (there bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there = s.connections[sub.ID][sub.Topic]; there {
		s.connections[sub.ID][sub.Topic] = sub
	}
	return there, nil
}

// Unsubscribe knows no order, as a service of an earlier version.
func (s *service) Unsubscribe(_ context.Context, key watch.Key, topic events.Topic, _ watch.Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections[key.ID], topic)
	return nil
}

func (s *service) Withdraw(_ context.Context, key watch.Key, subs ...watch.Subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range subs {
		if s.connections[key.ID][sub.Topic].Order == sub.Order {
			delete(s.connections[key.ID], sub.Topic)
		}
	}
	return nil
}

func (s *service) Subscriptions(_ context.Context, key watch.Key, topics []events.Topic, _ map[events.Topic]int) (subs []watch.Subscription, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, topic := range topics {
		if sub, ok := s.connections[key.ID][topic]; ok {
			subs = append(subs, sub)
		}
	}
	return subs, nil
}

func (s *service) Session(_ context.Context, key watch.Key) (watch.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connections[key.ID] == nil {
		return watch.Session{}, watch.ErrNotConnected
	}
	session := watch.Session{Orders: map[events.Topic]watch.Order{}}
	for topic, sub := range s.connections[key.ID] {
		session.Topics = append(session.Topics, topic)
		session.Orders[topic] = sub.Order
	}
	if access, ok := s.refreshed[key.ID]; ok {
		session.Access = &access
	}
	return session, nil
}

func (s *service) Refresh(_ context.Context, key watch.Key, access watch.Access) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshed[key.ID] = access
	return nil
}

func (s *service) Put(_ context.Context, p watch.Publication) error {
	if code := s.failure(); code != "" {
		return &events.Error{Code: code, Message: "as the test wants it"}
	}
	s.set(func() { s.published = append(s.published, p) })
	go s.put(p.Topic, p.Item.ID, string(p.Item.Data))
	return nil
}

func (s *service) failure() events.Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	code := s.fail
	s.fail = ""
	return code
}

func (s *service) Remove(_ context.Context, p watch.Publication) error {
	go s.remove(p.Topic, p.Item.ID)
	return nil
}

func (s *service) Page(_ context.Context, topic events.Topic, after string, _ int) (page []watch.Row, next string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for id := range s.items[topic] {
		if id > after {
			ids = append(ids, id)
		}
	}
	sort.Strings(ids)
	if len(ids) > s.pageItems {
		ids = ids[:s.pageItems]
		next = ids[len(ids)-1]
	}
	for _, id := range ids {
		page = append(page, watch.Row{Item: events.Item{ID: id, Data: json.RawMessage(s.items[topic][id])}})
	}
	return page, next, nil
}

func (s *service) Head(_ context.Context, topic events.Topic) (watch.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heads[topic], nil
}

func (s *service) Since(_ context.Context, topic events.Topic, from, to int64) (entries []watch.Entry, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	for _, e := range s.log[topic] {
		if e.Seq > from && e.Seq <= to {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

func (s *service) Below(_ context.Context, pattern, _ events.Topic, limit int) (topics []events.Topic, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic := range s.heads {
		if pattern.Matches(topic) {
			topics = append(topics, topic)
		}
	}
	limit = cmp.Or(s.named, limit)
	return topics[:min(limit, len(topics))], len(topics) > limit, nil
}

func (s *service) Subscribers(_ context.Context, topic events.Topic, belowAlone bool, _ watch.Part) (subs []watch.Subscription, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, topics := range s.connections {
		for _, sub := range topics {
			if base, wildcard := sub.Topic.Split(); base == topic && (wildcard != "" || !belowAlone) {
				subs = append(subs, sub)
			}
		}
	}
	return subs, nil
}

func (s *service) Forget(_ context.Context, key watch.Key, _ []watch.Subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, key.ID)
	return nil
}

func (s *service) Post(ctx context.Context, id watch.ConnectionID, frame watch.Frame) error {
	if s.loses(ctx, string(frame.Body)) {
		return nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.connection(id), bytes.NewReader(frame.Body))
	if err != nil {
		return err
	}
	response, err := s.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusGone:
		return watch.ErrGone
	}
	return fmt.Errorf("post: %s", response.Status)
}

func (s *service) loses(ctx context.Context, frame string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := ctx.Value(brought{}).(*int); ok && s.brings > 0 && strings.Contains(frame, `"type":"changes"`) {
		if *n++; *n > s.brings {
			return true
		}
	}
	return s.lose != nil && s.lose(frame)
}

// Close ends a connection as DELETE does.
func (s *service) Close(ctx context.Context, id watch.ConnectionID) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, s.connection(id), nil)
	if err != nil {
		return err
	}
	response, err := s.http.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// all gives every connection.
func (s *service) all() []watch.ConnectionID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.connections))
}

// cut ends every connection.
func (s *service) cut() {
	for _, id := range s.all() {
		_ = s.Close(s.ctx, id) // one that is gone already is as good
	}
}

// tell sends a frame to every connection.
func (s *service) tell(t *testing.T, frame events.Frame) {
	t.Helper()
	body, err := events.Encode(frame)
	for _, id := range s.all() {
		err = errors.Join(err, s.Post(s.ctx, id, watch.NewFrame(body)))
	}
	if err != nil {
		t.Error(err)
	}
}

// pipes is a network in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
