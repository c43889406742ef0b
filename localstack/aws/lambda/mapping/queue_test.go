package mapping_test

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

	awsevents "github.com/aws/aws-lambda-go/events"

	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

// The queue that is mapped, and where its redrive policy leads.
const (
	workARN = "arn:aws:sqs:us-east-1:000000000000:work"
	deadARN = "arn:aws:sqs:us-east-1:000000000000:dead"
)

// queueWorld is a queue with a mapping to a function that follows a script, all of it in
// one synctest bubble.
type queueWorld struct {
	t      *testing.T
	arn    string // of the queue
	queues *sqs.Service
	began  time.Time

	mu     sync.Mutex
	events []awsevents.SQSEvent
	times  []time.Duration
	bytes  []int
	answer func(call int, e awsevents.SQSEvent) (mapping.Answer, error)
}

// newQueueWorld hides messages for 60 s, and sets them aside after being received 3 times.
func newQueueWorld(t *testing.T) *queueWorld {
	w := &queueWorld{t: t, arn: workARN, queues: sqs.New(sqs.Options{}), began: time.Now()}
	w.call("CreateQueue", map[string]any{"QueueName": "dead"})
	w.call("CreateQueue", map[string]any{"QueueName": "work", "Attributes": map[string]string{
		"VisibilityTimeout": "60", "RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":3}`,
	}})
	return w
}

func (w *queueWorld) call(operation string, in map[string]any) {
	w.t.Helper()
	body, err := json.Marshal(in)
	if err == nil {
		_, err = w.queues.Service().Call(w.t.Context(), operation, body)
	}
	if err != nil {
		w.t.Fatalf("%s: %v", operation, err)
	}
}

func (w *queueWorld) send(bodies ...string) {
	w.t.Helper()
	for _, body := range bodies {
		if err := w.queues.Send(w.t.Context(), workARN, body); err != nil {
			w.t.Fatal(err)
		}
	}
}

// start maps the queue to the function until the test ends.
func (w *queueWorld) start(m mapping.QueueMapping) {
	w.t.Helper()
	p, err := w.begin(m, 10*time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(p.Close)
}

func (w *queueWorld) begin(m mapping.QueueMapping, timeout time.Duration) (*mapping.QueuePoller, error) {
	m.QueueARN, m.Function = w.arn, "f"
	return mapping.StartQueue(m, w.queues, mapping.QueueOptions{
		Invoke: w.invoke, Timeout: timeout, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

func (w *queueWorld) invoke(_ context.Context, payload []byte) (mapping.Answer, error) {
	var e awsevents.SQSEvent
	if err := json.Unmarshal(payload, &e); err != nil {
		return mapping.Answer{}, err
	}
	w.mu.Lock()
	call := len(w.events)
	w.events, w.times, w.bytes = append(w.events, e), append(w.times, time.Since(w.began)), append(w.bytes, len(payload))
	answer := w.answer
	w.mu.Unlock()
	if answer == nil {
		return mapping.Answer{}, nil
	}
	return answer(call, e)
}

// got lists what the function got, a line for each call: when, and the bodies.
func (w *queueWorld) got() string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for i, e := range w.events {
		lines = append(lines, fmt.Sprint(w.times[i], " ", strings.Join(bodiesOf(e), " ")))
	}
	return strings.Join(lines, "; ")
}

func bodiesOf(e awsevents.SQSEvent) (bodies []string) {
	for _, m := range e.Records {
		bodies = append(bodies, m.Body)
	}
	return bodies
}

// left counts what is in a queue, visible or not.
func (w *queueWorld) left(arn string) int {
	w.t.Helper()
	body := fmt.Sprintf(`{"QueueUrl":%q,"AttributeNames":["All"]}`, arn[strings.LastIndexByte(arn, ':')+1:])
	out, err := w.queues.Service().Call(w.t.Context(), "GetQueueAttributes", []byte(body))
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	attributes := out.(map[string]any)["Attributes"].(map[string]string)
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		var count int
		_, _ = fmt.Sscan(attributes[name], &count)
		n += count
	}
	return n
}

// reportsBodies answers with partial failures: the messages with that body.
func reportsBodies(poison string) func(int, awsevents.SQSEvent) (mapping.Answer, error) {
	return func(_ int, e awsevents.SQSEvent) (mapping.Answer, error) {
		var response awsevents.SQSEventResponse
		for _, m := range e.Records {
			if m.Body == poison {
				response.BatchItemFailures = append(response.BatchItemFailures, awsevents.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			}
		}
		output, err := json.Marshal(response)
		return mapping.Answer{Output: output}, err
	}
}

func TestMessagesAreDeletedWhenTheFunctionSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newQueueWorld(t)
		w.call("SendMessage", map[string]any{"QueueUrl": "work", "MessageBody": "<a>", "MessageAttributes": map[string]any{
			"s": map[string]string{"DataType": "String", "StringValue": "v"}, "b": map[string]any{"DataType": "Binary", "BinaryValue": []byte{1, 2}},
		}})
		w.start(mapping.QueueMapping{})
		if got := w.got(); got != "0s <a>" || w.left(workARN) != 0 {
			t.Fatalf("got %s, %d are left", got, w.left(workARN))
		}
		m := w.events[0].Records[0]
		if m.EventSource != "aws:sqs" || m.EventSourceARN != workARN || m.AWSRegion != "us-east-1" || m.Md5OfBody == "" || m.Md5OfMessageAttributes == "" ||
			m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["SentTimestamp"] != fmt.Sprint(w.began.UnixMilli()) || m.Attributes["SenderId"] != "000000000000" {
			t.Errorf("the function got %+v", m)
		}
		if a := m.MessageAttributes; *a["s"].StringValue != "v" || string(a["b"].BinaryValue) != "\x01\x02" || a["b"].DataType != "Binary" {
			t.Errorf("with the attributes %+v", a)
		}
		w.send("b") // the mapping goes on
		if got := w.got(); got != "0s <a>; 0s b" {
			t.Errorf("then got %s", got)
		}
	})
}

// TestFailedBatchComesAgainWhenItIsShownAgain: there is no attempt before, and the redrive
// policy ends it.
func TestFailedBatchComesAgainWhenItIsShownAgain(t *testing.T) {
	for name, answer := range map[string]func(int, awsevents.SQSEvent) (mapping.Answer, error){
		"function error": func(int, awsevents.SQSEvent) (mapping.Answer, error) { return mapping.Answer{FunctionError: true}, nil },
		"did not run": func(int, awsevents.SQSEvent) (mapping.Answer, error) {
			return mapping.Answer{}, errors.New("throttled")
		},
		"unknown report": func(int, awsevents.SQSEvent) (mapping.Answer, error) {
			return mapping.Answer{Output: []byte(`{"batchItemFailures":[{"itemIdentifier":"other"}]}`)}, nil
		},
		"no report": func(int, awsevents.SQSEvent) (mapping.Answer, error) {
			return mapping.Answer{Output: []byte("done")}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newQueueWorld(t)
				w.answer = answer
				w.send("a", "b")
				w.start(mapping.QueueMapping{ReportBatchItemFailures: true})
				time.Sleep(time.Hour)
				if got := w.got(); got != "0s a b; 1m0s a b; 2m0s a b" {
					t.Errorf("got %s", got)
				}
				if w.left(workARN) != 0 || w.left(deadARN) != 2 {
					t.Errorf("%d are left, %d set aside", w.left(workARN), w.left(deadARN))
				}
			})
		})
	}
}

// TestReportedMessagesAloneComeAgain: the others are deleted, wherever they stand.
func TestReportedMessagesAloneComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newQueueWorld(t)
		w.answer = reportsBodies("poison")
		w.send("a", "poison", "b")
		w.start(mapping.QueueMapping{ReportBatchItemFailures: true})
		if got := w.got(); got != "0s a poison b" || w.left(workARN) != 1 {
			t.Errorf("got %s, %d are left", got, w.left(workARN))
		}
		time.Sleep(time.Hour)
		if got := w.got(); got != "0s a poison b; 1m0s poison; 2m0s poison" || w.left(deadARN) != 1 {
			t.Errorf("got %s, %d set aside", got, w.left(deadARN))
		}
	})
}

// TestReportsAreNotReadUnasked: without the response type, success is success.
func TestReportsAreNotReadUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newQueueWorld(t)
		w.answer = reportsBodies("a")
		w.send("a")
		w.start(mapping.QueueMapping{})
		if got := w.got(); got != "0s a" || w.left(workARN) != 0 {
			t.Errorf("got %s, %d are left", got, w.left(workARN))
		}
	})
}

func TestQueueBatches(t *testing.T) {
	var thirty []string
	for i := range 30 {
		thirty = append(thirty, fmt.Sprint(i))
	}
	for name, c := range map[string]struct {
		m    mapping.QueueMapping
		want []int // sizes, in order of size
	}{
		"of ten by default": {mapping.QueueMapping{}, []int{10, 10, 10}},
		"of seven":          {mapping.QueueMapping{BatchSize: 7}, []int{2, 7, 7, 7, 7}},
		"of 25 in a window": {mapping.QueueMapping{BatchSize: 25, Window: time.Second}, []int{5, 25}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newQueueWorld(t)
				w.send(thirty...)
				w.start(c.m)
				time.Sleep(2 * time.Second)
				synctest.Wait()
				var sizes []int
				var all []string
				for _, e := range w.events {
					sizes, all = append(sizes, len(e.Records)), append(all, bodiesOf(e)...)
				}
				slices.Sort(sizes)
				if !slices.Equal(sizes, c.want) || len(all) != 30 {
					t.Errorf("batches of %v, want %v: %q", sizes, c.want, all)
				}
			})
		})
	}
}

// TestWindowWaitsForCompany, and no longer.
func TestWindowWaitsForCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newQueueWorld(t)
		w.start(mapping.QueueMapping{BatchSize: 3, Window: 10 * time.Second, Concurrency: 2})
		w.send("a")
		time.Sleep(time.Second)
		if got := w.got(); got != "" {
			t.Errorf("did not wait: %s", got)
		}
		time.Sleep(time.Minute)
		if got := w.got(); got != "10s a" {
			t.Errorf("got %s", got)
		}
	})
}

// TestEventsAreCutAtSixMegabytes: seven messages of the largest size are two events.
func TestEventsAreCutAtSixMegabytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newQueueWorld(t)
		for range 7 {
			w.send(strings.Repeat("x", sqs.MaxMessageBytes))
		}
		w.start(mapping.QueueMapping{})
		synctest.Wait()
		if len(w.events) != 2 || len(w.events[0].Records) != 5 || len(w.events[1].Records) != 2 || slices.Max(w.bytes) > mapping.MaxEvent || w.left(workARN) != 0 {
			t.Errorf("%d events of %v bytes, %d messages are left", len(w.events), w.bytes, w.left(workARN))
		}
	})
}

// TestConcurrencyIsBounded: as many batches at once as the mapping says, five by default.
func TestConcurrencyIsBounded(t *testing.T) {
	for want, m := range map[int]mapping.QueueMapping{2: {BatchSize: 1, Concurrency: 2}, 5: {BatchSize: 1}} {
		synctest.Test(t, func(t *testing.T) {
			w := newQueueWorld(t)
			var mu sync.Mutex
			running, most := 0, 0
			w.answer = func(int, awsevents.SQSEvent) (mapping.Answer, error) {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				running--
				mu.Unlock()
				return mapping.Answer{}, nil
			}
			w.send("1", "2", "3", "4", "5", "6", "7", "8", "9")
			w.start(m)
			time.Sleep(time.Minute)
			synctest.Wait()
			if most != want || len(w.events) != 9 || w.left(workARN) != 0 {
				t.Errorf("%d batches at once, want %d; %d messages, %d left", most, want, len(w.events), w.left(workARN))
			}
		})
	}
}

// TestMessagesStayHiddenAsLongAsABatchTakes: a window and the function's time that together
// are longer than the queue hides messages would let them come twice.
func TestMessagesStayHiddenAsLongAsABatchTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newQueueWorld(t)
		w.answer = func(int, awsevents.SQSEvent) (mapping.Answer, error) { return mapping.Answer{FunctionError: true}, nil }
		w.send("a")
		p, err := w.begin(mapping.QueueMapping{Window: 20 * time.Second}, 60*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		time.Sleep(3 * time.Minute)
		// Received at 0 s, delivered at 20 s; shown again 20 + 60 + 30 s after it was received.
		if got := w.got(); got != "20s a; 2m10s a" {
			t.Errorf("got %s", got)
		}
	})
}

func TestQueueMappingsThatLambdaRefuses(t *testing.T) {
	w := newQueueWorld(t)
	for name, c := range map[string]struct {
		m       mapping.QueueMapping
		timeout time.Duration
		want    string
	}{
		"slow function":   {mapping.QueueMapping{}, 61 * time.Second, "queue visibility timeout: 60 seconds is less than function timeout: 61 seconds"},
		"eleven at once":  {mapping.QueueMapping{BatchSize: 11}, 0, "MaximumBatchingWindowInSeconds must be at least 1"},
		"huge batch":      {mapping.QueueMapping{BatchSize: 10_001, Window: time.Second}, 0, "must be 1 to 10000"},
		"negative batch":  {mapping.QueueMapping{BatchSize: -1}, 0, "must be 1 to 10000"},
		"long window":     {mapping.QueueMapping{Window: 301 * time.Second}, 0, "must be 0 s to 5m0s"},
		"one at a time":   {mapping.QueueMapping{Concurrency: 1}, 0, "MaximumConcurrency is 1"},
		"very concurrent": {mapping.QueueMapping{Concurrency: 1001}, 0, "MaximumConcurrency is 1001"},
	} {
		if p, err := w.begin(c.m, c.timeout); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
			if p != nil {
				p.Close()
			}
		}
	}
	other := mapping.QueueMapping{QueueARN: "arn:aws:sqs:us-east-1:000000000000:other", Function: "f"}
	if _, err := mapping.StartQueue(other, w.queues, mapping.QueueOptions{}); err == nil || !strings.Contains(err.Error(), "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.") {
		t.Errorf("no queue: %v", err)
	}
}

// TestQueueThatIsDeletedIsNotAskedWithoutPause, and is read again when it is there again.
func TestQueueThatIsDeletedIsNotAskedWithoutPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newQueueWorld(t)
		w.start(mapping.QueueMapping{})
		synctest.Wait()
		w.call("DeleteQueue", map[string]any{"QueueUrl": "work"})
		time.Sleep(time.Minute + time.Millisecond)
		w.call("CreateQueue", map[string]any{"QueueName": "work"})
		w.send("a")
		time.Sleep(time.Second)
		if got := w.got(); got != "1m1s a" {
			t.Errorf("got %s", got)
		}
	})
}
