package watch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// memoryLog is a Log of one topic in memory. fail, if set, is asked before and after
// each append is carried out; an error before refuses it, one after loses its answer.
type memoryLog struct {
	mu   sync.Mutex
	head watch.Head
	rows map[int64]watch.Entry
	fail func(when string) error

	reads, appends, announced int
}

func (l *memoryLog) Head(context.Context, events.Topic) (watch.Head, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head, nil
}

func (l *memoryLog) Append(_ context.Context, _ events.Topic, from, to watch.Head, entries []watch.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.failing("before"); err != nil {
		return err
	}
	if l.head.Cursor != from.Cursor {
		return watch.ErrConflict
	}
	if len(entries) > watch.MaxAppendEntries {
		return errors.New("too many entries in one append")
	}
	l.head = to
	for _, e := range entries {
		l.rows[e.Seq] = e
	}
	l.appends++
	return l.failing("after")
}

// Heads gives a log of one topic the head of any.
func (l *memoryLog) Heads(ctx context.Context, topics []events.Topic) (map[events.Topic]watch.Head, error) {
	heads := map[events.Topic]watch.Head{}
	for _, topic := range topics {
		heads[topic], _ = l.Head(ctx, topic) // which never fails
	}
	return heads, nil
}

func (l *memoryLog) Announce(context.Context, ...events.Topic) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.announced++
	return nil
}

func (l *memoryLog) failing(when string) error {
	if l.fail == nil {
		return nil
	}
	return l.fail(when)
}

func (l *memoryLog) Before(_ context.Context, _ events.Topic, seq int64, limit int) ([]watch.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	var page []watch.Entry
	for ; seq > 0 && len(page) < limit; seq-- {
		if row, ok := l.rows[seq]; ok {
			page = append(page, row)
		}
	}
	return page, nil
}

// ids gives the ids of the log's current life in the order of their numbers, and
// whether the numbers are dense from 1 and all of the head's epoch.
func (l *memoryLog) ids() (ids []string, dense bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for seq := int64(1); seq <= l.head.Seq; seq++ {
		row, ok := l.rows[seq]
		if !ok || row.Epoch != l.head.Epoch || row.Seq != seq {
			return ids, false
		}
		ids = append(ids, row.ID)
	}
	return ids, true
}

// topicLogs is a Log of several topics.
type topicLogs map[events.Topic]watch.Log

func (l topicLogs) Head(ctx context.Context, topic events.Topic) (watch.Head, error) {
	return l[topic].Head(ctx, topic)
}

func (l topicLogs) Heads(ctx context.Context, topics []events.Topic) (map[events.Topic]watch.Head, error) {
	heads := map[events.Topic]watch.Head{}
	for _, topic := range topics {
		head, err := l.Head(ctx, topic)
		if err != nil {
			return nil, err
		}
		heads[topic] = head
	}
	return heads, nil
}

func (l topicLogs) Announce(ctx context.Context, topics ...events.Topic) error {
	for _, topic := range topics {
		if err := l[topic].Announce(ctx, topic); err != nil {
			return err
		}
	}
	return nil
}

func (l topicLogs) Append(ctx context.Context, topic events.Topic, from, to watch.Head, entries []watch.Entry) error {
	return l[topic].Append(ctx, topic, from, to, entries)
}

func (l topicLogs) Before(ctx context.Context, topic events.Topic, seq int64, limit int) ([]watch.Entry, error) {
	return l[topic].Before(ctx, topic, seq, limit)
}

// memoryWatchers are Subscribers, Connections, a Poster and a Prober in memory.
type memoryWatchers struct {
	mu          sync.Mutex
	topics      map[events.Topic][]watch.ConnectionID
	unread      events.Topic         // reading its subscribers fails
	subs        []watch.Subscription // besides topics
	connections []watch.Connection
	revoked     []watch.Revocation
	unknown     error                        // reading them fails
	answers     map[watch.ConnectionID]error // to posts and probes
	unclosed    map[watch.ConnectionID]error // to closes
	probed      []watch.ConnectionID
	posts       map[watch.ConnectionID][]string
	bodies      [][]byte // of all posts, as they were given
	closed      []watch.ConnectionID
	forgotten   []watch.ConnectionID
	forgot      map[watch.ConnectionID][]events.Topic // that were given with them
}

var errRead = errors.New("subscribers cannot be read")

