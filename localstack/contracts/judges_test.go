package main

import (
	"flag"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/stack"
)

// schemathesis is a program that makes requests of an OpenAPI document, good ones and bad ones.
var schemathesis = flag.String("schemathesis", "", "the `program` schemathesis, to try the HTTP routes with")

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
	s, err := stack.Start(t.Context(), stack.Options{
		Addr: "127.0.0.1:0", Root: root, Anonymous: true, Log: t.Output(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Gateway: apigateway.Options{Account: apigateway.Throttle{Rate: -1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
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
