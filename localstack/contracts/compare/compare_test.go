package main

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

var tools = flag.String("tools", "", "the `folder` with oasdiff and @asyncapi/diff, which `make lint` fills; without it only this package compares")

const root = "../../.."

// read reads the contracts of the code, once.
var read = sync.OnceValues(func() (*contracts, error) { return readContracts(filepath.Join(root, "events")) })

// present are the contracts of the code, to be changed.
func present(t *testing.T) *contracts {
	t.Helper()
	of, err := read()
	if err != nil {
		t.Fatal(err)
	}
	return &contracts{openapi: object(clone(of.openapi)), asyncapi: object(clone(of.asyncapi)), types: object(clone(of.types))}
}

// clone copies JSON.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		all := make(map[string]any, len(v))
		for name, inner := range v {
			all[name] = clone(inner)
		}
		return all
	case []any:
		all := make([]any, len(v))
		for i, inner := range v {
			all[i] = clone(inner)
		}
		return all
	}
	return v
}

// edit is a change made on purpose.
type edit struct {
	what string
	by   func(c *contracts)
	seen string // by which judges, of schema, places, oasdiff and asyncapi
}

// member gives the schema of a member of a type.
func (c *contracts) member(of, name string) map[string]any {
	return object(at(c.types[of], "properties", name))
}

func members(c *contracts, of string) map[string]any { return object(at(c.types[of], "properties")) }

func demand(c *contracts, of string, names ...any) {
	object(c.types[of])["required"] = append(list(at(c.types[of], "required")), names...)
}

func forget(c *contracts, of, name string) {
	object(c.types[of])["required"] = slices.DeleteFunc(list(at(c.types[of], "required")), func(v any) bool { return v == name })
}

func operation(c *contracts, method, path string) map[string]any {
	return object(at(c.openapi, "paths", path, method))
}

// without leaves out the entries of a list that mention a text.
func without(from any, text string) []any {
	return slices.DeleteFunc(list(from), func(v any) bool { return strings.Contains(brief(v), text) })
}

// parameter gives a parameter of an operation, or of its path.
func parameter(c *contracts, method, path, name string) map[string]any {
	for _, p := range append(list(operation(c, method, path)["parameters"]), list(at(c.openapi, "paths", path, "parameters"))...) {
		if at(p, "name") == name {
			return object(p)
		}
	}
	return nil
}

// event gives a member of an event of a stream.
func event(c *contracts, name string) map[string]any {
	return object(at(operation(c, "get", "/topics/{topic}"), "responses", "200", "content", "text/event-stream", "itemSchema", "properties", name))
}

// moved gives a member of an object another name.
func moved(in any, from, to string) {
	object(in)[to] = object(in)[from]
	delete(object(in), from)
}

