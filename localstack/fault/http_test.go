package fault_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/restapi"
)

func TestRequestsFail(t *testing.T) {
	for kind, want := range map[fault.Kind]restapi.Failure{
		fault.HTTP429: restapi.Throttled, fault.HTTP500: restapi.FunctionThrottled, fault.HTTP502: restapi.AnswerLost, fault.Kill: restapi.Works,
	} {
		f := fault.New(fault.Plan{kind: 1}, 7)
		if got := f.Failing(); got != want {
			t.Errorf("%s: the request meets %v, want %v", kind, got, want)
		}
	}
}

func TestStreamsAreTornAndCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if got := fault.New(fault.Plan{fault.TearStream: 1}, 7).PassingPiece(t.Context()); got != restapi.Torn || time.Since(began) != 0 {
			t.Errorf("a piece meets %v after %v", got, time.Since(began))
		}
		if got := fault.New(nil, 7).PassingPiece(t.Context()); got != restapi.Passes {
			t.Errorf("without faults a piece meets %v", got)
		}
		f := fault.New(fault.Plan{fault.IdleCut: 1}, 7)
		if got := f.PassingPiece(t.Context()); got != restapi.Cut || time.Since(began) == 0 || time.Since(began) > 2*time.Second {
			t.Errorf("a piece meets %v after %v", got, time.Since(began))
		}
	})
}

func TestKillWhatHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fault.New(fault.Plan{fault.KillHold: 1}, 7)
		f.Started(&invocation{kill: func() bool { t.Error("killed before it streamed"); return true }})
		var kills atomic.Int64
		for range 3 {
			f.Streaming(&invocation{kill: func() bool { return kills.Add(1) <= 2 }}) // the last has ended
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if kills.Load() != 3 || f.Counts()[fault.KillHold] != 2 {
			t.Errorf("%d kills, counted %d, want 3 and 2", kills.Load(), f.Counts()[fault.KillHold])
		}
		fault.New(fault.Plan{fault.Kill: 1}, 7).Streaming(&invocation{kill: func() bool { t.Error("killed without the fault"); return true }})
	})
}
