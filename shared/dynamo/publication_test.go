package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// TestTheLastPublishOfAConnectionWins: the calls to DynamoDB that publishes of one item make come
// in any order. Then the item is as the last of them wants it, and whoever was not the last was
// told that it was published or overtaken. What another connection publishes has no place in
// that order.
func TestTheLastPublishOfAConnectionWins(t *testing.T) {
	c := newConcurrent(t, 4)
	store := c.Store()
	rapid.Check(t, func(t *rapid.T) {
		c.sent++
		connection := watch.Connection{Key: watch.Key{Subject: "alice", ID: watch.ConnectionID(fmt.Sprint("p", c.sent))}, Connected: time.Now(), Access: watch.Access{Grant: grant.All()}}
		if err := store.Connect(t.Context(), connection); err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(2, len(c.stores)).Draw(t, "publishes")
		numbered := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "numbered")
		turns := rapid.SliceOfN(rapid.IntRange(0, n-1), 20, 20).Draw(t, "turns")
		expires := rapid.Bool().Draw(t, "there is one that expires")
		topic := events.Topic(fmt.Sprint("t", c.sent))
		if expires {
			at := time.Now().Add(time.Hour).Unix()
			if err := store.Put(t.Context(), watch.Publication{Topic: topic, Item: events.Item{ID: "i"}, ExpiresAt: &at}); err != nil {
				t.Fatal(err)
			}
		}
		answers := make([]string, n)
		var clients []func()
		last := 0
		for i := range n {
			order := ""
			if numbered[i] {
				order = fmt.Sprintf(`"order":%d,`, i+1)
			}
			if numbered[i] || !numbered[last] {
				last = i
			}
			m := watch.Message{ID: fmt.Sprint(i), Time: time.UnixMilli(1_795_000_000_000 + int64(i)),
				Body: fmt.Appendf(nil, `{"action":"publish",%s"topic":"%s","item":{"id":"i","data":{"n":%d}}}`, order, topic, i)}
			clients = append(clients, func() { answers[i] = string(c.answerer(i).Answer(t.Context(), connection, m, mute{})) })
		}
		c.run(clients, func(waiting []string) string {
			turn := turns[0]
			turns = append(turns[1:], turn)
			return waiting[turn%len(waiting)]
		})
		unavailable := false
		for i, answer := range answers {
			published, overtaken := strings.HasPrefix(answer, `{"type":"published"`), strings.Contains(answer, `"code":"overtaken"`)
			unavailable = unavailable || strings.Contains(answer, `"code":"unavailable"`) // others write it time and again
			if !published && !unavailable && (!overtaken || i == last) {
				t.Errorf("publish %d is answered %s", i, answer)
			}
		}
		rows, _, err := store.Page(t.Context(), topic, "", 9)
		if err != nil || len(rows) != 1 {
			t.Fatalf("items are %v, %v", rows, err)
		}
		if got, want := string(rows[0].Data), fmt.Sprintf(`{"n":%d}`, last); got != want && !unavailable {
			t.Errorf("the item is %s, want %s; answers are %q", got, want, answers)
		}
		if row := c.row(t, topic, "i"); expires != (row["expiresAt"] != nil) {
			t.Errorf("expiresAt is %v", row["expiresAt"])
		}
	})
}

