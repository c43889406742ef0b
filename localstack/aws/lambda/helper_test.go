package lambda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/lambda"
)

// patience bounds what should happen soon, on a machine that is busy.
const patience = 30 * time.Second

// newService makes a service and the function "f", which is this test binary.
func newService(t testing.TB, o lambda.Options, f lambda.Function) *lambda.Service {
	t.Helper()
	s, err := lambda.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	create(t, s, f)
	return s
}

func create(t testing.TB, s *lambda.Service, f lambda.Function) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if f.Name == "" {
		f.Name = "f"
	}
	if f.Binary == "" {
		f.Binary = self
	}
	if f.Timeout == 0 {
		f.Timeout = patience
	}
	if f.Environment == nil {
		f.Environment = map[string]string{}
	}
	if f.Environment[roleVariable] == "" {
		f.Environment[roleVariable] = "handler"
	}
	if err := s.Create(f); err != nil {
		t.Fatal(err)
	}
}

// failed is a function error as the caller gets it.
type failed struct {
	ErrorType    string
	ErrorMessage string
}

// invoke runs "f" and decodes what it answers; it must not fail.
func invoke[T any](t *testing.T, s *lambda.Service, r request) T {
	t.Helper()
	output, functionError, err := s.Invoke(t.Context(), "f", encode(t, r))
	if err != nil || functionError {
		t.Fatalf("invoke %+v: %s, function error %v, %v", r, output, functionError, err)
	}
	return decode[T](t, output)
}

// invokeFailing runs "f", which must fail.
func invokeFailing(t *testing.T, s *lambda.Service, r request) failed {
	t.Helper()
	output, functionError, err := s.Invoke(t.Context(), "f", encode(t, r))
	if err != nil || !functionError {
		t.Fatalf("invoke %+v: %s, function error %v, %v, want a function error", r, output, functionError, err)
	}
	return decode[failed](t, output)
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode[T any](t *testing.T, b []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("decode %s: %v", b, err)
	}
	return v
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// runs tells whether there is a process.
func runs(pid int) bool { return syscall.Kill(pid, 0) == nil }

// kill kills a process that the service started.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
}

// gate is a file that functions wait for ("await").
type gate string

func newGate(t *testing.T) gate { return gate(filepath.Join(t.TempDir(), "open")) }

func (g gate) open(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(string(g), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// started invokes "f" in the background until the gate opens and gives the
// answers' channel.
func started(t *testing.T, s *lambda.Service, g gate, n int) <-chan int {
	t.Helper()
	pids := make(chan int, n)
	payload := encode(t, request{Do: "await", Text: string(g)})
	for range n {
		go func() {
			output, functionError, err := s.Invoke(context.Background(), "f", payload)
			var pid int
			if err != nil || functionError || json.Unmarshal(output, &pid) != nil {
				pid = -1
			}
			pids <- pid
		}()
	}
	return pids
}

// invokeAll runs "f" n times at once and gives the answers in order.
func invokeAll(t *testing.T, s *lambda.Service, r request, n int) []int {
	t.Helper()
	payload := encode(t, r)
	answers := make([]int, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			output, functionError, err := s.Invoke(context.Background(), "f", payload)
			if err != nil || functionError || json.Unmarshal(output, &answers[i]) != nil {
				t.Errorf("invoke %+v: %s, %v", r, output, err)
			}
		})
	}
	all.Wait()
	slices.Sort(answers)
	return answers
}

// buffer is a log that can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// update gives "f" its own code anew.
func update(t *testing.T, s *lambda.Service) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update("f", self); err != nil {
		t.Fatal(err)
	}
}
