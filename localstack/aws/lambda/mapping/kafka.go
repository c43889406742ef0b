package mapping

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// KafkaMapping is an event source mapping from a topic of Kafka, of brokers that are not of MSK.
//
// The mapping is a group of its own among the topic's consumers. An event may have records of several
// partitions. After the function has succeeded, the offsets are committed. If it fails, the same
// records come again, and those behind them wait: for ever, because there is no failure destination
// here and no bound for retries.
//
//	poll ──► invoke ──ok──────────────► commit the offsets
//	            └──function or service error── pause ──► again
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html,
// https://docs.aws.amazon.com/lambda/latest/dg/kafka-process.html
type KafkaMapping struct {
	UUID     string   // which is the consumer group's name, too
	Brokers  []string // host:port (KAFKA_BOOTSTRAP_SERVERS)
	Topic    string
	Function string // name or ARN
	// BatchSize is the most records an event has: 1 to MaxBatchSize, default 100.
	BatchSize        int
	StartingPosition string // TRIM_HORIZON or LATEST, of a group that has no offsets yet
}

// KafkaOptions are what a mapping of Kafka needs of its surroundings.
type KafkaOptions struct {
	// Invoke runs the function. An error means that it did not run.
	Invoke func(ctx context.Context, event []byte) (Answer, error)
	// Backoff is the pause before the first retry; it doubles up to MaxBackoff. AWS documents neither.
	// Defaults: 100 ms and 10 s.
	Backoff, MaxBackoff time.Duration
	Logger              *slog.Logger // default slog.Default()
}

func (m KafkaMapping) check() error {
	switch {
	case len(m.Brokers) == 0:
		return errors.New("there are no brokers in KAFKA_BOOTSTRAP_SERVERS")
	case m.Topic == "":
		return errors.New("there is no topic in Topics")
	case m.BatchSize < 1 || m.BatchSize > MaxBatchSize:
		return fmt.Errorf("BatchSize is %d, must be 1 to %d", m.BatchSize, MaxBatchSize)
	case m.StartingPosition != trimHorizon && m.StartingPosition != latestPosition:
		return fmt.Errorf("StartingPosition is %q, must be TRIM_HORIZON or LATEST", m.StartingPosition)
	}
	return nil
}

// KafkaPoller is a mapping of Kafka at work.
type KafkaPoller struct {
	m      KafkaMapping
	o      KafkaOptions
	client *kgo.Client
	cancel context.CancelFunc
	ended  chan struct{}
}

// StartKafka begins to poll. It fails if the settings are not valid. Brokers that do not answer are
// asked again.
func StartKafka(m KafkaMapping, o KafkaOptions) (*KafkaPoller, error) {
	m.BatchSize = cmp.Or(m.BatchSize, defaultBatch)
	if err := m.check(); err != nil {
		return nil, err
	}
	o.Backoff, o.MaxBackoff = cmp.Or(o.Backoff, 100*time.Millisecond), cmp.Or(o.MaxBackoff, 10*time.Second)
	o.Logger = cmp.Or(o.Logger, slog.Default()).With("mapping", m.UUID, "function", m.Function)
	start := kgo.NewOffset().AtStart()
	if m.StartingPosition == latestPosition {
		start = kgo.NewOffset().AtEnd()
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(m.Brokers...), kgo.ConsumerGroup(m.UUID), kgo.ConsumeTopics(m.Topic), kgo.ConsumeResetOffset(start),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.UnknownTopicRetries(-1),
	)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &KafkaPoller{m: m, o: o, client: client, cancel: cancel, ended: make(chan struct{})}
	go p.poll(ctx)
	return p, nil
}

// Close stops the mapping and waits for that; an invocation that runs is not waited for. Its records
// come again.
func (p *KafkaPoller) Close() {
	p.cancel()
	<-p.ended
}

// Source is the topic that is read, with its brokers.
func (p *KafkaPoller) Source() string { return strings.Join(p.m.Brokers, ",") + "/" + p.m.Topic }

// Function is the function that is fed.
func (p *KafkaPoller) Function() string { return p.m.Function }

