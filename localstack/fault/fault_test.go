package fault_test

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/fault"
)

// decide asks n times.
func decide(f *fault.Faults, kind fault.Kind, n int) []bool {
	var got []bool
	for range n {
		got = append(got, f.Hit(kind))
	}
	return got
}

func hits(decisions []bool) (n int64) {
	for _, hit := range decisions {
		if hit {
			n++
		}
	}
	return n
}

func TestDecisionsAreRepeatable(t *testing.T) {
	p := fault.Plan{fault.Kill: 0.3, fault.Delay: 0.3}
	first, again, other := fault.New(p, 7), fault.New(p, 7), fault.New(p, 8)
	want := decide(first, fault.Kill, 1000)
	if got := decide(again, fault.Kill, 1000); !slices.Equal(got, want) {
		t.Error("the same seed decides otherwise")
	}
	if slices.Equal(decide(other, fault.Kill, 1000), want) {
		t.Error("another seed decides the same")
	}
	if slices.Equal(decide(first, fault.Delay, 1000), want) {
		t.Error("another kind decides the same")
	}
	if n := hits(want); n < 250 || n > 350 {
		t.Errorf("%d of 1000 were hit at a rate of 0.3", n)
	}
}

// TestKindsAreIndependent: neither other kinds nor measures move a kind's decisions.
func TestKindsAreIndependent(t *testing.T) {
	want := decide(fault.New(fault.Plan{fault.Kill: 0.3}, 7), fault.Kill, 100)
	var got []bool
	f := fault.New(fault.Plan{fault.Kill: 0.3, fault.Delay: 0.9, fault.Pause: 0.9}, 7)
	for range 100 {
		f.Hit(fault.Delay)
		f.Duration(fault.Kill, 0, time.Second)
		got = append(got, f.Hit(fault.Kill))
		f.IntN(fault.Pause, 3)
	}
	if !slices.Equal(got, want) {
		t.Error("other kinds have changed the decisions")
	}
}

func TestHigherRateHitsAllThatALowerOneHits(t *testing.T) {
	low := decide(fault.New(fault.Plan{fault.Kill: 0.1}, 7), fault.Kill, 1000)
	high := decide(fault.New(fault.Plan{fault.Kill: 0.5}, 7), fault.Kill, 1000)
	for n, hit := range low {
		if hit && !high[n] {
			t.Fatalf("decision %d is hit at 0.1 and not at 0.5", n)
		}
	}
}

func TestRatesZeroAndOne(t *testing.T) {
	f := fault.New(fault.Plan{fault.Kill: 1, fault.Delay: 0}, 7)
	if n := hits(decide(f, fault.Kill, 1000)); n != 1000 {
		t.Errorf("%d of 1000 were hit at a rate of 1", n)
	}
	if n := hits(decide(f, fault.Delay, 1000)) + hits(decide(f, fault.Pause, 1000)); n != 0 {
		t.Errorf("%d were hit of kinds that never happen", n)
	}
}

func TestMeasuresStayInBoundsAndRepeat(t *testing.T) {
	p := fault.Plan{fault.Pause: 1}
	f, again := fault.New(p, 7), fault.New(p, 7)
	seen := map[time.Duration]bool{}
	for range 1000 {
		got := f.Duration(fault.Pause, 2, 5)
		if got < 2 || got > 5 || got != again.Duration(fault.Pause, 2, 5) {
			t.Fatalf("drew %d", got)
		}
		seen[got] = true
	}
	if len(seen) != 4 {
		t.Errorf("1000 draws of 2 to 5 gave %v", seen)
	}
	if got := f.Duration(fault.Kill, time.Second, time.Minute); got != time.Second {
		t.Errorf("a kind that never happens lasts %v", got)
	}
}

