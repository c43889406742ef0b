package fault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
	"github.com/watchroute/watchroute/localstack/fault"
)

const (
	queueARN = "arn:aws:sqs:us-east-1:000000000000:work.fifo"
	deadARN  = "arn:aws:sqs:us-east-1:000000000000:dead.fifo"
)

// queueRun is a FIFO queue that feeds a function under a plan, in a synctest bubble.
type queueRun struct {
	t      *testing.T
	queues *sqs.Service
	faults *fault.Faults
	began  time.Time

	mu  sync.Mutex
	got []string // the messages that the function got, such as "a1": the group, and a number
}

// runQueue hides messages for an hour, and sets them aside after so many receives.
func runQueue(t *testing.T, p fault.Plan, receives int) *queueRun {
	r := &queueRun{t: t, queues: sqs.New(sqs.Options{}), faults: fault.New(p, 7), began: time.Now()}
	r.call("CreateQueue", `{"QueueName":"dead.fifo","Attributes":{"FifoQueue":"true"}}`)
	r.call("CreateQueue", fmt.Sprintf(`{"QueueName":"work.fifo","Attributes":{"FifoQueue":"true","VisibilityTimeout":"3600",
		"RedrivePolicy":"{\"deadLetterTargetArn\":\"%s\",\"maxReceiveCount\":%d}"}}`, deadARN, receives))
	poller, err := mapping.StartQueue(mapping.QueueMapping{QueueARN: queueARN, Function: "f", BatchSize: 2}, r.queues, mapping.QueueOptions{
		Wrap: r.faults.WrapQueue, Invoke: r.invoke, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(poller.Close)
	return r
}

func (r *queueRun) call(operation, body string) {
	r.t.Helper()
	if _, err := r.queues.Service().Call(r.t.Context(), operation, []byte(body)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *queueRun) invoke(_ context.Context, event []byte) (mapping.Answer, error) {
	var e struct{ Records []struct{ Body string } }
	if err := json.Unmarshal(event, &e); err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	for _, m := range e.Records {
		r.got = append(r.got, m.Body)
	}
	r.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	return mapping.Answer{}, nil
}

// send sends messages 1 to n of each group.
func (r *queueRun) send(n int, groups ...string) {
	r.t.Helper()
	for i := range n {
		for _, g := range groups {
			r.call("SendMessage", fmt.Sprintf(`{"QueueUrl":"work.fifo","MessageBody":"%s%d","MessageGroupId":%q,"MessageDeduplicationId":"%s%d"}`, g, i+1, g, g, i+1))
		}
	}
	time.Sleep(10 * time.Minute)
	synctest.Wait()
}

// of gives the messages that the function got of a group. firsts has each at its first delivery.
// again counts the repetitions, and stale those after a later message.
func (r *queueRun) of(group string) (firsts []string, again, stale int) {
	for i, m := range r.got {
		switch {
		case !strings.HasPrefix(m, group):
		case !slices.Contains(r.got[:i], m):
			firsts = append(firsts, m)
		default:
			again++
			if firsts[len(firsts)-1] != m {
				stale++
			}
		}
	}
	return firsts, again, stale
}

// expect checks that each group's messages have come, first in their order, and that nothing is
// left. It gives how many came again.
func (r *queueRun) expect(n int, groups ...string) (again, stale int) {
	r.t.Helper()
	for _, g := range groups {
		var want []string
		for i := range n {
			want = append(want, fmt.Sprint(g, i+1))
		}
		firsts, a, s := r.of(g)
		if !slices.Equal(firsts, want) {
			r.t.Errorf("group %s came as %q", g, firsts)
		}
		again, stale = again+a, stale+s
	}
	if u := r.queues.Usage().Queues["work.fifo"]; u.Deleted+u.Redriven != n*len(groups) {
		r.t.Errorf("usage of the queue: %+v", u)
	}
	return again, stale
}

// TestQueueIsUndisturbedWithoutAPlan gives each message once.
func TestQueueIsUndisturbedWithoutAPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runQueue(t, nil, 1)
		r.send(5, "a", "b")
		if again, _ := r.expect(5, "a", "b"); again != 0 {
			t.Errorf("got %q", r.got)
		}
	})
}

