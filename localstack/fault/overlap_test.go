package fault_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/fault"
)

// table is a service whose writes are counted, and who calls it.
type table struct {
	*awsjson.Service
	f         *fault.Faults
	written   atomic.Int64
	abandoned atomic.Int64
}

type processKey struct{}

func newTable(p fault.Plan) *table {
	s := &table{f: fault.New(p, 7)}
	read := func(context.Context, []byte) (any, error) { return "", nil }
	write := func(context.Context, []byte) (any, error) {
		s.written.Add(1)
		return "", nil
	}
	s.Service = s.f.WrapService(&awsjson.Service{Operations: map[string]awsjson.Operation{
		"GetItem": read, "BatchGetItem": read, "TransactWriteItems": write, "PutItem": write, "UpdateItem": write,
	}}, func(ctx context.Context) *fault.Caller {
		process, ok := ctx.Value(processKey{}).(string)
		if !ok {
			return nil
		}
		return &fault.Caller{Process: process, Abandon: func() bool { s.abandoned.Add(1); return true }}
	})
	return s
}

// read and write do so with an item, as a process; nobody's if its name is empty.
func (s *table) read(t *testing.T, process, id string) {
	s.call(t, process, "GetItem", `{"TableName":"T","ConsistentRead":true,"Key":`+keyOf(id)+`}`)
}

func (s *table) write(t *testing.T, process, id string) {
	s.call(t, process, "TransactWriteItems", `{"TransactItems":[{"Update":{"UpdateExpression":"SET a = :a","TableName":"T","Key":`+keyOf(id)+`}},{"Put":{"TableName":"T"}}]}`)
}

// move moves a head as numbering does for a single change, and row puts the change's row.
func (s *table) move(t *testing.T, process, id string) {
	s.call(t, process, "UpdateItem", `{"UpdateExpression":"SET #last = :last","ExpressionAttributeNames":{"#last":"last"},"TableName":"T","Key":`+keyOf(id)+`}`)
}

func (s *table) row(t *testing.T, process, id string) {
	s.call(t, process, "PutItem", fmt.Sprintf(`{"TableName":"T","Item":{"seq":{"N":"7"},"topic":{"S":%q},"epoch":{"S":"e"}}}`, id))
}

func keyOf(id string) string { return fmt.Sprintf(`{"topic":{"S":%q},"seq":{"N":"0"}}`, id) }

func (s *table) call(t *testing.T, process, operation, body string) {
	ctx := t.Context()
	if process != "" {
		ctx = context.WithValue(ctx, processKey{}, process)
	}
	if _, err := s.Call(ctx, operation, []byte(body)); err != nil {
		t.Error(err)
	}
}

// TestLateWriteWakesUpAfterOthers: two transactions are held back at most, each until
// others have written its item, and their invocations are given up.
func TestLateWriteWakesUpAfterOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTable(fault.Plan{fault.LateWrite: 1})
		s.write(t, "0", "a") // which nobody overtakes
		s.written.Store(0)
		s.abandoned.Store(0)
		for _, process := range []string{"1", "2"} {
			s.read(t, process, "a")
			go s.write(t, process, "a")
		}
		synctest.Wait()
		if s.written.Load() != 0 || s.abandoned.Load() != 2 {
			t.Fatalf("%d written, %d abandoned, want none and two", s.written.Load(), s.abandoned.Load())
		}
		s.write(t, "3", "another")
		s.write(t, "3", "a")
		synctest.Wait()
		if got := s.written.Load(); got != 2 {
			t.Errorf("%d written after another has done the same, want that and another's", got)
		}
		s.write(t, "3", "a")
		synctest.Wait()
		if got := s.written.Load(); got != 5 || s.f.Counts()[fault.LateWrite] != 2 {
			t.Errorf("%d written, faults %v, want all 5 and 2 late", got, s.f.Counts())
		}
		if got := s.f.Overlaps(); got[fault.LateWriter] != 2 || got[fault.SameItem] != 2 {
			t.Errorf("overlaps %v, want the two that were late", got)
		}
	})
}

