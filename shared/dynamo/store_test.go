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
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
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

// connection is one of alice, made at a time.
func connection(id watch.ConnectionID, at time.Time) watch.Connection {
	return watch.Connection{Key: watch.Key{Subject: "alice", ID: id}, Connected: at}
}

func subscription(c watch.Connection, topic events.Topic) watch.Subscription {
	return watch.Subscription{Key: c.Key, Topic: topic, Until: c.Ends()}
}

// subscribers gives the ids of those whose time is not over.
func subscribers(t *testing.T, s *dynamo.Store, topic events.Topic) (ids []watch.ConnectionID, err error) {
	t.Helper()
	subs, err := s.Subscribers(t.Context(), topic, false, watch.Whole)
	for _, sub := range subs {
		if sub.Until.After(time.Now()) {
			ids = append(ids, sub.ID)
		}
	}
	return ids, err
}

func TestSession(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := connection("c1", time.Now())
	if _, err := s.Session(t.Context(), c.Key); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("unknown connection: %v", err)
	}
	if err := s.Refresh(t.Context(), c.Key, watch.Access{}); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("refresh of an unknown connection: %v", err)
	}
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if session, err := s.Session(t.Context(), c.Key); err != nil || len(session.Topics) != 0 || session.Access != nil {
		t.Errorf("new connection: %+v, %v", session, err)
	}
	for _, topic := range []events.Topic{"b", "a"} {
		if _, err := s.Subscribe(t.Context(), subscription(c, topic)); err != nil {
			t.Fatal(err)
		}
	}
	access := watch.Access{Grant: grant.All(), TokenID: "t2", Issued: time.Unix(1000, 0), Expires: time.Unix(2000, 0), Order: 5}
	if err := s.Refresh(t.Context(), c.Key, access); err != nil {
		t.Fatal(err)
	}
	session, err := s.Session(t.Context(), c.Key)
	slices.Sort(session.Topics)
	if err != nil || !slices.Equal(session.Topics, []events.Topic{"a", "b"}) || fmt.Sprint(*session.Access) != fmt.Sprint(access) {
		t.Errorf("session %+v, %v", session, err)
	}
	if known, err := s.Connections(t.Context(), "alice"); err != nil || len(known) != 1 || known[0].TokenID != "t2" || known[0].Key != c.Key {
		t.Errorf("connections %+v, %v", known, err)
	}
	if err := s.Refresh(t.Context(), c.Key, watch.Access{Order: 4}); !errors.Is(err, watch.ErrOvertaken) {
		t.Errorf("an earlier auth: %v", err)
	}
	later := subscription(c, "a")
	later.Auth = 5
	if there, err := s.Renew(t.Context(), later); err != nil || !there {
		t.Errorf("renewed: %t, %v", there, err)
	}
	earlier := later
	earlier.Auth = 4
	if there, err := s.Renew(t.Context(), earlier); err != nil || there {
		t.Errorf("renewed by an earlier auth: %t, %v", there, err)
	}
	if err := s.Refresh(t.Context(), c.Key, watch.Access{Expires: time.Unix(3000, 0), Order: 6}); err != nil {
		t.Fatal(err)
	}
	if session, err := s.Session(t.Context(), c.Key); err != nil || session.Access == nil || session.Access.Grant.String() != "" {
		t.Errorf("refreshed by a token that grants nothing: %+v, %v", session, err)
	}
	s.Now = func() time.Time { return c.Ends() }
	if _, err := s.Session(t.Context(), c.Key); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("expired row: %v", err)
	}
	if known, err := s.Connections(t.Context(), "alice"); err != nil || len(known) != 0 {
		t.Errorf("connections %+v, %v", known, err)
	}
}

// TestSubscriptionsKeepTheirOptions reads back all that a subscription has.
// TestSubscribesAreCounted, also those to a topic that is watched already.
func TestSubscribesAreCounted(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := connection("c1", time.Now())
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	sub := subscription(c, "a")
	for n, want := range []error{nil, nil, watch.ErrTooManyRequests, nil, watch.ErrTooManyRequests} {
		if sub.Quota.Subscribes = 2; n == 3 {
			sub.Quota.Subscribes, sub.Topic = 3, "b" // time has passed
		}
		if _, err := s.Subscribe(t.Context(), sub); !errors.Is(err, want) {
			t.Errorf("subscribe %d: %v, want %v", n, err, want)
		}
	}
	sub.Quota = watch.Quota{}
	if kept, err := s.Subscribe(t.Context(), sub); !kept.Already || err != nil {
		t.Errorf("without a bound: %+v, %v", kept, err)
	}
}

