package mapping_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
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

// BenchmarkFIFOBacklog measures the time of a message through the queue and the function. 20,000
// messages in 1,000 groups wait already; a batch has one message, and 20 batches run at once.
func BenchmarkFIFOBacklog(b *testing.B) {
	const messages, groups = 20_000, 1_000
	var took time.Duration
	for b.Loop() {
		queues := backlog(b, messages, groups)
		var left sync.WaitGroup
		left.Add(messages)
		began := time.Now()
		p, err := mapping.StartQueue(mapping.QueueMapping{QueueARN: workARN + ".fifo", BatchSize: 1, Concurrency: 20}, queues, mapping.QueueOptions{
			Invoke: func(context.Context, []byte) (mapping.Answer, error) {
				left.Done()
				return mapping.Answer{}, nil
			},
		})
		if err != nil {
			b.Fatal(err)
		}
		left.Wait()
		took += time.Since(began)
		p.Close()
	}
	b.ReportMetric(float64(took.Microseconds())/float64(b.N)/messages, "µs/message")
}

// backlog is the queue work.fifo with so many messages.
func backlog(b *testing.B, messages, groups int) *sqs.Service {
	queues := sqs.New(sqs.Options{})
	call := func(operation string, in map[string]any) {
		body, err := json.Marshal(in)
		if err == nil {
			_, err = queues.Service().Call(b.Context(), operation, body)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	call("CreateQueue", map[string]any{"QueueName": "work.fifo", "Attributes": map[string]string{
		"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId",
	}})
	for i := range messages {
		call("SendMessage", map[string]any{
			"QueueUrl": "work.fifo", "MessageBody": "x", "MessageGroupId": fmt.Sprint(i % groups), "MessageDeduplicationId": fmt.Sprint(i),
		})
	}
	return queues
}
