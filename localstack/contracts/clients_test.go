package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/issuer"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/token"
)

// clients is where what makes clients is installed, and from where it is run.
var clients = flag.String("clients", "", "the `folder` with programs that make clients of the contracts")

// foreign is a client that programs of others make of a contract, and a program of ours that uses it.
// All run in a folder that has the contracts in contracts.
type foreign struct {
	name   string
	making [][]string
	run    []string // followed by URL, token, topic and the item to be published
	url    func(*stack.Stack) string
	topic  string
	ways   []string // how it gets the change
}

var foreigners = []foreign{
	{
		name:   "OpenAPI, by @hey-api/openapi-ts",
		making: [][]string{{"openapi-ts", "-f", "openapi-ts.config.mjs"}, {"tsc", "-p", "."}},
		run:    []string{"node", "compiled/follow.js"},
		url:    (*stack.Stack).HTTPURL,
		topic:  "stocks/AAPL",
		ways:   []string{"long poll", "stream"},
	},
	{
		name: "AsyncAPI, by @asyncapi/generator and datamodel-codegen",
		making: [][]string{
			{"node", "asyncapi.mjs", "contracts/asyncapi.client.yaml", "generated"},
			{"datamodel-codegen", "--input", "contracts/asyncapi.yaml", "--input-file-type", "asyncapi",
				"--output-model-type", "pydantic_v2.BaseModel", "--output", "generated/frames.py"},
		},
		run:   []string{"python", "follow.py"},
		url:   (*stack.Stack).WebSocketURL,
		topic: "stocks/GOOG",
		ways:  []string{"push"},
	},
}

// TestForeignClientsGetAChange: who has nothing but a contract gets a client that connects, publishes
// and gets the change, with a token, and understands a refusal.
func TestForeignClientsGetAChange(t *testing.T) {
	s, key := clientsStack(t)
	for _, f := range foreigners {
		t.Run(f.name, func(t *testing.T) {
			text, err := f.follow(t, s, key, nil)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			f.check(t, text)
		})
	}
}

// TestForeignClientsSeeABreak: with a contract that names a member otherwise than the service does,
// which the programs of ours do not use, a client takes nothing.
func TestForeignClientsSeeABreak(t *testing.T) {
	s, key := clientsStack(t)
	for _, f := range foreigners {
		t.Run(f.name, func(t *testing.T) {
			text, err := f.follow(t, s, key, func(schema []byte) []byte { return bytes.ReplaceAll(schema, []byte(`"epoch"`), []byte(`"lifetime"`)) })
			if err == nil || !bytes.Contains(text, []byte("lifetime")) || bytes.Contains(text, []byte(`{"by":`)) {
				t.Errorf("it works with a member that is not there: %v\n%s", err, text)
			}
		})
	}
}

// published is the item that each client publishes.
const published = `{"id":"quote","data":{"price":150.75,"from":{"name":"Ada ✓"}}}`

// clientsStack starts a stack, and makes a token for the topics of stocks. It is skipped where the
// programs are not installed.
func clientsStack(t *testing.T) (*stack.Stack, string) {
	if *clients == "" {
		t.Skip("`make judges` runs it")
	}
	s := start(t, stack.Options{})
	i, err := issuer.Open(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	key, err := i.Sign(token.Token{Subject: "ada", Issued: now, Expires: now.Add(time.Hour),
		Claim: json.RawMessage(`{"v":1,"allow":[{"topics":["stocks/*"],"actions":["subscribe","read","publish"]}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	return s, key
}

// follow makes a client of the contracts, after edit has changed their schema, and uses it with a stack.
// It gives what the programs print.
func (f foreign) follow(t *testing.T, s *stack.Stack, key string, edit func([]byte) []byte) ([]byte, error) {
	installed := filepath.Join(root, *clients)
	folder, err := os.MkdirTemp(installed, "made-") // below node_modules, as Node looks for packages
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if folder, err = filepath.Abs(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(folder, os.DirFS("clients")); err != nil {
		t.Fatal(err)
	}
	for name, text := range made(t) {
		name, ok := strings.CutPrefix(name, "events/")
		if !ok {
			continue
		}
		if edit != nil && name == schemaFile {
			text = edit(text)
		}
		path := filepath.Join(folder, "contracts", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	programs := filepath.Join(folder, "../node_modules/.bin") + ":" + filepath.Join(folder, "../venv/bin") + ":" + os.Getenv("PATH")
	t.Setenv("PATH", programs) // the generators need a Node that is newer than that of many machines
	t.Setenv("PYTHONPATH", filepath.Join(folder, "generated"))
	for _, command := range f.making {
		if text, err := run(t, folder, command); err != nil {
			return text, err
		}
	}
	return run(t, folder, append(f.run, f.url(s), key, f.topic, published))
}

// run gives what a program prints, also if it fails.
func run(t *testing.T, folder string, command []string) ([]byte, error) {
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	program := exec.CommandContext(ctx, command[0], command[1:]...)
	program.Dir = folder
	var printed, failed bytes.Buffer
	program.Stdout, program.Stderr = &printed, &failed
	if err := program.Run(); err != nil {
		return append(printed.Bytes(), failed.Bytes()...), fmt.Errorf("%s: %w", command[0], err)
	}
	return printed.Bytes(), nil
}

// check compares the change that a client has got, in each of its ways, with what it has published.
func (f foreign) check(t *testing.T, text []byte) {
	t.Helper()
	type line struct {
		By, Code  string
		Published struct{ Mark string }
		Change    struct {
			Topic, ID, Op, Mark string
			Data                any
		}
	}
	var item struct{ Data any }
	if err := json.Unmarshal([]byte(published), &item); err != nil {
		t.Fatal(err)
	}
	var got []string
	for d := json.NewDecoder(bytes.NewReader(text)); d.More(); {
		var l line
		if err := d.Decode(&l); err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
		got = append(got, l.By)
		if l.By == "refusal" {
			if l.Code != "forbidden" {
				t.Errorf("another topic is refused with %q", l.Code)
			}
			continue
		}
		c := l.Change
		if c.Topic != f.topic || c.ID != "quote" || c.Op != "added" || c.Mark != l.Published.Mark || c.Mark == "" || !reflect.DeepEqual(c.Data, item.Data) {
			t.Errorf("by %s came %+v, when %s was published with the mark %q", l.By, c, published, l.Published.Mark)
		}
	}
	if want := append(slices.Clone(f.ways), "refusal"); !slices.Equal(got, want) {
		t.Errorf("the changes came by %q, not by %q", got, want)
	}
}