func TestSubscriptionsKeepTheirOptions(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := connection("c1", time.Now().Truncate(time.Second))
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	view, err := grant.View{}.Narrow([]byte(`{"price":[{"numeric":[">",100]}]}`), []string{"price"})
	if err != nil {
		t.Fatal(err)
	}
	want := subscription(c, "b")
	want.View, want.Options = view, watch.Options{Filter: []byte(`{"price":[{"numeric":[">",100]}]}`), Fields: []string{"price", "a.b"}, Delta: true}
	for _, sub := range []watch.Subscription{subscription(c, "a"), want} {
		if _, err := s.Subscribe(t.Context(), sub); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Subscriptions(t.Context(), c.Key, []events.Topic{"b", "c", "a"}, nil)
	if err != nil || len(got) != 2 || got[0].Topic != "a" || !got[0].View.IsZero() {
		t.Fatalf("subscriptions %+v, %v", got, err)
	}
	watched, err := s.Subscribers(t.Context(), "b", false, watch.Whole)
	if err != nil || len(watched) != 1 {
		t.Fatalf("subscribers %+v, %v", watched, err)
	}
	for _, sub := range []watch.Subscription{got[1], watched[0]} {
		if sub.View.String() != view.String() {
			t.Errorf("view %s, want %s", sub.View, view)
		}
		sub.View = want.View
		if fmt.Sprint(sub) != fmt.Sprint(want) {
			t.Errorf("subscription %+v, want %+v", sub, want)
		}
	}
	want.Options = watch.Options{Latest: true}
	if there, err := s.Renew(t.Context(), want); !there || err != nil {
		t.Fatalf("renewed %t, %v", there, err)
	}
	if got, err = s.Subscriptions(t.Context(), c.Key, []events.Topic{"b"}, nil); err != nil || len(got) != 1 || !got[0].Latest || got[0].Delta {
		t.Errorf("renewed is %+v, %v", got, err)
	}
}

func TestRevocations(t *testing.T) {
	d := dynamotest.Start(t)
	s := d.Store()
	put := func(row map[string]types.AttributeValue) {
		if _, err := d.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Revocations"), Item: row}); err != nil {
			t.Fatal(err)
		}
	}
	text := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	number := func(n int64) types.AttributeValue { return &types.AttributeValueMemberN{Value: fmt.Sprint(n)} }
	put(map[string]types.AttributeValue{"subject": text("alice"), "tokenId": text("*"), "before": number(1000)})
	put(map[string]types.AttributeValue{"subject": text("alice"), "tokenId": text("t1")})
	put(map[string]types.AttributeValue{"subject": text("alice"), "tokenId": text("t9"), "expiresAt": number(time.Now().Unix() - 60)})
	put(map[string]types.AttributeValue{"subject": text("bob"), "tokenId": text("*")})
	hit := func(id string, issued int64) bool {
		revoked, err := s.Revocations(t.Context(), "alice", id)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(revoked, func(r watch.Revocation) bool {
			return r.Hits(watch.Access{TokenID: id, Issued: time.Unix(issued, 0)})
		})
	}
	if !hit("x", 1000) || hit("x", 1001) || !hit("t1", 5000) || hit("t9", 5000) || !hit("", 1000) || hit("", 1001) || !hit("*", 1000) {
		t.Error("revocations hit the wrong tokens")
	}
}