func (m *memoryWatchers) Subscribers(_ context.Context, topic events.Topic, belowAlone bool, part watch.Part) ([]watch.Subscription, error) {
	if topic == m.unread {
		return nil, errRead
	}
	var subs []watch.Subscription
	for _, id := range m.topics[topic] {
		if belowAlone {
			break
		}
		subs = append(subs, watch.Subscription{Key: watch.Key{Subject: "s", ID: id}, Topic: topic, Until: time.Now().Add(time.Hour)})
	}
	for _, sub := range m.subs {
		if base, wildcard := sub.Topic.Split(); base == topic && (wildcard != "" || !belowAlone) {
			subs = append(subs, sub)
		}
	}
	return slices.DeleteFunc(subs, func(sub watch.Subscription) bool { return !part.Has(sub.ID) }), nil
}

func (m *memoryWatchers) Close(_ context.Context, id watch.ConnectionID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.unclosed[id]; err != nil {
		return err
	}
	m.closed = append(m.closed, id)
	return nil
}

func (m *memoryWatchers) Forget(_ context.Context, key watch.Key, subs []watch.Subscription) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgotten = append(m.forgotten, key.ID)
	if m.forgot == nil {
		m.forgot = map[watch.ConnectionID][]events.Topic{}
	}
	m.forgot[key.ID] = nil
	for _, sub := range subs {
		m.forgot[key.ID] = append(m.forgot[key.ID], sub.Topic)
	}
	return nil
}

func (m *memoryWatchers) Connections(_ context.Context, subject string) ([]watch.Connection, error) {
	var of []watch.Connection
	for _, c := range m.connections {
		if c.Subject == subject {
			of = append(of, c)
		}
	}
	return of, nil
}

func (m *memoryWatchers) Connect(_ context.Context, c watch.Connection) error {
	m.connections = append(m.connections, c)
	return nil
}

func (m *memoryWatchers) Revocations(context.Context, string, string) ([]watch.Revocation, error) {
	return m.revoked, m.unknown
}

func (m *memoryWatchers) Probe(_ context.Context, id watch.ConnectionID) error {
	m.probed = append(m.probed, id)
	return m.answers[id]
}

func (m *memoryWatchers) Post(_ context.Context, id watch.ConnectionID, frame watch.Frame) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.answers[id]; err != nil {
		return err
	}
	if m.posts == nil {
		m.posts = map[watch.ConnectionID][]string{}
	}
	m.posts[id] = append(m.posts[id], string(frame.Body))
	m.bodies = append(m.bodies, frame.Body)
	return nil
}

func sortedIDs(ids []watch.ConnectionID) []watch.ConnectionID {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}

// memoryStore keeps one connection, and the items and logs of topics. It notes what is
// asked of it about topics.
type memoryStore struct {
	access *watch.Access // by the latest token
	subs   map[events.Topic]watch.Subscription
	row    map[events.Topic]watch.Order // of the subscribe that counts
	left   map[events.Topic]watch.Order // of the latest unsubscribe
	items  map[events.Topic][]events.Item
	void   map[string]bool // items that are there no more, by their ids
	log    map[events.Topic][]watch.Entry
	mu     sync.Mutex // heads are read at once
	asked  []string

	published  []watch.Publication
	member     memoryMember
	present    map[events.Topic]watch.Order // of the subscription with presence, as the row has it
	subscribes int                          // that there were
	forgotten  bool                         // the connection is
	before     func()                       // is called, if set, before each read and write of subscriptions
}

// newMemoryStore has nothing.
func newMemoryStore() *memoryStore {
	return &memoryStore{
		subs: map[events.Topic]watch.Subscription{}, row: map[events.Topic]watch.Order{}, left: map[events.Topic]watch.Order{},
		present: map[events.Topic]watch.Order{},
	}
}

func (s *memoryStore) step() {
	if s.before != nil {
		s.before()
	}
}

func (s *memoryStore) note(what string, topic events.Topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what+" "+string(topic))
}

func (s *memoryStore) Session(context.Context, watch.Key) (watch.Session, error) {
	s.step()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forgotten {
		return watch.Session{}, watch.ErrNotConnected
	}
	return watch.Session{Topics: slices.Sorted(maps.Keys(s.row)), Orders: maps.Clone(s.row), Subscribes: s.subscribes, Access: s.access}, nil
}

func (s *memoryStore) Refresh(_ context.Context, _ watch.Key, a watch.Access) error {
	s.step()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.access != nil && s.access.Order != 0 && s.access.Order > a.Order {
		return watch.ErrOvertaken
	}
	s.access = &a
	return nil
}

