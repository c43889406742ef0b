package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/intake"
	"github.com/watchroute/watchroute/shared/watch"
)

var changes = flag.Int("changes", 250, "how many messages each source has")

// sent is a message in its source: what it does to an item, or that it does nothing.
type sent struct {
	topic, id string
	n         int  // counts the messages of the source
	remove    bool // of the item
	poison    bool
	change    bool // of an item: a removal of one that is not there is none
}

func (s sent) body() string {
	switch {
	case s.poison:
		return fmt.Sprintf(`{"poison":%d}`, s.n)
	case s.remove:
		return fmt.Sprintf(`{"topic":%q,"id":%q,"op":"remove","version":%d}`, s.topic, s.id, s.n)
	}
	return fmt.Sprintf(`{"topic":%q,"id":%q,"data":{"n":%d},"version":%d}`, s.topic, s.id, s.n, s.n)
}

// ordered is the body for a source that has an order, which needs no version.
func (s sent) ordered() string {
	body, _, found := strings.Cut(s.body(), `,"version":`)
	if found {
		body += "}"
	}
	return body
}

// traffic makes messages about a few items of a few topics.
func traffic(dice *rand.Rand, prefix string, count int) []sent {
	var all []sent
	there := map[string]bool{}
	for n := 1; n <= count; n++ {
		s := sent{topic: fmt.Sprint(prefix, "/", dice.IntN(7)), id: fmt.Sprint("i", dice.IntN(4)), n: n, change: true}
		item := s.topic + " " + s.id
		switch roll := dice.IntN(100); {
		case roll < 2:
			s.poison, s.change = true, false
		case roll < 15:
			s.remove, s.change = true, there[item]
		}
		if !s.poison {
			there[item] = !s.remove
		}
		all = append(all, s)
	}
	return all
}

// lanes divides messages as their source does: all of a topic are in one lane.
func lanes(all []sent, count int) [][]sent {
	divided := make([][]sent, count)
	for _, s := range all {
		h := fnv.New32a()
		_, _ = h.Write([]byte(s.topic))
		lane := int(h.Sum32() % uint32(count))
		divided[lane] = append(divided[lane], s)
	}
	return divided
}

// source is a source as Lambda polls it: how a batch of a lane is written, and which of its messages,
// by their index, come again after an answer. They are all from the first, unless it is a queue.
type source struct {
	name  string
	write func(lane int, batch []sent) string
	again func(batch []sent, answer any, err error) []int
}

var orderedSources = []source{
	{"kafka", func(lane int, batch []sent) string {
		var records []string
		for _, s := range batch {
			records = append(records, fmt.Sprintf(`{"topic":"orders","partition":%d,"offset":%d,"value":%q,"headers":[]}`, lane, s.n, base64.StdEncoding.EncodeToString([]byte(s.ordered()))))
		}
		return fmt.Sprintf(`{"eventSource":"SelfManagedKafka","bootstrapServers":"b-1:9092,b-2:9092","records":{"orders-%d":[%s]}}`, lane, strings.Join(records, ","))
	}, func(batch []sent, _ any, err error) []int {
		if err != nil {
			return from(0, len(batch))
		}
		return nil
	}},
	{"sqs", func(lane int, batch []sent) string {
		var records []string
		for _, s := range batch {
			records = append(records, fmt.Sprintf(`{"messageId":"%d","body":%q,"attributes":{"MessageGroupId":"g%d","SequenceNumber":"%020d"},"eventSource":"aws:sqs","eventSourceARN":%q}`, s.n, s.ordered(), lane, s.n, queueARN))
		}
		return `{"Records":[` + strings.Join(records, ",") + `]}`
	}, reported},
	{"kinesis", func(lane int, batch []sent) string {
		var records []string
		for _, s := range batch {
			records = append(records, fmt.Sprintf(`{"kinesis":{"partitionKey":"k","sequenceNumber":"495%053d","data":%q},"eventSource":"aws:kinesis","eventID":"%d:%d","eventSourceARN":%q}`,
				s.n, base64.StdEncoding.EncodeToString([]byte(s.ordered())), lane, s.n, streamARN))
		}
		return `{"Records":[` + strings.Join(records, ",") + `]}`
	}, func(batch []sent, answer any, err error) []int {
		if err != nil {
			return from(0, len(batch))
		}
		for _, id := range identifiers(answer) {
			for i, s := range batch {
				if id == fmt.Sprintf("495%053d", s.n) {
					return from(i, len(batch))
				}
			}
		}
		return nil
	}},
}

