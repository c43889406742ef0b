package fault_test

import (
	"bytes"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/restapi"
	"github.com/watchroute/watchroute/localstack/fault"
)

func TestRequestsFail(t *testing.T) {
	for kind, want := range map[fault.Kind]restapi.Failure{
		fault.HTTP429: restapi.Throttled, fault.HTTP500: restapi.FunctionThrottled, fault.HTTP502: restapi.AnswerLost,
		fault.HTTP504: restapi.AnswerLate, fault.Kill: restapi.Works,
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
		piece := []byte("event: changes\nid: e:1\ndata: {}\n\n")
		torn, lines := fault.New(fault.Plan{fault.TearStream: 1}, 7), map[int]bool{}
		for range 100 {
			sent, cut := torn.PassingPiece(t.Context(), piece)
			if !cut || sent == 0 || piece[sent-1] == '\n' || piece[sent] == '\n' || time.Since(began) != 0 {
				t.Fatalf("%q is sent of a piece, cut %t, after %v: want the middle of a line", piece[:sent], cut, time.Since(began))
			}
			lines[bytes.Count(piece[:sent], []byte("\n"))] = true
		}
		if len(lines) != 3 {
			t.Errorf("only lines %v are torn", lines)
		}
		if sent, cut := torn.PassingPiece(t.Context(), []byte("\n\n")); sent != 1 || !cut {
			t.Errorf("%d bytes of two lines are sent, cut %t", sent, cut)
		}
		if sent, cut := fault.New(nil, 7).PassingPiece(t.Context(), piece); sent != len(piece) || cut {
			t.Errorf("without faults %d bytes of %d are sent, cut %t", sent, len(piece), cut)
		}
		f := fault.New(fault.Plan{fault.IdleCut: 1}, 7)
		if sent, cut := f.PassingPiece(t.Context(), piece); sent != 0 || !cut || time.Since(began) == 0 || time.Since(began) > 2*time.Second {
			t.Errorf("%d bytes are sent, cut %t, after %v", sent, cut, time.Since(began))
		}
	})
}

// TestHTTPKindsAreKinds: none of them is left out of "all".
func TestHTTPKindsAreKinds(t *testing.T) {
	for _, kind := range fault.HTTP() {
		if fault.All()[kind] == 0 {
			t.Errorf("%s is no kind of all", kind)
		}
	}
}

func TestKillWhatHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fault.New(fault.Plan{fault.KillHold: 1}, 7)
		for _, other := range []string{`{"Records":[]}`, `{"type":"REQUEST","httpMethod":"GET"}`, `{"requestContext":{"routeKey":"$connect"}}`, "none"} {
			f.Started(&invocation{payload: other, kill: func() bool { t.Errorf("%s is killed, which is no request over HTTP", other); return true }})
		}
		var kills atomic.Int64
		for range 3 {
			f.Started(&invocation{payload: `{"resource":"/topics/{topic+}","httpMethod":"GET"}`, kill: func() bool { return kills.Add(1) <= 2 }}) // the last has ended
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if kills.Load() != 3 || f.Counts()[fault.KillHold] != 2 {
			t.Errorf("%d kills, counted %d, want 3 and 2", kills.Load(), f.Counts()[fault.KillHold])
		}
	})
}