func TestCounts(t *testing.T) {
	f := fault.New(fault.Plan{fault.Kill: 0.5, fault.Delay: 1, fault.Bisect: 0}, 7)
	killed := hits(decide(f, fault.Kill, 100))
	decide(f, fault.Delay, 3)
	f.Miss(fault.Delay)
	if got, want := f.Counts(), (map[fault.Kind]int64{fault.Kill: killed, fault.Delay: 2}); !maps.Equal(got, want) {
		t.Errorf("counts are %v, want %v", got, want)
	}
	f.ResetCounts()
	f.Miss(fault.Delay) // of before
	if got, want := f.Counts(), (map[fault.Kind]int64{fault.Kill: 0, fault.Delay: 0}); !maps.Equal(got, want) {
		t.Errorf("after the reset counts are %v, want %v", got, want)
	}
}

func TestOff(t *testing.T) {
	f := fault.New(fault.Plan{fault.Kill: 1}, 7)
	decide(f, fault.Kill, 2)
	f.Off()
	f.Off()
	if n := hits(decide(f, fault.Kill, 100)); n != 0 || f.Counts()[fault.Kill] != 2 {
		t.Errorf("%d were hit after Off, counted %v", n, f.Counts())
	}
}

func TestNilBreaksNothing(t *testing.T) {
	var f *fault.Faults
	if f.Hit(fault.Kill) || f.Counts() != nil || f.Duration(fault.Kill, 1, 2) != 1 || f.IntN(fault.Kill, 9) != 0 || f.String() != "" {
		t.Error("no faults are some")
	}
	f.Miss(fault.Kill)
	f.ResetCounts()
	f.Off()
}

func TestConcurrentUse(t *testing.T) {
	f := fault.New(fault.Plan{fault.Kill: 1}, 7)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			decide(f, fault.Kill, 100)
			f.Duration(fault.Kill, 0, time.Second)
			f.Counts()
		})
	}
	all.Wait()
	if got := f.Counts()[fault.Kill]; got != 800 {
		t.Errorf("counted %d, want 800", got)
	}
}

func TestStringRepeatsIt(t *testing.T) {
	const want = "--faults kill=0.01,forget=0.5 --seed 42"
	if got := fault.New(fault.Plan{fault.Forget: 0.5, fault.Kill: 0.01, fault.Delay: 0}, 42).String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestRatesChangeWhileTheStackRuns: a kind goes on in its own sequence, and nothing is drawn while it
// does not happen.
func TestRatesChangeWhileTheStackRuns(t *testing.T) {
	want := decide(fault.New(fault.Plan{fault.Kill: 0.3}, 7), fault.Kill, 200)
	f := fault.New(nil, 7)
	if !f.Calm() || f.Hit(fault.Kill) {
		t.Error("without rates something happens")
	}
	f.Set(fault.Plan{fault.Kill: 0.3})
	got := decide(f, fault.Kill, 100)
	if f.Calm() || !maps.Equal(f.Rates(), fault.Plan{fault.Kill: 0.3}) {
		t.Errorf("with rates it is calm, or they are %v", f.Rates())
	}
	f.Set(fault.Plan{fault.Kill: 0, fault.Delay: 0})
	if n := hits(decide(f, fault.Kill, 50)); n != 0 || !f.Calm() {
		t.Errorf("%d were hit at the rate 0", n)
	}
	f.Set(fault.Plan{fault.Kill: 0.3})
	if got = append(got, decide(f, fault.Kill, 100)...); !slices.Equal(got, want) {
		t.Error("changed rates have changed the decisions")
	}
	if f.Counts()[fault.Kill] != hits(want) {
		t.Errorf("counts are %v", f.Counts())
	}
}

// TestRatesMayChangeAtAnyTime, which the race detector watches.
func TestRatesMayChangeAtAnyTime(t *testing.T) {
	f := fault.New(nil, 7)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { decide(f, fault.Kill, 100) })
		all.Go(func() {
			for i := range 100 {
				f.Set(fault.Plan{fault.Kill: float64(i % 2)})
				f.Rates()
			}
			f.Set(fault.Plan{fault.Kill: 0})
		})
	}
	all.Wait()
	if !f.Calm() {
		t.Error("with all rates at 0 it is not calm")
	}
}