// around are breaks outside the messages: in addresses, statuses, headers, and the names of values.
var around = []edit{
	{"an error code is renamed", func(c *contracts) {
		object(c.types["Code"])["enum"] = append(without(at(c.types["Code"], "enum"), "bad_topic"), "wrong_topic")
	}, "schema"},
	{"an error has another status", func(c *contracts) {
		of := object(at(operation(c, "get", "/topics/{topic}"), "responses", "400"))
		of["x-codes"] = without(of["x-codes"], "bad_topic")
	}, "places"},
	{"an error has another remedy", func(c *contracts) { object(at(c.asyncapi, "x-remedies", "errors"))["too_many_requests"] = "give up" }, "places asyncapi"},
	{"a close code is removed", func(c *contracts) { delete(object(at(c.asyncapi, "x-remedies", "closeCodes")), "1001") }, "places asyncapi"},
	{"a reason of a reset is removed", func(c *contracts) {
		object(c.types["ResetReason"])["enum"] = without(at(c.types["ResetReason"], "enum"), "view")
	}, "schema"},
	{"events of a stream have another name", func(c *contracts) {
		event(c, "event")["enum"] = append(without(event(c, "event")["enum"], "changes"), "change")
	}, "schema"},
	{"an event of a stream does not hold a frame", func(c *contracts) { delete(event(c, "data"), "contentSchema") }, "schema oasdiff"},
	{"a frame does not come in a stream any more", func(c *contracts) {
		object(c.types["ServerFrame"])["oneOf"] = without(at(c.types["ServerFrame"], "oneOf"), "/Reset")
	}, "schema"},
	{"a frame's member may be left out", func(c *contracts) { forget(c, "Changes", "changes") }, "schema oasdiff"},
	{"what a request may do is narrowed", func(c *contracts) {
		object(list(c.member("Publish", "op")["anyOf"])[0])["enum"] = []any{"delete"}
	}, "schema"},
	{"the answer to a delivery needs another member", func(c *contracts) {
		members(c, "ChallengeAnswer")["when"] = map[string]any{"type": "string"}
		demand(c, "ChallengeAnswer", "when")
	}, "schema"},
	{"fewer ids are taken in a path", func(c *contracts) {
		object(parameter(c, "get", "/destinations/{id}", "id")["schema"])["pattern"] = "^dst_[a-z]+$"
	}, "schema"},
	{"a parameter becomes required", func(c *contracts) { parameter(c, "get", "/topics/{topic}", "after")["required"] = true }, "oasdiff"},
	{"a repeated parameter is one list", func(c *contracts) { parameter(c, "get", "/topics/{topic}", "view")["explode"] = false }, "places"},
	{"a parameter is in another style", func(c *contracts) { parameter(c, "get", "/topics/{topic}", "view")["style"] = "pipeDelimited" }, "places"},
	{"a topic's slashes are escaped in a path", func(c *contracts) {
		delete(object(list(at(c.openapi, "paths", "/topics/{topic}", "parameters"))[0]), "allowReserved")
	}, "places"},
	{"a way of authentication is removed", func(c *contracts) { delete(object(at(c.openapi, "components", "securitySchemes")), "query") }, "places"},
	{"the token has another name in a query", func(c *contracts) {
		object(at(c.openapi, "components", "securitySchemes", "query"))["name"] = "access_token"
	}, "places oasdiff"},
	{"a WebSocket's token has another name in a query", func(c *contracts) {
		object(at(c.asyncapi, "components", "securitySchemes", "query"))["name"] = "access_token"
	}, "places"},
	{"what is for everybody needs a token", func(c *contracts) {
		operation(c, "get", "/openapi.json")["security"] = []any{map[string]any{"bearer": []any{}}}
	}, "schema oasdiff"},
	{"a header of an answer is removed", func(c *contracts) {
		delete(object(at(operation(c, "get", "/topics/{topic}"), "responses", "204", "headers")), "Watchroute-Cursor")
	}, "schema places"},
	{"an answer without a body has another status", func(c *contracts) { moved(operation(c, "delete", "/topics/{topic}")["responses"], "204", "200") }, "places oasdiff"},
	{"nobody is told that nothing has changed", func(c *contracts) {
		delete(object(operation(c, "get", "/topics/{topic}")["responses"]), "304")
	}, "places"},
	{"a delivery may be without its signature", func(c *contracts) {
		for _, p := range list(at(c.openapi, "webhooks", "delivery", "post", "parameters")) {
			delete(object(p), "required")
		}
	}, "places"},
	{"410 does not end deliveries any more", func(c *contracts) { delete(object(at(c.openapi, "webhooks", "delivery", "post", "responses")), "410") }, "places"},
	{"deliveries come by another method", func(c *contracts) { moved(at(c.openapi, "webhooks", "delivery"), "post", "put") }, "schema places"},
	{"who registers is not called back", func(c *contracts) { delete(operation(c, "post", "/destinations"), "callbacks") }, "schema places"},
	{"the service is elsewhere", func(c *contracts) {
		object(list(c.openapi["servers"])[0])["url"] = "https://{api}.execute-api.{region}.amazonaws.com/{stage}/v2"
	}, "places"},
	{"the subprotocol has another name", func(c *contracts) { object(operation(c, "get", "/")["x-websocket"])["subprotocol"] = "live.v1" }, "places"},
	{"a frame is not sent as JSON", func(c *contracts) { c.asyncapi["defaultContentType"] = "application/cbor" }, "places asyncapi"},
}