func (p *KafkaPoller) poll(ctx context.Context) {
	defer close(p.ended)
	defer p.client.CloseAllowingRebalance()
	if err := p.client.Ping(ctx); err != nil && ctx.Err() == nil { // polls wait without a word
		p.o.Logger.Warn("brokers do not answer, and are asked again", "brokers", p.m.Brokers, "err", err)
	}
	for ctx.Err() == nil {
		fetches := p.client.PollRecords(ctx, p.m.BatchSize)
		fetches.EachError(func(topic string, partition int32, err error) {
			if ctx.Err() == nil {
				p.o.Logger.Warn("topic cannot be read", "topic", topic, "partition", partition, "err", err)
			}
		})
		p.deliver(ctx, fetches.Records())
		p.client.AllowRebalance()
	}
}

// deliver brings records to the function until it has succeeded, in as many events as needed.
func (p *KafkaPoller) deliver(ctx context.Context, records []*kgo.Record) {
	for pause := p.o.Backoff; len(records) > 0 && ctx.Err() == nil; {
		event, n := p.event(records)
		answer, err := p.o.Invoke(ctx, event)
		if err == nil && !answer.FunctionError {
			if err := p.client.CommitRecords(ctx, records[:n]...); err != nil && ctx.Err() == nil {
				p.o.Logger.Warn("offsets are not committed, their records may come again", "err", err)
			}
			records, pause = records[n:], p.o.Backoff
			continue
		}
		if ctx.Err() == nil {
			p.o.Logger.Warn("records come again", "records", n, "err", err)
		}
		sleep(ctx, pause)
		pause = min(2*pause, p.o.MaxBackoff)
	}
}

// kafkaEvent is what the function gets. The names of its lists are topic-partition.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html#kafka-event
type kafkaEvent struct {
	EventSource      string                       `json:"eventSource"`
	BootstrapServers string                       `json:"bootstrapServers"`
	Records          map[string][]json.RawMessage `json:"records"`
}

// kafkaRecord is a record as a function gets it. Whether Lambda leaves out a key or a value that is not
// there, or writes null, is not documented. It is left out here.
type kafkaRecord struct {
	Topic         string              `json:"topic"`
	Partition     int32               `json:"partition"`
	Offset        int64               `json:"offset"`
	Timestamp     int64               `json:"timestamp"` // milliseconds since 1970
	TimestampType string              `json:"timestampType"`
	Key           *[]byte             `json:"key,omitempty"`
	Value         *[]byte             `json:"value,omitempty"`
	Headers       []map[string][]int8 `json:"headers"`
}

func kafkaRecordOf(r *kgo.Record) kafkaRecord {
	record := kafkaRecord{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), TimestampType: "CREATE_TIME", Headers: []map[string][]int8{},
	}
	if r.Attrs.TimestampType() == 1 {
		record.TimestampType = "LOG_APPEND_TIME"
	}
	if r.Key != nil {
		record.Key = &r.Key
	}
	if r.Value != nil {
		record.Value = &r.Value
	}
	for _, h := range r.Headers {
		signed := make([]int8, len(h.Value))
		for i, b := range h.Value {
			signed[i] = int8(b)
		}
		record.Headers = append(record.Headers, map[string][]int8{h.Key: signed})
	}
	return record
}

// event makes an event of as many records, from the first, as fit; of one at least.
func (p *KafkaPoller) event(records []*kgo.Record) (event []byte, n int) {
	e := kafkaEvent{EventSource: "SelfManagedKafka", BootstrapServers: strings.Join(p.m.Brokers, ","), Records: map[string][]json.RawMessage{}}
	size := len(e.BootstrapServers) + 100
	for _, r := range records {
		encoded, err := json.Marshal(kafkaRecordOf(r))
		if err != nil { // texts, numbers and bytes always encode
			encoded = []byte("{}")
		}
		list := fmt.Sprintf("%s-%d", r.Topic, r.Partition)
		if size += len(encoded) + len(list) + 8; n > 0 && size > MaxEvent {
			break
		}
		e.Records[list] = append(e.Records[list], encoded)
		n++
	}
	event, err := json.Marshal(e)
	if err != nil {
		p.o.Logger.Error("event cannot be written", "partitions", slices.Sorted(maps.Keys(e.Records)), "err", err)
	}
	return event, n
}
