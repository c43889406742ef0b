// Package build is the only place that knows how a function's source becomes
// the executable that Lambda starts: the Go flags, the target and the file's
// name. The CDK app builds for AWS with it, the local stack for this machine.
package build

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Executable is the file name that the provided.al2023 runtime starts.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-golang.html
const Executable = "bootstrap"

// Target is the platform that a function is built for.
type Target struct {
	OS   string // GOOS: "linux" on Lambda
	Arch string // GOARCH: "arm64" or "amd64" on Lambda
}

// Host is the platform of the running program.
func Host() Target { return Target{OS: runtime.GOOS, Arch: runtime.GOARCH} }

// Lambda is the platform of Lambda functions with the given GOARCH.
func Lambda(arch string) Target { return Target{OS: "linux", Arch: arch} }

// Names lists the functions of the module at root: the folders under
// functions/ that hold a main.go, in alphabetical order.
func Names(root string) ([]string, error) {
	mains, err := filepath.Glob(filepath.Join(root, "functions", "*", "main.go"))
	if err != nil {
		return nil, fmt.Errorf("list functions of %s: %w", root, err)
	}
	if len(mains) == 0 {
		return nil, fmt.Errorf("no functions in %s", filepath.Join(root, "functions"))
	}
	names := make([]string, len(mains))
	for i, main := range mains {
		names[i] = filepath.Base(filepath.Dir(main))
	}
	return names, nil
}

// together is the folder, below the one that functions are built into, that go build
// writes all executables into.
const together = ".together"

// Functions builds every function of the module at root into
// outDir/<name>/bootstrap, with the same bytes as [Function]. One go build makes them
// all, so that a package that several import is compiled once. If one does not compile,
// the error names every fault, and all executables stay as they are.
//
// If packages must be compiled first, progress is told how many are done, in lines of
// text. A nil progress is told nothing, which saves the time to count them.
func Functions(ctx context.Context, root, outDir string, target Target, progress io.Writer) error {
	names, err := Names(root)
	if err != nil {
		return err
	}
	outDir, err = filepath.Abs(outDir)
	if err != nil {
		return fmt.Errorf("build functions: %w", err)
	}
	packages := make([]string, len(names))
	for i, name := range names {
		packages[i] = "./functions/" + name
	}
	all := filepath.Join(outDir, together)
	if err := goBuild(ctx, root, all+string(filepath.Separator), target, progress, packages...); err != nil {
		return fmt.Errorf("build functions: %w", err)
	}
	for _, name := range names {
		if err := link(filepath.Join(all, name), filepath.Join(outDir, name, Executable)); err != nil {
			return fmt.Errorf("build functions/%s: %w", name, err)
		}
	}
	return nil
}

// link makes path the same file as built. If it is so already, the rename does nothing,
// as POSIX says. A process that runs from path keeps the file that it was started from.
func link(built, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(built), "place-") // not beside path, where everything is deployed
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	link := filepath.Join(scratch, Executable)
	if err := os.Link(built, link); err != nil {
		return err
	}
	return os.Rename(link, path)
}

// Function builds one package, named by its folder below root, into
// outDir/bootstrap. The result depends on the source, the Go version and the
// target alone, so that the same source gives the same bytes. An executable
// that is up to date is left as it is.
func Function(ctx context.Context, root, folder, outDir string, target Target) error {
	out, err := filepath.Abs(filepath.Join(outDir, Executable))
	if err == nil {
		err = goBuild(ctx, root, out, target, nil, "./"+folder)
	}
	if err != nil {
		return fmt.Errorf("build %s: %w", folder, err)
	}
	return nil
}

// settings are what go build and go list must agree on.
// lambda.norpc leaves out the retired go1.x runtime's net/rpc server.
var settings = []string{"-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w"}

// goBuild builds packages into out: a file, or a folder if it ends with a slash.
func goBuild(ctx context.Context, root, out string, target Target, progress io.Writer, packages ...string) error {
	args := []string{"-o", out}
	count := counter{out: progress, rewrite: terminal(progress)}
	if progress != nil {
		count.pending = stale(ctx, root, target, packages)
		args = append(args, "-v")
	}
	cmd := goCommand(ctx, root, target, "build", append(args, packages...))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	said := count.filter(stderr)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, faults(said))
	}
	return nil
}

// goCommand makes a command that runs in the module at root.
func goCommand(ctx context.Context, root string, target Target, verb string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{verb}, settings, args)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+target.OS, "GOARCH="+target.Arch, "CGO_ENABLED=0")
	return cmd
}

// faults puts what the compiler said on one line, without the names of packages
// that it heads its lines with.
func faults(output []string) string {
	var lines []string
	for _, line := range output {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
