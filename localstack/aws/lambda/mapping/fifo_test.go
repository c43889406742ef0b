package mapping_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

// newFIFOWorld is newQueueWorld with FIFO queues.
func newFIFOWorld(t *testing.T) *queueWorld {
	w := &queueWorld{t: t, arn: workARN + ".fifo", queues: sqs.New(sqs.Options{}), began: time.Now()}
	w.call("CreateQueue", map[string]any{"QueueName": "dead.fifo", "Attributes": map[string]string{"FifoQueue": "true"}})
	w.call("CreateQueue", map[string]any{"QueueName": "work.fifo", "Attributes": map[string]string{
		"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId",
		"VisibilityTimeout": "60", "RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `.fifo","maxReceiveCount":3}`,
	}})
	return w
}

// order sends messages such as "a1": the group, and a number.
func (w *queueWorld) order(bodies string) {
	w.t.Helper()
	for _, body := range strings.Fields(bodies) {
		w.call("SendMessage", map[string]any{
			"QueueUrl": "work.fifo", "MessageBody": body, "MessageGroupId": body[:1], "MessageDeduplicationId": body[:2],
		})
	}
}

// failing answers with partial failures: these messages.
func failing(bodies string) func(int, awsevents.SQSEvent) (mapping.Answer, error) {
	return func(_ int, e awsevents.SQSEvent) (mapping.Answer, error) {
		var entries []string
		for _, m := range e.Records {
			if slices.Contains(strings.Fields(bodies), m.Body) {
				entries = append(entries, fmt.Sprintf(`{"itemIdentifier":%q}`, m.MessageId))
			}
		}
		return mapping.Answer{Output: fmt.Appendf(nil, `{"batchItemFailures":[%s]}`, strings.Join(entries, ","))}, nil
	}
}

// slowly lets each invocation take a second, and notes how many ran at once and whether two
// ran for one group.
type slowly struct {
	mu      sync.Mutex
	running map[string]bool
	now     int
	most    int
	twice   bool
}

func (s *slowly) answer(_ int, e awsevents.SQSEvent) (mapping.Answer, error) {
	set := func(runs bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.running == nil {
			s.running = map[string]bool{}
		}
		groups := map[string]bool{}
		for _, m := range e.Records {
			groups[m.Attributes["MessageGroupId"]] = true
		}
		for g := range groups {
			s.twice = s.twice || runs && s.running[g]
			s.running[g] = runs
		}
		if s.now--; runs {
			s.now += 2
		}
		s.most = max(s.most, s.now)
	}
	set(true)
	time.Sleep(time.Second)
	set(false)
	return mapping.Answer{}, nil
}

func TestFIFOBatchHasMessagesOfSeveralGroupsEachInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFIFOWorld(t)
		w.order("a1 b1 a2 b2 a3")
		w.start(mapping.QueueMapping{})
		if got := w.got(); got != "0s a1 a2 a3 b1 b2" || w.left(w.arn) != 0 {
			t.Errorf("got %s, %d are left", got, w.left(w.arn))
		}
		a := w.events[0].Records[0].Attributes
		if a["MessageGroupId"] != "a" || a["MessageDeduplicationId"] != "a1" || len(a["SequenceNumber"]) != 20 {
			t.Errorf("attributes %v", a)
		}
	})
}

func TestFIFOGroupHasOneInvocationAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFIFOWorld(t)
		var s slowly
		w.answer = s.answer
		w.start(mapping.QueueMapping{})
		w.order("a1")
		synctest.Wait()
		w.order("a2 a3")
		time.Sleep(time.Minute)
		if got := w.got(); got != "0s a1; 1s a2 a3" || s.twice {
			t.Errorf("got %s, two at once: %v", got, s.twice)
		}
	})
}

// TestFIFOConcurrencyIsThatOfGroups or MaximumConcurrency, if that is less.
func TestFIFOConcurrencyIsThatOfGroups(t *testing.T) {
	for want, concurrency := range map[int]int{8: 0, 3: 3} {
		synctest.Test(t, func(t *testing.T) {
			w := newFIFOWorld(t)
			var s slowly
			w.answer = s.answer
			for n := range 5 {
				for g := range 8 {
					w.order(fmt.Sprintf("%d%d", g, n))
				}
			}
			w.start(mapping.QueueMapping{BatchSize: 1, Concurrency: concurrency})
			time.Sleep(50 * time.Second)
			synctest.Wait()
			next := map[string]int{}
			for _, e := range w.events {
				body := e.Records[0].Body
				if group := body[:1]; body != fmt.Sprint(group, next[group]) {
					t.Errorf("%s comes as number %d of its group", body, next[group])
				}
				next[body[:1]]++
			}
			if s.most != want || s.twice || len(w.events) != 40 || w.left(w.arn) != 0 {
				t.Errorf("%d at once, want %d; two of a group: %v; %d events, %d left", s.most, want, s.twice, len(w.events), w.left(w.arn))
			}
		})
	}
}

// TestFIFOFailedBatchIsRetriedBeforeOthersOfItsGroup, until the redrive policy ends it.
func TestFIFOFailedBatchIsRetriedBeforeOthersOfItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFIFOWorld(t)
		w.answer = func(_ int, e awsevents.SQSEvent) (mapping.Answer, error) {
			return mapping.Answer{FunctionError: e.Records[0].Body == "a1"}, nil
		}
		w.start(mapping.QueueMapping{BatchSize: 1})
		w.order("a1 a2 b1")
		time.Sleep(time.Hour)
		if got := w.got(); got != "0s a1; 0s b1; 1m0s a1; 2m0s a1; 3m0s a2" && got != "0s b1; 0s a1; 1m0s a1; 2m0s a1; 3m0s a2" {
			t.Errorf("got %s", got)
		}
		if w.left(w.arn) != 0 || w.left(deadARN+".fifo") != 1 {
			t.Errorf("%d are left, %d set aside", w.left(w.arn), w.left(deadARN+".fifo"))
		}
	})
}

// TestFIFOFunctionReportsTheFirstFailureAndAllAfterIt: those come again together, before
// later ones of their group. Another group goes on.
func TestFIFOFunctionReportsTheFirstFailureAndAllAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFIFOWorld(t)
		w.answer = func(call int, e awsevents.SQSEvent) (mapping.Answer, error) {
			if call == 0 {
				return failing("a2 a3")(call, e)
			}
			return mapping.Answer{}, nil
		}
		w.order("a1 a2 a3")
		w.start(mapping.QueueMapping{ReportBatchItemFailures: true})
		synctest.Wait()
		w.order("a4 b1")
		time.Sleep(time.Hour)
		if got := w.got(); got != "0s a1 a2 a3; 0s b1; 1m0s a2 a3 a4" || w.left(w.arn) != 0 {
			t.Errorf("got %s, %d are left", got, w.left(w.arn))
		}
	})
}

// TestFIFOMessagesThatAreNotReportedAreDeleted, even those that follow a failed one of their group.
// Lambda leaves the order to the function.
func TestFIFOMessagesThatAreNotReportedAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFIFOWorld(t)
		w.answer = failing("a2")
		w.order("a1 a2 a3")
		w.start(mapping.QueueMapping{ReportBatchItemFailures: true})
		time.Sleep(time.Hour)
		if got := w.got(); got != "0s a1 a2 a3; 1m0s a2; 2m0s a2" || w.left(deadARN+".fifo") != 1 {
			t.Errorf("got %s, %d set aside", got, w.left(deadARN+".fifo"))
		}
	})
}

// TestFIFOUnreadableReportFailsTheBatch, and an empty one is a success.
func TestFIFOUnreadableReportFailsTheBatch(t *testing.T) {
	for output, want := range map[string]string{`{"batchItemFailures":[{"foo":"x"}]}`: "0s a1 a2; 1m0s a1 a2; 2m0s a1 a2", `{}`: "0s a1 a2"} {
		synctest.Test(t, func(t *testing.T) {
			w := newFIFOWorld(t)
			w.answer = func(int, awsevents.SQSEvent) (mapping.Answer, error) {
				return mapping.Answer{Output: []byte(output)}, nil
			}
			w.order("a1 a2")
			w.start(mapping.QueueMapping{ReportBatchItemFailures: true})
			time.Sleep(time.Hour)
			if got := w.got(); got != want {
				t.Errorf("%s: got %s, want %s", output, got, want)
			}
		})
	}
}

// TestFIFOBackOffOfTheFunctionIsKept: a function may hide a message for longer before it
// reports it.
func TestFIFOBackOffOfTheFunctionIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFIFOWorld(t)
		w.answer = func(call int, e awsevents.SQSEvent) (mapping.Answer, error) {
			if call > 0 {
				return mapping.Answer{}, nil
			}
			w.call("ChangeMessageVisibility", map[string]any{"QueueUrl": "work.fifo", "ReceiptHandle": e.Records[0].ReceiptHandle, "VisibilityTimeout": 600})
			return failing("a1 a2")(call, e)
		}
		w.order("a1 a2")
		w.start(mapping.QueueMapping{ReportBatchItemFailures: true})
		time.Sleep(time.Hour)
		if got := w.got(); got != "0s a1 a2; 10m0s a1 a2" {
			t.Errorf("got %s", got)
		}
	})
}

// TestFIFOEventThatIsCutKeepsTheOrder: what follows a failed message in the next event of the
// same batch waits with it, while other groups go on.
func TestFIFOEventThatIsCutKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFIFOWorld(t)
		w.answer = func(call int, e awsevents.SQSEvent) (mapping.Answer, error) {
			return mapping.Answer{FunctionError: call == 0}, nil
		}
		w.tooLargeForOneEvent()
		w.order("b0")
		w.start(mapping.QueueMapping{})
		time.Sleep(time.Hour)
		if got := w.starts(); got != "0s a0 a1 a2 a3 a4; 0s b0; 1m0s a0 a1 a2 a3 a4; 1m0s a5" {
			t.Errorf("got %s", got)
		}
	})
}

// TestFIFOEventThatIsCutStaysHidden: messages for the second event of a batch are not shown again
// while the first runs, even if both together take longer than messages are hidden.
func TestFIFOEventThatIsCutStaysHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFIFOWorld(t)
		w.answer = func(int, awsevents.SQSEvent) (mapping.Answer, error) {
			time.Sleep(50 * time.Second)
			return mapping.Answer{}, nil
		}
		w.tooLargeForOneEvent()
		p, err := w.begin(mapping.QueueMapping{}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		time.Sleep(time.Hour)
		if got := w.starts(); got != "0s a0 a1 a2 a3 a4; 50s a5" || w.left(w.arn) != 0 {
			t.Errorf("got %s, %d are left", got, w.left(w.arn))
		}
	})
}

// TestFIFOEventThatIsCutEndsWhenItIsShown: if somebody shows the messages that wait for the
// second event, the batch that receives them then is the only one that delivers them.
func TestFIFOEventThatIsCutEndsWhenItIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFIFOWorld(t)
		w.answer = func(call int, e awsevents.SQSEvent) (mapping.Answer, error) {
			if call == 0 {
				time.Sleep(70 * time.Second) // longer than a function may take, so it is no longer alone
			}
			return mapping.Answer{}, nil
		}
		w.tooLargeForOneEvent()
		w.start(mapping.QueueMapping{})
		time.Sleep(time.Hour)
		if got := w.starts(); got != "0s a0 a1 a2 a3 a4; 1m0s a0 a1 a2 a3 a4; 1m0s a5" {
			t.Errorf("got %s", got)
		}
	})
}

// large is nearly all that a message may have.
var large = strings.Repeat("x", sqs.MaxMessageBytes-10)

// tooLargeForOneEvent sends six messages of group a that make two events.
func (w *queueWorld) tooLargeForOneEvent() {
	w.t.Helper()
	for n := range 6 {
		w.order(fmt.Sprint("a", n, large))
	}
}

// starts is got with the beginning of each body.
func (w *queueWorld) starts() string {
	return strings.ReplaceAll(w.got(), large, "")
}

func TestFIFOMappingsThatLambdaRefuses(t *testing.T) {
	w := newFIFOWorld(t)
	for want, m := range map[string]mapping.QueueMapping{
		"BatchSize is 11, must be 1 to 10 for a FIFO queue": {BatchSize: 11, Window: time.Second},
		"a batching window is not supported for FIFO":       {Window: time.Second},
		"MaximumConcurrency is 1, must be 2 to 1000":        {Concurrency: 1},
	} {
		if p, err := w.begin(m, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
			if p != nil {
				p.Close()
			}
		}
	}
}

// TestFIFOClosesWhileItWaits for a message and for a free place.
func TestFIFOClosesWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFIFOWorld(t)
		p, err := w.begin(mapping.QueueMapping{}, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		p.Close()
		w.order("a1")
		if got := w.got(); got != "" {
			t.Errorf("got %s", got)
		}
	})
}