// reported are the messages that the answer to a queue names.
func reported(batch []sent, answer any, err error) (again []int) {
	if err != nil {
		return from(0, len(batch))
	}
	ids := identifiers(answer)
	for i, s := range batch {
		if slices.Contains(ids, fmt.Sprint(s.n)) {
			again = append(again, i)
		}
	}
	return again
}

func from(first, end int) (all []int) {
	for i := first; i < end; i++ {
		all = append(all, i)
	}
	return all
}

func identifiers(answer any) (ids []string) {
	text, _ := json.Marshal(answer)
	var report struct {
		BatchItemFailures []struct {
			ItemIdentifier string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	_ = json.Unmarshal(text, &report)
	for _, f := range report.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}

// sea is a service whose table and failure queue fail now and then.
type sea struct {
	handler
	db     *dynamotest.Database
	stream string
	mu     sync.Mutex
	dice   *rand.Rand
	poison map[string]bool // bodies in the failure queue
}

func newSea(t *testing.T, seed uint64) *sea {
	db := dynamotest.StartInside(t)
	spec := &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages}
	out, err := db.Client.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: &dynamotest.Tables.Events, StreamSpecification: spec})
	if err != nil {
		t.Fatal(err)
	}
	s := &sea{db: db, stream: *out.TableDescription.LatestStreamArn, dice: rand.New(rand.NewPCG(seed, 1)), poison: map[string]bool{}}
	s.handler = handler{sources: sources(), store: rough{db.Store(), s}, failures: s, now: time.Now, logger: slog.New(slog.DiscardHandler)}
	return s
}

// in tells whether something happens that does so in so many of a hundred times.
func (s *sea) in(percent int) bool { return s.under(100) < percent }

func (s *sea) under(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dice.IntN(n)
}