// row reads an item as the table has it.
func (c *concurrent) row(t rapid.TB, topic events.Topic, id string) map[string]types.AttributeValue {
	key := attributes{"topic": str(string(topic)), "id": str(id)}
	out, err := c.Client.GetItem(context.Background(), &dynamodb.GetItemInput{TableName: &dynamotest.Tables.Events, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item
}

// publication is one of alice, from a connection.
func publication(connection string, order watch.Order, mark, data string) watch.Publication {
	return watch.Publication{Topic: "a", Item: events.Item{ID: "i", Data: []byte(data)}, Mark: mark, Publisher: connection, Order: order}
}

// TestAPublicationIsMarkedOnce: the change that it makes has its mark, and a repetition makes
// none, also over another connection. Other changes have no mark.
func TestAPublicationIsMarkedOnce(t *testing.T) {
	w := newWorld(t, time.Now())
	s := w.store
	w.expires = map[string]bool{}
	put := func(p watch.Publication) func() error {
		return func() error { return s.Put(t.Context(), p) }
	}
	backEnd := func(update string) func() error {
		return func() error {
			_, err := w.db.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
				TableName: &dynamotest.Tables.Events, Key: attributes{"topic": str("a"), "id": str("i")}, UpdateExpression: &update,
				ExpressionAttributeValues: attributes{":x": str(fmt.Sprint(w.records))},
			})
			return err
		}
	}
	for _, step := range []struct {
		what string
		do   func() error
		want string
	}{
		{"a publish", put(publication("c1", 1, "m1", `{"n":1.0}`)), `[added m1 {"n":1}]`},
		{"its repetition", put(publication("c1", 1, "m1", `{"n":1.0}`)), "[]"},
		{"its repetition with a new order", put(publication("c1", 7, "m1", `{"n":1.0}`)), "[]"},
		{"its repetition over another connection", put(publication("c2", 8, "m1", `{"n":1.0}`)), "[]"},
		{"a publish of the same", put(publication("c2", 9, "m2", `{"n":1.0}`)), `[modified m2 {"n":1}]`},
		{"another item under the same key", put(publication("c2", 10, "m2", `{"n":2}`)), `[modified m2 {"n":2}]`},
		{"an update by a back end", backEnd("SET x = :x"), `[modified  {"n":2,"x":"3"}]`},
		{"a put by a back end", put(watch.Publication{Topic: "a", Item: events.Item{ID: "i"}}), "[modified  {}]"},
		{"a publish after that", put(publication("c1", 11, "m3", `{}`)), "[modified m3 {}]"},
		{"a removal", func() error { return s.Remove(t.Context(), publication("c1", 12, "", "")) }, "[removed  {}]"},
		{"a publish with a low order after it", put(publication("c1", 2, "m4", `{}`)), "[added m4 {}]"},
	} {
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.what, err)
		}
		writes, _ := w.writes()
		var got []string
		for _, write := range writes {
			got = append(got, fmt.Sprintf("%s %s %s", write.Op, write.Mark, write.Data))
		}
		if fmt.Sprint(got) != step.want {
			t.Errorf("%s: changes are %s, want %s", step.what, got, step.want)
		}
	}
}

func TestMarksStayInTheLog(t *testing.T) {
	s := dynamotest.Start(t).Store()
	all := entries("a", 1, 2)
	all[1].Mark = "m"
	if err := s.Append(t.Context(), "a", watch.Head{}, headAt(2), all); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Since(t.Context(), "a", 0, 2); err != nil || fmt.Sprint(got) != fmt.Sprint(all) {
		t.Errorf("log is %+v, %v", got, err)
	}
}

// TestPublishesAreOrderedByConnection: a removal is ordered after what is there. What is removed
// leaves nothing to compare.
func TestPublishesAreOrderedByConnection(t *testing.T) {
	s := dynamotest.Start(t).Store()
	for _, step := range []struct {
		what string
		err  error
		want error
	}{
		{"publish 5", s.Put(t.Context(), publication("c1", 5, "m5", `{}`)), nil},
		{"publish 4, late", s.Put(t.Context(), publication("c1", 4, "m4", `{}`)), watch.ErrOvertaken},
		{"removal 3, late", s.Remove(t.Context(), publication("c1", 3, "", "")), watch.ErrOvertaken},
		{"publish 1 of another", s.Put(t.Context(), publication("c2", 1, "m1", `{}`)), nil},
		{"publish 3 after that", s.Put(t.Context(), publication("c1", 3, "m3", `{}`)), nil},
		{"removal 6", s.Remove(t.Context(), publication("c1", 6, "", "")), nil},
		{"removal 2 of nothing", s.Remove(t.Context(), publication("c1", 2, "", "")), nil},
		{"publish 2 after the removal", s.Put(t.Context(), publication("c1", 2, "m2", `{}`)), nil},
	} {
		if !errors.Is(step.err, step.want) {
			t.Errorf("%s: %v, want %v", step.what, step.err, step.want)
		}
	}
}

