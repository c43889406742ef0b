// Contracts writes what describes the wire to others: JSON Schemas, AsyncAPI, OpenAPI and types for
// TypeScript, of the Go types in events, their comments and their limits.
//
//	go run ./localstack/contracts
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// module is the path of the module.
const module = "github.com/watchroute/watchroute"

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "contracts:", err)
		os.Exit(1)
	}
}

// write writes all contracts of the module in a folder.
func write(root string) error {
	files, err := contracts(root, module)
	if err != nil {
		return err
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// controls are the control characters that JSON allows as they are, and YAML does not: many tools read
// JSON as YAML.
//
// Source: https://yaml.org/spec/1.2.2/#51-character-set
var controls = regexp.MustCompile("[\x7f-\u009f]")

// contracts makes all contracts, by their paths below the module's folder. root is that folder, as seen
// from package at.
func contracts(root, at string) (map[string][]byte, error) {
	c, err := readComments(root, at)
	if err != nil {
		return nil, err
	}
	s, err := wireSchema(c)
	if err != nil {
		return nil, err
	}
	sockets, err := asyncAPI(root, c)
	if err != nil {
		return nil, err
	}
	types, err := typescript(s.Definitions)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{typesFile: types}
	if files["events/"+schemaFile], err = indented(s); err != nil {
		return nil, err
	}
	documents := map[string]object{"asyncapi": sockets, "asyncapi.client": clientAsyncAPI(), "openapi": openAPI(c)}
	for name, o := range documents {
		if files["events/"+name+".yaml"], err = document(o); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"asyncapi", "openapi"} { // which the service answers with
		if files["events/"+name+".json"], err = indented(documents[name]); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// indented writes JSON for people, too.
func indented(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	text = controls.ReplaceAllFunc(text, func(c []byte) []byte { return fmt.Appendf(nil, `\u%04x`, []rune(string(c))[0]) })
	return append(text, '\n'), nil
}
