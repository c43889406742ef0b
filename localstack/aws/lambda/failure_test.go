package lambda_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/lambda"
)

func TestErrorKeepsTheProcess(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	before := invoke[int](t, s, request{Do: "pid"})
	if got := invokeFailing(t, s, request{Do: "fail", Text: "no"}); got != (failed{"errorString", "no"}) {
		t.Errorf("the error is %+v", got)
	}
	if after := invoke[int](t, s, request{Do: "pid"}); after != before {
		t.Errorf("process %d follows %d", after, before)
	}
	if u := s.Usage().Functions["f"]; u.Errors != 1 {
		t.Errorf("usage is %+v", u)
	}
}

func TestPanicEndsTheProcess(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	before := invoke[int](t, s, request{Do: "pid"})
	if got := invokeFailing(t, s, request{Do: "panic", Text: "ouch"}); got.ErrorMessage != "ouch" {
		t.Errorf("the error is %+v", got)
	}
	if after := invoke[int](t, s, request{Do: "pid"}); after == before {
		t.Errorf("process %d lives on", before)
	}
}

func TestCrashFailsOneInvocation(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	g := newGate(t)
	other := started(t, s, g, 1)
	eventually(t, "the other process runs", func() bool { return len(s.Processes("f")) == 1 })
	got := invokeFailing(t, s, request{Do: "exit", N: 2})
	if got.ErrorType != "Runtime.ExitError" || !regexp.MustCompile(`^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 2$`).MatchString(got.ErrorMessage) {
		t.Errorf("the crash is %+v", got)
	}
	if got := invokeFailing(t, s, request{Do: "exit"}); !strings.HasSuffix(got.ErrorMessage, "Runtime exited without providing a reason") {
		t.Errorf("the exit is %+v", got)
	}
	g.open(t)
	if pid := <-other; pid < 0 {
		t.Error("the other invocation failed too")
	}
}

func TestKilledWhileRunning(t *testing.T) {
	var log buffer
	s := newService(t, lambda.Options{Log: &log}, lambda.Function{})
	touched := filepath.Join(t.TempDir(), "touched")
	result := make(chan failed, 1)
	go func() {
		output, _, _ := s.Invoke(context.Background(), "f", encode(t, request{Do: "touch", Text: touched}))
		result <- decode[failed](t, output)
	}()
	eventually(t, "the function is at work", func() bool {
		_, err := os.Stat(touched)
		return err == nil
	})
	kill(t, s.Processes("f")[0])
	if got := <-result; !strings.HasSuffix(got.ErrorMessage, "Error: Runtime exited with error: signal: killed") {
		t.Errorf("the crash is %+v", got)
	} else if !strings.Contains(log.String(), got.ErrorMessage) {
		t.Errorf("the log does not tell: %q", log.String())
	}
}

