// Package template is the only place that knows CloudFormation templates:
// intrinsics, parameters, conditions, dependencies.
//
// It reads a template and walks its resources in the order CloudFormation
// would create them. What a resource is, the caller says. Sections that do not
// change what is deployed (Rules, Metadata of the template) are ignored; what
// does and is not supported is an error that names its location.
//
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
package template

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Limits of a template.
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const (
	MaxBytes     = 1 << 20 // of a template, as CloudFormation reads from S3
	MaxResources = 500
	MaxDepth     = 100 // levels of nesting; CloudFormation documents none
)

// Template is a parsed template. It is not changed after Parse and safe for
// concurrent use.
type Template struct {
	parameters map[string]parameter
	mappings   map[string]map[string]map[string]any
	conditions map[string]any
	resources  map[string]resource
	outputs    map[string]output
}

// resource is one entry of Resources as it is written.
type resource struct {
	Type       string
	Properties map[string]any
	Metadata   map[string]any
	DependsOn  oneOrMany
	Condition  string
}

// output is one entry of Outputs as it is written.
type output struct {
	Value     any
	Condition string
}

// oneOrMany is a list of names, of which one alone may stand without brackets.
type oneOrMany []string

// UnmarshalJSON reads a string or a list of strings.
func (o *oneOrMany) UnmarshalJSON(data []byte) error {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		*o = make(oneOrMany, 1)
		return json.Unmarshal(data, &(*o)[0])
	}
	return json.Unmarshal(data, (*[]string)(o))
}

// Parse reads a template in JSON, at most MaxBytes. The error is one line and
// names the logical ID, if the fault is in one.
func Parse(data []byte) (*Template, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("template has %d bytes, more than %d", len(data), MaxBytes)
	}
	var sections struct {
		Parameters map[string]json.RawMessage
		Mappings   map[string]json.RawMessage
		Conditions map[string]json.RawMessage
		Resources  map[string]json.RawMessage
		Outputs    map[string]json.RawMessage
		Transform  any
	}
	if err := decode(data, &sections); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	if sections.Transform != nil {
		return nil, fmt.Errorf("template has a Transform, which is not supported: give the processed template")
	}
	if n := len(sections.Resources); n == 0 || n > MaxResources {
		return nil, fmt.Errorf("template has %d resources, not 1 to %d", n, MaxResources)
	}
	t := &Template{}
	steps := []error{
		section(sections.Parameters, &t.parameters, "Parameters"),
		section(sections.Mappings, &t.mappings, "Mappings"),
		section(sections.Conditions, &t.conditions, "Conditions"),
		section(sections.Resources, &t.resources, "Resources"),
		section(sections.Outputs, &t.outputs, "Outputs"),
	}
	for _, err := range steps {
		if err != nil {
			return nil, err
		}
	}
	return t, t.check()
}

// Only gives the template with the properties of some resources alone, so that nothing in the others need
// be supported. The others can still be referred to. There are no outputs.
func (t *Template) Only(whose func(resourceType string) bool) *Template {
	some := *t
	some.resources, some.outputs = maps.Clone(t.resources), nil
	for id, r := range some.resources {
		if !whose(r.Type) {
			r.Properties, r.Metadata = nil, nil
			some.resources[id] = r
		}
	}
	return &some
}

// section decodes each entry by itself, so that an error can name it.
func section[T any](raw map[string]json.RawMessage, into *map[string]T, name string) error {
	*into = make(map[string]T, len(raw))
	for _, id := range sorted(raw) {
		if id == "" || strings.ContainsFunc(id, notAlphanumeric) {
			return fmt.Errorf("%s: the name %q is not alphanumeric", name, id)
		}
		var entry T
		if err := decode(raw[id], &entry); err != nil {
			return fmt.Errorf("%s.%s: %w", name, id, err)
		}
		(*into)[id] = entry
	}
	return nil
}

func notAlphanumeric(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
}

// decode reads one JSON value and nothing after it. Numbers stay as written.
func decode(data []byte, into any) error {
	if depth(data) > MaxDepth {
		return fmt.Errorf("nested deeper than %d levels", MaxDepth)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("not as expected: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fmt.Errorf("more follows after the end of the JSON value")
	}
	return nil
}

// depth is how deep objects and lists are nested at most, strings left out.
func depth(data []byte) int {
	now, most, inString := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			now++
			most = max(most, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return most
}

// check finds what can be wrong with the entries apart from their values.
func (t *Template) check() error {
	for _, id := range sorted(t.resources) {
		r := t.resources[id]
		if r.Type == "" {
			return fmt.Errorf("%s: has no Type", id)
		}
		if _, ok := t.parameters[id]; ok {
			return fmt.Errorf("%s: is both a parameter and a resource", id)
		}
		for _, other := range r.DependsOn {
			if _, ok := t.resources[other]; !ok {
				return fmt.Errorf("%s.DependsOn: no resource %q", id, other)
			}
		}
		if err := t.checkCondition(id, r.Condition); err != nil {
			return err
		}
	}
	for _, id := range sorted(t.outputs) {
		if err := t.checkCondition("Outputs."+id, t.outputs[id].Condition); err != nil {
			return err
		}
	}
	return nil
}

func (t *Template) checkCondition(where, name string) error {
	if _, ok := t.conditions[name]; name != "" && !ok {
		return fmt.Errorf("%s.Condition: no condition %q", where, name)
	}
	return nil
}

// sorted gives the keys in the order in which everything here happens.
func sorted[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), strings.Compare)
}
