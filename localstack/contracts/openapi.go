package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/watchroute/watchroute/events"
)

const jsonType = "application/json"

// openAPI describes the HTTP routes, and what is delivered to webhooks.
//
// Source: https://spec.openapis.org/oas/v3.2.0.html
func openAPI() object {
	return object{
		{"openapi", "3.2.0"},
		{"info", object{
			{"title", "Watchroute over HTTP"},
			{"version", protocolVersion},
			{"description", "Each topic is read by GET, long-polled, and streamed as Server-Sent Events, on one cursor. How a client asks decides how it watches. The same topics are watched over a WebSocket, which asyncapi.yaml describes."},
			{"license", object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}},
		}},
		{"externalDocs", object{{"description", "The protocol, with what to do after a break"}, {"url", "https://github.com/watchroute/watchroute/blob/main/events/README.md"}}},
		{"servers", []object{
			{{"url", "https://{api}.execute-api.{region}.amazonaws.com/{stage}"}, {"description", "The output HttpUrl of the stack."}, {"variables", object{
				{"api", object{{"default", "abcdef1234"}, {"description", "The id of the REST API."}}},
				{"region", object{{"default", "us-east-1"}, {"description", "The Region of the stack."}}},
				{"stage", object{{"default", "live"}, {"description", "The stage of the API."}}},
			}}},
			{{"url", "http://localhost:4566/live"}, {"description", "What make local runs. It lets everyone in."}},
		}},
		{"security", []object{{{"bearer", []string{}}}, {{"query", []string{}}}, {}}},
		{"tags", []object{
			{{"name", "topics"}, {"description", "Reading, watching and publishing."}},
			{{"name", "destinations"}, {"description", "Webhooks: where changes are delivered without a connection."}},
			{{"name", "live"}, {"description", "Watching over a WebSocket."}},
			{{"name", "contracts"}, {"description", "What a deployed service says of itself, with its own addresses, limits and ways of authentication."}},
		}},
		{"paths", paths()},
		{"webhooks", object{{"delivery", object{{"post", delivered("takeDelivery")}}}}},
		{"components", object{{"securitySchemes", object{
			{"bearer", object{{"type", "http"}, {"scheme", "bearer"}, {"bearerFormat", "JWT"}, {"description", "The token, whose claim watchroute says what it allows."}}},
			{"query", object{{"type", "apiKey"}, {"in", "query"}, {"name", events.QueryToken}, {"description", "For clients that can set no header, such as EventSource. The deployer may turn it off."}}},
		}}}},
	}
}

func paths() object {
	topic := object{{"name", "topic"}, {"in", "path"}, {"required", true}, {"allowReserved", true}, {"schema", ofSchema("TopicOrPattern")},
		{"description", "The topic, with its slashes, such as stocks/AAPL; for a GET a pattern as well, such as stocks/*."}, {"example", "stocks/AAPL"}}
	id := object{{"name", "id"}, {"in", "path"}, {"required", true}, {"schema", text()}, {"description", "The id of the destination."}, {"example", "dst_4q7m2k"}}
	return object{
		{"/topics/{topic}", object{{"parameters", []object{topic}}, {"get", get()}, {"post", post()}, {"delete", remove()}}},
		{"/destinations", object{{"get", listing()}, {"post", registering()}}},
		{"/destinations/{id}", object{{"parameters", []object{id}}, {"get", showing()}, {"patch", changing()}, {"delete", ending()}}},
		{"/destinations/{id}/pause", object{{"parameters", []object{id}}, {"post", asking("pauseDestination", "Pauses a destination: nothing is delivered until it is enabled")}}},
		{"/destinations/{id}/enable", object{{"parameters", []object{id}}, {"post", asking("enableDestination", "Enables a destination, which goes on where it has stopped")}}},
		{"/destinations/{id}/replay", object{{"parameters", []object{id}}, {"post", replaying()}}},
		{"/destinations/{id}/test", object{{"parameters", []object{id}}, {"post", trying()}}},
		{"/destinations/{id}/secret", object{{"parameters", []object{id}},
			{"get", secret("getDestinationSecret", "Shows the secret that messages are signed with")},
			{"post", secret("rotateDestinationSecret", "Gives another secret; for a day messages are signed with the one before, too")}}},
		{"/", object{{"get", upgrade()}}},
		{events.OpenAPIPath, object{{"get", describing("getOpenAPI", "OpenAPI", "openapi")}}},
		{events.AsyncAPIPath, object{{"get", describing("getAsyncAPI", "AsyncAPI", "asyncapi")}}},
	}
}