// TestPublishKeepsExpiresAt that a back end has set, unless it is over or the client sets
// another.
func TestPublishKeepsExpiresAt(t *testing.T) {
	c := newConcurrent(t, 0)
	s := c.Store()
	now := time.Now().Truncate(time.Second)
	s.Now = func() time.Time { return now }
	number := func(seconds int64) types.AttributeValue {
		return &types.AttributeValueMemberN{Value: fmt.Sprint(seconds)}
	}
	later, never, next := now.Unix()+100, int64(0), now.Unix()+200
	for name, step := range map[string]struct {
		there     types.AttributeValue // nil for no item
		expiresAt *int64
		want      types.AttributeValue
	}{
		"a time ahead":                     {number(later), nil, number(later)},
		"a time that is over":              {number(now.Unix()), nil, nil},
		"no time":                          {nil, nil, nil},
		"what is no time":                  {str("tomorrow"), nil, str("tomorrow")},
		"another time of the client":       {number(later), &next, number(next)},
		"never, as the client wants it":    {number(later), &never, nil},
		"a time of the client for nothing": {nil, &next, number(next)},
	} {
		row := attributes{"topic": str("a"), "id": str(name), "old": str("data")}
		if step.there != nil {
			row["expiresAt"] = step.there
		}
		if _, err := c.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Events, Item: row}); err != nil {
			t.Fatal(err)
		}
		p := publication("c1", 1, "m", `{"new":"data"}`)
		p.Item.ID, p.ExpiresAt = name, step.expiresAt
		c.Engine.ResetUsage()
		if err := s.Put(t.Context(), p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, writes := c.Units(); writes != 1 {
			t.Errorf("%s: %v write units", name, writes)
		}
		if got := c.row(t, "a", name); fmt.Sprint(got["expiresAt"]) != fmt.Sprint(step.want) || got["old"] != nil || got["new"] == nil {
			t.Errorf("%s: the item is %v, want expiresAt %v", name, got, step.want)
		}
	}
}

// TestPublicationsAreNoData: neither live nor in a snapshot, and no client can write one.
func TestPublicationsAreNoData(t *testing.T) {
	s := dynamotest.Start(t).Store()
	if err := s.Put(t.Context(), publication("c1", 1, "m", `{"n":1}`)); err != nil {
		t.Fatal(err)
	}
	if rows, _, err := s.Page(t.Context(), "a", "", 9); err != nil || len(rows) != 1 || string(rows[0].Data) != `{"n":1}` {
		t.Errorf("items are %+v, %v", rows, err)
	}
	if !slices.Contains(events.ReservedAttributes(), events.PublicationAttribute) {
		t.Error("the attribute is not reserved")
	}
}

// TestForeignPublicationAttribute: an item that a back end has written may have anything there.
func TestForeignPublicationAttribute(t *testing.T) {
	d := dynamotest.Start(t)
	s := d.Store()
	for n, value := range []types.AttributeValue{str("x"), &types.AttributeValueMemberNULL{Value: true}, &types.AttributeValueMemberM{}} {
		row := attributes{"topic": str("a"), "id": str("i"), events.PublicationAttribute: value}
		if _, err := d.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Events"), Item: row}); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), publication("c1", 1, fmt.Sprint(n), `{}`)); err != nil {
			t.Errorf("%v: %v", value, err)
		}
		if err := s.Remove(t.Context(), publication("c1", 2, "", "")); err != nil {
			t.Errorf("%v: %v", value, err)
		}
	}
}
