package stack_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/stack"
	goclient "github.com/watchroute/watchroute/shared/client"
)

// TestReconnectResumes is the story by hand, as wscat would tell it: subscribe, lose
// the connection, come back with the cursor.
func TestReconnectResumes(t *testing.T) {
	s := start(t, nil)
	c := s.connect(t)
	c.subscribe("a")
	s.put(t, "a", "1", "1")
	cursor := c.changes(1)[0].Cursor()
	_ = c.conn.CloseNow()
	for n := range 3 {
		s.put(t, "a", "2", fmt.Sprint(n))
	}
	s.numbered(t, "a", 4)
	c = s.connect(t)
	c.send(fmt.Sprintf(`{"action":"subscribe","id":"q","topic":"a","after":%q}`, cursor))
	answer, ok := c.frame().(*events.Subscribed)
	if !ok || !answer.Recovered || answer.Seq != 4 || answer.ID != "q" {
		t.Errorf("answer %+v", answer)
	}
	if got := brief(c.changes(3)); got != `2 added 2 {"price":0}; 3 modified 2 {"price":1}; 4 modified 2 {"price":2}` {
		t.Errorf("missed: %s", got)
	}
	s.put(t, "a", "1", "5")
	if got := brief(c.changes(1)); got != `5 modified 1 {"price":5}` {
		t.Errorf("then: %s", got)
	}
}

// TestPositionCheck misses a change while the connection stays.
func TestPositionCheck(t *testing.T) {
	s := start(t, nil)
	c := s.connect(t)
	c.subscribe("a")
	s.put(t, "a", "1", "1")
	at := c.changes(1)[0].Cursor()
	c.send(fmt.Sprintf(`{"action":"ping","id":"p","cursors":{"a":"%s:0","b":":0"}}`, at.Epoch))
	if got := brief(c.changes(1)); got != `1 added 1 {"price":1}` {
		t.Errorf("missed: %s", got)
	}
	if pong, ok := c.frame().(*events.Pong); !ok || pong.ID != "p" || !maps.Equal(pong.Cursors, map[events.Topic]string{"a": at.String()}) {
		t.Errorf("pong %+v", pong)
	}
}

// numbered waits until a topic has that many changes.
func (s *running) numbered(t *testing.T, topic string, seq int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s is numbered up to %d", topic, seq), func() bool {
		out, err := s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("Changes"), ConsistentRead: aws.Bool(true), Key: changeKey(topic, 0)})
		if err != nil {
			t.Fatal(err)
		}
		last, _ := out.Item["last"].(*types.AttributeValueMemberN)
		return last != nil && last.Value == fmt.Sprint(seq)
	})
}

func changeKey(topic string, seq int64) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"topic": &types.AttributeValueMemberS{Value: topic}, "seq": &types.AttributeValueMemberN{Value: fmt.Sprint(seq)},
	}
}

// dial makes a client that ends with the test.
func (s *running) dial(t *testing.T) *goclient.Client {
	t.Helper()
	c, err := goclient.Dial(t.Context(), s.WebSocketURL(), goclient.Options{AnswerTime: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// collect watches until its cursor is at seq, and gives the items as the watch shows
// them, the numbers of the changes, and why it had to start over.
func collect(t *testing.T, c *goclient.Client, topic events.Topic, o goclient.WatchOptions, seq int64) (state map[string]string, seqs []int64, resets []events.ResetReason) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	state = map[string]string{}
	for event, err := range c.Watch(ctx, topic, o) {
		if err != nil {
			t.Fatalf("%v, with %d items and changes %v", err, len(state), seqs)
		}
		if page := event.Page; page != nil {
			if page.First {
				clear(state)
				resets = append(resets, page.Reason)
			}
			for _, item := range page.Items {
				state[item.ID] = string(item.Data)
			}
		}
		if change := event.Change; change != nil {
			seqs = append(seqs, change.Seq)
			state[change.ID] = string(change.Data)
			if change.Op == events.Removed {
				delete(state, change.ID)
			}
		}
		if event.Cursor.Seq >= seq {
			break
		}
	}
	return state, seqs, resets
}

// TestResumeWithinAndBeyondRetention: within it, exactly the missed changes; beyond,
// a reset and the items of the table. That retention has passed is told by rows that
// DynamoDB has not deleted yet.
func TestResumeWithinAndBeyondRetention(t *testing.T) {
	s := start(t, nil)
	const missed = 150
	for n := range missed {
		s.put(t, "a", fmt.Sprint(n%10), fmt.Sprint(n))
	}
	s.delete(t, "a", "3")
	s.numbered(t, "a", missed+1)
	c := s.dial(t)
	_, seqs, resets := collect(t, c, "a", goclient.WatchOptions{After: &events.Cursor{}}, missed+1)
	if len(seqs) != missed+1 || seqs[0] != 1 || seqs[missed] != missed+1 || resets != nil {
		t.Errorf("within retention: %v, resets %v", seqs, resets)
	}
	for seq := int64(1); seq <= 5; seq++ {
		_, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: aws.String("Changes"), Key: changeKey("a", seq),
			UpdateExpression: aws.String("SET expiresAt = :past"), ExpressionAttributeValues: map[string]types.AttributeValue{
				":past": &types.AttributeValueMemberN{Value: fmt.Sprint(time.Now().Unix() - 1)}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	state, seqs, resets := collect(t, c, "a", goclient.WatchOptions{After: &events.Cursor{}}, missed+1)
	want := map[string]string{}
	for id := range 10 {
		want[fmt.Sprint(id)] = fmt.Sprintf(`{"price":%d}`, missed-10+id)
	}
	delete(want, "3")
	if fmt.Sprint(resets) != "[expired]" || len(seqs) != 0 || !maps.Equal(state, want) {
		t.Errorf("beyond retention: resets %v, changes %v, items %v", resets, seqs, state)
	}
}

// TestSnapshotOfFiftyThousandItems comes in answers of one table page each, while the
// topic changes.
func TestSnapshotOfFiftyThousandItems(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	const items = 50_000
	for from := 0; from < items; from += 25 {
		var writes []types.WriteRequest
		for n := from; n < from+25; n++ {
			writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
				"topic": &types.AttributeValueMemberS{Value: "big"}, "id": &types.AttributeValueMemberS{Value: fmt.Sprintf("%05d", n)},
				"text": &types.AttributeValueMemberS{Value: strings.Repeat("x", 60)},
			}}})
		}
		if _, err := s.db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"Events": writes}}); err != nil {
			t.Fatal(err)
		}
	}
	s.numbered(t, "big", items)
	go s.put(t, "big", "late", "1")
	s.ResetUsage()
	state, _, resets := collect(t, s.dial(t), "big", goclient.WatchOptions{Snapshot: true}, items+1)
	if len(state) != items+1 || state["late"] != `{"price":1}` || len(resets) != 1 {
		t.Errorf("%d items, first pages %q", len(state), resets)
	}
	for table, operations := range s.Usage().DynamoDB.Tables {
		if operations["Scan"].Requests > 0 {
			t.Errorf("%s was scanned", table)
		}
	}
}

