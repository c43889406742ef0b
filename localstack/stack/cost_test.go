package stack_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/token"
	"github.com/watchroute/watchroute/shared/watch"
)

// units sums what the service's own tables have cost. Events is left out, where the
// users write.
func units(u stack.Usage) (read, write float64) {
	for table, operations := range u.DynamoDB.Tables {
		if table == "Events" {
			continue
		}
		for _, c := range operations {
			read += c.ReadCapacityUnits
			write += c.WriteCapacityUnits
		}
	}
	return read, write
}

// written waits until the tables have cost that many write units since the last
// reset, and no more.
func (s *running) written(t *testing.T, what string, want float64) {
	t.Helper()
	eventually(t, what, func() bool { _, write := units(s.Usage()); return write >= want })
	if _, write := units(s.Usage()); write != want {
		t.Errorf("%s costs %v write units, want %v", what, write, want)
	}
	s.ResetUsage()
}

// TestCostOfAConnectionsLife, without a token and with one, whose grant has a filter and a
// mask; the limits are on for both.
func TestCostOfAConnectionsLife(t *testing.T) {
	s := start(t, nil)
	s.life(t, "")
	s.life(t, s.token(t, "alice", `{"v":1,"allow":[{"topics":["stocks/*"],"actions":["subscribe","read"],"filter":{"public":[true]},"mask":{"omit":["secret"]}}]}`, nil))
}

// life connects, subscribes to three topics, and leaves; and once more, to unsubscribe.
func (s *running) life(t *testing.T, token string) {
	t.Helper()
	s.ResetUsage()
	c := s.connectWith(t, token)
	s.written(t, "connect", 1)
	for n := range 3 {
		c.subscribe(fmt.Sprintf("stocks/%d", n))
		s.written(t, "subscribe", 2)
	}
	if err := c.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	s.written(t, "disconnect of three topics", 4)
	c = s.connectWith(t, token)
	c.subscribe("stocks/0")
	s.ResetUsage()
	c.send(`{"action":"unsubscribe","topic":"stocks/0"}`)
	c.frame()
	s.written(t, "unsubscribe", 2)
	if err := c.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	s.written(t, "disconnect of no topic", 1)
}

// TestCostOfAChange puts ten items at once before a hundred subscribers, and counts
// the first time that they are one batch and open no new connection.
func TestCostOfAChange(t *testing.T) {
	const subscribers, changes, attempts = 100, 10, 50
	s := start(t, nil)
	var clients []*client
	for range subscribers {
		c := s.connect(t)
		c.subscribe("stocks/AAPL")
		clients = append(clients, c)
	}
	s.put(t, "stocks/AAPL", "first", "1") // which lists the topic, once
	for _, c := range clients {
		c.changes(1)
	}
	for attempt := range attempts {
		s.ResetUsage()
		s.putTogether(t, "stocks/AAPL", fmt.Sprint(attempt), changes)
		for _, c := range clients {
			c.changes(changes)
		}
		u := s.Usage()
		if u.Lambda.Functions["Fanout"].Invocations > 1 || u.TCPConnections > 0 {
			continue // in two batches, or not warm yet: as many posts were never under way at once
		}
		read, write := units(u)
		t.Logf("%d changes to %d subscribers: %v write units, %v read units, %d posts, no new TCP connection (attempt %d)",
			changes, subscribers, write, read, u.APIGateway.Posts[200], attempt)
		if write > 22 || read > 6 || u.APIGateway.Posts[200] > 100 {
			t.Error("want at most 22 write units, 6 read units and 100 posts")
		}
		for table, operations := range u.DynamoDB.Tables {
			if operations["Scan"].Requests > 0 {
				t.Errorf("%s was scanned", table)
			}
		}
		return
	}
	t.Errorf("never were %d changes one batch that needed no new connection", changes)
}

// TestCostOfAChangeBySize prints how many changes a second a topic takes. A partition takes
// 1,000 write units a second, and a change of a topic is numbered in its partition of Changes.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
func TestCostOfAChangeBySize(t *testing.T) {
	const changes, partition = 20, 1_000
	s := start(t, nil)
	for _, c := range []struct {
		size    int
		atLeast float64
	}{{256, 450}, {1_000, 160}, {4_000, 60}, {10_000, 24}, {100_000, 2.5}} {
		size := c.size
		topic := fmt.Sprint("sizes/", size)
		put := func(letter string) {
			s.putDataTogether(t, topic, "item", changes, "text", &types.AttributeValueMemberS{Value: strings.Repeat(letter, size-len(`{"text":""}`))})
		}
		logged := func(n int) {
			eventually(t, "changes in the log", func() bool { return s.latest(t, topic) == fmt.Sprint(n) })
		}
		put("a")
		logged(changes)
		s.ResetUsage()
		put("b") // which keeps the state before, too
		logged(2 * changes)
		_, write := units(s.Usage())
		rate := partition / (write / changes)
		t.Logf("an item of %6d bytes that is modified: %5.1f write units, %5.1f changes a second", size, write/changes, rate)
		if rate < c.atLeast {
			t.Errorf("want %v changes a second", c.atLeast)
		}
	}
}