// TestRevocationCountsWhileItsExpiryIsIgnored: DynamoDB keeps such a row for ever, so whoever
// wrote it thinks that the token is refused. So it is with a before that is no time.
func TestRevocationCountsWhileItsExpiryIsIgnored(t *testing.T) {
	d := dynamotest.Start(t)
	now := time.Now()
	number := func(digits string) types.AttributeValue { return &types.AttributeValueMemberN{Value: digits} }
	for name, row := range map[string]map[string]types.AttributeValue{
		"expires at 0":           {"expiresAt": number("0")},
		"at 1":                   {"expiresAt": number("1")},
		"at -1":                  {"expiresAt": number("-1")},
		"six years ago":          {"expiresAt": number(fmt.Sprint(now.AddDate(-6, 0, 0).Unix()))},
		"a text":                 {"expiresAt": &types.AttributeValueMemberS{Value: fmt.Sprint(now.Unix() - 60)}},
		"in milliseconds":        {"expiresAt": number(fmt.Sprint(now.UnixMilli() - 60_000))},
		"of a null":              {"expiresAt": &types.AttributeValueMemberNULL{Value: true}},
		"in a second":            {"expiresAt": number(fmt.Sprint(now.Unix() + 1))},
		"before 0":               {"before": number("0")},
		"before -1":              {"before": number("-1")},
		"before a text":          {"before": &types.AttributeValueMemberS{Value: "1000"}},
		"before in milliseconds": {"before": number(fmt.Sprint(now.UnixMilli()))},
		"before with a fraction": {"before": number(fmt.Sprint(now.Unix()) + ".5")},
	} {
		row["subject"], row["tokenId"] = &types.AttributeValueMemberS{Value: "alice"}, &types.AttributeValueMemberS{Value: name}
		if _, err := d.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Revocations"), Item: row}); err != nil {
			t.Fatal(err)
		}
		store := d.Store()
		store.Now = func() time.Time { return now }
		revoked, err := store.Revocations(t.Context(), "alice", name)
		if err != nil || len(revoked) != 1 || !revoked[0].Hits(watch.Access{TokenID: name, Issued: now}) {
			t.Errorf("revocation that %s is %+v, %v; want the token refused", name, revoked, err)
		}
	}
}

// TestManyRevocationsCostNobodyMore: a user may log out, and so have a token revoked, as often
// as he likes.
func TestManyRevocationsCostNobodyMore(t *testing.T) {
	d := dynamotest.Start(t)
	for n := range 100 {
		row := map[string]types.AttributeValue{
			"subject": &types.AttributeValueMemberS{Value: "alice"}, "tokenId": &types.AttributeValueMemberS{Value: fmt.Sprint(strings.Repeat("t", 250), n)},
		}
		if _, err := d.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Revocations"), Item: row}); err != nil {
			t.Fatal(err)
		}
	}
	d.Engine.ResetUsage()
	if revoked, err := d.Store().Revocations(t.Context(), "alice", strings.Repeat("t", 250)+"7"); err != nil || len(revoked) != 1 {
		t.Errorf("revocations %+v, %v", revoked, err)
	}
	if read, _ := d.Units(); read > 2 {
		t.Errorf("%v units are read", read)
	}
}

func TestSubscriptionsOfAConnection(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := connection("c1", time.Now())
	if _, err := s.Subscribe(t.Context(), subscription(c, "a")); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("subscribe before connect: %v", err)
	}
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for i, topic := range []events.Topic{"a", "b", "a"} {
		if kept, err := s.Subscribe(t.Context(), subscription(c, topic)); err != nil || kept.Already != (i == 2) {
			t.Errorf("subscribe to %s: %+v, %v", topic, kept, err)
		}
	}
	if ids, err := subscribers(t, s, "a"); err != nil || !slices.Equal(ids, []watch.ConnectionID{"c1"}) {
		t.Errorf("subscribers: %v, %v", ids, err)
	}
	for range 2 { // twice is no error
		if err := s.Unsubscribe(t.Context(), c.Key, "b", 1); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if err := s.Forget(t.Context(), c.Key, nil); err != nil {
			t.Error(err)
		}
	}
	for _, topic := range []events.Topic{"a", "b"} {
		if ids, err := subscribers(t, s, topic); err != nil || len(ids) != 0 {
			t.Errorf("subscribers of %s after forget: %v, %v", topic, ids, err)
		}
	}
	if err := s.Unsubscribe(t.Context(), c.Key, "a", 1); err != nil {
		t.Errorf("unsubscribe after forget: %v", err)
	}
	if _, err := s.Subscribe(t.Context(), subscription(c, "a")); !errors.Is(err, watch.ErrNotConnected) {
		t.Errorf("subscribe after forget: %v", err)
	}
}