// TestCostOfAResume counts the reads of a thousand missed changes: the log in units of 4 KB, and 4
// more. These are the connection before and after, the number of shards, and the head.
func TestCostOfAResume(t *testing.T) {
	s := start(t, nil)
	const missed = 1_000
	watcher := s.connect(t)
	watcher.subscribe("a")
	for n := range missed {
		s.put(t, "a", fmt.Sprint(n), fmt.Sprint(n))
	}
	watcher.changes(missed) // so that fan-out reads nothing any more
	var size float64        // of the log, in bytes
	pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{TableName: aws.String("Changes"), ConsistentRead: aws.Bool(true),
		KeyConditionExpression: aws.String("topic = :a AND seq > :head"), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		ExpressionAttributeValues: map[string]types.AttributeValue{":a": &types.AttributeValueMemberS{Value: "a"}, ":head": &types.AttributeValueMemberN{Value: "0"}}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		size += aws.ToFloat64(page.ConsumedCapacity.CapacityUnits) * 4096
	}
	c := s.dial(t)
	s.ResetUsage()
	_, seqs, _ := collect(t, c, "a", goclient.WatchOptions{After: &events.Cursor{}}, missed)
	usage := s.Usage()
	read, write := units(usage)
	t.Logf("resume of %d changes: %v read units for a log of %.0f KB, %v write units, %d posts", missed, read, size/1024, write, usage.APIGateway.Posts[200])
	// A half is for the subscriber that counts its shard, which is one of about 60.
	if len(seqs) != missed || read > math.Ceil(size/4096)+4.5 || write != 2 {
		t.Errorf("%d changes for %v read units and %v write units, want at most %v and 2", len(seqs), read, write, math.Ceil(size/4096)+4.5)
	}
	for table, operations := range usage.DynamoDB.Tables {
		if operations["Scan"].Requests > 0 {
			t.Errorf("%s was scanned", table)
		}
	}
}

// TestLostPostsAreCountedAndHealed has every post fail until fan-out has given up; the
// client finds out by its next ping.
func TestLostPostsAreCountedAndHealed(t *testing.T) {
	faults := fault.New(fault.Plan{fault.Post500: 1}, 1)
	var logs syncBuffer
	s := start(t, func(o *stack.Options) { o.Faults, o.Log = faults, &logs })
	c, err := goclient.Dial(t.Context(), s.WebSocketURL(), goclient.Options{AnswerTime: patience, PingInterval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	begun, seen := make(chan struct{}), make(chan int64, 1)
	go func() {
		for event, err := range c.Watch(t.Context(), "a", goclient.WatchOptions{}) {
			switch {
			case err != nil:
				return
			case event.Change != nil:
				seen <- event.Change.Seq
				return
			}
			close(begun)
		}
	}()
	<-begun
	s.put(t, "a", "i", "1")
	eventually(t, "fan-out reports what it lost", func() bool { return logs.contains(`"lost":1`) })
	if s.Usage().APIGateway.Posts[200] != 0 {
		t.Error("a post came through")
	}
	faults.Off()
	select {
	case seq := <-seen:
		if seq != 1 {
			t.Errorf("saw %d first", seq)
		}
	case <-time.After(patience):
		t.Error("the lost change never came")
	}
}
