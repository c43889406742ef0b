// Command emulators deploys the service, with the real CDK CLI, into emulators of
// AWS that are not ours, and checks with AWS's own SDK and CLI what came of it. It
// shows that the template and the binaries do not depend on the embedded stack.
//
// The emulators are MiniStack, and LocalStack's community edition with our front
// before it: both run Go functions without Docker, an account or a token. There is
// one list of checks.
//
//	go run ./localstack/emulators -cdk "npx --yes aws-cdk@VERSION" -venv DIR [-only LocalStack]
//
// Each line of its output is one thing checked. "ok" means that the emulator
// does what the template asks for. "differs" means that it is known to do
// otherwise than AWS there: the line says what our side is, which is checked,
// and the check fails once the emulator no longer differs.
//
// It needs Linux, for which the functions are built and on which they run as
// processes; Node.js for the CDK CLI; the programs of requirements.txt in the virtual
// environment; and Python 3.13 and Java 17 for LocalStack.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/watchroute/watchroute/localstack/deploy"
)

func main() {
	var o options
	flag.StringVar(&o.command, "cdk", "npx --yes aws-cdk", "`command` that starts the CDK CLI")
	flag.StringVar(&o.venv, "venv", filepath.Join(".build", "venv"), "virtual environment with the programs of requirements.txt")
	flag.StringVar(&o.dir, "dir", filepath.Join(".build", "emulators"), "folder for what is made on the way; emptied first")
	flag.StringVar(&o.localstack, "localstack", filepath.Join(".build", "localstack"), "folder where LocalStack is installed")
	flag.StringVar(&o.jars, "jars", filepath.Join(".build", "dynamodb-local"), "folder where DynamoDB Local is kept")
	flag.StringVar(&o.only, "only", "", "`emulator` to check: MiniStack or LocalStack (default: both)")
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
type options struct {
	command, venv, dir string
	localstack, jars   string // where LocalStack and DynamoDB Local are kept
	only               string // the one emulator that is checked; all if ""
}

// python is what keeps programs on a leash.
func (o options) python() string { return filepath.Join(o.venv, "bin", "python") }

// starters start the emulators, in the order in which they are checked.
var starters = []struct {
	name  string
	start func(context.Context, options) (*emulator, error)
}{{miniStack, startMiniStack}, {localStack, startLocalStack}}

// run checks each emulator, and reports.
func run(ctx context.Context, o options, out io.Writer) error {
	architecture, err := deploy.HostArchitecture()
	if err != nil {
		return err
	}
	if o, err = o.prepare(); err != nil {
		return err
	}
	fmt.Fprintf(out, "Functions for %s, deployed by %s\n", architecture, o.command)
	cli := deploy.CLI{Python: o.python(), Command: o.command, Architecture: architecture, Environment: deploy.Environment("http://127.0.0.1:1")}
	whole, err := cli.Synthesize(ctx, ".", filepath.Join(o.dir, "cdk.out"))
	if err != nil {
		return err
	}
	var faults []error
	for _, s := range starters {
		if o.only == "" || o.only == s.name {
			faults = append(faults, o.check(ctx, s.start, whole, architecture, out))
		}
	}
	return errors.Join(faults...)
}

// check starts one emulator, checks it and stops it.
func (o options) check(ctx context.Context, start func(context.Context, options) (*emulator, error), whole deploy.Assembly, architecture string, out io.Writer) error {
	emulator, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer emulator.stop()
	fmt.Fprintf(out, "\n%s %s\n\n", emulator.name, emulator.version)
	report := &report{out: out, emulator: emulator.name}
	if err := checkAll(ctx, report, newToolbox(o, emulator, architecture), whole); err != nil {
		return fmt.Errorf("%w\nThe log of %s: %s", err, emulator.name, emulator.log)
	}
	return report.verdict()
}

// prepare makes paths absolute, empties the folder and looks for what is needed.
func (o options) prepare() (options, error) {
	if err := deploy.Absolute(&o.venv, &o.dir, &o.localstack, &o.jars); err != nil {
		return o, err
	}
	for _, program := range []string{"ministack", "aws"} {
		if _, err := os.Stat(filepath.Join(o.venv, "bin", program)); err != nil {
			return o, fmt.Errorf("%s is not in the virtual environment; `make emulators` installs it with Python 3: %w", program, err)
		}
	}
	if err := deploy.CheckCommand(o.command); err != nil {
		return o, err
	}
	if err := os.RemoveAll(o.dir); err != nil {
		return o, fmt.Errorf("empty %s: %w", o.dir, err)
	}
	return o, os.MkdirAll(filepath.Join(o.dir, "temporary"), 0o755)
}
