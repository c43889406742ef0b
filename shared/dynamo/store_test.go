package dynamo_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/dynamo/dynamotest"
	"github.com/watchroute/watchroute/shared/watch"
)

const stream watch.Stream = "arn:aws:dynamodb:us-east-1:000000000000:table/Events/stream/2026-11-24T00:00:00.000"

// entries makes log entries of a topic in epoch e.
func entries(topic events.Topic, seqs ...int64) []watch.Entry {
	var all []watch.Entry
	for _, seq := range seqs {
		position := watch.Position(fmt.Sprint(1000 + seq))
		all = append(all, watch.Entry{Position: position, High: position, Change: events.Change{
			Topic: topic, Epoch: "e", Seq: seq, Op: events.Added, ID: fmt.Sprint(seq), Time: events.Time(time.UnixMilli(1_000 + seq)), Data: []byte(`{"n":1}`),
		}})
	}
	return all
}

// headAt is the head after entries up to seq.
func headAt(seq int64) watch.Head {
	return watch.Head{Cursor: events.Cursor{Epoch: "e", Seq: seq}, Stream: stream, Position: watch.Position(fmt.Sprint(1000 + seq))}
}

func TestAppendMovesTheHeadWithTheLog(t *testing.T) {
	s := dynamotest.Start(t).Store()
	if head, err := s.Head(t.Context(), "a"); err != nil || head != (watch.Head{}) {
		t.Fatalf("head of a new topic: %+v, %v", head, err)
	}
	if err := s.Append(t.Context(), "a", watch.Head{}, headAt(2), entries("a", 1, 2)); err != nil {
		t.Fatal(err)
	}
	if head, err := s.Head(t.Context(), "a"); err != nil || head != headAt(2) {
		t.Errorf("head is %+v, %v", head, err)
	}
	want := entries("a", 1, 2, 3)
	want[2].High, want[2].Expired, want[2].Large, want[2].Data = "2000", true, true, nil
	if err := s.Append(t.Context(), "a", headAt(2), headAt(3), want[2:]); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(want)
	got, err := s.Before(t.Context(), "a", 3, 10)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("log reads\n%+v, %v, want\n%+v", got, err, want)
	}
	if page, err := s.Before(t.Context(), "a", 2, 1); err != nil || len(page) != 1 || page[0].Seq != 2 {
		t.Errorf("one entry up to 2: %+v, %v", page, err)
	}
}

func TestAppendConflicts(t *testing.T) {
	s := dynamotest.Start(t).Store()
	if err := s.Append(t.Context(), "a", watch.Head{}, headAt(1), entries("a", 1)); err != nil {
		t.Fatal(err)
	}
	other := headAt(1)
	other.Epoch = "f"
	for name, from := range map[string]watch.Head{"none": {}, "an earlier seq": headAt(0), "another epoch": other} {
		if err := s.Append(t.Context(), "a", from, headAt(2), entries("a", 2)); !errors.Is(err, watch.ErrConflict) {
			t.Errorf("append from %s: %v, want ErrConflict", name, err)
		}
	}
	if got, err := s.Before(t.Context(), "a", 9, 9); err != nil || len(got) != 1 {
		t.Errorf("refused appends left %d entries, %v", len(got), err)
	}
}

func TestHeadTellsTheFirstEpoch(t *testing.T) {
	s := dynamotest.Start(t).Store()
	first := headAt(1)
	first.First = true
	if err := s.Append(t.Context(), "a", watch.Head{}, first, entries("a", 1)); err != nil {
		t.Fatal(err)
	}
	if head, err := s.Head(t.Context(), "a"); err != nil || head != first {
		t.Errorf("head is %+v, %v", head, err)
	}
	later := headAt(1)
	later.Epoch = "f"
	if err := s.Append(t.Context(), "a", first, later, entries("a", 1)); err != nil {
		t.Fatal(err)
	}
	if head, err := s.Head(t.Context(), "a"); err != nil || head != later {
		t.Errorf("head is %+v, %v", head, err)
	}
}