var breaks = []edit{
	{"a route is removed", func(c *contracts) { delete(object(c.openapi["paths"]), "/destinations/{id}/test") }, "schema oasdiff"},
	{"a method is removed", func(c *contracts) { delete(object(at(c.openapi, "paths", "/topics/{topic}")), "delete") }, "schema oasdiff"},
	{"a parameter is removed", func(c *contracts) {
		get := operation(c, "get", "/topics/{topic}")
		get["parameters"] = without(get["parameters"], `"wait"`)
	}, "schema"},
	{"a new parameter is required", func(c *contracts) {
		get := operation(c, "get", "/topics/{topic}")
		get["parameters"] = append(list(get["parameters"]), map[string]any{"name": "tenant", "in": "query", "required": true, "schema": map[string]any{"type": "string"}})
	}, "oasdiff"},
	{"a success has another status", func(c *contracts) {
		responses := object(operation(c, "post", "/destinations")["responses"])
		responses["200"] = responses["201"]
		delete(responses, "201")
	}, "schema oasdiff"},
	{"streams are not offered any more", func(c *contracts) {
		delete(object(at(operation(c, "get", "/topics/{topic}"), "responses", "200", "content")), "text/event-stream")
	}, "schema oasdiff"},
	{"tokens in the query are not taken any more", func(c *contracts) { c.openapi["security"] = without(c.openapi["security"], "query") }, "schema"},
	{"a required member of an answer is removed", func(c *contracts) { delete(members(c, "TopicItems"), "items"); forget(c, "TopicItems", "items") }, "schema oasdiff"},
	{"an optional member of an answer is removed", func(c *contracts) { delete(members(c, "Change"), "mark") }, "schema"},
	{"a member of an answer may be left out", func(c *contracts) { forget(c, "TopicChanges", "cursor") }, "schema oasdiff"},
	{"a member of an answer has another type", func(c *contracts) { c.member("Change", "seq")["type"] = "string" }, "schema oasdiff"},
	{"a member of an answer may be null", func(c *contracts) { c.member("Change", "seq")["type"] = []any{"integer", "null"} }, "schema"},
	{"a member of an answer may be a fraction", func(c *contracts) { c.member("Change", "seq")["type"] = "number" }, "schema"},
	{"a member of an answer may be longer", func(c *contracts) { object(c.types["ItemID"])["maxLength"] = 5000.0 }, "schema"},
	{"a number in an answer may be lower", func(c *contracts) { c.member("Change", "seq")["minimum"] = 0.0 }, "schema"},
	{"an answer may say what happened in a new way", func(c *contracts) {
		object(c.types["Op"])["enum"] = append(list(at(c.types["Op"], "enum")), "moved")
	}, "schema"},
	{"a time has another form", func(c *contracts) { delete(object(c.types["Time"]), "format") }, "schema"},
	{"an event of a stream has no id", func(c *contracts) {
		delete(object(at(operation(c, "get", "/topics/{topic}"), "responses", "200", "content", "text/event-stream", "itemSchema", "properties")), "id")
	}, "schema"},
	{"a member of a request becomes required", func(c *contracts) { demand(c, "DestinationRequest", "filter") }, "schema oasdiff"},
	{"a member of a frame becomes required", func(c *contracts) { demand(c, "Subscribe", "order") }, "schema"},
	{"a member of a request is removed", func(c *contracts) { delete(members(c, "DestinationRequest"), "batch") }, "schema"},
	{"a member of a client's frame is ignored", func(c *contracts) { delete(members(c, "Subscribe"), "filter") }, "schema"},
	{"a value that a request may have is removed", func(c *contracts) {
		format := object(list(c.member("DestinationRequest", "format")["anyOf"])[0])
		format["enum"] = without(format["enum"], "cloudevents-batch")
	}, "schema oasdiff"},
	{"a value that a request may have is removed, and the others said to grow", func(c *contracts) {
		format := object(list(c.member("DestinationRequest", "format")["anyOf"])[0])
		format["enum"], format["x-may-grow"] = without(format["enum"], "cloudevents-batch"), true
	}, "schema oasdiff"},
	{"a member of a request may not be null", func(c *contracts) {
		of := c.member("DestinationRequest", "format")
		of["anyOf"] = without(of["anyOf"], "null")
	}, "schema"},
	{"a limit in characters is lowered", func(c *contracts) { object(c.types["RequestID"])["maxLength"] = 64.0 }, "schema oasdiff"},
	{"a limit in bytes is lowered", func(c *contracts) { object(at(c.types["Claim"], "x-limits"))["bytes"] = 2048.0 }, "schema"},
	{"fewer items may be put at once", func(c *contracts) { c.member("PublishRequest", "items")["maxItems"] = 10.0 }, "schema oasdiff"},
	{"fewer topics are names", func(c *contracts) { object(c.types["Topic"])["pattern"] = "^[a-z/]+$" }, "schema"},
	{"a request with other members is refused", func(c *contracts) { object(c.types["Subscribe"])["additionalProperties"] = false }, "schema"},
	{"two members exclude each other", func(c *contracts) {
		object(c.types["Subscribe"])["not"] = map[string]any{"required": []any{"filter", "fields"}}
	}, "schema"},
	{"the names of members are restricted", func(c *contracts) {
		object(c.types["NewItem"])["propertyNames"] = map[string]any{"maxLength": 9.0}
	}, "schema"},
	{"a frame of the service has another type", func(c *contracts) { c.member("Snapshot", "type")["const"] = "state" }, "schema"},
	{"an action has another name", func(c *contracts) { c.member("Ping", "action")["const"] = "beat" }, "schema"},
	{"the claim has another version", func(c *contracts) { c.member("Claim", "v")["const"] = 2.0 }, "schema"},
	{"the number of a CloudEvent is written otherwise", func(c *contracts) { c.member("CloudEvent", "sequence")["pattern"] = "^[0-9]+$" }, "schema"},
	{"a delivery may be of another type", func(c *contracts) {
		of := c.member("CloudEvent", "type")
		of["enum"] = append(list(of["enum"]), "watchroute.moved")
	}, "schema"},
	{"a member of a delivery may be left out", func(c *contracts) { forget(c, "CloudEvent", "topic") }, "schema"},
	{"a delivery is not signed", func(c *contracts) {
		post := object(at(c.openapi, "webhooks", "delivery", "post"))
		post["parameters"] = without(post["parameters"], "webhook-signature")
	}, "schema"},
	{"deliveries are no CloudEvents any more", func(c *contracts) {
		delete(object(at(c.openapi, "webhooks", "delivery", "post", "requestBody", "content")), "application/cloudevents+json")
	}, "schema"},
	{"an item of presence has no name", func(c *contracts) { delete(members(c, "Member"), "name"); forget(c, "Member", "name") }, "schema"},
	{"nobody is let in without a token", func(c *contracts) { c.openapi["security"] = without(c.openapi["security"], "{}") }, "schema oasdiff"},
	{"an action is removed", func(c *contracts) { delete(object(c.asyncapi["operations"]), "ping") }, "asyncapi"},
	{"a frame of a client is removed", func(c *contracts) {
		delete(object(at(c.asyncapi, "components", "messages")), "Ping")
		delete(object(at(c.asyncapi, "channels", "live", "messages")), "Ping")
		delete(object(c.asyncapi["operations"]), "ping")
	}, "schema asyncapi"},
	{"a frame of the service is not sent any more", func(c *contracts) {
		delete(object(at(c.asyncapi, "components", "messages")), "Expiring")
		delete(object(at(c.asyncapi, "channels", "live", "messages")), "Expiring")
		delete(object(c.asyncapi["operations"]), "warnOfExpiry")
	}, "schema asyncapi"},
	{"an answer never comes as it did", func(c *contracts) {
		reply := object(at(c.asyncapi, "operations", "subscribe", "reply"))
		reply["messages"] = without(reply["messages"], "/Subscribed")
	}, "asyncapi"},
	{"the id of an answer is elsewhere", func(c *contracts) {
		object(at(c.asyncapi, "components", "messages", "Subscribed", "correlationId"))["location"] = "$message.payload#/requestId"
	}, "asyncapi"},
	{"the WebSocket is elsewhere", func(c *contracts) { object(at(c.asyncapi, "channels", "live"))["address"] = "/socket" }, "asyncapi"},
	{"a WebSocket takes no token in the query", func(c *contracts) {
		server := object(at(c.asyncapi, "servers", "aws"))
		server["security"] = without(server["security"], "/query")
	}, "asyncapi"},
	{"a WebSocket has to be opened with a parameter", func(c *contracts) {
		object(at(c.asyncapi, "channels", "live", "bindings", "ws", "query"))["required"] = []any{"token"}
	}, "asyncapi"},
}

