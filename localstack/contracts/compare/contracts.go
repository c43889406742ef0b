package main

import (
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
)

// contracts are those of one version of the service.
type contracts struct {
	openapi, asyncapi map[string]any
	types             map[string]any // of the schema, by name
}

// readContracts reads the contracts of a folder that is laid out as events is.
func readContracts(folder string) (*contracts, error) {
	c := &contracts{}
	var schema struct {
		Defs map[string]any `json:"$defs"`
	}
	for name, into := range map[string]any{"openapi.yaml": &c.openapi, "asyncapi.yaml": &c.asyncapi, "schema/watchroute.schema.json": &schema} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err == nil && strings.HasSuffix(name, ".yaml") {
			text, err = yaml.YAMLToJSON(text)
		}
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Join(folder, name), err)
		}
	}
	c.types = schema.Defs
	return c, nil
}

// version is the protocol's.
func (c *contracts) version() string {
	info, _ := c.asyncapi["info"].(map[string]any)
	version, _ := info["version"].(string)
	return version
}

// resolve gives what a reference leads to. One that leads nowhere allows nothing.
func (c *contracts) resolve(to string) node {
	_, name, _ := strings.Cut(to, "#/$defs/") // there is one schema
	if schema, has := c.types[name]; has {
		return node{schema, c}
	}
	return node{false, c}
}

// at walks down a document.
func at(from any, path ...string) any {
	for _, name := range path {
		object, _ := from.(map[string]any)
		from = object[name]
	}
	return from
}

// exchanged is what clients and service send each other, by names for people.
type exchanged struct{ asked, answered map[string]node }

// exchanged finds everything that has a schema.
func (c *contracts) exchanged() exchanged {
	all := exchanged{map[string]node{}, map[string]node{}}
	for name, message := range object(at(c.asyncapi, "components", "messages")) {
		payload := node{at(message, "payload"), c}
		if c.asks(name) {
			all.asked["frame "+name] = payload
		} else {
			all.answered["frame "+name] = payload
		}
	}
	for path, item := range object(c.openapi["paths"]) {
		c.route(all, path, item)
	}
	for name, item := range object(c.openapi["webhooks"]) {
		c.route(exchanged{all.answered, all.asked}, "webhook "+name, item) // the service asks
	}
	parts := c.parts()
	for name := range c.types { // what no document refers to, such as the data of items
		switch {
		case name == "Claim", name == "ClientFrame":
			all.asked[name] = node{c.types[name], c}
		case !parts[name]:
			all.answered[name] = node{c.types[name], c}
		}
	}
	return all
}

// asks reports whether clients send a message.
func (c *contracts) asks(message string) bool {
	for _, operation := range object(c.asyncapi["operations"]) {
		for _, m := range list(at(operation, "messages")) {
			if at(operation, "action") == "receive" && strings.HasSuffix(at(m, "$ref").(string), "/"+message) {
				return true
			}
		}
	}
	return false
}

// parts are the types that others, or the documents, refer to, and which are compared there.
func (c *contracts) parts() map[string]bool {
	all := map[string]bool{}
	for name := range references(c.openapi) {
		all[name] = true
	}
	for name := range references(c.asyncapi) {
		all[name] = true
	}
	for name, schema := range c.types {
		for part := range references(schema) {
			all[part] = all[part] || part != name
		}
	}
	return all
}

// references gives the types that JSON refers to.
func references(v any) iter.Seq[string] {
	return func(yield func(string) bool) { eachReference(v, yield) }
}

func eachReference(v any, yield func(string) bool) bool {
	switch v := v.(type) {
	case map[string]any:
		if to, is := v["$ref"].(string); is {
			if _, name, is := strings.Cut(to, "#/$defs/"); is && !yield(name) {
				return false
			}
		}
		for _, inner := range v {
			if !eachReference(inner, yield) {
				return false
			}
		}
	case []any:
		for _, inner := range v {
			if !eachReference(inner, yield) {
				return false
			}
		}
	}
	return true
}

// changed are the types that are not what they were, or refer to such a one.
func changed(was, is *contracts) map[string]bool {
	all := map[string]bool{}
	for name, schema := range was.types {
		all[name] = !reflect.DeepEqual(schema, is.types[name])
	}
	for again := true; again; {
		again = false
		for name, schema := range was.types {
			if !all[name] && refersTo(schema, all) {
				all[name], again = true, true
			}
		}
	}
	return all
}

// refersTo reports whether JSON refers to one of some types.
func refersTo(v any, types map[string]bool) bool {
	for name := range references(v) {
		if types[name] {
			return true
		}
	}
	return false
}

// route adds what an operation takes and answers.
func (c *contracts) route(all exchanged, path string, item any) {
	for method, operation := range object(item) {
		if method == "parameters" {
			continue
		}
		name := strings.ToUpper(method) + " " + path
		for _, p := range append(list(at(item, "parameters")), list(at(operation, "parameters"))...) {
			all.asked[fmt.Sprintf("%s, %s %s", name, at(p, "in"), at(p, "name"))] = node{at(p, "schema"), c}
		}
		for _, way := range c.ways(operation) {
			all.asked[name+", authenticated by "+brief(way)] = node{true, c}
		}
		c.content(all.asked, name+", body", at(operation, "requestBody", "content"))
		for callback, addresses := range object(at(operation, "callbacks")) {
			for _, item := range object(addresses) { // the service asks
				c.route(exchanged{all.answered, all.asked}, name+", callback "+callback, item)
			}
		}
		for status, response := range object(at(operation, "responses")) {
			c.content(all.answered, name+", "+status, at(response, "content"))
			for header, of := range object(at(response, "headers")) {
				all.answered[name+", "+status+" "+header] = node{at(of, "schema"), c}
			}
		}
	}
}

// ways are those in which a client may authenticate itself for an operation.
func (c *contracts) ways(operation any) []any {
	ways := list(c.openapi["security"])
	if own, has := object(operation)["security"]; has {
		ways = list(own)
	}
	if len(ways) == 0 {
		return []any{map[string]any{}} // nothing is needed
	}
	return ways
}

// content adds the schemas of a body, by media types. Those of a stream's events count as well.
func (c *contracts) content(all map[string]node, name string, content any) {
	for media, of := range object(content) {
		for _, keyword := range []string{"schema", "itemSchema"} {
			if schema := at(of, keyword); schema != nil {
				all[name+" "+media] = node{schema, c}
			}
		}
	}
}

func object(v any) map[string]any { o, _ := v.(map[string]any); return o }