// describing is a route that answers with a contract.
func describing(id, language, version string) object {
	return object{
		{"operationId", id}, {"tags", []string{"contracts"}}, {"summary", "Gives this contract of the service in " + language},
		{"description", "The document is complete in itself. It has the service's own addresses, limits and ways of authentication, and leaves out what the service does not have. Every page may read it."},
		{"security", []object{}},
		{"parameters", []object{header("If-None-Match", "The ETag of the document that the client has.", text())}},
		{"responses", answersOf(object{
			{"200", object{
				{"description", "The document."},
				{"headers", object{headerOf("ETag", "For If-None-Match."), headerOf("Cache-Control", "public, and for how long.")}},
				{"content", object{{jsonType, object{{"schema", object{{"type", "object"}, {"required", []string{version, "info", "servers"}}, {"properties", object{
					{version, object{{"type", "string"}, {"description", "The version of " + language + "."}}},
					{"info", object{{"type", "object"}, {"description", "What it describes."}}},
					{"servers", object{{"description", "Where the service is."}}},
				}}}}}}}},
			}},
			{"304", object{{"description", "The client has the document."}}},
		}, 405, 429, 500, 503)},
	}
}

// text is a schema of any text.
func text() object { return object{{"type", "string"}} }

// filledText is a schema of a text that is not empty: a parameter without a value is to be left out.
func filledText() object { return object{{"type", "string"}, {"minLength", 1}} }

// parameter is one of a URL's query.
func parameter(name, description string, schema object) object {
	return object{{"name", name}, {"in", "query"}, {"description", description}, {"schema", schema}}
}

// onOff is a parameter that is true or left out.
func onOff(name, description string) object {
	return parameter(name, description, object{{"type", "string"}, {"enum", []string{"true", "false"}}})
}

func header(name, description string, schema object) object {
	return object{{"name", name}, {"in", "header"}, {"description", description}, {"schema", schema}}
}

// several is a parameter that may be repeated.
func several(name, description string, items object) object {
	return append(parameter(name, description, object{{"type", "array"}, {"items", items}, {"maxItems", events.MaxStreamTopics}}), member{"explode", true})
}

func get() object {
	return object{
		{"operationId", "readTopic"}, {"tags", []string{"topics"}},
		{"summary", "Reads, polls or streams a topic"},
		{"description", "Without `after`, the items and the cursor at which they are true. With `after`, the changes after that cursor; with `wait` as well, held until there is one. With `Accept: text/event-stream`, frames as they come. Of a pattern, the items of each topic below it. HEAD answers the same without the body, and without waiting."},
		{"parameters", []object{
			parameter("after", "The cursor after which changes are wanted, or now. In a stream once for each topic, in their order.", object{{"anyOf", []object{{{"type", "string"}, {"const", "now"}}, ofSchema("Cursor"), {{"type", "array"}, {"items", ofSchema("Cursor")}}}}}),
			parameter("wait", fmt.Sprintf("How many seconds to wait for a change, at most. More than %.0f is that.", events.MaxWait.Seconds()), object{{"type", "integer"}, {"minimum", 0}}),
			parameter("next", "Where the items go on, from the answer before.", filledText()),
			parameter("limit", "The most items on a page.", object{{"type", "integer"}, {"minimum", 1}}),
			parameter("filter", "An EventBridge event pattern on the items' data, as JSON: only items that match.", object{{"type", "string"}, {"minLength", 1}, {"contentMediaType", jsonType}}),
			parameter("fields", "Only these members of the items' data, separated by commas.", filledText()),
			onOff("delta", "Merge patches where they are shorter."),
			onOff("latest", "Only the last of several changes of an item that would come at once."),
			several("view", "The view that was seen up to after. If another would be seen now, the answer is a reset.", text()),
			several("topic", "Further topics and patterns of a stream.", ofSchema("TopicOrPattern")),
			onOff("snapshot", "Begin a stream with the items."),
			parameter("last_event_id", "As the header Last-Event-ID, for the first request of an EventSource.", text()),
			header("Last-Event-ID", "The id of the last event of a stream, which goes on after it.", text()),
			header("Prefer", "wait=25, in place of the parameter.", text()),
			header("If-None-Match", "The ETag of the items that the client has.", text()),
		}},
		{"responses", answersOf(object{
			{"200", object{
				{"description", "The items, the changes or the stream."},
				{"headers", object{
					headerOf("ETag", "Of the items: for If-None-Match."), headerOf("Link", "Where the items go on, as next."),
					headerOf("Preference-Applied", "The wait of a long poll."), headerOf("Cache-Control", "no-store; of items private, no-cache."),
				}},
				{"content", object{
					{jsonType, object{{"schema", object{{"oneOf", []object{ofSchema("TopicItems"), ofSchema("TopicChanges"), ofSchema("ItemsBelow"), ofSchema("StandBelow")}}}}}},
					{"text/event-stream", object{{"itemSchema", event()}}},
				}},
			}},
			{"204", object{{"description", "No change came while the request was held."}, {"headers", object{headerOf("Watchroute-Cursor", "Where the topic stands, to ask again with.")}}}},
			{"304", object{{"description", "The client has the items."}}},
		}, 400, 401, 403, 404, 405, 406, 410, 429, 500, 503)},
	}
}