var harmless = []edit{
	{what: "nothing changes", by: func(*contracts) {}},
	{what: "lists are in another order", by: func(c *contracts) {
		slices.Reverse(list(c.openapi["security"]))
		slices.Reverse(list(c.openapi["servers"]))
		slices.Reverse(list(operation(c, "get", "/topics/{topic}")["parameters"]))
		slices.Reverse(list(at(c.types["Code"], "enum")))
		slices.Reverse(list(at(c.types["Change"], "required")))
	}},
	{what: "a parameter becomes optional", by: func(c *contracts) { delete(parameter(c, "delete", "/topics/{topic}", "id"), "required") }},
	{what: "a header of an answer is new", by: func(c *contracts) {
		headers := object(at(operation(c, "get", "/topics/{topic}"), "responses", "200", "headers"))
		headers["Age"] = headers["ETag"]
	}},
	{what: "an error has a status and a remedy that are new", by: func(c *contracts) {
		object(at(c.asyncapi, "x-remedies", "errors"))["too_late"] = "give up"
		of := object(at(operation(c, "get", "/topics/{topic}"), "responses", "400"))
		of["x-codes"] = append([]any{"too_late"}, list(of["x-codes"])...)
	}},
	{what: "titles, tags and links change", by: func(c *contracts) {
		delete(c.openapi, "externalDocs")
		delete(c.openapi, "tags")
		delete(operation(c, "get", "/topics/{topic}"), "tags")
		object(list(c.openapi["servers"])[0])["description"] = "Another."
		object(at(c.openapi, "components", "securitySchemes", "query"))["description"] = "Another."
		object(at(operation(c, "get", "/topics/{topic}"), "responses", "400"))["description"] = "Another."
	}},
	{what: "a route is new", by: func(c *contracts) {
		object(c.openapi["paths"])["/new"] = map[string]any{"get": map[string]any{"operationId": "getNew", "responses": map[string]any{"200": map[string]any{"description": "New."}}}}
	}},
	{what: "an optional parameter is new", by: func(c *contracts) {
		get := operation(c, "get", "/topics/{topic}")
		get["parameters"] = append(list(get["parameters"]), map[string]any{"name": "tenant", "in": "query", "schema": map[string]any{"type": "string"}})
	}},
	{what: "a refusal has a new status", by: func(c *contracts) {
		responses := object(operation(c, "get", "/topics/{topic}")["responses"])
		responses["409"] = responses["400"]
	}},
	{what: "descriptions change", by: func(c *contracts) {
		object(c.types["Change"])["description"] = "Another."
		c.member("Subscribe", "topic")["description"] = "Another."
		object(at(c.asyncapi, "operations", "subscribe"))["summary"] = "Another."
		object(c.asyncapi["info"])["description"] = "Another."
		object(c.openapi["info"])["description"] = "Another."
		operation(c, "get", "/topics/{topic}")["summary"] = "Another."
	}},
	{what: "an example is another", by: func(c *contracts) {
		delete(object(at(c.asyncapi, "components", "messages", "Ping")), "examples")
	}},
	{what: "an optional member of a request is new", by: func(c *contracts) {
		members(c, "DestinationRequest")["note"] = map[string]any{"type": "string"}
		members(c, "Subscribe")["note"] = map[string]any{"type": "string"}
	}},
	{what: "a member of an answer is new", by: func(c *contracts) {
		members(c, "Change")["note"] = map[string]any{"type": "string"}
		members(c, "TopicItems")["note"] = map[string]any{"type": "string"}
		demand(c, "TopicItems", "note")
	}},
	{what: "a member of a delivery is new, and always there", by: func(c *contracts) {
		members(c, "CloudEvent")["note"] = map[string]any{"type": "string"}
		demand(c, "CloudEvent", "note")
	}},
	{what: "a member of an answer is always there", by: func(c *contracts) { demand(c, "Change", "time") }},
	{what: "an answer is never as long as it might", by: func(c *contracts) { c.member("Change", "seq")["minimum"] = 5.0 }},
	{what: "a member of a request becomes optional", by: func(c *contracts) { forget(c, "DestinationRequest", "topic") }},
	{what: "a request may have a new value", by: func(c *contracts) {
		format := object(list(c.member("DestinationRequest", "format")["anyOf"])[0])
		format["enum"] = append(list(format["enum"]), "lines")
	}},
	{what: "a request may have another type as well", by: func(c *contracts) {
		of := c.member("DestinationRequest", "batch")
		of["anyOf"] = append(list(of["anyOf"]), map[string]any{"type": "string"})
	}},
	{what: "a number in a request may be a fraction", by: func(c *contracts) {
		object(list(c.member("DestinationRequest", "batch")["anyOf"])[0])["type"] = "number"
	}},
	{what: "a limit of requests is raised", by: func(c *contracts) {
		c.member("PublishRequest", "items")["maxItems"] = 50.0
		object(at(c.types["Claim"], "x-limits"))["bytes"] = 8192.0
	}},
	{what: "an error code is new", by: func(c *contracts) {
		object(c.types["Code"])["enum"] = append(list(at(c.types["Code"], "enum")), "too_late")
	}},
	{what: "a frame is new, over both transports", by: func(c *contracts) {
		c.types["Hint"] = map[string]any{"type": "object", "properties": map[string]any{"type": map[string]any{"type": "string", "const": "hint"}}, "required": []any{"type"}}
		object(c.types["ServerFrame"])["oneOf"] = append(list(at(c.types["ServerFrame"], "oneOf")), map[string]any{"$ref": "#/$defs/Hint"})
		object(at(c.asyncapi, "components", "messages"))["Hint"] = map[string]any{"name": "hint", "payload": map[string]any{"$ref": "./schema/watchroute.schema.json#/$defs/Hint"}}
		object(at(c.asyncapi, "channels", "live", "messages"))["Hint"] = map[string]any{"$ref": "#/components/messages/Hint"}
		object(c.asyncapi["operations"])["hint"] = map[string]any{"action": "send", "channel": map[string]any{"$ref": "#/channels/live"}, "messages": []any{map[string]any{"$ref": "#/channels/live/messages/Hint"}}}
		reply := object(at(c.asyncapi, "operations", "ping", "reply"))
		reply["messages"] = append([]any{map[string]any{"$ref": "#/channels/live/messages/Hint"}}, list(reply["messages"])...)
		event := object(at(operation(c, "get", "/topics/{topic}"), "responses", "200", "content", "text/event-stream", "itemSchema", "properties", "event"))
		event["enum"] = append(list(event["enum"]), "hint")
	}},
	{what: "an action is new", by: func(c *contracts) {
		object(at(c.asyncapi, "components", "messages"))["Mute"] = map[string]any{"name": "mute", "payload": map[string]any{"$ref": "./schema/watchroute.schema.json#/$defs/Ping"}}
		object(at(c.asyncapi, "channels", "live", "messages"))["Mute"] = map[string]any{"$ref": "#/components/messages/Mute"}
		object(c.asyncapi["operations"])["mute"] = map[string]any{"action": "receive", "channel": map[string]any{"$ref": "#/channels/live"}, "messages": []any{map[string]any{"$ref": "#/channels/live/messages/Mute"}}}
	}},
	{what: "a token may come in one more way", by: func(c *contracts) {
		server := object(at(c.asyncapi, "servers", "aws"))
		server["security"] = append([]any{map[string]any{"$ref": "#/components/securitySchemes/cookie"}}, list(server["security"])...)
		object(at(c.asyncapi, "components", "securitySchemes"))["cookie"] = map[string]any{"type": "httpApiKey", "in": "cookie", "name": "token"}
		object(at(c.asyncapi, "channels", "live", "bindings", "ws", "query", "properties"))["tenant"] = map[string]any{"type": "string"}
	}},
}