func (s *memoryStore) Forget(context.Context, watch.Key, []watch.Subscription) error {
	s.mu.Lock()
	clear(s.subs)
	clear(s.row)
	clear(s.present)
	clear(s.member.by)
	s.forgotten = true
	s.mu.Unlock()
	return nil
}

func (s *memoryStore) Subscribe(_ context.Context, sub watch.Subscription) (kept watch.Kept, err error) {
	s.note("subscribe", sub.Topic)
	s.step()
	kept.Already, kept.Replaces, err = s.enter(sub)
	s.step()
	if err == nil {
		err = s.addTopic(sub)
	}
	if err == nil && sub.Presence == "" && kept.Replaces != watch.Unordered {
		s.depart(kept.Replaces)
	}
	return kept, err
}

// enter has the row name the topic.
func (s *memoryStore) enter(sub watch.Subscription) (already bool, replaces watch.Order, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	order, already := s.row[sub.Topic]
	left, wasLeft := s.left[sub.Topic]
	if s.forgotten {
		return false, watch.Unordered, watch.ErrNotConnected
	}
	if already && order > sub.Order || wasLeft && left >= sub.Order {
		return already, watch.Unordered, watch.ErrOvertaken
	}
	s.subscribes++
	s.row[sub.Topic] = sub.Order
	replaces = s.leaveRow(sub.Topic)
	if sub.Presence != "" {
		s.present[sub.Topic] = sub.Order
	}
	return already, replaces, nil
}

// leaveRow takes the presence in a topic out of the row, and gives its order.
func (s *memoryStore) leaveRow(topic events.Topic) watch.Order {
	at, ok := s.present[topic]
	if !ok {
		return watch.Unordered
	}
	delete(s.present, topic)
	return at
}

func (s *memoryStore) addTopic(sub watch.Subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if there, ok := s.subs[sub.Topic]; ok && there.Order > sub.Order {
		return watch.ErrOvertaken
	}
	s.subs[sub.Topic] = sub
	return nil
}

func (s *memoryStore) Renew(_ context.Context, sub watch.Subscription) (there bool, err error) {
	s.step()
	s.mu.Lock()
	defer s.mu.Unlock()
	old, there := s.subs[sub.Topic]
	if there = there && old.Order == sub.Order && (old.Auth == 0 || old.Auth <= sub.Auth); there {
		s.subs[sub.Topic] = sub
	}
	return there, nil
}

func (s *memoryStore) Unsubscribe(_ context.Context, _ watch.Key, topic events.Topic, at watch.Order) error {
	s.note("unsubscribe", topic)
	s.step()
	present, err := s.leave(topic, at)
	if err != nil {
		return err
	}
	s.step()
	s.mu.Lock()
	if s.subs[topic].Order < at {
		delete(s.subs, topic)
	}
	s.mu.Unlock()
	s.depart(present)
	return nil
}

// leave has the row name the topic no more, and gives the order of the presence in it.
func (s *memoryStore) leave(topic events.Topic, at watch.Order) (present watch.Order, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if order, ok := s.row[topic]; ok && order >= at {
		return watch.Unordered, watch.ErrOvertaken
	}
	delete(s.row, topic)
	if left, ok := s.left[topic]; !ok || left < at {
		s.left[topic] = at
	}
	return s.leaveRow(topic), nil
}

func (s *memoryStore) Withdraw(_ context.Context, _ watch.Key, subs ...watch.Subscription) error {
	for _, sub := range subs {
		s.note("withdraw", sub.Topic)
		s.step()
		s.mu.Lock()
		if there, ok := s.subs[sub.Topic]; ok && there.Order == sub.Order {
			delete(s.subs, sub.Topic)
		}
		s.mu.Unlock()
		s.depart(sub.Order)
		s.step()
		s.mu.Lock()
		if order, ok := s.row[sub.Topic]; ok && order == sub.Order {
			delete(s.row, sub.Topic)
			s.leaveRow(sub.Topic)
		}
		s.mu.Unlock()
	}
	return nil
}

func (s *memoryStore) Subscriptions(_ context.Context, _ watch.Key, topics []events.Topic, _ map[events.Topic]int) ([]watch.Subscription, error) {
	s.step()
	s.mu.Lock()
	defer s.mu.Unlock()
	var subs []watch.Subscription
	for _, topic := range topics {
		if sub, ok := s.subs[topic]; ok {
			subs = append(subs, sub)
		}
	}
	return subs, nil
}

func (s *memoryStore) Put(_ context.Context, p watch.Publication) error {
	s.note("put", p.Topic)
	s.published = append(s.published, p)
	return nil
}

