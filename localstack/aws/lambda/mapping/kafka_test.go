package mapping_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
)

// brokers are Kafka with a topic, and a function that notes what it gets.
type brokers struct {
	addresses []string
	producer  *kgo.Client
	mu        sync.Mutex
	got       []string // partition, offset and value of each record, with a bar after each event
	events    []string
	answer    func(call int) (mapping.Answer, error)
}

func newBrokers(t *testing.T, partitions int32) *brokers {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b := &brokers{addresses: cluster.ListenAddrs(), answer: func(int) (mapping.Answer, error) { return mapping.Answer{}, nil }}
	if b.producer, err = kgo.NewClient(kgo.SeedBrokers(b.addresses...), kgo.DefaultProduceTopic("orders"), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.producer.Close)
	return b
}

func (b *brokers) produce(t *testing.T, records ...*kgo.Record) {
	t.Helper()
	if err := b.producer.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func (b *brokers) start(t *testing.T, m mapping.KafkaMapping) *mapping.KafkaPoller {
	t.Helper()
	m.Brokers, m.Topic, m.UUID, m.Function = b.addresses, "orders", "m1", "f"
	p, err := mapping.StartKafka(m, mapping.KafkaOptions{Invoke: b.invoke, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p != nil {
			p.Close()
		}
	})
	return p
}

func (b *brokers) invoke(_ context.Context, event []byte) (mapping.Answer, error) {
	var e struct {
		Records map[string][]struct {
			Partition, Offset int64
			Value             []byte
		} `json:"records"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return mapping.Answer{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, string(event))
	for _, partition := range e.Records {
		for _, r := range partition {
			b.got = append(b.got, fmt.Sprintf("%d:%d %s", r.Partition, r.Offset, r.Value))
		}
	}
	b.got = append(b.got, "|")
	return b.answer(len(b.events))
}

// values waits until a function has got so many records, and gives the values.
func (b *brokers) values(t *testing.T, count int) []string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		b.mu.Lock()
		got := slices.DeleteFunc(slices.Clone(b.got), func(r string) bool { return r == "|" })
		b.mu.Unlock()
		if len(got) >= count {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("the function got %q, want %d", got, count)
		}
	}
}

func text(values ...string) (records []*kgo.Record) {
	for _, v := range values {
		records = append(records, &kgo.Record{Value: []byte(v)})
	}
	return records
}

// TestKafkaRecordsReachTheFunctionAsLambdaWritesThem.
func TestKafkaRecordsReachTheFunctionAsLambdaWritesThem(t *testing.T) {
	b := newBrokers(t, 3)
	at := time.UnixMilli(1764158400123)
	b.produce(t, &kgo.Record{Partition: 2, Key: []byte("k"), Value: []byte("{}"), Timestamp: at, Headers: []kgo.RecordHeader{{Key: "ce_id", Value: []byte("A\xff")}}}, &kgo.Record{Partition: 2, Key: []byte("k"), Timestamp: at})
	b.start(t, mapping.KafkaMapping{StartingPosition: "TRIM_HORIZON"})
	b.values(t, 2)
	want := `{"eventSource":"SelfManagedKafka","bootstrapServers":"` + strings.Join(b.addresses, ",") + `","records":{"orders-2":[` +
		`{"topic":"orders","partition":2,"offset":0,"timestamp":1764158400123,"timestampType":"CREATE_TIME","key":"aw==","value":"` + base64.StdEncoding.EncodeToString([]byte("{}")) + `","headers":[{"ce_id":[65,-1]}]},` +
		`{"topic":"orders","partition":2,"offset":1,"timestamp":1764158400123,"timestampType":"CREATE_TIME","key":"aw==","headers":[]}]}}`
	if b.events[0] != want {
		t.Errorf("the event is\n%s, want\n%s", b.events[0], want)
	}
}

// TestKafkaRecordsComeAgainInOrder until the function succeeds, and those behind them wait.
func TestKafkaRecordsComeAgainInOrder(t *testing.T) {
	b := newBrokers(t, 1)
	b.answer = func(call int) (mapping.Answer, error) {
		switch call {
		case 1:
			return mapping.Answer{FunctionError: true}, nil
		case 2:
			return mapping.Answer{}, errors.New("throttled")
		}
		return mapping.Answer{}, nil
	}
	b.produce(t, text("a", "b", "c")...)
	b.start(t, mapping.KafkaMapping{StartingPosition: "TRIM_HORIZON", BatchSize: 2})
	b.values(t, 7)
	if got, want := strings.Join(b.got, " "), "0:0 a 0:1 b | 0:0 a 0:1 b | 0:0 a 0:1 b | 0:2 c |"; got != want {
		t.Errorf("the function got %s, want %s", got, want)
	}
}

// TestKafkaOffsetsOutliveTheMapping: what was done does not come again, and what failed does.
func TestKafkaOffsetsOutliveTheMapping(t *testing.T) {
	b := newBrokers(t, 1)
	b.produce(t, text("a")...)
	p := b.start(t, mapping.KafkaMapping{StartingPosition: "TRIM_HORIZON"})
	b.values(t, 1)
	b.mu.Lock()
	b.answer = func(int) (mapping.Answer, error) { return mapping.Answer{FunctionError: true}, nil }
	b.mu.Unlock()
	b.produce(t, text("b")...)
	b.values(t, 3)
	p.Close()
	b.mu.Lock()
	b.got, b.answer = nil, func(int) (mapping.Answer, error) { return mapping.Answer{}, nil }
	b.mu.Unlock()
	b.start(t, mapping.KafkaMapping{StartingPosition: "LATEST"})
	if got := b.values(t, 1); got[0] != "0:1 b" {
		t.Errorf("the next mapping got %q", got)
	}
}

// TestKafkaRecordsOfALaterEventAreNotDone with those before them: what one poll gives may take several
// events.
func TestKafkaRecordsOfALaterEventAreNotDone(t *testing.T) {
	b := newBrokers(t, 1)
	b.answer = func(call int) (mapping.Answer, error) { return mapping.Answer{FunctionError: call > 1}, nil }
	large := strings.Repeat("x", 900_000)
	for range 6 { // of which four fit into an event
		b.produce(t, text(large)...)
	}
	p := b.start(t, mapping.KafkaMapping{StartingPosition: "TRIM_HORIZON"})
	b.values(t, 7)
	p.Close()
	b.mu.Lock()
	done := strings.Count(strings.Split(strings.Join(b.got, " "), "|")[0], large)
	b.got, b.answer = nil, func(int) (mapping.Answer, error) { return mapping.Answer{}, nil }
	b.mu.Unlock()
	b.start(t, mapping.KafkaMapping{StartingPosition: "LATEST"})
	if got := b.values(t, 6-done); !strings.HasPrefix(got[0], fmt.Sprintf("0:%d ", done)) {
		t.Errorf("of six, %d were done, and the next mapping began with %.10s", done, got[0])
	}
}

// TestKafkaEventsStayUnderSixMegabytes.
func TestKafkaEventsStayUnderSixMegabytes(t *testing.T) {
	b := newBrokers(t, 1)
	large := strings.Repeat("x", 900_000)
	for range 8 {
		b.produce(t, text(large)...)
	}
	b.start(t, mapping.KafkaMapping{StartingPosition: "TRIM_HORIZON"})
	b.values(t, 8)
	for _, event := range b.events {
		if len(event) > mapping.MaxEvent {
			t.Errorf("an event has %d bytes", len(event))
		}
	}
}

// TestBrokersThatDoNotAnswerAreNamed: whoever has misspelt an address would wait for ever.
func TestBrokersThatDoNotAnswerAreNamed(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	_ = closed.Close() // nobody listens there any more
	told, log := io.Pipe()
	t.Cleanup(func() { _ = told.Close() })
	p, err := mapping.StartKafka(mapping.KafkaMapping{UUID: "m", Function: "f", Brokers: []string{address}, Topic: "t", StartingPosition: "LATEST"},
		mapping.KafkaOptions{Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(told).ReadString('\n')
	if err != nil || !strings.Contains(line, "brokers do not answer") || !strings.Contains(line, address) {
		t.Errorf("told is %q, %v", line, err)
	}
	p.Close()
}

// TestKafkaSettingsThatLambdaRefuses.
func TestKafkaSettingsThatLambdaRefuses(t *testing.T) {
	for want, m := range map[string]mapping.KafkaMapping{
		"there are no brokers":   {Topic: "t", StartingPosition: "LATEST"},
		"there is no topic":      {Brokers: []string{"b:1"}, StartingPosition: "LATEST"},
		"BatchSize is 10001":     {Brokers: []string{"b:1"}, Topic: "t", StartingPosition: "LATEST", BatchSize: 10_001},
		`StartingPosition is ""`: {Brokers: []string{"b:1"}, Topic: "t"},
	} {
		if _, err := mapping.StartKafka(m, mapping.KafkaOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("start: %v, want %s", err, want)
		}
	}
}
