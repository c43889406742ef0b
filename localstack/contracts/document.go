package main

import (
	"bytes"
	"encoding/json"

	"github.com/goccy/go-yaml"
	"github.com/watchroute/watchroute/events"
)

// object is a JSON object whose members stay in order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			out.WriteByte(',')
		}
		name, err := events.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := events.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// ref refers to another place of the same document, or to another file.
func ref(to string) object { return object{{"$ref", to}} }

// schemaFile is where the schema is, below events.
const schemaFile = "schema/watchroute.schema.json"

// ofSchema refers to a type in the schema.
func ofSchema(name string) object { return ref("./" + schemaFile + "#/$defs/" + name) }

// document writes a document as YAML, after a line that says where it is from.
func document(o object) ([]byte, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	var ordered any
	if err := yaml.UnmarshalWithOptions(text, &ordered, yaml.UseOrderedMap()); err != nil { // JSON is YAML
		return nil, err
	}
	text, err = yaml.MarshalWithOptions(ordered, yaml.UseLiteralStyleIfMultiline(true))
	if err != nil {
		return nil, err
	}
	return append([]byte("# Made by make contracts of the Go package events. Do not edit.\n"), text...), nil
}
