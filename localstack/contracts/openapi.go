package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/watchroute/watchroute/events"
)

const jsonType = "application/json"

// openAPI describes the HTTP routes, and what is delivered to webhooks.
//
// Source: https://spec.openapis.org/oas/v3.2.0.html
func openAPI(c comments) object {
	return object{
		{"openapi", "3.2.0"},
		{"info", object{
			{"title", "Watchroute over HTTP"},
			{"version", protocolVersion},
			{"description", "Each topic is read by GET, long-polled, and streamed as Server-Sent Events, on one cursor. How a client asks decides how it watches. The same topics are watched over a WebSocket, which [asyncapi.yaml](./asyncapi.yaml) describes. A member of a request that is null counts as left out, except `data` and `items`." + httpRemedies(c)},
			{"license", object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}},
		}},
		{"externalDocs", guide},
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
			{{"name", "topics"}, {"summary", "Topics"}, {"description", "Read, watch and publish. A topic has items, and each change of an item has a number. A cursor, epoch:seq, says how far a client has come."}},
			{{"name", "destinations"}, {"summary", "Destinations"}, {"description", "A destination is a URL that gets the changes of a topic or a pattern as webhooks, without a connection. It belongs to the subject of the token that registered it."}},
			{{"name", "deliveries"}, {"summary", "Deliveries"}, {"description", "What a destination gets, and has to answer."}},
			{{"name", "live"}, {"summary", "WebSocket"}, {"description", "How a WebSocket is opened."}},
			{{"name", "contracts"}, {"summary", "Contracts"}, {"description", "What a deployed service says of itself, with its own addresses, limits and ways of authentication."}},
		}},
		{"paths", paths(c)},
		{"webhooks", object{{"delivery", object{{"post", delivered("takeDelivery")}}}}},
		{"components", object{{"securitySchemes", object{
			{"bearer", object{{"type", "http"}, {"scheme", "bearer"}, {"bearerFormat", "JWT"}, {"description", "The token, whose claim watchroute says what it allows."}}},
			{"query", object{{"type", "apiKey"}, {"in", "query"}, {"name", events.QueryToken}, {"description", "The token, for clients that can set no header, such as EventSource. The deployer may turn this off."}}},
		}}}},
	}
}

func paths(c comments) object {
	topic := object{{"name", "topic"}, {"in", "path"}, {"required", true}, {"allowReserved", true}, {"schema", ofSchema("TopicOrPattern")},
		{"description", "The topic, with its slashes, such as stocks/AAPL; for a GET a pattern as well, such as stocks/*."}, {"example", "stocks/AAPL"}}
	id := object{{"name", "id"}, {"in", "path"}, {"required", true}, {"schema", text()}, {"description", "The id of the destination."}, {"example", "dst_4q7m2k"}}
	return object{
		{"/topics/{topic}", object{{"parameters", []object{topic}}, {"get", get()}, {"post", post()}, {"delete", remove()}}},
		{"/destinations", object{{"get", listing()}, {"post", registering()}}},
		{"/destinations/{id}", object{{"parameters", []object{id}}, {"get", showing()}, {"patch", changing()}, {"delete", ending()}}},
		{"/destinations/{id}/pause", object{{"parameters", []object{id}}, {"post", asking("pauseDestination", "Pause a destination", "Nothing is delivered until it is enabled. Its cursors stay.")}}},
		{"/destinations/{id}/enable", object{{"parameters", []object{id}}, {"post", asking("enableDestination", "Enable a destination", "It goes on where it has stopped, whether it was paused or disabled. With thousands of topics, this takes a while after the answer.")}}},
		{"/destinations/{id}/replay", object{{"parameters", []object{id}}, {"post", replaying()}}},
		{"/destinations/{id}/test", object{{"parameters", []object{id}}, {"post", trying()}}},
		{"/destinations/{id}/secret", object{{"parameters", []object{id}},
			{"get", secret("getDestinationSecret", "Show the secret", "Shows the secret that messages to the destination are signed with.")},
			{"post", secret("rotateDestinationSecret", "Rotate the secret", "Gives the destination another secret. For a day, messages have a second signature with the secret before.")}}},
		{"/", object{{"get", upgrade(c)}}},
		{events.OpenAPIPath, object{{"get", describing("getOpenAPI", "OpenAPI", "openapi")}}},
		{events.AsyncAPIPath, object{{"get", describing("getAsyncAPI", "AsyncAPI", "asyncapi")}}},
	}
}

