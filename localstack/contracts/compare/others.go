package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// ours are the kinds of oasdiff that this package knows better: which values may grow, and that an integer is
// a number.
var ours = []string{
	"response-property-enum-value-added", "response-body-enum-value-added", "response-property-one-of-added", "response-body-one-of-added",
	"request-property-list-of-types-narrowed", "response-property-list-of-types-widened",
}

// oasdiff compares the HTTP routes. It is not shown webhooks and callbacks, because it takes the service for
// the one that is asked.
func oasdiff(tools string) judge {
	return func(was, is *contracts) ([]string, error) {
		program := filepath.Join(tools, "oasdiff")
		if _, err := os.Stat(program); err != nil {
			return nil, fmt.Errorf("make lint installs oasdiff: %w", err)
		}
		folder, err := os.MkdirTemp("", "compare-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(folder)
		var files []string
		for name, c := range map[string]*contracts{"was": was, "is": is} {
			file, err := c.routesOnly(filepath.Join(folder, name))
			if err != nil {
				return nil, err
			}
			files = append(files, file)
		}
		slices.Sort(files)
		slices.Reverse(files) // was, is
		text, err := output(exec.Command(program, append([]string{"breaking", "--format", "json"}, files...)...))
		if err != nil {
			return nil, err
		}
		var changes []change
		if err := json.Unmarshal(text, &changes); err != nil {
			return nil, fmt.Errorf("read what oasdiff says: %w: %.300s", err, text)
		}
		var found []string
		for _, c := range changes {
			if c.Level >= 3 && !slices.Contains(ours, c.ID) {
				found = append(found, fmt.Sprintf("%s %s: %s (oasdiff: %s)", c.Operation, c.Path, c.Text, c.ID))
			}
		}
		return found, nil
	}
}

// change is what oasdiff has found. Level 3 is an error, 2 a warning.
type change struct {
	ID, Text, Operation, Path string
	Level                     int
}

// routesOnly writes the OpenAPI document without what the service asks others, and the schema beside it.
func (c *contracts) routesOnly(folder string) (string, error) {
	document := maps.Clone(c.openapi)
	delete(document, "webhooks")
	paths := map[string]any{}
	for path, item := range object(document["paths"]) {
		operations := maps.Clone(object(item))
		for method, operation := range operations {
			if own := maps.Clone(object(operation)); own != nil {
				delete(own, "callbacks")
				operations[method] = own
			}
		}
		paths[path] = operations
	}
	document["paths"] = paths
	file := filepath.Join(folder, "openapi.json")
	for name, content := range map[string]any{file: document, filepath.Join(folder, "schema/watchroute.schema.json"): map[string]any{"$defs": c.types}} {
		text, err := json.Marshal(content)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(name), 0o750)
		}
		if err == nil {
			err = os.WriteFile(name, text, 0o600)
		}
		if err != nil {
			return "", err
		}
	}
	return file, nil
}

// asyncAPIDiff compares servers, messages and operations.
func asyncAPIDiff(tools string) judge {
	return func(was, is *contracts) ([]string, error) {
		if _, err := os.Stat(filepath.Join(tools, "node_modules")); err != nil {
			if os.Getenv("CI") != "" {
				return nil, fmt.Errorf("asyncapi.yaml needs Node to be compared: %w", err)
			}
			fmt.Fprintln(os.Stderr, "compare: Node is not here, so servers and operations in asyncapi.yaml are not compared")
			return nil, nil
		}
		both, err := json.Marshal([]any{was.asyncapi, is.asyncapi})
		if err != nil {
			return nil, err
		}
		program := exec.Command("node", filepath.Join(tools, "asyncapi.mjs"))
		program.Stdin = bytes.NewReader(both)
		text, err := output(program)
		if err != nil {
			return nil, err
		}
		var found []string
		return found, json.Unmarshal(text, &found)
	}
}

// output runs a program, and fails with what it says.
func output(program *exec.Cmd) ([]byte, error) {
	text, err := program.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%s: %w: %s", program.Path, err, failed.Stderr)
	}
	return text, err
}
