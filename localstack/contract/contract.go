// Package contract is the only place that holds what a running stack sends to the contracts in events.
package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/maphash"
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
	asked      *reading
	sent       *reading          // which allows no member that the contracts do not name
	document   map[string]any    // the types as they are written
	requests   map[string]string // the types of clients' frames, by their actions
	routes     []route
	deliveries map[string]any // what the document says of messages to webhooks, by their types
	seed       maphash.Seed

	mu     sync.Mutex
	known  map[uint64]string // the types of messages that were looked at
	counts Kept
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
	c := &Checker{seed: maphash.MakeSeed(), known: map[uint64]string{}, counts: Kept{}}
	var err error
	if c.asked, err = newReading(id, document, path, openAPI, false); err != nil {
		return nil, err
	}
	if c.sent, err = newReading(id, document, path, openAPI, true); err != nil {
		return nil, err
	}
	if err := c.readOpenAPI(c.asked.openAPI); err != nil {
		return nil, err
	}
	c.document = c.asked.document
	c.requests = c.actions()
	return c, nil
}

// Type gives a type of the schema; nil if there is none of the name.
func (c *Checker) Type(name string) *jsonschema.Schema { return c.asked.types[name] }

// union gives the names of the types that one of the schema is made of.
func (c *Checker) union(name string) (names []string) {
	parts, _ := within(c.document, name, "oneOf").([]any)
	for _, part := range parts {
		ref, _ := within(part, "$ref").(string)
		names = append(names, ref[strings.LastIndex(ref, "/")+1:])
	}
	return names
}

// actions gives the types of clients' frames by their actions.
func (c *Checker) actions() map[string]string {
	types := map[string]string{}
	for _, name := range c.union("ClientFrame") {
		action, _ := within(c.document, name, "properties", "action", "const").(string)
		types[action] = name
	}
	return types
}

// Request holds a frame of a client, and the last frame that answered it, to the schema: what the schema
// forbids is refused. No answer proves nothing, as the service may have been killed.
func (c *Checker) Request(frame, answer []byte) error {
	var head struct {
		Action string `json:"action"`
	}
	bad := json.Unmarshal(frame, &head)
	if bad == nil {
		bad = c.Is(c.requests[head.Action], frame)
	}
	if bad == nil {
		c.count(requestOf(c.requests[head.Action]))
		return nil
	}
	if name, err := frameType(answer); len(answer) == 0 || err == nil && name == "Error" {
		return nil
	}
	return fmt.Errorf("the request %.300s is answered %.300s: %w", frame, answer, bad)
}

// Frame holds a frame that the service, or API Gateway itself, sends over a WebSocket to the schema.
func (c *Checker) Frame(text []byte) error {
	hash := maphash.Bytes(c.seed, text)
	if c.seen(hash) {
		return nil
	}
	name, err := frameType(text)
	if err == nil {
		err = c.sent.is(name, text)
	}
	if err != nil {
		return fmt.Errorf("frame %.300s: %w", text, err)
	}
	c.remember(hash, frameOf(name))
	return nil
}

// gatewayError is the type of frames that API Gateway itself sends.
const gatewayError = "GatewayError"

// frameType gives the name of the type of a frame in the schema.
func frameType(text []byte) (string, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return "", err
	}
	if head.Type == "" {
		return gatewayError, nil
	}
	return string(bytes.ToUpper([]byte(head.Type[:1]))) + head.Type[1:], nil
}

// Is holds JSON to a type of the schema. Members that the type does not name are ignored.
func (c *Checker) Is(name string, text []byte) error { return c.asked.is(name, text) }

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
