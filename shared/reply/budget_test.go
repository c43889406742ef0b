package reply

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/watch"
)

// everything is the claim of a token that allows all.
const everything = `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read","publish"]}]}`

// pingOf asks where topics stand.
func pingOf(cursors map[string]string) string {
	body, _ := json.Marshal(events.Request{Action: "ping", ID: "p", Cursors: cursors})
	return string(body)
}

func decode[F events.Frame](t *testing.T, body string) F {
	t.Helper()
	frame, err := events.Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	f, ok := frame.(F)
	if !ok {
		t.Fatalf("frame is %.200s", body)
	}
	return f
}

// TestSevenPatternsOfTheSameTopicsReadEachHeadOnce: a ping of 198 bytes that named seven of 500
// topics read 3,559 units.
func TestSevenPatternsOfTheSameTopicsReadEachHeadOnce(t *testing.T) {
	const patterns = events.MaxTopicSegments - 1
	for topics, want := range map[int]int64{
		60:                60 + patterns, // the topic that a pattern ends in may be one as well
		events.MaxCursors: events.MaxCursors,
	} {
		d := newDesk(t)
		c := d.connect("s", "c1", everything)
		var rows []row
		cursors := map[string]string{}
		deepest := strings.Repeat("a/", patterns)
		for n := range patterns {
			base := deepest[:2*n+1]
			d.ask(c, fmt.Sprintf(`{"action":"subscribe","topic":"%s/**"}`, base))
			cursors[base+"/**"] = ":0"
			for n := range topics {
				rows = append(rows, row{"topic": text(base + "/**"), "seq": number(fmt.Sprint(1_000 + n)), "name": text(fmt.Sprint(deepest, n))})
			}
		}
		for n := range topics {
			rows = append(rows, row{"topic": text(fmt.Sprint(deepest, n)), "seq": number("0"), "last": number("7"), "epoch": text("e")})
		}
		d.put("Changes", rows...)
		d.db.Engine.ResetUsage()
		ping := pingOf(cursors)
		frames := d.ask(c, ping)
		if pong := decode[*events.Pong](t, frames[len(frames)-1]); len(pong.Cursors) < min(topics, events.MaxCursors-patterns) {
			t.Errorf("the pong names %d of %d topics", len(pong.Cursors), topics)
		}
		reads, _ := d.db.Units()
		if heads := d.db.Engine.Usage().Tables["Changes"]["GetItem"].Requests; heads != want || reads > float64(want)+100 {
			t.Errorf("a ping of %d bytes reads %d heads of %d topics, and %v units", len(ping), heads, topics, reads)
		}
	}
}

// slow is the way to a database that may become slow: from then on nothing is answered before
// whoever asks gives up.
type slow struct {
	way  http.Handler
	slow atomic.Bool
}

func (s *slow) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if s.slow.Load() {
		_, _ = io.Copy(io.Discard, r.Body) // or nobody looks whether the client is there
		<-r.Context().Done()
		return
	}
	s.way.ServeHTTP(rw, r)
}

// afterPage makes the way slow when the first page of a log has been read.
type afterPage struct {
	watch.Store
	way *slow
}

func (a afterPage) Since(ctx context.Context, topic events.Topic, from, to int64) ([]watch.Entry, error) {
	page, err := a.Store.Since(ctx, topic, from, to)
	a.way.slow.Store(true)
	return page, err
}

