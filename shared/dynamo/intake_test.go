package dynamo_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/intake"
	"github.com/watchroute/watchroute/shared/watch"
)

// receiving is a store that gets items of one id.
type receiving struct {
	*dynamo.Store
	db *dynamotest.Database
	t  *testing.T
}

func newReceiving(t *testing.T) receiving {
	db := dynamotest.Start(t)
	return receiving{db.Store(), db, t}
}

// receive applies data at a location, or a removal if that is empty.
func (w receiving) receive(location, data string) bool {
	w.t.Helper()
	return w.receiveFrom("S", intake.Position{Lane: "0", At: location}, data)
}

func (w receiving) receiveFrom(source string, at intake.Position, data string) bool {
	w.t.Helper()
	applied, err := w.Apply(w.t.Context(), intake.Item{
		Topic: "a", Item: events.Item{ID: "i", Data: json.RawMessage(data)}, Remove: data == "", Source: source, Position: at,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return applied
}

// is compares the item in the table; want is empty for none.
func (w receiving) is(want string) {
	w.t.Helper()
	rows, _, err := w.Page(w.t.Context(), "a", "", 10)
	if err != nil {
		w.t.Fatal(err)
	}
	got := ""
	for _, row := range rows {
		got += string(row.Data)
	}
	if got != want {
		w.t.Errorf("the table has %q, want %q", got, want)
	}
}

// TestAnOlderMessageThatComesAgainChangesNothing: A, B and A again leave B, and a removed item stays
// removed.
func TestAnOlderMessageThatComesAgainChangesNothing(t *testing.T) {
	w := newReceiving(t)
	const a, b = `{"n":1}`, `{"n":2}`
	if !w.receive("1", a) || !w.receive("2", b) || w.receive("1", a) || w.receive("2", b) {
		t.Error("a position counts twice, or not at all")
	}
	w.is(b)
	if !w.receive("3", "") || w.receive("2", b) || w.receive("3", "") {
		t.Error("a removal counts twice, or an older message counts after it")
	}
	w.is("")
	if !w.receive("4", a) {
		t.Error("a newer message does not bring the item back")
	}
	w.is(a)
}

// TestARemovalThatComesFirstKeepsOlderPutsOut: of an item that was never there.
func TestARemovalThatComesFirstKeepsOlderPutsOut(t *testing.T) {
	w := newReceiving(t)
	if !w.receive("2", "") || w.receive("1", `{"n":1}`) {
		t.Error("an older put counts after a removal")
	}
	w.is("")
}

// TestPositionsOfOtherLanesAndSourcesDoNotCount: what comes later counts, so nothing is lost.
func TestPositionsOfOtherLanesAndSourcesDoNotCount(t *testing.T) {
	w := newReceiving(t)
	if !w.receive("9", `{"n":1}`) || !w.receiveFrom("S", intake.Position{Lane: "1", At: "1"}, `{"n":2}`) || !w.receiveFrom("T", intake.Position{Lane: "1", At: "0"}, `{"n":3}`) {
		t.Error("a position of another lane or source counts")
	}
	if w.receiveFrom("S", intake.Position{Lane: "1", At: "1"}, `{"n":2}`) {
		t.Error("a source forgets its position for another's")
	}
	w.is(`{"n":3}`)
}

// TestWhatOthersWriteStaysUntilTheNextMessage of the source.
func TestWhatOthersWriteStaysUntilTheNextMessage(t *testing.T) {
	w := newReceiving(t)
	w.receive("1", `{"n":1}`)
	if err := w.Put(t.Context(), watch.Publication{Topic: "a", Item: events.Item{ID: "i", Data: []byte(`{"n":5}`)}}); err != nil {
		t.Fatal(err)
	}
	w.receive("1", `{"n":1}`)
	w.is(`{"n":5}`)
	w.receive("2", `{"n":2}`)
	w.is(`{"n":2}`)
}

// TestTheSameStateMakesNoRecord in the stream of Events, though its position moves.
func TestTheSameStateMakesNoRecord(t *testing.T) {
	w := newReceiving(t)
	spec := &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages}
	out, err := w.db.Client.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: &dynamotest.Tables.Events, StreamSpecification: spec})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range [][2]string{{"1", `{"n":1}`}, {"2", `{"n":1}`}, {"1", `{"n":1}`}, {"3", `{"n":2}`}, {"4", ""}, {"5", ""}} {
		w.receive(step[0], step[1])
	}
	records := 0
	arn := *out.TableDescription.LatestStreamArn
	shards, err := w.db.Streams.Shards(arn)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for _, shard := range shards {
		read, _, _ := w.db.Streams.Read(ended, arn, shard.ID, "", 100) // an empty shard waits until the end
		records += len(read)
	}
	if records != 3 {
		t.Errorf("%d records, want 3: added, modified, removed", records)
	}
}

