package dynamo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// aDestination is one of alice's with all that one can have.
func aDestination(t *testing.T, id string, expires time.Time) delivery.Destination {
	t.Helper()
	allowed, err := grant.Parse([]byte(`{"v":1,"allow":[{"topics":["orders/**"],"actions":["deliver"],"filter":{"n":[1]}}]}`), "alice")
	if err != nil {
		t.Fatal(err)
	}
	d := delivery.Destination{
		ID: id, Kind: delivery.Webhook, URL: "https://example.com/hook", Format: delivery.CloudEvents, Batch: 7, Created: time.UnixMilli(1_700_000_000_123),
		Query: watch.Query{Topic: "orders/**", Options: watch.Options{Filter: json.RawMessage(`{"n":[1]}`), Fields: []string{"n"}}},
	}
	d.Key = watch.Key{Subject: "alice", ID: watch.DestinationID(id)}
	d.Access = watch.Access{Grant: allowed, TokenID: "t1", Issued: time.Unix(1_700_000_000, 0), Expires: expires, Delivers: true}
	return d
}

// TestADestinationIsReadAsItWasWritten, and it watches by a subscription that fan-out reads.
func TestADestinationIsReadAsItWasWritten(t *testing.T) {
	s := dynamotest.Start(t).Store()
	want := aDestination(t, "dst_1", time.Now().Add(time.Hour).Truncate(time.Second))
	if err := s.AddDestination(t.Context(), want, 1); err != nil {
		t.Fatal(err)
	}
	got, err := s.Destination(t.Context(), "dst_1")
	if err != nil || got.Grant.String() != want.Grant.String() {
		t.Fatalf("%+v, %v", got, err)
	}
	want.Grant, got.Grant = grant.Grant{}, grant.Grant{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("it is\n%+v, want\n%+v", got, want)
	}
	for topic, below := range map[events.Topic]bool{"orders": true, "orders/1": false} {
		subs, err := s.Subscribers(t.Context(), "orders", below, watch.Whole)
		if err != nil || len(subs) != 1 || subs[0].Key != want.Key || subs[0].Topic != "orders/**" || !subs[0].Until.Equal(want.Expires) {
			t.Errorf("%s is watched by %+v, %v", topic, subs, err)
		}
	}
	if err := s.RemoveDestination(t.Context(), got, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Destination(t.Context(), "dst_1"); !errors.Is(err, delivery.ErrUnknown) {
		t.Errorf("after removal: %v", err)
	}
	if subs, err := s.Subscribers(t.Context(), "orders", false, watch.Whole); err != nil || len(subs) != 0 {
		t.Errorf("after removal it watches by %+v, %v", subs, err)
	}
}

// TestADeclaredDestinationDoesNotEnd by itself, and neither does its subscription.
func TestADeclaredDestinationDoesNotEnd(t *testing.T) {
	s := dynamotest.Start(t).Store()
	want := delivery.Destination{ID: "dst_1", Kind: delivery.SQS, Target: "https://sqs.example/1/q.fifo", Format: delivery.Frames, Batch: 100,
		Created: time.UnixMilli(1_700_000_000_123), Verified: true, Name: "orders", Edition: 1, Query: watch.Query{Topic: "orders/1"}}
	want.Key = watch.Key{Subject: watch.Deployer, ID: watch.DestinationID("dst_1")}
	want.Grant, want.Delivers = grant.All(), true
	if err := s.AddDestination(t.Context(), want, 1); err != nil {
		t.Fatal(err)
	}
	s.Now = func() time.Time { return time.Now().AddDate(100, 0, 0) }
	got, err := s.Destination(t.Context(), "dst_1")
	if err != nil || got.Grant.String() != want.Grant.String() {
		t.Fatalf("%+v, %v", got, err)
	}
	want.Grant, got.Grant = grant.Grant{}, grant.Grant{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("it is\n%+v, want\n%+v", got, want)
	}
	subs, err := s.Subscribers(t.Context(), "orders/1", false, watch.Whole)
	if err != nil || len(subs) != 1 || subs[0].Key != want.Key || subs[0].Until.Before(s.Now()) {
		t.Errorf("it watches by %+v, %v", subs, err)
	}
}

// TestAnEditionThatHasEndedWritesNothing: a call that was late adds, replaces and removes nothing. Nor does one
// that adds what is there.
func TestAnEditionThatHasEndedWritesNothing(t *testing.T) {
	s := dynamotest.Start(t).Store()
	of := func(id string, edition int64) delivery.Destination {
		d := delivery.Destination{ID: id, Kind: delivery.SQS, Target: fmt.Sprint("edition ", edition), Name: id, Edition: edition, Query: watch.Query{Topic: "a"}}
		d.Key = watch.Key{Subject: watch.Deployer, ID: watch.DestinationID(id)}
		return d
	}
	must := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	for edition := int64(1); edition < 4; edition++ {
		id := fmt.Sprint("dst_", edition)
		must("add", s.AddDestination(t.Context(), of(id, edition), 100), nil)
		must("add again", s.AddDestination(t.Context(), of(id, edition), 100), delivery.ErrExists)
		was, err := s.Declaration(t.Context())
		must("read", err, nil)
		for range 2 { // the second time nothing is pending any more
			must("wait", s.NoteDeclaration(t.Context(), was, delivery.Declaration{Digest: was.Digest, Edition: was.Edition, Pending: "p", Since: time.UnixMilli(7)}), nil)
			if got, err := s.Declaration(t.Context()); err != nil || got.Pending != "p" || !got.Since.Equal(time.UnixMilli(7)) || got.Digest != was.Digest || got.Edition != was.Edition {
				t.Errorf("waiting it is %+v, %v", got, err)
			}
		}
		now := delivery.Declaration{Digest: fmt.Sprint("d", edition), Edition: edition}
		must("end", s.NoteDeclaration(t.Context(), was, now), nil)
		must("end again", s.NoteDeclaration(t.Context(), was, now), delivery.ErrOvertaken)
		if got, err := s.Declaration(t.Context()); err != nil || got != now {
			t.Errorf("the declaration is %+v, %v, want %+v", got, err, now)
		}
		for _, late := range []int64{edition, edition + 2} {
			changed := of(id, late)
			changed.Version = 1
			must("a late add", s.AddDestination(t.Context(), of("dst_late", late), 100), delivery.ErrOvertaken)
			if s.ReplaceDestination(t.Context(), changed, of(id, edition), time.Now()) == nil || s.RemoveDestination(t.Context(), changed, time.Now()) == nil {
				t.Error("a late edition replaces or removes")
			}
		}
		if d, err := s.Destination(t.Context(), id); err != nil || d.Target != of(id, edition).Target {
			t.Errorf("it is %+v, %v", d, err)
		}
		changed := of(id, edition+1)
		changed.Version = 1
		must("replace", s.ReplaceDestination(t.Context(), changed, of(id, edition), time.Now()), nil)
	}
	must("remove", s.RemoveDestination(t.Context(), of("dst_1", 4), time.Now()), nil)
	if all, err := s.Destinations(t.Context(), watch.Deployer); err != nil || len(all) != 2 {
		t.Errorf("there are %+v, %v", all, err)
	}
}

// TestOneOfManyIsRefused: whoever registers at the same time, a subject has no more than it may.
func TestOneOfManyIsRefused(t *testing.T) {
	s := dynamotest.Start(t).Store()
	const most = 3
	var added, refused atomic.Int64
	var group sync.WaitGroup
	for n := range 10 {
		d := aDestination(t, fmt.Sprint("dst_", n), time.Now().Add(time.Hour))
		group.Go(func() {
			switch err := s.AddDestination(t.Context(), d, most); {
			case err == nil:
				added.Add(1)
			case errors.Is(err, delivery.ErrTooMany):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	all, err := s.Destinations(t.Context(), "alice")
	if added.Load() != most || refused.Load() != 10-most || len(all) != most || err != nil {
		t.Errorf("%d are added and %d refused; alice has %d, %v", added.Load(), refused.Load(), len(all), err)
	}
	if subs, err := s.Subscribers(t.Context(), "orders", false, watch.Whole); err != nil || len(subs) != most {
		t.Errorf("what is refused watches as well: %d subscriptions, %v", len(subs), err)
	}
}

// notices reads what operators are told of a destination.
func notices(t *testing.T, s *dynamo.Store, destination string) map[string]watch.Row {
	t.Helper()
	rows, _, err := s.Page(t.Context(), delivery.Notices(destination), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]watch.Row{}
	for _, row := range rows {
		told[row.ID] = row
	}
	return told
}

// TestSettingsChangeInTheirVersion only. An older one changes nothing, as does one that is gone.
func TestSettingsChangeInTheirVersion(t *testing.T) {
	s := dynamotest.Start(t).Store()
	d := aDestination(t, "dst_1", time.Now().Add(time.Hour))
	d.Version = 2
	if err := s.AddDestination(t.Context(), d, 1); err != nil {
		t.Fatal(err)
	}
	for _, version := range []int64{1, 2} {
		d.Version = version
		for _, err := range []error{s.Verify(t.Context(), "dst_1", version, "r1", time.Now()), s.Disable(t.Context(), d, delivery.Gone), s.Verify(t.Context(), "dst_2", version, "r1", time.Now())} {
			if err != nil {
				t.Error(err)
			}
		}
		if d, err := s.Destination(t.Context(), "dst_1"); err != nil || d.Verified != (version == 2) || (d.Disabled == delivery.Gone) != (version == 2) {
			t.Errorf("version %d changes it to %+v, %v", version, d, err)
		}
		if told := notices(t, s, "dst_1"); told["*"].Data != nil != (version == 2) {
			t.Errorf("version %d tells operators %v", version, told)
		}
	}
	if err := s.EnableDestination(t.Context(), "dst_1", 2, "r2", time.Now()); err != nil {
		t.Error(err)
	}
	if d, err := s.Destination(t.Context(), "dst_1"); err != nil || d.Disabled != "" || !d.Verified {
		t.Errorf("enabled it is %+v, %v", d, err)
	}
	if told := notices(t, s, "dst_1"); len(told) != 0 {
		t.Errorf("it is enabled, and operators are told %v", told)
	}
	if _, err := s.Destination(t.Context(), "dst_2"); !errors.Is(err, delivery.ErrUnknown) {
		t.Errorf("one that is not there is there by now: %v", err)
	}
}

// TestANoticeEndsWithWhatItTells, however that ends.
func TestANoticeEndsWithWhatItTells(t *testing.T) {
	var s standings
	var d delivery.Destination
	fails := func() {
		s.mark("m1", 1)
		standing := s.begin()
		standing.Failures, standing.RetryAt = 1, time.Now().Add(time.Hour)
		s.must(s.Fail(t.Context(), standing))
	}
	isDisabled := func() { s.must(s.Disable(t.Context(), d, delivery.Gone)) }
	for name, c := range map[string]struct{ begin, end func() }{
		"it is taken, and there is more": {fails, func() {
			s.must(s.Move(t.Context(), s.begin(), watch.Place{After: cursorAt(2)}, false, delivery.Result{}))
		}},
		"it is taken, and marked meanwhile": {fails, func() {
			standing := s.begin()
			s.mark("m2", 1)
			s.must(s.Move(t.Context(), standing, watch.Place{After: cursorAt(2)}, true, delivery.Result{}))
		}},
		"the standing is dropped": {fails, func() { s.must(s.Drop(t.Context(), standingRef)) }},
		"other settings enable it": {isDisabled, func() {
			was, err := s.Destination(t.Context(), d.ID)
			s.must(err)
			d.Version++
			s.must(s.ReplaceDestination(t.Context(), d, was, time.Now()))
		}},
		"it is removed":         {isDisabled, func() { s.must(s.RemoveDestination(t.Context(), d, time.Now())) }},
		"its time is long over": {isDisabled, func() { s.Now = func() time.Time { return time.Now().Add(8 * 24 * time.Hour) } }},
	} {
		s = newStandings(t)
		d = aDestination(t, "dst_1", time.Now().Add(time.Hour))
		s.must(s.AddDestination(t.Context(), d, 1))
		c.begin()
		if told := notices(t, s.Store, "dst_1"); len(told) != 1 {
			t.Errorf("before %s, operators are told %v", name, told)
		}
		c.end()
		told := notices(t, s.Store, "dst_1")
		maps.DeleteFunc(told, func(_ string, row watch.Row) bool { return row.Void })
		if len(told) != 0 {
			t.Errorf("%s, and operators are told %v", name, told)
		}
	}
}

// TestWhatIsForgottenLeavesNoNotice, not even one that is shown to nobody.
func TestWhatIsForgottenLeavesNoNotice(t *testing.T) {
	s := newStandings(t)
	d := aDestination(t, "dst_1", time.Now().Add(time.Hour))
	s.must(s.AddDestination(t.Context(), d, 1))
	s.must(s.Disable(t.Context(), d, delivery.Ended))
	s.Now = func() time.Time { return time.Now().Add(8 * 24 * time.Hour) }
	_, err := s.Retire(t.Context(), d.ID)
	s.must(err)
	s.must(s.ForgetDestination(t.Context(), d.ID))
	if told := notices(t, s.Store, d.ID); len(told) != 0 {
		t.Errorf("operators are told %v", told)
	}
}

// TestADestinationIsForgottenAWeekAfterItsEnd, also before DynamoDB deletes it. Its owner then has room
// for another.
func TestADestinationIsForgottenAWeekAfterItsEnd(t *testing.T) {
	s := dynamotest.Start(t).Store()
	now := time.Now()
	s.Now = func() time.Time { return now }
	for n, expires := range []time.Duration{time.Hour, 2 * time.Hour} {
		if err := s.AddDestination(t.Context(), aDestination(t, fmt.Sprint("dst_", n), now.Add(expires)), 2); err != nil {
			t.Fatal(err)
		}
	}
	week := 7 * 24 * time.Hour
	for _, c := range []struct {
		at   time.Duration
		want []string
	}{{0, []string{"dst_0", "dst_1"}}, {week, []string{"dst_0", "dst_1"}}, {week + 90*time.Minute, []string{"dst_1"}}, {week + 3*time.Hour, nil}} {
		s.Now = func() time.Time { return now.Add(c.at) }
		all, err := s.Destinations(t.Context(), "alice")
		var ids []string
		for _, d := range all {
			ids = append(ids, d.ID)
		}
		if err != nil || !slices.Equal(ids, c.want) {
			t.Errorf("after %s alice has %q, %v", c.at, ids, err)
		}
		err = s.AddDestination(t.Context(), aDestination(t, "dst_new", now), max(len(c.want), 1))
		if full := len(c.want) > 0; full != errors.Is(err, delivery.ErrTooMany) {
			t.Errorf("after %s another one gives %v", c.at, err)
		}
	}
	if others, err := s.Destinations(t.Context(), "bob"); err != nil || len(others) != 0 {
		t.Errorf("bob has %+v, %v", others, err)
	}
}

// colliding is an HTTP client whose first writes of an operation meet a transaction with the same row,
// as AWS answers then. The embedded DynamoDB never does.
type colliding struct {
	aws.HTTPClient
	operation string
	times     atomic.Int64
	body      string
	tried     atomic.Int64
}

func (c *colliding) Do(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+c.operation) {
		return c.HTTPClient.Do(r)
	}
	c.tried.Add(1)
	if c.times.Add(-1) < 0 {
		return c.HTTPClient.Do(r)
	}
	return &http.Response{StatusCode: 400, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(strings.NewReader(c.body)), Request: r}, nil
}

const (
	conflict  = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{"Code":"TransactionConflict"},{"Code":"None"},{"Code":"None"}]}`
	throttled = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{"Code":"None"},{"Code":"ThrottlingError"},{"Code":"None"}]}`
	bare      = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException"}`
	single    = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"Transaction is ongoing for the item"}`
)

// TestATransactionThatMeetsAnotherIsNoLimit: it is tried again. If the rows stay busy, the service is,
// and not the subject's list full.
func TestATransactionThatMeetsAnotherIsNoLimit(t *testing.T) {
	for name, c := range map[string]struct {
		operation, body string
		times           int64
		want            error
	}{
		"two conflicts":              {"TransactWriteItems", conflict, 2, nil},
		"nothing but conflicts":      {"TransactWriteItems", conflict, 1000, watch.ErrUnavailable},
		"throttled":                  {"TransactWriteItems", throttled, 1000, watch.ErrUnavailable},
		"cancelled without a reason": {"TransactWriteItems", bare, 1, errAny},
		"two conflicts of one row":   {"UpdateItem", single, 2, nil},
		"one row's, always":          {"UpdateItem", single, 1000, watch.ErrUnavailable},
	} {
		db := dynamotest.StartInside(t)
		faulty := &colliding{HTTPClient: db.Config.HTTPClient, operation: c.operation, body: c.body}
		faulty.times.Store(c.times)
		cfg := db.Config
		cfg.HTTPClient = faulty
		cfg.RetryMaxAttempts = 1
		s := dynamo.Open(cfg, dynamotest.Tables)
		d := aDestination(t, "dst_1", time.Now().Add(time.Hour))
		for operation, write := range map[string]func() error{
			"TransactWriteItems": func() error { return s.AddDestination(t.Context(), d, 1) },
			"UpdateItem": func() error {
				return s.NoteDeclaration(t.Context(), delivery.Declaration{}, delivery.Declaration{Edition: 1})
			},
		} {
			if operation != c.operation {
				continue
			}
			err := write()
			switch {
			case errors.Is(err, delivery.ErrTooMany):
				t.Errorf("%s: the list is full, %v", name, err)
			case c.want == errAny && err == nil, c.want != errAny && !errors.Is(err, c.want):
				t.Errorf("%s: %v, want %v", name, err, c.want)
			case c.times < 10 && c.want == nil && faulty.tried.Load() != c.times+1:
				t.Errorf("%s: tried %d times", name, faulty.tried.Load())
			}
		}
	}
}

var errAny = errors.New("any error")

// TestAStandingThatMeetsATransactionIsKept: fan-out is told, so that it comes again.
func TestAStandingThatMeetsATransactionIsKept(t *testing.T) {
	db := dynamotest.StartInside(t)
	faulty := &colliding{HTTPClient: db.Config.HTTPClient, operation: "UpdateItem", body: single}
	faulty.times.Store(1)
	cfg := db.Config
	cfg.HTTPClient, cfg.RetryMaxAttempts = faulty, 1
	s := dynamo.Open(cfg, dynamotest.Tables)
	if marked, err := s.Mark(t.Context(), standingRef, "m1", cursorAt(1), time.Now()); marked || err == nil {
		t.Errorf("it is marked %v, %v", marked, err)
	}
	if marked, err := s.Mark(t.Context(), standingRef, "m1", cursorAt(1), time.Now()); !marked || err != nil {
		t.Errorf("then it is marked %v, %v", marked, err)
	}
}

// TestARowThatIsNoDestination is an error, and no destination without a grant.
func TestARowThatIsNoDestination(t *testing.T) {
	db := dynamotest.Start(t)
	row := map[string]types.AttributeValue{"destination": &types.AttributeValueMemberS{Value: "dst_1"}, "topic": &types.AttributeValueMemberS{Value: "*"}}
	if _, err := db.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Destinations, Item: row}); err != nil {
		t.Fatal(err)
	}
	if d, err := db.Store().Destination(t.Context(), "dst_1"); err == nil || errors.Is(err, delivery.ErrUnknown) {
		t.Errorf("it is read as %+v, %v", d, err)
	}
}

// TestOnlyWhatIsGoneIsRetired: one that has ended a week ago, or was removed. Nothing changes it then,
// whoever has read it before. One that is alive stays as it is.
func TestOnlyWhatIsGoneIsRetired(t *testing.T) {
	s := dynamotest.Start(t).Store()
	d := aDestination(t, "dst_1", time.Now().Add(time.Hour).Truncate(time.Second))
	if err := s.AddDestination(t.Context(), d, 1); err != nil {
		t.Fatal(err)
	}
	retire := func(id string, want bool) {
		t.Helper()
		if gone, err := s.Retire(t.Context(), id); err != nil || gone != want {
			t.Errorf("Retire gives %t, %v", gone, err)
		}
	}
	retire("dst_1", false)
	retire("dst_2", false)
	if err := s.ForgetDestination(t.Context(), "dst_1"); err != nil {
		t.Error(err)
	}
	if _, err := s.Destination(t.Context(), "dst_1"); err != nil {
		t.Errorf("one that is alive: %v", err)
	}
	s.Now = func() time.Time { return d.Expires.Add(7 * 24 * time.Hour) }
	retire("dst_1", true)
	retire("dst_1", true)
	renewed := d
	renewed.Version, renewed.Expires = 1, d.Expires.Add(30*24*time.Hour)
	if err := s.ReplaceDestination(t.Context(), renewed, d, time.Now()); !errors.Is(err, watch.ErrUnavailable) {
		t.Errorf("who renews it at the same time is told %v", err)
	}
	for _, err := range []error{
		s.Verify(t.Context(), "dst_1", 0, "r", time.Now()), s.NoteFailing(t.Context(), "dst_1", "orders/1", time.Now()), s.EndRound(t.Context(), d),
		s.ForgetDestination(t.Context(), "dst_1"), s.NoteFailing(t.Context(), "dst_1", "orders/1", time.Now()), s.EndRound(t.Context(), d),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if begun, err := s.ClearFailing(t.Context(), "dst_1", "r", time.Now()); err != nil || begun {
		t.Errorf("a round of what is gone: %t, %v", begun, err)
	}
	for part := range delivery.Parts {
		if due, err := s.Due(t.Context(), part, time.Now().Add(1000*24*time.Hour), 10); err != nil || len(due) != 0 {
			t.Errorf("due is %+v, %v", due, err)
		}
	}
}

// TestARoundIsMovedByItsOwn messages alone. Its end, and a renewal, let the sweep look when the
// destination is forgotten.
func TestARoundIsMovedByItsOwn(t *testing.T) {
	s := dynamotest.Start(t).Store()
	d := aDestination(t, "dst_1", time.Now().Add(time.Hour).Truncate(time.Second))
	if err := s.AddDestination(t.Context(), d, 1); err != nil {
		t.Fatal(err)
	}
	read := func() delivery.Destination {
		t.Helper()
		d, err := s.Destination(t.Context(), "dst_1")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	dueFrom := func(at time.Time) {
		t.Helper()
		for _, wait := range []time.Duration{-time.Second, time.Second} {
			n := 0
			for part := range delivery.Parts {
				due, err := s.Due(t.Context(), part, at.Add(wait), 10)
				if err != nil {
					t.Fatal(err)
				}
				n += len(due)
			}
			if (n == 1) != (wait > 0) {
				t.Errorf("%s after %s there are %d due", wait, at, n)
			}
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	week, look := 7*24*time.Hour, time.Now().Add(time.Minute)
	dueFrom(d.Expires.Add(week))
	must(s.EnableDestination(t.Context(), "dst_1", 0, "first", look))
	dueFrom(look)
	first := read()
	must(s.MoveRound(t.Context(), "dst_1", delivery.Round{ID: "first", After: "orders/5"}, look.Add(time.Minute)))
	dueFrom(look.Add(time.Minute))
	if got := read().Round; got != (delivery.Round{ID: "first", All: true, After: "orders/5"}) {
		t.Errorf("it has come to %+v", got)
	}
	for n := range delivery.MostFailing {
		must(s.NoteFailing(t.Context(), "dst_1", events.Topic(fmt.Sprint("orders/", n)), time.Now()))
	}
	begun, err := s.ClearFailing(t.Context(), "dst_1", "second", look)
	if got := read(); err != nil || !begun || got.Round != (delivery.Round{ID: "second", All: true}) || len(got.Failing) != 0 {
		t.Errorf("another round, which has to do what the first had, is %+v, %v", got.Round, err)
	}
	if err := s.MoveRound(t.Context(), "dst_1", delivery.Round{ID: "first", After: "orders/6"}, look); !errors.Is(err, delivery.ErrOvertaken) {
		t.Errorf("a round that is over moves: %v", err)
	}
	must(s.EndRound(t.Context(), first))
	if read().Round.ID != "second" {
		t.Error("a round that is over ends another")
	}
	must(s.EndRound(t.Context(), read()))
	if got := read().Round; got != (delivery.Round{}) {
		t.Errorf("ended it is %+v", got)
	}
	dueFrom(d.Expires.Add(week))
	renewed := read()
	renewed.Version, renewed.Expires = 1, d.Expires.Add(time.Hour)
	must(s.ReplaceDestination(t.Context(), renewed, d, look))
	dueFrom(renewed.Expires.Add(week))
}

// TestOneFailureMoreThanFitIsLeftOut, and a topic counts once.
func TestOneFailureMoreThanFitIsLeftOut(t *testing.T) {
	s := dynamotest.Start(t).Store()
	if err := s.AddDestination(t.Context(), aDestination(t, "dst_1", time.Now().Add(time.Hour)), 1); err != nil {
		t.Fatal(err)
	}
	for n := range delivery.MostFailing + 2 {
		for range 2 {
			if err := s.NoteFailing(t.Context(), "dst_1", events.Topic(fmt.Sprint("orders/", n)), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if n == 2 {
			if begun, err := s.ClearFailing(t.Context(), "dst_1", "r", time.Now()); err != nil || begun {
				t.Errorf("with three that fail, a round begins: %t, %v", begun, err)
			}
			for n := range 3 {
				if err := s.NoteFailing(t.Context(), "dst_1", events.Topic(fmt.Sprint("orders/", n)), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if d, err := s.Destination(t.Context(), "dst_1"); err != nil || len(d.Failing) != delivery.MostFailing || slices.Contains(d.Failing, "orders/11") {
		t.Errorf("there are %q, %v", d.Failing, err)
	}
}

// TestOneProbesAtATime: of those that have read the same settings one may.
func TestOneProbesAtATime(t *testing.T) {
	s := dynamotest.Start(t).Store()
	if err := s.AddDestination(t.Context(), aDestination(t, "dst_1", time.Now().Add(time.Hour)), 1); err != nil {
		t.Fatal(err)
	}
	began := time.UnixMilli(1_700_000_000_000)
	if err := s.NoteFailing(t.Context(), "dst_1", "orders/1", began); err != nil {
		t.Fatal(err)
	}
	d, err := s.Destination(t.Context(), "dst_1")
	if err != nil || !d.Probed.Equal(began) {
		t.Fatalf("it was probed %s, %v", d.Probed, err)
	}
	for n, want := range []bool{true, false} {
		if ok, err := s.Probe(t.Context(), d, began.Add(time.Duration(n+1)*time.Minute)); err != nil || ok != want {
			t.Errorf("probe %d: %t, %v", n, ok, err)
		}
	}
	if d, err = s.Destination(t.Context(), "dst_1"); err != nil || !d.Probed.Equal(began.Add(time.Minute)) {
		t.Errorf("it was probed %s, %v", d.Probed, err)
	}
}