// event is one event of a stream.
func event() object {
	return object{
		{"type", "object"}, {"required", []string{"data"}},
		{"properties", object{
			{"id", object{{"type", "string"}, {"description", "The place that the stream has come to, for Last-Event-ID."}}},
			{"event", object{{"enum", []string{"subscribed", "snapshot", "changes", "reset", "error"}}, {"x-may-grow", true}, {"description", "The type of the frame."}}},
			{"data", object{{"type", "string"}, {"contentMediaType", jsonType}, {"contentSchema", ofSchema("ServerFrame")}, {"description", "A frame, as over a WebSocket."}}},
			{"retry", object{{"type", "integer"}, {"minimum", 0}, {"description", "How many milliseconds to wait before coming back."}}},
		}},
	}
}

func headerOf(name, description string) member {
	return member{name, object{{"description", description}, {"schema", text()}}}
}

// answersOf adds the refusals to answers.
func answersOf(answers object, refusals ...int) object {
	for _, status := range refusals {
		answers = append(answers, member{strconv.Itoa(status), refusal(status)})
	}
	return append(answers, member{"default", object{
		{"description", "API Gateway's own refusal: the function failed, or was not asked at all. Come again, later each time."},
		{"content", object{{jsonType, object{{"schema", ofSchema("GatewayError")}}}}},
	}})
}

// refusal is a problem with one of the codes that have the status.
func refusal(status int) object {
	var codes []string
	for _, code := range events.Codes() {
		if code.Status() == status && (status != http.StatusInternalServerError || code == events.CodeInternal) { // 500 stands for codes of WebSockets, too
			codes = append(codes, string(code))
		}
	}
	description := http.StatusText(status) + ": `" + strings.Join(codes, "`, `") + "`."
	o := object{{"description", description}, {"x-codes", codes}}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable || status == http.StatusInternalServerError {
		o = append(o, member{"headers", object{headerOf("Retry-After", "How many seconds to wait, at least.")}})
	}
	return append(o, member{"content", object{{events.ProblemType, object{{"schema", ofSchema("Problem")}}}}})
}

// body is a JSON body that is required, with examples.
func body(schema string) object {
	return object{{"required", true}, {"content", object{{jsonType, object{{"schema", ofSchema(schema)}, {"examples", bodyExamples[schema]}}}}}}
}

// bodyExamples are examples of what clients send, by the names of types.
var bodyExamples = map[string]object{
	"PublishRequest": {
		example("one", "One item", `{"id":"quote","data":{"price":150.25}}`),
		example("several", "Several items", `{"items":[{"id":"quote","data":{"price":150.25}},{"data":{"headline":"Markets open"},"expiresAt":1893456000}]}`),
	},
	"DestinationRequest": {
		example("all", "All changes", `{"topic":"stocks/*","url":"https://hooks.example.com/stocks"}`),
		example("some", "Some items and members, as CloudEvents", `{"topic":"stocks/*","url":"https://hooks.example.com/stocks","filter":{"price":[{"numeric":[">",100]}]},"fields":["price"],"format":"cloudevents"}`),
	},
	"DestinationChange": {example("fewer", "Fewer changes in a message", `{"batch":10}`)},
	"ReplayRequest": {
		example("cursor", "After a change", `{"topic":"stocks/AAPL","after":"mfw3k1x0:1042"}`),
		example("time", "From a time", `{"from":"2026-11-25T09:30:00.000Z"}`),
	},
}