// describing is a route that answers with a contract.
func describing(id, language, version string) object {
	return object{
		{"operationId", id}, {"tags", []string{"contracts"}}, {"summary", "Get the " + language + " document"},
		{"description", "The document needs no other file. It has the service's own addresses, limits and ways of authentication, and leaves out what the service does not have. Pages of every origin may read it."},
		{"security", []object{}},
		{"parameters", []object{header("If-None-Match", "The ETag of the document that the client has.", text())}},
		{"responses", answersOf(id, object{
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
		})},
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

// reading says what a GET of a topic does. A stream is shown here, because renderers make no example of one.
const reading = "What the client asks for decides what it gets:\n\n" +
	"| request | answer |\n|---|---|\n" +
	"| nothing more | the items, and the cursor at which they are true |\n" +
	"| `after=CURSOR` | the changes after the cursor, at once |\n" +
	"| `after=CURSOR&wait=25` | the same, but the request is held until there is a change (long poll) |\n" +
	"| `Accept: text/event-stream` | frames as they come (Server-Sent Events) |\n\n" +
	"For a pattern, the answer has the items of each topic below it. HEAD is answered as GET, without the body and without waiting. A stream looks like this:\n\n" +
	"```\nretry: 1000\n\nevent: subscribed\nid: mfw3k1x0:1042\ndata: {\"type\":\"subscribed\",\"topic\":\"stocks/AAPL\",\"epoch\":\"mfw3k1x0\",\"seq\":1042}\n\nevent: changes\nid: mfw3k1x0:1043\ndata: {\"type\":\"changes\",\"changes\":[{\"topic\":\"stocks/AAPL\",\"epoch\":\"mfw3k1x0\",\"seq\":1043,\"op\":\"modified\",\"id\":\"quote\",\"time\":\"2026-11-25T09:30:00.000Z\",\"data\":{\"price\":151}}]}\n```"

func get() object {
	return object{
		{"operationId", "readTopic"}, {"tags", []string{"topics"}},
		{"summary", "Read, poll or stream a topic"},
		{"description", reading},
		{"parameters", []object{
			parameter("after", "The cursor after which changes are wanted. now stands for the topic's current cursor. A stream of several topics has it once for each of them, in the same order.", object{{"anyOf", []object{{{"type", "string"}, {"const", "now"}}, ofSchema("Cursor"), {{"type", "array"}, {"items", ofSchema("Cursor")}}}}}),
			parameter("wait", fmt.Sprintf("Wait for a change for so many seconds, at most. More than %d counts as %[1]d.", int(events.MaxWait.Seconds())), object{{"type", "integer"}, {"minimum", 0}}),
			parameter("next", "The page of items that follows: the next of the answer before.", filledText()),
			parameter("limit", "How many items a page has, at most. The service may give fewer.", object{{"type", "integer"}, {"minimum", 1}}),
			parameter("filter", "Only the items that match: an EventBridge event pattern on their data, as JSON.", object{{"type", "string"}, {"minLength", 1}, {"contentMediaType", jsonType}}),
			parameter("fields", "Only these members of the items' data, separated by commas.", filledText()),
			onOff("delta", "Send merge patches (RFC 7396) instead of the data, where they are shorter."),
			onOff("latest", "Send only the last of several changes of an item that would come at once. Excludes delta."),
			several("view", "The view in the answer whose cursor is sent as after. If the client would see another view now, the answer is a reset.", text()),
			several("topic", "Further topics and patterns of a stream.", ofSchema("TopicOrPattern")),
			onOff("snapshot", "Begin a stream with the items."),
			parameter("last_event_id", "The same as the header Last-Event-ID, for the first request of an EventSource, which can set no header.", text()),
			header("Last-Event-ID", "The id of the last event that the client has. The stream goes on after it.", text()),
			header("Prefer", "wait=25: the same as the parameter wait.", text()),
			header("If-None-Match", "The ETag of the items that the client has. If they are still the same, the answer is 304.", text()),
		}},
		{"responses", answersOf("readTopic", object{
			{"200", object{
				{"description", "The items, the changes or the stream."},
				{"headers", object{
					headerOf("ETag", "Names the state of the items, for If-None-Match."), headerOf("Link", "The page of items that follows, with rel=next."),
					headerOf("Preference-Applied", "The wait that the header Prefer has asked for."), headerOf("Cache-Control", "private, no-cache for items; no-store for all else."),
				}},
				{"content", object{
					{jsonType, object{{"schema", object{{"oneOf", []object{ofSchema("TopicItems"), ofSchema("TopicChanges"), ofSchema("ItemsBelow"), ofSchema("StandBelow")}}}}, {"examples", answerExamples("TopicItems", "TopicChanges", "ItemsBelow", "StandBelow")}}},
					{"text/event-stream", object{{"itemSchema", event()}}},
				}},
			}},
			{"204", object{{"description", "No change came in the time to wait."}, {"headers", object{headerOf("Watchroute-Cursor", "The cursor to ask again with, as after.")}}}},
			{"304", object{{"description", "The items are those that the client has."}}},
		}, 401, 404, 406, 410)},
	}
}

// event is one event of a stream.
func event() object {
	return object{
		{"type", "object"}, {"required", []string{"data"}},
		{"properties", object{
			{"id", object{{"type", "string"}, {"description", "How far the stream has come, for Last-Event-ID."}}},
			{"event", object{{"enum", []string{"subscribed", "snapshot", "changes", "reset", "error"}}, {"x-may-grow", true}, {"description", "The type of the frame."}}},
			{"data", object{{"type", "string"}, {"contentMediaType", jsonType}, {"contentSchema", ofSchema("ServerFrame")}, {"description", "A frame, as over a WebSocket."}}},
			{"retry", object{{"type", "integer"}, {"minimum", 0}, {"description", "How many milliseconds to wait before coming back."}}},
		}},
	}
}

func headerOf(name, description string) member {
	return member{name, object{{"description", description}, {"schema", text()}}}
}

// everywhere are the refusals that API Gateway itself has for a request to any route: of what it cannot read
// or finds too large, of who may not come, and when it or the function fails.
var everywhere = []int{400, 403, 405, 413, 429, 500, 503}

// answersOf adds refusals to the answers of an operation: these, and those that every operation has.
func answersOf(operation string, answers object, refusals ...int) object {
	refusals = append(refusals, everywhere...)
	slices.Sort(refusals)
	for _, status := range slices.Compact(refusals) {
		answers = append(answers, member{strconv.Itoa(status), refusal(operation, status)})
	}
	return append(answers, member{"default", object{
		{"description", "A refusal of API Gateway itself, because the service failed or was not asked. Try again, later each time."},
		{"content", object{{jsonType, object{{"schema", ofSchema("GatewayError")}}}}},
	}})
}

// onlyOf lists, for an error code that some operations never answer, the operations that do.
var onlyOf = map[events.Code][]string{
	events.CodeBadCursor:     {"readTopic", "replayDestination"},
	events.CodeBadItem:       {"publish", "removeItem"},
	events.CodeBadJSON:       {"publish", "registerDestination", "changeDestination", "replayDestination"},
	events.CodeBadTopic:      {"readTopic", "publish", "removeItem", "registerDestination", "replayDestination"},
	events.CodeTooManyTopics: {"readTopic"},
	events.CodeTooManyHolds:  {"readTopic"},
}

// refusal is a problem with one of the codes that have the status.
func refusal(operation string, status int) object {
	var codes []string
	for _, code := range events.Codes() {
		if only, some := onlyOf[code]; some && !slices.Contains(only, operation) {
			continue
		}
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

// found is an answer with a JSON body.
func found(description, schema string) object {
	return object{{"description", description}, {"content", object{{jsonType, object{{"schema", ofSchema(schema)}, {"examples", answerExamples(schema)}}}}}}
}

func post() object {
	return object{
		{"operationId", "publish"}, {"tags", []string{"topics"}}, {"summary", "Publish items"},
		{"description", fmt.Sprintf("Puts an item into the topic, or up to %d of them. Whoever watches the topic gets a change for each, with the mark that the answer has.", events.MaxPublishItems)},
		{"parameters", []object{
			header("Idempotency-Key", "A random text that names the publication. If it is sent again with the same key, the items change once only. They need an id for that.", ofSchema("RequestID")),
			header("If-None-Match", "With *, only items that do not exist yet are put.", object{{"type", "string"}, {"const", "*"}}),
		}},
		{"requestBody", body("PublishRequest")},
		{"responses", answersOf("publish", object{{"200", object{{"description", "The item is in the table. If there are several items, each has a result or an error of its own."}, {"content", object{
			{jsonType, object{{"schema", object{{"oneOf", []object{ofSchema("PublishResults"), ofSchema("PublishResult")}}}}, {"examples", answerExamples("PublishResult", "PublishResults")}}}}}}}}, 401, 404, 412, 415)},
	}
}

func remove() object {
	return object{
		{"operationId", "removeItem"}, {"tags", []string{"topics"}}, {"summary", "Remove an item"},
		{"description", "Whoever watches the topic gets a change with the op removed. An item that does not exist makes no change."},
		{"parameters", []object{append(parameter("id", "The id of the item.", ofSchema("ItemID")), member{"required", true})}},
		{"responses", answersOf("removeItem", object{{"204", object{{"description", "There is no such item any more."}}}}, 401, 404)},
	}
}

// upgrade describes the handshake of a WebSocket, for readers: OpenAPI has no words for what follows.
func upgrade(c comments) object {
	answers := object{{"101", object{{"description", "The connection is open, and frames follow."}}}}
	for _, status := range events.HandshakeStatuses() {
		answers = append(answers, member{strconv.Itoa(status), object{{"description", fmt.Sprintf("%s: %s; %s.", http.StatusText(status), c.values[strconv.Itoa(status)], events.HandshakeRemedy(status))}}})
	}
	return object{
		{"operationId", "watch"}, {"tags", []string{"live"}}, {"summary", "Open a WebSocket"},
		{"description", "In AWS this is another host: the output WebSocketUrl of the stack. [asyncapi.yaml](./asyncapi.yaml) describes the frames."},
		{"servers", []object{{{"url", "https://{api}.execute-api.{region}.amazonaws.com/{stage}"}, {"variables", object{
			{"api", object{{"default", "abcdef1234"}}}, {"region", object{{"default", "us-east-1"}}}, {"stage", object{{"default", "live"}}}}}}}},
		{"externalDocs", object{{"description", "The frames"}, {"url", "./asyncapi.yaml"}}},
		{"parameters", []object{
			append(header("Upgrade", "websocket", object{{"type", "string"}, {"const", "websocket"}}), member{"required", true}),
			header("Sec-WebSocket-Protocol", events.Subprotocol+", and for browsers a second one: "+events.SubprotocolBearer+" and the token.", text()),
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
