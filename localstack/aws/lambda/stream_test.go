package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/lambda"
)

// prelude is what aws-lambda-go writes before the body of a streamed HTTP answer.
const prelude = `{"statusCode":201}` + "\x00\x00\x00\x00\x00\x00\x00\x00"

// begin invokes "f" for a stream, which must begin.
func begin(t *testing.T, s *lambda.Service, r request) *lambda.Stream {
	t.Helper()
	stream, failure, err := s.InvokeStream(t.Context(), "f", encode(t, r))
	if err != nil || failure != nil {
		t.Fatalf("stream %+v: %s, %v", r, failure, err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	return stream
}

// expect reads so much of a stream.
func expect(t *testing.T, stream io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(stream, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got, err, want)
	}
}

// broken reads a stream to its end, which must be a failure of the function.
func broken(t *testing.T, stream io.Reader) (read string, why failed) {
	t.Helper()
	got, err := io.ReadAll(stream)
	var functionError *lambda.FunctionError
	if !errors.As(err, &functionError) {
		t.Fatalf("read %q, %v, want a function error", got, err)
	}
	return string(got), decode[failed](t, functionError.Output)
}

// S: aws-lambda-go never says that it streams; it sends each answer in chunks.
func TestBytesOfAStreamComeAsTheFunctionWritesThem(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	g := newGate(t)
	answer := begin(t, s, request{Do: "drip", Text: string(g)})
	if answer.ContentType != "application/vnd.awslambda.http-integration-response" {
		t.Errorf("the content type is %q", answer.ContentType)
	}
	expect(t, answer, prelude+"one,") // while the function waits
	g.open(t)
	if rest, err := io.ReadAll(answer); err != nil || string(rest) != "two" {
		t.Errorf("the rest is %q, %v", rest, err)
	}
	if u := s.Usage().Functions["f"]; u.Invocations != 1 || u.Errors != 0 {
		t.Errorf("used %+v, want one invocation", u)
	}
}

func TestABufferedInvocationGetsAStreamAsAWhole(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	g := newGate(t)
	g.open(t)
	output, functionError, err := s.Invoke(t.Context(), "f", encode(t, request{Do: "drip", Text: string(g)}))
	if err != nil || functionError || string(output) != prelude+"one,two" {
		t.Errorf("the answer is %q, %v, %v", output, functionError, err)
	}
}

func TestAFunctionThatFailsBeforeItAnswersHasNoStream(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{Timeout: 2 * time.Second})
	for _, test := range []struct {
		r        request
		wantType string
	}{
		{request{Do: "fail", Text: "no"}, "errorString"},
		{request{Do: "exit", N: 3}, "Runtime.ExitError"},
		{request{Do: "sleep", N: 60_000}, "Sandbox.Timedout"},
	} {
		stream, failure, err := s.InvokeStream(t.Context(), "f", encode(t, test.r))
		if err != nil || stream != nil {
			t.Fatalf("%+v: stream %v, %v", test.r, stream, err)
		}
		if got := decode[failed](t, failure); got.ErrorType != test.wantType {
			t.Errorf("%+v failed with %+v, want %s", test.r, got, test.wantType)
		}
	}
	if u := s.Usage().Functions["f"]; u.Errors != 3 || u.Timeouts != 1 {
		t.Errorf("used %+v, want 3 errors, 1 of them a timeout", u)
	}
}

// S: aws-lambda-go ends the body and fills the trailers when the reader of an answer fails.
func TestTheTrailersOfAStreamAreTheFunctionsFailure(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	read, why := broken(t, begin(t, s, request{Do: "drip and break"}))
	if read != prelude+"one," || why.ErrorMessage != "source dried up" {
		t.Errorf("read %q, failed with %+v", read, why)
	}
	if u := s.Usage().Functions["f"]; u.Invocations != 1 || u.Errors != 1 {
		t.Errorf("used %+v, want one error", u)
	}
	if got := invoke[string](t, s, request{Do: "echo", Text: "again"}); got != "again" {
		t.Errorf("the function then answers %q", got)
	}
}

func TestAFunctionsTimeEndsItsStream(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{Timeout: 2 * time.Second})
	answer := begin(t, s, request{Do: "drip", Text: string(newGate(t))})
	read, why := broken(t, answer)
	if read != prelude+"one," || why.ErrorType != "Sandbox.Timedout" {
		t.Errorf("read %q, failed with %+v", read, why)
	}
	eventually(t, "the process is gone", func() bool { return len(s.Processes("f")) == 0 })
}