func example(name, summary, value string) member {
	return member{name, object{{"summary", summary}, {"value", json.RawMessage(value)}}}
}

// found is an answer with a JSON body.
func found(description, schema string) object {
	return object{{"description", description}, {"content", object{{jsonType, object{{"schema", ofSchema(schema)}}}}}}
}

func post() object {
	return object{
		{"operationId", "publish"}, {"tags", []string{"topics"}}, {"summary", fmt.Sprintf("Puts an item, or up to %d", events.MaxPublishItems)},
		{"parameters", []object{
			header("Idempotency-Key", "Names the publication: a repetition with the same key changes nothing.", ofSchema("RequestID")),
			header("If-None-Match", "*: put only items that do not exist.", object{{"type", "string"}, {"const", "*"}}),
		}},
		{"requestBody", body("PublishRequest")},
		{"responses", answersOf(object{{"200", object{{"description", "The item is in the table, or what has become of each."}, {"content", object{
			{jsonType, object{{"schema", object{{"oneOf", []object{ofSchema("PublishResults"), ofSchema("PublishResult")}}}}}}}}}}},
			400, 401, 403, 404, 405, 412, 413, 415, 429, 500, 503)},
	}
}

func remove() object {
	return object{
		{"operationId", "removeItem"}, {"tags", []string{"topics"}}, {"summary", "Removes an item"},
		{"parameters", []object{append(parameter("id", "The item.", ofSchema("ItemID")), member{"required", true})}},
		{"responses", answersOf(object{{"204", object{{"description", "The item is not in the table any more."}}}}, 400, 401, 403, 404, 405, 429, 500, 503)},
	}
}

// ofDestinations begins an operation on destinations.
func ofDestinations(id, summary string) object {
	return object{{"operationId", id}, {"tags", []string{"destinations"}}, {"summary", summary}}
}

func listing() object {
	return append(ofDestinations("listDestinations", "Lists the destinations of the token's subject"),
		member{"responses", answersOf(object{{"200", found("All of them.", "Destinations")}}, 401, 403, 405, 429, 500, 503)})
}

func registering() object {
	return append(ofDestinations("registerDestination", "Registers a URL for the changes of a topic or pattern"),
		member{"requestBody", body("DestinationRequest")},
		member{"responses", answersOf(object{{"201", found("It is registered, and is asked for a challenge.", "Destination")}}, 400, 401, 403, 405, 409, 413, 415, 429, 500, 503)},
		member{"callbacks", object{{"delivery", object{{"{$request.body#/url}", object{{"post", delivered("takeDeliveryOfRegistered")}}}}}}})
}

func showing() object {
	return append(ofDestinations("getDestination", "Shows a destination, and how far it has come"),
		member{"parameters", []object{parameter("after", "The next of the answer before, for more topics.", ofSchema("TopicOrPattern"))}},
		member{"responses", answersOf(object{{"200", found("The destination.", "Destination")}}, 400, 401, 403, 404, 405, 429, 500, 503)})
}

func changing() object {
	return append(ofDestinations("changeDestination", "Changes the settings of a destination, and renews it with the present token"),
		member{"requestBody", body("DestinationChange")},
		member{"responses", answersOf(object{{"200", found("The destination as it is now.", "Destination")}}, 400, 401, 403, 404, 405, 413, 415, 429, 500, 503)})
}

func ending() object {
	return append(ofDestinations("removeDestination", "Removes a destination"),
		member{"responses", answersOf(object{{"204", object{{"description", "It is gone."}}}}, 401, 403, 404, 405, 429, 500, 503)})
}

// asking is an operation without a body.
func asking(id, summary string) object {
	return append(ofDestinations(id, summary),
		member{"responses", answersOf(object{{"204", object{{"description", "It is done, or has begun."}}}}, 401, 403, 404, 405, 429, 500, 503)})
}