func TestTimeoutKills(t *testing.T) {
	var log buffer
	s := newService(t, lambda.Options{Log: &log}, lambda.Function{Timeout: 300 * time.Millisecond})
	pid := invoke[int](t, s, request{Do: "pid"})
	got := invokeFailing(t, s, request{Do: "sleep", N: 60_000})
	if got.ErrorType != "Sandbox.Timedout" || !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [0-9a-f-]{36} Task timed out after 0\.30 seconds$`).MatchString(got.ErrorMessage) {
		t.Errorf("the timeout is %+v", got)
	}
	eventually(t, "the process is gone", func() bool { return !runs(pid) })
	if !strings.Contains(log.String(), got.ErrorMessage) {
		t.Errorf("the log does not tell: %q", log.String())
	}
	if u := s.Usage().Functions["f"]; u.Timeouts != 1 || u.Errors != 1 {
		t.Errorf("usage is %+v", u)
	}
}

func TestInitFailure(t *testing.T) {
	var log buffer
	s := newService(t, lambda.Options{Log: &log}, lambda.Function{Environment: map[string]string{roleVariable: "exits"}})
	got := invokeFailing(t, s, request{})
	if got.ErrorType != "Runtime.ExitError" || !strings.HasSuffix(got.ErrorMessage, "exit status 3") {
		t.Errorf("the failure is %+v", got)
	}
	if strings.Count(log.String(), "[f] configuration is missing\n") != 2 {
		t.Errorf("log is %q, want two starts", log.String())
	}
}

func TestInitErrorIsReported(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{Environment: map[string]string{roleVariable: "reports"}})
	if got := invokeFailing(t, s, request{}); got != (failed{"Extension.Config", "no such table"}) {
		t.Errorf("the failure is %+v", got)
	}
	eventually(t, "its processes are gone", func() bool { return len(s.Processes("")) == 0 })
}

func TestNotAProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(path, []byte("\x7fELF but not quite"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := newService(t, lambda.Options{}, lambda.Function{Binary: path})
	if got := invokeFailing(t, s, request{}); got.ErrorType != "Runtime.InvalidEntrypoint" || !strings.Contains(got.ErrorMessage, "exec format error") {
		t.Errorf("the failure is %+v", got)
	}
}

func TestRuntimeAPIRefusals(t *testing.T) {
	s := newService(t, lambda.Options{MaxProcesses: 1}, lambda.Function{Environment: map[string]string{roleVariable: "curious"}})
	got := append(invoke[[]string](t, s, request{}), invoke[[]string](t, s, request{})...)
	want := []string{
		"before work POST response: 400", "with work GET next: 403", "wrong id POST response: 400",
		"started POST error: 403", "answered POST response: 403",
		"rebound GET next: 403", "page GET next: 403", "image GET next: 403",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the runtime was told %q, want %q", got, want)
	}
}

// TestKilledIdleProcessIsReplaced kills the free process and invokes at once, so
// that the payload often goes to one that is dying. A dying process may still
// fetch it, about once in a thousand times; then the invocation has to fail.
func TestKilledIdleProcessIsReplaced(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	const kills = 40
	lost := 0
	for range kills {
		pid := invoke[int](t, s, request{Do: "pid"})
		kill(t, pid)
		output, functionError, err := s.Invoke(t.Context(), "f", encode(t, request{Do: "pid"}))
		if err != nil || !functionError && decode[int](t, output) == pid {
			t.Fatalf("after the kill of %d: %s, %v", pid, output, err)
		}
		if functionError {
			lost++
		}
	}
	if lost > kills/10 {
		t.Errorf("%d of %d invocations failed with a process that was dead before them", lost, kills)
	}
}

func TestInvocationsSurviveKillsBetweenThem(t *testing.T) {
	s := newService(t, lambda.Options{MaxProcesses: 2}, lambda.Function{})
	stop := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				for _, pid := range s.Processes("f") {
					_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone already
				}
			}
		}
	})
	ran := 0
	for range 200 {
		_, functionError, err := s.Invoke(t.Context(), "f", encode(t, request{Do: "pid"}))
		if err != nil {
			t.Errorf("invocation did not run: %v", err)
		}
		if !functionError {
			ran++
		}
	}
	close(stop)
	killer.Wait()
	if ran == 0 {
		t.Error("no invocation succeeded")
	}
}

func TestCallerLeavesAndFunctionContinues(t *testing.T) {
	s := newService(t, lambda.Options{MaxProcesses: 1}, lambda.Function{})
	pid := invoke[int](t, s, request{Do: "pid"})
	g := newGate(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := s.Invoke(ctx, "f", encode(t, request{Do: "await", Text: string(g)})); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, lambda.ErrThrottled) {
		t.Errorf("the caller got %v", err)
	}
	g.open(t)
	if after := invoke[int](t, s, request{Do: "pid"}); after != pid {
		t.Errorf("process %d follows %d, which should have finished", after, pid)
	}
	eventually(t, "all three are counted", func() bool { return s.Usage().Functions["f"].Invocations == 3 })
}