func (s *sea) Send(_ context.Context, message any) error {
	if s.in(20) {
		return errors.New("the failure queue is down")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.poison[message.(refusal).Body] = true
	return nil
}

// rough is a store that fails before it writes, or after.
type rough struct {
	*dynamo.Store
	sea *sea
}

func (r rough) Apply(ctx context.Context, item intake.Item) (bool, error) {
	if r.sea.in(3) {
		return false, watch.ErrUnavailable
	}
	applied, err := r.Store.Apply(ctx, item)
	if r.sea.in(3) {
		return false, errors.New("the answer is lost")
	}
	return applied, err
}

// poll brings the messages of a lane to the function until all are done: in batches of any size, with
// older ones before them, and a second time while the first invocation still runs. Some invocations
// are killed.
func (s *sea) poll(t *testing.T, of source, lane int, all []sent) {
	pending := all
	for len(pending) > 0 {
		begin := len(all) - len(pending)
		batch := pending[:min(len(pending), 1+s.under(10))]
		var before []sent
		if s.in(20) { // what was done comes again
			before = all[max(0, begin-s.under(20)):begin]
		}
		ctx, kill := context.WithCancel(t.Context())
		if s.in(5) {
			time.AfterFunc(time.Duration(s.under(2000))*time.Microsecond, kill)
		}
		var second errgroup.Group
		if s.in(5) { // an invocation that Lambda has given up still runs
			second.Go(func() error {
				_, _ = s.handle(t.Context(), json.RawMessage(of.write(lane, batch)))
				return nil
			})
		}
		answer, err := s.handle(ctx, json.RawMessage(of.write(lane, slices.Concat(before, batch))))
		killed := ctx.Err() != nil
		kill()
		_ = second.Wait()
		if killed {
			continue // nobody got the answer
		}
		var left []sent
		for _, i := range of.again(slices.Concat(before, batch), answer, err) {
			if i >= len(before) {
				left = append(left, batch[i-len(before)])
			}
		}
		if of.name != "sqs" || len(left) == 0 { // a stream goes on after what is done
			pending = pending[len(batch)-len(left):]
			continue
		}
		pending, all = slices.Concat(left, pending[len(batch):]), slices.Concat(without(all[:begin+len(batch)], left), left, pending[len(batch):])
	}
}

// without gives the messages that are not among others.
func without(all, others []sent) []sent {
	return slices.DeleteFunc(slices.Clone(all), func(s sent) bool { return slices.Contains(others, s) })
}

// numbered gives the changes of each topic as fan-out numbers them.
func (s *sea) numbered(t *testing.T) map[events.Topic][]events.Change {
	t.Helper()
	spec := &types.StreamSpecification{StreamEnabled: aws.Bool(false)} // which ends its shards
	if _, err := s.db.Client.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: &dynamotest.Tables.Events, StreamSpecification: spec}); err != nil {
		t.Fatal(err)
	}
	shards, err := s.db.Streams.Shards(s.stream)
	if err != nil {
		t.Fatal(err)
	}
	writes := map[events.Topic][]watch.Write{}
	for _, shard := range shards {
		for after, closed := "", false; !closed; {
			records, end, err := s.db.Streams.Read(t.Context(), s.stream, shard.ID, after, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				var record dynamo.Record
				if err := json.Unmarshal(r.JSON, &record); err != nil {
					t.Fatal(err)
				}
				write, err := dynamo.Write(record)
				if err != nil {
					t.Fatal(err)
				}
				writes[write.Topic], after = append(writes[write.Topic], write), r.SequenceNumber
			}
			closed = end
		}
	}
	numbered := map[events.Topic][]events.Change{}
	for topic, all := range writes {
		for batch := range slices.Chunk(all, watch.MaxAppendEntries) {
			n, err := (watch.Numberer{Log: s.db.Store()}).Number(t.Context(), watch.Stream(s.stream), batch)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range n.Entries {
				numbered[topic] = append(numbered[topic], entry.Change)
			}
		}
	}
	return numbered
}

// table gives the items: topic and id to data.
func (s *sea) table(t *testing.T) map[string]string {
	t.Helper()
	items := map[string]string{}
	out, err := s.db.Client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &dynamotest.Tables.Events})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range out.Items {
		items[item["topic"].(*types.AttributeValueMemberS).Value+" "+item["id"].(*types.AttributeValueMemberS).Value] = item["n"].(*types.AttributeValueMemberN).Value
	}
	return items
}

// wanted gives the items after all messages.
func wanted(all []sent) map[string]string {
	items := map[string]string{}
	for _, s := range all {
		switch item := s.topic + " " + s.id; {
		case s.poison:
		case s.remove:
			delete(items, item)
		default:
			items[item] = fmt.Sprint(s.n)
		}
	}
	return items
}

// wrote writes a change in the way of sent, to compare the two.
func wrote(c events.Change) string {
	var data struct{ N int }
	_ = json.Unmarshal(c.Data, &data)
	if c.Op == events.Removed {
		return "removed " + c.ID
	}
	return fmt.Sprint(c.ID, " ", data.N)
}