// TestCostOfHTTP counts requests of the real functions. What is revoked of the token and of its
// subject is counted by itself: the authorizer reads it, and a poll before it says that nothing
// has come. A full poll and a minute of a stream are counted in
// functions/http, where time can be made to pass.
func TestCostOfHTTP(t *testing.T) {
	s := start(t, func(o *stack.Options) {
		tokensOnly(o)
		o.Template = edited(t, func(resources object) { environment(resources, "Http")["MAX_SUBJECT_HOLDS"] = "1" })
	})
	alice := s.token(t, "alice", all, func(made *token.Token) { made.ID = "t1" })
	s.publishOver(t, "/topics/a", alice, `{"id":"i","data":{"price":150.75}}`)
	s.numbered(t, "a", 1)
	whole := s.request(t, "GET", "/topics/a", alice)
	at, tag := read[events.TopicItems](t, whole, 200).Cursor, whole.header.Get("ETag")
	s.request(t, "GET", "/topics/a?wait=1&after="+at, alice) // makes the row of leases

	cost := func(what, method, target string, status int, reads, writes, checks float64, header ...string) {
		t.Helper()
		s.ResetUsage()
		if a := s.request(t, method, target, alice, header...); a.status != status {
			t.Errorf("%s is answered %+v", what, a)
		}
		u := s.Usage().DynamoDB.Tables
		revoked := u["Revocations"]["BatchGetItem"].ReadCapacityUnits
		gotReads, gotWrites := -revoked, 0.0
		for _, operations := range u {
			for _, c := range operations {
				gotReads += c.ReadCapacityUnits
				gotWrites += c.WriteCapacityUnits
			}
		}
		t.Logf("%-40s %4v read and %2v write units, and %v for what is revoked", what, gotReads, gotWrites, revoked)
		if gotReads != reads || gotWrites != writes || revoked != checks {
			t.Errorf("%s: want %v read and %v write units, and %v for what is revoked", what, reads, writes, checks)
		}
	}
	cost("GET of items", "GET", "/topics/a", 200, 2, 0, 2)
	cost("GET of items, unchanged", "GET", "/topics/a", 304, 1, 0, 2, "If-None-Match", tag)
	cost("GET of changes, of which there are none", "GET", "/topics/a?after="+at, 200, 1, 0, 2)
	cost("GET of a change", "GET", "/topics/a?after=:0", 200, 2, 0, 2)
	cost("poll of 2 s to which nothing comes", "GET", "/topics/a?wait=2&after="+at, 204, 1+0.5, 2, 4)
	if _, err := s.store().Hold(t.Context(), watch.Key{Subject: "alice"}, time.Now().Add(time.Hour), watch.HoldLimits{Subject: 1, Total: 80}); err != nil {
		t.Fatal(err) // it is she who holds it, in another process
	}
	cost("stream that is turned away", "GET", "/topics/a", 200, 0, 1, 2, "Accept", "text/event-stream")
}

// latest gives the number of a topic's latest change; empty if there is none.
func (s *running) latest(t *testing.T, topic string) string {
	t.Helper()
	out, err := s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("Changes"), Key: map[string]types.AttributeValue{
		"topic": &types.AttributeValueMemberS{Value: topic}, "seq": &types.AttributeValueMemberN{Value: "0"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	last, _ := out.Item["last"].(*types.AttributeValueMemberN)
	if last == nil {
		return ""
	}
	return last.Value
}

// putTogether puts n items in one transaction.
func (s *running) putTogether(t *testing.T, topic, prefix string, n int) {
	t.Helper()
	s.putDataTogether(t, topic, prefix, n, "price", &types.AttributeValueMemberN{Value: "150.75"})
}

// putDataTogether puts n items with one attribute in one transaction.
func (s *running) putDataTogether(t *testing.T, topic, prefix string, n int, name string, value types.AttributeValue) {
	t.Helper()
	var writes []types.TransactWriteItem
	for i := range n {
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{TableName: aws.String("Events"), Item: map[string]types.AttributeValue{
			"topic": &types.AttributeValueMemberS{Value: topic}, "id": &types.AttributeValueMemberS{Value: fmt.Sprintf("%s-%d", prefix, i)},
			name: value,
		}}})
	}
	if _, err := s.db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: writes}); err != nil {
		t.Fatal(err)
	}
}
