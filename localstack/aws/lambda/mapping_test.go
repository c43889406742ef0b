package lambda_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
	"github.com/watchroute/watchroute/localstack/aws/lambda"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

func newStream(shards int) (*stream.Registry, *stream.Stream) {
	r := stream.NewRegistry(stream.Options{Shards: shards})
	keys := []stream.KeySchemaElement{{AttributeName: "topic", KeyType: "HASH"}, {AttributeName: "id", KeyType: "RANGE"}}
	return r, r.Enable("Events", keys, stream.NewAndOldImages)
}

func put(s *stream.Stream, topic string, n int) {
	key := item.Item{"topic": item.S(topic), "id": item.S(fmt.Sprint(n))}
	s.Append(stream.Change{Op: stream.Insert, Keys: key, New: key, PartitionKey: topic})
}

func TestMapRefuses(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	registry, events := newStream(1)
	m := lambda.Mapping{StreamARN: events.ARN(), Function: "f", StartingPosition: "LATEST"}
	for name, c := range map[string]struct {
		change func(*lambda.Mapping)
		want   error
	}{
		"no function": {func(m *lambda.Mapping) { m.Function = "g" }, lambda.ErrNotFound},
		"no stream":   {func(m *lambda.Mapping) { m.StreamARN += "0" }, lambda.ErrInvalid},
		"bad setting": {func(m *lambda.Mapping) { m.BatchSize = -1 }, lambda.ErrInvalid},
	} {
		bad := m
		c.change(&bad)
		if err := s.Map(bad, registry); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := s.Map(m, registry); err != nil {
		t.Fatal(err)
	}
	m.Function = "arn:aws:lambda:us-east-1:000000000000:function:f"
	if err := s.Map(m, registry); !errors.Is(err, lambda.ErrConflict) {
		t.Errorf("the same mapping again: %v", err)
	}
	s.Close()
	if err := s.Map(m, registry); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// queueARN is that of the queue "work".
const queueARN = "arn:aws:sqs:us-east-1:000000000000:work"

// newQueue makes a queue that hides messages for so many seconds.
func newQueue(t *testing.T, visibility int) *sqs.Service {
	t.Helper()
	queues := sqs.New(sqs.Options{})
	body := fmt.Sprintf(`{"QueueName":"work","Attributes":{"VisibilityTimeout":"%d"}}`, visibility)
	if _, err := queues.Service().Call(t.Context(), "CreateQueue", []byte(body)); err != nil {
		t.Fatal(err)
	}
	return queues
}

func TestMapQueueRefuses(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{Timeout: 10 * time.Second})
	m := lambda.QueueMapping{QueueARN: queueARN, Function: "f"}
	for name, c := range map[string]struct {
		change     func(*lambda.QueueMapping)
		visibility int
		want       error
	}{
		"no function":     {func(m *lambda.QueueMapping) { m.Function = "g" }, 10, lambda.ErrNotFound},
		"no queue":        {func(m *lambda.QueueMapping) { m.QueueARN += "0" }, 10, lambda.ErrInvalid},
		"shown too early": {func(*lambda.QueueMapping) {}, 9, lambda.ErrInvalid},
	} {
		bad := m
		c.change(&bad)
		if err := s.MapQueue(bad, newQueue(t, c.visibility)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	queues := newQueue(t, 10)
	if err := s.MapQueue(m, queues); err != nil {
		t.Fatal(err)
	}
	if err := s.MapQueue(m, queues); !errors.Is(err, lambda.ErrConflict) {
		t.Errorf("the same mapping again: %v", err)
	}
	s.Close()
	if err := s.MapQueue(m, queues); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestQueueFeedsAProcess reads messages with a real function, which fails until it has
// where to write to.
func TestQueueFeedsAProcess(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "missing", "notes")
	s := newService(t, lambda.Options{}, lambda.Function{
		Timeout: time.Second, Environment: map[string]string{roleVariable: "reader", "NOTES": notes},
	})
	queues := newQueue(t, 1)
	if err := s.MapQueue(lambda.QueueMapping{QueueARN: queueARN, Function: "f"}, queues); err != nil {
		t.Fatal(err)
	}
	if err := queues.Send(t.Context(), queueARN, "hello"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a failure", func() bool { return s.Usage().Functions["f"].Errors > 0 })
	if err := os.Mkdir(filepath.Dir(notes), 0o700); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message is read and deleted", func() bool { return queues.Usage().Queues["work"].Deleted == 1 })
	if text, err := os.ReadFile(notes); err != nil || string(text) != "hello\n" {
		t.Errorf("notes %q, %v", text, err)
	}
}

// TestNothingIsLostWhenFunctionsAreKilled kills processes at random until a
// number of them has died with a batch in hand. Every record arrives, and no
// record arrives first after a later one of its topic.
func TestNothingIsLostWhenFunctionsAreKilled(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "notes")
	s := newService(t, lambda.Options{RetryBackoff: time.Millisecond}, lambda.Function{
		Environment: map[string]string{roleVariable: "worker", "NOTES": notes},
	})
	registry, events := newStream(2)
	err := s.Map(lambda.Mapping{
		StreamARN: events.ARN(), Function: "f", BatchSize: 10, MaxRetries: -1, MaxRecordAge: -1,
		StartingPosition: "TRIM_HORIZON", Bisect: true,
	}, registry)
	if err != nil {
		t.Fatal(err)
	}
	var killer sync.WaitGroup
	killer.Go(func() { killUntil(t, s, 5) })
	const topics, changes = 6, 100
	for n := 1; n <= changes; n++ {
		for topic := range topics {
			put(events, fmt.Sprint(topic), n)
		}
	}
	killer.Wait()
	eventually(t, "every record is processed", func() bool { return len(firsts(t, notes)) == topics*changes })
	last := map[int]int{}
	for _, note := range firsts(t, notes) {
		if note.n != last[note.topic]+1 {
			t.Errorf("topic %d: %d follows %d", note.topic, note.n, last[note.topic])
		}
		last[note.topic] = note.n
	}
}

// TestFIFOKeepsOrderWhenFunctionsAreKilled does the same with the groups of a FIFO queue, which
// is written until enough processes have died.
func TestFIFOKeepsOrderWhenFunctionsAreKilled(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "notes")
	s := newService(t, lambda.Options{}, lambda.Function{
		Timeout: time.Second, Environment: map[string]string{roleVariable: "reader", "NOTES": notes},
	})
	queues := sqs.New(sqs.Options{})
	call := func(operation, body string) {
		t.Helper()
		if _, err := queues.Service().Call(t.Context(), operation, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	call("CreateQueue", `{"QueueName":"work.fifo","Attributes":{"FifoQueue":"true","VisibilityTimeout":"1",
		"DeduplicationScope":"messageGroup","FifoThroughputLimit":"perMessageGroupId"}}`)
	if err := s.MapQueue(lambda.QueueMapping{QueueARN: queueARN + ".fifo", Function: "f", Concurrency: 4}, queues); err != nil {
		t.Fatal(err)
	}
	const groups = 6
	killed := make(chan struct{})
	go func() { defer close(killed); killUntil(t, s, 5) }()
	sent := 0
	for enough := false; !enough; {
		sent++
		for g := range groups {
			call("SendMessage", fmt.Sprintf(`{"QueueUrl":"work.fifo","MessageBody":"%d %d","MessageGroupId":"%d","MessageDeduplicationId":"%d"}`, g, sent, g, sent))
		}
		select {
		case <-killed:
			enough = true
		case <-time.After(5 * time.Millisecond):
		}
	}
	eventually(t, "every message is deleted", func() bool { return queues.Usage().Queues["work.fifo"].Deleted == sent*groups })
	last := map[int]int{}
	for _, note := range firsts(t, notes) {
		if note.n != last[note.topic]+1 {
			t.Errorf("group %d: %d follows %d", note.topic, note.n, last[note.topic])
		}
		last[note.topic] = note.n
	}
	for g := range groups {
		if last[g] != sent {
			t.Errorf("group %d ends with %d of %d", g, last[g], sent)
		}
	}
}

// killUntil kills one process every now and then until so many invocations have
// failed by it, or everything is over.
func killUntil(t *testing.T, s *lambda.Service, errors int) {
	quiet := 0
	for s.Usage().Functions["f"].Errors < errors && quiet < 50 {
		time.Sleep(time.Duration(20+rand.IntN(40)) * time.Millisecond)
		pids := s.Processes("f")
		if len(pids) == 0 {
			quiet++
			continue
		}
		_ = syscall.Kill(pids[rand.IntN(len(pids))], syscall.SIGKILL) // it may be gone already
	}
	if got := s.Usage().Functions["f"].Errors; got == 0 {
		t.Error("no invocation was hit")
	}
}

type note struct{ topic, n int }

// firsts are the records in the order in which they were processed first.
func firsts(t *testing.T, path string) []note {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		return nil // nothing yet
	}
	defer file.Close()
	var all []note
	seen := map[note]bool{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var n note
		if _, err := fmt.Sscan(lines.Text(), &n.topic, &n.n); err != nil {
			continue // a line that is being written
		}
		if !seen[n] {
			seen[n] = true
			all = append(all, n)
		}
	}
	return all
}
