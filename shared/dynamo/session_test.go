package dynamo_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// connection is one of alice, made at a time.
func connection(id watch.ConnectionID, at time.Time) watch.Connection {
	return watch.Connection{Key: watch.Key{Subject: "alice", ID: id}, Connected: at}
}

func subscription(c watch.Connection, topic events.Topic) watch.Subscription {
	return watch.Subscription{Key: c.Key, Topic: topic, Until: c.Ends()}
}

// subscribers gives the ids of those whose time is not over.
func subscribers(t *testing.T, s *dynamo.Store, topic events.Topic) (ids []watch.ConnectionID, err error) {
	t.Helper()
	subs, err := s.Subscribers(t.Context(), topic, false, watch.Whole)
	for _, sub := range subs {
		if sub.Until.After(time.Now()) {
			ids = append(ids, sub.ID)
		}
	}
	return ids, err
}

func TestSession(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := connection("c1", time.Now())
	if _, err := s.Session(t.Context(), c.Key); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("unknown connection: %v", err)
	}
	if err := s.Refresh(t.Context(), c.Key, watch.Access{}); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("refresh of an unknown connection: %v", err)
	}
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if session, err := s.Session(t.Context(), c.Key); err != nil || len(session.Topics) != 0 || session.Access != nil {
		t.Errorf("new connection: %+v, %v", session, err)
	}
	for _, topic := range []events.Topic{"b", "a"} {
		if _, err := s.Subscribe(t.Context(), subscription(c, topic)); err != nil {
			t.Fatal(err)
		}
	}
	access := watch.Access{Grant: grant.All(), TokenID: "t2", Issued: time.Unix(1000, 0), Expires: time.Unix(2000, 0), Order: 5}
	if err := s.Refresh(t.Context(), c.Key, access); err != nil {
		t.Fatal(err)
	}
	session, err := s.Session(t.Context(), c.Key)
	slices.Sort(session.Topics)
	if err != nil || !slices.Equal(session.Topics, []events.Topic{"a", "b"}) || fmt.Sprint(*session.Access) != fmt.Sprint(access) {
		t.Errorf("session %+v, %v", session, err)
	}
	if known, err := s.Connections(t.Context(), "alice"); err != nil || len(known) != 1 || known[0].TokenID != "t2" || known[0].Key != c.Key {
		t.Errorf("connections %+v, %v", known, err)
	}
	if err := s.Refresh(t.Context(), c.Key, watch.Access{Order: 4}); !errors.Is(err, watch.ErrOvertaken) {
		t.Errorf("an earlier auth: %v", err)
	}
	later := subscription(c, "a")
	later.Auth = 5
	if there, err := s.Renew(t.Context(), later); err != nil || !there {
		t.Errorf("renewed: %t, %v", there, err)
	}
	earlier := later
	earlier.Auth = 4
	if there, err := s.Renew(t.Context(), earlier); err != nil || there {
		t.Errorf("renewed by an earlier auth: %t, %v", there, err)
	}
	if err := s.Refresh(t.Context(), c.Key, watch.Access{Expires: time.Unix(3000, 0), Order: 6}); err != nil {
		t.Fatal(err)
	}
	if session, err := s.Session(t.Context(), c.Key); err != nil || session.Access == nil || session.Access.Grant.String() != "" {
		t.Errorf("refreshed by a token that grants nothing: %+v, %v", session, err)
	}
	s.Now = func() time.Time { return c.Ends() }
	if _, err := s.Session(t.Context(), c.Key); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("expired row: %v", err)
	}
	if known, err := s.Connections(t.Context(), "alice"); err != nil || len(known) != 0 {
		t.Errorf("connections %+v, %v", known, err)
	}
}

// TestSubscribesAreCounted, also those to a topic that is watched already.
func TestSubscribesAreCounted(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := connection("c1", time.Now())
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	sub := subscription(c, "a")
	for n, want := range []error{nil, nil, watch.ErrTooManyRequests, nil, watch.ErrTooManyRequests} {
		if sub.Quota.Subscribes = 2; n == 3 {
			sub.Quota.Subscribes, sub.Topic = 3, "b" // time has passed
		}
		if _, err := s.Subscribe(t.Context(), sub); !errors.Is(err, want) {
			t.Errorf("subscribe %d: %v, want %v", n, err, want)
		}
	}
	sub.Quota = watch.Quota{}
	if kept, err := s.Subscribe(t.Context(), sub); !kept.Already || err != nil {
		t.Errorf("without a bound: %+v, %v", kept, err)
	}
}

