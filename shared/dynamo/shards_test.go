package dynamo_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
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
)

// crowded is a store whose shards are full with a few subscriptions.
type crowded struct {
	*dynamotest.Database
	*dynamo.Store
	t testing.TB
}

func newCrowded(t testing.TB, size int) crowded {
	d := dynamotest.Start(t)
	s := d.Store()
	s.ShardSize = size
	return crowded{d, s, t}
}

// join connects n more, which subscribe to a topic.
func (c crowded) join(topic events.Topic, from, n int) {
	c.t.Helper()
	for i := from; i < from+n; i++ {
		connected := connection(watch.ConnectionID(fmt.Sprint("connection", i)), time.Now())
		if err := c.Connect(c.t.Context(), connected); err != nil {
			c.t.Fatal(err)
		}
		if _, err := c.Subscribe(c.t.Context(), subscription(connected, topic)); err != nil {
			c.t.Fatal(err)
		}
	}
}

// audience gives the ids of a part's subscribers, each as often as it is there.
func (c crowded) audience(topic events.Topic, part watch.Part) []watch.ConnectionID {
	c.t.Helper()
	base, wildcard := topic.Split()
	subs, err := c.Subscribers(c.t.Context(), base, wildcard != "", part)
	if err != nil {
		c.t.Fatal(err)
	}
	var ids []watch.ConnectionID
	for _, sub := range subs {
		if sub.Topic == topic {
			ids = append(ids, sub.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// shards counts those of a topic, by what the row in shard 0 says.
func (c crowded) shards(topic events.Topic) string {
	c.t.Helper()
	table := "Subscriptions"
	out, err := c.Client.GetItem(c.t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: map[string]types.AttributeValue{
		"topic": &types.AttributeValueMemberS{Value: string(topic) + "#0"}, "connectionId": &types.AttributeValueMemberS{Value: "*"},
	}})
	if err != nil {
		c.t.Fatal(err)
	}
	n, _ := out.Item["shards"].(*types.AttributeValueMemberN)
	if n == nil {
		return "1"
	}
	return n.Value
}

// TestAnAudienceSplitsAsItGrows: each subscriber is found exactly once, both in the whole and part
// by part. The number of shards follows the audience.
func TestAnAudienceSplitsAsItGrows(t *testing.T) {
	for _, topic := range []events.Topic{"a/b", "a/*", "a/**"} {
		c := newCrowded(t, 10)
		base, _ := topic.Split()
		for n := range 30 {
			c.join(topic, 10*n, 10)
			all := c.audience(topic, watch.Whole)
			if len(all) != 10*(n+1) || len(slices.Compact(slices.Clone(all))) != len(all) {
				t.Fatalf("%s: %d of %d are found", topic, len(all), 10*(n+1))
			}
		}
		grown := c.shards(base)
		if grown != "16" && grown != "32" {
			t.Errorf("300 subscribers are in %s shards of about 10", grown)
		}
		for range 10 {
			c.audience(topic, watch.Whole)
		}
		if now := c.shards(base); now != grown {
			t.Errorf("shards ran away from %s to %s", grown, now)
		}
		for _, of := range []int{1, 2, 8, 64} {
			var all []watch.ConnectionID
			for index := range of {
				all = append(all, c.audience(topic, watch.Part{Index: index, Of: of})...)
			}
			if len(all) != 300 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 300 {
				t.Errorf("%s: the %d parts have %d subscribers", topic, of, len(all))
			}
		}
	}
}

// TestAPartIsReadFromItsOwnShards, and not from all.
func TestAPartIsReadFromItsOwnShards(t *testing.T) {
	c := newCrowded(t, 10)
	for n := range 30 {
		c.join("a", 10*n, 10)
		c.audience("a", watch.Whole)
	}
	c.Engine.ResetUsage()
	c.audience("a", watch.Part{Index: 5, Of: 16})
	queries := c.Engine.Usage().Tables["Subscriptions"]["Query"].Requests
	if queries > 6 || c.shards("a") != "32" { // one of those that were added together, six times
		t.Errorf("%d shards were read", queries)
	}
}

// TestASubscriptionStaysInItsShard when the number of shards doubles. There is one row after any
// request, and none when the connection leaves.
func TestASubscriptionStaysInItsShard(t *testing.T) {
	for name, leave := range map[string]func(crowded, watch.Subscription) error{
		"unsubscribe": func(c crowded, s watch.Subscription) error {
			return c.Unsubscribe(t.Context(), s.Key, s.Topic, s.Order+1)
		},
		"withdraw":   func(c crowded, s watch.Subscription) error { return c.Withdraw(t.Context(), s.Key, s) },
		"disconnect": func(c crowded, s watch.Subscription) error { return c.Forget(t.Context(), s.Key, nil) },
		"found gone": func(c crowded, s watch.Subscription) error {
			return c.Forget(t.Context(), s.Key, []watch.Subscription{s})
		},
		"renew, then forget": func(c crowded, s watch.Subscription) error { return c.renewAndForget(s) },
	} {
		for _, early := range []bool{true, false} { // before the first split, or after
			for _, again := range []bool{true, false} { // it is known to watch the topic, or not
				c := newCrowded(t, 3)
				if !early {
					c.join("a", 100, 15)
					c.audience("a", watch.Whole)
					c.join("a", 200, 15)
					c.audience("a", watch.Whole)
				}
				me := connection(moving(), time.Now())
				if err := c.Connect(t.Context(), me); err != nil {
					t.Fatal(err)
				}
				sub, before := subscription(me, "a"), c.shards("a")
				for sub.Order = 1; sub.Order <= 4; sub.Order++ {
					kept, err := c.Subscribe(t.Context(), sub)
					if err != nil || kept.Already != (sub.Order > 1) || sub.Order > 1 && kept.Shard != sub.Shard {
						t.Fatalf("%s: subscribe %d: %+v, %v; was in shard %d", name, sub.Order, kept, err, sub.Shard)
					}
					sub.Shard, sub.Again = kept.Shard, again
					c.join("a", 1_000*int(sub.Order), 10)
					if found := count(c.audience("a", watch.Whole), me.ID); found != 1 {
						t.Fatalf("%s: it has %d rows", name, found)
					}
				}
				sub.Order--
				if before == c.shards("a") {
					t.Errorf("%s: the audience did not split meanwhile, it has %s shards", name, before)
				}
				session, err := c.Session(t.Context(), me.Key)
				if err != nil || session.Shards["a"] != sub.Shard {
					t.Fatalf("%s: session %+v, %v, want shard %d", name, session, err, sub.Shard)
				}
				if own, err := c.Subscriptions(t.Context(), me.Key, session.Topics, session.Shards); err != nil || len(own) != 1 || own[0].Shard != sub.Shard {
					t.Fatalf("%s: it reads %+v, %v", name, own, err)
				}
				if err := leave(c, sub); err != nil {
					t.Fatal(err)
				}
				if found := count(c.audience("a", watch.Whole), me.ID); found != 0 {
					t.Errorf("%s: it has left, and has %d rows", name, found)
				}
			}
		}
	}
}

func count(ids []watch.ConnectionID, id watch.ConnectionID) (n int) {
	for _, other := range ids {
		if other == id {
			n++
		}
	}
	return n
}

// renewAndForget gives a subscription another view, and checks that it is the only one.
func (c crowded) renewAndForget(s watch.Subscription) error {
	s.Fields = []string{"f"}
	there, err := c.Renew(c.t.Context(), s)
	if err != nil || !there {
		return fmt.Errorf("renewed: %t, %w", there, err)
	}
	subs, err := c.Subscribers(c.t.Context(), s.Topic, false, watch.Whole)
	for _, sub := range subs {
		if sub.Key == s.Key && sub.Fields == nil {
			c.t.Error("the old view is still there")
		}
	}
	if err != nil {
		return err
	}
	return c.Forget(c.t.Context(), s.Key, nil)
}

// moving is a connection that would go into another shard if there were two.
func moving() watch.ConnectionID {
	for n := 0; ; n++ {
		if id := watch.ConnectionID(fmt.Sprint("moving", n)); id.Slot(2) != 0 {
			return id
		}
	}
}

// oneToken is an Authenticator that knows one.
type oneToken struct{ access watch.Access }

func (o oneToken) Authenticate(context.Context, string) (string, watch.Access, error) {
	return "alice", o.access, nil
}

func (o oneToken) Check(context.Context, string, watch.Access) error { return nil }

// TestDoublingBetweenRequestsLeavesOneRowAndOneView: the shards double between a subscribe and
// another of the same topic, and before auth brings a token that shows less.
func TestDoublingBetweenRequestsLeavesOneRowAndOneView(t *testing.T) {
	for _, topic := range []events.Topic{"a", "a/*"} {
		c := newCrowded(t, 3)
		me := connection(moving(), time.Now())
		me.Grant = grant.All()
		if err := c.Connect(t.Context(), me); err != nil {
			t.Fatal(err)
		}
		masked, err := grant.Parse([]byte(fmt.Sprintf(`{"v":1,"allow":[{"topics":[%q],"actions":["subscribe","read"],"mask":{"omit":["secret"]}}]}`, topic)), "alice")
		if err != nil {
			t.Fatal(err)
		}
		answerer := watch.Answerer{Store: c.Store, Sealer: seal.Fixed(make([]byte, seal.MinSecretBytes)), Logger: slog.New(slog.DiscardHandler)}
		renewer := watch.Renewer{Store: c.Store, Tokens: oneToken{watch.Access{Grant: masked, TokenID: "next", Expires: time.Now().Add(time.Hour)}}, Logger: answerer.Logger}
		sent := 0
		ask := func(request, want string) {
			t.Helper()
			sent++
			m := watch.Message{Body: []byte(request), ID: fmt.Sprint(sent), Time: time.UnixMilli(1_795_000_000_000 + int64(sent))}
			answer := answerer.Answer
			if strings.Contains(request, `"auth"`) {
				answer = renewer.Answer
			}
			if got := string(answer(t.Context(), me, m, mute{})); !strings.Contains(got, want) {
				t.Fatalf("%s is answered %s", request, got)
			}
			c.join(topic, 1_000*sent, 20)
			c.audience(topic, watch.Whole)
			c.audience(topic, watch.Whole)
		}
		ask(fmt.Sprintf(`{"action":"subscribe","topic":%q}`, topic), `"subscribed"`)
		ask(fmt.Sprintf(`{"action":"subscribe","topic":%q,"fields":["price"]}`, topic), `"subscribed"`)
		ask(`{"action":"auth","token":"next"}`, `"authorized"`)
		base, wildcard := topic.Split()
		if c.shards(base) == "1" {
			t.Fatal("the shards have not doubled")
		}
		subs, err := c.Subscribers(t.Context(), base, wildcard != "", watch.Whole)
		if err != nil {
			t.Fatal(err)
		}
		var views []string
		for _, sub := range subs {
			if sub.Key == me.Key {
				views = append(views, sub.View.String())
			}
		}
		if len(views) != 1 || !strings.Contains(views[0], "secret") || !strings.Contains(views[0], "price") {
			t.Errorf("%s is seen as %q", topic, views)
		}
		ask(fmt.Sprintf(`{"action":"unsubscribe","topic":%q}`, topic), `"unsubscribed"`)
		if n := count(c.audience(topic, watch.Whole), me.ID); n != 0 {
			t.Errorf("%s has %d rows of who has left", topic, n)
		}
	}
}

// TestAnAudienceThatNobodyReadsIsDivided: it gathers at a topic that nobody writes. The first reader
// finds no shard that is much too full.
func TestAnAudienceThatNobodyReadsIsDivided(t *testing.T) {
	for _, topic := range []events.Topic{"a/b", "a/*"} {
		c := newCrowded(t, 10)
		c.join(topic, 0, 300)
		base, _ := topic.Split()
		if n := c.shards(base); n != "32" {
			t.Errorf("300 subscribers to %s are in %s shards of about 10", topic, n)
		}
		for shard, n := range c.sizes(base, 32) {
			if n > 13 { // one more is the number of shards
				t.Errorf("shard %d of %s has %d subscriptions", shard, topic, n)
			}
		}
	}
}

// TestAReaderAddsAllShardsThatAreMissing: nobody has looked while an audience gathered. One reader
// adds as many shards as the audience fills, so that the next subscribers find room.
func TestAReaderAddsAllShardsThatAreMissing(t *testing.T) {
	c := newCrowded(t, 1_000_000)
	c.join("a", 0, 100)
	c.ShardSize = 10
	c.audience("a", watch.Whole)
	if n := c.shards("a"); n != "16" { // and eight of them are new
		t.Errorf("100 subscribers in one shard, and %s shards of 10 now", n)
	}
	c.join("a", 100, 60)
	for shard, n := range c.sizes("a", 16) {
		if shard > 0 && n > 20 {
			t.Errorf("shard %d has %d subscriptions", shard, n)
		}
	}
	if n := len(slices.Compact(c.audience("a", watch.Whole))); n != 160 {
		t.Errorf("%d of 160 are found", n)
	}
}

// TestSubscriptionsAreFoundWhereAnEarlierVersionPutThem: in the shard of the connection's slot among
// all shards, and not among the newest.
func TestSubscriptionsAreFoundWhereAnEarlierVersionPutThem(t *testing.T) {
	const n = 64
	c := newCrowded(t, 1_000)
	row := func(shard int, id string, attributes map[string]types.AttributeValue) {
		attributes["topic"] = &types.AttributeValueMemberS{Value: fmt.Sprint("a#", shard)}
		attributes["connectionId"] = &types.AttributeValueMemberS{Value: id}
		if _, err := c.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Subscriptions"), Item: attributes}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		id, shards := watch.ConnectionID(fmt.Sprint("connection", i)), 1<<(i%4)
		row(id.Slot(shards), string(id), map[string]types.AttributeValue{"subject": &types.AttributeValueMemberS{Value: "alice"}, "expiresAt": &types.AttributeValueMemberN{Value: "99999999999"}})
	}
	row(0, "*", map[string]types.AttributeValue{"shards": &types.AttributeValueMemberN{Value: "8"}})
	for _, of := range []int{1, 2, 4, 8, 16, 64} {
		var all []watch.ConnectionID
		for index := range of {
			all = append(all, c.audience("a", watch.Part{Index: index, Of: of})...)
		}
		if slices.Sort(all); len(slices.Compact(all)) != n {
			t.Errorf("the %d parts have %d of %d subscribers", of, len(all), n)
		}
	}
}

// TestFewSubscribersCountTheirShard: the others cost what they did before there was a count.
func TestFewSubscribersCountTheirShard(t *testing.T) {
	const n = 1_000
	c := newCrowded(t, 1_000)
	c.Engine.ResetUsage()
	c.join("a", 0, n)
	if counts := c.Engine.Usage().Tables["Subscriptions"]["Query"].Requests; counts == 0 || counts > 60 {
		t.Errorf("%d of %d subscribers counted, want about 16", counts, n) // 60 is ten times sigma
	}
}

// sizes counts the subscriptions in each of the first shards.
func (c crowded) sizes(topic events.Topic, shards int) []int {
	c.t.Helper()
	table := "Subscriptions"
	sizes := make([]int, shards)
	for shard := range sizes {
		out, err := c.Client.Query(c.t.Context(), &dynamodb.QueryInput{TableName: &table, KeyConditionExpression: aws.String("topic = :shard"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":shard": &types.AttributeValueMemberS{Value: fmt.Sprint(topic, "#", shard)}}})
		if err != nil {
			c.t.Fatal(err)
		}
		sizes[shard] = int(out.Count)
	}
	return sizes
}

// TestCostOfASubscribeInShards stays two write units, also of the next one to the same topic. Where
// shards are as small as here, each subscriber counts its own for half a read unit.
func TestCostOfASubscribeInShards(t *testing.T) {
	c := newCrowded(t, 3)
	c.join("a", 0, 40)
	me := connection("connection10000", time.Now())
	if err := c.Connect(t.Context(), me); err != nil {
		t.Fatal(err)
	}
	sub := subscription(me, "a")
	for n := range 3 {
		c.Engine.ResetUsage()
		metered, meter := watch.Metered(t.Context())
		kept, err := c.Subscribe(metered, sub)
		if err != nil {
			t.Fatal(err)
		}
		if reads, writes := c.Units(); reads != 1.5 || writes != 2 {
			t.Errorf("subscribe %d: %v reads and %v writes", n, reads, writes)
		}
		if reads, writes := meter.Units(); reads != 1 || writes != 2 {
			t.Errorf("the client pays for %v reads and %v writes of subscribe %d", reads, writes, n)
		}
		sub.Shard, sub.Again = kept.Shard, true
	}
	c.Engine.ResetUsage()
	if err := c.Forget(t.Context(), me.Key, nil); err != nil {
		t.Fatal(err)
	}
	if reads, writes := c.Units(); reads != 0 || writes != 2 {
		t.Errorf("forget: %v reads and %v writes", reads, writes)
	}
}
