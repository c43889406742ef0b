package dynamo

import (
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// taggedSubscription is a row of Subscriptions as attributevalue would read it. The package does not
// use it, see doc.go. It has what a row of the benchmark has.
type taggedSubscription struct {
	Topic        string    `dynamodbav:"topic"`
	ConnectionID string    `dynamodbav:"connectionId"`
	Subject      string    `dynamodbav:"subject"`
	Order        string    `dynamodbav:"order,omitempty"`
	Auth         string    `dynamodbav:"auth,omitempty"`
	ViewID       string    `dynamodbav:"view,omitempty"`
	Filter       string    `dynamodbav:"filter,omitempty"`
	Fields       []string  `dynamodbav:"fields,omitempty"`
	Delta        bool      `dynamodbav:"delta,omitempty"`
	Latest       bool      `dynamodbav:"latest,omitempty"`
	Expires      time.Time `dynamodbav:"expiresAt,unixtime"`
}

var benchmarked = watch.Subscription{
	Key: watch.Key{Subject: "user-1234", ID: "L0SM9cOFvHcCIhw="}, Topic: "stocks/AAPL", Order: 7, Until: time.Unix(1_900_000_000, 0),
}

// TestRowsReadTheSameByTags, so that the benchmarks below compare the same work.
func TestRowsReadTheSameByTags(t *testing.T) {
	row := subscriptionRow(benchmarked)
	var tagged taggedSubscription
	if err := attributevalue.UnmarshalMap(row, &tagged); err != nil {
		t.Fatal(err)
	}
	if !tagged.Expires.Equal(benchmarked.Until) || tagged.Subject != benchmarked.Subject {
		t.Errorf("read by tags: %+v", tagged)
	}
	read, err := subscription(row)
	if err != nil || !reflect.DeepEqual(read, benchmarked) {
		t.Errorf("read by hand: %+v, %v; want %+v", read, err, benchmarked)
	}
}

// BenchmarkSubscriptionRow reads the rows of an audience of 1,000, as fan-out does for each batch.
func BenchmarkSubscriptionRow(b *testing.B) {
	rows := make([]map[string]types.AttributeValue, 1_000)
	for i := range rows {
		rows[i] = subscriptionRow(benchmarked)
	}
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, row := range rows {
				if _, err := subscription(row); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("attributevalue", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, row := range rows {
				var tagged taggedSubscription
				if err := attributevalue.UnmarshalMap(row, &tagged); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkEntryRow makes and reads a row of the log.
func BenchmarkEntryRow(b *testing.B) {
	type taggedEntry struct {
		Topic    string `dynamodbav:"topic"`
		Seq      int64  `dynamodbav:"seq"`
		Epoch    string `dynamodbav:"epoch"`
		ID       string `dynamodbav:"id"`
		Op       string `dynamodbav:"op"`
		At       int64  `dynamodbav:"at"`
		Data     string `dynamodbav:"data"`
		Position string `dynamodbav:"position"`
		Expires  int64  `dynamodbav:"expiresAt"`
	}
	e := watch.Entry{
		Change:   events.Change{Topic: "stocks/AAPL", Epoch: "e", Seq: 7, Op: events.Added, ID: "quote", Data: []byte(`{"price":229.87}`), Time: events.Time(time.Unix(1_900_000_000, 0))},
		Position: "1234567890123456789",
	}
	store := &Store{Retention: time.Hour}
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := entry("stocks/AAPL", store.entryRow(e)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("attributevalue", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			row, err := attributevalue.MarshalMap(taggedEntry{Topic: "stocks/AAPL", Seq: 7, Epoch: "e", ID: "quote", Op: "added",
				At: 1_900_000_000, Data: string(e.Data), Position: string(e.Position), Expires: 1_900_003_600})
			if err != nil {
				b.Fatal(err)
			}
			var back taggedEntry
			if err := attributevalue.UnmarshalMap(row, &back); err != nil {
				b.Fatal(err)
			}
		}
	})
}
