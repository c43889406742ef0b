package dynamo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/watch"
	"golang.org/x/sync/errgroup"
)

func TestBelow(t *testing.T) {
	s := dynamotest.Start(t).Store()
	for _, topic := range []events.Topic{"a", "a/x", "a/y", "a/y", "a/b/x", "a/b/c/d", "ab/x", "b/a/x"} {
		if err := s.Announce(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
	}
	for pattern, want := range map[events.Topic][]events.Topic{
		"a/*": {"a/x", "a/y"}, "a/**": {"a", "a/b/c/d", "a/b/x", "a/x", "a/y"}, "a/b/*": {"a/b/x"}, "a/b/**": {"a/b", "a/b/c/d", "a/b/x"},
		"b/*": nil, "none/*": nil, "none/**": {"none"},
	} {
		got, more, err := s.Below(t.Context(), pattern, "", 5)
		slices.Sort(got)
		if err != nil || more || !slices.Equal(got, want) {
			t.Errorf("%s: %q, more %v, %v, want %q", pattern, got, more, err, want)
		}
	}
	if got, more, err := s.Below(t.Context(), "a/**", "", 4); len(got) != 4 || !more || err != nil {
		t.Errorf("limited: %q, more %v, %v", got, more, err)
	}
}

// TestBelowGoesOn after a topic of the list, until each was given once.
func TestBelowGoesOn(t *testing.T) {
	s := dynamotest.Start(t).Store()
	want := []events.Topic{"a"}
	for n := range 23 {
		want = append(want, events.Topic(fmt.Sprintf("a/%02d", n)))
		if err := s.Announce(t.Context(), want[n+1]); err != nil {
			t.Fatal(err)
		}
	}
	for pattern, want := range map[events.Topic][]events.Topic{"a/**": want, "a/*": want[1:]} {
		for _, limit := range []int{1, 2, 5, 12, 23, 24} {
			var got []events.Topic
			var after events.Topic
			for more := true; more && len(got) <= len(want); {
				var page []events.Topic
				var err error
				if page, more, err = s.Below(t.Context(), pattern, after, limit); err != nil || len(page) > limit || len(page) == 0 {
					t.Fatalf("%s after %q: %q, %v", pattern, after, page, err)
				}
				got, after = append(got, page...), page[len(page)-1]
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s in pages of %d: %q", pattern, limit, got)
			}
		}
	}
}

// TestDeeperTopicsOfOldListsAreNotGiven: in lists that were begun before sort keys depended on
// the depth, deeper topics lie among the others.
func TestDeeperTopicsOfOldListsAreNotGiven(t *testing.T) {
	d := dynamotest.Start(t)
	for number, name := range []string{"a/b/hidden", "a/x"} {
		row := map[string]types.AttributeValue{
			"topic": &types.AttributeValueMemberS{Value: "a/**"}, "seq": &types.AttributeValueMemberN{Value: fmt.Sprint(number)},
			"name": &types.AttributeValueMemberS{Value: name},
		}
		if _, err := d.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Changes, Item: row}); err != nil {
			t.Fatal(err)
		}
	}
	if got, more, err := d.Store().Below(t.Context(), "a/*", "", 5); err != nil || more || !slices.Equal(got, []events.Topic{"a/x"}) {
		t.Errorf("topics %q, more %v, %v", got, more, err)
	}
}

