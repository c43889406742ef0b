// Package build is the only place that knows how a function's source becomes
// the executable that Lambda starts: the Go flags, the target and the file's
// name. The CDK app builds for AWS with it, the local stack for this machine.
package build

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"
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

// Functions builds every function of the module at root into
// outDir/<name>/bootstrap and reports the first that does not compile.
func Functions(ctx context.Context, root, outDir string, target Target) error {
	names, err := Names(root)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range names {
		group.Go(func() error {
			return Function(ctx, root, "functions/"+name, filepath.Join(outDir, name), target)
		})
	}
	return group.Wait()
}

// Function builds one package, named by its folder below root, into
// outDir/bootstrap. The result depends on the source, the Go version and the
// target alone, so that the same source gives the same bytes. An executable
// that is up to date is left as it is.
func Function(ctx context.Context, root, folder, outDir string, target Target) error {
	out, err := filepath.Abs(filepath.Join(outDir, Executable))
	if err != nil {
		return fmt.Errorf("build %s: %w", folder, err)
	}
	// lambda.norpc leaves out the retired go1.x runtime's net/rpc server.
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", out, "./"+folder)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+target.OS, "GOARCH="+target.Arch, "CGO_ENABLED=0")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w: %s", folder, err, faults(output.String()))
	}
	return nil
}

// faults puts what the compiler said on one line, without the names of packages
// that it heads its lines with.
func faults(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