// TestExactlyWhatBreaksClientsIsFound makes changes on purpose. make lint runs it with all judges.
func TestExactlyWhatBreaksClientsIsFound(t *testing.T) {
	all := map[string]judge{"schema": schemas, "places": places}
	if *tools != "" {
		folder, err := filepath.Abs(filepath.Join(root, *tools))
		if err != nil {
			t.Fatal(err)
		}
		all["oasdiff"] = oasdiff(folder)
		if _, err := os.Stat(filepath.Join(folder, "node_modules")); err == nil {
			all["asyncapi"] = asyncAPIDiff(folder)
		}
	}
	was := present(t)
	for _, e := range slices.Concat(breaks, around, harmless) {
		t.Run(e.what, func(t *testing.T) {
			t.Parallel()
			is := present(t)
			e.by(is)
			if e.what != "nothing changes" && reflect.DeepEqual(was, is) {
				t.Fatal("it changes nothing")
			}
			for name, judge := range all {
				if e.seen != "" && !strings.Contains(e.seen, name) {
					continue // it may be seen or not
				}
				found, err := judge(was, is)
				switch {
				case err != nil:
					t.Error(err)
				case e.seen != "" && len(found) == 0:
					t.Errorf("%s does not see it", name)
				case e.seen == "" && len(found) > 0:
					t.Errorf("%s says that it breaks something: %s", name, strings.Join(found, "\n  "))
				case testing.Verbose():
					t.Logf("%s: %s", name, strings.Join(found, "\n  "))
				}
			}
		})
	}
}