// TestDeeperTopicsAreNotRead for a pattern that does not match them: who watches a/* may not
// know of them, and neither pays for them nor is told less because of them.
func TestDeeperTopicsAreNotRead(t *testing.T) {
	s := dynamotest.Start(t).Store()
	for n := range 200 {
		if err := s.Announce(t.Context(), events.Topic(fmt.Sprintf("a/b/%d", n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Announce(t.Context(), "a/x"); err != nil {
		t.Fatal(err)
	}
	ctx, meter := watch.Metered(t.Context())
	got, more, err := s.Below(ctx, "a/*", "", 5)
	if reads, _ := meter.Units(); err != nil || more || !slices.Equal(got, []events.Topic{"a/x"}) || reads != 1 {
		t.Errorf("topics %q, more %v, for %v read units, %v", got, more, reads, err)
	}
	if got, more, err := s.Below(t.Context(), "a/**", "", 500); err != nil || more || len(got) != 202 {
		t.Errorf("%d topics at any depth, more %v, %v", len(got), more, err)
	}
}

// TestListIsNoPartOfTheLog: neither a head nor an entry is made of it.
func TestListIsNoPartOfTheLog(t *testing.T) {
	s := dynamotest.Start(t).Store()
	if err := s.Announce(t.Context(), "a/b/c"); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []events.Topic{"a", "a/b", "a/b/c"} {
		head, err := s.Head(t.Context(), topic)
		entries, sinceErr := s.Since(t.Context(), topic, 0, 1<<60)
		if err != nil || sinceErr != nil || head != (watch.Head{}) || len(entries) > 0 {
			t.Errorf("%s: head %+v, %d entries, %v, %v", topic, head, len(entries), err, sinceErr)
		}
	}
}

// TestSubscriptionsToPatterns lie at the topic above, where a change below reads them
// without those who watch that topic.
func TestSubscriptionsToPatterns(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := connection("c1", time.Now())
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	all := []events.Topic{"a", "a/*", "a/**", "a/b"}
	for _, topic := range all {
		if kept, err := s.Subscribe(t.Context(), subscription(c, topic)); kept.Already || err != nil {
			t.Fatalf("subscribe to %s: %+v, %v", topic, kept, err)
		}
	}
	read := func(topic events.Topic, belowAlone bool) string {
		subs, err := s.Subscribers(t.Context(), topic, belowAlone, watch.Whole)
		if err != nil {
			t.Fatal(err)
		}
		var topics []events.Topic
		for _, sub := range subs {
			if sub.Key != c.Key {
				t.Errorf("%s is watched by %+v", topic, sub.Key)
			}
			topics = append(topics, sub.Topic)
		}
		slices.Sort(topics)
		return fmt.Sprint(topics)
	}
	for got, want := range map[string]string{
		read("a", false): "[a a/* a/**]", read("a", true): "[a/* a/**]", read("a/b", false): "[a/b]", read("a/b", true): "[]",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if subs, err := s.Subscriptions(t.Context(), c.Key, all, nil); err != nil || len(subs) != 4 || subs[1].Topic != "a/*" {
		t.Errorf("own subscriptions are %+v, %v", subs, err)
	}
	if err := s.Unsubscribe(t.Context(), c.Key, "a/*", 1); err != nil || read("a", false) != "[a a/**]" {
		t.Errorf("after unsubscribe: %s, %v", read("a", false), err)
	}
	if err := s.Forget(t.Context(), c.Key, nil); err != nil || read("a", false) != "[]" || read("a/b", false) != "[]" {
		t.Errorf("after forget: %s, %v", read("a", false), err)
	}
}

// TestALongListIsNotReadToItsEnd: it has more topics than one answer tells.
func TestALongListIsNotReadToItsEnd(t *testing.T) {
	const limit = 500
	base := events.Topic(strings.Repeat("b", events.MaxTopicBytes-len("/x/00000000")))
	d := dynamotest.Start(t)
	s := d.Store()
	var tasks errgroup.Group
	tasks.SetLimit(16)
	for n := range limit + 100 {
		tasks.Go(func() error {
			return s.Announce(t.Context(), base+events.Topic(fmt.Sprintf("/x/%08d", n)))
		})
	}
	if err := tasks.Wait(); err != nil {
		t.Fatal(err)
	}
	for pattern, c := range map[events.Topic]struct{ topics, looked int }{
		base + "/x/*": {limit, limit + 1}, // all are of the pattern
		base + "/**":  {limit, limit + 1}, // these and the base are
		base + "/*":   {0, 0},             // none is
	} {
		d.Engine.ResetUsage()
		got, more, err := s.Below(t.Context(), pattern, "", limit)
		if err != nil || len(got) != c.topics || more != (c.topics > 0) {
			t.Errorf("%s: %d topics, more %v, %v, want %d", pattern, len(got), more, err, c.topics)
		}
		if looked := d.Engine.Usage().Tables["Changes"]["Query"].RowsRead; looked > int64(c.looked)+1 { // it looks at the row behind the last one, too
			t.Errorf("%s: %d topics are looked at, want %d", pattern, looked, c.looked)
		}
	}
}