func (s *memoryStore) Remove(_ context.Context, p watch.Publication) error {
	s.note("remove", p.Topic)
	s.published = append(s.published, p)
	return nil
}

func (s *memoryStore) Page(_ context.Context, topic events.Topic, after string, limit int) (rows []watch.Row, next string, err error) {
	s.note("page", topic)
	for _, item := range s.items[topic] {
		if item.ID <= after {
			continue
		}
		if len(rows) == limit {
			return rows, rows[limit-1].ID, nil
		}
		rows = append(rows, watch.Row{Item: item, Void: s.void[item.ID]})
	}
	return rows, "", nil
}

func (s *memoryStore) Head(_ context.Context, topic events.Topic) (watch.Head, error) {
	s.note("head", topic)
	log := s.log[topic]
	if len(log) == 0 {
		return watch.Head{}, nil
	}
	return watch.Head{Cursor: log[len(log)-1].Cursor(), First: true}, nil
}

func (s *memoryStore) Below(_ context.Context, pattern, after events.Topic, limit int) (topics []events.Topic, more bool, err error) {
	s.note("below", pattern)
	for _, topic := range slices.Sorted(maps.Keys(s.log)) {
		if pattern.Matches(topic) && topic > after {
			topics = append(topics, topic)
		}
	}
	return topics[:min(limit, len(topics))], len(topics) > limit, nil
}

func (s *memoryStore) Since(_ context.Context, topic events.Topic, from, to int64) ([]watch.Entry, error) {
	s.note("since", topic)
	return s.log[topic][from:to], nil
}

// client is the one at the other end of a connection, and what answers it.
type client struct {
	*memoryStore
	answerer   watch.Answerer
	renewer    watch.Renewer
	connection watch.Connection
	frames     [][]byte // of the latest answer
	closed     bool
	deaf       error // what posts to it answer
	unclosable bool
	sent       int // messages
}

// newClient connects a client of the subject s now, with the rules of its token.
func newClient(t testing.TB, rules string) *client {
	t.Helper()
	store := newMemoryStore()
	c := connected(time.Now())
	c.Grant = granted(t, "s", rules)
	return &client{memoryStore: store, connection: c, answerer: watch.Answerer{
		Store: store, Sealer: seal.Fixed(make([]byte, seal.MinSecretBytes)), Logger: slog.New(slog.DiscardHandler),
	}, renewer: watch.Renewer{Store: store, Logger: slog.New(slog.DiscardHandler)}}
}

// granted gives the grant of a token.
func granted(t testing.TB, subject, rules string) grant.Grant {
	t.Helper()
	g, err := grant.Parse([]byte(`{"v":1,"allow":[`+rules+`]}`), subject)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// message is the nth that a client has sent, each a millisecond after the one before.
func message(body string, n int) watch.Message {
	return watch.Message{Body: []byte(body), ID: fmt.Sprint("message ", n), Time: time.UnixMilli(1_790_000_000_000 + int64(n))}
}

func (c *client) Post(frame []byte) error {
	if c.deaf == nil {
		c.frames = append(c.frames, frame)
	}
	return c.deaf
}

func (c *client) Close() error {
	if c.unclosable {
		return errors.New("throttled")
	}
	c.closed = true
	return nil
}

// answering is what a request is sent to.
type answering interface {
	Answer(context.Context, watch.Connection, watch.Message, watch.Peer) []byte
}

// ask sends a request, which goes to the renewer as API Gateway's route has it if it is an auth
// and there is one. See askOf.
func (c *client) ask(t *testing.T, request string) string {
	t.Helper()
	if r, err := events.ParseRequest([]byte(request)); err == nil && r.Action == events.ActionAuth && c.renewer.Tokens != nil {
		return c.askOf(t, c.renewer, request)
	}
	return c.askOf(t, c.answerer, request)
}

// askOf gives the frames of an answer, each in short, and "closed" if that is what comes
// of it.
func (c *client) askOf(t *testing.T, of answering, request string) string {
	t.Helper()
	c.frames = nil
	c.sent++
	if last := of.Answer(t.Context(), c.connection, message(request, c.sent), c); last != nil {
		c.frames = append(c.frames, last)
	}
	var short []string
	for _, frame := range c.frames {
		short = append(short, inShort(t, frame))
	}
	if c.closed {
		short = append(short, "closed")
	}
	return strings.Join(short, "; ")
}

func decoded(t testing.TB, data []byte) events.Frame {
	t.Helper()
	frame, err := events.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// object reads JSON data, its numbers digit for digit.
func object(t rapid.TB, data []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var o map[string]any
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return o
}
