package events

import _ "embed"

// SchemaID is the name of the [Schema]. Nothing is served there.
const SchemaID = "https://github.com/watchroute/watchroute/events/schema/watchroute.schema.json"

// What describes the wire to others, made of this package by make contracts.
var (
	// Schema is a JSON Schema (2020-12) with a type for everything on the wire, below $defs.
	//
	//go:embed schema/watchroute.schema.json
	Schema []byte
	// AsyncAPI describes the WebSocket, as AsyncAPI 3.1. It refers to the schema.
	//
	//go:embed asyncapi.yaml
	AsyncAPI []byte
	// OpenAPI describes the HTTP routes and what is delivered to webhooks, as OpenAPI 3.2. It refers to the schema.
	//
	//go:embed openapi.yaml
	OpenAPI []byte

	// AsyncAPIJSON and OpenAPIJSON are the same documents as JSON. The service answers with them at
	// [AsyncAPIPath] and [OpenAPIPath], with what is its own filled in.
	//
	//go:embed asyncapi.json
	AsyncAPIJSON []byte
	//go:embed openapi.json
	OpenAPIJSON []byte
)

// Where a deployed service describes itself, below its stage. Nobody needs a token there.
const (
	AsyncAPIPath = "/asyncapi.json"
	OpenAPIPath  = "/openapi.json"
)
