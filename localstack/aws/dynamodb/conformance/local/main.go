// Command local is the only place that knows how to run the suite on Amazon's
// DynamoDB Local: it downloads the pinned jars of package jars, starts them
// on a free port, runs the conformance suite against them, and stops them.
//
//	go run ./localstack/aws/dynamodb/conformance/local [-dir DIR] [go test flags]
//
// It needs Java 17 or later, found in JAVA_HOME or the PATH. MAVEN_MIRROR names
// another repository with the layout of Maven Central. With a Java that has a
// compiler, DynamoDB Local listens on 127.0.0.1, otherwise on all interfaces.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/conformance/jars"
)

// suite is what runs against DynamoDB Local.
const suite = "github.com/watchroute/watchroute/localstack/aws/dynamodb/conformance"

func main() {
	dir := flag.String("dir", filepath.Join(".build", "dynamodb-local"), "where the jars are kept")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *dir, flag.Args(), os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// run fetches, starts, tests and stops.
func run(ctx context.Context, dir string, testFlags []string, stdout, stderr io.Writer) error {
	files, err := jars.Fetch(ctx, dir)
	if err != nil {
		return err
	}
	server, err := start(ctx, files)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "DynamoDB Local %s answers at %s (process %d)\n", jars.Version, server.endpoint, server.process.Process.Pid)
	err = test(ctx, server.endpoint, testFlags, stdout, stderr)
	return errors.Join(err, server.stop())
}

// test runs the suite with the endpoint in its environment.
func test(ctx context.Context, endpoint string, flags []string, stdout, stderr io.Writer) error {
	args := append([]string{"test", "-count=1"}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, suite)...)
	cmd.Env = append(os.Environ(), "DYNAMODB_LOCAL_ENDPOINT="+endpoint)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run the suite: %w", err)
	}
	return nil
}
