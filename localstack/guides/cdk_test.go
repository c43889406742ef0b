package guides_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/shared/needs"
)

// app is what the Go of infra/README.md leaves to the reader: an app of the CDK, and a stack with a bus.
const app = `package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/watchroute/watchroute/infra/stack"
	"github.com/watchroute/watchroute/shared/intake"
)

func destinations(app awscdk.App, orders awscdk.Stack, bus awsevents.IEventBus, code string) {
DESTINATIONS}

var sources = stack.Props{
SOURCES}

func main() { destinations(nil, nil, nil, "") }
`

// TestTheStacksSnippetsCompile: what infra/README.md shows of an app fits the types of package stack.
func TestTheStacksSnippetsCompile(t *testing.T) {
	if !*asked {
		t.Skip("`make guides` compiles the snippets of a CDK app")
	}
	t.Setenv("CI", "1")
	whole := app
	for _, s := range snippets(t, "infra/README.md") {
		switch {
		case strings.HasPrefix(s.text, "queue := "):
			whole = strings.Replace(whole, "DESTINATIONS", s.text, 1)
		case strings.HasPrefix(s.text, "Sources: "):
			whole = strings.Replace(whole, "SOURCES", strings.TrimSuffix(s.text, "\n")+",\n", 1)
		}
	}
	folder, err := os.MkdirTemp(needs.Installed(t, root+"/.build/guides", "guides"), "app-") // in the module
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	must(t, os.WriteFile(filepath.Join(folder, "app.go"), []byte(whole), 0o600))
	c := exec.Command("go", "vet", "app.go")
	c.Dir = folder
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
