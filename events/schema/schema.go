// Package schema has the JSON Schema of everything on the wire, as localstack/contracts makes it of
// package events.
package schema

import _ "embed"

// ID is the name of the schema. Nothing is served there.
const ID = "https://github.com/watchroute/watchroute/events/schema/watchroute.schema.json"

// File is the name of the schema's file.
const File = "watchroute.schema.json"

// Text is the schema. The types are below $defs.
//
//go:embed watchroute.schema.json
var Text []byte
