package stack_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
)

// TestWatchAPattern: changes of topics below one arrive with each topic's own numbers,
// also of topics that come into being, and those that were missed are told by a ping.
func TestWatchAPattern(t *testing.T) {
	s := start(t, nil)
	s.put(t, "stocks/AAPL", "quote", "1")
	s.numbered(t, "stocks/AAPL", 1)
	c := s.connect(t)
	subscribed := c.subscribe("stocks/*")
	aapl := subscribed.Cursors["stocks/AAPL"]
	if aapl == "" || len(subscribed.Cursors) != 1 || subscribed.More {
		t.Fatalf("subscribed %+v", subscribed)
	}
	s.put(t, "stocks/AAPL", "quote", "2")
	s.put(t, "stocks/IBM", "quote", "3")
	s.put(t, "stocks/IBM/trades", "t1", "4") // two levels below
	s.put(t, "stocks", "index", "5")
	s.put(t, "stocks/IBM", "quote", "6")
	var got []string
	for _, change := range c.changes(3) {
		got = append(got, fmt.Sprintf("%s %d %s", change.Topic, change.Seq, change.Data))
	}
	slices.Sort(got)
	if want := []string{`stocks/AAPL 2 {"price":2}`, `stocks/IBM 1 {"price":3}`, `stocks/IBM 2 {"price":6}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	c.ping()

	later := s.connect(t)
	later.subscribe("stocks/**")
	later.send(fmt.Sprintf(`{"action":"ping","cursors":{"stocks/AAPL":%q,"stocks/**":":0","stocks/IBM/trades":":0"}}`, aapl))
	missed := later.changes(2)
	pong, ok := later.frame().(*events.Pong)
	if !ok || len(pong.Cursors) != 5 || missed[0].Topic != "stocks/AAPL" || missed[0].Seq != 2 || missed[1].Topic != "stocks/IBM/trades" || missed[1].Seq != 1 {
		t.Errorf("missed %s, pong %+v", brief(missed), pong)
	}
}

// TestCostOfAPattern: a change costs one read for each level of its topic, a pattern's
// watcher no more than another.
func TestCostOfAPattern(t *testing.T) {
	s := start(t, nil)
	c := s.connect(t)
	s.ResetUsage()
	c.subscribe("a/b/**")
	s.written(t, "subscribe to a pattern", 2)
	s.put(t, "a/b/c", "i", "1")
	c.changes(1)
	s.written(t, "a topic's first change, listed twice", 4)
	s.put(t, "a/b/c", "i", "2")
	c.changes(1)
	read, write := units(s.Usage())
	t.Logf("a change of a topic of three segments, watched by a pattern: %v read units, %v write units", read, write)
	if read != 4 || write != 2 { // the head and three levels; entry and head
		t.Errorf("%v read units and %v write units, want 4 and 2", read, write)
	}
}

// TestGoneWatcherOfAPatternIsForgotten, also when a batch has several topics of it.
func TestGoneWatcherOfAPatternIsForgotten(t *testing.T) {
	s := start(t, func(o *stack.Options) { o.Shards, o.Gateway.NoDisconnect = 1, func() bool { return true } })
	c := s.connect(t)
	c.subscribe("stocks/*")
	c.subscribe("other")
	_ = c.conn.CloseNow()
	item := func(topic string) types.WriteRequest {
		return types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{"topic": text(topic), "id": text("i")}}}
	}
	if _, err := s.db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"Events": {item("stocks/AAPL"), item("stocks/IBM")}}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gone watcher forgotten", func() bool {
		return s.rows(t, "Connections", "subject", "anonymous") == 0
	})
	eventually(t, "no subscription left behind", func() bool {
		return s.rows(t, "Subscriptions", "topic", "stocks#0")+s.rows(t, "Subscriptions", "topic", "other#0") == 0
	})
}
