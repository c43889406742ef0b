// Command emulators deploys the service, with the real CDK CLI, into an
// emulator of AWS that is not ours, and checks with AWS's own SDK and CLI what
// came of it. It shows that the template and the binaries do not depend on the
// embedded stack; MiniStack is the emulator, because it runs Go functions
// without Docker, an account or a token.
//
//	go run ./localstack/emulators -cdk "npx --yes aws-cdk@VERSION" -venv DIR
//
// Each line of its output is one thing checked. "ok" means that the emulator
// does what the template asks for. "differs" means that it is known to do
// otherwise than AWS there: the line says what our side is, which is checked,
// and the check fails once the emulator no longer differs.
//
// It needs Linux, for which the functions are built and on which MiniStack runs
// them as processes; Node.js for the CDK CLI; and the programs of
// requirements.txt in the virtual environment.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/watchroute/watchroute/localstack/deploy"
)

func main() {
	var o options
	flag.StringVar(&o.command, "cdk", "npx --yes aws-cdk", "`command` that starts the CDK CLI")
	flag.StringVar(&o.venv, "venv", filepath.Join(".build", "venv"), "virtual environment with the programs of requirements.txt")
	flag.StringVar(&o.dir, "dir", filepath.Join(".build", "emulators"), "folder for what is made on the way; emptied first")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "emulators:", err)
		os.Exit(1)
	}
}

// options are where things are, from the module's root.
type options struct{ command, venv, dir string }

// run starts the emulator, checks, reports, and stops it.
func run(ctx context.Context, o options, out io.Writer) error {
	architecture, err := deploy.HostArchitecture()
	if err != nil {
		return err
	}
	if o, err = o.prepare(); err != nil {
		return err
	}
	emulator, err := startMiniStack(ctx, o)
	if err != nil {
		return err
	}
	defer emulator.stop()
	fmt.Fprintf(out, "MiniStack %s, functions for %s, deployed by %s\n\n", emulator.version, architecture, o.command)
	report := &report{out: out}
	if err := checkAll(ctx, report, newToolbox(o, emulator, architecture)); err != nil {
		return fmt.Errorf("%w\nMiniStack's log: %s", err, emulator.log)
	}
	return report.verdict()
}

// prepare makes paths absolute, empties the folder and looks for what is needed.
func (o options) prepare() (options, error) {
	for _, path := range []*string{&o.venv, &o.dir} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return o, err
		}
		*path = absolute
	}
	for _, program := range []string{"ministack", "aws"} {
		if _, err := os.Stat(filepath.Join(o.venv, "bin", program)); err != nil {
			return o, fmt.Errorf("%s is not in the virtual environment; `make emulators` installs it with Python 3: %w", program, err)
		}
	}
	if _, err := exec.LookPath(strings.Fields(o.command)[0]); err != nil {
		return o, fmt.Errorf("the CDK CLI needs Node.js: %w", err)
	}
	if err := os.RemoveAll(o.dir); err != nil {
		return o, fmt.Errorf("empty %s: %w", o.dir, err)
	}
	return o, os.MkdirAll(filepath.Join(o.dir, "temporary"), 0o755)
}
