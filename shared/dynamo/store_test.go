package dynamo_test

import (
	"encoding/json"
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
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

const stream watch.Stream = "arn:aws:dynamodb:us-east-1:000000000000:table/Events/stream/2026-11-24T00:00:00.000"

// entries makes log entries of a topic in epoch e.
func entries(topic events.Topic, seqs ...int64) []watch.Entry {
	var all []watch.Entry
	for _, seq := range seqs {
		position := watch.Position(fmt.Sprint(1000 + seq))
		lapse := []grant.Lapse{"", grant.Renewed, grant.Ended, grant.AlreadyEnded}[seq%4]
		all = append(all, watch.Entry{Position: position, High: position, Lapse: lapse, Change: events.Change{
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
			if want := entries("a", c.Seq)[0]; fmt.Sprint(c) != fmt.Sprint(want) {
				t.Errorf("entry %+v, want %+v", c, want)
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

// modification is a change of an item of a few KB: of one small member, or of all its data.
func modification(topic events.Topic, seq int64, kilobytes int, all bool) watch.Entry {
	e := entries(topic, seq)[0]
	e.Op = events.Modified
	letters := []string{"x", "x"}
	if all {
		letters[1] = "y"
	}
	for i, into := range []*json.RawMessage{&e.Before, &e.Data} {
		*into = fmt.Appendf(nil, `{"n":1.%d0,"none":null,"text":"%s"}`, i, strings.Repeat(letters[i], kilobytes<<10))
	}
	return e
}

// TestARowIsSmallWhereLittleDiffers, and the state before comes back byte for byte.
func TestARowIsSmallWhereLittleDiffers(t *testing.T) {
	d := dynamotest.Start(t)
	s := d.Store()
	for topic, c := range map[events.Topic]struct {
		all    bool
		writes float64
	}{"a": {false, 5 + 1}, "b": {true, 9 + 1}} { // with the head
		want := modification(topic, 1, 4, c.all)
		d.Engine.ResetUsage()
		if err := s.Append(t.Context(), topic, watch.Head{}, headAt(1), []watch.Entry{want}); err != nil {
			t.Fatal(err)
		}
		if _, writes := d.Units(); writes != c.writes {
			t.Errorf("%s: %v write units, want %v", topic, writes, c.writes)
		}
		for name, read := range map[string]func() ([]watch.Entry, error){
			"since":  func() ([]watch.Entry, error) { return s.Since(t.Context(), topic, 0, 1) },
			"before": func() ([]watch.Entry, error) { return s.Before(t.Context(), topic, 1, 1) },
		} {
			if got, err := read(); err != nil || len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
				t.Errorf("%s gives %+v, %v, want %+v", name, got, err, want)
			}
		}
	}
}

// TestRowsOfEarlierVersionsTellWhatWas: these rows hold the whole state before.
func TestRowsOfEarlierVersionsTellWhatWas(t *testing.T) {
	d := dynamotest.Start(t)
	want := modification("a", 1, 1, false)
	row := attributes{"topic": str("a"), "seq": number("1"), "epoch": str("e"), "id": str("1"), "op": str("modified"), "at": number("1001"),
		"position": str("1001"), "lapse": str(string(want.Lapse)), "data": str(string(want.Data)), "before": str(string(want.Before)),
		"expiresAt": number(fmt.Sprint(time.Now().Add(time.Hour).Unix()))}
	if _, err := d.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Changes, Item: row}); err != nil {
		t.Fatal(err)
	}
	got, err := d.Store().Since(t.Context(), "a", 0, 1)
	if err != nil || len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

// TestHowMuchDiffersShowsToNoReader: a view may hide the difference. The pages of the log therefore
// end at the same numbers, and the meter gets the same units.
func TestHowMuchDiffersShowsToNoReader(t *testing.T) {
	d := dynamotest.Start(t)
	s := d.Store()
	const changes = 30
	read := map[bool]string{}
	for _, all := range []bool{true, false} {
		topic, head := events.Topic(fmt.Sprint(all))[:4], watch.Head{}
		for seq := int64(1); seq <= changes; seq++ {
			if err := s.Append(t.Context(), topic, head, headAt(seq), []watch.Entry{modification(topic, seq, 60+int(seq), all)}); err != nil {
				t.Fatal(err)
			}
			head = headAt(seq)
		}
		for from := int64(0); from < changes; {
			ctx, meter := watch.Metered(t.Context())
			page, err := s.Since(ctx, topic, from, changes)
			if err != nil || len(page) == 0 {
				t.Fatal(len(page), err)
			}
			from = page[len(page)-1].Seq
			units, _ := meter.Units()
			read[all] += fmt.Sprintf("up to %d: %v units\n", from, units)
		}
	}
	if read[false] != read[true] {
		t.Errorf("if a member changes, the log is read\n%s\nif all changes\n%s", read[false], read[true])
	}
}

// TestConnectionsAreKept counts what a thousand calls dial. Each call's answer comes
// within microseconds, which is when a connection is most easily lost. On a busy machine a call
// now and then finds the connection of the call before not free yet.
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
	if got := dialled.Load(); got > 5 {
		t.Errorf("%d connections for 1,000 calls, want 1", got)
	}
}