// TestLateWriteOfASingleChange: the log numbers it without a transaction. A process can be late
// before it puts the row, and before it moves the head. Others have moved the head twice when it
// wakes up.
func TestLateWriteOfASingleChange(t *testing.T) {
	for name, late := range map[string]func(s *table, t *testing.T, process, id string){"row": (*table).row, "head": (*table).move} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTable(fault.Plan{fault.LateWrite: 1})
				s.write(t, "", "a")
				s.move(t, "0", "a") // which nobody overtakes
				for _, process := range []string{"1", "2"} {
					s.call(t, process, "BatchGetItem", `{"RequestItems":{"T":{"Keys":[`+keyOf("b")+","+keyOf("a")+`]}}}`)
					go late(s, t, process, "a")
				}
				synctest.Wait()
				s.written.Store(0)
				for range 2 {
					synctest.Wait()
					if n := s.written.Load(); n%2 != 0 {
						t.Fatalf("%d written, want none of those that are late", n)
					}
					s.row(t, "3", "a")
					s.move(t, "3", "a")
				}
				synctest.Wait()
				if got := s.written.Load(); got != 6 || s.f.Counts()[fault.LateWrite] != 2 {
					t.Errorf("%d written, faults %v, want all 6 and 2 late", got, s.f.Counts())
				}
				if got := s.f.Overlaps(); got[fault.LateWriter] != 2 || got[fault.SameItem] != 2 {
					t.Errorf("overlaps %v, want the two that were late", got)
				}
			})
		})
	}
}

// TestOtherWritesAreNeverLate: only those that number changes are.
func TestOtherWritesAreNeverLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTable(fault.Plan{fault.LateWrite: 1})
		began := time.Now()
		s.call(t, "1", "UpdateItem", `{"UpdateExpression":"SET wanted = :wanted","TableName":"T","Key":`+keyOf("a")+`}`)
		s.call(t, "1", "PutItem", `{"TableName":"T","Item":{"topic":{"S":"a"},"id":{"S":"i"}}}`)
		s.call(t, "1", "PutItem", `nonsense`)
		s.call(t, "1", "UpdateItem", `nonsense`)
		if took := time.Since(began); took > 0 || s.abandoned.Load() != 0 || s.written.Load() != 4 {
			t.Errorf("%d written after %v, %d abandoned", s.written.Load(), took, s.abandoned.Load())
		}
	})
}

// TestLateWriteThatNobodyOvertakes is carried out some time, and does not count.
func TestLateWriteThatNobodyOvertakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTable(fault.Plan{fault.LateWrite: 1})
		began := time.Now()
		s.write(t, "", "a") // is not a function's
		if took := time.Since(began); took > 0 {
			t.Errorf("somebody's own transaction waited %v", took)
		}
		s.write(t, "1", "a")
		if took := time.Since(began); took < time.Second || took > time.Minute || s.written.Load() != 2 || s.f.Counts()[fault.LateWrite] != 0 {
			t.Errorf("%d written after %v, faults %v", s.written.Load(), took, s.f.Counts())
		}
	})
}

// TestCutOffProcess: one process is refused everything for a while, others are not.
func TestCutOffProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTable(fault.Plan{fault.CutOff: 0.01})
		refused := func(process string) bool {
			_, err := s.Call(context.WithValue(t.Context(), processKey{}, process), "GetItem", []byte("{}"))
			return err != nil
		}
		for !refused("1") {
		}
		began := time.Now()
		for refused("1") {
			if before := s.f.Counts()[fault.CutOff]; refused("2") && s.f.Counts()[fault.CutOff] == before {
				t.Fatal("another process is cut off without a hit")
			}
			if time.Sleep(100 * time.Millisecond); time.Since(began) > time.Minute {
				t.Fatal("it is cut off for good")
			}
		}
		if took := time.Since(began); took < time.Second {
			t.Errorf("cut off for %v", took)
		}
		for !refused("3") {
		}
		s.f.Off()
		if refused("3") {
			t.Error("a process is cut off after the end of all faults")
		}
		s.read(t, "", "a")
	})
}