func TestAProcessThatIsKilledWhileItHoldsEndsItsStream(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	answer := begin(t, s, request{Do: "drip", Text: string(newGate(t))})
	expect(t, answer, prelude+"one,")
	kill(t, s.Processes("f")[0])
	if read, why := broken(t, answer); read != "" || !strings.Contains(why.ErrorMessage, "signal: killed") {
		t.Errorf("read %q, failed with %+v", read, why)
	}
}

// O: the function is not told that the client has gone, and D: all its time is billed.
func TestAFunctionGoesOnWhenItsReaderLeaves(t *testing.T) {
	s := newService(t, lambda.Options{MaxProcesses: 1}, lambda.Function{})
	g := newGate(t)
	answer := begin(t, s, request{Do: "drip", Text: string(g)})
	expect(t, answer, prelude)
	if err := answer.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := s.Invoke(ctx, "f", encode(t, request{Do: "pid"})); !errors.Is(err, lambda.ErrThrottled) {
		t.Errorf("while the function holds the next invocation gives %v, want ErrThrottled", err)
	}
	g.open(t)
	eventually(t, "the function has written all", func() bool { _, err := os.Stat(string(g) + ".read"); return err == nil })
	invoke[int](t, s, request{Do: "pid"})
	if u := s.Usage().Functions["f"]; u.Errors != 0 || u.Invocations != 2 {
		t.Errorf("used %+v, want two invocations without errors", u)
	}
}

func TestAContextThatEndsLeavesTheStreamAndNotTheFunction(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	g := newGate(t)
	ctx, cancel := context.WithCancel(t.Context())
	answer, _, err := s.InvokeStream(ctx, "f", encode(t, request{Do: "drip", Text: string(g)}))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, answer, prelude+"one,")
	cancel()
	if n, err := answer.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("reading then gives %d bytes, %v", n, err)
	}
	pid := s.Processes("f")[0]
	g.open(t)
	if got := invoke[int](t, s, request{Do: "pid"}); got != pid {
		t.Errorf("process %d answers, want %d", got, pid)
	}
}

func TestAClosedServiceEndsItsStreams(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	answer := begin(t, s, request{Do: "drip", Text: string(newGate(t))})
	expect(t, answer, prelude+"one,")
	s.Close()
	if _, err := answer.Read(make([]byte, 1)); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("reading then gives %v, want ErrClosed", err)
	}
}

// D: a streamed answer may have 200 MB, a collected one 6 MB.
func TestAStreamMayHave200MB(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	n, err := io.Copy(io.Discard, begin(t, s, request{Do: "flood", N: lambda.MaxStream}))
	if err != nil || n != lambda.MaxStream {
		t.Errorf("read %d bytes, %v", n, err)
	}
	n, err = io.Copy(io.Discard, begin(t, s, request{Do: "flood", N: lambda.MaxStream + 1}))
	var functionError *lambda.FunctionError
	if !errors.As(err, &functionError) || !strings.Contains(string(functionError.Output), "Function.ResponseSizeTooLarge") {
		t.Errorf("read %d bytes, %v, want ResponseSizeTooLarge", n, err)
	}
}

func TestWhoIsToldOfAnInvocationCanKillItsStream(t *testing.T) {
	told := make(chan lambda.Running, 1)
	s := newService(t, lambda.Options{Started: func(r lambda.Running) { told <- r }}, lambda.Function{})
	answer := begin(t, s, request{Do: "drip", Text: string(newGate(t))})
	expect(t, answer, prelude+"one,")
	running := <-told
	if !running.Kill() {
		t.Error("the process was not running the invocation")
	}
	broken(t, answer)
	if running.Kill() {
		t.Error("it could be killed twice")
	}
}

// A second answer to an invocation is refused, as the Runtime API does for those that are
// collected.
func TestAStreamHasOneAnswer(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{Environment: map[string]string{roleVariable: "twice"}})
	g := newGate(t)
	answer := begin(t, s, request{Text: string(g)})
	expect(t, answer, " ")
	g.open(t)
	var told string
	if err := json.NewDecoder(answer).Decode(&told); err != nil || told != "POST response: 403" {
		t.Errorf("the function was told %q, %v", told, err)
	}
}

// What a process had sent when it died comes to the reader before the failure does.
func TestWhatADeadProcessHadSentArrives(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	answer := begin(t, s, request{Do: "drip", Text: string(newGate(t))})
	time.Sleep(50 * time.Millisecond) // the process has sent it, and nobody has read
	pid := s.Processes("f")[0]
	kill(t, pid)
	eventually(t, "the process is gone", func() bool { return !runs(pid) })
	time.Sleep(300 * time.Millisecond) // and its reader is slow
	if read, why := broken(t, answer); read != prelude+"one," || why.ErrorType != "Runtime.ExitError" {
		t.Errorf("read %q, failed with %+v", read, why)
	}
}
