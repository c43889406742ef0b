package mapping_test

import (
	"context"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/dynamodb/item"
	"github.com/watchroute/watchroute/localstack/dynamodb/stream"
	"github.com/watchroute/watchroute/localstack/lambda/mapping"
)

// BenchmarkRecordToFunction is the time from a change's commit to the invocation
// that carries it, with the function free.
func BenchmarkRecordToFunction(b *testing.B) {
	r := stream.NewRegistry(stream.Options{Shards: 1})
	s := r.Enable("Events", []stream.KeySchemaElement{{AttributeName: "id", KeyType: "HASH"}}, stream.NewAndOldImages)
	arrived := make(chan time.Time)
	p, err := mapping.Start(mapping.Mapping{StreamARN: s.ARN(), StartingPosition: "TRIM_HORIZON"}, r, mapping.Options{
		Invoke: func(context.Context, []byte) (mapping.Answer, error) {
			arrived <- time.Now()
			return mapping.Answer{}, nil
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	key := item.Item{"id": item.S("quote")}
	var waited time.Duration
	for b.Loop() {
		began := time.Now()
		s.Append(stream.Change{Op: stream.Insert, Keys: key, New: key, PartitionKey: "quote"})
		waited += (<-arrived).Sub(began)
	}
	b.ReportMetric(float64(waited.Microseconds())/float64(b.N), "µs/record")
}
