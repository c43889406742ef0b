package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"
	"github.com/watchroute/watchroute/events"
)

// typesFile is where the types of the wire are for TypeScript, below the module's folder.
const typesFile = "shared/browser/wire.d.ts"

// typescript writes the types of a schema for TypeScript, with what it says of them. Bounds, patterns
// and what holds between members of an object have no type there: the descriptions say them. Members that
// the schema does not name are left out: a service of a later version may send more.
func typescript(all jsonschema.Definitions) ([]byte, error) {
	w := typeWriter{}
	w.WriteString("// Types of everything on the wire. Made by make contracts of the Go package events. Do not edit.\n\n")
	w.comment("JSON, as items hold it.", "")
	w.WriteString("export type Json = null | boolean | number | string | Json[] | { [member: string]: Json }\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name]
		w.WriteString("\n")
		w.comment(s.Description, "")
		if s.Properties != nil {
			fmt.Fprintf(&w, "export interface %s %s\n", name, w.object(s, ""))
		} else {
			fmt.Fprintf(&w, "export type %s =%s\n", name, broken(w.typeOf(s, "")))
		}
	}
	return []byte(w.String()), w.err
}

// broken writes a union that is too long for a line on several.
func broken(union string) string {
	if len(union) <= lineWidth {
		return " " + union
	}
	return "\n  | " + strings.ReplaceAll(union, " | ", "\n  | ")
}

// typeWriter writes types, and keeps the first error.
type typeWriter struct {
	strings.Builder
	err error
}

// typeOf is the type that a schema describes, inside lines that begin with a margin.
func (w *typeWriter) typeOf(s *jsonschema.Schema, margin string) string {
	switch {
	case s.Ref != "":
		return strings.TrimPrefix(s.Ref, "#/$defs/")
	case s.Const != nil:
		return w.literal(s.Const)
	case s.Enum != nil && s.Extras["x-may-grow"] != nil:
		return w.literals(s.Enum) + " | (string & {})" // an editor shows the values, and a later one is allowed
	case s.Enum != nil:
		return w.literals(s.Enum)
	case s.AnyOf != nil, s.OneOf != nil:
		return w.either(slices.Concat(s.AnyOf, s.OneOf), margin)
	case len(s.AllOf) == 1:
		return w.typeOf(s.AllOf[0], margin)
	}
	switch s.Type {
	case "string", "boolean", "null":
		return s.Type
	case "integer", "number":
		return "number"
	case "array":
		return w.typeOf(s.Items, margin) + "[]"
	case "object":
		return w.object(s, margin)
	}
	w.fail("no type of TypeScript for %+v", s)
	return ""
}

// either is a union of types. An empty text is not named beside a type of texts.
func (w *typeWriter) either(all []*jsonschema.Schema, margin string) string {
	var types []string
	for _, s := range all {
		if s.Const != "" || all[0].Ref == "" {
			types = append(types, w.typeOf(s, margin))
		}
	}
	return strings.Join(types, " | ")
}

// object is the type of an object: its members, or what all of them are.
func (w *typeWriter) object(s *jsonschema.Schema, margin string) string {
	if s.Properties == nil {
		key, value := "string", "Json"
		if s.PropertyNames != nil {
			key = w.typeOf(s.PropertyNames, margin)
		}
		if s.AdditionalProperties != nil {
			value = w.typeOf(s.AdditionalProperties, margin)
		}
		return "Record<" + key + ", " + value + ">"
	}
	inner := typeWriter{}
	for at := s.Properties.Oldest(); at != nil; at = at.Next() {
		inner.comment(at.Value.Description, margin+"  ")
		mark := "?"
		if slices.Contains(s.Required, at.Key) {
			mark = ""
		}
		fmt.Fprintf(&inner, "%s  %s%s: %s\n", margin, at.Key, mark, w.typeOf(at.Value, margin+"  "))
	}
	return "{\n" + inner.String() + margin + "}"
}

func (w *typeWriter) literals(values []any) string {
	var all []string
	for _, v := range values {
		all = append(all, w.literal(v))
	}
	return strings.Join(all, " | ")
}

func (w *typeWriter) literal(value any) string {
	text, err := events.Marshal(value)
	if err != nil {
		w.fail("%v: %w", value, err)
	}
	return string(text)
}

func (w *typeWriter) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// lineWidth is how long a line of the types is, at most, if it is not one member.
const lineWidth = 110

// comment writes a description. A line that begins with @ would be a tag.
func (w *typeWriter) comment(text, margin string) {
	text = strings.ReplaceAll(text, "*/", `*\/`)
	if len(margin)+len("/** "+text+" */") <= lineWidth && !strings.Contains(text, "\n") {
		w.WriteString(margin + "/** " + text + " */\n")
		return
	}
	w.WriteString(margin + "/**\n")
	for line := range strings.SplitSeq(text, "\n") {
		out := margin + " *"
		for _, word := range strings.Fields(line) {
			if len(out)+len(word) >= lineWidth && word[0] != '@' {
				w.WriteString(out + "\n")
				out = margin + " *"
			}
			out += " " + word
		}
		w.WriteString(out + "\n")
	}
	w.WriteString(margin + " */\n")
}
