package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
)

// spent is what requests have cost, counted by the embedded DynamoDB.
type spent struct {
	heads, glances dynamodb.Consumption // reads of topics' heads: consistent ones, and others
	leases, checks dynamodb.Consumption // writes of holds; reads of revocations
	others         float64              // units of all else
}

func (s *service) spent() (u spent) {
	for table, operations := range s.db.Engine.Usage().Tables {
		for operation, c := range operations {
			switch table + " " + operation {
			case dynamotest.Tables.Changes + " GetItem":
				u.heads = c
			case dynamotest.Tables.Changes + " BatchGetItem":
				u.glances = c
			case dynamotest.Tables.Connections + " UpdateItem":
				u.leases = c
			case dynamotest.Tables.Revocations + " BatchGetItem":
				u.checks = c
			default:
				u.others += c.ReadCapacityUnits + c.WriteCapacityUnits
			}
		}
	}
	return u
}

func (u spent) headReads() int64 { return u.heads.Requests + u.glances.Requests }

func (u spent) headUnits() float64 { return u.heads.ReadCapacityUnits + u.glances.ReadCapacityUnits }

func (u spent) String() string {
	return fmt.Sprintf("%v read units for %d reads of heads, %v write units for leases, %v read units for %d checks of revocations, %v units for all else",
		u.headUnits(), u.headReads(), u.leases.WriteCapacityUnits, u.checks.ReadCapacityUnits, u.checks.Requests, u.others)
}

// inFakeTime runs a test on a service with fake time. Topics a and b have an item each. A request
// was held before, so the row of holds exists, and the counters are at zero.
func inFakeTime(t *testing.T, test func(t *testing.T, s *service, at string)) {
	synctest.Test(t, func(t *testing.T) {
		s := newServiceOn(t, dynamotest.StartInside(t))
		s.viewer.TokenID = "t1"
		s.put("a", "i", `{}`)
		s.put("b", "i", `{}`)
		at := cursorOf(s, "a")
		s.ask(http.MethodGet, "/topics/a?wait=1&after="+at)
		s.db.Engine.ResetUsage()
		test(t, s, at)
	})
}

// TestCostOfAPollThatNothingComesTo has a poll wait as long as it may.
func TestCostOfAPollThatNothingComesTo(t *testing.T) {
	inFakeTime(t, func(t *testing.T, s *service, at string) {
		began := time.Now()
		a := s.ask(http.MethodGet, "/topics/a?wait=25&after="+at)
		if took := time.Since(began); a.status != 204 || took != 25*time.Second {
			t.Fatalf("answered %d after %v", a.status, took)
		}
		u := s.spent()
		t.Logf("a poll of 25 s: %s", u)
		if u.headReads() > 25 || u.headUnits() > 25*0.5 || u.headReads() < 20 {
			t.Errorf("want at most 25 reads of heads, of half a unit each")
		}
		if u.leases.WriteCapacityUnits != 2 || u.checks.Requests != 1 || u.others != 0 {
			t.Errorf("want 2 write units for the lease, a check of revocations at the end, and nothing else")
		}
	})
}

// TestCostOfAQuietMinuteOfAStream counts the first minute, with the beginning of the stream, and
// the second.
func TestCostOfAQuietMinuteOfAStream(t *testing.T) {
	inFakeTime(t, func(t *testing.T, s *service, _ string) {
		s.streamTime = 3 * time.Minute // at least
		answered := make(chan answer)
		go func() { answered <- s.ask(http.MethodGet, "/topics/a", "Accept", streamType) }()
		time.Sleep(time.Millisecond) // a comment belongs to the minute that it ends
		for minute, leases := range []float64{1, 0} {
			time.Sleep(time.Minute)
			u := s.spent()
			s.db.Engine.ResetUsage()
			t.Logf("minute %d of a stream: %s", minute+1, u)
			if u.headReads() > 60 || u.headUnits() > 60*0.5 || u.headReads() < 50 {
				t.Errorf("want at most 60 reads of heads, of half a unit each")
			}
			if u.checks.Requests != 4 || u.checks.ReadCapacityUnits != 8 || u.leases.WriteCapacityUnits != leases || u.others != 0 {
				t.Errorf("want a check of revocations with each comment, and %v write units for the lease", leases)
			}
		}
		if a := <-answered; strings.Count(a.body, ": \n") < 3*4-1 {
			t.Errorf("the stream has %q", a.body)
		}
		if u := s.spent(); u.leases.WriteCapacityUnits != 1 {
			t.Errorf("the end of a stream costs %s", u)
		}
	})
}

// TestCostOfAStreamOfTopics: a look costs half a unit for each topic. The subject's allowance costs
// a write for each 1,000 units.
func TestCostOfAStreamOfTopics(t *testing.T) {
	inFakeTime(t, func(t *testing.T, s *service, _ string) {
		answered := make(chan answer)
		go func() {
			answered <- s.ask(http.MethodGet, "/topics/a?topic="+manyTopics(events.MaxStreamTopics-1), "Accept", streamType)
		}()
		time.Sleep(time.Minute + time.Millisecond)
		u := s.spent()
		t.Logf("a minute of a stream of %d topics: %s", events.MaxStreamTopics, u)
		if u.headUnits() > events.MaxStreamTopics*60*0.5 || u.glances.Requests > 60 {
			t.Errorf("want at most 60 reads, of half a unit for each topic")
		}
		if want := 1 + float64(int(u.headUnits()+u.checks.ReadCapacityUnits)/1_000); u.leases.WriteCapacityUnits != want {
			t.Errorf("the lease and the allowance cost %v write units, want %v", u.leases.WriteCapacityUnits, want)
		}
		<-answered
	})
}

// TestCostOfAChangeToAStream: a change costs a consistent read of the head, the log and a check. It
// also costs more looks for some seconds, because other changes often follow soon.
func TestCostOfAChangeToAStream(t *testing.T) {
	inFakeTime(t, func(t *testing.T, s *service, _ string) {
		answered := make(chan answer)
		go func() { answered <- s.ask(http.MethodGet, "/topics/a", "Accept", streamType) }()
		time.Sleep(20 * time.Second)
		s.db.Engine.ResetUsage()
		s.put("a", "i", `{"n":2}`)
		put := s.spent()
		time.Sleep(10 * time.Second)
		u := s.spent()
		u.others -= put.others
		u.heads.Requests, u.heads.ReadCapacityUnits = u.heads.Requests-put.heads.Requests, u.heads.ReadCapacityUnits-put.heads.ReadCapacityUnits
		t.Logf("10 s of a stream with a change: %s", u)
		if u.headReads() > 1+10+4 || u.checks.Requests != 1 || u.others > 1 {
			t.Errorf("want at most 4 looks more than without, a read of the head, one of the log, and a check")
		}
		if a := <-answered; strings.Count(a.body, "event: changes") != 1 {
			t.Errorf("the stream has %q", a.body)
		}
	})
}
