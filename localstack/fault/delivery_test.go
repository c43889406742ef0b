package fault_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
	"github.com/watchroute/watchroute/localstack/fault"
)

// function notes the batches that it gets, as the numbers of their records.
type function struct {
	mu      sync.Mutex
	batches []string
	answer  mapping.Answer
	err     error
	takes   time.Duration
}

func (f *function) run(_ context.Context, records []stream.Record) (mapping.Answer, error) {
	var numbers []string
	for _, r := range records {
		numbers = append(numbers, r.SequenceNumber)
	}
	f.mu.Lock()
	f.batches = append(f.batches, strings.Join(numbers, " "))
	f.mu.Unlock()
	time.Sleep(f.takes)
	return f.answer, f.err
}

// batch is the records first to last, at most 999.
func batch(first, last int) []stream.Record {
	var records []stream.Record
	for n := first; n <= last; n++ {
		records = append(records, stream.Record{SequenceNumber: fmt.Sprintf("%03d", n), JSON: []byte(`{}`)})
	}
	return records
}

// deliver brings batches to the function, one after the other, under the plan.
func deliver(t *testing.T, f *function, p fault.Plan, batches ...[]stream.Record) (*fault.Faults, []mapping.Answer) {
	t.Helper()
	faults := fault.New(p, 7)
	send := faults.WrapDelivery("shard", f.run)
	var answers []mapping.Answer
	for _, records := range batches {
		answer, err := send(t.Context(), records)
		if !errors.Is(err, f.err) {
			t.Errorf("error %v, want %v", err, f.err)
		}
		answers = append(answers, answer)
	}
	return faults, answers
}

func TestUndisturbedDelivery(t *testing.T) {
	f := &function{answer: mapping.Answer{RequestID: "r", Output: []byte("{}")}}
	_, answers := deliver(t, f, nil, batch(1, 2), batch(3, 3))
	if !slices.Equal(f.batches, []string{"001 002", "003"}) || string(answers[1].Output) != "{}" || answers[1].FunctionError {
		t.Errorf("the function got %q, the mapping %+v", f.batches, answers)
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		deliver(t, &function{}, fault.Plan{fault.Delay: 1}, batch(1, 1), batch(2, 2), batch(3, 3), batch(4, 4))
		if took := time.Since(began); took < 100*time.Millisecond || took > 2*time.Second {
			t.Errorf("four batches waited %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		f := &function{}
		_, err := fault.New(fault.Plan{fault.Delay: 1}, 7).WrapDelivery("", f.run)(ctx, batch(1, 1))
		if !errors.Is(err, context.Canceled) || len(f.batches) != 0 {
			t.Errorf("the end of the mapping gave %v, the function got %q", err, f.batches)
		}
	})
}

// TestDuplicate: both invocations run at once, and the mapping waits for one.
func TestDuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &function{takes: time.Second}
		began := time.Now()
		deliver(t, f, fault.Plan{fault.Duplicate: 1}, batch(1, 2))
		synctest.Wait()
		if took := time.Since(began); took != time.Second || !slices.Equal(f.batches, []string{"001 002", "001 002"}) {
			t.Errorf("the function got %q in %v", f.batches, took)
		}
	})
}

func TestBisectReplacesSuccess(t *testing.T) {
	f := &function{answer: mapping.Answer{RequestID: "r", Output: []byte("{}")}}
	faults, answers := deliver(t, f, fault.Plan{fault.Bisect: 1}, batch(1, 2))
	if !answers[0].FunctionError || answers[0].RequestID != "r" || len(f.batches) != 1 {
		t.Errorf("the mapping got %+v, the function %q", answers, f.batches)
	}
	f.answer.FunctionError = true
	failing, _ := deliver(t, f, fault.Plan{fault.Bisect: 1}, batch(1, 2))
	f.answer, f.err = mapping.Answer{}, errors.New("throttled")
	unrun, _ := deliver(t, f, fault.Plan{fault.Bisect: 1}, batch(1, 2))
	if faults.Counts()[fault.Bisect] != 1 || failing.Counts()[fault.Bisect] != 0 || unrun.Counts()[fault.Bisect] != 0 {
		t.Error("what fails by itself counts as a fault")
	}
}

// TestPartial: a report takes the place of one that reports nothing, never of another.
func TestPartial(t *testing.T) {
	for output, replaced := range map[string]bool{
		``: true, `null`: true, `{}`: true, `{"batchItemFailures":[]}`: true, `{"batchItemFailures":null}`: true,
		`{"batchItemFailures":[{"itemIdentifier":"001"}]}`: false, `"no report"`: false,
	} {
		faults, answers := deliver(t, &function{answer: mapping.Answer{Output: []byte(output)}}, fault.Plan{fault.Partial: 1}, batch(1, 1))
		want := output
		if replaced {
			want = `{"batchItemFailures":[{"itemIdentifier":"001"}]}`
		}
		if got := string(answers[0].Output); got != want || (faults.Counts()[fault.Partial] == 1) != replaced {
			t.Errorf("%q became %q, want %q; counted %v", output, got, want, faults.Counts())
		}
	}
}

// TestReslice: what is put before a batch is the unbroken end of what was delivered
// before it, and never a later record.
func TestReslice(t *testing.T) {
	f := &function{}
	// The hundred fail and come again in halves; nothing is known of what was before them.
	batches := [][]stream.Record{batch(1, 9), batch(10, 10), batch(11, 110), batch(11, 60), batch(61, 110), batch(111, 111)}
	faults, _ := deliver(t, f, fault.Plan{fault.Reslice: 1}, batches...)
	for n, got := range f.batches {
		numbers := strings.Fields(got)
		before := len(numbers) - len(batches[n])
		if alone := n == 0 || n == 3; alone && before != 0 || !alone && (before < 1 || before > 100) {
			t.Errorf("%d records are put before batch %d", before, n)
		}
		first, _ := strconv.Atoi(numbers[0]) // batch wrote it
		for i, number := range numbers {
			if number != fmt.Sprintf("%03d", first+i) {
				t.Fatalf("batch %d: %s", n, got)
			}
		}
	}
	if got := faults.Counts()[fault.Reslice]; got != 4 {
		t.Errorf("counted %d, want 4", got)
	}
}

// TestResliceKeepsToTheLimitOfAnEvent with records so large that one or none fits.
func TestResliceKeepsToTheLimitOfAnEvent(t *testing.T) {
	large := func(n, size int) []stream.Record {
		return []stream.Record{{SequenceNumber: fmt.Sprintf("%03d", n), JSON: make([]byte, size)}}
	}
	f := &function{}
	faults, _ := deliver(t, f, fault.Plan{fault.Reslice: 1}, large(1, 3<<20), large(2, 2<<20), large(3, 3<<20), large(4, 5<<20))
	for _, got := range f.batches[2:] {
		if numbers := strings.Fields(got); len(numbers) > 2 {
			t.Errorf("%s are too large for an event", got)
		}
	}
	if f.batches[3] != "004" || faults.Counts()[fault.Reslice] != 2 {
		t.Errorf("the function got %q, counted %v", f.batches, faults.Counts())
	}
}
