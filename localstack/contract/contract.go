// Package contract is the only place that holds what a running stack sends to the contracts in events.
package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/watchroute/watchroute/events"
)

// remembered is how many messages are remembered, so that one which goes to many clients is looked at once.
const remembered = 4096

// Checker holds messages to the schema, and counts them. Safe for concurrent use.
type Checker struct {
	types    map[string]*jsonschema.Schema
	routes   []route
	fallback described // what a request is answered that no route takes
	seed     maphash.Seed

	mu        sync.Mutex
	compiler  *jsonschema.Compiler
	inOpenAPI map[string]*jsonschema.Schema // by their pointers
	known     map[uint64]string             // the types of messages that were looked at
	counts    map[string]int
}

// New reads the contracts in events.
func New() (*Checker, error) {
	openAPI, err := yaml.YAMLToJSON(events.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("read OpenAPI: %w", err)
	}
	return read(events.SchemaID, events.Schema, "$defs", openAPI)
}

// Of reads the contracts that a deployed service answers with, which are complete in themselves.
func Of(openAPI, asyncAPI []byte) (*Checker, error) {
	return read("https://github.com/watchroute/watchroute/events/asyncapi.json", asyncAPI, "components/schemas", openAPI)
}

// read reads an OpenAPI document, and the types of frames that are below a path in another document.
func read(id string, document []byte, path string, openAPI []byte) (*Checker, error) {
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(id, whole); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	types := whole
	for name := range strings.SplitSeq(path, "/") {
		within, _ := types.(map[string]any)
		types = within[name]
	}
	named, ok := types.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the schema has no %s", path)
	}
	c := &Checker{types: map[string]*jsonschema.Schema{}, seed: maphash.MakeSeed(), compiler: compiler,
		inOpenAPI: map[string]*jsonschema.Schema{}, known: map[uint64]string{}, counts: map[string]int{}}
	for name := range named {
		if c.types[name], err = compiler.Compile(id + "#/" + path + "/" + name); err != nil {
			return nil, fmt.Errorf("compile %s: %w", name, err)
		}
	}
	if c.routes, err = readOpenAPI(compiler, openAPI); err != nil {
		return nil, err
	}
	c.fallback, _ = c.responses("GET", "/topics/any")
	return c, nil
}

// Type gives a type of the schema; nil if there is none of the name.
func (c *Checker) Type(name string) *jsonschema.Schema { return c.types[name] }

// Frame holds a frame that the service, or API Gateway itself, sends over a WebSocket to the schema.
func (c *Checker) Frame(text []byte) error {
	hash := maphash.Bytes(c.seed, text)
	if c.seen(hash) {
		return nil
	}
	name, err := frameType(text)
	if err == nil {
		err = c.Is(name, text)
	}
	if err != nil {
		return fmt.Errorf("frame %.300s: %w", text, err)
	}
	c.remember(hash, name)
	return nil
}

// frameType gives the name of the type of a frame in the schema.
func frameType(text []byte) (string, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return "", err
	}
	if head.Type == "" {
		return "GatewayError", nil
	}
	return string(bytes.ToUpper([]byte(head.Type[:1]))) + head.Type[1:], nil
}

// Is holds JSON to a type of the schema.
func (c *Checker) Is(name string, text []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	if c.types[name] == nil {
		return fmt.Errorf("the schema has no type %s", name)
	}
	return c.types[name].Validate(value)
}

// seen counts a message that was looked at before.
func (c *Checker) seen(hash uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	name, ok := c.known[hash]
	if ok {
		c.counts[name]++
	}
	return ok
}

// remember counts a message that was looked at.
func (c *Checker) remember(hash uint64, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= remembered {
		clear(c.known)
	}
	c.known[hash] = name
	c.counts[name]++
}

// Counts says how many messages of each type kept to the schema.
func (c *Checker) Counts() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}
