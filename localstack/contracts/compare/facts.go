package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// node is a schema: a JSON object or a boolean, and the document that its references lead into.
type node struct {
	schema any
	in     *contracts
}

// facts is what one alternative of a schema says about a value. A schema without anyOf and oneOf has one
// alternative, others have one for each combination of their branches.
type facts struct {
	types    []string           // what it may be; nil is anything
	values   []any              // of const and enum; nil is any
	bounds   map[string]float64 // the tightest of minimum, maxLength and so on, and of x-limits
	same     map[string][]any   // keywords that are only compared, such as pattern
	members  map[string][]any   // schemas of members, all of which hold
	required []string
	inner    map[string][]any // schemas of items, propertyNames, additionalProperties
	not      []any
}

// kinds are the types of JSON that keywords say something of.
var kinds = map[string][]string{
	"minimum": {"number", "integer"}, "maximum": {"number", "integer"}, "exclusiveMinimum": {"number", "integer"}, "exclusiveMaximum": {"number", "integer"}, "multipleOf": {"number", "integer"},
	"minLength": {"string"}, "maxLength": {"string"}, "pattern": {"string"}, "format": {"string"}, "contentMediaType": {"string"}, "contentEncoding": {"string"}, "contentSchema": {"string"},
	"minItems": {"array"}, "maxItems": {"array"}, "uniqueItems": {"array"}, "items": {"array"},
	"minProperties": {"object"}, "maxProperties": {"object"}, "required": {"object"}, "properties": {"object"}, "propertyNames": {"object"}, "additionalProperties": {"object"},
}

// forPeople are keywords that do not change what is allowed.
var forPeople = []string{"description", "title", "examples", "example", "default", "$schema", "$id", "$defs", "$comment", "x-may-grow", "deprecated"}

// alternatives are the ways in which a value may be as the schema says.
func (n node) alternatives() []facts { return n.narrow([]facts{{}}) }

// narrow adds what a schema says to each of several facts.
func (n node) narrow(all []facts) []facts {
	keywords, is := n.schema.(map[string]any)
	if !is {
		if n.schema == false {
			return nil
		}
		return all
	}
	var narrowed []facts
	for _, f := range all {
		if f, possible := f.with(keywords); possible {
			narrowed = append(narrowed, f)
		}
	}
	if to, refers := keywords["$ref"].(string); refers {
		narrowed = n.in.resolve(to).narrow(narrowed)
	}
	for _, part := range list(keywords["allOf"]) {
		narrowed = node{part, n.in}.narrow(narrowed)
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		branches, has := keywords[keyword]
		if !has {
			continue
		}
		var either []facts
		for _, branch := range list(branches) {
			either = append(either, node{branch, n.in}.narrow(narrowed)...)
		}
		narrowed = either
	}
	return narrowed
}

// with adds what keywords say, but for those that combine schemas. It reports whether a value is left.
func (f facts) with(keywords map[string]any) (facts, bool) {
	f.bounds, f.same, f.members, f.inner = cloned(f.bounds), cloned(f.same), cloned(f.members), cloned(f.inner)
	f.required, f.not = slices.Clone(f.required), slices.Clone(f.not)
	for keyword, value := range keywords {
		switch keyword {
		case "$ref", "allOf", "anyOf", "oneOf":
		case "type":
			f.types = both(f.types, texts(value), includes)
		case "const":
			f.values = both(f.values, []any{value}, equal)
		case "enum":
			f.values = both(f.values, list(value), equal)
		case "required":
			f.required = append(f.required, texts(value)...)
		case "properties":
			for name, member := range value.(map[string]any) {
				f.members[name] = append(slices.Clone(f.members[name]), member)
			}
		case "items", "propertyNames", "additionalProperties", "contentSchema":
			f.inner[keyword] = append(slices.Clone(f.inner[keyword]), value)
		case "not":
			f.not = append(f.not, value)
		case "x-limits":
			for name, limit := range value.(map[string]any) {
				f.bound("maximum of "+name, limit.(float64))
			}
		default:
			if number, is := value.(float64); is && (strings.HasPrefix(keyword, "m") || strings.HasPrefix(keyword, "exclusive")) && keyword != "multipleOf" {
				f.bound(keyword, number)
			} else if !slices.Contains(forPeople, keyword) {
				f.same[keyword] = append(slices.Clone(f.same[keyword]), value)
			}
		}
	}
	if f.values != nil && f.types != nil {
		f.values = slices.DeleteFunc(slices.Clone(f.values), func(v any) bool {
			return !slices.ContainsFunc(f.types, func(t string) bool { return includes(t, typeOf(v)) })
		})
	}
	return f, (f.types == nil || len(f.types) > 0) && (f.values == nil || len(f.values) > 0)
}

func (f *facts) bound(keyword string, to float64) {
	if was, has := f.bounds[keyword]; has && tighter(keyword, was, to) {
		return
	}
	f.bounds[keyword] = to
}

// tighter reports whether a bound allows no more than another.
func tighter(keyword string, a, b float64) bool {
	if strings.HasPrefix(keyword, "min") || keyword == "exclusiveMinimum" {
		return a >= b
	}
	return a <= b
}

// named are the schemas below a schema: of its members, and of its items, by how a path goes on there.
func (n node) named() map[string][]any {
	all := map[string][]any{}
	add := func(name string, schemas []any) {
		for _, s := range schemas {
			if s != false && !slices.ContainsFunc(all[name], func(other any) bool { return equal(s, other) }) {
				all[name] = append(all[name], s)
			}
		}
	}
	for _, f := range n.alternatives() {
		for name, schemas := range f.members {
			if len(node{map[string]any{"allOf": schemas}, n.in}.alternatives()) > 0 {
				add("."+name, schemas)
			}
		}
		if f.mayBe([]string{"array"}) {
			add("[]", f.inner["items"])
		}
		if f.mayBe([]string{"string"}) {
			add(" content", f.inner["contentSchema"])
		}
	}
	return all
}

// values are all that a schema lets something be; nil is any.
func (n node) values() (all []any) {
	for _, f := range n.alternatives() {
		if f.values == nil {
			return nil
		}
		all = append(all, f.values...)
	}
	return all
}

// mayBe reports whether a value of one of the types is possible.
func (f facts) mayBe(types []string) bool {
	may := func(t string) bool { return slices.Contains(types, t) }
	if f.values != nil {
		return slices.ContainsFunc(f.values, func(v any) bool { return may(typeOf(v)) || typeOf(v) == "integer" && may("number") })
	}
	return f.types == nil || slices.ContainsFunc(f.types, may)
}

// includes reports whether all values of type b are of type a.
func includes(a, b string) bool { return a == b || a == "number" && b == "integer" }

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	}
	return "object"
}

// both is what two lists allow; nil allows everything.
func both[T any](a, b []T, same func(a, b T) bool) []T {
	if a == nil {
		return b
	}
	shared := []T{}
	for _, x := range a {
		for _, y := range b {
			switch {
			case same(x, y):
				shared = append(shared, y)
			case same(y, x):
				shared = append(shared, x)
			}
		}
	}
	return shared
}

func equal(a, b any) bool { return brief(a) == brief(b) }

func list(v any) []any { l, _ := v.([]any); return l }

func texts(v any) (all []string) {
	if one, is := v.(string); is {
		return []string{one}
	}
	for _, t := range list(v) {
		all = append(all, t.(string))
	}
	return all
}

func cloned[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

func brief(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
