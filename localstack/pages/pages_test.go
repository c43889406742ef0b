// Package pages_test looks at the pages of the local stack as a person does: in a real Chromium.
//
// `make browser` runs each *.test.mjs of this folder with Node, beside one stack with the real functions.
// page.mjs helps them. Files run at the same time, so each keeps to topics of its own.
package pages_test

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/needs"
)

const root = "../.."

var (
	asked = flag.Bool("browser", false, "open the pages in Chromium")
	only  = flag.String("only", "*", "the `file` to run, without .test.mjs; with wildcards")
)

// patience is how long one test of a file may take.
const patience = 2 * time.Minute

func TestPages(t *testing.T) {
	if !*asked {
		t.Skip("`make browser` opens the pages in Chromium")
	}
	t.Setenv("CI", "1") // who asks for this wants to hear what is missing
	node, chromium := needs.Program(t, "node", "Node runs the tests of pages"), needs.Chromium(t)
	npm := needs.Installed(t, root+"/.build/npm", "npm")
	files, err := filepath.Glob(*only + ".test.mjs")
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no %s.test.mjs: %v", *only, err)
	}
	s := start(t)
	env := []string{"WATCHROUTE_URL=" + s.URL(), "CHROMIUM=" + chromium, "NPM=" + npm, "SCREENS=" + screens(t)}
	if err := runNode(t, node, os.Stdout, env, files...); err != nil {
		t.Fatal("the pages are not as they should be, see above: ", err)
	}
	if slices.Contains(files, "client.test.mjs") {
		catchMutants(t, node, env)
	}
}

// runNode runs tests, and leaves no process behind.
func runNode(t *testing.T, node string, out io.Writer, env []string, args ...string) error {
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command := exec.CommandContext(ctx, node, append([]string{"--test", "--test-reporter=spec", "--test-timeout=" + strconv.FormatInt(patience.Milliseconds(), 10)}, args...)...)
	command.Env = append(os.Environ(), env...)
	command.Stdout, command.Stderr = out, out
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Node starts a process for each file
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	err := command.Run()
	if command.Process != nil {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // what it has left behind; mostly nothing
	}
	return err
}

// start runs the stack as `make local` does, on a free port. Its log is a file.
func start(t *testing.T) *stack.Stack {
	t.Helper()
	log, err := os.Create(filepath.Join(screens(t), "stack.log"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := stack.Start(context.Background(), stack.Options{
		Addr: "127.0.0.1:0", Root: root, Anonymous: true, Faults: fault.New(nil, 7), // which the console switches
		Progress: os.Stdout, Log: log, Logger: slog.New(slog.NewTextHandler(log, nil)),
		Gateway: apigateway.Options{Account: apigateway.Throttle{Rate: -1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); _ = log.Close() })
	return s
}

// screens is the folder for pictures of the pages.
func screens(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs(root + "/.build/screens")
	if err == nil {
		err = os.MkdirAll(folder, 0o750)
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}
