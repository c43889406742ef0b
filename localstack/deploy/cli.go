// Package deploy is the only place that deploys into emulators of AWS: it runs the CDK CLI, out of reach of
// the user's account, and knows the assemblies that the CDK makes.
package deploy

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/watchroute/watchroute/localstack/leash"
)

// What emulators have.
const (
	Region  = "us-east-1"
	Account = "000000000000"
	Key     = "test" // they take any credentials
)

// Environment is this process's, with everything of AWS replaced: whatever account the user is signed in
// to is out of reach.
func Environment(endpoint string) []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "AWS_") && !strings.HasPrefix(variable, "CDK_") {
			kept = append(kept, variable)
		}
	}
	return append(kept,
		"AWS_ACCESS_KEY_ID="+Key, "AWS_SECRET_ACCESS_KEY="+Key,
		"AWS_REGION="+Region, "AWS_DEFAULT_REGION="+Region,
		"AWS_ENDPOINT_URL="+endpoint, "AWS_ENDPOINT_URL_S3="+endpoint,
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true", "CDK_DISABLE_CLI_TELEMETRY=true")
}

// CLI is the CDK CLI for one emulator.
type CLI struct {
	Python string // that keeps it on a leash

	Command      string // that starts it, such as "npx --yes aws-cdk"
	Architecture string // of the functions, by Lambda's name
	Environment  []string
}

// Run runs the CLI in dir and gives what it printed.
func (c CLI) Run(ctx context.Context, dir string, args ...string) (string, error) {
	command := append(strings.Fields(c.Command), "--no-notices", "--ci", "-c", "architecture="+c.Architecture)
	return Run(ctx, c.Python, dir, c.Environment, append(command, args...))
}

// Synthesize runs the CDK app whose module is at root.
func (c CLI) Synthesize(ctx context.Context, root, dir string) (Assembly, error) {
	if _, err := c.Run(ctx, root, "synth", "--quiet", "--output", dir); err != nil {
		return Assembly{}, err
	}
	return Read(dir)
}

// Bootstrap prepares the emulator, as an account is prepared. It needs no app: dir is a folder without one.
func (c CLI) Bootstrap(ctx context.Context, dir string) error {
	_, err := c.Run(ctx, dir, "bootstrap", "aws://"+Account+"/"+Region)
	return err
}

// Deploy deploys an assembly as it is, and gives what the CLI said.
func (c CLI) Deploy(ctx context.Context, a Assembly, args ...string) (said string, err error) {
	return c.Run(ctx, ".", append([]string{"--app", a.Dir, "deploy", "--require-approval", "never"}, args...)...)
}

// Destroy destroys the stack of an assembly.
func (c CLI) Destroy(ctx context.Context, a Assembly) error {
	_, err := c.Run(ctx, ".", "--app", a.Dir, "destroy", "--force")
	return err
}

// Run runs a program on a leash and gives its standard output. If it fails, the error carries all it said.
func Run(ctx context.Context, python, dir string, environment, command []string) (string, error) {
	cmd, err := leash.Command(ctx, python, command...)
	if err != nil {
		return "", err
	}
	cmd.Dir, cmd.Env = dir, environment
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(command, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// HostArchitecture is this machine's, by Lambda's name: emulators without containers run the functions here.
func HostArchitecture() (string, error) {
	if runtime.GOOS != "linux" {
		return "", fmt.Errorf("the functions are built for Linux and run here as processes: this is %s", runtime.GOOS)
	}
	name, ok := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("no Lambda function runs on %s", runtime.GOARCH)
	}
	return name, nil
}

// CheckCommand looks for the program that starts the CLI.
func CheckCommand(command string) error {
	if _, err := exec.LookPath(strings.Fields(command)[0]); err != nil {
		return fmt.Errorf("the CDK CLI needs Node.js: %w", err)
	}
	return nil
}

// Absolute makes paths absolute.
func Absolute(paths ...*string) error {
	for _, path := range paths {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = absolute
	}
	return nil
}
