package lambda_test

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/lambda"
)

func TestInvokeAnswers(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	if got := invoke[string](t, s, request{Do: "echo", Text: "hello"}); got != "hello" {
		t.Errorf("echo gave %q", got)
	}
	for _, name := range []string{"f", "f:$LATEST", "000000000000:function:f", "arn:aws:lambda:us-east-1:000000000000:function:f", "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"} {
		if _, _, err := s.Invoke(t.Context(), name, encode(t, request{Do: "echo"})); err != nil {
			t.Errorf("invoke by %s: %v", name, err)
		}
	}
	if _, _, err := s.Invoke(t.Context(), "g", nil); !errors.Is(err, lambda.ErrNotFound) {
		t.Errorf("unknown function gave %v", err)
	}
}

func TestStreamedAnswersAreCollected(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	output, functionError, err := s.Invoke(t.Context(), "f", encode(t, request{Do: "stream", Text: "second"}))
	if string(output) != "first,second" || functionError || err != nil {
		t.Errorf("got %q, %v, %v", output, functionError, err)
	}
	if got := invokeFailing(t, s, request{Do: "broken stream"}); got.ErrorMessage != "source dried up" {
		t.Errorf("a stream that broke off gave %+v", got)
	}
}

func TestProcessIsReused(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	first := invoke[int](t, s, request{Do: "pid"})
	for range 50 {
		if pid := invoke[int](t, s, request{Do: "pid"}); pid != first {
			t.Fatalf("process %d ran instead of %d, which was free", pid, first)
		}
	}
	u := s.Usage().Functions["f"]
	if u.ColdStarts != 1 || u.Invocations != 51 || u.Errors != 0 {
		t.Errorf("usage is %+v", u)
	}
	if u.InitMS <= 0 || u.DurationMS <= 0 || float64(u.BilledMS) < u.InitMS+u.DurationMS {
		t.Errorf("times are %+v", u)
	}
	s.ResetUsage()
	if u := s.Usage().Functions["f"]; u != (lambda.FunctionUsage{MemoryMB: lambda.DefaultMemoryMB}) {
		t.Errorf("after the reset usage is %+v", u)
	}
}

// A burst that one process can serve starts no second one; a process that is stuck does.
func TestABurstWaitsForABusyProcess(t *testing.T) {
	s := newService(t, lambda.Options{ReuseWait: time.Hour}, lambda.Function{})
	if pids := slices.Compact(invokeAll(t, s, request{Do: "pid"}, 20)); len(pids) != 1 {
		t.Errorf("processes %v ran, want one", pids)
	}
	const wait = 100 * time.Millisecond
	s = newService(t, lambda.Options{ReuseWait: wait}, lambda.Function{})
	g := newGate(t)
	first := started(t, s, g, 1)
	eventually(t, "it runs", func() bool { return len(s.Processes("f")) == 1 })
	began := time.Now()
	other := invoke[int](t, s, request{Do: "pid"})
	if took := time.Since(began); took < wait/2 {
		t.Errorf("another process started after %v", took)
	}
	g.open(t)
	if pid := <-first; pid == other || pid <= 0 {
		t.Errorf("processes %d and %d ran", pid, other)
	}
}

func TestScalesOutToTheLimit(t *testing.T) {
	s := newService(t, lambda.Options{MaxProcesses: 3}, lambda.Function{})
	met := invokeAll(t, s, request{Do: "meet", Text: t.TempDir(), N: 3}, 3)
	if met = slices.Compact(met); len(met) != 3 {
		t.Errorf("processes %v met, want three", met)
	}
	s.ResetUsage()
	g := newGate(t)
	answers := started(t, s, g, 6)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	eventually(t, "with all processes busy an invocation is throttled", func() bool {
		_, _, err := s.Invoke(ctx, "f", encode(t, request{Do: "pid"}))
		return errors.Is(err, lambda.ErrThrottled) && errors.Is(err, context.DeadlineExceeded)
	})
	g.open(t)
	for range 6 {
		if pid := <-answers; !slices.Contains(met, pid) {
			t.Errorf("process %d ran, want one of %v", pid, met)
		}
	}
	if u := s.Usage().Functions["f"]; u.ColdStarts != 0 || u.Throttles == 0 {
		t.Errorf("usage is %+v", u)
	}
}

func TestIdleProcessEnds(t *testing.T) {
	s := newService(t, lambda.Options{IdleProcess: 20 * time.Millisecond}, lambda.Function{})
	first := invoke[int](t, s, request{Do: "pid"})
	eventually(t, "the idle process is gone", func() bool { return len(s.Processes("f")) == 0 && !runs(first) })
	if second := invoke[int](t, s, request{Do: "pid"}); second == first {
		t.Errorf("process %d lives", first)
	}
}

