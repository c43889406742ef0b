package contract

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// openAPIID is the name of the OpenAPI document, so that its references lead to the schema.
const openAPIID = "https://github.com/watchroute/watchroute/events/openapi.yaml"

// reading is how the contracts are read: as they are written, or closed.
type reading struct {
	document map[string]any // the types as they are written
	types    map[string]*jsonschema.Schema
	openAPI  any

	mu        sync.Mutex
	compiler  *jsonschema.Compiler
	inOpenAPI map[string]*jsonschema.Schema // by their pointers
}

// newReading reads the types of frames that are below a path in a document, and an OpenAPI document. A
// closed one allows no member that a type does not name. The contracts themselves allow them, because a
// later version of the service may send more.
func newReading(id string, document []byte, path string, openAPI []byte, closed bool) (*reading, error) {
	r := &reading{types: map[string]*jsonschema.Schema{}, compiler: jsonschema.NewCompiler(), inOpenAPI: map[string]*jsonschema.Schema{}}
	r.compiler.AssertFormat()
	whole, err := r.add(id, document, path, closed)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	if r.openAPI, err = r.add(openAPIID, openAPI, path, closed); err != nil {
		return nil, fmt.Errorf("read OpenAPI: %w", err)
	}
	types, ok := within(whole, strings.Split(path, "/")...).(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the schema has no %s", path)
	}
	r.document = types
	for name := range types {
		if r.types[name], err = r.compiler.Compile(id + "#/" + path + "/" + name); err != nil {
			return nil, fmt.Errorf("compile %s: %w", name, err)
		}
	}
	return r, nil
}

// add makes a document known to the compiler, and closes its types.
func (r *reading) add(id string, text []byte, path string, closed bool) (any, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	types, _ := within(document, strings.Split(path, "/")...).(map[string]any)
	for _, one := range types {
		if of, ok := one.(map[string]any); ok && closed && of["properties"] != nil && of["additionalProperties"] == nil {
			of["unevaluatedProperties"] = false
		}
	}
	return document, r.compiler.AddResource(id, document)
}

// within follows a path of names into JSON; nil if it leads nowhere.
func within(value any, path ...string) any {
	for _, name := range path {
		inner, _ := value.(map[string]any)
		value = inner[name]
	}
	return value
}

// is holds JSON to a type.
func (r *reading) is(name string, text []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	if r.types[name] == nil {
		return fmt.Errorf("the schema has no type %s", name)
	}
	return r.types[name].Validate(value)
}

// at holds JSON to a schema in the OpenAPI document.
func (r *reading) at(pointer string, body []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return r.valueAt(pointer, value)
}

func (r *reading) valueAt(pointer string, value any) error {
	s, err := r.compiled(pointer)
	if err != nil {
		return err
	}
	return s.Validate(value)
}

// compiled compiles a schema in the OpenAPI document when it is first needed.
func (r *reading) compiled(pointer string) (*jsonschema.Schema, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.inOpenAPI[pointer]; s != nil {
		return s, nil
	}
	s, err := r.compiler.Compile(openAPIID + "#" + pointer)
	if err == nil {
		r.inOpenAPI[pointer] = s
	}
	return s, err
}