// TestContractsKeepToThemselves: nobody finds a difference between a contract and itself.
func TestContractsKeepToThemselves(t *testing.T) {
	all, same := present(t).exchanged(), present(t).exchanged()
	for name, n := range all.asked {
		if found := compare(n, same.asked[name], true, name); len(found) > 0 {
			t.Error(found)
		}
	}
	for name, n := range all.answered {
		if found := compare(n, same.answered[name], false, name); len(found) > 0 {
			t.Error(found)
		}
	}
}

// TestNewVersionMayBreak: a client asks for the version that it knows.
func TestNewVersionMayBreak(t *testing.T) {
	for version, allowed := range map[string]bool{"1.0.0": false, "2.0.0": true} {
		is := present(t)
		delete(members(is, "Change"), "mark")
		object(is.asyncapi["info"])["version"] = version
		err := verdict(t.Output(), present(t), is, []judge{schemas})
		if (err == nil) != allowed {
			t.Errorf("version %s: %v", version, err)
		}
	}
}

// TestWithoutNodeThatIsSaid: where it has to be whole, it fails.
func TestWithoutNodeThatIsSaid(t *testing.T) {
	none := asyncAPIDiff(t.TempDir())
	t.Setenv("CI", "")
	if found, err := none(present(t), present(t)); err != nil || len(found) > 0 {
		t.Errorf("without Node: %v, %v", found, err)
	}
	t.Setenv("CI", "1")
	if _, err := none(present(t), present(t)); err == nil {
		t.Error("CI was not told that a part was left out")
	}
}