// TestSameItemCountsWhatHappened: only a process that writes what it has read, and another
// has written meanwhile.
func TestSameItemCountsWhatHappened(t *testing.T) {
	s := newTable(fault.Plan{fault.LateWrite: 1e-12})
	s.write(t, "1", "a")
	s.read(t, "1", "a")
	s.read(t, "2", "a")
	s.read(t, "2", "b")
	s.write(t, "1", "a") // alone
	s.write(t, "1", "a") // more of the same
	s.write(t, "1", "b")
	s.read(t, "3", "a") // afterwards
	s.write(t, "3", "a")
	if got := s.f.Overlaps(); got[fault.SameItem] != 0 {
		t.Errorf("overlaps %v before there was one", got)
	}
	s.write(t, "2", "a") // what it read is old
	s.write(t, "2", "a") // again, without reading
	if got := s.f.Overlaps(); got[fault.SameItem] != 1 || got[fault.LateWriter] != 0 || len(got) != 2 {
		t.Errorf("overlaps %v, want one at the item", got)
	}
	s.f.ResetCounts()
	if got := s.f.Overlaps(); got[fault.SameItem] != 0 || len(got) != 2 {
		t.Errorf("overlaps %v after a reset", got)
	}
}

func TestSameRecordCountsProcessesAtWork(t *testing.T) {
	f := fault.New(fault.Plan{fault.Abandon: 1e-12}, 7)
	batch := func(stream string, numbers ...int) *invocation {
		payload := ""
		for _, n := range numbers {
			payload += fmt.Sprintf(`,{"eventSourceARN":%q,"dynamodb":{"SequenceNumber":"%d","Keys":{}}}`, stream, n)
		}
		return &invocation{payload: `{"Records":[` + payload[1:] + `]}`}
	}
	first := batch("s", 1, 2)
	for _, i := range []*invocation{first, batch("s", 3), batch("other", 1), {payload: `{"requestContext":{}}`}, {payload: `{"requestContext":{}}`}} {
		f.Started(i)
	}
	if got := f.Overlaps(); got[fault.SameRecord] != 0 || len(got) != 1 {
		t.Errorf("overlaps %v before there was one", got)
	}
	f.Started(batch("s", 2, 4))
	first.ended = true
	f.Started(batch("s", 1))
	if got := f.Overlaps(); got[fault.SameRecord] != 1 {
		t.Errorf("overlaps %v, want one", got)
	}
}

// TestOvertake: a message waits while later ones pass it, which counts if they are of the
// same connection and topic.
func TestOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fault.New(fault.Plan{fault.Overtake: 1}, 7)
		began := time.Now()
		first := f.Passing("c", `{"action":"subscribe","topic":"a"}`)
		for _, other := range [][2]string{{"d", `{"topic":"a"}`}, {"c", `{"topic":"b"}`}} {
			p := f.Passing(other[0], other[1])
			p.Wait()
			p.Ended()
		}
		first.Wait()
		if took := time.Since(began); took == 0 || took > time.Second {
			t.Errorf("the messages waited %v", took)
		}
		first.Ended()
		if got := f.Overlaps(); got[fault.Overtaken] != 0 || len(got) != 1 {
			t.Errorf("overlaps %v before there was one", got)
		}
		earlier, later := f.Passing("c", `{"topic":"a"}`), f.Passing("c", `{"topic":"a"}`)
		later.Wait()
		later.Ended()
		earlier.Wait()
		earlier.Ended()
		for range 2 { // which have no topic
			p := f.Passing("c", "nonsense")
			p.Wait()
			p.Ended()
		}
		if got := f.Overlaps(); got[fault.Overtaken] != 1 || f.Counts()[fault.Overtake] != 7 {
			t.Errorf("overlaps %v, faults %v", got, f.Counts())
		}
	})
}