// TestSubscriptionsKeepTheirOptions reads back all that a subscription has.
func TestSubscriptionsKeepTheirOptions(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := connection("c1", time.Now().Truncate(time.Second))
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	view, err := grant.View{}.Narrow([]byte(`{"price":[{"numeric":[">",100]}]}`), []string{"price"})
	if err != nil {
		t.Fatal(err)
	}
	want := subscription(c, "b")
	want.View, want.Options = view, watch.Options{Filter: []byte(`{"price":[{"numeric":[">",100]}]}`), Fields: []string{"price", "a.b"}, Delta: true}
	for _, sub := range []watch.Subscription{subscription(c, "a"), want} {
		if _, err := s.Subscribe(t.Context(), sub); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Subscriptions(t.Context(), c.Key, []events.Topic{"b", "c", "a"}, nil)
	if err != nil || len(got) != 2 || got[0].Topic != "a" || !got[0].View.IsZero() {
		t.Fatalf("subscriptions %+v, %v", got, err)
	}
	watched, err := s.Subscribers(t.Context(), "b", false, watch.Whole)
	if err != nil || len(watched) != 1 {
		t.Fatalf("subscribers %+v, %v", watched, err)
	}
	for _, sub := range []watch.Subscription{got[1], watched[0]} {
		if sub.View.String() != view.String() {
			t.Errorf("view %s, want %s", sub.View, view)
		}
		sub.View = want.View
		if fmt.Sprint(sub) != fmt.Sprint(want) {
			t.Errorf("subscription %+v, want %+v", sub, want)
		}
	}
	want.Options = watch.Options{Latest: true}
	if there, err := s.Renew(t.Context(), want); !there || err != nil {
		t.Fatalf("renewed %t, %v", there, err)
	}
	if got, err = s.Subscriptions(t.Context(), c.Key, []events.Topic{"b"}, nil); err != nil || len(got) != 1 || !got[0].Latest || got[0].Delta {
		t.Errorf("renewed is %+v, %v", got, err)
	}
}

func TestSubscriptionsOfAConnection(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := connection("c1", time.Now())
	if _, err := s.Subscribe(t.Context(), subscription(c, "a")); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("subscribe before connect: %v", err)
	}
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for i, topic := range []events.Topic{"a", "b", "a"} {
		if kept, err := s.Subscribe(t.Context(), subscription(c, topic)); err != nil || kept.Already != (i == 2) {
			t.Errorf("subscribe to %s: %+v, %v", topic, kept, err)
		}
	}
	if ids, err := subscribers(t, s, "a"); err != nil || !slices.Equal(ids, []watch.ConnectionID{"c1"}) {
		t.Errorf("subscribers: %v, %v", ids, err)
	}
	for range 2 { // twice is no error
		if err := s.Unsubscribe(t.Context(), c.Key, "b", 1); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if err := s.Forget(t.Context(), c.Key, nil); err != nil {
			t.Error(err)
		}
	}
	for _, topic := range []events.Topic{"a", "b"} {
		if ids, err := subscribers(t, s, topic); err != nil || len(ids) != 0 {
			t.Errorf("subscribers of %s after forget: %v, %v", topic, ids, err)
		}
	}
	if err := s.Unsubscribe(t.Context(), c.Key, "a", 1); err != nil {
		t.Errorf("unsubscribe after forget: %v", err)
	}
	if _, err := s.Subscribe(t.Context(), subscription(c, "a")); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("subscribe after forget: %v", err)
	}
}

// TestRenewBringsNothingBack that has ended meanwhile, and does not count as a subscribe.
func TestRenewBringsNothingBack(t *testing.T) {
	d := dynamotest.Start(t)
	s, c := d.Store(), connection("c1", time.Now())
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []events.Topic{"a", "b", "c"} {
		if _, err := s.Subscribe(t.Context(), subscription(c, topic)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Unsubscribe(t.Context(), c.Key, "b", 1), s.Unsubscribe(t.Context(), c.Key, "c", 1)); err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[events.Topic]bool{"a": true, "b": false, "never": false} {
		later := subscription(c, topic)
		later.Until = later.Until.Add(time.Hour)
		d.Engine.ResetUsage()
		if there, err := s.Renew(t.Context(), later); there != want || err != nil {
			t.Errorf("renew %s: there %v, %v", topic, there, err)
		}
		if _, writes := d.Units(); writes != 1 {
			t.Errorf("renew %s costs %v write units", topic, writes)
		}
	}
	session, err := s.Session(t.Context(), c.Key)
	if err != nil || !slices.Equal(session.Topics, []events.Topic{"a"}) || session.Subscribes != 3 {
		t.Errorf("session is %+v, %v", session, err)
	}
	subs, err := s.Subscriptions(t.Context(), c.Key, []events.Topic{"a", "b", "c", "never"}, nil)
	if err != nil || len(subs) != 1 || subs[0].Until.Unix() != c.Ends().Add(time.Hour).Unix() {
		t.Errorf("subscriptions are %+v, %v", subs, err)
	}
}

func TestForgetReachesWhatTheRowDoesNotList(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := connection("c1", time.Now())
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	var topics []events.Topic
	for n := range 60 { // more than two batches
		topic := events.Topic(fmt.Sprint("t", n))
		if _, err := s.Subscribe(t.Context(), subscription(c, topic)); err != nil {
			t.Fatal(err)
		}
		topics = append(topics, topic)
	}
	var given []watch.Subscription
	for _, topic := range topics[:3] {
		given = append(given, subscription(c, topic))
	}
	if err := s.Forget(t.Context(), c.Key, given); err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics {
		if ids, err := subscribers(t, s, topic); err != nil || len(ids) != 0 {
			t.Fatalf("subscribers of %s: %v, %v", topic, ids, err)
		}
	}
}

func TestSubscriptionsEndWithTheirConnection(t *testing.T) {
	s := dynamotest.Start(t).Store()
	now := time.Now()
	old := connection("old", now.Add(-130*time.Minute))
	young := connection("young", now.Add(-129*time.Minute))
	for _, c := range []watch.Connection{old, young} {
		if err := s.Connect(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Subscribe(t.Context(), subscription(c, "a")); err != nil {
			t.Fatal(err)
		}
	}
	if ids, err := subscribers(t, s, "a"); err != nil || !slices.Equal(ids, []watch.ConnectionID{"young"}) {
		t.Errorf("subscribers: %v, %v", ids, err)
	}
}
