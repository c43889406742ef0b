package stack_test

import (
	"fmt"
	"maps"
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
	c.send(`{"action":"ping","cursors":{"stocks/0":":0"}}`)
	c.frame()
	if read, write := units(s.Usage()); read != 3 || write != 0 {
		t.Errorf("a ping about one topic costs %v read units and %v write units, want 3 and 0", read, write)
	}
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

// TestCostOfAChangeBySize prints how many changes a second a topic takes, by the size of its items,
// by how many of them change in one batch, and by how much of each changes: one short member, or
// nearly all of it. A partition takes 1,000 write units a second, and a change of a topic is
// numbered in its partition of Changes.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
func TestCostOfAChangeBySize(t *testing.T) {
	const partition = 1_000
	s := start(t, nil)
	t.Log("write units for each modification, and changes a second in a topic")
	t.Logf("%10s %8s %20s %20s", "item", "a batch", "a member changes", "all of it changes")
	for _, c := range []struct {
		size        int
		batch       int
		member, all float64 // write units at most
	}{
		{256, 1, 2, 2}, {1 << 10, 1, 3, 4}, {4 << 10, 1, 6, 10}, {32 << 10, 1, 34, 66}, {events.MaxDataBytes, 1, 126, 250},
		{256, 10, 2.2, 2.2}, {1 << 10, 10, 4.2, 6.2}, {4 << 10, 10, 10.2, 18.2}, {32 << 10, 10, 34, 66}, {events.MaxDataBytes, 10, 126, 250},
	} {
		m := &modified{running: s, topic: fmt.Sprint("sizes/", c.size, "/", c.batch), size: c.size, batch: c.batch, letter: "a"}
		m.put(t)
		member := m.cost(t, func() { m.n++ })
		all := m.cost(t, func() { m.letter = string(m.letter[0] + 1) })
		t.Logf("%7.2f KB %8d %8.1f %9.1f/s %8.1f %9.1f/s", float64(c.size)/1024, c.batch, member, partition/member, all, partition/all)
		const split = 0.4 // a busy machine may make more batches of one; each costs 0.2 more
		if c.batch > 1 {
			c.member, c.all = c.member+split, c.all+split
		}
		if member > c.member || all > c.all {
			t.Errorf("%v and %v write units, want at most %v and %v", member, all, c.member, c.all)
		}
	}
}

// modified are items of one topic that change together.
type modified struct {
	*running
	topic       string
	size, batch int    // of JSON, and items
	n           int    // a short member of each item
	letter      string // the letter that fills the rest of it
	puts        int
}

// put puts all items, and waits until the log has them.
func (m *modified) put(t *testing.T) {
	t.Helper()
	n := fmt.Sprintf("%04d", m.n)
	text := strings.Repeat(m.letter, m.size-len(`{"n":"0000","text":""}`))
	m.putDataTogether(t, m.topic, "item", m.batch, map[string]types.AttributeValue{
		"n": &types.AttributeValueMemberS{Value: n}, "text": &types.AttributeValueMemberS{Value: text},
	})
	m.puts++
	eventually(t, "changes in the log", func() bool { return m.latest(t, m.topic) == fmt.Sprint(m.puts*m.batch) })
}

// cost is what one of the modifications takes, counted the first time that all are one batch.
func (m *modified) cost(t *testing.T, change func()) float64 {
	t.Helper()
	for range 20 {
		change()
		m.ResetUsage()
		m.put(t)
		if u := m.Usage(); u.Lambda.Functions["Fanout"].Invocations == 1 {
			_, write := units(u)
			return write / float64(m.batch)
		}
	}
	t.Fatalf("never were %d changes one batch", m.batch)
	return 0
}

// TestCostOfHTTP counts requests of the real functions. It counts the reads of revocations
// separately: the authorizer makes them, and a poll before it answers that nothing has come. A full
// poll and a minute of a stream are counted in functions/http, with fake time.
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
		t.Fatal(err) // the other process shows that she holds it
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
	s.putDataTogether(t, topic, prefix, n, map[string]types.AttributeValue{"price": &types.AttributeValueMemberN{Value: "150.75"}})
}

// putDataTogether puts n items with the same data in one transaction.
func (s *running) putDataTogether(t *testing.T, topic, prefix string, n int, data map[string]types.AttributeValue) {
	t.Helper()
	var writes []types.TransactWriteItem
	for i := range n {
		row := map[string]types.AttributeValue{
			"topic": &types.AttributeValueMemberS{Value: topic}, "id": &types.AttributeValueMemberS{Value: fmt.Sprintf("%s-%d", prefix, i)},
		}
		maps.Copy(row, data)
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{TableName: aws.String("Events"), Item: row}})
	}
	if _, err := s.db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: writes}); err != nil {
		t.Fatal(err)
	}
}