// TestRenewBringsNothingBack that has ended meanwhile, and does not count as a subscribe.
func TestRenewBringsNothingBack(t *testing.T) {
	d := dynamotest.Start(t)
	s, c := d.Store(), connection("c1", time.Now())
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []events.Topic{"a", "b", "c"} {
		if _, err := s.Subscribe(t.Context(), subscription(c, topic)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Unsubscribe(t.Context(), c.Key, "b", 1), s.Unsubscribe(t.Context(), c.Key, "c", 1)); err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[events.Topic]bool{"a": true, "b": false, "never": false} {
		later := subscription(c, topic)
		later.Until = later.Until.Add(time.Hour)
		d.Engine.ResetUsage()
		if there, err := s.Renew(t.Context(), later); there != want || err != nil {
			t.Errorf("renew %s: there %v, %v", topic, there, err)
		}
		if _, writes := d.Units(); writes != 1 {
			t.Errorf("renew %s costs %v write units", topic, writes)
		}
	}
	session, err := s.Session(t.Context(), c.Key)
	if err != nil || !slices.Equal(session.Topics, []events.Topic{"a"}) || session.Subscribes != 3 {
		t.Errorf("session is %+v, %v", session, err)
	}
	subs, err := s.Subscriptions(t.Context(), c.Key, []events.Topic{"a", "b", "c", "never"}, nil)
	if err != nil || len(subs) != 1 || subs[0].Until.Unix() != c.Ends().Add(time.Hour).Unix() {
		t.Errorf("subscriptions are %+v, %v", subs, err)
	}
}

func TestForgetReachesWhatTheRowDoesNotList(t *testing.T) {
	s := dynamotest.Start(t).Store()
	c := connection("c1", time.Now())
	if err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	var topics []events.Topic
	for n := range 60 { // more than two batches
		topic := events.Topic(fmt.Sprint("t", n))
		if _, err := s.Subscribe(t.Context(), subscription(c, topic)); err != nil {
			t.Fatal(err)
		}
		topics = append(topics, topic)
	}
	var given []watch.Subscription
	for _, topic := range topics[:3] {
		given = append(given, subscription(c, topic))
	}
	if err := s.Forget(t.Context(), c.Key, given); err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics {
		if ids, err := subscribers(t, s, topic); err != nil || len(ids) != 0 {
			t.Fatalf("subscribers of %s: %v, %v", topic, ids, err)
		}
	}
}

func TestSubscriptionsEndWithTheirConnection(t *testing.T) {
	s := dynamotest.Start(t).Store()
	now := time.Now()
	old := connection("old", now.Add(-130*time.Minute))
	young := connection("young", now.Add(-129*time.Minute))
	for _, c := range []watch.Connection{old, young} {
		if err := s.Connect(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Subscribe(t.Context(), subscription(c, "a")); err != nil {
			t.Fatal(err)
		}
	}
	if ids, err := subscribers(t, s, "a"); err != nil || !slices.Equal(ids, []watch.ConnectionID{"young"}) {
		t.Errorf("subscribers: %v, %v", ids, err)
	}
}

func TestItems(t *testing.T) {
	s := dynamotest.Start(t).Store()
	const data = `{"a":[1,"x",null,true,{"b":2}],"digits":123456789012345678901234567890.12345678}`
	if err := s.Put(t.Context(), watch.Publication{Topic: "a", Item: events.Item{ID: "1", Data: []byte(data)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), watch.Publication{Topic: "a", Item: events.Item{ID: "2"}}); err != nil {
		t.Fatal(err)
	}
	items, next, err := s.Page(t.Context(), "a", "", 100)
	if err != nil || next != "" || len(items) != 2 || string(items[0].Data) != data || string(items[1].Data) != "{}" {
		t.Errorf("page: %v, next %q, %v", items, next, err)
	}
	if items, next, err := s.Page(t.Context(), "a", "", 1); err != nil || next != "1" || len(items) != 1 {
		t.Errorf("page of one item: %v, next %q, %v", items, next, err)
	}
	for range 2 {
		if err := s.Remove(t.Context(), watch.Publication{Topic: "a", Item: events.Item{ID: "1"}}); err != nil {
			t.Error(err)
		}
	}
	if items, _, err := s.Page(t.Context(), "a", "", 100); err != nil || len(items) != 1 {
		t.Errorf("after remove: %v, %v", items, err)
	}
	for _, bad := range []string{`{"n":1e300}`, `{"":1}`, `{"n":0.123456789012345678901234567890123456789}`} {
		if err := s.Put(t.Context(), watch.Publication{Topic: "a", Item: events.Item{ID: "3", Data: []byte(bad)}}); !errors.Is(err, watch.ErrBadItem) {
			t.Errorf("put %s: %v, want ErrBadItem", bad, err)
		}
	}
}

// TestPagesHaveVoidRows: where a page ends must not tell which of the rows are.
func TestPagesHaveVoidRows(t *testing.T) {
	d := dynamotest.Start(t)
	for id, expires := range map[string]string{"\x01": "", "expired": fmt.Sprint(time.Now().Unix() - 60), "item": "4000000000"} {
		row := map[string]types.AttributeValue{"topic": &types.AttributeValueMemberS{Value: "a"}, "id": &types.AttributeValueMemberS{Value: id}, "x": &types.AttributeValueMemberS{Value: "y"}}
		if expires != "" {
			row["expiresAt"] = &types.AttributeValueMemberN{Value: expires}
		}
		if _, err := d.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Events, Item: row}); err != nil {
			t.Fatal(err)
		}
	}
	rows, next, err := d.Store().Page(t.Context(), "a", "", 3)
	var got []string
	for _, row := range rows {
		got = append(got, fmt.Sprintf("%q %s %t", row.ID, row.Data, row.Void))
	}
	if want := []string{`"\x01"  true`, `"expired" {"x":"y"} true`, `"item" {"x":"y"} false`}; !slices.Equal(got, want) || next != "item" || err != nil {
		t.Errorf("page: %q, next %q, %v", got, next, err)
	}
}

// TestItemsExpireAsDynamoDBSaysTheyDo: what DynamoDB never deletes is shown for good, as it is
// to whoever saw it put. What it may delete by now is shown no more.
func TestItemsExpireAsDynamoDBSaysTheyDo(t *testing.T) {
	d := dynamotest.Start(t)
	now := time.Now()
	store := d.Store()
	store.Now = func() time.Time { return now }
	number := func(digits string) types.AttributeValue { return &types.AttributeValueMemberN{Value: digits} }
	for id, c := range map[string]struct {
		expires types.AttributeValue
		void    bool
	}{
		"at 0":               {number("0"), false},
		"at 1":               {number("1"), false},
		"at -1":              {number("-1"), false},
		"six years ago":      {number(fmt.Sprint(now.AddDate(-6, 0, 0).Unix())), false},
		"four years ago":     {number(fmt.Sprint(now.AddDate(-4, 0, 0).Unix())), true},
		"a second ago":       {number(fmt.Sprint(now.Unix() - 1)), true},
		"with a fraction":    {number(fmt.Sprint(now.Unix()-2) + ".75"), true},
		"in this second":     {number(fmt.Sprint(now.Unix())), true},
		"in the next":        {number(fmt.Sprint(now.Unix() + 1)), false},
		"in milliseconds":    {number(fmt.Sprint(now.UnixMilli() - 60_000)), false},
		"as a text":          {&types.AttributeValueMemberS{Value: fmt.Sprint(now.Unix() - 60)}, false},
		"in a list":          {&types.AttributeValueMemberL{Value: []types.AttributeValue{number(fmt.Sprint(now.Unix() - 60))}}, false},
		"in a set":           {&types.AttributeValueMemberNS{Value: []string{fmt.Sprint(now.Unix() - 60)}}, false},
		"beyond all numbers": {number("-99999999999999999999999999999999999999"), false},
	} {
		row := map[string]types.AttributeValue{"topic": &types.AttributeValueMemberS{Value: "a"}, "id": &types.AttributeValueMemberS{Value: id}, "expiresAt": c.expires}
		if _, err := d.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Events, Item: row}); err != nil {
			t.Fatal(err)
		}
		rows, _, err := store.Page(t.Context(), "a", "", 100)
		i := slices.IndexFunc(rows, func(r watch.Row) bool { return r.ID == id })
		if err != nil || i < 0 || rows[i].Void != c.void {
			t.Errorf("item that expires %s: %+v, %v, want void %t", id, rows, err, c.void)
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
		if err := s.Put(t.Context(), watch.Publication{Topic: "a", Item: events.Item{ID: fmt.Sprintf("%02d", n), Data: []byte(`{"t":"` + string(text) + `"}`)}}); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	pages := 0
	for after := ""; pages == 0 || after != ""; pages++ {
		items, next, err := s.Page(t.Context(), "a", after, 100)
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