// TestDelayOfAQueueKeepsTheOrderOfAGroup, while another group overtakes it.
func TestDelayOfAQueueKeepsTheOrderOfAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runQueue(t, fault.Plan{fault.Delay: 0.5}, 1)
		r.send(20, "a", "b")
		if again, _ := r.expect(20, "a", "b"); again != 0 {
			t.Errorf("got %q", r.got)
		}
		balance, most := 0, 0
		for _, m := range r.got {
			if balance--; m[0] == 'a' {
				balance += 2
			}
			most = max(most, balance, -balance)
		}
		if most < 3 || r.faults.Counts()[fault.Delay] == 0 {
			t.Errorf("no group was ahead: %q", r.got)
		}
	})
}

// TestReappearDeliversLate: a message comes again, even after later ones of its group are done.
func TestReappearDeliversLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runQueue(t, fault.Plan{fault.Reappear: 0.5}, 1000)
		r.send(20, "a", "b")
		firstOfAll := map[string]bool{}
		for _, m := range r.got {
			firstOfAll[m] = true
		}
		u := r.queues.Usage().Queues["work.fifo"]
		if len(firstOfAll) != 40 || u.Deleted != 40 || u.Redriven != 0 {
			t.Errorf("%d messages came, usage %+v", len(firstOfAll), u)
		}
		_, again, stale := r.of("a")
		if again == 0 || stale == 0 || r.faults.Counts()[fault.Reappear] == 0 {
			t.Errorf("%d came again, %d late: %q", again, stale, r.got)
		}
	})
}

// TestRedeliverComesAgainBeforeTheRestOfItsGroup, without waiting for the visibility timeout.
func TestRedeliverComesAgainBeforeTheRestOfItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runQueue(t, fault.Plan{fault.Redeliver: 0.5}, 1000)
		r.send(20, "a", "b")
		again, _ := r.expect(20, "a", "b")
		if again == 0 || r.faults.Counts()[fault.Redeliver] == 0 || r.queues.Usage().Queues["work.fifo"].Redriven != 0 {
			t.Errorf("%d came again: %q", again, r.got)
		}
	})
}

// TestRedeliverAlwaysEndsInTheDeadLetterQueue after the queue's retries.
func TestRedeliverAlwaysEndsInTheDeadLetterQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runQueue(t, fault.Plan{fault.Redeliver: 1}, 3)
		r.send(1, "a")
		if want := []string{"a1", "a1", "a1"}; !slices.Equal(r.got, want) {
			t.Errorf("got %q, want %q", r.got, want)
		}
		dead, err := r.queues.Receive(t.Context(), deadARN, 1, 0)
		if err != nil || dead[0].Body != "a1" {
			t.Errorf("set aside %+v, %v", dead, err)
		}
	})
}

// TestQueueFaultsThatCannotBe are not counted: a deleted message cannot be shown, and a real
// failure is no fault. The end of the mapping ends the wait.
func TestQueueFaultsThatCannotBe(t *testing.T) {
	failed := mapping.Answer{FunctionError: true}
	for name, c := range map[string]struct {
		kind   fault.Kind
		show   error
		answer mapping.Answer
		err    error
	}{
		"reappear of what is shown":  {fault.Reappear, errors.New("expired"), mapping.Answer{}, nil},
		"redeliver of what is shown": {fault.Redeliver, errors.New("expired"), mapping.Answer{}, nil},
		"redeliver what failed":      {fault.Redeliver, nil, failed, nil},
		"redeliver a part":           {fault.Redeliver, nil, mapping.Answer{Output: []byte(`{"batchItemFailures":[{"itemIdentifier":"m"}]}`)}, nil},
		"redeliver what did not run": {fault.Redeliver, nil, mapping.Answer{}, errors.New("throttled")},
	} {
		f := fault.New(fault.Plan{c.kind: 1}, 7)
		answer, err := f.WrapQueue(t.Context(), mapping.QueueDelivery{
			Invoke: func(context.Context) (mapping.Answer, error) { return c.answer, c.err },
			Show:   func() error { return c.show },
		})
		if !errors.Is(err, c.err) || answer.FunctionError != c.answer.FunctionError || string(answer.Output) != string(c.answer.Output) || f.Counts()[c.kind] != 0 {
			t.Errorf("%s: %+v, %v, counted %v", name, answer, err, f.Counts())
		}
	}
	for _, kind := range []fault.Kind{fault.Delay, fault.Reappear} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := fault.New(fault.Plan{kind: 1}, 7).WrapQueue(ctx, mapping.QueueDelivery{
			Invoke: func(context.Context) (mapping.Answer, error) {
				t.Errorf("%s: invoked", kind)
				return mapping.Answer{}, nil
			},
			Show: func() error { return nil },
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