func replaying() object {
	return append(ofDestinations("replayDestination", "Delivers again what comes after a cursor or a time"),
		member{"requestBody", body("ReplayRequest")},
		member{"responses", answersOf(object{{"204", object{{"description", "It has begun."}}}}, 400, 401, 403, 404, 405, 413, 415, 429, 500, 503)})
}

func trying() object {
	return append(ofDestinations("testDestination", "Sends a test message now"),
		member{"responses", answersOf(object{{"202", found("It is being sent. GET shows what has become of it.", "DestinationTest")}}, 400, 401, 403, 404, 405, 429, 500, 503)})
}

func secret(id, summary string) object {
	return append(ofDestinations(id, summary),
		member{"responses", answersOf(object{{"200", found("The destination, with its secret.", "Destination")}}, 401, 403, 404, 405, 429, 500, 503)})
}

// delivered is what is posted to a destination.
func delivered(operation string) object {
	signed := func(name, description string) object {
		return append(header(name, description, text()), member{"required", true})
	}
	return object{
		{"operationId", operation}, {"summary", "Takes changes"},
		{"description", "A message of Standard Webhooks 1.0. Anything but 2xx within 15 seconds is tried again, for three days. A message whose answer was lost comes again with the same id and body."},
		{"security", []object{}},
		{"parameters", []object{
			signed("webhook-id", "Names the message; the same when it comes again."), signed("webhook-timestamp", "When it was sent, in seconds since 1970."),
			signed("webhook-signature", "v1, and the HMAC-SHA256 of id, timestamp and body, in base64; two during a rotation."),
		}},
		{"requestBody", object{{"required", true}, {"content", object{
			{jsonType, object{{"schema", object{{"oneOf", []object{ofSchema("Challenge"), ofSchema("Changes"), ofSchema("Reset"), ofSchema("Snapshot"), ofSchema("Test")}}}}}},
			{"application/cloudevents+json", object{{"schema", ofSchema("CloudEvent")}}},
			{"application/cloudevents-batch+json", object{{"schema", object{{"type", "array"}, {"items", ofSchema("CloudEvent")}}}}},
		}}}},
		{"responses", object{
			{"2XX", object{{"description", "Taken. A challenge is answered with its text."}, {"content", object{{jsonType, object{{"schema", ofSchema("ChallengeAnswer")}}}, {"text/plain", object{{"schema", text()}}}}}}},
			{"410", object{{"description", "The destination is disabled."}}},
			{"default", object{{"description", "The message is tried again."}}},
		}},
	}
}

// upgrade describes the handshake of a WebSocket, for readers: OpenAPI has no words for what follows.
func upgrade() object {
	answers := object{{"101", object{{"description", "The connection is open. asyncapi.yaml describes what follows."}}}}
	for _, status := range handshakeStatuses {
		answers = append(answers, member{strconv.Itoa(status), object{{"description", http.StatusText(status) + ": " + string(events.HandshakeRemedy(status)) + "."}}})
	}
	return object{
		{"operationId", "watch"}, {"tags", []string{"live"}}, {"summary", "Opens a WebSocket"},
		{"description", "At the output WebSocketUrl of the stack, which is another host in AWS."},
		{"servers", []object{{{"url", "https://{api}.execute-api.{region}.amazonaws.com/{stage}"}, {"variables", object{
			{"api", object{{"default", "abcdef1234"}}}, {"region", object{{"default", "us-east-1"}}}, {"stage", object{{"default", "live"}}}}}}}},
		{"externalDocs", object{{"description", "The frames"}, {"url", "./asyncapi.yaml"}}},
		{"parameters", []object{
			append(header("Upgrade", "websocket", object{{"type", "string"}, {"const", "websocket"}}), member{"required", true}),
			header("Sec-WebSocket-Protocol", events.Subprotocol+", and for browsers "+events.SubprotocolBearer+" and the token.", text()),
		}},
		{"responses", answers},
		{"x-websocket", object{{"subprotocol", events.Subprotocol}, {"asyncapi", "./asyncapi.yaml"}, {"sends", refs(requestNames())}, {"receives", refs(frameNames())}}},
	}
}

// refs are references to types of the schema, as texts.
func refs(names []string) (all []string) {
	for _, name := range names {
		all = append(all, "./"+schemaFile+"#/$defs/"+name)
	}
	return all
}
