package eventbridge_test

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/watchroute/watchroute/localstack/aws/eventbridge"
)

func scheduled(rate string) client.PutRuleInput {
	return client.PutRuleInput{Name: aws.String("sweep"), ScheduleExpression: &rate}
}

// eventually waits for a number of events at a target and gives them.
func (w *world) eventually(arn string, n int) []string {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if got := w.targets.bodies(arn); len(got) >= n || time.Now().After(deadline) {
			if len(got) != n {
				w.t.Fatalf("%s got %q, want %d", arn, got, n)
			}
			return got
		}
	}
}

// TestScheduleFiresOnceAnInterval, the first time one interval after the rule was put. Each event
// says when it was due.
func TestScheduleFiresOnceAnInterval(t *testing.T) {
	w := newWorld(t)
	arn := w.rule(scheduled("rate(2 minutes)"), to(functionARN))
	w.clock.Advance(2*time.Minute - 1)
	w.clock.Advance(1)
	first := w.eventually(functionARN, 1)
	var got struct{ ID string }
	if err := json.Unmarshal([]byte(first[0]), &got); err != nil {
		t.Fatal(err)
	}
	if want := `{"version":"0","id":"` + got.ID + `","detail-type":"Scheduled Event","source":"aws.events","account":"000000000000",` +
		`"time":"2026-11-26T12:02:00Z","region":"us-east-1","resources":["` + arn + `"],"detail":{}}`; first[0] != want {
		t.Errorf("the function got\n%s\nwant\n%s", first[0], want)
	}
	w.clock.Advance(10*time.Minute + 30*time.Second)
	var times []string
	for _, body := range w.eventually(functionARN, 6) {
		var e struct{ Time string }
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			t.Fatal(err)
		}
		times = append(times, e.Time[11:16])
	}
	if want := []string{"12:02", "12:04", "12:06", "12:08", "12:10", "12:12"}; !slices.Equal(times, want) {
		t.Errorf("the events are of %q, want %q", times, want)
	}
}

// TestScheduleEndsWithItsRule: a rule that is put again goes by its new schedule, and one that is
// disabled does not fire.
func TestScheduleEndsWithItsRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &targets{}
		s := eventbridge.New(eventbridge.Options{Queues: to, Functions: to})
		put := func(operation, body string) {
			t.Helper()
			if _, err := s.Service().Call(t.Context(), operation, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(after time.Duration, n int) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := to.bodies(queueARN); len(got) != n {
				t.Errorf("there are %d events, want %d", len(got), n)
			}
		}
		put("PutRule", `{"Name":"sweep","ScheduleExpression":"rate(1 hour)"}`)
		put("PutTargets", `{"Rule":"sweep","Targets":[{"Id":"q","Arn":"`+queueARN+`"}]}`)
		expect(time.Hour-1, 0)
		expect(1, 1)
		put("PutRule", `{"Name":"sweep","ScheduleExpression":"rate(1 day)"}`)
		expect(24*time.Hour-1, 1)
		expect(1, 2)
		put("PutRule", `{"Name":"sweep","ScheduleExpression":"rate(1 minute)","State":"DISABLED"}`)
		expect(48*time.Hour, 2)
		put("PutRule", `{"Name":"sweep","ScheduleExpression":"rate(1 minute)"}`)
		expect(time.Minute, 3)
		s.Close()
		put("PutRule", `{"Name":"late","ScheduleExpression":"rate(1 minute)"}`)
		expect(time.Hour, 3)
	})
}

// TestScheduleFeedsAFIFOQueue with the group of its target.
func TestScheduleFeedsAFIFOQueue(t *testing.T) {
	w := newWorld(t)
	target := to(fifoARN)
	target.SqsParameters = &types.SqsParameters{MessageGroupId: aws.String("sweep")}
	w.rule(scheduled("rate(1 minute)"), target)
	w.clock.Advance(time.Minute)
	w.eventually(fifoARN, 1)
	w.targets.mu.Lock()
	defer w.targets.mu.Unlock()
	if group := w.targets.messages[0].GroupID; group != "sweep" {
		t.Errorf("the message is in group %q", group)
	}
}