// TestSinceLeavesOutWhatHasExpired, though DynamoDB may take days to delete it.
func TestSinceLeavesOutWhatHasExpired(t *testing.T) {
	s := dynamotest.Start(t).Store()
	at := time.Now()
	s.Now = func() time.Time { return at }
	for seq := int64(1); seq <= 4; seq++ {
		from := headAt(seq - 1)
		if seq == 1 {
			from = watch.Head{}
		}
		if err := s.Append(t.Context(), "a", from, headAt(seq), entries("a", seq)); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Hour)
	}
	since := func(from, to int64) (seqs []int64) {
		changes, err := s.Since(t.Context(), "a", from, to)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			if want := entries("a", c.Seq)[0].Change; fmt.Sprint(c) != fmt.Sprint(want) {
				t.Errorf("change %+v, want %+v", c, want)
			}
			seqs = append(seqs, c.Seq)
		}
		return seqs
	}
	if got := fmt.Sprint(since(0, 4), since(1, 3), since(4, 9)); got != "[1 2 3 4] [2 3] []" {
		t.Errorf("within retention: %s", got)
	}
	at = at.Add(s.Retention - 3*time.Hour)
	if got := fmt.Sprint(since(0, 4)); got != "[3 4]" {
		t.Errorf("after retention has passed for two: %s", got)
	}
	if rows, err := s.Before(t.Context(), "a", 4, 9); err != nil || len(rows) != 4 {
		t.Errorf("numbering finds %d rows, %v, want all that are there", len(rows), err)
	}
}

func TestSinceGivesLargeLogsInPages(t *testing.T) {
	s := dynamotest.Start(t).Store()
	head := watch.Head{}
	for seq := int64(1); seq <= 30; seq++ {
		e := entries("a", seq)
		e[0].Data = []byte(`"` + strings.Repeat("x", 100_000) + `"`)
		if err := s.Append(t.Context(), "a", head, headAt(seq), e); err != nil {
			t.Fatal(err)
		}
		head = headAt(seq)
	}
	pages := 0
	for from := int64(0); from < 30; pages++ {
		changes, err := s.Since(t.Context(), "a", from, 30)
		if err != nil || len(changes) == 0 || changes[0].Seq != from+1 {
			t.Fatalf("since %d: %d changes, %v", from, len(changes), err)
		}
		from = changes[len(changes)-1].Seq
	}
	if pages != 3 {
		t.Errorf("3 MB in %d pages", pages)
	}
}

func TestTopics(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := watch.Connection{ID: "c1", Connected: time.Now()}
	if _, err := s.Topics(t.Context(), c.ID); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("unknown connection: %v", err)
	}
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if topics, err := s.Topics(t.Context(), c.ID); err != nil || len(topics) != 0 {
		t.Errorf("new connection: %v, %v", topics, err)
	}
	for _, topic := range []events.Topic{"b", "a"} {
		if _, err := s.Subscribe(t.Context(), watch.Subscription{Connection: c, Topic: topic}); err != nil {
			t.Fatal(err)
		}
	}
	topics, err := s.Topics(t.Context(), c.ID)
	slices.Sort(topics)
	if err != nil || !slices.Equal(topics, []events.Topic{"a", "b"}) {
		t.Errorf("topics %v, %v", topics, err)
	}
	s.Now = func() time.Time { return c.Expires() }
	if _, err := s.Topics(t.Context(), c.ID); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("expired row: %v", err)
	}
}

func TestSubscriptionsOfAConnection(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := watch.Connection{ID: "c1", Connected: time.Now()}
	if _, err := s.Subscribe(t.Context(), watch.Subscription{Connection: c, Topic: "a"}); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("subscribe before connect: %v", err)
	}
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for i, topic := range []events.Topic{"a", "b", "a"} {
		if already, err := s.Subscribe(t.Context(), watch.Subscription{Connection: c, Topic: topic}); err != nil || already != (i == 2) {
			t.Errorf("subscribe to %s: already %v, %v", topic, already, err)
		}
	}
	if ids, err := s.Subscribers(t.Context(), "a"); err != nil || !slices.Equal(ids, []watch.ConnectionID{"c1"}) {
		t.Errorf("subscribers: %v, %v", ids, err)
	}
	for range 2 { // twice is no error
		if err := s.Unsubscribe(t.Context(), c.ID, "b"); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if err := s.Forget(t.Context(), c.ID, nil); err != nil {
			t.Error(err)
		}
	}
	for _, topic := range []events.Topic{"a", "b"} {
		if ids, err := s.Subscribers(t.Context(), topic); err != nil || len(ids) != 0 {
			t.Errorf("subscribers of %s after forget: %v, %v", topic, ids, err)
		}
	}
	if err := s.Unsubscribe(t.Context(), c.ID, "a"); err != nil {
		t.Errorf("unsubscribe after forget: %v", err)
	}
	if _, err := s.Subscribe(t.Context(), watch.Subscription{Connection: c, Topic: "a"}); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("subscribe after forget: %v", err)
	}
}

