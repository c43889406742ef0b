package stack_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/stack"
)

// smallLanes has audiences of more than five pushed to in lanes of about five.
func smallLanes(t *testing.T) func(*stack.Options) {
	return func(o *stack.Options) {
		o.Template = edited(t, func(resources object) {
			for function, name := range map[string]string{"Fanout": "SHARD_SIZE", "Push": "SHARD_SIZE"} {
				environment(resources, function)[name] = "5"
			}
			environment(resources, "Fanout")["MAX_BATCH_POSTS"] = "5"
		})
	}
}

// hearsAll reads up to the change last, and checks that every number came; repetitions are allowed.
func (c *client) hearsAll(after, last int64) {
	c.t.Helper()
	for after < last {
		frame, ok := c.frame().(*events.Changes)
		if !ok {
			c.t.Fatalf("got another frame where change %d was due", after+1)
		}
		for _, change := range frame.Changes {
			if change.Seq > after+1 {
				c.t.Fatalf("heard of %d after %d", change.Seq, after)
			}
			after = max(after, change.Seq)
		}
	}
}

// crowd are watchers of a topic, with the number of the latest change that each has got.
type crowd struct {
	*running
	t       *testing.T
	topic   string
	clients []*client
	after   []int64
	last    int64
}

func (c *crowd) join(n int) {
	c.t.Helper()
	for range n {
		client := c.connect(c.t)
		c.after = append(c.after, client.subscribe(c.topic).Seq)
		c.clients = append(c.clients, client)
	}
}

func (c *crowd) change(n int) {
	c.t.Helper()
	c.putTogether(c.t, c.topic, fmt.Sprint("i", c.last), n)
	c.last += int64(n)
}

func (c *crowd) hearsAll() {
	c.t.Helper()
	for i, client := range c.clients {
		client.hearsAll(c.after[i], c.last)
		c.after[i] = c.last
	}
}

// lanes counts those of a topic.
func (s *running) lanes(t *testing.T, topic string) int {
	t.Helper()
	out, err := s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("Changes"), Key: map[string]types.AttributeValue{
		"topic": text(topic), "seq": number(0),
	}})
	if err != nil {
		t.Fatal(err)
	}
	lanes, _ := out.Item["lanes"].(*types.AttributeValueMemberN)
	if lanes == nil {
		return 0
	}
	n, err := strconv.Atoi(lanes.Value)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestALargeAudienceHearsEverything: it grows while changes are made, so that its lanes double
// again and again. The other topic's watchers are pushed to by fan-out.
func TestALargeAudienceHearsEverything(t *testing.T) {
	s := start(t, smallLanes(t))
	other := s.connect(t)
	other.subscribe("small")
	c := &crowd{running: s, t: t, topic: "stocks/AAPL"}
	for range 8 {
		c.join(8)
		c.change(3)
		c.hearsAll()
	}
	if n := s.lanes(t, c.topic); n < 8 {
		t.Errorf("64 watchers are in %d lanes of about 5", n)
	}
	s.put(t, "small", "i", "1")
	other.changes(1)
	if n := s.lanes(t, "small"); n != 0 {
		t.Errorf("one watcher is in %d lanes", n)
	}
}

// TestALargeAudienceHearsEverythingWhateverHappens to the function that pushes, and to its queue.
func TestALargeAudienceHearsEverythingWhateverHappens(t *testing.T) {
	lanes := smallLanes(t)
	var faults *fault.Faults
	s := start(t, func(o *stack.Options) {
		lanes(o)
		faults = fault.New(fault.Plan{fault.Reappear: 0.2, fault.Redeliver: 0.2, fault.Delay: 0.2, fault.Duplicate: 0.1, fault.Reslice: 0.1}, seed)
		o.Faults = faults
	})
	c := &crowd{running: s, t: t, topic: "stocks/AAPL"}
	for range 6 {
		c.join(8)
		c.change(1)
		c.change(2)
	}
	c.hearsAll()
	if n := s.lanes(t, c.topic); n < 4 {
		t.Errorf("48 watchers are in %d lanes of about 5", n)
	}
	if counts := faults.Counts(); counts[fault.Reappear]+counts[fault.Redeliver] == 0 {
		t.Errorf("nothing has happened to the function that pushes: %v", counts)
	}
}

// TestCostOfALargeAudience: each lane adds a message, a write unit, and four reads to the cost of a
// change. The reads are its progress, the head, the log, and its shards.
func TestCostOfALargeAudience(t *testing.T) {
	const attempts = 20
	s := start(t, smallLanes(t))
	c := &crowd{running: s, t: t, topic: "stocks/AAPL"}
	c.join(40)
	for range 6 { // until there are as many lanes as it takes
		c.change(1)
		c.hearsAll()
	}
	for range attempts {
		lanes := s.lanes(t, c.topic)
		s.ResetUsage()
		c.change(1)
		c.hearsAll()
		write := 0.0
		eventually(t, "the lanes done", func() bool { _, write = units(s.Usage()); return write >= float64(2+lanes) })
		u := s.Usage()
		read, write := units(u)
		if s.lanes(t, c.topic) != lanes || u.Lambda.Functions["Fanout"].Invocations > 1 || write > float64(2+lanes) {
			continue // they were divided just now, or will be
		}
		t.Logf("a change to 40 watchers in %d lanes: %v write units, %v read units, %d messages, %d posts, %d invocations of push",
			lanes, write, read, u.SQS.Queues["PushesQueue.fifo"].Sent, u.APIGateway.Posts[200], u.Lambda.Functions["Push"].Invocations)
		if write != float64(2+lanes) || u.SQS.Queues["PushesQueue.fifo"].Sent != lanes || u.APIGateway.Posts[200] != 40 {
			t.Error("want 2 write units and one for each lane, a message for each lane and 40 posts")
		}
		if most := float64(1 + 9*lanes); read > most {
			t.Errorf("want at most %v read units", most)
		}
		return
	}
	t.Error("the lanes went on dividing")
}
