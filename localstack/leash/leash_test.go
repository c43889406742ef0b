package leash_test

import (
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/watchroute/watchroute/localstack/leash"
)

// findPython skips a test where there is nothing that a leash can be made of.
func findPython(t *testing.T) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("no Python or no Linux here: ", err)
	}
	return python
}

// TestSupervisor runs the supervisor's own tests: who is killed, and that nothing stays behind.
func TestSupervisor(t *testing.T) {
	python := findPython(t)
	cmd := exec.CommandContext(t.Context(), python, "-m", "unittest", "test_supervise")
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCommandGivesTheProgramsOutputAndStatus(t *testing.T) {
	python := findPython(t)
	cmd, err := leash.Command(t.Context(), python, "sh", "-c", "echo said; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.Output()
	if string(out) != "said\n" || cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("%q, %v", out, err)
	}
}