// TestEachMessageIsOneChangeInOrder: of Kafka, SQS FIFO and Kinesis, with messages that come again,
// batches that are cut, writes that fail and invocations that are killed. Each message is numbered
// once, in the order of its source, and the table ends with the newest state. Poison is in the failure
// queue.
func TestEachMessageIsOneChangeInOrder(t *testing.T) {
	for _, of := range orderedSources {
		t.Run(of.name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			defer func() {
				if t.Failed() {
					t.Logf("seed %d", seed)
				}
			}()
			s := newSea(t, seed)
			all := traffic(rand.New(rand.NewPCG(seed, 2)), of.name, *changes)
			var polling errgroup.Group
			for lane, messages := range lanes(all, 3) {
				polling.Go(func() error { s.poll(t, of, lane, messages); return nil })
			}
			_ = polling.Wait()
			s.check(t, all)
		})
	}
}

func (s *sea) check(t *testing.T, all []sent) {
	t.Helper()
	want := map[events.Topic][]string{}
	for _, m := range all {
		switch topic := events.Topic(m.topic); {
		case m.poison && !s.poison[m.ordered()]:
			t.Errorf("poison %d is not in the failure queue", m.n)
		case m.change && m.remove:
			want[topic] = append(want[topic], "removed "+m.id)
		case m.change:
			want[topic] = append(want[topic], fmt.Sprint(m.id, " ", m.n))
		}
	}
	total := 0
	for topic, numbered := range s.numbered(t) {
		var got []string
		for i, c := range numbered {
			if c.Seq != int64(i+1) {
				t.Fatalf("change %d of %s has the number %d", i+1, topic, c.Seq)
			}
			got = append(got, wrote(c))
		}
		if !slices.Equal(got, want[topic]) {
			t.Errorf("changes of %s are\n%q, want\n%q", topic, got, want[topic])
		}
		total += len(got)
	}
	if got, want := fmt.Sprint(s.table(t)), fmt.Sprint(wanted(all)); got != want {
		t.Errorf("the table has\n%s, want\n%s", got, want)
	}
	t.Logf("%d messages, %d numbered changes", len(all), total)
}

// TestASourceWithoutOrderEndsWithTheNewestState: its messages come in any order and again, and no
// older state ever replaces a newer one.
func TestASourceWithoutOrderEndsWithTheNewestState(t *testing.T) {
	seed := rand.Uint64()
	s := newSea(t, seed)
	all := traffic(rand.New(rand.NewPCG(seed, 2)), "loose", *changes)
	pending := slices.Concat(all, all[:len(all)/3])
	s.dice.Shuffle(len(pending), func(i, j int) { pending[i], pending[j] = pending[j], pending[i] })
	var mu sync.Mutex
	var polling errgroup.Group
	for range 4 {
		polling.Go(func() error {
			for {
				mu.Lock()
				batch := pending[:min(len(pending), 10)]
				pending = pending[len(batch):]
				mu.Unlock()
				if len(batch) == 0 {
					return nil
				}
				var records []string
				for _, m := range batch {
					records = append(records, fmt.Sprintf(`{"messageId":"%d","body":%q,"attributes":{},"eventSource":"aws:sqs","eventSourceARN":%q}`, m.n, m.body(), looseARN))
				}
				answer, err := s.handle(t.Context(), json.RawMessage(`{"Records":[`+strings.Join(records, ",")+`]}`))
				again := reported(batch, answer, err)
				mu.Lock()
				for _, i := range again {
					pending = append(pending, batch[i])
				}
				mu.Unlock()
			}
		})
	}
	_ = polling.Wait()
	for topic, numbered := range s.numbered(t) {
		last := map[string]int{}
		for _, c := range numbered {
			var data struct{ N int }
			_ = json.Unmarshal(c.Data, &data)
			if c.Op != events.Removed && data.N <= last[c.ID] {
				t.Errorf("seed %d: %s of %s went from %d to %d", seed, c.ID, topic, last[c.ID], data.N)
			}
			last[c.ID] = max(last[c.ID], data.N)
		}
	}
	if got, want := fmt.Sprint(s.table(t)), fmt.Sprint(wanted(all)); got != want {
		t.Errorf("seed %d: the table has\n%s, want\n%s", seed, got, want)
	}
}