func TestForgetReachesWhatTheRowDoesNotList(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := watch.Connection{ID: "c1", Connected: time.Now()}
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	var topics []events.Topic
	for n := range 60 { // more than two batches
		topic := events.Topic(fmt.Sprint("t", n))
		if _, err := s.Subscribe(t.Context(), watch.Subscription{Connection: c, Topic: topic}); err != nil {
			t.Fatal(err)
		}
		topics = append(topics, topic)
	}
	if err := s.Forget(t.Context(), "c1", topics[:3]); err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics {
		if ids, err := s.Subscribers(t.Context(), topic); err != nil || len(ids) != 0 {
			t.Fatalf("subscribers of %s: %v, %v", topic, ids, err)
		}
	}
}

func TestExpiredRowsAreSkipped(t *testing.T) {
	s := dynamotest.Start(t).Store()
	now := time.Now()
	old := watch.Connection{ID: "old", Connected: now.Add(-130 * time.Minute)}
	young := watch.Connection{ID: "young", Connected: now.Add(-129 * time.Minute)}
	for _, c := range []watch.Connection{old, young} {
		if err := s.Connect(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Subscribe(t.Context(), watch.Subscription{Connection: c, Topic: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	if ids, err := s.Subscribers(t.Context(), "a"); err != nil || !slices.Equal(ids, []watch.ConnectionID{"young"}) {
		t.Errorf("subscribers: %v, %v", ids, err)
	}
}

func TestItems(t *testing.T) {
	s := dynamotest.Start(t).Store()
	const data = `{"a":[1,"x",null,true,{"b":2}],"digits":123456789012345678901234567890.12345678}`
	if err := s.Put(t.Context(), "a", events.Item{ID: "1", Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "a", events.Item{ID: "2"}); err != nil {
		t.Fatal(err)
	}
	items, next, err := s.Page(t.Context(), "a", "")
	if err != nil || next != "" || len(items) != 2 || string(items[0].Data) != data || string(items[1].Data) != "{}" {
		t.Errorf("page: %v, next %q, %v", items, next, err)
	}
	for range 2 {
		if err := s.Remove(t.Context(), "a", "1"); err != nil {
			t.Error(err)
		}
	}
	if items, _, err := s.Page(t.Context(), "a", ""); err != nil || len(items) != 1 {
		t.Errorf("after remove: %v, %v", items, err)
	}
	for _, bad := range []string{`{"n":1e300}`, `{"":1}`, `{"n":0.123456789012345678901234567890123456789}`} {
		if err := s.Put(t.Context(), "a", events.Item{ID: "3", Data: []byte(bad)}); !errors.Is(err, watch.ErrBadItem) {
			t.Errorf("put %s: %v, want ErrBadItem", bad, err)
		}
	}
}

func TestItemsComeInPages(t *testing.T) {
	s := dynamotest.Start(t).Store()
	text := make([]byte, 90_000)
	for i := range text {
		text[i] = 'x'
	}
	for n := range 30 {
		if err := s.Put(t.Context(), "a", events.Item{ID: fmt.Sprintf("%02d", n), Data: []byte(`{"t":"` + string(text) + `"}`)}); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	pages := 0
	for after := ""; pages == 0 || after != ""; pages++ {
		items, next, err := s.Page(t.Context(), "a", after)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			ids = append(ids, item.ID)
		}
		after = next
	}
	if pages < 3 || len(ids) != 30 || !slices.IsSorted(ids) {
		t.Errorf("%d items in %d pages: %v", len(ids), pages, ids)
	}
}

// TestConnectionsAreKept counts what a thousand calls dial. Each call's answer comes
// within microseconds, which is when a connection is most easily lost.
func TestConnectionsAreKept(t *testing.T) {
	d := dynamotest.Start(t)
	var dialled atomic.Int32
	server := httptest.NewUnstartedServer(d.Engine.Service())
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			dialled.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	cfg := d.Config
	cfg.BaseEndpoint = aws.String(server.URL)
	store := dynamo.Open(cfg, dynamotest.Tables)
	for range 1_000 {
		if _, err := store.Head(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	if got := dialled.Load(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}
