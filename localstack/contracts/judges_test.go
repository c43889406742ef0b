package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/stack"
)

// schemathesis is a program that makes requests of an OpenAPI document, good ones and bad ones. judges is
// where the judges that need Node are installed.
var (
	schemathesis = flag.String("schemathesis", "", "the `program` schemathesis, to try the HTTP routes with")
	judges       = flag.String("judges", "", "the `folder` of Redocly and AsyncAPI's parser, to judge what a running stack says of itself")
)

// TestJudgesTakeWhatAServiceSaysOfItself: each document by its URL alone, with tokens and without.
func TestJudgesTakeWhatAServiceSaysOfItself(t *testing.T) {
	if *judges == "" {
		t.Skip("`make judges` runs it")
	}
	for name, anonymous := range map[string]bool{"tokens": false, "everyone": true} {
		t.Run(name, func(t *testing.T) {
			s := start(t, stack.Options{Anonymous: anonymous})
			for _, command := range []string{
				"npx --no-install redocly lint --config redocly.yaml " + s.HTTPURL() + events.OpenAPIPath,
				"npx --no-install redocly lint --config redocly.yaml " + s.HTTPURL() + events.AsyncAPIPath,
				"node asyncapi.mjs " + s.HTTPURL() + events.AsyncAPIPath,
			} {
				words := strings.Fields(command)
				run := exec.CommandContext(t.Context(), words[0], words[1:]...)
				run.Dir = filepath.Join(root, *judges)
				run.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
				if out, err := run.CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", command, err, out)
				}
			}
		})
	}
}

// TestSchemathesisAgrees: a foreign program finds no answer of a running stack that the document does not
// describe, and nothing taken that it forbids.
func TestSchemathesisAgrees(t *testing.T) {
	if *schemathesis == "" {
		t.Skip("`make judges` runs it")
	}
	program, err := filepath.Abs(filepath.Join(root, *schemathesis))
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, stack.Options{Anonymous: true})
	folder, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), program, "--config-file", filepath.Join(folder, "localstack/contracts/judges/schemathesis.toml"), "run", filepath.Join(folder, "events/openapi.yaml"),
		"--url", s.HTTPURL(), "--max-examples", "50", "--seed", "1", "--continue-on-failure", "--request-timeout", "30", "--no-color")
	run.Dir = t.TempDir() // it leaves what it has found
	run.Stdout, run.Stderr = os.Stdout, os.Stderr
	if err := run.Run(); err != nil {
		t.Error("schemathesis does not agree, see above: ", err)
	}
}

// start runs a stack for judges, who make more requests than people.
func start(t *testing.T, o stack.Options) *stack.Stack {
	t.Helper()
	o.Addr, o.Root, o.Log, o.Logger = "127.0.0.1:0", root, t.Output(), slog.New(slog.NewTextHandler(t.Output(), nil))
	o.Gateway.Account = apigateway.Throttle{Rate: -1}
	s, err := stack.Start(context.WithoutCancel(t.Context()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