// TestWhatIsReadOfAContractIsAllOfIt: each type counts somewhere, and each side has many.
func TestWhatIsReadOfAContractIsAllOfIt(t *testing.T) {
	c := present(t)
	all := c.exchanged()
	if len(all.asked) < 40 || len(all.answered) < 60 {
		t.Errorf("only %d are asked and %d answered", len(all.asked), len(all.answered))
	}
	reached := map[string]bool{}
	var reach func(v any)
	reach = func(v any) {
		for name := range references(v) {
			if !reached[name] {
				reached[name] = true
				reach(c.types[name])
			}
		}
	}
	for _, side := range []map[string]node{all.asked, all.answered} {
		for name, n := range side {
			reached[name] = true
			if n.schema == nil || n.schema == false {
				t.Errorf("%s has no schema", name)
			}
			reach(n.schema)
		}
	}
	for name := range c.types {
		if !reached[name] {
			t.Errorf("%s is compared nowhere", name)
		}
	}
}

// TestReleasedContractsAreWhole: they are read like the present ones.
func TestReleasedContractsAreWhole(t *testing.T) {
	c, err := readContracts(filepath.Join(root, "localstack/contracts/released"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.types) < 50 || c.version() == "" {
		t.Errorf("version %q has %d types", c.version(), len(c.types))
	}
	if len(object(c.openapi["paths"])) < 8 {
		t.Error("there are few routes")
	}
}