// TestPositionsOutliveTheirItems by 30 days, and not for ever.
func TestPositionsOutliveTheirItems(t *testing.T) {
	w := newReceiving(t)
	now := time.Now()
	w.Now = func() time.Time { return now }
	expires := func() string {
		t.Helper()
		out, err := w.db.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &dynamotest.Tables.Positions, Key: map[string]types.AttributeValue{
			"topic": &types.AttributeValueMemberS{Value: "a"}, "id": &types.AttributeValueMemberS{Value: "i"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := out.Item["expiresAt"].(*types.AttributeValueMemberN); ok {
			return n.Value
		}
		return ""
	}
	w.receive("1", `{}`)
	if got := expires(); got != "" {
		t.Errorf("the position of a living item expires at %s", got)
	}
	w.receive("2", "")
	if got, want := expires(), now.Add(30*24*time.Hour).Unix(); got != strconv.FormatInt(want, 10) {
		t.Errorf("the position of a removed item expires at %s, want %d", got, want)
	}
	w.receive("3", `{}`)
	if got := expires(); got != "" {
		t.Errorf("the position of an item that is back expires at %s", got)
	}
	until := now.Add(time.Hour).Unix()
	if _, err := w.Apply(t.Context(), intake.Item{Topic: "a", Item: events.Item{ID: "i"}, ExpiresAt: until, Source: "S", Position: intake.Position{Lane: "0", At: "4"}}); err != nil {
		t.Fatal(err)
	}
	if got, want := expires(), until+30*24*3600; got != strconv.FormatInt(want, 10) {
		t.Errorf("the position of an item that expires does so at %s, want %d", got, want)
	}
}

// TestItemsThatDynamoDBRefusesAreBad, which no repetition makes good.
func TestItemsThatDynamoDBRefusesAreBad(t *testing.T) {
	w := newReceiving(t)
	for name, data := range map[string]string{
		"over 400 KB":  `{"x":"` + strings.Repeat("x", 400<<10) + `"}`,
		"40 digits":    `{"x":1234567890123456789012345678901234567891}`,
		"out of range": `{"x":1e200}`,
	} {
		_, err := w.Apply(t.Context(), intake.Item{Topic: "a", Item: events.Item{ID: "i", Data: []byte(data)}, Source: "S", Position: intake.Position{Lane: "0", At: "1"}})
		if !errors.Is(err, watch.ErrBadItem) {
			t.Errorf("%s: %.200v", name, err)
		}
	}
	if !w.receive("1", `{}`) {
		t.Error("an item that was refused has moved the position")
	}
}

const (
	stale    = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{"Code":"TransactionConflict"},{"Code":"ConditionalCheckFailed"}]}`
	topicful = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{"Code":"ItemCollectionSizeLimitExceeded"},{"Code":"None"}]}`
)

// TestAMessageCountsOnlyOnceItIsWritten: whoever writes the item at the same time delays it, and nothing
// makes it count without a write.
func TestAMessageCountsOnlyOnceItIsWritten(t *testing.T) {
	for name, c := range map[string]struct {
		body    string
		times   int64
		applied bool
		want    error
	}{
		"others write the item, once":     {conflict, 1, true, nil},
		"others write the item all along": {conflict, 1000, false, watch.ErrConflict},
		"throttled":                       {throttled, 1000, false, watch.ErrUnavailable},
		"cancelled without a reason":      {bare, 1000, false, errAny},
		"stale, while others write":       {stale, 1000, false, nil},
		"the topic has all that it can":   {topicful, 1000, false, watch.ErrBadItem},
	} {
		db := dynamotest.StartInside(t)
		faulty := &colliding{HTTPClient: db.Config.HTTPClient, operation: "TransactWriteItems", body: c.body}
		faulty.times.Store(c.times)
		cfg := db.Config
		cfg.HTTPClient, cfg.RetryMaxAttempts = faulty, 1
		item := intake.Item{Topic: "a", Item: events.Item{ID: "i", Data: []byte(`{}`)}, Source: "S", Position: intake.Position{Lane: "0", At: "1"}}
		applied, err := dynamo.Open(cfg, dynamotest.Tables).Apply(t.Context(), item)
		if applied != c.applied || c.want != errAny && !errors.Is(err, c.want) || c.want == errAny && err == nil {
			t.Errorf("%s: applied %v, %v", name, applied, err)
		}
	}
}

// TestCostOfIntake: four write units for a message of a small item, also if it comes again.
func TestCostOfIntake(t *testing.T) {
	w := newReceiving(t)
	for _, c := range []struct {
		location, data string
		writes         float64
	}{{"1", `{"n":1}`, 4}, {"2", `{"n":2}`, 4}, {"2", `{"n":2}`, 4}, {"3", "", 4}} {
		w.db.Engine.ResetUsage()
		w.receive(c.location, c.data)
		if reads, writes := w.db.Units(); reads != 0 || writes != c.writes {
			t.Errorf("%s: %v reads and %v writes, want %v writes", c.location, reads, writes, c.writes)
		}
	}
}