// TestSlowStoreIsToldInTime: when the time is over, the client gets what has been made of the
// answer, and learns that it is not all, before Lambda ends the function.
func TestSlowStoreIsToldInTime(t *testing.T) {
	const work = 2 * time.Second // enough to come to where the store becomes slow
	d := newDesk(t)
	address, err := url.Parse(aws.ToString(d.db.Config.BaseEndpoint))
	if err != nil {
		t.Fatal(err)
	}
	way := &slow{way: httputil.NewSingleHostReverseProxy(address)}
	server := httptest.NewServer(way)
	t.Cleanup(server.Close)
	cfg := d.db.Config
	cfg.BaseEndpoint = aws.String(server.URL)
	store := dynamo.Open(cfg, dynamotest.Tables)
	d.answerer.Store = afterPage{store, way}
	d.answerer.Allowance = watch.NewAllowance(store, 1<<30)
	c := d.connect("s", "c1", everything)
	for topic, missed := range map[events.Topic]int{"a": 1, "b": 2} {
		d.ask(c, fmt.Sprintf(`{"action":"subscribe","topic":%q}`, topic))
		d.log(topic, times(missed, watch.Entry{
			Change: events.Change{Op: events.Modified, ID: "i", Data: []byte(`{}`)}, Before: []byte(`{"n":"` + strings.Repeat("x", 100_000) + `"}`),
		})...)
	}
	function, end := context.WithTimeout(t.Context(), workMargin+work)
	defer end()
	frames := d.askIn(function, c, pingOf(map[string]string{"a": "e:0", "b": "e:0"}))
	if function.Err() != nil {
		t.Error("the function has ended before the answer")
	}
	if len(frames) != 2 {
		t.Fatalf("%d frames: %.200q", len(frames), frames)
	}
	if made := decode[*events.Changes](t, frames[0]).Changes; len(made) != 1 || made[0].Topic != "a" {
		t.Errorf("what has been made of the answer is %+v", made)
	}
	if last := decode[*events.Error](t, frames[1]); last.Code != events.CodeUnavailable || last.ID != "p" {
		t.Errorf("the last frame is %+v", last)
	}
}

// TestSpentAllowanceHoldsOverConnectionsAndProcesses, which share the tables. What one process
// does not know it learns when it draws for the first time.
func TestSpentAllowanceHoldsOverConnectionsAndProcesses(t *testing.T) {
	d := newDesk(t)
	for n := 0; ; n++ {
		begun := time.Now().Truncate(watch.AllowancePeriod)
		got := d.spend(fmt.Sprint("s", n))
		if !time.Now().Truncate(watch.AllowancePeriod).Equal(begun) {
			continue // with another, as the allowance is that of another period
		}
		if want := (spending{first: 5, elsewhere: 1, other: 5}); got != want {
			t.Errorf("answered are %+v, want %+v", got, want)
		}
		return
	}
}

// spending is how many messages of 1,000 units are answered to a subject with an allowance of
// 4,000: in the first process, in another one over another connection, and once both know, with
// the units that it costs to refuse them; and to another subject.
type spending struct {
	first, elsewhere, after int
	units                   float64
	other                   int
}

func (d *desk) spend(subject string) (s spending) {
	one, two, other := d.connect(subject, "c1", everything), d.connect(subject, "c2", everything), d.connect(subject+"'", "c3", everything)
	here, there := watch.NewAllowance(d.store, 12*4_000), watch.NewAllowance(d.store, 12*4_000)
	s.first, s.elsewhere = d.publish(here, one), d.publish(there, two)
	reads, writes := d.db.Units()
	s.after = d.publish(here, two) + d.publish(there, one) + d.publish(here, one)
	readsNow, writesNow := d.db.Units()
	s.units = readsNow - reads + writesNow - writes
	s.other = d.publish(there, other)
	return s
}

// publish puts an item of 40 KB until it is refused, and tells how often it was not. With its
// numbering that is 200 write units, and so 1,000.
func (d *desk) publish(process *watch.Allowance, c watch.Connection) (n int) {
	d.answerer.Allowance = process
	message := fmt.Sprintf(`{"action":"publish","topic":"a","item":{"id":"i","data":{"x":%q}}}`, strings.Repeat("x", 40_000))
	for ; n < 50; n++ {
		frames := d.ask(c, message)
		if strings.Contains(frames[len(frames)-1], `"code":"too_many_requests"`) {
			break
		}
	}
	return n
}