func TestInvocationContext(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{Timeout: 20 * time.Second})
	c := invoke[invocationContext](t, s, request{Do: "context"})
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(c.RequestID) {
		t.Errorf("request id is %q", c.RequestID)
	}
	if c.ARN != "arn:aws:lambda:us-east-1:000000000000:function:f" {
		t.Errorf("ARN is %q", c.ARN)
	}
	if c.Remaining <= 0 || c.Remaining > 20*time.Second {
		t.Errorf("remaining time is %v", c.Remaining)
	}
	if !regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`).MatchString(c.Trace) {
		t.Errorf("trace id is %q", c.Trace)
	}
}

// TestLogFormatAndLevelAreTold, the level with JSON only.
func TestLogFormatAndLevelAreTold(t *testing.T) {
	for want, f := range map[string]lambda.Function{
		"AWS_LAMBDA_LOG_FORMAT=JSON AWS_LAMBDA_LOG_LEVEL=INFO": {LogFormat: "JSON"}, "AWS_LAMBDA_LOG_FORMAT=JSON AWS_LAMBDA_LOG_LEVEL=WARN": {LogFormat: "JSON", LogLevel: "WARN"},
		"AWS_LAMBDA_LOG_FORMAT=Text": {},
	} {
		s := newService(t, lambda.Options{}, f)
		var told []string
		for _, pair := range invoke[[]string](t, s, request{Do: "environment"}) {
			if strings.HasPrefix(pair, "AWS_LAMBDA_LOG_FORMAT") || strings.HasPrefix(pair, "AWS_LAMBDA_LOG_LEVEL") {
				told = append(told, pair)
			}
		}
		slices.Sort(told)
		if got := strings.Join(told, " "); got != want {
			t.Errorf("told is %s, want %s", got, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_HOST", "1")
	t.Setenv("AWS_PROFILE", "mine")
	s := newService(t, lambda.Options{Region: "eu-west-1", Environment: map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "TABLE": "stack"}},
		lambda.Function{Handler: "bootstrap", MemoryMB: 256, Environment: map[string]string{"TABLE": "Events", "AWS_REGION": "mars"}})
	got := map[string]string{}
	for _, pair := range invoke[[]string](t, s, request{Do: "environment"}) {
		name, value, _ := strings.Cut(pair, "=")
		got[name] = value
	}
	for name, want := range map[string]string{
		"_HANDLER": "bootstrap", "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_LAMBDA_FUNCTION_NAME": "f",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f", "TZ": ":UTC", "TABLE": "Events", "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
		"LAMBDA_RUNTIME_DIR": "/var/runtime", "AWS_LAMBDA_LOG_FORMAT": "Text",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_STREAM_NAME", "PATH"} {
		if got[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	for _, name := range []string{"SECRET_OF_THE_HOST", "AWS_PROFILE", "HOME", "AWS_EXECUTION_ENV", "_LAMBDA_SERVER_PORT"} {
		if value, ok := got[name]; ok {
			t.Errorf("%s is %q, want it absent", name, value)
		}
	}
	if c := invoke[invocationContext](t, s, request{Do: "context"}); c.Directory != got["LAMBDA_TASK_ROOT"] || !filepath.IsAbs(c.Directory) {
		t.Errorf("working directory is %q, task root %q", c.Directory, got["LAMBDA_TASK_ROOT"])
	}
}

func TestSizes(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	text := strings.Repeat("x", lambda.MaxRequest-len(encode(t, request{Do: "echo"})))
	if got := invoke[string](t, s, request{Do: "echo", Text: text}); got != text {
		t.Errorf("a payload of %d bytes came back with %d", len(text), len(got))
	}
	_, _, err := s.Invoke(t.Context(), "f", encode(t, request{Do: "echo", Text: text + "x"}))
	if !errors.Is(err, lambda.ErrTooLarge) {
		t.Errorf("a byte more gave %v", err)
	}
	if got := invoke[string](t, s, request{Do: "big", N: lambda.MaxResponse}); len(got) != lambda.MaxResponse-2 {
		t.Errorf("the largest answer has %d bytes", len(got))
	}
	want := failed{"Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes)."}
	if got := invokeFailing(t, s, request{Do: "big", N: lambda.MaxResponse + 1}); got != want {
		t.Errorf("an answer that is too large gave %+v", got)
	}
}

func TestLogLines(t *testing.T) {
	var log buffer
	s := newService(t, lambda.Options{Log: &log}, lambda.Function{})
	invoke[any](t, s, request{Do: "print", Text: "one\ntw"})
	invoke[any](t, s, request{Do: "print", Text: "o\nthree"})
	s.Close()
	if got := log.String(); got != "[f] one\n[f] two\n[f] three\n" {
		t.Errorf("log is %q", got)
	}
}

func BenchmarkInvokeWarm(b *testing.B) {
	s := newService(b, lambda.Options{}, lambda.Function{})
	payload := []byte(`{"Do":"echo","Text":"x"}`)
	b.ResetTimer()
	for b.Loop() {
		if _, _, err := s.Invoke(b.Context(), "f", payload); err != nil {
			b.Fatal(err)
		}
	}
}
