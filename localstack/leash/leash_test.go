package leash_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/watchroute/watchroute/localstack/leash"
)

// TestSupervisor runs the supervisor's own tests: who is killed, and that nothing stays behind.
func TestSupervisor(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no Python here: ", err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-m", "unittest", "test_supervise")
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCommandGivesTheProgramsOutputAndStatus(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no Python here: ", err)
	}
	cmd, err := leash.Command(t.Context(), python, "sh", "-c", "echo said; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.Output()
	if string(out) != "said\n" || cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("%q, %v", out, err)
	}
}
